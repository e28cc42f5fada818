#!/usr/bin/python3
"""What a Maildir cannot hold, as docs/guides/maildir.md states it: shown on a real server, and warned about."""

import re
import shutil
import time

from site_of_dovecot import DovecotSite, address, notes
from support import equal, main

# restante/model.hpp
FIELD_UID = 1 << 0
FIELD_MODSEQ = 1 << 2
FIELD_SAVE_DATE = 1 << 6


def keywords_of(site, uid):
    with site.client("alice") as client:
        client.command('EXAMINE "INBOX"')
        return {flag for flag in client.fetch(uid, "FLAGS")[int(uid)]["FLAGS"] if not flag.startswith("\\")}


def lost_and_restored(site):
    shutil.rmtree(site.maildir("alice"))
    label = site.json("query")["sessions"][0]["label"]
    site.run("restore", "-a", address("alice"), "--to-label", label, "--identity", "exact", code=0)


def test_26_keywords_a_folder_come_back_and_the_27th_is_nowhere_in_the_maildir(site):
    site.deliver(["alice"], "many keywords")
    site.run("init", code=0)
    with site.client("alice") as client:
        client.select("INBOX")
        for number in range(27):
            client.command(f"UID STORE 1 +FLAGS (k{number:02})")
    # The server itself shows all: it has the last in its index.
    all_of_them = {f"k{number:02}" for number in range(27)}
    equal(keywords_of(site, "1"), all_of_them)
    (path,) = (site.maildir("alice") / "cur").iterdir()
    equal(path.name.partition(":2,")[2], "abcdefghijklmnopqrstuvwxyz")
    equal("k26" in (site.maildir("alice") / "dovecot-keywords").read_text(), False)
    site.backup("--full")
    lost_and_restored(site)
    equal(keywords_of(site, "1"), all_of_them - {"k26"})


def test_modseq_and_save_date_are_the_servers_own(site):
    site.deliver(["alice"], "a message")
    site.run("init", code=0)
    with site.client("alice") as client:
        client.command("ENABLE QRESYNC")
        client.select("INBOX")
        for _ in range(10):
            client.command("UID STORE 1 +FLAGS (\\Seen)")
            client.command("UID STORE 1 -FLAGS (\\Seen)")
        modseq = int(client.fetch("1", "MODSEQ")[1]["MODSEQ"][0])
        saved = client.fetch("1", "SAVEDATE")[1]["SAVEDATE"]
    label = site.backup("--full")
    # Nothing claims to have them (R15).
    session = (site.target / "sessions" / label / "session.xml").read_text()
    declared = int(re.search(r'fields="(\d+)"', session)[1])
    equal(declared & (FIELD_MODSEQ | FIELD_SAVE_DATE), 0)
    equal(declared & FIELD_UID, FIELD_UID)
    before = notes(site, "alice")
    time.sleep(1.1)
    lost_and_restored(site)
    equal(notes(site, "alice"), before)
    with site.client("alice") as client:
        client.command("ENABLE QRESYNC")
        client.select("INBOX")
        again = int(client.fetch("1", "MODSEQ")[1]["MODSEQ"][0])
        equal(again < modseq, True, f"MODSEQ {modseq} became {again}")
        equal(client.fetch("1", "SAVEDATE")[1]["SAVEDATE"] != saved, True, "the save date came back")


if __name__ == "__main__":
    main(globals(), DovecotSite, "dovecot: ")

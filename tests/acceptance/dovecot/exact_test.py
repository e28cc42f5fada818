#!/usr/bin/python3
"""Everything lost, and brought back exactly: what IMAP and doveadm show is what they showed at that instant."""

import contextlib

from imap import Refused
from site_of_dovecot import DOMAIN, DovecotSite, notes, same, text_of
from story import Story
from support import equal, main


def comes_back(site, instant, known=None):
    """Restores all accounts into the emptied store and compares them; `known` is what folders that are still
    there had: no UID that was given is given again."""
    (option, value), wanted = instant
    site.run("restore", "-a", "all", option, value, "--identity", "exact", code=0)
    if site.server.process is None:
        site.server.start()
    for user, expected in wanted.items():
        for name, folder in (known or {}).get(user, {}).get("folders", {}).items():
            there = expected["folders"].get(name, {})
            if there.get("uidvalidity") == folder.get("uidvalidity"):
                there["uidnext"] = max(there["uidnext"], folder["uidnext"], key=int)
        same(notes(site, user), expected, f"{user} at {option} {value}")
    equal(site.server.complaints(), [])


def empty_over_imap(site):
    for account in (site.mail / DOMAIN).iterdir():
        with site.client(account.name) as client:
            names = [text_of(answer[3]) for answer in client.command('LIST "" "*"')]
            for name in sorted(set(names) - {"INBOX"}, reverse=True):
                with contextlib.suppress(Refused):  # a parent that is no folder itself
                    client.command(f'DELETE "{name}"')
            client.select("INBOX")
            if client.uids():
                client.command("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
                client.command("EXPUNGE")


def test_every_instant_comes_back_exactly(site):
    instants = Story(site).play()
    *earlier, newest = instants
    # The machine is lost: nothing runs, nothing is there.
    site.server.stop()
    site.wipe()
    comes_back(site, newest)
    # Somebody deletes everything while the server runs and nobody is logged in.
    for instant in (earlier[2], earlier[4], earlier[0], earlier[3], earlier[1]):
        site.wipe()
        comes_back(site, instant)
        # Accounts that came later are not among "all" then.
        equal(sorted(path.name for path in (site.mail / DOMAIN).iterdir()), sorted(instant[1]))
    # Or each user deletes everything.
    for instant in (newest, earlier[1]):
        empty_over_imap(site)
        comes_back(site, instant, known={user: notes(site, user) for user in newest[1]})


if __name__ == "__main__":
    main(globals(), DovecotSite, "dovecot: ")

#!/usr/bin/python3
"""Backups and restores while the server delivers and clients change flags as fast as they can."""

import contextlib
import re
import threading

from imap import Refused
from server import Deferred
from site_of_dovecot import DovecotSite, address
from support import equal, main

SUBJECT = re.compile(rb"^Subject: ([^\r\n]*)", re.MULTILINE)
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "later"]


class Worker(threading.Thread):
    """Does one thing again and again until it is ended; what it failed with is raised then."""

    def __init__(self, do, pause=0):
        super().__init__(daemon=True)
        self.do = do
        self.pause = pause
        self.ending = threading.Event()
        self.times = 0
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.ending.is_set():
                self.do(self.times)
                self.times += 1
                self.ending.wait(self.pause)
        except Exception as failure:
            self.failure = failure

    def end(self):
        self.ending.set()
        self.join(60)
        equal(self.is_alive(), False, "it does not end")
        if self.failure:
            raise self.failure


@contextlib.contextmanager
def working(*workers):
    try:
        yield
    finally:
        for worker in workers:
            worker.end()


def flags_flipped(client, folder, uids):
    """One step of a client that changes flags all the time: each renames a file for each message."""
    client.select(folder)

    def step(time):
        sign = "+-"[time // len(FLAGS) % 2]
        client.command(f"UID STORE {uids} {sign}FLAGS.SILENT ({FLAGS[time % len(FLAGS)]})")

    return step


def subjects(maildir):
    """Every message of a Maildir as (folder, subject), sorted; one file a message."""
    out = []
    for path in sorted(maildir.glob("**/*")):
        if path.parent.name in ("cur", "new") and path.is_file():
            folder = str(path.parent.parent.relative_to(maildir))
            out.append((folder, SUBJECT.search(path.read_bytes())[1].decode()))
    return sorted(out)


def restored_elsewhere(site, prefix, *stop):
    """What a restore of alice into a new account has."""
    site.run("restore", "-a", address("alice"), "--prefix", prefix, *stop, code=0)
    return subjects(site.maildir(prefix + "alice"))


def test_flags_that_change_all_the_time_hide_and_double_nothing(site):
    messages = 200
    with site.server.lmtp() as lmtp:
        for number in range(messages):
            lmtp.deliver([address("alice")], site.message(f"message {number}"))
    wanted = sorted((".", f"message {number}") for number in range(messages))
    site.run("init", code=0)
    first, second = site.client("alice"), site.client("alice")
    first.select("INBOX")
    flippers = [
        Worker(flags_flipped(first, "INBOX", f"1:{messages // 2}")),
        Worker(flags_flipped(second, "INBOX", f"{messages // 2 + 1}:*")),
    ]
    labels = []
    with working(*flippers):
        labels.append(site.backup("--full"))
        for _ in range(3):
            site.log_changes()
            site.log_changes()
            labels.append(site.backup("--incremental"))
        labels.append(site.backup("--full"))
    equal(min(flipper.times for flipper in flippers) > 20, True, "the flags hardly changed")
    for number, label in enumerate(labels):
        equal(restored_elsewhere(site, f"r{number}-", "--to-label", label), wanted, f"not once each: {label}")
    expunged = site.json("redo", "dump", "-a", address("alice"), "--operation", "message-expunge")["records"]
    equal(expunged, [], "expunges that nobody made")
    for client in (first, second):
        client.close()


def test_what_arrives_during_a_keep_restore_is_not_lost(site):
    arrivals_stay(site, "keep")


def test_what_arrives_during_a_renew_restore_is_not_lost(site):
    arrivals_stay(site, "renew")


def arrivals_stay(site, identity):
    # Before: an inbox and a folder; since: other flags, messages gone and come, and a new folder.
    for number in range(30):
        site.deliver(["alice"], f"before {number}")
    with site.client("alice") as client:
        client.command('CREATE "Stays"')
        client.select("INBOX")
        client.command('UID COPY 1:10 "Stays"')
        site.run("init", code=0)
        good = site.backup("--full")
        client.command("UID STORE 1:15 +FLAGS (\\Seen later)")
        client.command("UID STORE 16:20 +FLAGS (\\Deleted)")
        client.command("EXPUNGE")
        client.command('CREATE "Goes"')
        client.command('UID COPY 1:5 "Goes"')
        site.log_changes()

    accepted = []

    def deliver(time):
        with contextlib.suppress(Deferred):
            site.deliver(["alice"], f"delivered {time}")
            accepted.append(f"delivered {time}")

    filing = site.client("alice")

    def file(time):
        try:
            filing.append("Goes", site.message(f"filed {time}"))
            accepted.append(f"filed {time}")
        except Refused:  # the folder is gone, or goes
            with contextlib.suppress(Refused):
                filing.command('CREATE "Goes"')

    flipping = site.client("alice")
    workers = [Worker(deliver, 0.15), Worker(file, 0.15)]
    if identity == "keep":  # renew ends the sessions of those who have a folder open
        workers.append(Worker(flags_flipped(flipping, "INBOX", "1:15"), 0.3))
    with working(*workers):
        restores = [restored_meanwhile(site, good, identity) for _ in range(3)]
    for client in (filing, flipping):
        client.close()
    site.log_changes()

    here = subjects(site.maildir("alice"))
    equal(len(here), len(set(here)), "doubled")
    equal([e for e in here if "before" in e[1] and e[0] == "."], sorted((".", f"before {n}") for n in range(30)))
    equal([e for e in here if e[0] == ".Stays"], sorted((".Stays", f"before {n}") for n in range(10)))
    # What had arrived when a restore began went with all else that is newer than the backup: taking the
    # restore back brings it.
    undone = [
        restored_elsewhere(site, f"undone{number}-", "--to-lsn", logged_at - 1)
        for number, logged_at in enumerate(restores)
    ]
    found = {subject for mailbox in [here, *undone] for _, subject in mailbox}
    equal([subject for subject in accepted if subject not in found], [], "lost")


def restored_meanwhile(site, label, identity):
    """Restores alice in place, whatever goes on there."""
    run = site.run("restore", "-a", address("alice"), "--to-label", label, "--identity", identity, "--json")
    equal(run.code in (0, 3), True, str(run))
    (account,) = run.document["accounts"]
    equal([text for text in account["refused"] if "mail came into it" not in text], [])
    return account["logged_at"]


def test_an_account_that_never_rests_is_restored_in_place(site):
    messages = 100
    with site.server.lmtp() as lmtp:
        for number in range(messages):
            lmtp.deliver([address("alice")], site.message(f"message {number}"))
    site.run("init", code=0)
    good = site.backup("--full")
    half = messages // 2
    with site.client("alice") as client:
        client.select("INBOX")
        client.command(f"UID STORE {half + 1}:* +FLAGS (\\Answered)")
        client.command(f"UID STORE {messages - 9}:* +FLAGS (\\Deleted)")
        client.command("EXPUNGE")
    restless = site.client("alice")
    flipper = Worker(flags_flipped(restless, "INBOX", f"1:{half}"))
    reports = []
    with working(flipper):
        # As often as it takes until a change comes between a plan and its restore.
        while len(reports) < 5 or (len(reports) < 60 and not any(r["planned_again"] for r in reports)):
            times = flipper.times
            run = site.run("restore", "-a", address("alice"), "--to-label", good, "--json", code=0)
            reports += run.document["accounts"]
            equal(flipper.times > times + 2, True, "nobody changed anything meanwhile")
    restless.close()
    equal([report["refused"] for report in reports], [[]] * len(reports))
    equal(any(report["planned_again"] for report in reports), True, "no plan was made again")
    site.log_changes()
    equal(subjects(site.maildir("alice")), sorted((".", f"message {n}") for n in range(messages)))
    # Those that nobody touched are as they were.
    with site.client("alice") as client:
        client.select("INBOX")
        flags = client.fetch(f"{half + 1}:*", "FLAGS")
        equal(len(flags), messages - half)
        equal([uid for uid, message in flags.items() if set(message["FLAGS"]) - {"\\Recent"}], [])
    # And the log knows all of it: undone, the expunged messages are gone again.
    equal(len(restored_elsewhere(site, "undone-", "--to-lsn", reports[0]["logged_at"] - 1)), messages - 10)
    equal(restored_elsewhere(site, "now-"), subjects(site.maildir("alice")))


if __name__ == "__main__":
    main(globals(), DovecotSite, "dovecot: ")

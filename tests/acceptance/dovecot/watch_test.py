#!/usr/bin/python3
"""The same story with nobody asking for a scan: the watcher logs what Dovecot does, while it does it."""

import hashlib
import uuid

from site_of_dovecot import DOMAIN, DovecotSite, notes, same
from story import Story
from support import equal, main, wait_until
from watching import Watch


class WatchedSite(DovecotSite):
    def log_changes(self):
        """Told behind everything else, a file in every mailbox is in the log behind everything else."""
        probes = set()
        for account in (self.mail / DOMAIN).iterdir():
            text = str(uuid.uuid4())
            (account / "Maildir/probe").write_text(text)
            probes.add(hashlib.sha256(text.encode()).hexdigest())
        wait_until(
            lambda: all(probe in self.run("redo", "dump", "--json", code=0).out for probe in probes), "the probes"
        )


class WatchedStory(Story):
    """The watcher begins when there is a configuration."""

    def full(self):
        answer = super().full()
        self.watch = Watch(self.site)
        self.watch.wait_for("watching")
        return answer


def counts_of(difference):
    return [difference[part][key] for part in ("messages", "items") for key in ("added", "removed", "changed")]


def finds_nothing(site):
    for account in site.json("scan")["accounts"]:
        equal(counts_of(account["difference"]), [0] * 6, account["account_id"])


def test_what_a_watcher_logged_comes_back_exactly_at_every_instant(site):
    story = WatchedStory(site)
    try:
        *earlier, newest = story.play()
        site.log_changes()
        finds_nothing(site)
        story.watch.stop()
        site.server.stop()
        for (option, value), wanted in (newest, *earlier):
            site.server.stop()
            site.wipe()
            site.run("restore", "-a", "all", option, value, "--identity", "exact", code=0)
            site.server.start()
            for user, expected in wanted.items():
                same(notes(site, user), expected, f"{user} at {option} {value}")
    finally:
        story.watch.kill()


if __name__ == "__main__":
    main(globals(), WatchedSite, "dovecot: ")

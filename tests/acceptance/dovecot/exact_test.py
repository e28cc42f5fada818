#!/usr/bin/python3
"""Everything lost, and brought back exactly: what IMAP and doveadm show is what they showed at that instant."""

from site_of_dovecot import DOMAIN, DovecotSite, notes, same
from story import Story
from support import equal, main


def comes_back(site, instant):
    """Restores all accounts into the emptied store and compares them."""
    (option, value), wanted = instant
    site.run("restore", "-a", "all", option, value, "--identity", "exact", code=0)
    if site.server.process is None:
        site.server.start()
    equal(sorted(p.name for p in (site.mail / DOMAIN).iterdir()), sorted(wanted))
    for user, expected in wanted.items():
        same(notes(site, user), expected, f"{user} at {option} {value}")
    equal(site.server.complaints(), [])


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
    site.wipe()
    comes_back(site, newest)


if __name__ == "__main__":
    main(globals(), DovecotSite, "dovecot: ")

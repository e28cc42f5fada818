#!/usr/bin/python3
"""Restores into mailboxes of a running Dovecot, with clients that stay connected or come back later."""

from imap import Closed, Refused
from site_of_dovecot import DovecotSite, address, notes, same
from story import Story
from support import equal, main, wait_until
from views import Cache, View, on_the_server


def essence(folder):
    """What a restore in place brings back of a folder; UIDs and GUIDs of what returns are the server's (R3)."""
    return sorted((m["body"], m["flags"], m["date"]) for m in folder["messages"].values())


def folders_of(state):
    return {name: folder for name, folder in state["folders"].items() if "messages" in folder}


def holds_what_it_held(found, wanted):
    same(
        {name: essence(folder) for name, folder in folders_of(found).items()},
        {name: essence(folder) for name, folder in folders_of(wanted).items()},
    )
    equal(found["subscribed"], wanted["subscribed"])


def restore(site, instant, identity):
    """Restores alice; gives what she has then."""
    (option, value), wanted = instant
    site.run("restore", "-a", address("alice"), option, value, "--identity", identity, code=0)
    found = notes(site, "alice")
    holds_what_it_held(found, wanted["alice"])
    return found


def caches_of(site, user):
    """Those of a client that has every folder on its disk."""
    caches = [Cache(name) for name in folders_of(notes(site, user))]
    with site.client(user) as client:
        for cache in caches:
            cache.synchronize(client)
    return caches


def come_back(site, user, caches):
    """Resynchronizes; every cache equals the server. The names of those whose content was of use."""
    continued = set()
    with site.client(user) as client, site.client(user) as fresh:
        for cache in list(caches):
            try:
                if cache.synchronize(client):
                    continued.add(cache.folder)
            except Refused:  # its folder is gone
                caches.remove(cache)
                continue
            same(cache.messages, on_the_server(fresh, cache.folder), cache.folder)
    return continued


def as_a_new_client_sees(site, folder):
    with site.client("alice") as fresh:
        return {uid: flags for uid, (flags, _) in on_the_server(fresh, folder).items()}


def highest_modseq(site, folder):
    status = site.server.doveadm("mailbox", "status", "-u", address("alice"), "highestmodseq", folder)
    return int(status.split("=")[1])


def test_keep_under_connected_clients_and_caches(site):
    """Back three times and forth again; what clients believe of the mailbox follows."""
    instants = Story(site).play()
    caches = caches_of(site, "alice")
    for instant in (instants[2], instants[0], instants[4]):
        before = folders_of(notes(site, "alice"))
        modseq = highest_modseq(site, "INBOX")
        idle, busy = site.client("alice"), site.client("alice")
        idling, polling = View(idle, "INBOX"), View(busy, "INBOX")
        tag = idle.idle()
        after = restore(site, instant, "keep")

        # The server tells of it by itself: the one takes it as it comes, the other when it asks.
        told = idle.idle_until(lambda came: any(answer[-1] in ("EXISTS", "EXPUNGE") for answer in came))
        idling.apply(told + idle.done(tag))
        idling.poll()
        polling.poll()
        expected = as_a_new_client_sees(site, "INBOX")
        same(idling.flags, expected, "a client that idled")
        same(polling.flags, expected, "a client that polled")
        idle.close()
        busy.close()

        for name, folder in folders_of(after).items():
            came_back = name not in before or before[name]["uidvalidity"] != folder["uidvalidity"]
            if came_back:
                continue
            equal(int(folder["uidnext"]) >= int(before[name]["uidnext"]), True, f"UIDNEXT of {name}")
            for uid, message in folder["messages"].items():
                known = before[name]["messages"].get(uid)
                equal(known is None or known["body"] == message["body"], True, f"UID {uid} of {name}")
                equal(known is not None or uid >= int(before[name]["uidnext"]), True, f"UID {uid} of {name}")
        equal(highest_modseq(site, "INBOX") > modseq, True, "HIGHESTMODSEQ of INBOX")

        continued = come_back(site, "alice", caches)
        equal("INBOX" in continued, True, f"caches that were of use: {continued}")
        caches += [Cache(name) for name in folders_of(after) if name not in {cache.folder for cache in caches}]
        come_back(site, "alice", caches)


def is_disconnected(view):
    try:
        view.poll()
    except Closed:
        return True
    return False


def test_renew_under_connected_clients_and_caches(site):
    instants = Story(site).play()
    caches = caches_of(site, "alice")
    connected = site.client("alice")
    view = View(connected, "INBOX")
    before = folders_of(notes(site, "alice"))
    after = folders_of(restore(site, instants[2], "renew"))
    used = max(int(folder["uidvalidity"]) for folder in before.values())
    given = [int(folder["uidvalidity"]) for folder in after.values()]
    equal((min(given) > used, len(set(given))), (True, len(given)), f"{given} after {used}")
    # A cache of any folder is void, and says so by itself.
    equal(come_back(site, "alice", caches), set())
    # The server ends the session of a client that has a folder open as it was.
    wait_until(lambda: is_disconnected(view), "the end of the old session")
    connected.close()
    # And the account goes on: the newest state comes back, with a cache of what was in between.
    caches = caches_of(site, "alice")
    restore(site, instants[5], "keep")
    equal("INBOX" in come_back(site, "alice", caches), True)


if __name__ == "__main__":
    main(globals(), DovecotSite, "dovecot: ")

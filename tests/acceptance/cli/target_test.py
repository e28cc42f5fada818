#!/usr/bin/python3
"""What keeps targets whole: checked in parts, made again, copied."""

import os
import shutil

from support import contains, equal, fails_clearly, main, tree


def started(site):
    """Two accounts, and a full session; its label."""
    site.deliver("alice", "welcome", flags="S")
    site.deliver("alice", "contract", "Work", flags="")
    site.deliver("bob", "lunch")
    site.run("init", code=0)
    return site.backup("--full")


def second_target(site, name="second"):
    """A target that the configuration does not name, made by the program."""
    text = site.config.read_text()
    path = site.path / name
    site.config.write_text(text.replace(str(site.target), str(path)))
    site.run("init", code=0)
    site.config.write_text(text)
    return path


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def packs(target):
    return sorted((target / "content" / "packs").glob("**/*.pack"))


def test_verify_against_the_store(site):
    started(site)
    site.deliver("alice", "came since", flags="F")
    document = site.json("verify", "--against-store")
    compared = {account["address"]: account for account in document["against_store"]}
    equal(sorted(compared), ["alice@example.com", "bob@example.com"])
    alice = compared["alice@example.com"]
    equal((alice["equal"], alice["messages"], alice["differences"], alice["failure"]), (True, 3, [], None))
    equal(alice["transactions"] > 0, True)
    contains(site.run("verify", "--against-store", "-a", "bob@example.com", code=0).out, "bob@example.com: equal")
    equal(site.json("verify")["against_store"], None)

    # Bytes that changed where nobody looks: neither size, nor times, nor name tell.
    (path,) = [p for folder in ("new", "cur") for p in (site.mail / "bob" / folder).iterdir()]
    before = path.stat()
    flip(path, before.st_size // 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    document = site.json("verify", "--against-store", code=1)
    equal(document["error"]["code"], "diverged")
    compared = {account["address"]: account for account in document["against_store"]}
    equal(compared["alice@example.com"]["equal"], True)
    bob = compared["bob@example.com"]
    equal((bob["equal"], bob["failure"], bob["more"], len(bob["differences"])), (False, None, 0, 1))
    contains(bob["differences"][0], "is another in the store")
    text = site.run("verify", "--against-store", code=1)
    contains(text.out, "bob@example.com: differs")
    contains(text.err, "bob@example.com")

    # What no backup has cannot be compared, and says so.
    site.deliver("carol", "new here", flags="S")
    (carol,) = site.json("verify", "--against-store", "-a", "carol@example.com", code=1)["against_store"]
    equal((carol["equal"], carol["failure"] is None), (False, False))

    fails_clearly(site.run("verify", "--against-store", "-a", "nobody@example.com"), 1, "nobody@example.com")
    fails_clearly(site.run("verify", "-a", "bob@example.com"), 2, "--against-store")
    fails_clearly(site.run("verify", "--against-store", "--label", "full-x"), 2, "--label")


def test_verify_reads_a_share_of_the_packs(site):
    started(site)
    for i in range(5):
        site.deliver("bob", f"news {i}", size=500)
        site.backup("--full")
    whole = site.json("verify", "--read-data")["targets"][0]
    equal(whole["packs_read"], whole["packs"])
    part = site.json("verify", "--read-data=20")
    equal(part["read_percent"], 20)
    part = part["targets"][0]
    equal(part["packs_read"], -(-part["packs"] * 20 // 100))
    text = site.run("verify", "--read-data=20", "--read-seed", part["read_seed"], code=0).out
    contains(text, f"--read-seed {part['read_seed']} chooses the same again")
    equal(site.json("verify")["targets"][0]["packs_read"], 0)
    for pack in packs(site.target):
        flip(pack, 200)
    again = [
        [d["key"] for d in site.json("verify", "--read-data=20", "--read-seed", 7, code=1)["targets"][0]["damages"]]
        for _ in range(2)
    ]
    equal(again[0], again[1])
    fails_clearly(site.run("verify", "--read-data=101"), 2, "--read-data=101")
    fails_clearly(site.run("verify", "--read-seed", 7), 2, "--read-seed")


def test_rebuild(site):
    started(site)
    accounts = (site.target / "accounts.xml").read_bytes()
    for catalog in site.state.glob("catalog-*"):
        shutil.rmtree(catalog)
    (site.target / "accounts.xml").write_bytes(b"nonsense")
    done = site.json("rebuild")["targets"][0]
    equal((done["sessions"], done["accounts"], done["accounts_changed"]), (1, 2, True))
    equal((site.target / "accounts.xml").read_bytes(), accounts)
    contains(site.run("rebuild", code=0).out, "accounts.xml was as it must be, 2 accounts in 1 session")
    site.run("verify", "--read-data", code=0)
    pack = packs(site.target)[0]
    pack.write_bytes(pack.read_bytes()[:-20])
    run = fails_clearly(site.run("rebuild"), 3, "damage in", "hint: ")
    contains(run.out, f"left out {pack.relative_to(site.target)}")


def test_repair_from_the_store_and_from_another_target(site):
    label = started(site)
    other = second_target(site)
    site.run("copy", "--label", label, "--to", other, code=0)
    site.json("repair")
    for pack in packs(site.target):
        pack.write_bytes(pack.read_bytes()[:100])
    site.run("verify", "--read-data", code=1)
    before = tree(site.target)
    said = site.json("repair", "--dry-run")
    equal(tree(site.target), before, "the dry run changed something")
    done = site.json("repair")
    equal(done["lost"], [])
    equal(done["from_store"], said["from_store"])
    equal({entry["repaired_from"] for entry in done["repaired"]}, {"store"})
    if not done["packs"]:
        raise AssertionError("no damaged pack went")
    site.run("verify", "--read-data", code=0)

    # Two messages are gone from the store; the other target has one of their copies still.
    gone = [e for e in site.mailbox("alice") if e[1] == "contract"]
    equal(len(gone), 1)
    next((site.mail / "alice/.Work/cur").iterdir()).unlink()
    site.run("scan", code=0)
    for pack in packs(site.target):
        pack.write_bytes(pack.read_bytes()[:100])
    run = fails_clearly(site.run("repair"), 3, "not all of", "hint: ")
    contains(run.out, "lost alice@example.com: Work UID ")
    contains(run.out, label)
    done = site.json("repair", "--from", other)
    equal(done["lost"], [])
    equal({entry["repaired_from"] for entry in done["repaired"]}, {str(other)})
    site.run("verify", "--read-data", code=0)
    site.run("restore", "-a", "alice@example.com", "--label", label, "--full-only", code=0)
    equal([e for e in site.mailbox("alice") if e[1] == "contract"], gone)


def test_copy_of_a_session_and_of_an_account(site):
    label = started(site)
    other = second_target(site)
    before = tree(site.target)
    done = site.json("copy", "--label", label, "--to", other)
    equal(done["published"], [label])
    equal(done["damages"], [])
    equal(tree(site.target), before, "the copied target changed")
    site.run("verify", "--read-data", "--target", other, code=0)
    contains(site.run("copy", "--label", label, "--to", other, code=0).out, f"was there {label}")

    site.deliver("alice", "invoice")
    site.backup("--incremental")
    wanted = site.mailbox("alice")
    third = second_target(site, "third")
    text = site.run("copy", "-a", "alice@example.com", "--to", third, code=0).out
    contains(text, f"copied {label}")
    site.run("verify", "--read-data", "--target", third, code=0)

    # The copy is all that is left.
    shutil.rmtree(site.target)
    site.config.write_text(site.config.read_text().replace(str(site.target), str(third)))
    for path in list((site.mail / "alice").glob("**/new/*")) + list((site.mail / "alice").glob("**/cur/*")):
        path.unlink()
    site.run("scan", code=0)
    site.run("restore", "-a", "alice@example.com", "--backup-only", code=0)
    equal(site.mailbox("alice"), wanted)


def test_copy_refuses_and_names(site):
    label = started(site)
    other = second_target(site)
    fails_clearly(site.run("copy", "--to", other), 2, "--label LABEL or -a ACCOUNT")
    fails_clearly(site.run("copy", "--label", label), 2, "--to PATH")
    fails_clearly(site.run("copy", "--label", "full-20010101.000000.000", "--to", other), 1, "no session")
    fails_clearly(site.run("copy", "-a", "carol@example.com", "--to", other), 1, "no account")
    fails_clearly(site.run("copy", "--label", label, "--to", site.path / "none"), 1, "hint: ")
    fails_clearly(site.run("copy", "--label", label, "--to", site.target), 1, "are one target")
    before = tree(other)
    for pack in packs(site.target):
        flip(pack, 200)
    run = fails_clearly(site.run("copy", "--label", label, "--to", other), 3, "damage in")
    contains(run.out, "contents cannot be read")
    contains(run.out, "costs message ")
    equal([name for name in tree(other) if name.startswith("sessions")], [])
    equal([name for name in before if name.startswith("sessions")], [])


if __name__ == "__main__":
    main(globals())

#!/usr/bin/python3
"""Everything that can be wrong with what the program works on: one clear line, nothing changed."""

import json
import os
import shutil
import subprocess

from support import Run, Skipped, break_off_a_restore, contains, equal, fails_clearly, main, tree


def backed_up(site):
    """Full, change, incremental, change, incremental; the three labels."""
    site.deliver("alice", "one", flags="S")
    site.deliver("alice", "two", "Work", flags="")
    site.deliver("bob", "three")
    site.run("init", code=0)
    labels = [site.backup("--full")]
    for subject in ("four", "five"):
        site.deliver("alice", subject, flags="")
        labels.append(site.backup("--incremental"))
    return labels


def refused(site, *words, parts=(), code=1):
    """The command fails clearly and leaves store and target alone."""
    mail, target = tree(site.mail), tree(site.target)
    run = fails_clearly(site.run(*words), code, *parts)
    equal(tree(site.mail), mail, "the store was changed")
    equal(tree(site.target), target, "the target was changed")
    if "--json" not in words:
        document = site.run(*words, "--json").document
        equal(document["status"], ["done", "failed", "usage", "partial"][code])
        equal(document["error"] is not None, True)
    return run


def segments_of(site):
    return sorted(path for path in (site.target / "redologs").glob("**/*") if path.is_file())


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_nothing_was_made_yet(site):
    site.deliver("alice", "one")
    for words in (
        ["backup", "--full"],
        ["backup", "--full", "--background"],
        ["scan"],
        ["query"],
        ["verify"],
        ["abort", "--label", "full-20260101.000000.000"],
        ["abort", "--restore"],
        ["restore", "-a", "alice@example.com"],
        ["redo", "dump"],
        ["redo", "verify"],
        ["redo", "stat"],
        ["redo", "replay"],
    ):
        refused(site, *words, parts=("hint: 'restante init' makes",))
    equal(site.target.exists(), False)


def test_no_store(site):
    backed_up(site)
    shutil.rmtree(site.mail)
    refused(site, "backup", parts=(str(site.mail), "check [store]"))
    refused(site, "init", parts=(str(site.mail), "check [store]"))


def test_empty_target(site):
    backed_up(site)
    shutil.rmtree(site.target)
    site.target.mkdir()
    refused(site, "restore", "-a", "alice@example.com", parts=("hint: 'restante init' makes",))
    refused(site, "query", parts=(str(site.target),))


def test_target_without_sessions(site):
    site.deliver("alice", "one")
    site.run("init", code=0)
    refused(site, "restore", "-a", "alice@example.com")
    refused(site, "restore", "-a", "all")


def test_init_does_not_take_a_directory_of_others(site):
    site.target.mkdir()
    (site.target / "letter.txt").write_text("mine")
    refused(site, "init", parts=("is not empty and no backup target",))
    equal(site.state.exists(), False)
    shutil.rmtree(site.target)
    site.target.write_text("a file")
    fails_clearly(site.run("init"), 1, "is not a directory")


def test_unknown_account_and_label(site):
    labels = backed_up(site)
    refused(site, "restore", "-a", "alcie@example.com", parts=("alcie@example.com",))
    refused(site, "restore", "-a", "alice@example.com", "nobody@example.com", parts=("nobody@example.com",))
    refused(site, "backup", "-a", "nobody@example.com", parts=("nobody@example.com",))
    refused(site, "scan", "-a", "nobody@example.com", parts=("nobody@example.com", "alice@example.com"))
    for words in (
        ["restore", "-a", "alice@example.com", "--label", "full-20010101.000000.000"],
        ["restore", "-a", "alice@example.com", "--to-label", "incr-20010101.000000.000"],
        ["query", "--label", "full-20010101.000000.000"],
        ["abort", "--label", "full-20010101.000000.000"],
        ["verify", "--label", "full-20010101.000000.000"],
    ):
        refused(site, *words, parts=("20010101.000000.000",))
    refused(site, "query", "--label", "../../etc/passwd")
    refused(site, "restore", "-a", "alice@example.com", "--label", labels[1], parts=("alice@example.com",))


def test_unknown_account_is_not_an_empty_answer(site):
    backed_up(site)
    refused(site, "query", "-a", "nobody@example.com", parts=("nobody@example.com", "hint: "))
    refused(site, "redo", "dump", "-a", "nobody@example.com", parts=("'nobody@example.com'", "hint: "))
    # Known, but nothing of it matches.
    contains(
        site.run("query", "-a", "bob@example.com", "--to", "2001/01/01 00:00:00", code=0).out,
        "No backup session matches",
    )
    words = ("redo", "dump", "-a", "bob@example.com", "--operation", "message-put")
    contains(site.run(*words, code=0).out, "No record matches")


def test_lost_store_is_not_taken_for_removed_accounts(site):
    backed_up(site)
    shutil.rmtree(site.mail)
    site.mail.mkdir()
    parts = (f"the store in {site.mail} is empty; 2 accounts were known", "hint: mount it", "--allow-empty")
    end = site.json("redo", "dump")["records"][-1]["lsn"]
    for words in (["scan"], ["scan", "-a", "all"], ["backup"], ["backup", "--full"]):
        refused(site, *words, parts=parts)
    # Also where only the target knows them.
    shutil.move(site.state / "scan", site.path / "scan")
    for words in (["scan"], ["backup"]):
        refused(site, *words, parts=parts)
    shutil.rmtree(site.state / "scan")
    shutil.move(site.path / "scan", site.state / "scan")
    equal({r["kind"] for r in site.json("redo", "dump", "--from-lsn", end + 1)["records"]} - {"mark"}, set())
    document = site.json("scan", "--allow-empty")
    equal([a["account_id"] for a in document["accounts"]], ["alice@example.com", "bob@example.com"])
    # Now it is known that they are gone.
    site.run("scan", code=0)
    site.run("backup", code=0)


def test_empty_store_that_never_had_an_account(site):
    site.run("init", code=0)
    site.run("scan", code=0)


def test_refused_objects_are_done_in_part(site):
    site.deliver("alice", "one", flags="S")
    (site.mail / "alice/outside").symlink_to("/etc/hostname")
    site.run("init", code=0)
    label = site.backup("--full")
    (site.mail / "alice/outside").unlink()
    run = fails_clearly(
        site.run("restore", "-a", "alice@example.com", "--to-label", label), 3, "1 object refused"
    )
    contains(run.out, "refused: ItemPut file outside")


def test_prefix_that_makes_a_name_too_long(site):
    name = "a" * 220
    site.deliver(name, "one")
    site.run("init", code=0)
    site.run("backup", "--full", code=0)
    words = ["restore", "-a", f"{name}@example.com", "--prefix", "p" * 60]
    refused(site, *words, parts=("a name of 280 bytes, 255 are possible",))


def test_restore_that_broke_off(site):
    backed_up(site)
    break_off_a_restore(site)
    parts = ("not backed up: alice@example.com", "'restante restore'", "'restante abort --restore'")
    fails_clearly(site.run("backup"), 3, *parts)
    fails_clearly(site.run("backup", "-a", "alice@example.com", "--full"), 1, *parts)
    site.run("abort", "--restore", code=0)
    site.run("backup", code=0)


def test_restore_that_cannot_write_changes_nothing(site):
    labels = backed_up(site)
    # Returning messages are written through tmp/.
    shutil.rmtree(site.mail / "alice/tmp")
    (site.mail / "alice/tmp").write_text("in the way")
    next((site.mail / "alice/cur").iterdir()).unlink()
    mailbox = site.mailbox("alice")
    run = site.run("restore", "-a", "alice@example.com", "--to-label", labels[0])
    fails_clearly(run, 1, "nothing was changed", "alice/tmp")
    equal(site.mailbox("alice"), mailbox)
    equal(site.json("redo", "stat")["open"], [])
    (site.mail / "alice/tmp").unlink()
    (site.mail / "alice/tmp").mkdir()
    site.run("backup", code=0)


def test_times_that_cannot_be(site):
    backed_up(site)
    refused(site, "restore", "-a", "alice@example.com", "--to-time", "2001/01/01 00:00:00")
    refused(site, "restore", "-a", "alice@example.com", "--to-time", "2100/01/01 00:00:00")
    refused(site, "restore", "-a", "alice@example.com", "--to-lsn", 99999999)
    refused(site, "restore", "-a", "alice@example.com", "--to-seq", 99999999)


def test_missing_segment(site):
    labels = backed_up(site)
    mail = site.mailbox("alice")
    # What the server still has of the log would stand in for it.
    shutil.rmtree(site.state / "redo")
    # The largest holds the changes; one without records would not be missed.
    max(segments_of(site), key=lambda segment: segment.stat().st_size).unlink()
    site.run("init", code=0)
    refused(site, "restore", "-a", "alice@example.com", "--to-label", labels[2], parts=("hint: ",))
    equal(site.mailbox("alice"), mail)
    refused(site, "verify", parts=("damage",))


def test_truncated_segment(site):
    labels = backed_up(site)
    shutil.rmtree(site.state / "redo")
    for segment in segments_of(site):
        truncate(segment)
    run = fails_clearly(site.run("verify", "--read-data"), 1, "damage")
    contains(run.out, "redologs/")
    fails_clearly(site.run("restore", "-a", "alice@example.com", "--to-label", labels[2]), 1)


def test_truncated_session(site):
    labels = backed_up(site)
    truncate(site.target / "sessions" / labels[0] / "session.xml")
    run = refused(site, "verify", parts=("damage",))
    contains(run.out, labels[0])
    refused(site, "restore", "-a", "alice@example.com", "--label", labels[0])


def test_damaged_content(site):
    backed_up(site)
    shutil.rmtree(site.state)
    packs = [path for path in (site.target / "content").glob("**/*") if path.is_file()]
    for pack in packs:
        data = bytearray(pack.read_bytes())
        for i in range(len(data) // 4, len(data) * 3 // 4):
            data[i] ^= 0x55
        pack.write_bytes(bytes(data))
    shutil.rmtree(site.mail / "alice")
    refused(site, "verify", "--read-data", parts=("damage",))
    site.run("init", code=0)
    refused(site, "restore", "-a", "alice@example.com")


def test_newer_target(site):
    backed_up(site)
    path = site.target / "target.json"
    target = json.loads(path.read_text())
    changed = False
    for key, value in target.items():
        if "version" in key and isinstance(value, int):
            target[key] = value + 1
            changed = True
    equal(changed, True, str(target))
    path.write_text(json.dumps(target))
    for words in (["query"], ["backup"], ["restore", "-a", "all"], ["init"]):
        refused(site, *words)


def test_wrong_target_files(site):
    backed_up(site)
    path = site.target / "target.json"
    for text in ("", "{", "[]", "\0" * 100):
        path.write_text(text)
        refused(site, "query")
        refused(site, "init")


def test_wrong_redo_log(site):
    backed_up(site)
    for path in (site.state / "redo").iterdir():
        if path.name.startswith("redo-"):
            path.write_bytes(b"this is not a redo log\n" * 100)
    refused(site, "backup")
    refused(site, "redo", "verify")
    refused(site, "restore", "-a", "alice@example.com")


def test_another_server_of_the_same_name(site):
    backed_up(site)
    shutil.move(site.state, site.path / "elsewhere")
    shutil.move(site.target, site.path / "target2")
    site.run("init", code=0)
    shutil.rmtree(site.target)
    shutil.move(site.path / "target2", site.target)
    refused(site, "init", parts=("another server is named",))


def test_abort_restore_without_one(site):
    backed_up(site)
    contains(site.run("abort", "--restore", code=0).out, "No restore is running")


def test_no_right_to_write(site):
    if os.getuid() != 0:
        raise Skipped("needs root to become another user")
    if shutil.which("setpriv") is None:
        raise Skipped("no setpriv")
    backed_up(site)
    os.chmod(site.path, 0o755)
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *site.command("backup")]
    os.chmod(site.config, 0o644)
    run = Run(subprocess.run(words, capture_output=True, env=site.environment()))
    fails_clearly(run, 1, "denied")


if __name__ == "__main__":
    main(globals())

#!/usr/bin/python3
"""Backups, accidents and restores of real Maildirs."""

import datetime
import os
import pathlib
import shutil
import signal
import time

from support import contains, equal, fails_clearly, main, tree, wait_until


def now():
    """This second in UTC, with a second of its own on either side."""
    time.sleep(1.1)
    text = datetime.datetime.now(datetime.timezone.utc).strftime("%Y/%m/%d %H:%M:%SZ")
    time.sleep(1.1)
    return text


def started(site):
    """Two accounts and what the commands need."""
    site.deliver("alice", "welcome", flags="S")
    site.deliver("alice", "contract", "Work", flags="")
    site.deliver("alice", "annex", "Work.Reports", flags="F")
    site.deliver("bob", "lunch")
    site.run("init", code=0)


def test_full_incremental_disaster_restore_to_a_second(site):
    started(site)
    site.run("backup", "--full", code=0)
    site.deliver("alice", "invoice")
    contract = next((site.mail / "alice/.Work/cur").iterdir())
    site.set_flags(contract, "FS")
    site.run("backup", "--incremental", code=0)
    site.deliver("alice", "addendum", "Work", flags="")
    next((site.mail / "alice/cur").iterdir()).unlink()
    site.run("scan", code=0)
    wanted = site.mailbox("alice")
    good = now()

    shutil.rmtree(site.mail / "alice/.Work")
    for path in list((site.mail / "alice/cur").iterdir()) + list((site.mail / "alice/new").iterdir()):
        path.unlink()
    site.run("scan", code=0)
    equal(site.mailbox("alice"), [e for e in wanted if "Reports" in e[0]])
    site.deliver("bob", "coffee")
    bobs = site.mailbox("bob")

    plan = site.json("restore", "-a", "alice@example.com", "--to-time", good, "--dry-run")
    equal(plan["dry_run"], True)
    equal(plan["plan"][0]["difference"]["messages"]["added"], 3)
    equal(site.mailbox("alice"), [e for e in wanted if "Reports" in e[0]], "the dry run changed something")

    text = site.run("restore", "-a", "alice@example.com", "--to-time", good, code=0).out
    for part in ("alice@example.com", "from", "identity", "keep", "ADDED", " created, "):
        contains(text, part)
    equal(site.mailbox("alice"), wanted)
    equal(site.mailbox("bob"), bobs)
    contains(site.run("verify", "--read-data", code=0).out, "no damage")
    contains(site.run("redo", "verify", code=0).out, "no damage")


def test_account_deleted_and_restored_from_a_label(site):
    started(site)
    wanted = site.mailbox("alice")
    label = site.backup("--full")
    shutil.rmtree(site.mail / "alice")
    site.run("restore", "-a", "alice@example.com", "--label", label, "--full-only", code=0)
    equal(site.mailbox("alice"), wanted)


def test_changes_after_the_full_come_back_without_a_label(site):
    started(site)
    site.run("backup", "--full", code=0)
    site.deliver("alice", "after the full", "Work.New", flags="S")
    wanted = site.mailbox("alice")
    site.run("backup", "--incremental", code=0)
    shutil.rmtree(site.mail / "alice")
    os.makedirs(site.mail / "alice/cur")
    for part in ("new", "tmp"):
        os.makedirs(site.mail / "alice" / part)
    label = site.json("query")["sessions"][0]["label"]
    site.run("restore", "-a", "alice@example.com", "--to-label", label, code=0)
    equal(site.mailbox("alice"), wanted)


def test_incremental_gives_a_new_account_a_full(site):
    started(site)
    site.run("backup", "--full", code=0)
    site.deliver("carol", "new here")
    session = site.json("backup", "--incremental")["session"]
    fulls = {a["address"]: a["full"] for a in session["accounts"]}
    equal(fulls.get("carol@example.com"), True, str(session))
    wanted = site.mailbox("carol")
    shutil.rmtree(site.mail / "carol")
    site.run("restore", "-a", "carol@example.com", "--to-label", session["label"], code=0)
    equal(site.mailbox("carol"), wanted)


def test_synthetic_full_of_what_was_logged(site):
    started(site)
    first = site.backup("--full")
    site.deliver("alice", "logged", "Work.New", flags="S")
    site.run("scan", code=0)
    wanted = site.mailbox("alice")
    site.deliver("alice", "not logged yet")
    site.deliver("carol", "new here")
    out = site.run("backup", "--synthetic", code=0).out
    contains(out, "the mailboxes were not read")
    session = site.json("query")["sessions"][0]
    equal(session["type"], "full")
    equal({a["address"] for a in session["accounts"] if a["full"]},
          {f"{name}@example.com" for name in ("alice", "bob", "carol")})
    # It stands alone: the first full is lost.
    shutil.rmtree(site.target / "sessions" / first)
    site.run("restore", "-a", "alice@example.com", "--label", session["label"], "--full-only", code=0)
    equal(site.mailbox("alice"), wanted)
    contains(site.run("verify", "--read-data", code=0).out, "no damage")


def test_auto_grouped_sessions(site):
    started(site)
    for number in range(4):
        site.deliver(f"user{number}", f"to user{number}")
    config = site.config.read_text()
    site.write_config('mode = "auto-grouped"\n' + config + "[auto_grouped]\nnum_groups = 3\n")

    def fulls(session):
        return {a["address"].split("@")[0] for a in session["accounts"] if a["full"]}

    everybody = {"alice", "bob", "user0", "user1", "user2", "user3"}
    equal(fulls(site.json("backup")["session"]), everybody)
    site.deliver("user3", "between")
    session = site.json("backup", "--auto-grouped")["session"]
    equal(fulls(session), {"alice", "bob"})
    equal([a["full"] for a in session["accounts"] if a["address"] == "user3@example.com"], [False])
    equal(fulls(site.json("backup")["session"]), {"user0", "user1"})
    # A session that is asked for is what was asked for.
    equal(fulls(site.json("backup", "-i")["session"]), set())
    wanted = site.mailbox("user3")
    shutil.rmtree(site.mail / "user3")
    site.run("restore", "-a", "user3@example.com", "--to-label", session["label"], code=0)
    equal(site.mailbox("user3"), wanted)


def test_addresses_match_whatever_their_case(site):
    started(site)
    site.run("backup", "--full", "-a", "Alice@EXAMPLE.com", code=0)
    before = site.mailbox("alice")
    next((site.mail / "alice/cur").iterdir()).unlink()
    site.run("scan", "-a", "ALICE@example.com", code=0)
    label = site.json("query", "-a", "aLICE@example.com")["sessions"][0]["label"]
    site.run("restore", "-a", "ALICE@EXAMPLE.COM", "--to-label", label, code=0)
    equal(site.mailbox("alice"), before)
    records = site.json("redo", "dump", "-a", "ALICE@example.com")["records"]
    equal({r["account_id"] for r in records}, {"alice@example.com"})


def test_message_to_two_accounts_one_restored(site):
    started(site)
    path = site.deliver("alice", "to both")
    os.link(path, site.folder("bob") / "new" / path.name)
    alices, bobs = site.mailbox("alice"), site.mailbox("bob")
    site.run("backup", "--full", code=0)
    good = now()
    (site.folder("bob") / "new" / path.name).unlink()
    site.run("restore", "-a", "bob@example.com", "--to-time", good, code=0)
    equal(site.mailbox("bob"), bobs)
    equal(site.mailbox("alice"), alices)


def test_restore_into_a_new_account(site):
    started(site)
    site.run("backup", "--full", code=0)
    before = site.mailbox("alice")
    text = site.run("restore", "-a", "alice@example.com", "--prefix", "restored-", code=0).out
    contains(text, "restored-alice@example.com")
    equal(site.mailbox("restored-alice"), before)
    equal(site.mailbox("alice"), before)


def test_a_restore_can_be_undone(site):
    started(site)
    site.run("backup", "--full", code=0)
    good = now()
    site.deliver("alice", "would be lost")
    site.run("scan", code=0)
    later = site.mailbox("alice")
    document = site.json("restore", "-a", "alice@example.com", "--to-time", good)
    equal("would be lost" in site.subjects("alice"), False)
    at = document["accounts"][0]["logged_at"]
    site.run("restore", "-a", "alice@example.com", "--to-lsn", at - 1, code=0)
    equal(site.mailbox("alice"), later)


def test_restore_to_sequence_and_position(site):
    started(site)
    site.run("backup", "--full", code=0)
    site.deliver("alice", "first")
    session = site.json("backup", "--incremental")["session"]
    first = site.mailbox("alice")
    site.deliver("alice", "second")
    site.run("backup", "--incremental", code=0)
    second = site.mailbox("alice")
    site.run("restore", "-a", "alice@example.com", "--to-seq", session["last_sequence"], code=0)
    equal(site.mailbox("alice"), first)
    labels = [s["label"] for s in site.json("query")["sessions"]]
    site.run("restore", "-a", "alice@example.com", "--to-label", labels[0], code=0)
    equal(site.mailbox("alice"), second)


def test_nothing_to_change(site):
    started(site)
    site.run("backup", "--full", code=0)
    before = tree(site.mail)
    contains(site.run("restore", "-a", "all", code=0).out, "nothing: the mailbox is in that state")
    equal(tree(site.mail), before)


def test_everything_is_lost_but_the_target(site):
    started(site)
    site.run("backup", "--full", code=0)
    site.deliver("alice", "late")
    site.run("backup", "--incremental", code=0)
    alices, bobs = site.mailbox("alice"), site.mailbox("bob")
    server = site.json("init")["server_id"]
    shutil.rmtree(site.mail)
    shutil.rmtree(site.state)
    site.mail.mkdir()
    document = site.json("init")
    equal(document["server_id"], server)
    equal(document["continues"] is not None, True, str(document))
    site.run("restore", "-a", "all", code=0)
    equal(site.mailbox("alice"), alices)
    equal(site.mailbox("bob"), bobs)
    site.deliver("alice", "life goes on")
    site.run("backup", "--incremental", code=0)
    contains(site.run("verify", "--read-data", code=0).out, "no damage")


def test_init_again_changes_nothing(site):
    started(site)
    site.run("backup", "--full", code=0)
    target = tree(site.target)
    document = site.json("init")
    equal(document["made"], [])
    equal({f["what"] for f in document["found"]}, {"store", "state", "redo log", "target"})
    contains(site.run("init", code=0).out, "Nothing was to be done.")
    equal(tree(site.target), target)


def test_init_after_the_redo_log_is_lost_goes_on_above_it(site):
    started(site)
    first = site.json("backup", "--full")["session"]
    shutil.rmtree(site.state / "redo")
    site.run("init", code=0)
    site.deliver("alice", "afterwards")
    second = site.json("backup", "--full")["session"]
    equal(second["server"], first["server"])
    equal(second["position"]["lsn"] > first["position"]["lsn"], True)
    equal(second["position"]["incarnation"] != first["position"]["incarnation"], True)


def test_query(site):
    started(site)
    contains(site.run("query", code=0).out, "No backup session")
    full = site.backup("--full")
    site.deliver("alice", "more")
    incremental = site.backup("--incremental")
    lines = site.run("query", code=0).out.splitlines()
    contains(lines[0], "LABEL")
    contains(lines[1], incremental)
    contains(lines[2], full)
    verbose = site.run("query", "--label", full, "-v", code=0).out
    names = "Label|Type|Status|Started|Ended|Redo log sequence range|Number of accounts"
    for name in names.split("|"):
        contains(verbose, name + ":")
    for address in ("alice@example.com", "bob@example.com"):
        contains(verbose, f"{address}: completed")
    equal([s["label"] for s in site.json("query", "--type", "full")["sessions"]], [full])
    by_account = site.json("query", "-a", "bob@example.com", "--type", "full")["sessions"]
    equal([s["label"] for s in by_account], [full])
    equal(site.json("query", "--to", "2001/01/01 00:00:00")["sessions"], [])
    contains(site.run("query", "--to", "2001/01/01 00:00:00", code=0).out, "No backup session matches")
    equal(len(site.json("query", "--from", "2001/01/01 00:00:00")["sessions"]), 2)
    contains(site.run("query", "--utc", code=0).out, "UTC")


def test_scan_shows_what_changed(site):
    started(site)
    contains(site.run("scan", code=0).out, "first scan")
    contains(site.run("scan", code=0).out, "2 accounts without a change.")
    site.deliver("alice", "one", "Work", flags="")
    site.set_flags(next((site.mail / "alice/cur").iterdir()), "FS")
    accounts = {a["account_id"]: a for a in site.json("scan", "-a", "alice@example.com")["accounts"]}
    equal(list(accounts), ["alice@example.com"])
    messages = accounts["alice@example.com"]["difference"]["messages"]
    equal((messages["added"], messages["removed"], messages["flags_changed"]), (1, 0, 1))


def test_redo_dump(site):
    started(site)
    site.run("backup", "--full", code=0)
    site.deliver("alice", "one")
    site.deliver("bob", "two")
    site.run("scan", code=0)
    records = site.json("redo", "dump", "--operations")["records"]
    lsns = [r["lsn"] for r in records]
    equal(lsns, sorted(lsns))
    puts = [r for r in records if any(o["name"] == "MessagePut" for o in r["operations"])]
    equal({r["account_id"] for r in puts}, {"alice@example.com", "bob@example.com"})
    only = site.json("redo", "dump", "-a", "bob@example.com")["records"]
    equal({r["account_id"] for r in only}, {"bob@example.com"})
    bounded = site.json("redo", "dump", "--from-lsn", lsns[1], "--to-lsn", lsns[2])["records"]
    equal([r["lsn"] for r in bounded], lsns[1:3])
    equal(site.json("redo", "dump", "--to", "2001/01/01 00:00:00")["records"], [])
    text = site.run("redo", "dump", "--operations", "-v", code=0).out
    contains(text, "MessagePut")
    contains(text, "restante scan")


def test_names_from_outside_forge_nothing(site):
    site.deliver("eve\x1b[31m\nrestante: done", "x", flags="S")
    site.deliver("alice", "x", "Evil\x1b[2J", flags="")
    site.run("init", code=0)
    for words in (["backup", "--full"], ["query", "-v"], ["scan", "-v"]):
        run = site.run(*words)
        equal("\x1b" in run.out + run.err, False, str(run))
        equal("restante: done" in run.out.splitlines() + run.err.splitlines(), False, str(run))
        site.run(*words, "--json").document


# --- sessions that do not end by themselves ---------------------------------------------------------------


ACCOUNTS = 30


def many_accounts(site):
    for account in range(ACCOUNTS):
        for message in range(5):
            site.deliver(f"user{account:02}", f"message {message}", flags="S")
    site.run("init", code=0)


def status_of(site, label):
    return site.json("query", "--label", label)["sessions"][0]["status"]


def held_backup(site):
    """A backup that was stopped (SIGSTOP) with some accounts done and others not; process and label."""
    process = site.start("backup", "--full", "--limit-rate", "20K")  # for all of it some seconds
    label = process.stdout.readline().decode().strip()
    while True:
        process.send_signal(signal.SIGSTOP)
        session = site.json("query", "--label", label)["sessions"][0]
        equal(session["status"], "running", "it ended too soon")
        if session["progress"]["accounts_done"] > 0:
            return process, label
        process.send_signal(signal.SIGCONT)
        time.sleep(0.002)


def is_partial(site, process, label):
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=300)
    equal(process.returncode, 3, err.decode())
    contains(err.decode(), "not backed up")
    session = site.json("query", "--label", label)["sessions"][0]
    equal(session["status"], "partial")
    done = [a["address"] for a in session["accounts"] if a["status"] == "completed"]
    equal(0 < len(done) < ACCOUNTS, True, f"{len(done)} accounts were done")
    return done


def test_signals_end_a_backup_as_partially_successful(site):
    many_accounts(site)
    for stop in (signal.SIGINT, signal.SIGTERM):
        process, label = held_backup(site)
        process.send_signal(stop)
        done = is_partial(site, process, label)
        prefix = f"{stop.name.lower()}-"
        site.run("restore", "-a", done[0], "--prefix", prefix, "--label", label, code=0)
        equal(site.mailbox(prefix + done[0].split("@")[0]), site.mailbox(done[0].split("@")[0]))


def catches_sigint(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    mask = int(status.split("SigCgt:")[1].split()[0], 16)
    return mask & (1 << (signal.SIGINT - 1))


def caught(process):
    """Waits until the process catches SIGINT, and stops it there."""
    deadline = time.monotonic() + 30
    while not catches_sigint(process):
        equal(time.monotonic() < deadline, True, "SIGINT is not caught")
    process.send_signal(signal.SIGSTOP)


def was_interrupted(process):
    """It says so in one line, and that nothing was changed."""
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=300)
    equal((process.returncode, out.decode()), (1, ""), err.decode())
    equal(err.decode(), "restante: interrupted; nothing was changed\n")


def in_time(attempt_once, attempts=8):
    """A busy machine may stop a command too late: then it is begun again."""
    for attempt in range(attempts):
        try:
            return attempt_once(attempt)
        except AssertionError:
            if attempt == attempts - 1:
                raise


def is_interrupted(site, stop, *words):
    def once(_):
        process = site.start(*words)
        caught(process)
        process.send_signal(stop)
        was_interrupted(process)

    in_time(once)


def test_signals_before_anything_was_changed(site):
    many_accounts(site)
    for stop in (signal.SIGINT, signal.SIGTERM):
        for words in (["backup", "--full"], ["scan"]):
            is_interrupted(site, stop, *words)
    site.run("backup", "--full", code=0)
    mail = tree(site.mail)
    for words in (["restore", "-a", "all"], ["restore", "-a", "all", "--dry-run"]):
        is_interrupted(site, signal.SIGINT, *words)
    equal(tree(site.mail), mail)


def test_signal_while_the_background_begins(site):
    many_accounts(site)
    for _ in range(20):
        process = site.start("backup", "--full", "--background")
        caught(process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=300)
        contains(err.decode(), "restante: interrupted; ")
        # With a label if the session began before the signal came.
        equal(process.returncode, 3 if out else 1, err.decode())
        if not out:
            return
        label = out.decode().strip()
        wait_until(lambda: status_of(site, label) != "running", "the end of the session")
        status = status_of(site, label)
        if status != "completed":
            equal(status in ("partial", "failed"), True)
            return
    raise AssertionError("the signal came too late each time")


def has_open(process, path):
    for descriptor in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if pathlib.Path(os.readlink(descriptor)) == path:
                return True
        except FileNotFoundError:
            pass  # closed since it was listed
    return False


def test_abort_of_a_restore_that_plans(site):
    many_accounts(site)
    site.run("backup", "--full", code=0)
    mail = tree(site.mail)
    lock = site.state / "restore.lock"

    def once(attempt):
        process = site.start("restore", "-a", "all")
        try:
            while not has_open(process, lock):
                equal(process.poll(), None)
            # The log may be open by now, or not: the lock alone decides.
            time.sleep(0.05 / 2**attempt)
            process.send_signal(signal.SIGSTOP)
            document = site.json("abort", "--restore")
            equal((document["action"], document.get("pid")), ("asked_to_end", process.pid))
            was_interrupted(process)
        finally:
            process.send_signal(signal.SIGCONT)
            process.communicate()

    in_time(once)
    equal(tree(site.mail), mail)
    contains(site.run("abort", "--restore", code=0).out, "No restore is running")


def test_a_backup_that_ends_before_any_account_failed(site):
    site.deliver("alice", "a message", flags="S")
    site.run("init", code=0)
    # Nobody reads what it says, so it waits with its label, the session begun.
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    filled = 0
    try:
        while True:
            filled += os.write(ours, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(ours, True)
    process = site.start("backup", "--full", stdout=ours)
    os.close(ours)
    wait_until(lambda: site.json("query")["sessions"], "the session")
    (session,) = site.json("query")["sessions"]
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not catches_sigint(process), "the signal's arrival")
    with open(theirs, "rb") as out:
        said = out.read()[filled:].decode()
    contains(said, session["label"])
    equal(process.wait(timeout=300), 1)
    contains(process.stderr.read().decode(), "not backed up: alice@example.com")
    equal(status_of(site, session["label"]), "failed")


def test_abort_by_label_from_another_process(site):
    many_accounts(site)
    process, label = held_backup(site)
    contains(site.run("query", code=0).out, "running")
    contains(site.run("query", "-v", code=0).out, "Progress:")
    contains(site.run("abort", "--label", label, code=0).out, "was asked to end")
    is_partial(site, process, label)
    fails_clearly(site.run("abort", "--label", label), 1, "is not running")


def test_killed_backup_is_interrupted_and_can_be_cleared_away(site):
    many_accounts(site)
    process, label = held_backup(site)
    process.kill()
    process.communicate()
    wait_until(lambda: status_of(site, label) == "interrupted", "interrupted", 120)
    equal(site.json("abort", "--label", label)["action"], "discarded")
    contains(site.run("query", code=0).out, "No backup session")
    site.run("backup", "--full", code=0)


def test_background(site):
    many_accounts(site)
    document = site.json("backup", "--full", "--background")
    label = document["label"]
    wait_until(lambda: status_of(site, label) != "running", "the end of the backup", 300)
    equal(status_of(site, label), "completed")
    wait_until(lambda: "completed" in (site.state / "log").read_text(), "the summary in the log")
    contains((site.state / "log").read_text(), label)


def test_background_tells_why_it_did_not_begin(site):
    started(site)
    run = site.run("backup", "--full", "--background", "-a", "nobody@example.com")
    fails_clearly(run, 1, "nobody@example.com")
    equal(site.json("query")["sessions"], [])


def test_who_comes_second_to_an_account_is_told(site):
    many_accounts(site)
    process, label = held_backup(site)
    fails_clearly(site.run("backup"), 1, label)
    # What it has not to itself goes on.
    session = site.json("query", "--label", label)["sessions"][0]
    done = [a["address"] for a in session["accounts"] if a["status"] == "completed"]
    site.run("query", code=0)
    site.run("verify", code=0)
    if done:
        scan = site.run("scan", "-a", done[0])
        while "is still being written" in scan.err:  # it was stopped with the log's disk in hand
            process.send_signal(signal.SIGCONT)
            time.sleep(0.005)
            process.send_signal(signal.SIGSTOP)
            scan = site.run("scan", "-a", done[0])
        equal(scan.code, 0, str(scan))
    process.kill()
    process.communicate()
    site.run("scan", code=0)


def test_deleted_backups_give_their_room_back(site):
    started(site)
    for i in range(20):
        path = site.deliver("alice", f"passing {i}")
        path.write_bytes(path.read_bytes() + os.urandom(15_000).hex().encode())
    first = site.backup("--full")
    lost = site.mailbox("alice")
    for path in (site.mail / "alice/new").iterdir():
        if "passing" in path.read_text():
            path.unlink()
    middle = site.backup("--incremental")
    second = site.backup("--full")
    site.deliver("alice", "after the second")
    site.run("scan", code=0)
    wanted = site.mailbox("alice")
    good = now()
    site.deliver("alice", "later")
    last = site.backup("--incremental")
    site.run("verify", "--read-data", code=0)
    room = sum(path.stat().st_size for path in site.target.rglob("*") if path.is_file())

    before = tree(site.target)
    kept = site.json("delete", "--label", second, "--dry-run")["targets"][0]
    equal(tree(site.target), before, "the dry run changed something")
    equal(kept["removed"], [first, middle])
    equal([entry["label"] for entry in kept["kept"]], [second])
    contains(kept["kept"][0]["reason"], "full of alice@example.com and 1 other")
    fails_clearly(site.run("delete", "--label", "full-20010101.000000.000"), 1, "no published session")

    done = site.json("delete", "--label", second)["targets"][0]
    for part in ("removed", "kept", "segments"):
        equal(done[part], kept[part], part)
    equal(done["pending"], None)
    if not done["packs"] or sum(p.stat().st_size for p in site.target.rglob("*") if p.is_file()) > room * 0.8:
        raise AssertionError(f"no room was given back: {done}")
    equal([s["label"] for s in site.json("query")["sessions"]], [last, second])
    site.run("verify", "--read-data", code=0)

    site.run("restore", "-a", "alice@example.com", "--to-time", good, code=0)
    equal(site.mailbox("alice"), wanted)
    fails_clearly(site.run("restore", "-a", "alice@example.com", "--to-label", first), 1, first)
    if lost == wanted:
        raise AssertionError("nothing was deleted between the two")
    text = site.run("delete", "--older-than", "1d", code=0).out
    contains(text, "0 sessions and 0 redo log segments removed")
    site.backup("--incremental")
    site.run("verify", "--read-data", code=0)


if __name__ == "__main__":
    main(globals())

#!/usr/bin/python3
"""The redo log as people look at it, check it, add it up, and perform it again."""

import base64
import collections
import fcntl
import json
import os
import pathlib
import shutil
import signal
import time

from support import break_off_a_restore, contains, equal, fails_clearly, main, tree, wait_until

COMMANDS = (["redo", "dump"], ["redo", "stat"], ["redo", "replay"])
ALICE, BOB = "alice@example.com", "bob@example.com"


def now():
    """This instant in UTC, between what was logged before and what comes."""
    time.sleep(0.02)
    seconds = time.time()
    time.sleep(0.02)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1e6):06}Z"


def started(site):
    """Two accounts, in a full backup: what is logged from now on is the log."""
    site.deliver("alice", "welcome", flags="S")
    site.deliver("alice", "contract", "Work", flags="")
    site.deliver("bob", "lunch", flags="")
    site.run("init", code=0)
    site.run("backup", "--full", code=0)


def dump(site, *words):
    return site.json("redo", "dump", *words)["records"]


def names_of(record):
    return [operation["name"] for operation in record.get("operations", [])]


def end_of(site):
    return site.json("redo", "stat")["end"]


def segments(site):
    return sorted((site.state / "redo").glob("redo-*.log"))


def last_of(site, account, operation):
    """The newest record of the account with such an operation."""
    return dump(site, "-a", account, "--operation", operation, "--operations")[-1]


def flip(site, record, offset=0):
    """Damages the record as it lies on the disk."""
    path = site.state / "redo" / f"redo-{record['sequence']:010}.log"
    with open(path, "r+b") as file:
        file.seek(record["offset"] + offset)
        byte = file.read(1)[0]
        file.seek(record["offset"] + offset)
        file.write(bytes([byte ^ 0x40]))


# --- dump -------------------------------------------------------------------------------------------------


def test_dump_by_sequence(site):
    started(site)
    site.deliver("alice", "one")
    site.run("backup", code=0)
    site.deliver("alice", "two")
    site.run("scan", code=0)
    everything = dump(site)
    sequences = sorted({record["sequence"] for record in everything})
    equal(len(sequences) >= 2, True, str(sequences))
    for first, last in ((sequences[0], sequences[0]), (sequences[-1], sequences[-1]), (sequences[0], sequences[-1])):
        wanted = [r for r in everything if first <= r["sequence"] <= last]
        equal(dump(site, "--from-seq", first, "--to-seq", last), wanted)
    newest = [r for r in everything if r["sequence"] == sequences[-1]]
    equal(dump(site, "--from-seq", sequences[-1]), newest)
    for option in ("--from-seq", "--to-seq"):
        fails_clearly(site.run("redo", "dump", option, 99), 1, f"{option}: the redo log here has no sequence 99", "hint: ")


def test_dump_by_commit_time(site):
    started(site)
    site.deliver("alice", "one")
    site.run("scan", code=0)
    between = now()
    site.deliver("alice", "two")
    site.run("scan", code=0)
    first, second = (r["lsn"] for r in dump(site, "--operation", "message-put"))
    before = [r["lsn"] for r in dump(site, "--to", between)]
    after = [r["lsn"] for r in dump(site, "--from", between)]
    equal((first in before, second in before), (True, False))
    equal((first in after, second in after), (False, True))
    equal(sorted(before + after), [r["lsn"] for r in dump(site)])
    # Both bounds are on the same clock, and included.
    at = [r for r in dump(site) if r["lsn"] == first][0]["commit_time"]
    equal(first in [r["lsn"] for r in dump(site, "--from", at, "--to", at)], True)


def test_dump_of_several_accounts(site):
    started(site)
    for account in ("alice", "bob"):
        site.deliver(account, "one")
    site.deliver("carol", "first")
    site.run("scan", code=0)
    site.deliver("carol", "second")
    site.run("scan", code=0)
    equal({r["account_id"] for r in dump(site, "-a", "ALICE@example.com", "carol@example.com")}, {ALICE, "carol@example.com"})
    equal({r["account_id"] for r in dump(site, "-a", "all")} - {None}, {ALICE, BOB, "carol@example.com"})
    for command in COMMANDS:
        run = site.run(*command, "-a", ALICE, "nobody@example.com")
        fails_clearly(run, 1, "no account 'nobody@example.com'", "hint: accounts are", ALICE)


def test_dump_by_operation_and_kind(site):
    started(site)
    message = site.deliver("alice", "one", flags="")
    site.run("scan", code=0)
    at = end_of(site)
    message = site.set_flags(message, "F")
    site.run("scan", code=0)
    message.unlink()
    site.run("scan", code=0)
    site.run("restore", "-a", ALICE, "--to-lsn", at, code=0)
    everything = dump(site, "--operations")
    for option, name in (("message-put", "MessagePut"), ("FlagsUpdate", "FlagsUpdate"), ("message-expunge", "MessageExpunge")):
        wanted = [r["lsn"] for r in everything if name in names_of(r)]
        found = dump(site, "--operation", option, "--operations")
        equal([r["lsn"] for r in found if name in names_of(r)], wanted)
        # With the ends of what was begun with it, and nothing else.
        begun = {r["lsn"] for r in found if r["kind"] == "begin"}
        rest = [r for r in found if name not in names_of(r)]
        equal([(r["kind"], r["transaction"] in begun) for r in rest], [("commit", True)] * len(begun), option)
    equal([r["kind"] for r in dump(site, "--operation", "rewind")], ["begin", "commit"])
    equal({r["kind"] for r in dump(site, "--operation", "content", "begin")}, {"content", "begin"})
    equal(dump(site, "--operation", "item-delete"), [])
    contains(site.run("redo", "dump", "--operation", "item-delete", code=0).out, "No record matches")
    fails_clearly(site.run("redo", "dump", "--operation", "put"), 2, "--operation: 'put' is unknown", "message-put")


def test_dump_of_content(site):
    started(site)
    path = site.deliver("alice", "one \x1b[2J two", size=100_000)
    bytes_there = path.read_bytes()
    site.run("scan", code=0)
    record = last_of(site, ALICE, "message-put")
    content = record["operations"][0]["contents"][0]
    equal((content["size"], "base64" in content), (len(bytes_there), False))
    document = site.json("redo", "dump", "--operation", "message-put", "--content")
    shown = document["records"][0]["operations"][0]["contents"][0]
    equal(base64.b64decode(shown["base64"]), bytes_there)
    equal((shown["digest"], shown["failure"]), (content["digest"], None))
    plain = site.run("redo", "dump", "--operation", "message-put", "--operations", code=0).out
    contains(plain, content["digest"])
    equal("Subject" in plain, False)
    text = site.run("redo", "dump", "--operation", "message-put", "--content", code=0).out
    contains(text, "| Subject: one \\x1b[2J two\n")
    contains(text, "x" * 1000)
    equal("\x1b" in text or "\r" in text, False)
    equal(text.count("x") >= 100_000, True, "content is missing")


def test_dump_of_content_that_cannot_be_read(site):
    started(site)
    site.deliver("alice", "one")
    site.run("scan", code=0)
    piece = [r for r in dump(site) if r["kind"] == "content"][0]
    site.deliver("alice", "two")
    site.run("scan", code=0)
    flip(site, piece, piece["bytes"] - 60)
    records = dump(site, "--operation", "message-put", "--content")
    first, second = (r["operations"][0]["contents"][0] for r in records)
    equal((first["base64"], first["failure"]["code"] != "ok"), (None, True))
    contains(base64.b64decode(second["base64"]).decode(), "Subject: two")
    contains(site.run("redo", "dump", "--content", code=0).out, "(cannot be read: ")


def copied(site):
    """The files of a log of some segments, elsewhere; the log itself is gone."""
    started(site)
    site.deliver("alice", "one")
    site.run("backup", code=0)
    site.deliver("alice", "two")
    site.run("scan", code=0)
    wanted = dump(site, "--content")
    elsewhere = site.path / "elsewhere"
    elsewhere.mkdir()
    for path in segments(site):
        shutil.copy(path, elsewhere)
    shutil.rmtree(site.state / "redo")
    return sorted(elsewhere.iterdir()), wanted


def test_dump_of_files(site):
    files, wanted = copied(site)
    equal(len(files) >= 3, True, str(files))
    before = tree(site.path)
    equal(dump(site, *files, "--content"), wanted)
    equal(dump(site, *reversed(files), "--content"), wanted)
    for number, file in enumerate(files, 1):
        equal(dump(site, file, "--content"), [r for r in wanted if r["sequence"] == number])
    # What lies between is named, and what was asked for is there.
    first_and_last = site.json("redo", "dump", files[0], files[-1])
    equal({r["sequence"] for r in first_and_last["records"]}, {1, len(files)})
    (warning,) = first_and_last["warnings"]
    contains(warning, "missing: LSN ")
    equal(first_and_last["damages"], [])
    equal(tree(site.path), before, "something was written")
    one = [r for r in wanted if "message-put" in str(r) or r["kind"] == "append"][-1]
    at = one["commit_time"]
    equal(one["lsn"] in [r["lsn"] for r in dump(site, *files, "--from", at, "--to", at, "-a", ALICE)], True)
    # A link leads to a file as well.
    link = site.path / "link"
    link.symlink_to(files[-1])
    equal(len(dump(site, link)), len([r for r in wanted if r["sequence"] == len(files)]))


def test_dump_of_files_that_are_no_segments(site):
    files, wanted = copied(site)
    elsewhere = files[0].parent
    fails_clearly(site.run("redo", "dump", elsewhere / "none.log"), 1, f"{elsewhere}/none.log", "No such file", "hint: ")
    fails_clearly(site.run("redo", "dump", site.config), 1, f"segment file {site.config}: ", "hint: ")
    fails_clearly(site.run("redo", "dump", elsewhere), 1, "is not a regular file", "hint: ")
    text = elsewhere / "redo-0000000077.log"
    text.write_text("this is no redo log")
    fails_clearly(site.run("redo", "dump", text), 1, "hint: ")
    fails_clearly(site.run("redo", "dump", files[0], files[0], text, "--from-seq", 9), 1, "--from-seq: ")
    # One of many costs only itself.
    document = site.json("redo", "dump", *files, text, "--content", code=3)
    equal(document["records"], wanted)
    (damage,) = document["damages"]
    contains(damage, "redo-0000000077.log is left out: ")


def large_log(site):
    for message in range(700):
        site.deliver("alice", f"message {message}", flags="")
    site.run("scan", code=0)


def filled_pipe(process):
    """Waits until the process has written all that the pipe holds."""
    status = pathlib.Path(f"/proc/{process.pid}/wchan")
    held = -1
    while True:
        buffer = bytearray(4)
        fcntl.ioctl(process.stdout.fileno(), 0x541B, buffer)  # FIONREAD
        size = int.from_bytes(buffer, "little")
        if size == held and size > 0:
            return
        held = size
        equal(process.poll(), None, f"it ended early {status}")
        time.sleep(0.1)


def test_dump_that_is_interrupted_is_a_document(site):
    started(site)
    large_log(site)
    process = site.start("redo", "dump", "--json")
    filled_pipe(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    equal(process.returncode, 3, err.decode())
    document = json.loads(out)
    equal((document["status"], document["error"]["code"]), ("partial", "cancelled"))
    contains(err.decode(), f"records behind LSN {document['records'][-1]['lsn']} are not shown")
    equal(len(document["records"]) < len(dump(site)), True)


def test_dump_whose_reader_has_gone(site):
    started(site)
    large_log(site)
    process = site.start("redo", "dump", "--content")
    filled_pipe(process)
    process.stdout.close()
    equal(process.wait(timeout=60), 3)
    contains(process.stderr.read().decode(), "the output could not be written")


# --- verify -----------------------------------------------------------------------------------------------


def checked(site, code):
    return site.json("redo", "verify", code=code)["checked"]


def test_verify_tells_what_is_left(site):
    started(site)
    for account in ("alice", "bob"):
        site.deliver(account, "one")
    site.run("scan", code=0)
    site.deliver("bob", "two")
    site.run("scan", code=0)
    whole = checked(site, 0)
    equal([c["damaged"] for c in whole], [False] * len(segments(site)))
    newest = whole[-1]
    equal(newest["readable"], [{"first_lsn": newest["first_lsn"], "last_lsn": newest["last_lsn"]}])
    contains(site.run("redo", "verify", "-v", code=0).out, f"sequence {newest['sequence']}: whole")

    lost = last_of(site, ALICE, "message-put")
    flip(site, lost, 40)
    (damaged,) = [c for c in checked(site, 1) if c["damaged"]]
    equal(damaged["sequence"], lost["sequence"])
    equal(damaged["readable"], [
        {"first_lsn": newest["first_lsn"], "last_lsn": lost["lsn"] - 1},
        {"first_lsn": lost["lsn"] + 1, "last_lsn": newest["last_lsn"]},
    ])
    equal(BOB in damaged["accounts"], True)
    run = fails_clearly(site.run("redo", "verify"), 1, "damage in")
    contains(run.out, f"sequence {lost['sequence']}: damaged")
    contains(run.out, f"still readable: LSN {newest['first_lsn']}")
    contains(run.out, f", {lost['lsn'] + 1} to {newest['last_lsn']}")
    contains(run.out, f"lost LSN {lost['lsn']}\n")
    contains(run.out, "accounts with records in it: ")


def test_verify_names_a_transaction_without_its_end(site):
    started(site)
    at = end_of(site)
    site.deliver("alice", "one")
    site.run("scan", code=0)
    site.run("restore", "-a", ALICE, "--to-lsn", at, code=0)
    site.deliver("bob", "later")
    site.run("scan", code=0)
    commit = [r for r in dump(site) if r["kind"] == "commit"][-1]
    flip(site, commit, 20)
    (damaged,) = [c for c in checked(site, 1) if c["damaged"]]
    equal(damaged["unended"], [ALICE])
    contains(site.run("redo", "verify").out, f"transactions without their end: {ALICE}")


def break_header(path, copies=(0, 4096)):
    good = bytearray(path.read_bytes())
    for copy in copies:
        good[copy + 130] ^= 1
    path.write_bytes(bytes(good))


def test_verify_of_files(site):
    files, wanted = copied(site)
    document = site.json("redo", "verify", *files)
    equal([c["damaged"] for c in document["checked"]], [False] * len(files))
    equal([c["file"] for c in document["checked"]], [str(file) for file in files])
    equal((document["records"], document["path"]), (len(wanted), None))
    contains(site.run("redo", "verify", *files, code=0).out, "these files: ")
    # Some of them may be elsewhere still.
    text = site.run("redo", "verify", "-v", files[0], files[-1], code=0).out
    contains(text, " missing; lost LSN ")
    contains(text, f"sequence {len(files)} ({files[-1]}): whole")
    lost = [r for r in wanted if r["kind"] == "append"][0]
    bad = bytearray(files[lost["sequence"] - 1].read_bytes())
    bad[lost["offset"] + 70] ^= 1
    files[lost["sequence"] - 1].write_bytes(bytes(bad))
    before = tree(files[0].parent)
    run = fails_clearly(site.run("redo", "verify", *files), 1, "damage in these files", "hint: ")
    contains(run.out, f"lost from LSN {lost['lsn']} to the end\n")
    contains(run.out, f"({files[lost['sequence'] - 1]}): damaged")
    break_header(files[-1])
    (left_out,) = [c for c in site.json("redo", "verify", *files, code=1)["checked"] if c["file"] == str(files[-1])]
    equal((left_out["damaged"], left_out["readable"], left_out["sequence"]), (True, [], len(files)))
    equal({k: v for k, v in tree(files[0].parent).items() if k != files[-1].name},
          {k: v for k, v in before.items() if k != files[-1].name})
    fails_clearly(site.run("redo", "verify", site.path / "none"), 1, "damage in these files", "hint: ")


def test_verify_of_a_torn_tail(site):
    files, wanted = copied(site)
    newest = [r for r in wanted if r["sequence"] == len(files)]
    bad = bytearray(files[-1].read_bytes())
    bad[newest[-1]["offset"] + 20] ^= 1
    files[-1].write_bytes(bytes(bad))
    checked = site.json("redo", "verify", *files)["checked"][-1]
    equal((checked["damaged"], checked["last_lsn"], checked["torn_bytes"] > 0), (False, newest[-2]["lsn"], True))
    contains(site.run("redo", "verify", *files, code=0).out, "never acknowledged, unless the newest records are damaged")


def test_verify_of_a_log_that_does_not_open(site):
    started(site)
    site.deliver("alice", "one")
    site.run("backup", code=0)
    site.deliver("bob", "two")
    site.run("scan", code=0)
    wanted = dump(site)
    whole = site.json("redo", "verify")["checked"]
    directory = site.state / "redo"
    good = site.path / "good"
    shutil.copytree(directory, good)
    files = segments(site)

    def refused(reason, broken):
        """The reason is named, and every segment but `broken` is read whole."""
        run = fails_clearly(site.run("redo", "verify", "-v"), 1, "the redo log does not open: ", str(directory), reason)
        document = site.json("redo", "verify", code=1)
        equal(document["refused"]["code"], document["error"]["code"])
        left = {c["sequence"]: c["readable"] for c in document["checked"] if c["sequence"] not in broken}
        equal(left, {c["sequence"]: c["readable"] for c in whole if c["sequence"] not in broken})
        for sequence in left:
            contains(run.out, f"sequence {sequence}: whole")
        shutil.rmtree(directory)
        shutil.copytree(good, directory)
        return run, document

    break_header(files[1])
    run, document = refused("checksum is wrong", {2})
    contains(run.out, "sequence 2: damaged\n")
    contains(run.out, "  still readable: nothing\n")
    contains(run.out, "segment 2 is missing; ")
    equal([r["sequence"] for r in document["checked"]], [c["sequence"] for c in whole])

    files[-1].unlink()
    run, document = refused("the one behind it is missing", {len(files)})
    equal(document["damages"], [])

    files[1].write_bytes(b"")
    run, document = refused("is empty", {2})

    shutil.copy(files[0], files[1])
    run, document = refused("holds segment 1", {1, 2})
    equal([c["readable"] != [] for c in document["checked"] if c["sequence"] == 1], [True, False])

    # A record that is lost besides.
    break_header(files[-1])
    lost = [r for r in wanted if r["account_id"] == ALICE][-1]
    flip(site, lost, 40)
    run, document = refused("checksum is wrong", {lost["sequence"], len(files)})
    contains(run.out, f"sequence {lost['sequence']}: damaged\n")
    contains(run.out, f"lost from LSN {lost['lsn']} to the end\n")
    contains(run.out, "accounts with records in it: ")
    equal(dump(site), wanted)
    shutil.rmtree(directory)
    run = fails_clearly(site.run("redo", "verify"), 1, "hint: ")
    equal("does not open" in run.err, False)


def test_signal_ends_a_verification(site):
    started(site)
    for number in range(24):
        site.deliver("alice", f"message {number}", flags="", size=4_000_000)
    site.run("scan", code=0)
    files = segments(site)
    for words in (["redo", "verify"], ["redo", "verify", *files]):
        for attempt in range(40):
            process = site.start(*words)
            time.sleep(0.02 * (attempt % 20 + 1))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
            if process.returncode == 1:
                break  # else it came too early or too late
        equal((process.returncode, out, err.decode()), (1, b"", "restante: interrupted; nothing was changed\n"))
    site.run("redo", "verify", code=0)


def test_verify_of_header_and_index(site):
    started(site)
    site.deliver("alice", "one")
    site.run("backup", code=0)
    sealed = [s for s in checked(site, 0) if s["sealed"] and s["last_lsn"]][-1]
    last = [r for r in dump(site) if r["sequence"] == sealed["sequence"]][-1]
    path = site.state / "redo" / f"redo-{sealed['sequence']:010}.log"
    good = path.read_bytes()
    for place, what in ((60, "of the header"), (last["offset"] + last["bytes"] + 9, "index")):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bytes(bad))
        run = fails_clearly(site.run("redo", "verify"), 1, "damage in")
        contains(run.out, what)
        contains(run.out, "no record is lost")
        contains(run.out, f"still readable: LSN {sealed['first_lsn']} to {sealed['last_lsn']}")
    path.write_bytes(good)
    checked(site, 0)


# --- stat -------------------------------------------------------------------------------------------------


def test_stat_adds_up_what_dump_shows(site):
    started(site)
    for number in range(3):
        site.deliver("alice", f"message {number}", size=1000 * number)
        site.deliver("bob", "always the same") if number == 0 else None
        site.run("scan", code=0)
    site.run("backup", code=0)
    dump(site)  # whoever closes the log first writes a mark
    records = dump(site, "--operations")
    stat = site.json("redo", "stat")
    equal(stat["counted"]["records"], len(records))
    equal(stat["counted"]["bytes"], sum(r["bytes"] for r in records))
    equal(stat["counted"]["transactions"], sum(r["kind"] in ("commit", "append") for r in records))
    equal(stat["counted"]["content_bytes"], sum(r["bytes"] for r in records if r["kind"] == "content"))
    kinds = collections.Counter(r["kind"] for r in records)
    equal({k: v["records"] for k, v in stat["kinds"].items()}, dict(kinds))
    equal(stat["operations"], dict(collections.Counter(n for r in records for n in names_of(r))))
    equal([a["account_id"] for a in stat["accounts"]], [ALICE, BOB])
    for account in stat["accounts"]:
        own = [r for r in records if r["account_id"] == account["account_id"]]
        equal((account["records"], account["bytes"]), (len(own), sum(r["bytes"] for r in own)))
        equal(account["transactions"], sum(r["kind"] in ("commit", "append") for r in own))
    equal([s["sequence"] for s in stat["segments"]], [int(p.name[5:15]) for p in segments(site)])
    equal(stat["end"], records[-1]["lsn"])
    (consumer,) = stat["consumers"]
    equal(consumer["records_behind"], stat["end"] - consumer["position"])
    equal(consumer["segments_kept"], len([s for s in stat["segments"] if (s["last_lsn"] or 0) > consumer["position"]]))
    equal([a["account_id"] for a in site.json("redo", "stat", "--accounts", 1)["accounts"]], [ALICE])
    equal(site.json("redo", "stat", "--accounts", 1)["account_count"], 2)


def test_stat_of_a_range(site):
    started(site)
    site.deliver("alice", "one")
    site.deliver("bob", "two")
    site.run("scan", code=0)
    between = now()
    site.deliver("alice", "three")
    site.run("scan", code=0)
    records = dump(site)
    for words in (["--from", between], ["--to", between], ["-a", BOB], ["--from-lsn", 4, "--to-lsn", 6]):
        wanted = dump(site, *words)
        equal(0 < len(wanted) < len(records), True, str(words))
        stat = site.json("redo", "stat", *words)
        equal(stat["counted"]["records"], len(wanted))
        equal((stat["counted"]["first_lsn"], stat["counted"]["last_lsn"]), (wanted[0]["lsn"], wanted[-1]["lsn"]))
        equal(stat["end"], records[-1]["lsn"])
    nothing = site.json("redo", "stat", "--to", "2001/01/01 00:00:00")
    equal((nothing["counted"]["records"], nothing["counted"]["first_time"], nothing["accounts"]), (0, None, []))


def test_stat_tells_rates(site):
    started(site)
    site.deliver("alice", "one")
    site.run("scan", code=0)
    stat = site.json("redo", "stat")
    rates = {rate["of"]: rate for rate in stat["rates"]}
    equal(list(rates), ["all", "last day", "last hour"])
    for rate in rates.values():
        equal(rate["transactions"], stat["counted"]["transactions"])
        equal(rate["seconds"] > 0, True)
        equal(round(rate["transactions_per_second"] * rate["seconds"], 6), rate["transactions"])
        equal(round(rate["bytes_per_second"] * rate["seconds"]), rate["bytes"])
    text = site.run("redo", "stat", code=0).out
    for part in ("last hour", "A DAY", "of it content", ALICE, "No transaction is open", "READER", "RECORDS BEHIND"):
        contains(text, part)


def test_damage_is_named_by_dump_and_stat(site):
    started(site)
    site.deliver("alice", "one")
    site.run("scan", code=0)
    site.deliver("alice", "two")
    site.run("scan", code=0)
    lost = dump(site, "--operation", "message-put")[0]
    flip(site, lost, 40)
    for command in (["redo", "dump"], ["redo", "stat"]):
        document = site.json(*command, code=3)
        equal(len(document["damages"]), 1)
        equal(document["error"]["code"], "damaged")
    equal(lost["lsn"] in [r["lsn"] for r in site.json("redo", "dump", code=3)["records"]], False)


# --- replay -----------------------------------------------------------------------------------------------


def gone_back(site):
    """A store whose file system was put back behind its log: what it was, and the log's end then."""
    started(site)
    shutil.copytree(site.mail, site.path / "before")
    site.deliver("alice", "one", flags="")
    site.deliver("alice", "deep", "New.Sub", flags="F")
    site.deliver("bob", "two")
    site.run("scan", code=0)
    site.set_flags(next((site.mail / "alice/cur").glob("*.M4P1.*")), "FS")
    next((site.mail / "alice/.Work/cur").iterdir()).unlink()
    site.run("scan", code=0)
    wanted = {account: site.mailbox(account) for account in ("alice", "bob")}
    end = end_of(site)
    put_back(site)
    return wanted, end


def put_back(site):
    shutil.rmtree(site.mail)
    shutil.copytree(site.path / "before", site.mail)


def test_replay_brings_a_store_forward(site):
    wanted, end = gone_back(site)
    plan = site.json("redo", "replay", "--dry-run")
    equal((plan["dry_run"], [p["account_id"] for p in plan["plan"]]), (True, [ALICE, BOB]))
    equal(plan["plan"][0]["difference"]["messages"], {"added": 2, "removed": 1, "flags_changed": 0, "changed": 0, "unchanged": 1})
    equal(tree(site.mail), tree(site.path / "before"), "the dry run changed something")
    text = site.run("redo", "replay", "--to-lsn", end, "--yes", code=0).out
    for part in ("transactions, LSN", "New/Sub", "created", "to undo it: restante restore"):
        contains(text, part)
    for account, mailbox in wanted.items():
        equal(site.mailbox(account), mailbox)


def test_replaying_again_changes_nothing(site):
    wanted, end = gone_back(site)
    site.run("redo", "replay", "--to-lsn", end, "--yes", code=0)
    mail, log = tree(site.mail), end_of(site)
    for words in ([], ["--threads", 4], ["--from-lsn", 3]):
        document = site.json("redo", "replay", "--to-lsn", end, *words)
        equal([p["difference"]["none"] for p in document["plan"]], [True, True])
        equal([a["created"] + a["changed"] + a["removed"] for a in document["accounts"]], [0, 0])
    site.run("redo", "replay", code=0)
    equal(tree(site.mail), mail)
    new = [r for r in dump(site, "--from-lsn", log + 1) if r["kind"] != "mark"]
    equal(new, [], "what was replayed was logged again")


def test_a_replay_is_no_change_from_outside(site):
    wanted, end = gone_back(site)
    site.run("redo", "replay", "--to-lsn", end, "--yes", code=0)
    mail = tree(site.mail)
    equal([a["difference"]["none"] for a in site.json("scan")["accounts"]], [True, True])
    label = site.backup("--incremental")
    contains(site.run("verify", "--read-data", code=0).out, "no damage")
    site.run("restore", "-a", "all", "--to-label", label, "--dry-run", code=0)
    # A later state is that of the log, replay included.
    shutil.rmtree(site.mail / "alice")
    site.run("restore", "-a", ALICE, "--to-label", label, code=0)
    equal(site.mailbox("alice"), wanted["alice"])
    equal({k: v for k, v in tree(site.mail).items() if k.startswith("bob")},
          {k: v for k, v in mail.items() if k.startswith("bob")})


def test_a_replay_can_be_undone(site):
    wanted, end = gone_back(site)
    before = site.mailbox("alice")
    document = site.json("redo", "replay", "-a", ALICE, "--to-lsn", end, "--yes")
    equal(site.mailbox("alice"), wanted["alice"])
    at = document["accounts"][0]["logged_at"]
    site.run("restore", "-a", ALICE, "--to-lsn", at - 1, code=0)
    equal(site.mailbox("alice"), before)


def test_replay_that_takes_away_needs_yes(site):
    wanted, end = gone_back(site)
    run = site.run("redo", "replay", "--to-lsn", end)
    fails_clearly(run, 1, f"take something away from {ALICE}", "hint: ", "--yes")
    contains(run.out, "REMOVED")
    equal(tree(site.mail), tree(site.path / "before"))
    # Bob's takes nothing away.
    site.run("redo", "replay", "--to-lsn", end, "-a", BOB, code=0)
    equal(site.mailbox("bob"), wanted["bob"])


def test_replay_of_one_account_and_of_ranges(site):
    wanted, end = gone_back(site)
    alice, bob = site.mailbox("alice"), site.mailbox("bob")
    site.run("redo", "replay", "-a", "BOB@example.com", "--to-lsn", end, code=0)
    equal((site.mailbox("alice"), site.mailbox("bob")), (alice, wanted["bob"]))
    appends = [r for r in dump(site, "-a", ALICE, "--to-lsn", end, "--operations") if r["kind"] == "append"]
    first, second = appends
    # The second alone knows nothing of the messages of the first.
    document = site.json("redo", "replay", "-a", ALICE, "--from-lsn", first["lsn"] + 1, "--to-lsn", end, "--dry-run")
    equal([(p["transactions"], p["first_lsn"], p["last_lsn"]) for p in document["plan"]], [(1, second["lsn"], second["lsn"])])
    equal(document["plan"][0]["difference"]["messages"]["added"], 0)
    words = ("redo", "replay", "-a", ALICE, "--from", first["commit_time"], "--to", first["commit_time"])
    plan = site.json(*words)["plan"]
    equal([(p["first_lsn"], p["last_lsn"]) for p in plan], [(first["lsn"], first["lsn"])])
    equal("contract" in site.subjects("alice"), True, "the second was performed too")
    equal(sorted(set(site.subjects("alice"))), ["contract", "deep", "one", "welcome"])
    contains(site.run("redo", "replay", "--to", "2001/01/01 00:00:00", code=0).out, "No transaction is in this range")
    equal(site.json("redo", "replay", "--to-lsn", 1)["plan"], [])


def test_replay_by_sequence(site):
    started(site)
    shutil.copytree(site.mail, site.path / "before")
    sequences = []
    for subject in ("one", "two", "three"):
        site.deliver("alice", subject, flags="")
        site.run("scan", code=0)
        sequences.append(last_of(site, ALICE, "message-put")["sequence"])
        if subject != "three":
            site.run("backup", code=0)
    equal(len(set(sequences)), 3, str(sequences))
    put_back(site)
    site.run("redo", "replay", "--from-seq", sequences[1], "--to-seq", sequences[1], code=0)
    equal(site.subjects("alice"), ["two", "welcome", "contract"])
    site.run("redo", "replay", "--from-seq", sequences[0], "--to-seq", sequences[1], code=0)
    equal(site.subjects("alice"), ["one", "two", "welcome", "contract"])
    fails_clearly(site.run("redo", "replay", "--from-seq", 99), 1, "has no sequence 99")


def test_messages_are_found_under_the_name_they_came_back_with(site):
    started(site)
    message = site.deliver("alice", "one", "New", flags="")
    site.run("scan", code=0)
    message = site.set_flags(message, "F")
    site.run("scan", code=0)
    message.unlink()
    site.run("scan", code=0)
    put, flag, expunge = [r["lsn"] for r in dump(site, "-a", ALICE) if r["kind"] == "append"]

    def replay(lsn, *words):
        site.run("redo", "replay", "-a", ALICE, "--from-lsn", lsn, "--to-lsn", lsn, *words, code=0)
        return [e for e in site.mailbox("alice") if e[1] == "one"]

    (back,) = replay(put)
    equal(back[3], "")
    equal((site.mail / "alice/.New/cur" / message.name).exists(), False, "it has its old name")
    (flagged,) = replay(flag)
    equal(flagged[3], "F")
    equal(replay(put)[0][3], "", "the put brings its flags")
    equal(len(replay(put)), 1, "it came back twice")
    equal(replay(expunge, "--yes"), [])
    (again,) = replay(put)
    (flagged,) = replay(flag)
    equal(flagged[3], "F")


def test_messages_of_a_folder_that_a_server_indexed_since(site):
    started(site)
    message = site.deliver("alice", "one", "Work", flags="")
    site.run("scan", code=0)
    lsn = last_of(site, ALICE, "message-put")["lsn"]
    message.unlink()
    site.run("scan", code=0)
    (contract,) = (site.mail / "alice/.Work/cur").iterdir()
    base = contract.name.split(":")[0]
    guid = "0123456789abcdef0123456789abcdef"
    (site.mail / "alice/.Work/dovecot-uidlist").write_text(f"3 V1790000000 N2 G{guid}\n1 :{base}\n")
    site.run("scan", code=0)
    for _ in range(2):
        site.run("redo", "replay", "-a", ALICE, "--from-lsn", lsn, "--to-lsn", lsn, code=0)
        equal(sorted(site.subjects("alice")), ["contract", "one", "welcome"])
    contains((site.mail / "alice/.Work/dovecot-uidlist").read_text(), "V1790000000 N2")


def test_folders_that_were_renamed_and_removed(site):
    started(site)
    shutil.copytree(site.mail, site.path / "before")
    site.deliver("alice", "one", "Old", flags="")
    site.run("scan", code=0)
    (site.mail / "alice/.Old").rename(site.mail / "alice/.Newer")
    site.run("scan", code=0)
    shutil.rmtree(site.mail / "alice/.Work")
    site.deliver("alice", "another", "Work", flags="")
    site.run("scan", code=0)
    wanted, end = site.mailbox("alice"), end_of(site)
    put_back(site)
    site.run("redo", "replay", "--to-lsn", end, "--yes", code=0)
    equal(site.mailbox("alice"), wanted)
    equal(site.json("redo", "replay", "--to-lsn", end)["plan"][0]["difference"]["none"], True)


def index(site, folder, digit):
    """As a server does that opens the folder: it has a GUID and a UIDVALIDITY then."""
    (site.mail / "alice" / folder / "dovecot-uidlist").write_text(f"3 V179000000{digit} N1 G{digit * 32}\n")


def test_a_folder_that_took_the_place_of_an_indexed_one(site):
    site.deliver("alice", "welcome", flags="S")
    site.deliver("alice", "contract", "Work", flags="")
    index(site, ".Work", "1")
    site.run("init", code=0)
    site.run("backup", "--full", code=0)
    shutil.copytree(site.mail, site.path / "before")
    shutil.rmtree(site.mail / "alice/.Work")
    site.deliver("alice", "another", "Work", flags="")
    index(site, ".Work", "2")
    site.run("scan", code=0)
    wanted, end = site.mailbox("alice"), end_of(site)
    equal({"FolderDelete", "FolderPut"} <= set(names_of(last_of(site, ALICE, "folder-delete"))), True)
    put_back(site)
    site.run("redo", "replay", "--to-lsn", end, "--yes", code=0)
    equal(site.mailbox("alice"), wanted)
    (scanned,) = site.json("scan")["accounts"]
    equal(scanned["difference"]["messages"], {"added": 0, "removed": 0, "flags_changed": 0, "changed": 0, "unchanged": 2})
    mail = tree(site.mail)
    site.run("redo", "replay", "--to-lsn", end, code=0)
    equal(tree(site.mail), mail)


def test_what_came_into_a_folder_later_stays(site):
    """A folder without an index is known by its path: the one put back is taken for the one made since."""
    started(site)
    shutil.copytree(site.mail, site.path / "before")
    shutil.rmtree(site.mail / "alice/.Work")
    site.run("scan", code=0)
    site.deliver("alice", "another", "Work", flags="")
    site.run("scan", code=0)
    end = end_of(site)
    put_back(site)
    for _ in range(2):
        site.run("redo", "replay", "--to-lsn", end, code=0)
        equal(sorted(site.subjects("alice")), ["another", "contract", "welcome"])


def test_a_folder_that_went_goes_again(site):
    started(site)
    shutil.copytree(site.mail, site.path / "before")
    site.deliver("alice", "late", "Work", flags="")
    site.run("scan", code=0)
    shutil.rmtree(site.mail / "alice/.Work")
    site.run("scan", code=0)
    wanted, end = site.mailbox("alice"), end_of(site)
    put_back(site)
    site.run("scan", code=0)
    site.run("redo", "replay", "--to-lsn", end, "--yes", code=0)
    equal((site.mailbox("alice"), (site.mail / "alice/.Work").exists()), (wanted, False))
    equal(site.json("redo", "replay", "--to-lsn", end)["plan"][0]["difference"]["none"], True)


def test_account_that_went_and_came_back(site):
    started(site)
    shutil.rmtree(site.mail / "bob")
    site.run("scan", code=0)
    gone = end_of(site)
    site.deliver("bob", "anew", flags="S")
    site.run("scan", code=0)
    wanted, end = site.mailbox("bob"), end_of(site)
    shutil.rmtree(site.mail / "bob")
    text = site.run("redo", "replay", "-a", BOB, "--to-lsn", end, code=0).out
    contains(text, f"{BOB} (comes back)")
    equal(site.mailbox("bob"), wanted)
    # The other way needs to be wanted.
    run = site.run("redo", "replay", "-a", BOB, "--to-lsn", gone)
    fails_clearly(run, 1, f"take something away from {BOB}")
    contains(run.out, f"{BOB} (goes)")
    equal(site.mailbox("bob"), wanted)
    site.run("redo", "replay", "-a", BOB, "--to-lsn", gone, "--yes", code=0)
    equal((site.mail / "bob").exists(), False)


def test_account_that_is_not_in_the_store(site):
    wanted, end = gone_back(site)
    shutil.rmtree(site.mail / "alice")
    # One account fails, the others are done.
    run = fails_clearly(site.run("redo", "replay", "--to-lsn", end), 3, f"{ALICE}: the account is not in the store", "'restante restore'")
    contains(run.out, "  cannot")
    equal(site.mailbox("bob"), wanted["bob"])
    equal((site.mail / "alice").exists(), False)
    document = site.json("redo", "replay", "--to-lsn", end, code=3)
    equal([a["failure"] is None for a in document["accounts"]], [False, True])
    fails_clearly(site.run("redo", "replay", "--to-lsn", end, "-a", ALICE), 1, "the account is not in the store")


def test_lost_store_is_not_taken_for_removed_accounts(site):
    wanted, end = gone_back(site)
    shutil.rmtree(site.mail)
    site.mail.mkdir()
    fails_clearly(site.run("redo", "replay", "--to-lsn", end, "--yes"), 1, "is empty; 2 accounts were known", "hint: mount it")
    equal(dump(site, "--operation", "account-delete"), [])


def test_stop_on_error(site):
    wanted, end = gone_back(site)
    shutil.rmtree(site.mail / "alice")
    bob = site.mailbox("bob")
    run = site.run("redo", "replay", "--to-lsn", end, "--stop-on-error")
    fails_clearly(run, 1, f"{ALICE}: the account is not in the store")
    equal(site.mailbox("bob"), bob, "it went on")
    fails_clearly(site.run("redo", "replay", "--to-lsn", end, "--dry-run"), 1, "the account is not in the store")


def test_content_that_cannot_be_read_changes_nothing(site):
    wanted, end = gone_back(site)
    pieces = [r for r in dump(site, "-a", ALICE, "--operation", "content") if r["content"]["size"] > 0]
    flip(site, pieces[0], pieces[0]["bytes"] - 60)
    before = site.mailbox("alice")
    run = site.run("redo", "replay", "--to-lsn", end, "--yes")
    equal(run.code, 3, str(run))
    contains(run.err, "nothing was changed, because content cannot be read")
    equal((site.mailbox("alice"), site.mailbox("bob")), (before, wanted["bob"]))


def test_content_that_only_the_target_has_whole(site):
    started(site)
    shutil.copytree(site.mail, site.path / "before")
    site.deliver("alice", "one", flags="")
    site.run("backup", code=0)
    wanted, end = site.mailbox("alice"), end_of(site)
    piece = [r for r in dump(site, "-a", ALICE, "--operation", "content")][0]
    flip(site, piece, piece["bytes"] - 60)
    put_back(site)
    site.run("redo", "replay", "--to-lsn", end, code=0)
    equal(site.mailbox("alice"), wanted)


def test_damaged_records_are_named(site):
    wanted, end = gone_back(site)
    flip(site, last_of(site, BOB, "message-put"), 40)
    run = site.run("redo", "replay", "--to-lsn", end, "--yes")
    equal(run.code, 3, str(run))
    contains(run.err, "the redo log is damaged")
    equal(site.mailbox("alice"), wanted["alice"])
    mail = tree(site.mail)
    run = site.run("redo", "replay", "--to-lsn", end, "--stop-on-error")
    equal(run.code, 1, str(run))
    contains(run.err, "the redo log is damaged")
    equal(tree(site.mail), mail)


def test_account_without_a_backup(site):
    site.deliver("alice", "welcome", flags="S")
    site.run("init", code=0)
    site.run("scan", code=0)
    message = site.deliver("alice", "one", flags="")
    site.run("scan", code=0)
    end = end_of(site)
    message.unlink()
    mail = tree(site.mail)
    for _ in range(2):
        run = site.run("redo", "replay", "--to-lsn", end)
        fails_clearly(run, 1, f"{ALICE}: it is in no backup", f"'restante backup --full -a {ALICE}'")
        equal(tree(site.mail), mail)
    # Where nothing is to be changed, nothing could be lost.
    site.run("redo", "replay", code=0)
    site.run("backup", "--full", "-a", ALICE, code=0)
    site.run("redo", "replay", "--to-lsn", end, code=0)
    equal(sorted(site.subjects("alice")), ["one", "welcome"])


def test_replay_that_stops_half_way(site):
    wanted, end = gone_back(site)
    words = ["redo", "replay", "-a", ALICE, "--to-lsn", end, "--yes"]
    shutil.rmtree(site.mail / "alice/tmp")
    (site.mail / "alice/tmp").write_text("in the way")
    run = site.run(*words)
    equal(run.code, 1, str(run))
    contains(run.err, "stopped half way")
    # Until it is mended, nothing takes the account for what it is.
    equal([o["is_restore"] for o in site.json("redo", "stat")["open"]], [True])
    contains(site.run("redo", "stat", code=0).out, "gone, a restore")
    fails_clearly(site.run("backup"), 3, f"not backed up: {ALICE}")
    (site.mail / "alice/tmp").unlink()
    (site.mail / "alice/tmp").mkdir()
    text = site.run(*words, code=0).out
    contains(text, "a replay broke off here")
    equal(site.mailbox("alice"), wanted["alice"])
    site.run("backup", code=0)


def test_replay_that_stops_half_way_can_be_taken_back(site):
    wanted, end = gone_back(site)
    before = site.mailbox("alice")
    shutil.rmtree(site.mail / "alice/tmp")
    (site.mail / "alice/tmp").write_text("in the way")
    equal(site.run("redo", "replay", "-a", ALICE, "--to-lsn", end, "--yes").code, 1)
    (site.mail / "alice/tmp").unlink()
    (site.mail / "alice/tmp").mkdir()
    site.run("abort", "--restore", code=0)
    equal(site.mailbox("alice"), before)
    site.run("backup", code=0)


def test_a_restore_that_broke_off_is_left_to_restore(site):
    wanted, end = gone_back(site)
    break_off_a_restore(site)
    mail = tree(site.mail)
    run = site.run("redo", "replay", "-a", ALICE, "--to-lsn", end, "--yes")
    fails_clearly(run, 1, "a restore of it began and did not end", "hint: 'restante restore'")
    equal(tree(site.mail), mail)


def test_only_one_restores_or_replays_at_a_time(site):
    wanted, end = gone_back(site)
    with open(site.state / "restore.lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        run = site.run("redo", "replay", "--to-lsn", end, "--yes")
        fails_clearly(run, 1, f"process {os.getpid()} is restoring", "hint: ")
    equal(tree(site.mail), tree(site.path / "before"))


ACCOUNTS = 24


def many_gone_back(site):
    names = [f"user{number:02}" for number in range(ACCOUNTS)]
    for name in names:
        site.deliver(name, "welcome", flags="S")
    site.run("init", code=0)
    site.run("backup", "--full", code=0)
    shutil.copytree(site.mail, site.path / "before")
    for number, name in enumerate(names):
        for message in range(number % 3 + 1):
            site.deliver(name, f"message {message}", f"F{message}", flags="")
    site.run("scan", code=0)
    for name in names:
        site.set_flags(next((site.mail / name / ".F0/cur").iterdir()), "FS")
    site.run("scan", code=0)
    wanted = {name: site.mailbox(name) for name in names}
    end = end_of(site)
    put_back(site)
    return wanted, end


def test_accounts_at_the_same_time(site):
    wanted, end = many_gone_back(site)
    for threads in (1, 8, 256):
        document = site.json("redo", "replay", "--to-lsn", end, "--threads", threads, "--yes")
        equal(len(document["accounts"]), ACCOUNTS)
        equal([a["account_id"] for a in document["accounts"]], sorted(a["account_id"] for a in document["accounts"]))
        equal([a["failure"] for a in document["accounts"]], [None] * ACCOUNTS)
        for name, mailbox in wanted.items():
            equal(site.mailbox(name), mailbox)
        put_back(site)
        site.run("scan", code=0)


def test_signal_ends_a_replay_after_the_account(site):
    wanted, end = many_gone_back(site)
    before = site.mailbox("user00")
    for attempt in range(5):
        process = site.start("redo", "replay", "--to-lsn", end, "--yes")
        while process.poll() is None and site.mailbox("user00") == before:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        if process.returncode != 0:
            break
        put_back(site)  # a busy machine: it was done before the signal came
        site.run("scan", code=0)
    equal(process.returncode, 3, err.decode())
    contains(err.decode(), "not replayed: ")
    contains(out.decode(), "not done: ")
    done = [name for name, mailbox in wanted.items() if site.mailbox(name) == mailbox]
    equal(0 < len(done) < ACCOUNTS, True, f"{len(done)} accounts were done")
    for name in wanted:
        equal(name in done, f"{name}@example.com" not in out.decode().split("not done: ")[1], name)
        if name not in done:
            equal(site.mailbox(name), [e for e in wanted[name] if e[0] == "."])
    equal(site.json("redo", "stat")["open"], [])
    site.run("redo", "replay", "--to-lsn", end, code=0)
    for name, mailbox in wanted.items():
        equal(site.mailbox(name), mailbox)


def test_signal_before_a_replay_changed_anything(site):
    wanted, end = many_gone_back(site)
    for attempt in range(5):
        process = site.start("redo", "replay", "--to-lsn", end, "--yes")
        wait_until(lambda: (site.state / "restore.lock").exists(), "the beginning")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
        if process.returncode >= 0:
            break  # else it came before anybody listened
    equal((process.returncode, err.decode()), (1, "restante: interrupted; nothing was changed\n"))
    equal(tree(site.mail), tree(site.path / "before"))


# --- calls that are wrong ---------------------------------------------------------------------------------


def test_bad_ranges(site):
    site.deliver("alice", "one")
    site.run("init", code=0)
    for command in COMMANDS:
        for option in ("--from", "--to"):
            for time_text in ("yesterday", "2026/13/01 00:00:00", "2026/02/30 12:00:00", "20260712.15595", "-1"):
                fails_clearly(site.run(*command, f"{option}={time_text}"), 2, f"{option}: Invalid timestamp", "hint: ")
        for option in ("--from-lsn", "--to-lsn", "--from-seq", "--to-seq"):
            fails_clearly(site.run(*command, option, 0), 2, f"{option}: there is no 0", "hint: ")
            for value in ("x", "1x", "-1", "99999999999999999999999"):
                fails_clearly(site.run(*command, f"{option}={value}"), 2, f"{option}: ", "is not a number")
        for words in (
            ["--from", "2026/07/12 15:00:01", "--to", "2026/07/12 15:00:00"],
            ["--from-lsn", 5, "--to-lsn", 4],
            ["--from-seq", 5, "--to-seq", 4],
        ):
            fails_clearly(site.run(*command, *words), 2, f"{words[0]} and {words[2]}: the range ends before it begins")
        site.run(*command, "--from-lsn", 999999, code=0)
        site.run(*command, "--to-lsn", 18446744073709551615, code=0)


def test_bad_options_of_replay_and_stat(site):
    for value in ("0", "257", "x", "-1", "1000000000000"):
        fails_clearly(site.run("redo", "replay", f"--threads={value}"), 2, "--threads: ")
    fails_clearly(site.run("redo", "stat", "--accounts", "many"), 2, "--accounts: 'many' is not a number")
    for command in (*COMMANDS, ["redo", "verify"]):
        fails_clearly(site.run(*command, "--frobnicate"), 2, "Unrecognized option '--frobnicate'", "--help")


if __name__ == "__main__":
    main(globals())

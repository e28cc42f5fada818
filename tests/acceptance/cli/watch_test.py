#!/usr/bin/python3
"""restante watch: every second can be restored, whatever happens to the watcher."""

import contextlib
import ctypes
import datetime
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

from support import Skipped, contains, equal, main, wait_until
from watching import Watch


def made(site, *accounts):
    for account in accounts:
        site.deliver(account, "first of " + account, flags="")
    site.run("init", code=0)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def wait_until_logged(site, watch, path):
    """The content is in the log, and nothing has followed it for a while."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    wait_until(lambda: digest in site.run("redo", "dump", "--json", code=0).out, f"{path} in the log")
    lines = -1
    while lines != len(watch.lines):
        lines = len(watch.lines)
        time.sleep(0.5)


def finds_nothing(site):
    """A scan has nothing to add."""
    for account in site.json("scan")["accounts"]:
        difference = account["difference"]
        equal(account["adopted"], False)
        counts = [difference["messages"][k] for k in ("added", "removed", "flags_changed", "changed")]
        equal(counts, [0, 0, 0, 0], json.dumps(account))
        equal(difference["folders"], [], json.dumps(account))


def test_watch_makes_every_second_restorable(site):
    made(site, "alice", "bob")
    site.backup("--full")
    with Watch(site) as watch:
        moments = []
        for index in range(4):
            path = site.deliver("alice", f"number {index}", flags="")
            if index % 2:
                path = site.set_flags(path, "S")
            wait_until_logged(site, watch, path)
            moments.append((now(), site.mailbox("alice")))
        contains(watch.stop(), "logged")
    shutil.rmtree(site.mail / "alice")
    for moment, mailbox in reversed(moments):
        site.run("restore", "-a", "alice@example.com", "--to-time", moment, code=0)
        equal(site.mailbox("alice"), mailbox, moment)


def test_watch_goes_on_beside_backups_scans_and_restores(site):
    made(site, "alice", "bob")
    with Watch(site):
        site.deliver("alice", "while it watches")
        site.backup("--full")
        for index in range(3):
            site.deliver("bob", f"more {index}")
            site.run("scan", code=0)
        label = site.backup()
        before = site.mailbox("bob")
        for path in (site.mail / "bob" / "new").iterdir():
            path.unlink()
        site.deliver("bob", "in the end")
        site.run("scan", code=0)
        site.run("restore", "-a", "bob@example.com", "--to-label", label, code=0)
        equal([m[1] for m in site.mailbox("bob")], [m[1] for m in before])
        site.deliver("bob", "behind the restore")
        wait_until(lambda: not waiting(site), "all of it in the log")
    finds_nothing(site)


def waiting(site):
    """Whether a scan finds something that the watcher has not logged."""
    return any(
        account["difference"]["messages"]["added"] for account in site.json("scan")["accounts"]
    )


class Opened:
    """Counts who opens a directory or something in it (inotify)."""

    IN_OPEN = 0x20

    def __init__(self, path):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        equal(self.fd >= 0, True, os.strerror(ctypes.get_errno()))
        equal(self.libc.inotify_add_watch(self.fd, os.fsencode(path), self.IN_OPEN) >= 0, True, str(path))

    def times(self):
        with contextlib.suppress(BlockingIOError):
            return len(os.read(self.fd, 1 << 16)) // 16
        return 0


def test_a_backup_beside_a_watch_takes_its_word(site):
    made(site, "alice", "bob")
    site.backup("--full")
    opened = Opened(site.mail / "bob" / "cur")
    site.backup()
    equal(opened.times() > 0, True, "without a watch the mailbox is compared")
    states = []
    with Watch(site) as watch:
        opened.times()
        for index in range(25):
            path = site.deliver("alice", f"number {index}", flags="" if index % 2 else None)
            if index % 3 == 0:
                site.set_flags(path, "S")
            if index % 5 == 4:
                path = site.deliver("alice", f"in a new folder {index}", f"New{index}", flags="F")
            if index % 7 == 6:
                next((site.mail / "alice" / "cur").iterdir()).unlink()
            states.append((site.backup(), site.mailbox("alice")))  # at once, whatever the watcher has logged
        equal(opened.times(), 0, "the mailbox in which nothing happened was opened")
        site.deliver("bob", "the last", flags="S")
        states.append((site.backup(), site.mailbox("alice")))
        last = site.mailbox("bob")
        watch.stop()
    finds_nothing(site)
    for number, (label, mailbox) in enumerate(states):
        site.run("restore", "-a", "alice@example.com", "--prefix", f"r{number}-", "--to-label", label, code=0)
        equal(site.mailbox(f"r{number}-alice"), mailbox, label)
    site.run("restore", "-a", "bob@example.com", "--prefix", "end-", "--to-label", states[-1][0], code=0)
    equal(site.mailbox("end-bob"), last)


def test_a_backup_waits_for_no_watch_that_does_not_answer(site):
    made(site, "alice", "bob")
    site.backup("--full")
    for stop in (signal.SIGSTOP, signal.SIGKILL):
        with Watch(site) as watch:
            time.sleep(0.2)
            watch.process.send_signal(stop)
            site.deliver("alice", f"after {stop.name}", flags="")
            label = site.backup()
            mailbox = site.mailbox("alice")
        site.run("restore", "-a", "alice@example.com", "--prefix", f"{stop.name.lower()}-", "--to-label", label, code=0)
        equal(site.mailbox(f"{stop.name.lower()}-alice"), mailbox)


def test_watch_that_is_killed_catches_up(site):
    made(site, "alice", "bob")
    site.backup("--full")
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(4):
        watch = Watch(site)
        watch.wait_for("watching")
        end = time.monotonic() + rng.uniform(0.05, 0.4)
        while time.monotonic() < end:
            path = site.deliver(rng.choice(["alice", "bob"]), f"s{rng.random()}", flags="")
            if rng.random() < 0.5:
                path = site.set_flags(path, "S")
            if rng.random() < 0.3:
                path.unlink()
        watch.kill()
        site.deliver("bob", "while nobody watches")
    with Watch(site) as watch:
        watch.stop()
    finds_nothing(site)
    label = site.backup()
    expected = {name: site.mailbox(name) for name in ("alice", "bob")}
    shutil.rmtree(site.mail)
    site.mail.mkdir()
    site.run("restore", "-a", "all", "--to-label", label, code=0)
    equal({name: site.mailbox(name) for name in ("alice", "bob")}, expected)


def test_watch_scans_when_the_kernel_drops_events(site):
    made(site, "alice", "bob")
    with Watch(site) as watch:
        watch.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, watch.process.pid, os.WSTOPPED)
        queue = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if queue > 100_000:
            raise Skipped("the kernel's queue is too long to fill")
        cur = site.folder("alice") / "cur"
        names = [cur / f"m{i}:2,{flag}" for i in (1, 2) for flag in ("", "S")]
        names[0].write_text("Subject: x\r\n\r\n")
        names[2].write_text("Subject: y\r\n\r\n")
        # Two files turn by turn: what is told twice in a row is told once.
        for i in range(queue // 2):
            a, b = (names[0], names[1]) if i % 2 == 0 else (names[1], names[0])
            c, d = (names[2], names[3]) if i % 2 == 0 else (names[3], names[2])
            os.rename(a, b)
            os.rename(c, d)
        site.deliver("bob", "behind the overflow")
        watch.process.send_signal(signal.SIGCONT)
        watch.wait_for("dropped events")
        watch.wait_for("bob@example.com scanned")
        contains(watch.stop(), "1 overflow")
    finds_nothing(site)


def test_watch_names_the_limit_that_it_met(site):
    made(site, "alice")
    for index in range(10):
        site.folder("alice", f"Folder{index}")
    limit = "/proc/sys/user/max_inotify_watches"
    allowed = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", f"echo 5 > {limit}"], capture_output=True
    )
    if allowed.returncode != 0:
        raise Skipped("no user namespaces here")
    prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", f'echo 5 > {limit}; exec "$@"', "sh"]
    watch = Watch(site, prefix=prefix)
    equal(watch.process.wait(timeout=60), 1)
    watch.reader.join()
    contains("\n".join(watch.lines), "fs.inotify.max_user_watches")
    contains("\n".join(watch.lines), "sysctl")


def test_watch_refuses_a_store_that_was_lost(site):
    made(site, "alice")
    site.run("scan", code=0)
    shutil.rmtree(site.mail)
    site.mail.mkdir()
    run = site.run("watch")
    equal(run.code, 1)
    contains(run.err, "the store in")
    run = site.run("watch", "--settle", "0")
    equal(run.code, 2)


def test_watch_answers_in_json_when_it_ends(site):
    made(site, "alice")
    process = site.start("watch", "--json")
    wait_until(lambda: any((site.state / "scan").glob("*.state")), "the scan")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    equal(document["status"], "done")
    equal(document["watch"]["accounts"], 1)
    equal(document["watch"]["scans"], 1)


def test_watch_as_a_service(site):
    unit = pathlib.Path(__file__).parents[3] / "examples/systemd/restante-watch.service"
    if not shutil.which("systemd-analyze"):
        raise Skipped("no systemd-analyze here")
    text = unit.read_text().replace("/usr/bin/restante", site.command()[0])
    copy = site.path / "restante-watch.service"
    copy.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("User=", "Group=", "Documentation="))))
    run = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    equal((run.returncode, run.stderr.strip()), (0, ""))


if __name__ == "__main__":
    main(globals())

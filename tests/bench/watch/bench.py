#!/usr/bin/python3
"""The measurements of run.sh, one after the other; figures are lines on stdout."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parents[1] / "acceptance" / name) for name in ("cli", "dovecot")]

from support import PROGRAM, wait_until

BODY = "".join(random.Random(7).choice("abcdefghijklmnopqrstuvwxyz \n") for _ in range(4000))


def show(what, value):
    print(f"{what:<64} {value}", flush=True)


class Store:
    """A configuration for a store of Maildirs, mail/<domain>/<local part>/Maildir."""

    def __init__(self, base):
        self.base = pathlib.Path(base)
        self.mail = self.base / "mail"
        self.mail.mkdir(parents=True, exist_ok=True)
        self.config = self.base / "restante.toml"
        self.config.write_text(
            'server = "bench.example.com"\n'
            f'state = "{self.base}/restante"\n'
            "[store]\n"
            'type = "maildir"\n'
            f'path = "{self.mail}/%d/%n/Maildir"\n'
            "[target]\n"
            f'path = "{self.base}/target"\n'
        )
        self.run("init")

    def box(self, user):
        return self.mail / "example.com" / user / "Maildir"

    def make_folder(self, user, name=""):
        folder = self.box(user) / name if name else self.box(user)
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        serial = abs(hash((user, name))) % (1 << 31) + 1
        (folder / "dovecot-uidlist").write_text(f"3 V{serial} N1 G{serial:032x}\n")
        return folder

    def run(self, *words):
        run = subprocess.run([PROGRAM, "--config", self.config, *words], capture_output=True, text=True)
        if run.returncode != 0:
            raise AssertionError(f"restante {' '.join(words)}: {run.stderr}")
        return run.stdout

    @contextlib.contextmanager
    def watching(self):
        """The watcher's process; `.answer` is what it said in the end."""
        process = subprocess.Popen(
            [PROGRAM, "--config", self.config, "watch", "--report", "1"], stdout=subprocess.PIPE, text=True
        )
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()
        process.lines = lines
        wait_until(lambda: "watching\n" in lines or process.poll() is not None, "watching", 3600)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=600)
            reader.join()


# --- what it costs the server --------------------------------------------------------------------------------


def deliver_all(port, users, messages, clients):
    """Seconds for all of them."""
    text = f"From: a@example.net\r\nSubject: bench\r\n\r\n{BODY}\r\n".encode()
    per_client = messages // clients

    def work(number):
        with smtplib.LMTP("127.0.0.1", port) as client:
            for i in range(per_client):
                client.sendmail("a@example.net", [users[(number + i) % len(users)]], text + b"%d %d" % (number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begun


def bench_lmtp(base, rounds):
    from server import Dovecot

    store = Store(base)
    dovecot = Dovecot(base)
    dovecot.start()
    try:
        users = [f"user{n}@example.com" for n in range(20)]
        messages, clients = 1000, 8
        deliver_all(dovecot.lmtp_port, users, 160, clients)  # the mailboxes exist now
        store.run("scan")
        rates = {False: [], True: []}
        processor = []
        for number in range(2 * rounds):
            # First the one, then the other: mailboxes grow, and a machine has its moods.
            watched = number % 4 in (1, 2)
            with store.watching() if watched else contextlib.nullcontext() as watcher:
                begun = processor_time_of(watcher) if watched else 0
                rates[watched].append(messages / deliver_all(dovecot.lmtp_port, users, messages, clients))
                if watched:
                    processor.append((processor_time_of(watcher) - begun) / messages)
            store.run("scan")
        without, with_watch = (statistics.median(rates[key]) for key in (False, True))
        show("processor time of the watcher a message, microseconds", f"{statistics.median(processor) * 1e6:.0f}")
        show("LMTP deliveries a second without watch (median)", f"{without:.0f}")
        show("LMTP deliveries a second with watch (median)", f"{with_watch:.0f}")
        show("with / without", f"{with_watch / without:.2f}")
    finally:
        dovecot.stop()


# --- how far the log lags behind -----------------------------------------------------------------------------


def bench_lag(base, _):
    store = Store(base)
    users = [f"user{n}" for n in range(20)]
    for user in users:
        store.make_folder(user)
    store.run("scan")
    rate, seconds = 500, 20
    came = {}
    with store.watching() as watcher:
        begun = time.monotonic()
        for i in range(rate * seconds):
            while time.monotonic() < begun + i / rate:
                time.sleep(0.0005)
            user = users[i % len(users)]
            name = f"{i}.bench"
            box = store.box(user)
            text = f"Subject: {i}\n\n{BODY}".encode()
            (box / "tmp" / name).write_bytes(text)
            came[hashlib.sha256(text).hexdigest()] = time.time()
            (box / "tmp" / name).rename(box / "new" / name)
            with (box / "dovecot-uidlist").open("a") as uidlist:
                uidlist.write(f"{i // len(users) + 1} :{name}\n")
        took = time.monotonic() - begun
        time.sleep(1)
    show("messages a second, written by the bench", f"{rate * seconds / took:.0f}")
    lag = re.search(r"lag (\d+) ms median, (\d+) ms p99, (\d+) ms worst", watcher.lines[-1])
    show("lag as the watcher says it: median, p99, worst (ms)", ", ".join(lag.groups()))
    show("lag as the log's commit times say it: median, p99, worst (ms)", lag_of(store, came))


def lag_of(store, came):
    """From the rename of a file to the commit of the transaction that put its message."""
    dump = store.run("redo", "dump", "--json", "--operations")
    lags = []
    for record in json.loads(dump)["records"]:
        if record["kind"] not in ("append", "commit"):
            continue
        committed = parse_time(record["commit_time"])
        for operation in record.get("operations", []):
            for content in operation["contents"]:
                if content["digest"] in came:
                    lags.append((committed - came.pop(content["digest"])) * 1000)
    if came:
        raise AssertionError(f"{len(came)} messages are not in the log")
    lags.sort()
    return ", ".join(f"{lags[min(len(lags) - 1, len(lags) * p // 100)]:.0f}" for p in (50, 99, 100))


def parse_time(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + (fraction or "0"))


# --- memory --------------------------------------------------------------------------------------------------


def processor_time_of(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return {key: int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M)[1]) / 1024 for key in ("VmRSS", "RssAnon")}


def bench_memory(base, _):
    for accounts, folders in ((1, 1), (100, 100), (1, 10_000)):
        store = Store(pathlib.Path(base) / f"{accounts}x{folders}")
        for account in range(accounts):
            user = f"user{account}"
            store.make_folder(user)
            for folder in range(folders):
                path = store.make_folder(user, f".Folder{folder}")
                (path / "cur" / f"{folder}.bench:2,S").write_text("Subject: x\n\nx\n")
        store.run("scan")
        begun = time.monotonic()
        with store.watching() as watcher:
            ready = time.monotonic() - begun
            memory = memory_of(watcher)
        show(
            f"{accounts} accounts x {folders} folders: MiB anonymous / resident, s to start",
            f"{memory['RssAnon']:.1f} / {memory['VmRSS']:.1f}, {ready:.1f}",
        )


# --- catching up ---------------------------------------------------------------------------------------------


def bench_catch_up(base, _):
    store = Store(base)
    users = [f"user{n}" for n in range(20)]
    files = {}
    for user in users:
        box = store.make_folder(user)
        files[user] = [box / "cur" / f"{i}.bench:2," for i in range(10_000)]
        for i, path in enumerate(files[user]):
            path.write_text(f"Subject: {i}\n\n{BODY[:1000]}")
    with store.watching() as watcher:
        pass
    show("200,000 messages in 20 accounts: first start (adopts)", watcher.lines[-1].split(";")[0].strip())
    begun = time.monotonic()
    with store.watching():
        show("the same, nothing changed (s)", f"{time.monotonic() - begun:.1f}")
    for user in users:
        for i, path in enumerate(files[user]):
            if i < 3000:
                path.rename(path.with_name(path.name + "S"))
            elif i < 4000:
                path.unlink()
            elif i < 5000:
                (path.parent / f"{i}.new:2,").write_text(f"Subject: new {i}\n\n{BODY[:1000]}")
    begun = time.monotonic()
    with store.watching():
        show("behind 100,000 changes (s)", f"{time.monotonic() - begun:.1f}")


BENCHES = {"lmtp": bench_lmtp, "lag": bench_lag, "memory": bench_memory, "catch-up": bench_catch_up}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=BENCHES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("directory", nargs="?")
    given = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="restante-bench-", dir=given.directory))
    base.chmod(0o755)
    try:
        for name, bench in BENCHES.items():
            if given.only in (None, name):
                (base / name).mkdir()
                bench(base / name, given.rounds)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()

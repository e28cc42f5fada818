#!/usr/bin/python3
"""Backups and restores side by side, in one run.

A round: each engine makes a first full of the store into a new repository, then a second one, nothing having
changed; the store lives a day (1 % new, 3 % other flags, 0.3 % deleted, 0.2 % moved); each makes an incremental,
and restores everything, and one account, elsewhere. cp and tar, which know no incrementals, restore the first
full. Another day goes into the log as it happens, by `watch`, where there is a log, and an incremental is made of
what is in it already. The engines take turns within every step, so that a machine's moods meet all of them. Caches are
warm, and what was written before is on the disk when a step begins. restante, cp and tar write what they restore
to the disk within the time that is measured; restic and borg leave that to the system.

What was restored is compared with the store: every file by its name (and so its flags), its time and its
content. A difference ends the bench with an error, and there are no figures.

Nothing is deleted before the end (8 GB a round of 40,000 messages): ext4 passes over inodes that were deleted a
minute ago one by one when it makes files, and this is slow enough to be what is measured.

Medians of the rounds. Files of earlier runs (--json) can be added to (--add), so that a long bench is done in
pieces, a round each.
"""

import argparse
import contextlib
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import engines
import report
from measure import Failed, size_of

SETTLE_SECONDS = 2  # until the last changes are in the log
MAILBOX_FILES_OF_A_SERVER = {"dovecot-uidlist"}  # a restore may write one where the store has none


# --- the store -----------------------------------------------------------------------------------------------


def bench_store(*words):
    run = subprocess.run([os.environ["BENCH_STORE"], *map(str, words)], capture_output=True, text=True)
    if run.returncode != 0:
        raise Failed(f"bench-store {' '.join(map(str, words))}: {run.stderr}")
    return dict(line.rsplit(" ", 1) for line in run.stdout.splitlines())


class Store:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.mail = self.directory / "mail"

    @classmethod
    def make(cls, directory, given):
        corpus = ["--corpus", given.corpus] if given.corpus else []
        users = max(10, given.messages // 200)
        size = ["--messages", given.messages, "--users", users]
        bench_store("make", directory, *size, "--profile", given.profile, *corpus)
        return cls(directory)

    def live(self, day, share=1000):
        """A day of a store; `share` in thousandths of what happens in one."""
        amounts = {"made": 10000, "deleted": 3000, "flagged": 30000, "moved": 2000}
        words = [word for name, amount in amounts.items() for word in (f"--{name}", amount * share // 1000)]
        return bench_store("churn", self.directory, "--day", day, *words)

    def warm(self):
        for path in self.mail.rglob("*"):
            if path.is_file():
                path.read_bytes()


def digest_of(path):
    status = os.stat(path)
    with open(path, "rb") as file:
        return int(status.st_mtime), hashlib.blake2b(file.read(), digest_size=16).hexdigest()


def tree(mail, account=None):
    """Every file by its path: the time of a message and the content."""
    mail = pathlib.Path(mail)
    paths = [
        os.path.join(directory, name)
        for directory, _, names in os.walk(mail / account if account else mail)
        for name in names
        if name not in MAILBOX_FILES_OF_A_SERVER
    ]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = dict(zip(paths, pool.map(digest_of, paths, chunksize=64)))
    out = {}
    for path, (time, digest) in found.items():
        is_message = pathlib.PurePath(path).parent.name in ("cur", "new")
        out[os.path.relpath(path, mail)] = (time if is_message else None, digest)
    return out


def expect_same(what, found, expected):
    if found == expected:
        return
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    changed = sorted(name for name in set(found) & set(expected) if found[name] != expected[name])
    lines = [f"{what}: not what the store holds"]
    for kind, names in (("missing", missing), ("too many", extra), ("changed", changed)):
        lines += [f"  {kind}: {len(names)}"] + [f"    {name}" for name in names[:5]]
    raise Failed("\n".join(lines))


# --- rounds --------------------------------------------------------------------------------------------------


class Samples:
    """Values of all rounds, by measure and engine."""

    def __init__(self, values=None):
        self.values = values or {}

    def rounds(self):
        return len(self.values.get("account_bytes", {}).get("store", []))

    def add(self, measure, engine, value):
        self.values.setdefault(measure, {}).setdefault(engine, []).append(value)

    def add_run(self, measure, engine, done):
        if done is None:
            return
        self.add(f"{measure}_s", engine, done.seconds)
        self.add(f"{measure}_anonymous", engine, done.anonymous)
        self.add(f"{measure}_mapped", engine, done.mapped)
        print(f"  {measure:<20} {engine:<12} {done.seconds:8.2f} s  {done.anonymous / 2**20:7.1f} MiB", flush=True)


def bench_round(base, store, day, kinds, account, samples):
    live = [kind(base / kind.__name__, store.mail) for kind in kinds]
    floors = [engine for engine in live if not engine.incremental_sessions]
    others = [engine for engine in live if engine.incremental_sessions]
    for engine in live:
        samples.add_run("full", engine.name, engine.full())
        samples.add("repository_bytes", engine.name, engine.repository_bytes())
    for engine in others:
        samples.add_run("second_full", engine.name, engine.second_full())
    bench_restores(base, store, floors, account, samples)
    store.live(day)
    for engine in others:
        samples.add_run("incremental", engine.name, engine.incremental())
    bench_restores(base, store, others, account, samples)
    samples.add("account_bytes", "store", size_of(store.mail / account))
    with contextlib.ExitStack() as stack:
        for engine in others:
            stack.enter_context(engine.fed())
        store.live(day + 1)
        time.sleep(SETTLE_SECONDS)
        for engine in others:
            samples.add_run("incremental_from_log", engine.name, engine.incremental_from_log())
    for engine in others:
        samples.add_run("synthetic", engine.name, engine.synthetic())


def bench_restores(base, store, live, account, samples):
    everything = tree(store.mail) if live else {}
    one = {name: value for name, value in everything.items() if name.startswith(account + "/")}
    for measure, expected in (("restore_all", everything), ("restore_one", one)):
        for engine in live:
            destination = base / f"{measure}-{engine.name.split()[0]}"
            arguments = [destination] if measure == "restore_all" else [destination, account]
            done, mail = getattr(engine, measure)(*arguments)
            samples.add_run(measure, engine.name, done)
            expect_same(f"{engine.name}, {measure}", tree(mail), expected)


# --- scaling -------------------------------------------------------------------------------------------------


def bench_scale(base, given):
    """restante alone, on a store and on one ten times larger: what must not grow with the store, and how the
    rest does. The same number of messages changes in both."""
    rows = {}
    for factor in (1, 10):
        given.messages = given.scale_messages * factor
        store = Store.make(base / f"store-{factor}", given)
        store.warm()
        restante = engines.Restante(base / f"restante-{factor}", store.mail)
        row = rows[given.messages] = {}
        report_run(row, "full", restante.full())
        row["repository_bytes"] = restante.repository_bytes()
        row["state_bytes"] = size_of(restante.directory / "state")
        row["catalog_bytes"] = catalog_bytes(restante)
        report_run(row, "second_full", restante.second_full())
        with restante.fed():
            store.live(1, 1000 // factor)
            time.sleep(SETTLE_SECONDS)
            report_run(row, "incremental_from_log", restante.incremental_from_log())
        store.live(2, 1000 // factor)
        report_run(row, "incremental", restante.incremental())
        done, mail = restante.restore_all(base / f"restored-{factor}")
        report_run(row, "restore_all", done)
        expect_same("restante, restore_all", tree(mail), tree(store.mail))
        print(json.dumps({given.messages: row}, indent=1), flush=True)
    return rows


def report_run(row, measure, done):
    row[f"{measure}_s"] = round(done.seconds, 3)
    row[f"{measure}_anonymous"] = done.anonymous
    row[f"{measure}_mapped"] = done.mapped


def catalog_bytes(restante):
    return sum(size_of(path.parent) for path in restante.directory.rglob("data.mdb"))


# --- the whole -----------------------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--profile", choices=("list", "office"), default="list")
    parser.add_argument("--corpus", help="a directory of real mails: text, and odd ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="engines, with commas: " + ",".join(kind.__name__ for kind in engines.ALL))
    parser.add_argument("--quick", action="store_true", help="2,000 messages, one round")
    parser.add_argument("--scale", action="store_true", help="restante on a store and on ten times as many messages")
    parser.add_argument("--scale-messages", type=int, default=40_000)
    parser.add_argument("--store", help="let this one live, which bench-store made, instead of making one")
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("--add", help="figures of an earlier run, whose rounds count too")
    parser.add_argument("--keep", action="store_true", help="leave the scratch files; delete them yourself")
    parser.add_argument("--svg", help="write a picture there")
    parser.add_argument("directory", nargs="?")
    given = parser.parse_args()
    if given.quick:
        given.messages, given.rounds, given.scale_messages = 2000, 1, 2000
    return given


def chosen_engines(names):
    if not names:
        return engines.ALL
    chosen = [kind for kind in engines.ALL if kind.__name__.lower() in names.lower().split(",")]
    if len(chosen) != len(names.split(",")):
        raise Failed(f"--only {names}: engines are {', '.join(kind.__name__ for kind in engines.ALL)}")
    return chosen


def bench_all(base, given):
    earlier = json.loads(pathlib.Path(given.add).read_text()) if given.add else {}
    samples = Samples(earlier.get("samples"))
    store = Store(given.store) if given.store else Store.make(base / "store", given)
    kinds = chosen_engines(given.only)
    users = sorted(path.name for path in store.mail.iterdir())
    account = users[len(users) // 10]
    for number in range(samples.rounds(), samples.rounds() + given.rounds):
        store.warm()
        print(f"round {number + 1}", flush=True)
        scratch = base / f"round-{number + 1}"
        scratch.mkdir()
        bench_round(scratch, store, 1 + 2 * number, kinds, account, samples)
    settings = {
        "messages": sum(len(files) for _, _, files in os.walk(store.mail)),
        "bytes": size_of(store.mail),
        "profile": re.search(r"--profile (\w+)", (store.directory / "store.txt").read_text())[1],
        "rounds": samples.rounds(),
        "unencrypted": [kind.name for kind in kinds if not kind.encrypted],
    }
    return {"settings": settings, "samples": samples.values}


def main():
    given = parse_arguments()
    base = pathlib.Path(tempfile.mkdtemp(prefix="restante-bench-", dir=given.directory))
    try:
        if given.scale:
            result = {"scale": bench_scale(base, given)}
            print(report.scale_table(result["scale"]))
        else:
            result = bench_all(base, given)
            print(report.table(result))
        if given.json:
            pathlib.Path(given.json).write_text(json.dumps(result, indent=1) + "\n")
        if given.svg and not given.scale:
            pathlib.Path(given.svg).write_text(report.picture(result))
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    finally:
        if not given.keep:
            shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()

"""What is measured, each behind the same few calls. Every engine has a directory of its own, which is new in
each round, and gives a `Measured` for each of its operations; None for what it cannot do."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

from measure import measured, size_of

ENGINES = pathlib.Path(os.environ.get("BENCH_ENGINES", "/"))
PASSWORD = "correct horse battery staple"


class Engine:
    encrypted = False
    incremental_sessions = True

    def __init__(self, directory, mail):
        self.directory = pathlib.Path(directory)
        self.mail = pathlib.Path(mail)
        self.repository = self.directory / "repository"
        self.directory.mkdir(parents=True)
        self.prepare()

    def prepare(self):
        """Makes the repository; not measured."""

    def full(self):
        raise NotImplementedError

    def second_full(self):
        return self.full()

    def incremental(self):
        return self.full()

    def fed(self):
        """Around changes of the store that go into a log as they happen, for those that have one."""
        return contextlib.nullcontext()

    def incremental_from_log(self):
        return None

    def synthetic(self):
        return None

    def restore_all(self, destination):
        """(Measured, where the mailboxes are then)."""
        raise NotImplementedError

    def restore_one(self, destination, account):
        raise NotImplementedError

    def repository_bytes(self):
        return size_of(self.repository)


class Copy(Engine):
    """cp -r, to the disk."""

    name = "cp -r"
    incremental_sessions = False

    def full(self):
        shutil.rmtree(self.repository, ignore_errors=True)
        return self._copy(self.mail, self.repository)

    def restore_all(self, destination):
        return self._copy(self.repository, destination), destination

    def restore_one(self, destination, account):
        destination.mkdir()
        return self._copy(self.repository / account, destination), destination

    @staticmethod
    def _copy(source, destination):
        script = 'cp -r --preserve=mode,timestamps,links "$1" "$2" && sync -f "$2"'
        return measured(["sh", "-c", script, "sh", source, destination])


class Tar(Engine):
    """tar | zstd -3 -T2, to the disk."""

    name = "tar | zstd"
    incremental_sessions = False

    def prepare(self):
        self.repository.mkdir()

    def full(self):
        script = 'tar -C "$1" -cf - . | zstd -3 -T2 -q -f -o "$2" && sync -f "$2"'
        return measured(["sh", "-c", script, "sh", self.mail, self.repository / "store.tar.zst"])

    def restore_all(self, destination):
        destination.mkdir()
        script = 'zstd -dc "$1" | tar -C "$2" -xf - && sync -f "$2"'
        return measured(["sh", "-c", script, "sh", self.repository / "store.tar.zst", destination]), destination

    def restore_one(self, destination, account):
        destination.mkdir()
        script = 'zstd -dc "$1" | tar -C "$2" -xf - "./$3" && sync -f "$2"'
        archive = self.repository / "store.tar.zst"
        return measured(["sh", "-c", script, "sh", archive, destination, account]), destination


class Restic(Engine):
    name = "restic"
    encrypted = True

    def _run(self, *words):
        program = [ENGINES / "usr/bin/restic", "--quiet", "--repo", self.repository]
        environment = {"RESTIC_PASSWORD": PASSWORD}
        return measured([*program, "--cache-dir", self.directory / "cache", *words], environment=environment)

    def prepare(self):
        self._run("init")

    def full(self):
        return self._run("backup", self.mail)

    def restore_all(self, destination):
        done = self._run("restore", "latest", "--target", destination)
        return done, self._below(destination)

    def restore_one(self, destination, account):
        done = self._run("restore", "latest", "--target", destination, "--include", self.mail / account)
        return done, self._below(destination)

    def _below(self, destination):
        return destination / self.mail.relative_to("/")


class Borg(Engine):
    name = "borg"
    encrypted = True

    def _run(self, *words, cwd=None):
        environment = {
            "BORG_BASE_DIR": str(self.directory / "base"),
            "BORG_PASSPHRASE": PASSWORD,
            "PYTHONPATH": str(ENGINES / "usr/lib/python3/dist-packages"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return measured(["/usr/bin/python3", ENGINES / "usr/bin/borg", *words], cwd, environment)

    def prepare(self):
        self.archives = 0
        self._run("init", "--encryption", "repokey-blake2", self.repository)

    def full(self):
        self.archives += 1
        archive = f"{self.repository}::{self.archives}"
        return self._run("create", "--compression", "zstd,3", archive, self.mail.name, cwd=self.mail.parent)

    def restore_all(self, destination):
        return self._extract(destination)

    def restore_one(self, destination, account):
        return self._extract(destination, f"{self.mail.name}/{account}")

    def _extract(self, destination, *paths):
        destination.mkdir()
        done = self._run("extract", f"{self.repository}::{self.archives}", *paths, cwd=destination)
        return done, destination / self.mail.name


def restante_config(directory, mail, target, key):
    """The text of a configuration."""
    return (
        'server = "bench.example.com"\n'
        f'state = "{directory}/state"\n'
        "[store]\n"
        'type = "maildir"\n'
        f'path = "{mail}"\n'
        'domain = "example.com"\n'
        "[target]\n"
        f'path = "{target}"\n'
        f'key_file = "{key}"\n'
    )


class Restante(Engine):
    name = "restante"
    encrypted = True

    def prepare(self):
        self.config = self._configure(self.directory, self.mail)
        self._run(self.config, "init")

    def _configure(self, directory, mail):
        config = directory / "restante.toml"
        config.write_text(restante_config(directory, mail, self.repository, self.directory / "target.key"))
        return config

    @staticmethod
    def _run(config, *words):
        return measured([os.environ["BENCH_PROGRAM"], "--config", config, *words])

    def full(self):
        return self._run(self.config, "backup", "--full")

    def incremental(self):
        return self._run(self.config, "backup", "--incremental")

    @contextlib.contextmanager
    def fed(self):
        """Around changes of the store that go into the redo log as they happen."""
        words = [os.environ["BENCH_PROGRAM"], "--config", self.config, "watch"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watch:
            try:
                for line in watch.stdout:
                    if line.startswith("watching"):
                        break
                yield
            finally:
                watch.send_signal(signal.SIGTERM)
                watch.stdout.read()

    def incremental_from_log(self):
        return self.incremental()

    def synthetic(self):
        help_text = self._run(self.config, "backup", "--help").output
        return self._run(self.config, "backup", "--synthetic") if "--synthetic" in help_text else None

    def restore_all(self, destination):
        return self._restore(destination, "all")

    def restore_one(self, destination, account):
        return self._restore(destination, f"{account}@example.com")

    def _restore(self, destination, account):
        """As a machine that replaces a lost one does it: the store is empty, and nothing is known of it."""
        destination.mkdir()
        machine = destination.with_name(destination.name + "-machine")
        machine.mkdir()
        config = self._configure(machine, destination)
        self._run(config, "init")
        return self._run(config, "restore", "-a", account, "--identity", "exact"), destination


ALL = (Restante, Restic, Borg, Copy, Tar)

"""What the tests of the program share: a mail store, a configuration, and a way to run the program.

Standard library only. A test file defines functions `test_…` that take a fresh `Site`, and ends with
`main(globals())`, which answers with the RESULT lines that tests/run.sh adds up.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

PROGRAM = os.environ.get("RESTANTE_PROGRAM", "restante")


class Skipped(Exception):
    """Raised by a test that does not find what it needs."""


class Run:
    """What one call of the program answered."""

    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout.decode()
        self.err = completed.stderr.decode()

    @property
    def document(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class Site:
    """A server in a scratch directory: a store of Maildirs, and the program's configuration."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="restante-cli-"))
        self.mail = self.path / "mail"
        self.state = self.path / "state"
        self.target = self.path / "target"
        self.config = self.path / "restante.toml"
        self.mail.mkdir()
        self.write_config()
        self._serial = 0

    def evidence(self):
        """What may tell why a test failed."""
        return ""

    def remove(self):
        if not os.environ.get("RESTANTE_KEEP_SCRATCH"):
            shutil.rmtree(self.path, ignore_errors=True)

    def write_config(self, text=None):
        if text is None:
            text = (
                'server = "server1.example.com"\n'
                f'state = "{self.state}"\n'
                "[store]\n"
                'type = "maildir"\n'
                f'path = "{self.mail}"\n'
                'domain = "example.com"\n'
                "[target]\n"
                f'path = "{self.target}"\n'
            )
            if os.environ.get("RESTANTE_TEST_ENCRYPTED"):
                text += f'key_file = "{self.path}/target.key"\n'
        self.config.write_text(text)

    # --- the program ---------------------------------------------------------------------------------

    def command(self, *words):
        return [PROGRAM, "--config", str(self.config), *map(str, words)]

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if k not in ("RESTANTE_CONFIG", "NO_COLOR", "TZ")}
        environment["TERM"] = "xterm"
        return environment

    def run(self, *words, code=None):
        """Runs a command; with `code`, it must end with it."""
        run = Run(
            subprocess.run(
                self.command(*words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self.environment(),
                timeout=600,
            )
        )
        if code is not None:
            equal(run.code, code, f"restante {' '.join(map(str, words))}\n{run}")
        return run

    def json(self, *words, code=0):
        """Runs a command with --json and gives its document; it must end with `code`."""
        document = self.run(*words, "--json", code=code).document
        equal(document["status"], ["done", "failed", "usage", "partial"][code])
        return document

    def start(self, *words, stdout=subprocess.PIPE):
        return subprocess.Popen(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=self.environment(),
        )

    def backup(self, *words):
        """A session that must be complete; its label."""
        return self.run("backup", *words, code=0).out.splitlines()[0]

    # --- the mail ------------------------------------------------------------------------------------

    def folder(self, account, name=""):
        """The Maildir of a folder, made if it is not there; "Work.Reports" is a folder in "Work"."""
        path = self.mail / account / ("." + name if name else "")
        for part in ("cur", "new", "tmp"):
            (path / part).mkdir(parents=True, exist_ok=True)
        if name:
            (path / "maildirfolder").touch()
        return path

    def deliver(self, account, subject, folder="", flags=None, size=0):
        """A message as a delivery agent writes it; its path. `flags` "" or more put it into cur/."""
        self._serial += 1
        body = f"This is {subject}.\r\n" + "x" * size
        text = (
            f"From: sender@example.net\r\nTo: {account}@example.com\r\nSubject: {subject}\r\n"
            "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{self._serial}@example.net>\r\n\r\n{body}\r\n"
        )
        base = self.folder(account, folder)
        name = f"{1790000000 + self._serial}.M{self._serial}P1.host"
        place = base / "new" / name if flags is None else base / "cur" / f"{name}:2,{flags}"
        temporary = base / "tmp" / name
        temporary.write_bytes(text.encode())
        os.utime(temporary, (1790000000 + self._serial,) * 2)
        os.rename(temporary, place)
        return place

    def set_flags(self, path, flags):
        new = path.parent.parent / "cur" / (path.name.split(":2,")[0] + ":2," + flags)
        os.rename(path, new)
        return new

    def mailbox(self, account):
        """The mailbox as a client sees it: sorted (folder, subject and digest, flags, date)."""
        out = []
        root = self.mail / account
        for path in sorted(root.glob("**/*")) if root.exists() else []:
            if path.parent.name not in ("cur", "new") or not path.is_file():
                continue
            content = path.read_bytes()
            subject = content.split(b"\r\nSubject: ")[1].split(b"\r\n")[0].decode()
            flags = "".join(sorted(path.name.partition(":2,")[2]))
            folder = str(path.parent.parent.relative_to(root))
            digest = hashlib.sha256(content).hexdigest()[:12]
            out.append((folder, subject, digest, flags, int(path.stat().st_mtime)))
        return sorted(out)

    def subjects(self, account):
        return [entry[1] for entry in self.mailbox(account)]


def tree(path):
    """Every file below `path` with its digest: for "nothing was changed"."""
    out = {}
    for entry in sorted(pathlib.Path(path).glob("**/*")):
        if entry.is_file():
            out[str(entry.relative_to(path))] = hashlib.sha256(entry.read_bytes()).hexdigest()
    return out


# --- expectations ----------------------------------------------------------------------------------------


def equal(found, expected, context=""):
    if found != expected:
        raise AssertionError(f"expected {expected!r}\n   found {found!r}\n{context}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in\n{text}")


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen in {seconds} s")
        time.sleep(0.02)


def fails_clearly(run, code, *parts):
    """One line that says what, then at most one hint; nothing on stdout but what was asked for."""
    equal(run.code, code, str(run))
    lines = [line for line in run.err.splitlines() if not line.startswith("restante: warning: ")]
    if not lines or not lines[0].startswith("restante: "):
        raise AssertionError(f"no line 'restante: …'\n{run}")
    if len(lines) > 2 or (len(lines) == 2 and not lines[1].startswith("hint: ")):
        raise AssertionError(f"more than a line and a hint\n{run}")
    for part in parts:
        contains(run.err, part)
    return run


def break_off_a_restore(site):
    """Leaves a restore of alice that was killed while it wrote what comes back."""
    for number in range(400):
        site.deliver("alice", f"comes back {number}", flags="", size=20_000)
    label = site.backup()
    for _ in range(20):
        for path in (site.mail / "alice/cur").iterdir():
            path.unlink()
        process = site.start("restore", "-a", "alice@example.com", "--to-label", label)
        while process.poll() is None and not any((site.mail / "alice/tmp").iterdir()):
            pass
        process.kill()
        process.communicate()
        if [opened["is_restore"] for opened in site.json("redo", "stat")["open"]] == [True]:
            return
    raise AssertionError("it was always killed too late")


# --- running ---------------------------------------------------------------------------------------------


def outcome(name, test, make_site):
    site = None
    try:
        site = make_site()
        test(site)
        return f"passed {name}"
    except Skipped as reason:
        return f"skipped {name}: {reason}"
    except Exception:
        traceback.print_exc()
        if site is not None:
            print(site.evidence(), file=sys.stderr)
        return f"failed {name}"
    finally:
        if site is not None:
            site.remove()


def main(names, make_site=Site, prefix="cli: "):
    wanted = sys.argv[1:]
    failed = False
    for key, test in list(names.items()):
        if not key.startswith("test_") or (wanted and key not in wanted):
            continue
        result = outcome(prefix + key[5:].replace("_", " "), test, make_site)
        failed |= result.startswith("failed")
        print("RESULT " + result, flush=True)
    sys.exit(1 if failed else 0)

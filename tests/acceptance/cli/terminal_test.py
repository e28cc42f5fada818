#!/usr/bin/python3
"""What the program looks like to a person at a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from support import contains, equal, main


def at_terminal(site, *words, columns=80, environment=(), stderr_only=False):
    """Exit code and everything that the terminal got."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        site.command(*words),
        stdin=follower,
        stdout=subprocess.DEVNULL if stderr_only else follower,
        stderr=follower,
        env={**site.environment(), **dict(environment)},
    )
    os.close(follower)
    out = b""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 0.1)
        if ready:
            try:
                data = os.read(leader, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
    os.close(leader)
    return process.wait(timeout=600), out.decode()


def widest(text):
    """Columns of the widest line, each redrawing of the progress line being one."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return max(len(line) for line in re.split(r"[\r\n]+", plain))


def filled(site):
    for account in range(30):
        for message in range(40):
            site.deliver(f"user{account:02}", f"message {message}", flags="S", size=2000)
    site.run("init", code=0)


def test_progress_is_drawn_on_a_terminal_only(site):
    filled(site)
    for columns in (80, 30, 8):
        # Slowly: a session that is over before the first drawing shows nothing.
        words = ("backup", "--full", "--limit-rate", "4M")
        code, text = at_terminal(site, *words, columns=columns, stderr_only=True)
        equal(code, 0, text)
        if columns == 80:
            contains(text, "\r\x1b[K")
        equal(widest(text) < columns, True, f"{columns} columns:\n{text!r}")
        # The line is taken away at the end.
        equal(text == "" or text.endswith("\r\x1b[K"), True, repr(text[-80:]))
    code, text = at_terminal(site, "backup", "--full", columns=80)
    contains(text, "accounts")
    contains(text, "completed: 30 accounts")
    code, text = at_terminal(site, "backup", "--full", environment={"TERM": "dumb"}, stderr_only=True)
    equal(text, "")
    equal(site.run("backup", "--full", code=0).err, "")


def test_narrow_terminals_get_a_field_a_line(site):
    site.deliver("alice", "one")
    site.run("init", code=0)
    site.run("backup", "--full", code=0)
    code, wide = at_terminal(site, "query", columns=120)
    equal(code, 0)
    equal(len(wide.splitlines()), 2, wide)
    code, narrow = at_terminal(site, "query", columns=50)
    equal(len(narrow.splitlines()) > 4, True, narrow)
    equal(widest(narrow) <= 50, True, narrow)
    code, text = at_terminal(site, "restore", "--help", columns=50)
    description = text.split("Description")[1].split("Examples")[0]
    equal(widest(description) <= 50, True, text)


def test_colours_on_a_terminal_only(site):
    _, text = at_terminal(site, "frobnicate")
    contains(text, "\x1b[1;31mrestante:\x1b[0m Unrecognized")
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, text = at_terminal(site, "frobnicate", environment=environment)
        equal("\x1b" in text, False, repr(text))
    equal("\x1b" in site.run("frobnicate").err, False)


if __name__ == "__main__":
    main(globals())

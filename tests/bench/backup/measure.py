"""Runs a command and tells how long it took and how much memory it had."""

import dataclasses
import os
import pathlib
import re
import subprocess
import threading
import time

SAMPLE_SECONDS = 0.01


@dataclasses.dataclass
class Measured:
    seconds: float
    anonymous: int  # bytes at the peak, all processes together
    mapped: int  # files and shared memory, which the kernel can take back
    output: str


class Failed(Exception):
    """A command failed, or what it did is not what it should have done."""


def memory_of(pid):
    """(anonymous, mapped) bytes of a process and its descendants now."""
    anonymous = mapped = 0
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return 0, 0
    sizes = {key: int(value) * 1024 for key, value in re.findall(r"^(Rss\w+):\s+(\d+) kB", status, re.M)}
    anonymous += sizes.get("RssAnon", 0)
    mapped += sizes.get("RssFile", 0) + sizes.get("RssShmem", 0)
    for child in children:
        more = memory_of(child)
        anonymous, mapped = anonymous + more[0], mapped + more[1]
    return anonymous, mapped


def measured(command, cwd=None, environment=None):
    """Nothing that was written before is still on its way to the disk when the command begins."""
    os.sync()
    begun = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    peaks = [0, 0]
    ended = threading.Event()

    def sample():
        while not ended.wait(SAMPLE_SECONDS):
            for i, value in enumerate(memory_of(process.pid)):
                peaks[i] = max(peaks[i], value)

    sampler = threading.Thread(target=sample)
    sampler.start()
    output = process.communicate()[0].decode("utf-8", "replace")
    seconds = time.monotonic() - begun
    ended.set()
    sampler.join()
    if process.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit {process.returncode}\n{output[-2000:]}")
    return Measured(seconds, *peaks, output)


def size_of(path):
    """Bytes that the files below `path` take on the disk."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            total += os.lstat(os.path.join(directory, name)).st_blocks * 512
    return total

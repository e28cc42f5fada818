"""What the bench of backups rests on: a restore that differs is seen, and figures are what they are called."""

import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parents[1] / "acceptance" / "cli")]

import bench
import report
from measure import Failed, measured, size_of
from support import contains, equal, main


class Scratch:
    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="bench-backup-"))
        self.box = self.path / "mail" / "user1"
        (self.box / "cur").mkdir(parents=True)
        for number in range(3):
            self.write(f"cur/{number}.mx1:2,S", f"mail {number}")
        (self.box / "subscriptions").write_text("Sent\n")

    def write(self, name, text):
        (self.box / name).write_text(text)
        os.utime(self.box / name, (1600000000, 1600000000))

    def tree(self):
        return bench.tree(self.path / "mail")

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def refusal(call, *arguments):
    try:
        call(*arguments)
    except Failed as failure:
        return str(failure)
    raise AssertionError("nothing was refused")


def test_a_restore_that_differs_from_the_store_is_refused(scratch):
    expected = scratch.tree()
    equal(len(expected), 4)
    bench.expect_same("x", scratch.tree(), expected)
    message = scratch.box / "cur" / "1.mx1:2,S"
    for change, word in (
        (lambda: scratch.write("cur/1.mx1:2,S", "mail 2"), "changed: 1"),
        (lambda: os.utime(message, (1600000001, 1600000001)), "changed: 1"),
        (lambda: message.rename(message.with_name("1.mx1:2,FS")), "missing: 1"),
        (lambda: message.unlink(), "missing: 1"),
        (lambda: scratch.write("cur/9.mx1:2,", "mail 9"), "too many: 1"),
        (lambda: (scratch.box / "subscriptions").write_text(""), "changed: 1"),
    ):
        shutil.copytree(scratch.path / "mail", scratch.path / "kept", copy_function=shutil.copy2)
        change()
        contains(refusal(bench.expect_same, "x", scratch.tree(), expected), word)
        shutil.rmtree(scratch.path / "mail")
        (scratch.path / "kept").rename(scratch.path / "mail")
    bench.expect_same("x", scratch.tree(), expected)


def test_a_server_s_own_files_do_not_count(scratch):
    expected = scratch.tree()
    scratch.write("dovecot-uidlist", "3 V1 N1\n")
    bench.expect_same("x", scratch.tree(), expected)


def test_time_and_memory_are_those_of_all_processes_of_a_command(scratch):
    hold = "import time; x = bytearray(60 << 20); time.sleep(0.3)"
    done = measured(["sh", "-c", f"{sys.executable} -c '{hold}' | cat"])
    equal(60 << 20 < done.anonymous < 100 << 20, True, str(done))
    equal(0.3 < done.seconds < 30, True, str(done))
    equal(done.mapped > 0, True)
    contains(refusal(measured, ["sh", "-c", "echo broken; exit 3"]), "exit 3\nbroken")


def test_a_directory_is_as_large_as_its_blocks(scratch):
    (scratch.path / "large").mkdir()
    (scratch.path / "large" / "file").write_bytes(b"x" * 1_000_000)
    equal(1_000_000 <= size_of(scratch.path / "large") < 1_100_000, True)


def test_the_table_has_medians_and_how_many_times_better_they_are(scratch):
    samples = bench.Samples()
    for own, other in ((1.0, 4.0), (2.0, 5.0), (9.0, 60.0)):
        samples.add("full_s", "restante", own)
        samples.add("full_s", "restic", other)
        samples.add("account_bytes", "store", 3 << 20)
    equal(samples.rounds(), 3)
    settings = {"messages": 10, "bytes": 5 << 20, "profile": "list", "rounds": 3, "unencrypted": ["tar | zstd"]}
    result = {"settings": settings, "samples": samples.values}
    text = report.table(result)
    contains(text, "| first full, s | 2.00 | 5.00 | 2.50 |")
    contains(text, "not encrypted: tar \\| zstd; the account has 3 MiB")
    picture = report.picture(result)
    contains(picture, ">5.00 s</text>")
    equal((picture.count("<rect"), picture.count("borg")), (3, 0))


if __name__ == "__main__":
    main(globals(), Scratch, "bench backup: ")

"""The generator of stores: the same bytes each time, and what it says of a store is what lies there."""

import base64
import email
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "acceptance" / "cli"))

from support import equal, main

PROGRAM = os.environ.get("BENCH_STORE", "bench-store")
FOLDERS_MADE = 1599000000  # all mails are younger
NAME = re.compile(r"(\d+)\.M(\d+)P(\d+)\.mx1,S=(\d+)(?::2,([A-Z]*))?")


class Scratch:
    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="bench-store-"))

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def run(self, *words, code=0):
        run = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
        equal(run.returncode, code, run.stderr)
        return dict(line.rsplit(" ", 1) for line in run.stdout.splitlines())

    def make(self, name, *words):
        return {key: int(value) for key, value in self.run("make", self.path / name, *words).items()}

    def tree(self, name):
        """Every file with its time and content."""
        root = self.path / name / "mail"
        out = {}
        for path in root.rglob("*"):
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                out[str(path.relative_to(root))] = (int(path.stat().st_mtime), digest)
        return out

    def messages(self, name):
        root = self.path / name / "mail"
        return [path for part in ("cur", "new") for path in root.rglob(f"{part}/*")]


def number_and_copy(path):
    match = NAME.fullmatch(path.name)
    return int(match[2]), int(match[3]) - 1000


def leaves(message):
    """(encoded body, decoded if it is base64, is an attachment) of each part that has no parts."""
    out = []
    for part in message.walk():
        if part.is_multipart():
            continue
        encoded = part.get_payload().encode("utf-8", "surrogateescape")
        if part is message:  # no boundary stands behind it
            encoded = encoded.removesuffix(b"\n")
        decoded = None
        if part["Content-Transfer-Encoding"] == "base64":
            letters = b"".join(encoded.split())
            decoded = base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
        out.append((encoded, decoded, part.get_filename() is not None))
    return out


def untidiness(encoded, decoded):
    """What is wrong with base64 text, by the names of the specification; "" if nothing is."""
    lines = encoded.split(b"\n")
    if any(line.endswith(b" ") for line in lines):
        return "trailing spaces"
    if b"" in lines:
        return "blank line"
    if len(b"".join(lines)) % 4:
        return "no padding"
    if len(lines) == 1:
        return "one line" if len(lines[0]) > 80 else ""
    if any(len(line) != len(lines[0]) for line in lines[:-1]):
        return "short line"
    width = len(lines[0])
    text = base64.b64encode(decoded)
    equal(encoded, b"\n".join(text[i : i + width] for i in range(0, len(text), width)))
    return ""


def thousandths(part, whole):
    return (part * 1000 + whole // 2) // whole if whole else 0


class Unique:
    def __init__(self):
        self.seen = {}
        self.bytes = 0

    def add(self, data):
        self.seen[hashlib.sha256(data).digest()] = len(data)
        self.bytes += len(data)

    def share(self):
        return thousandths(sum(self.seen.values()), self.bytes)


# --- tests ---------------------------------------------------------------------------------------------------


def test_a_store_made_in_two_ranges_is_the_one_made_whole(scratch):
    options = ["--messages", 300, "--users", 20]
    scratch.make("whole", *options)
    scratch.make("parts", *options, "--range", "40:1000", "--threads", 1)
    equal(scratch.tree("whole") == scratch.tree("parts"), False)
    scratch.make("parts", *options, "--range", "0:40")
    equal(scratch.tree("parts"), scratch.tree("whole"))
    equal(len(scratch.messages("whole")), 300)
    scratch.make("other", *options, "--seed", 2)
    equal(mail_digests(scratch, "other") & mail_digests(scratch, "whole"), set())


def mail_digests(scratch, name):
    return {digest for time, digest in scratch.tree(name).values() if time > FOLDERS_MADE}


def test_what_is_counted_is_what_lies_there(scratch):
    said = scratch.make("store", "--mails", 120, "--users", 10, "--profile", "office", "--untidy", 3)
    files, encoded, decoded = Unique(), Unique(), Unique()
    sizes, headers, attached, multipart, base64_parts, irregular = [], 0, 0, 0, 0, 0
    paths = scratch.messages("store")
    for path in paths:
        data = path.read_bytes()
        message = email.message_from_bytes(data)
        parts = leaves(message)
        files.add(data)
        for body, plain, _ in parts:
            encoded.add(body)
            decoded.add(body if plain is None else plain)
        if number_and_copy(path)[1] == 0:
            sizes.append(len(data))
            headers += data.index(b"\n\n") + 2
            multipart += message.is_multipart()
            for body, plain, attachment in parts:
                attached += len(body) if attachment else 0
                base64_parts += plain is not None
                irregular += plain is not None and untidiness(body, plain) != ""
    sizes.sort()
    total = sum(sizes)
    found = {
        "mails": len(sizes),
        "bytes": total,
        "mean": total // len(sizes),
        "header share": thousandths(headers, total),
        "attachment share": thousandths(attached, total),
        "share of the largest 1 %": thousandths(sum(sizes[-1:]), total),
        "multipart share": thousandths(multipart, len(sizes)),
        "base64 parts": base64_parts,
        "irregular base64 parts": irregular,
        "messages": len(paths),
        "message bytes": files.bytes,
        "unique by whole file": files.share(),
        "unique by encoded part": encoded.share(),
        "unique by decoded part": decoded.share(),
    }
    found["body share"] = 1000 - found["header share"] - found["attachment share"]
    for name, share in (("p1", 10), ("p10", 100), ("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999)):
        found[name] = sizes[(len(sizes) - 1) * share // 1000]
    equal(said, found)
    equal((said["mails"], said["unique by whole file"]), (120, 1000))


def test_base64_is_irregular_in_every_way_that_there_is(scratch):
    scratch.make("store", "--mails", 200, "--users", 1, "--untidy", 2)
    kinds = {}
    for path in scratch.messages("store"):
        for body, plain, _ in leaves(email.message_from_bytes(path.read_bytes())):
            if plain is not None:
                kind = untidiness(body, plain)
                kinds[kind] = kinds.get(kind, 0) + 1
    equal(set(kinds), {"", "short line", "blank line", "no padding", "one line", "trailing spaces"})


def test_copies_of_a_mail_have_one_body_and_headers_of_their_own(scratch):
    scratch.make("store", "--mails", 100, "--users", 30)
    bodies, copies = {}, {}
    for path in scratch.messages("store"):
        number, copy = number_and_copy(path)
        header, _, body = path.read_bytes().partition(b"\n\n")
        bodies.setdefault(number, set()).add(body)
        # What lies in Sent has no traces of a delivery.
        equal(header.startswith(b"Return-Path: "), ".Sent" not in str(path))
        copies.setdefault(number, []).append(copy)
        if ".Sent" not in str(path):
            user = re.search(r"/(user\d+)/", str(path))[1]
            equal(f"\nDelivered-To: {user}@example.com\n".encode() in header, True)
    equal({len(same) for same in bodies.values()}, {1})
    equal(sum(len(all_copies) == 1 for all_copies in copies.values()) in range(50, 80), True, str(copies))
    equal(max(len(all_copies) for all_copies in copies.values()) > 5, True)


def test_files_are_named_and_dated_as_a_server_does(scratch):
    scratch.make("store", "--messages", 400, "--users", 10)
    root = scratch.path / "store" / "mail"
    times = {}
    for path in scratch.messages("store"):
        time, number, _, size, flags = NAME.fullmatch(path.name).groups()
        equal((path.stat().st_size, int(path.stat().st_mtime)), (int(size), int(time)), str(path))
        equal(path.parent.name == "new", flags is None)
        equal("".join(sorted(flags or "")), flags or "")
        times.setdefault(int(number), set()).add(time)
        equal(b"\r" in path.read_bytes(), False)
    equal({len(same) for same in times.values()}, {1})
    equal(len(list(root.iterdir())), 10)
    for box in root.iterdir():
        folders = [path for path in box.iterdir() if path.name.startswith(".")]
        messages = sum(1 for part in ("cur", "new") for _ in box.rglob(f"{part}/*"))
        equal(len(folders) + 1, 3 + messages.bit_length() - 1 if messages else 3)
        equal((box / "subscriptions").read_text().splitlines(), sorted_like(box, folders))
        equal(all((folder / "maildirfolder").exists() for folder in folders), True)


def sorted_like(box, folders):
    """The folders' names in the order of the file that lists them; each must be there once."""
    listed = (box / "subscriptions").read_text().splitlines()
    equal(sorted(listed), sorted(folder.name[1:] for folder in folders))
    return listed


def test_some_copies_are_hard_links_if_asked_for(scratch):
    scratch.make("store", "--mails", 150, "--users", 30, "--hard-links")
    linked = [path for path in scratch.messages("store") if path.stat().st_nlink > 1]
    further = [path for path in scratch.messages("store") if number_and_copy(path)[1] > 0]
    equal(len(linked) in range(len(further) // 5, len(further) * 3 // 5), True, f"{len(linked)} of {len(further)}")
    scratch.make("none", "--mails", 150, "--users", 30)
    equal([path for path in scratch.messages("none") if path.stat().st_nlink > 1], [])


def test_a_day_is_the_same_for_every_copy_of_a_store(scratch):
    scratch.make("first", "--messages", 600, "--users", 10)
    shutil.copytree(scratch.path / "first", scratch.path / "second", copy_function=shutil.copy2)
    before = scratch.tree("first")
    day = ["--day", 3, "--made", 50000, "--deleted", 40000, "--flagged", 60000, "--moved", 30000]
    said = scratch.run("churn", scratch.path / "first", *day)
    scratch.run("churn", scratch.path / "second", *day)
    after = scratch.tree("first")
    equal(scratch.tree("second"), after)
    gone, came = set(before) - set(after), set(after) - set(before)
    stem = lambda name: name.rsplit("/", 1)[1].split(":")[0]
    renamed = {stem(name) for name in gone} & {stem(name) for name in came}
    # A flag that is set on a new message moves it to cur/; nothing else is renamed.
    equal(len(renamed), int(said["flagged"]) + int(said["moved"]))
    equal(len(gone) - len(renamed), int(said["deleted"]))
    equal((len(came) - len(renamed), int(said["made"])), (30, 30))
    equal(min(int(said[key]) for key in ("deleted", "flagged", "moved")) > 5, True, str(said))
    scratch.run("churn", scratch.path / "first", "--day", 4)
    equal(scratch.tree("first") == after, False)


def test_mails_of_a_corpus_are_put_in_as_they_are(scratch):
    corpus = scratch.path / "corpus"
    corpus.mkdir()
    for number in range(30):
        text = "".join(f"This is line {line} of mail {number}.\r\n" for line in range(60))
        (corpus / f"{number}.eml").write_bytes(f"Subject: odd {number}\r\n\r\n{text}".encode() + b"\xff\0")
    scratch.make("store", "--messages", 100, "--users", 5, "--corpus", corpus)
    found = [path.read_bytes() for path in scratch.messages("store")]
    equal(len(found), 100)
    for path in corpus.iterdir():
        equal(found.count(path.read_bytes()), 1)
    equal(any(b"of mail 7.\n" in data and b"odd 7" not in data for data in found), True)


def test_a_store_that_is_not_like_its_profile_is_refused(scratch):
    scratch.run("figures", "--mails", 500, "--check", code=1)
    scratch.run("figures", "--mails", 500)
    if os.environ.get("RESTANTE_TEST_LONG"):
        for profile in ("list", "office"):
            scratch.run("figures", "--mails", 100000, "--check", "--profile", profile)


if __name__ == "__main__":
    main(globals(), Scratch, "bench store: ")

#!/usr/bin/python3
"""Mailboxes as ordinary archives, and back."""

import hashlib
import io
import json
import mailbox
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import time
import zipfile

from support import Skipped, contains, equal, fails_clearly, main, tree, wait_until

ODD = {
    "from lines": b"From the first line\r\n>From x\r\n\r\nFrom a b c\n>>From\n",
    "no final newline": b"Subject: a\r\n\r\nno end",
    "line feeds only": b"Subject: b\n\nplain\n\n\n",
    "zero bytes": b"Subject: c\n\n\0\0From \0\n",
    "empty": b"",
}


def odd_mail(site, account, folder=""):
    """Messages that an mbox could spoil; their bytes."""
    base = site.folder(account, folder)
    for number, text in enumerate(ODD.values()):
        path = base / "cur" / f"{1790001000 + number}.odd{number}.host:2,{'FS' if number % 2 else ''}"
        path.write_bytes(text)
        os.utime(path, (1790001000 + number,) * 2)


def started(site):
    site.deliver("alice", "welcome", flags="S")
    site.deliver("alice", "contract", "Work", flags="FRa")
    (site.mail / "alice/.Work/dovecot-keywords").write_text("0 $Forwarded\n")
    site.deliver("alice", "annex", "Work.Reports", flags="")
    site.deliver("alice", "draft", "Entw&APw-rfe", flags="D")
    site.folder("alice", "Empty")
    odd_mail(site, "alice")
    (site.mail / "alice/sieve").mkdir()
    (site.mail / "alice/sieve/main.sieve").write_text("keep;\n")
    (site.mail / "alice/subscriptions").write_text("V\t2\n\nWork\n")
    site.deliver("bob", "lunch")
    site.run("init", code=0)
    site.run("backup", "--full", code=0)


def bytes_of(site, account, folder=None):
    """Digest of every message, sorted."""
    out = []
    for path in (site.mail / account).glob("**/*"):
        if path.parent.name in ("cur", "new") and path.is_file():
            if folder is None or path.parent.parent.name == folder:
                out.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return sorted(out)


def seen(site, account):
    """What a client sees: folder, digest, flags, date; without names."""
    out = []
    root = site.mail / account
    for path in sorted(root.glob("**/*")):
        if path.parent.name in ("cur", "new") and path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            flags = "".join(sorted(path.name.partition(":2,")[2]))
            out.append((str(path.parent.parent.relative_to(root)), digest, flags, int(path.stat().st_mtime)))
    return sorted(out)


def digest_of(site, archive_name, *words):
    document = site.json("export", "-a", "alice@example.com", "-o", site.path / archive_name, *words)
    return document["accounts"][0]["digest"]


def empty(site, account):
    shutil.rmtree(site.mail / account)
    site.folder(account)


def unpacked_by_tar(site, archive):
    out = site.path / "unpacked"
    out.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", out], check=True)
    return out


def digests(messages):
    return sorted(hashlib.sha256(m).hexdigest() for m in messages)


def test_a_tar_of_maildirs_is_read_by_tar_and_mail_programs(site):
    started(site)
    for name in ("a.tar", "a.tar.zst"):
        archive = site.path / name
        site.run("export", "-a", "all", "-o", archive, code=0)
        if name.endswith(".zst"):
            import zstandard

            plain = site.path / "plain.tar"
            with open(archive, "rb") as source, open(plain, "wb") as out:
                zstandard.ZstdDecompressor().copy_stream(source, out)
            archive = plain
        out = unpacked_by_tar(site, archive)
        root = out / "alice@example.com" / "Maildir"
        files = [p for p in root.glob("**/cur/*") if p.is_file()]
        equal(digests(p.read_bytes() for p in files), bytes_of(site, "alice"))
        box = mailbox.Maildir(str(root), factory=None, create=False)
        equal(sorted(box.list_folders()), ["Empty", "Entw&APw-rfe", "Work", "Work.Reports"])
        (contract,) = list(box.get_folder("Work"))
        equal(contract.get_flags(), "FRa")
        equal(contract["Subject"], "contract")
        contains((root / ".Work/dovecot-keywords").read_text(), "$Forwarded")
        dates = {int(p.stat().st_mtime) for p in files}
        equal(dates, {entry[3] for entry in seen(site, "alice")})
        items = [p.read_text() for p in (out / "alice@example.com/items").iterdir()]
        contains(items, "keep;\n")
        shutil.rmtree(out)


def test_a_zip_is_read_by_pythons_zipfile(site):
    started(site)
    archive = site.path / "a.zip"
    site.run("export", "-a", "alice@example.com", "-o", archive, code=0)
    with zipfile.ZipFile(archive) as z:
        equal(z.testzip(), None)
        mail = [z.read(name) for name in z.namelist() if "/cur/" in name and not name.endswith("/")]
        equal(digests(mail), bytes_of(site, "alice"))
        description = json.loads(z.read("restante.json"))
        equal([m["address"] for m in description["mailboxes"]], ["alice@example.com"])


def test_an_mbox_is_read_by_pythons_mailbox(site):
    started(site)
    archive = site.path / "a.tar"
    site.run("export", "-a", "alice@example.com", "--layout", "mbox", "-o", archive, code=0)
    out = unpacked_by_tar(site, archive) / "alice@example.com"
    box = mailbox.mbox(str(out / "INBOX.mbox"), factory=None, create=False)
    equal(len(box), 1 + len(ODD))
    subjects = [m["Subject"] for m in box]
    contains(subjects, "welcome")
    equal(len(mailbox.mbox(str(out / "Work/Reports.mbox"), create=False)), 1)
    equal(len(mailbox.mbox(str(out / "Empty.mbox"), create=False)), 0)
    # What the JSON says: the exact bytes of each message.
    found = []
    for line in (out / "mailbox.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] != "message":
            continue
        with open(out.parent / record["entry"], "rb") as entry:
            entry.seek(record["offset"])
            lines = entry.read(record["length"]).split(b"\n")
        lines = [l[1:] if l.startswith(b">") and l.lstrip(b">").startswith(b"From ") else l for l in lines]
        message = b"\n".join(lines)[: record["size"]]
        equal(hashlib.sha256(message).hexdigest(), record["sha256"])
        found.append(message)
    equal(digests(found), bytes_of(site, "alice"))


def test_the_same_state_is_the_same_bytes(site):
    started(site)
    for name in ("tar.zst", "tar", "zip"):
        site.run("export", "-a", "all", "-o", site.path / f"1.{name}", code=0)
        site.run("export", "-a", "all", "-o", site.path / f"2.{name}", code=0)
        equal((site.path / f"1.{name}").read_bytes() == (site.path / f"2.{name}").read_bytes(), True, name)


def test_export_and_import_into_an_emptied_account_gives_the_same_state(site):
    started(site)
    for number, words in enumerate((["--layout", "maildir"], ["--layout", "mbox"])):
        wanted = seen(site, "alice")
        before = digest_of(site, f"{number}.tar.zst", *words)
        empty(site, "alice")
        site.run("scan", code=0)
        plan = site.json("import", site.path / f"{number}.tar.zst", "--identity", "exact", "--dry-run")
        equal(plan["plan"][0]["difference"]["messages"]["added"], len(wanted))
        equal(seen(site, "alice"), [])
        site.run("import", site.path / f"{number}.tar.zst", "--identity", "exact", code=0)
        equal(seen(site, "alice"), wanted)
        equal((site.mail / "alice/sieve/main.sieve").read_text(), "keep;\n")
        contains((site.mail / "alice/subscriptions").read_text(), "Work")
        site.run("scan", code=0)
        equal(digest_of(site, f"{number}-again.tar.zst", *words), before)
        site.run("backup", code=0)
        contains(site.run("verify", "--read-data", code=0).out, "no damage")


def test_import_adds_what_is_missing_once_and_can_be_taken_back(site):
    started(site)
    archive = site.path / "a.tar.zst"
    site.run("export", "-a", "alice@example.com", "-o", archive, code=0)
    wanted = seen(site, "alice")
    shutil.rmtree(site.mail / "alice/.Work")
    later = site.deliver("alice", "later", flags="")
    site.run("scan", code=0)
    live = seen(site, "alice")
    document = site.json("import", archive)
    equal(document["plan"][0]["identity"], "keep")
    equal(document["plan"][0]["difference"]["messages"]["added"], 1)
    equal(document["plan"][0]["present"], len(wanted) - 1)
    equal(later.exists(), True)
    equal(len(seen(site, "alice")), len(wanted) + 1)
    equal([e for e in seen(site, "alice") if "later" not in str(e) and e in wanted], wanted)
    again = site.json("import", archive)
    equal(again["plan"][0]["difference"]["messages"]["added"], 0)
    # With its contents: the next session has them, and a restore before it takes it back.
    site.run("backup", code=0)
    contains(site.run("verify", "--read-data", code=0).out, "no damage")
    before = document["accounts"][0]["logged_at"] - 1
    site.run("restore", "-a", "alice@example.com", "--to-lsn", before, code=0)
    equal(seen(site, "alice"), live)


def test_import_below_a_folder_and_into_another_account(site):
    started(site)
    archive = site.path / "a.tar"
    site.run("export", "-a", "alice@example.com", "-o", archive, code=0)
    site.run("import", archive, "--into", "bob@example.com", "--folder", "Imported", code=0)
    folders = {entry[0] for entry in seen(site, "bob")}
    equal(folders, {".", ".Imported.INBOX", ".Imported.Work", ".Imported.Work.Reports", ".Imported.Entw&APw-rfe"})
    equal([e[1:] for e in seen(site, "bob") if e[0] == ".Imported.INBOX"],
          [e[1:] for e in seen(site, "alice") if e[0] == "."])
    site.run("import", archive, "--into", "carol@example.com", code=0)
    equal(seen(site, "carol"), seen(site, "alice"))


def test_one_folder_at_an_earlier_instant(site):
    started(site)
    lsn = site.json("export", "-a", "alice@example.com", "-o", site.path / "now.tar")["accounts"][0]["position"]["lsn"]
    earlier = bytes_of(site, "alice", ".Work")
    shutil.rmtree(site.mail / "alice/.Work")
    site.deliver("alice", "newer", "Work.Reports", flags="")
    site.run("scan", code=0)
    site.run("export", "-a", "alice@example.com", "-o", site.path / "work.tar", "--folder", "Work", "--to-lsn", lsn,
             "--no-subfolders", code=0)
    with tarfile.open(site.path / "work.tar") as tar:
        mail = [tar.extractfile(m).read() for m in tar.getmembers() if "/cur/" in m.name and m.isfile()]
        equal(digests(mail), earlier)
    site.run("export", "-a", "alice@example.com", "-o", site.path / "below.tar", "--folder", "Work", "--to-lsn", lsn,
             code=0)
    with tarfile.open(site.path / "below.tar") as tar:
        equal(len([m for m in tar.getmembers() if "/cur/" in m.name and m.isfile()]), 2)
    fails_clearly(site.run("export", "-a", "alice@example.com", "-o", site.path / "x.tar", "--folder", "None"), 1,
                  "no folder None")
    equal((site.path / "x.tar").exists(), False)


def test_archives_made_elsewhere(site):
    started(site)
    archive = site.path / "other.tar"
    with tarfile.open(archive, "w") as tar:
        def add(name, data, mtime=1780000000):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            tar.addfile(info, io.BytesIO(data))
        add("old/cur/1.x:2,S", b"Subject: one\n\n1\n")
        add("old/.Entw&APw-rfe/cur/2.x:2,D", b"Subject: two\n\n2\n")
        add("old/notes.txt", b"hello")
    fails_clearly(site.run("import", archive), 1, "whose mail", "--into")
    run = site.run("import", archive, "--into", "bob@example.com", code=0)
    contains(run.out, "Maildir")
    contains(run.out, "notes.txt")
    equal([e[0] for e in seen(site, "bob")].count(".Entw&APw-rfe"), 1)
    with zipfile.ZipFile(site.path / "mbox.zip", "w") as z:
        z.writestr("Entw\xfcrfe.mbox", "From x Sat Nov 14 22:13:20 2026\nSubject: three\n\n3\n")
    site.run("import", site.path / "mbox.zip", "--into", "bob@example.com", code=0)
    equal([e[0] for e in seen(site, "bob")].count(".Entw&APw-rfe"), 2)


def test_an_archive_that_lies_imports_nothing(site):
    started(site)
    archive = site.path / "a.tar"
    site.run("export", "-a", "alice@example.com", "-o", archive, code=0)
    empty(site, "alice")
    site.run("scan", code=0)
    before = tree(site.mail)

    def changed(change, *parts):
        out = site.path / "lie.tar"
        with tarfile.open(archive) as source, tarfile.open(out, "w") as tar:
            for member in source.getmembers():
                data = source.extractfile(member).read() if member.isfile() else b""
                for name, data in change(member.name, data):
                    member.name, member.size = name, len(data)
                    tar.addfile(member, io.BytesIO(data))
        fails_clearly(site.run("import", out), 1, *parts)
        equal(tree(site.mail), before)

    changed(lambda n, d: [] if n.endswith("mailbox.jsonl") else [(n, d)], "cut off")
    changed(lambda n, d: [] if ".Work.Reports/cur/" in n else [(n, d)], "lacks")
    changed(lambda n, d: [(n, d.replace(b"contract", b"contrast"))] if "/cur/" in n else [(n, d)], "digest")
    changed(lambda n, d: [(n, d.replace(b'"\\\\Flagged"', b'"\\\\Deleted"'))] if n.endswith("jsonl") else [(n, d)],
            "digest")
    changed(lambda n, d: [(n, d), (n, d)] if "/cur/" in n and d else [(n, d)], "twice")
    changed(lambda n, d: [(n, d.replace(b'"version": 1', b'"version": 9'))], "version 9")
    cut = site.path / "cut.tar"
    cut.write_bytes(archive.read_bytes()[:5000])
    fails_clearly(site.run("import", cut), 1)
    equal(tree(site.mail), before)


def members(archive):
    with tarfile.open(archive) as tar:
        return sorted((member.name, member.size) for member in tar if not member.name.endswith("restante.json"))


def test_killed_and_full_disk_leave_no_archive(site):
    started(site)
    for number in range(40):
        site.deliver("alice", f"big {number}", "Big", flags="", size=2_000_000 if number < 10 else 2000)
    site.run("backup", "--full", code=0)
    out = site.path / "out"
    out.mkdir()
    site.run("export", "-a", "all", "-o", site.path / "whole.tar", code=0)
    for delay in (0.0, 0.02, 0.05, 0.1):
        process = site.start("export", "-a", "all", "-o", out / "a.tar")
        if delay:
            wait_until(lambda: list(out.iterdir()) or process.poll() is not None, "a temporary file")
            time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # Killed behind the last step it may have left a whole one.
        if process.returncode == -signal.SIGKILL and (out / "a.tar").exists():
            equal(members(out / "a.tar"), members(site.path / "whole.tar"))
        for rest in out.iterdir():
            rest.unlink()
    with open("/dev/full", "wb") as full:
        process = site.start("export", "-a", "all", "-o", "-", stdout=full)
        error = process.communicate()[1].decode()
    equal(process.returncode, 1, error)
    contains(error, "No space left")
    if os.geteuid() != 0:
        raise Skipped("needs root for a small file system")
    small = site.path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small]).returncode != 0:
        raise Skipped("cannot mount a small file system")
    try:
        fails_clearly(site.run("export", "-a", "all", "-o", small / "a.tar"), 1, "No space left")
        equal(list(small.iterdir()), [])
    finally:
        subprocess.run(["umount", small], check=True)


def test_through_pipes(site):
    started(site)
    exported = subprocess.run(site.command("export", "-a", "alice@example.com", "-o", "-"), stdout=subprocess.PIPE,
                              env=site.environment(), check=True).stdout
    wanted = seen(site, "alice")
    empty(site, "alice")
    site.run("scan", code=0)
    subprocess.run(site.command("import", "-"), input=exported, env=site.environment(), check=True,
                   stdout=subprocess.DEVNULL)
    equal(seen(site, "alice"), wanted)


def test_words_that_are_wrong(site):
    started(site)
    there = site.path / "there.tar"
    there.write_text("mine")
    fails_clearly(site.run("export", "-a", "all", "-o", there), 1, "there.tar already", "--force")
    equal(there.read_text(), "mine")
    site.run("export", "-a", "all", "-o", there, "--force", code=0)
    fails_clearly(site.run("export", "-o", "x.tar"), 2, "account")
    fails_clearly(site.run("export", "-a", "all"), 2, "-o")
    fails_clearly(site.run("export", "-a", "all", "-o", "x.rar"), 2, "format")
    fails_clearly(site.run("export", "-a", "all", "-o", "x.tar", "--layout", "mh"), 2, "maildir and mbox")
    fails_clearly(site.run("export", "-a", "nobody", "-o", site.path / "x.tar"), 1, "nobody")
    fails_clearly(site.run("import"), 2, "archive")
    fails_clearly(site.run("import", there, "-a", "nobody"), 1, "nobody", "alice@example.com")
    fails_clearly(site.run("import", there, "--into", "bob@example.com"), 1, "2 mailboxes")
    fails_clearly(site.run("import", there, "-a", "alice@example.com", "--identity", "exact"), 1, "empty account")
    equal([p for p in site.state.iterdir() if "tmp" in p.name], [])


if __name__ == "__main__":
    main(globals())

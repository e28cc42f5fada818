#!/usr/bin/python3
"""The second reader against the golden files, the examples of docs/format, and what the program writes.

    reader_test.py [PROGRAM]       without the program, what needs it is skipped
"""

import datetime
import hashlib
import pathlib
import re
import shutil
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
FORMAT = TESTS.parent / "docs" / "format"
GOLDEN = TESTS / "golden"
sys.path[:0] = [str(HERE), str(TESTS / "acceptance" / "cli")]

import restante_reader as reader  # noqa: E402
import restante_keys as keys  # noqa: E402
import support  # noqa: E402
from support import Skipped, contains, equal  # noqa: E402

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""


def refused(function, *arguments):
    """That a call finds damage; what it says."""
    try:
        function(*arguments)
    except reader.Damaged as error:
        return str(error)
    raise AssertionError(f"{function.__name__}: the damage was not found")


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def time_of(text):
    """Microseconds since 1970 of a time as the program shows it."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    epoch = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(microseconds=1)


def text_of_time(time):
    epoch = datetime.datetime(1970, 1, 1)
    return (epoch + datetime.timedelta(microseconds=time)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- Operations and digests -------------------------------------------------------------------------------


def test_crc_32c():
    equal(reader.crc32c(b"123456789"), 0xE3069283)
    equal(reader.crc32c(b"6789", reader.crc32c(b"12345")), 0xE3069283)
    equal(reader.crc32c(b""), 0)


def test_operations_of_version_1():
    golden = (GOLDEN / "operations/version-1.bin").read_bytes()
    operations = reader.decode_operations(golden)
    equal(b"".join(map(reader.encode_operation, operations)), golden)
    names = [operation.name for operation in operations]
    equal(sorted(set(names)), sorted({name for name, _ in reader.KINDS.values()} | {"unknown"}))
    folder = next(o.body for o in operations if o.name == "FolderPut" and o.body.id == b"inbox")
    equal((folder.uidnext, folder.highest_modseq, folder.mountpoint), (43, 1 << 63, (b"user2", b"17")))
    equal([field.tag for field in folder.unknown], [200, 200, 0xFFFFFFFF])
    message = next(o.body.messages[0] for o in operations if o.name == "MessagePut" and len(o.body.messages) == 3)
    equal((message.internal_date, message.save_date, message.modseq), (1184255991123000, -1, 0))
    equal(message.keywords, (b"$Forwarded", b"work"))
    expunge = next(o.body for o in operations if o.name == "MessageExpunge" and o.body.uidvalidity)
    equal((expunge.uids, expunge.message_ids), ((42, 43, 0xFFFFFFFF, 1), (b"m1", b"m0")))


def test_damaged_operations_are_refused():
    cursor = reader.Cursor((GOLDEN / "operations/damaged.bin").read_bytes())
    count = 0
    while cursor:
        data = cursor.take(cursor.unpack("I")[0])
        refused(reader.decode_operation, reader.Cursor(data))
        count += 1
    equal(count > 20, True)


def test_what_decodes_has_one_encoding():
    golden = (GOLDEN / "operations/version-1.bin").read_bytes()
    for at in range(len(golden)):
        for bit in range(8):
            data = golden[:at] + bytes([golden[at] ^ 1 << bit]) + golden[at + 1 :]
            cursor = reader.Cursor(data)
            try:
                while cursor:
                    begin = cursor.at
                    operation = reader.decode_operation(cursor)
                    equal(reader.encode_operation(operation), data[begin : cursor.at])
            except reader.Damaged:
                pass


def test_examples_of_operations():
    text = (FORMAT / "operations.md").read_text().split("## 9. Example")[1].split("## 10.")[0]
    lines = re.findall(r"^ *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?= {2}|$)", text.split("```")[1], re.MULTILINE)
    (operation,) = reader.decode_operations(bytes.fromhex("".join(lines)))
    (message,) = operation.body.messages
    equal((message.id, message.folder_id, message.uidvalidity, message.uid), (b"m1", b"inbox", 7, 300))
    equal((message.internal_date, message.flags), (1184255991123000, 5))
    expunge = bytes.fromhex(re.search(r"`(0d 0f [0-9a-f ]+)`", text)[1])
    (operation,) = reader.decode_operations(expunge)
    equal(operation.body.uids, (42, 43, 7))


def put(type, kind_number, **values):
    return reader.Operation(kind_number, True, reader.Record(type, **values))


def put_message(**values):
    return put("MessagePut", 5, messages=(reader.Record("Message", **values),))


def test_example_of_state_digests():
    mailbox = reader.Mailbox()
    for operation in (
        put("Account", 1, id=b"account1", address=b"user1@example.com"),
        put("Folder", 3, id=b"inbox", name=b"INBOX", uidvalidity=7, uidnext=43, highest_modseq=12),
        put_message(
            id=b"m1", folder_id=b"inbox", uidvalidity=7, uid=42, email_id=b"e1",
            content=reader.Content(b"\1" + bytes(30) + b"\xc0", 101), internal_date=1184255991123000,
            modseq=12, flags=1, keywords=(b"$Forwarded", b"work"), viewer_flags=((b"other", 1),),
        ),
        put("Item", 8, kind=b"subscription", id=b"INBOX", attributes=((b"state", b"on"),)),
        put("HostOp", 10, host=b"example", name=b"reindex", data=b"all"),
        reader.Operation(1000, False, b"x"),
    ):  # fmt: skip
        mailbox.apply(operation)
    text = (FORMAT / "state-digest.md").read_text().split("## 5. Example")[1]
    rows = re.findall(r"^\| (\w+) \| `(\w{64})` \| `(\w{64})` \|$", text, re.MULTILINE)
    rows = {row[0]: row[1:] for row in rows}
    equal(sorted(rows), sorted(reader.CLASSES))
    sets = (reader.ALL_FIELDS, reader.UID | reader.INTERNAL_DATE | reader.KEYWORDS)
    for column, fields in enumerate(sets):
        digest = reader.state_digest(mailbox, bytes(range(32)), fields)
        equal(digest, {name: row[column] for name, row in rows.items()})


def test_replay():
    mailbox = reader.Mailbox()
    mailbox.apply(put("Folder", 3, id=b"f", name=b"F", uidvalidity=7, uidnext=1))
    mailbox.apply(put_message(id=b"void", folder_id=b"f", uidvalidity=8, uid=1))
    mailbox.apply(put_message(id=b"a", folder_id=b"f", uidvalidity=7, uid=5, keywords=(b"z", b"k", b"z")))
    mailbox.apply(put_message(id=b"b", folder_id=b"f", uidvalidity=7, uid=5))
    equal([m.id for m in mailbox.messages], [b"b"])
    mailbox.apply(put_message(id=b"b", folder_id=b"f", uidvalidity=7, uid=6))
    equal((mailbox.folders[b"f"].uidnext, mailbox.folders[b"f"].highest_modseq), (7, None))
    update = put("FlagsUpdate", 7, folder_id=b"f", uidvalidity=7, uids=(5, 6), mode=1, flags=1, keywords=(b"k",))
    mailbox.apply(update)
    equal([(m.flags, m.keywords) for m in mailbox.messages], [(1, (b"k",))])
    mailbox.apply(put("MessageExpunge", 6, folder_id=b"f", uidvalidity=7, uids=(0, 9), message_ids=(b"b",)))
    equal((mailbox.messages, mailbox.folders[b"f"].uidnext), ([], 10))
    try:
        mailbox.apply(put("Folder", 3, id=b"g", unknown=(reader.Unknown(200, True, b""),)))
        raise AssertionError("a required unknown field was passed over")
    except reader.Unsupported:
        equal(list(mailbox.folders), [b"f"])


# --- Redo logs --------------------------------------------------------------------------------------------


def listing(log):
    """As tests/golden/redo/records.txt has it."""
    lines = []
    for r in log.records:
        line = f"{r.sequence} {r.offset} {reader.padded(r.length)} {r.lsn} {r.kind_name} {r.durable_lsn}"
        line += f" {text_of_time(r.wall_time)} {text_of_time(r.commit_time)} {r.transaction}"
        line += f" '{r.account_id.decode()}' '{r.origin[0].decode()}'"
        if r.kind == reader.CONTENT:
            piece = r.piece()
            line += f" content {piece.digest.hex()} {piece.size if piece.is_last else piece.length}"
        if r.kind in (reader.BEGIN, reader.APPEND):
            line += "".join(" " + reader.encode_operation(operation).hex() for operation in r.begun()[1])
        if r.kind == reader.COMMIT:
            for a in r.ended()[2]:
                line += f" assigned {a.operation}.{a.element} {a.refused:d} {a.uid} {a.modseq}"
        lines.append(line)
    for t in log.transactions:
        operations = "".join(" " + reader.encode_operation(operation).hex() for operation in t.operations)
        lines.append(f"transaction {t.begin_lsn} {t.commit_lsn} '{t.account_id.decode()}'{operations}")
    return lines


def golden_log():
    path = GOLDEN / "redo"
    if not (path / "records.txt").exists():
        raise Skipped("no golden files of redo logs")
    return path


def test_redo_log_of_version_1():
    log = reader.RedoLog(golden_log())
    equal(listing(log), (GOLDEN / "redo/records.txt").read_text().splitlines())
    equal(log.damages, [])
    equal([record.account_id for record in log.open.values()], [b"dave"])
    equal(log.server, b"S" * 16)
    (place,) = log.contents().values()
    mail = b"From: a@example.com\r\nSubject: golden\r\n\r\n" + b"g" * 6000 + b"\r\n"
    equal(log.read_content(place), mail)


class LogCopy:
    """A copy of the golden log that can be damaged."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="restante-reader-")) / "redo"
        shutil.copytree(golden_log(), self.path)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path.parent)

    def file(self, sequence):
        return self.path / f"redo-{sequence:010}.log"

    def change(self, sequence, at, data):
        old = self.file(sequence).read_bytes()
        self.file(sequence).write_bytes(old[:at] + data + old[at + len(data) :])

    def unseal(self):
        """Leaves the first segment alone, and it without its index: a log that broke off."""
        self.file(2).unlink()
        data = self.file(1).read_bytes()
        footer = reader.Segment("", data).footer
        self.file(1).write_bytes(data[: footer.records_end] + bytes(65536))


def test_either_header_is_enough():
    whole = reader.RedoLog(golden_log())
    equal(whole.faults, [])
    with LogCopy() as copy:
        copy.change(1, 100, b"x")
        log = reader.RedoLog(copy.path)
        equal(listing(log), listing(whole))
        contains("\n".join(log.faults), "copy 0 of the header")
        copy.change(1, 4096 + 100, b"x")
        contains(refused(reader.RedoLog, copy.path), "header")


def test_torn_tail():
    """R8: what nothing later vouches for was never acknowledged."""
    with LogCopy() as copy:
        copy.unseal()
        whole = reader.RedoLog(copy.path)
        equal((len(whole.records), whole.damages), (12, []))
        # The newest two records know that LSN 9 and 11 are durable.
        for lsn, kept in ((12, 11), (11, 10)):
            record = whole.records[lsn - 1]
            data = copy.file(1).read_bytes()
            copy.change(1, record.offset + record.length - 1, b"\xff")
            log = reader.RedoLog(copy.path)
            equal((log.end_lsn, log.damages), (kept, []) if lsn == 12 else (12, log.damages))
            if lsn == 12:
                equal(log.segments[0].torn_at, record.offset)
            else:
                equal([(gap.from_lsn, gap.next_lsn) for gap in log.damages], [(11, 12)])
            copy.file(1).write_bytes(data)
        # Both gone: the end is behind LSN 10.
        copy.change(1, whole.records[10].offset, bytes(4))
        copy.change(1, whole.records[11].offset, bytes(4))
        log = reader.RedoLog(copy.path)
        equal((log.end_lsn, log.damages), (10, []))


def test_damage_within_a_log():
    with LogCopy() as copy:
        copy.unseal()
        whole = reader.RedoLog(copy.path)
        for victim in whole.records[:10]:
            data = copy.file(1).read_bytes()
            for at in (victim.offset, victim.offset + 5, victim.offset + 20, victim.end - 1):
                copy.change(1, at, bytes([data[at] ^ 0x55]))
                log = reader.RedoLog(copy.path)
                equal([(gap.from_lsn, gap.next_lsn) for gap in log.damages], [(victim.lsn, victim.lsn + 1)])
                equal([r.lsn for r in log.records], [r.lsn for r in whole.records if r.lsn != victim.lsn])
                copy.file(1).write_bytes(data)


def test_a_record_counts_in_its_place_only():
    with LogCopy() as copy:
        copy.unseal()
        log = reader.RedoLog(copy.path)
        touch, last = log.records[5], log.records[-1]
        data = copy.file(1).read_bytes()
        copy.change(1, last.end, data[touch.offset : touch.end])
        equal(reader.RedoLog(copy.path).end_lsn, last.lsn)


def test_sealed_segments_show_any_change():
    with LogCopy() as copy:
        data = copy.file(1).read_bytes()
        for at in range(8192, len(data) - 4, 61):
            copy.file(1).write_bytes(flipped(data, at))
            log = reader.RedoLog(copy.path)
            # A footer that is not one makes the segment one that is not sealed.
            equal(bool(log.damages or log.faults) or log.segments[0].footer is None, True, f"offset {at}")
            # What lies in the index or the padding behind it costs nothing.
            equal(len(log.records) + len(log.damages), 16, f"offset {at}")


def test_example_of_a_record():
    text = (FORMAT / "redo.md").read_text().split("## Example")[1].split("## Threats")[0]
    lines = re.findall(r"^[0-9a-f]{4} ((?: +[0-9a-f]{2})+)$", text.split("```")[1], re.MULTILINE)
    shown = bytes.fromhex("".join(lines))
    record = next(r for r in reader.RedoLog(golden_log()).records if r.lsn == 5)
    data = (golden_log() / "redo-0000000001.log").read_bytes()
    equal(data[record.offset : record.end], shown)


# --- Packs and files of a target --------------------------------------------------------------------------

GOLDEN_TARGET = bytes.fromhex("00112233445566778899aabbccddeeff")
GOLDEN_PACK = bytes.fromhex("0123456789abcdef0123456789abcdef")


def golden_pack(name):
    """A store of one golden pack, and what can be read from it: part id -> length."""
    if reader.zstandard is None:
        raise Skipped("python3-zstandard is not installed")
    store = reader.ContentStore(GOLDEN_TARGET, [(GOLDEN_PACK, (GOLDEN / "content" / name).read_bytes())])
    store.packs[GOLDEN_PACK].check()
    readable = {}
    for id in store.places:
        try:
            readable[id.hex()] = len(store.read(id))
        except reader.Damaged:
            pass
    return store.packs[GOLDEN_PACK], readable


def test_packs_of_version_1():
    pack, readable = golden_pack("version-1.pack")
    equal(pack.faults, [])
    lines = []
    for number, at in pack.frames.items():
        stored, raw, _, crc = reader.Cursor(pack.data, at + 8).unpack("4I")
        lines.append(f"frame {number} offset {at} stored {stored} raw {raw} crc {crc}")
    for part in pack.parts:
        place = f"frame {part.frame} offset {part.offset} length {part.length}"
        lines.append(f"part {part.id.hex()} kind {part.kind} {place}")
    equal(lines, (GOLDEN / "content/version-1.txt").read_text().splitlines())
    equal(sorted(readable), sorted(part.id.hex() for part in pack.parts))
    _, readable = golden_pack("example.pack")
    equal(readable, {hashlib.sha256(b"hello, restante\r\n").hexdigest(): 17})


def test_example_of_a_pack():
    text = (FORMAT / "content.md").read_text().split("## Example")[1].split("## The catalog")[0]
    data = (GOLDEN / "content/example.pack").read_bytes()
    lines = re.findall(r"^([0-9a-f]{3}) ((?:[0-9a-f]{2} ?)+)(?=  |$)", text, re.MULTILINE)
    equal(len(lines) > 25, True)
    for at, shown in lines:
        shown = bytes.fromhex(shown)
        equal(data[int(at, 16) :][: len(shown)].hex(), shown.hex(), at)


def test_lists_of_unreferenced_packs():
    data = (GOLDEN / "content/version-1.list").read_bytes()
    name = bytes.fromhex("0123456789abcdef0123456789abcdef")
    target = bytes.fromhex("00112233445566778899aabbccddeeff")
    packs = reader.unreferenced_list(data, name, target)
    equal(packs, [bytes(16), b"\x01" + bytes(15), b"\xff" * 16])
    for at in range(len(data)):
        refused(reader.unreferenced_list, flipped(data, at), name, target)


def test_damaged_packs():
    whole, readable = golden_pack("version-1.pack")
    frames = {part.id.hex(): part.frame for part in whole.parts}
    recipe = next(part.id.hex() for part in whole.parts if part.kind == 1)
    cases = {
        "damaged-header": readable,
        "damaged-frame": [id for id in readable if frames[id] != 1 and id != recipe],
        "damaged-index": readable,
        "damaged-footer": readable,
        "cut-off": [id for id in readable if frames[id] < 2 and id != recipe],
    }
    for name, expected in cases.items():
        pack, found = golden_pack(name + ".pack")
        equal(pack.faults != [], True, name)
        equal(found, {id: readable[id] for id in expected}, name)


def test_files_of_a_target():
    if reader.zstandard is None:
        raise Skipped("python3-zstandard is not installed")
    path = GOLDEN / "target"
    about = reader.read_target_json(path / "target.json")
    equal((about["id"], about["digest_key"]), (bytes(range(16, 32)).hex(), bytes(range(32)).hex()))
    accounts = [reader.SessionAccount(e) for e in reader.read_xml(path / "session.xml").findall("account")]
    alice, odd = accounts
    equal((alice.id, alice.full), (b"alice", True))
    equal((alice.snapshot_at, alice.redo_start, alice.consistent_at), (4000, 3990, 4100))
    equal((alice.fields, alice.digest["structure"]), (reader.UID | reader.KEYWORDS, "ab" + "00" * 31))
    equal((odd.id, odd.address, odd.error), (b"odd\1\xff id ", b' <&"> ', b"cannot read it:\nno such file"))
    snapshot = (path / "snapshot.snap").read_bytes()
    operations, _ = reader.read_snapshot(snapshot, bytes(range(16, 32)), b"alice")
    expected = [
        put("Account", 1, id=b"alice", address=b"alice@example.com"),
        put("Folder", 3, id=b"inbox", name=b"INBOX", uidvalidity=7, uidnext=43),
    ]
    for uid in (41, 42):
        mail = f"Subject: {uid}\n\nHello.\n".encode()
        content = reader.Content(hashlib.sha256(mail).digest(), len(mail))
        values = {"id": b"m%d" % uid, "folder_id": b"inbox", "uidvalidity": 7, "uid": uid, "flags": 1}
        expected.append(put_message(content=content, **values))
    equal(operations, expected)
    for at in range(len(snapshot)):
        try:
            reader.read_snapshot(flipped(snapshot, at), bytes(range(16, 32)), b"alice")
        except (reader.Damaged, reader.Unsupported):
            continue
        raise AssertionError(f"byte {at} was changed and nothing said so")
    refused(reader.read_snapshot, snapshot, bytes(range(16, 32)), b"bob")
    refused(reader.read_snapshot, snapshot, bytes(16), b"alice")


# --- What the program writes ------------------------------------------------------------------------------

FLAGS = {"S": 1, "R": 2, "F": 4, "T": 8, "D": 16}


def maildir(site, account):
    """Sorted (path of the folder, digest, flags) of the files."""
    out = []
    for folder, _, digest, flags, _ in site.mailbox(account):
        path = "INBOX" if folder == "." else folder[1:].replace(".", "/")
        out.append((path, digest, sum(FLAGS[flag] for flag in flags)))
    return sorted(out)


def folder_paths(site, account):
    root = site.mail / account
    return sorted(["INBOX"] + [path.name[1:].replace(".", "/") for path in root.glob(".*") if path.is_dir()])


def compare(site, mailbox, account, contents):
    """A mailbox of the reader with the files of an account, byte for byte."""
    found = []
    for message in mailbox.messages:
        data = contents(message.content)
        equal(hashlib.sha256(data).digest(), message.content.digest)
        equal(len(data), message.content.size)
        path = mailbox.path(message.folder_id).decode()
        found.append((path, hashlib.sha256(data).hexdigest()[:12], message.flags))
    equal(sorted(found), maildir(site, account))
    real = [f.id for f in mailbox.folders.values() if b"nonexistent" not in dict(f.attributes)]
    equal(sorted(mailbox.path(folder).decode() for folder in real), folder_paths(site, account))


def uidlist(site, account, folder, uids, uidvalidity=1700000000):
    """dovecot-uidlist of a folder: (UID, path of the message)."""
    head = f"3 V{uidvalidity} N{max(uid for uid, _ in uids) + 1} G{'5a' * 16}\n"
    lines = [f"{uid} :{path.name.partition(':')[0]}\n" for uid, path in uids]
    (site.folder(account, folder) / "dovecot-uidlist").write_text(head + "".join(lines))


def move(path, folder):
    """Into another folder, as a client does it: into its cur/, with the same flags."""
    flags = path.name.partition(":2,")[2]
    new = folder / "cur" / f"{path.name.partition(':')[0]}moved:2,{flags}"
    path.rename(new)
    return new


def make_history(site):
    """A full, changes, an incremental, changes that are in the log only."""
    site.deliver("alice", "in two pieces", size=5_000_000)
    long = site.deliver("alice", "long", size=300_000)
    contract = site.deliver("alice", "contract", "Work", flags="")
    annex = site.deliver("alice", "annex", "Work.Reports", flags="F")
    copy = site.deliver("alice", "copy", flags="S")
    shutil.copy2(copy, site.folder("alice", "Archive") / "cur" / copy.name)
    lunch, dinner = site.deliver("bob", "lunch", flags="S"), site.deliver("bob", "dinner", flags="")
    uidlist(site, "bob", "", [(4, lunch), (9, dinner)])
    site.deliver("carol", "alone")
    (site.mail / "alice" / "subscriptions").write_text("Work\nWork.Reports\n")
    site.run("init", code=0)
    site.backup("--full")

    site.set_flags(contract, "FS")
    site.deliver("alice", "invoice")
    copy.unlink()
    annex = move(annex, site.folder("alice", "Archive"))
    site.set_flags(dinner, "RS")
    site.run("scan", code=0)
    site.deliver("alice", "first of May", "Plans.Summer", flags="D")
    site.run("scan", code=0)
    shutil.rmtree(site.mail / "carol")
    label = site.backup("--incremental")

    # A restore makes transactions with begin and commit, in which the store gives new ids.
    shutil.rmtree(site.mail / "alice" / ".Work")
    next((site.mail / "alice" / "new").iterdir()).unlink()
    site.run("scan", code=0)
    site.run("restore", "-a", "alice@example.com", "--to-label", label, code=0)

    site.deliver("bob", "in the log only", size=90_000)
    site.set_flags(annex, "")
    long.unlink()
    shutil.rmtree(site.mail / "alice" / ".Work.Reports")
    site.deliver("dora", "new account")
    site.run("scan", code=0)
    lunch.unlink()
    site.run("scan", code=0)


def open_target(path, site):
    key = site.path / "target.key"
    return keys.open_target(path, key) if key.exists() else reader.Target(path)


def opened(site):
    target = open_target(site.target, site)
    log = reader.RedoLog(site.state / "redo")

    def contents(content):
        place = log.contents().get(content.digest)
        return log.read_content(place) if place else target.read_content(reader.id_of(target.ring, content.digest))

    return target, log, contents


def test_states_of_accounts(site):
    target, log, contents = opened(site)
    equal(len(target.sessions), 2)
    for account in ("alice", "bob"):
        mailbox = target.account_at_end(f"{account}@example.com".encode(), log)
        compare(site, mailbox, account, contents)
    bob = target.account_at_end(b"bob@example.com", log)
    inbox = next(folder for folder in bob.folders.values() if folder.name == b"INBOX")
    equal((inbox.uidvalidity, inbox.uidnext), (1700000000, 10))
    equal(sorted(m.uid for m in bob.messages), [0, 9])
    carol = target.account_at_end(b"carol@example.com", log)
    equal((carol.account, carol.messages), (None, []))


def test_every_session_as_the_program_lists_it(site):
    target = open_target(site.target, site)
    listed = site.json("query", "-v")["sessions"]
    equal([session["label"] for session in reversed(listed)], list(target.sessions))
    for said in listed:
        session = target.sessions[said["label"]]
        for name in ("type", "status", "bytes_read", "bytes_stored"):
            equal(getattr(session, name), said[name], name)
        equal(session.server_name.decode(), said["server_name"])
        equal(session.server.hex(), said["server"])
        equal((session.log.hex(), session.incarnation.hex(), session.position), tuple(said["position"].values()))
        equal((session.began, session.ended), (time_of(said["began"]), time_of(said["ended"])))
        equal((session.first_sequence, session.last_sequence), (said["first_sequence"], said["last_sequence"]))
        found = [
            {
                "id": a.id.decode(), "address": a.address.decode(), "status": a.status,
                "error": a.error.decode() or None, "full": a.full, "deleted": a.deleted,
                "consistent_at": a.consistent_at, "messages": a.messages, "bytes": a.bytes,
            }
            for a in session.accounts
        ]  # fmt: skip
        equal(found, said["accounts"])


def test_every_record_as_the_program_dumps_it(site):
    log = reader.RedoLog(site.state / "redo")
    dumped = site.json("redo", "dump", "--operations")
    equal(dumped["damages"], [])
    mine = [record for record in log.records if record.lsn <= dumped["records"][-1]["lsn"]]
    equal(len(mine), len(dumped["records"]))
    equal({"append", "begin", "commit", "content", "mark"} <= {record.kind_name for record in mine}, True)
    for record, said in zip(mine, dumped["records"]):
        operations = record.begun()[1] if record.kind in (reader.BEGIN, reader.APPEND) else []
        piece = record.piece() if record.kind == reader.CONTENT else None
        found = {
            "lsn": record.lsn, "sequence": record.sequence, "offset": record.offset,
            "bytes": reader.padded(record.length), "kind": record.kind_name,
            "account_id": record.account_id.decode() or None, "transaction": record.transaction or None,
            "durable_lsn": record.durable_lsn, "operation_count": len(operations),
        }  # fmt: skip
        equal({name: said[name] for name in found}, found)
        equal((time_of(said["wall_time"]), time_of(said["commit_time"])), (record.wall_time, record.commit_time))
        equal(tuple((part or "").encode() for part in said["origin"].values()), record.origin)
        equal([operation["name"] for operation in said["operations"]], [o.name for o in operations])
        if piece and piece.is_last:
            equal(said["content"], {"digest": piece.digest.hex(), "size": piece.size})
    verified = site.json("redo", "verify")
    log = reader.RedoLog(site.state / "redo")
    equal((verified["damages"], log.damages, log.faults), ([], [], []))
    # Opening and closing the log for these commands adds marks and segments, nothing else.
    equal(verified["transactions"], len(log.transactions))
    equal(verified["records"] in (len(log.records), len(log.records) - 1), True)


def test_archived_segments_are_the_raw_ones(site):
    """Read from the server before they may leave it."""
    target, log, _ = opened(site)
    raw = {segment.header.sequence: segment for segment in log.segments}
    (archive,) = target.segments.values()
    both = sorted(set(raw) & set(archive))
    equal(both != [], True)
    for sequence in both:
        equal(archive[sequence].header, raw[sequence].header)
        pairs = list(zip(archive[sequence].records, raw[sequence].records))
        equal(len(pairs), len(raw[sequence].records))
        for archived, record in pairs:
            if record.kind == reader.CONTENT:
                equal(archived.piece(), record.piece()._replace(data=b""))
                same = ("lsn", "offset", "kind", "wall_time", "commit_time", "account_id")
                equal([getattr(archived, n) for n in same], [getattr(record, n) for n in same])
            else:
                equal(archived, record)


def test_every_content_of_the_target(site):
    target = open_target(site.target, site)
    count = 0
    for session in target.sessions.values():
        for digest in session.content_ids:
            target.read_content(digest)
            count += 1
    equal(count > 5, True)
    for segments in target.segments.values():
        for segment in segments.values():
            for digest, size, _ in segment.contents:
                equal(len(target.read_content(reader.id_of(target.ring, digest))), size)
    said = site.json("verify", "--read-data")["targets"][0]
    store = target.store
    parts = sum(len(pack.parts) for pack in store.packs.values())
    equal((said["packs"], said["contents"], said["damages"]), (len(store.packs), parts, []))
    for pack in store.packs.values():
        pack.check()
        equal(pack.faults, [])
    recipes = [part for pack in store.packs.values() for part in pack.parts if part.kind == 1]
    equal(max(len(target.read_content(recipe.id)) for recipe in recipes) > 5_000_000, True)


def test_damage_anywhere_in_the_target_is_found(site):
    copy = site.path / "damaged"
    for path in sorted(site.target.glob("**/*")):
        if not path.is_file() or path.stat().st_size == 0 or "content" in path.relative_to(site.target).parts:
            continue
        shutil.copytree(site.target, copy)
        victim = copy / path.relative_to(site.target)
        data = victim.read_bytes()
        for at in {0, len(data) // 3, len(data) // 2, len(data) - 2, len(data) - 1}:
            victim.write_bytes(flipped(data, at))
            try:
                open_target(copy, site)
            except Exception:
                continue
            raise AssertionError(f"{path.name}: byte {at} of {len(data)} was changed and nothing said so")
        shutil.rmtree(copy)


def test_digests_after_replay_are_those_of_the_next_full(site):
    before = open_target(site.target, site)
    label = site.backup("--full")
    target, log, contents = opened(site)
    for account in target.sessions[label].accounts:
        if not account.full:
            continue
        compare(site, account.mailbox, account.id.decode().partition("@")[0], contents)
        if account.id == b"dora@example.com":
            continue
        replayed = before.account_at_end(account.id, log)
        equal(reader.state_digest(replayed, target.digest_key, account.fields), account.digest, str(account.id))


# --- Running ----------------------------------------------------------------------------------------------


def run(name, test):
    if test.__code__.co_argcount == 0:
        test()
        return
    if not PROGRAM:
        raise Skipped("the program was not built")
    if reader.zstandard is None:
        raise Skipped("python3-zstandard is not installed")
    if not SITES:
        support.PROGRAM = PROGRAM
        SITES.append(support.Site())
        make_history(SITES[0])
    test(SITES[0])


SITES = []  # One for all tests: they only read, but for the last one.


def main():
    failed = False
    for key, test in list(globals().items()):
        if not key.startswith("test_") or (len(sys.argv) > 2 and key not in sys.argv[2:]):
            continue
        name = "second reader: " + key[5:].replace("_", " ")
        try:
            run(name, test)
            result = f"passed {name}"
        except Skipped as reason:
            result = f"skipped {name}: {reason}"
        except Exception:
            traceback.print_exc()
            result = f"failed {name}"
            failed = True
        print("RESULT " + result, flush=True)
    for site in SITES:
        site.remove()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""The second reader's keys against the golden files and the example of docs/format/keys.md."""

import hashlib
import pathlib
import re
import shutil
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
GOLDEN = TESTS / "golden" / "keys"
SPECIFICATION = TESTS.parent / "docs" / "format" / "keys.md"
TARGET = bytes([0x11]) * 16
sys.path[:0] = [str(HERE)]

import restante_keys as keys  # noqa: E402
from restante_reader import Damaged  # noqa: E402

FULL = "sessions/full-20070712.155951.123/"
OBJECTS = {
    "shared.sealed": (keys.PACK_INDEX, "content/packs/01/shared.pack", keys.SHARED),
    "references.sealed": (keys.REFERENCE_LIST, FULL + "content.ids", keys.REFERENCES),
    "metadata.sealed": (keys.SESSION, FULL + "session.xml", keys.METADATA),
    "content.sealed": (keys.PACK, "content/packs/01/content.pack", keys.CONTENT),
}


def equal(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def refused(function, *arguments, error=Damaged):
    try:
        function(*arguments)
    except error as found:
        return str(found)
    raise AssertionError(f"{getattr(function, '__name__', function)}: not refused")


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def ledger():
    return keys.read_ledger(GOLDEN, TARGET)


def ring(name):
    return keys.ring_of_key_file(ledger(), (GOLDEN / name).read_text())


def test_key_objects():
    read = ledger()
    equal(read.number, 6)
    equal([h.label for h in read.holders], [b"owner", b"server.key", b"reader.key", b"remover.key", b"lost.key"])
    equal([h.rights for h in read.holders], [keys.MANAGE, keys.WRITE, keys.READ, keys.REMOVE, keys.READ | keys.WRITE])
    equal([bool(h.removed) for h in read.holders], [False, False, False, False, True])
    equal(len(read.epochs), 2)
    equal(keys.read_ledger(GOLDEN, TARGET).find(2).server, bytes([0x22]) * 16)
    assert "another target" in refused(keys.read_ledger, GOLDEN, bytes(16))


def test_rights_open_what_the_table_says():
    rings = {name: ring(name) for name in ("server.key", "reader.key", "remover.key")}
    rings["owner"] = keys.ring_of_passphrase(ledger(), b"owner")
    opened = {"server.key": {1}, "remover.key": {1, 2}, "reader.key": {1, 2, 3, 4}, "owner": {1, 2, 3, 4}}
    for holder, one in rings.items():
        for name, (kind, key, audience) in OBJECTS.items():
            stored = (GOLDEN / name).read_bytes()
            if audience in opened[holder]:
                equal(one.open_whole(kind, key, audience, stored), b"plain text of " + name.encode())
            else:
                refused(one.open_whole, kind, key, audience, stored, error=keys.NotOpened)
    ids = {one.content_id(hashlib.sha256(b"x").digest()) for one in rings.values()}
    equal(len(ids), 1)
    refused(keys.ring_of_passphrase, ledger(), b"Owner")
    assert "removed" in refused(ring, "lost.key")


def test_what_was_sealed_before_a_rotation_opens():
    kind, key, audience = OBJECTS["content.sealed"]
    stored = (GOLDEN / "content-epoch-1.sealed").read_bytes()
    equal(stored[4:8], bytes([1, 0, 0, 0]))
    equal((GOLDEN / "content.sealed").read_bytes()[4:8], bytes([2, 0, 0, 0]))
    equal(ring("reader.key").open_whole(kind, key, audience, stored), b"plain text of content.sealed")


def test_every_flipped_byte_of_a_sealed_object():
    reader = ring("reader.key")
    for name, (kind, key, audience) in OBJECTS.items():
        stored = (GOLDEN / name).read_bytes()
        for at in range(len(stored)):
            assert key in refused(reader.open_whole, kind, key, audience, flipped(stored, at))
        refused(reader.open_whole, kind, key + "x", audience, stored)
        refused(reader.open_whole, kind + 1, key, audience, stored)


def test_every_flipped_byte_of_a_key_object():
    for number in range(1, 7):
        data = (GOLDEN / keys.entry_name(number)).read_bytes()
        for at in range(len(data)):
            read = keys.Ledger(TARGET)
            for before in range(1, number):
                read.add((GOLDEN / keys.entry_name(before)).read_bytes())
            refused(read.add, flipped(data, at), error=(Damaged, keys.Unsupported))


def test_a_missing_key_object():
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(GOLDEN / "keys", pathlib.Path(scratch) / "keys")
        (pathlib.Path(scratch) / keys.entry_name(3)).unlink()
        assert keys.entry_name(3) in refused(keys.read_ledger, pathlib.Path(scratch), TARGET)


def test_signatures_and_chains():
    reader = ring("reader.key")
    kind, key, _ = OBJECTS["metadata.sealed"]
    digest = hashlib.sha256((GOLDEN / "metadata.sealed").read_bytes()).digest()
    signature = (GOLDEN / "metadata.signature").read_bytes()
    equal(reader.verify(kind, key, digest, signature).number, 2)
    for at in range(len(signature)):
        refused(reader.verify, kind, key, digest, flipped(signature, at))
    refused(reader.verify, kind, key, flipped(digest, 0), signature)
    refused(reader.verify, keys.MARKS, key, digest, signature)
    links = reader.read_chain(GOLDEN, 2)
    equal([label for _, label, _ in links], [b"full-20070712.155951.123", b"incr-20070713.155951.123"])
    equal(links[0][2], digest)


def test_example():
    text = SPECIFICATION.read_text().split("## 10. Example")[1].split("## 11.")[0]
    given = {name: bytes.fromhex(value) for name, value in re.findall(r"^\| ([\w ]+?) *\| `([0-9a-f]*)` *\|$", text, re.M)}
    secret = given["secret"]
    for name in ("open", "sign", "vouch", "state"):
        equal(keys.holder_key(secret, name), given[name])
    equal(keys.open_public(given["open"]), given["open public key"])
    equal(keys.sign_public(given["sign"]), given["sign public key"])
    box = keys.seal_box(given["ephemeral"], given["open public key"], b"here", b"hello")
    equal(box, given["box"])
    equal(keys.open_box(given["open"], b"here", box, "box"), b"hello")
    holder = keys.Holder(1, keys.PASSPHRASE, 0, b"", b"", b"", b"", b"", given["salt"], 10, 8, 1)
    equal(keys.secret_of_passphrase(b"correct horse", holder), given["passphrase secret"])
    equal(keys.mac(given["id key"], hashlib.sha256(b"hello, restante\r\n").digest()), given["content id"])


def main():
    failed = 0
    for name, function in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            function()
            word = "passed"
        except Exception:
            traceback.print_exc()
            word = "failed"
            failed += 1
        print(f"RESULT {word} second reader: keys: {name[5:].replace('_', ' ')}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The keys of an encrypted target and what is sealed with them, read from docs/format/keys.md alone.

A part of the second reader (restante_reader.py). It needs `cryptography` besides the standard library.
"""

import dataclasses
import hashlib
import hmac
import pathlib
import re
import typing

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import restante_reader
from restante_reader import Cursor, Damaged, Unsupported, counted, require

# Audiences, kinds of objects, rights and kinds of holders by their numbers.
SHARED, REFERENCES, METADATA, CONTENT = 1, 2, 3, 4
PACK, PACK_INDEX, SNAPSHOT, SEGMENT, SESSION, ACCOUNTS, REFERENCE_LIST, MARKS, LINK = range(1, 10)
WRITE, READ, REMOVE, MANAGE = 1, 2, 4, 15
PASSPHRASE, KEY_FILE, CALLBACK = 1, 2, 3


class NotOpened(Exception):
    """The key at hand has not the right to."""


# --- Primitives (section 2) -------------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def derive(key, info, salt=b""):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt or None, info=info).derive(key)


def raw(public_key):
    return public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def open_public(private):
    return raw(X25519PrivateKey.from_private_bytes(private).public_key())


def sign_public(seed):
    return raw(Ed25519PrivateKey.from_private_bytes(seed).public_key())


def verified(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def gcm_open(key, nonce, sealed, context, what):
    try:
        return AESGCM(key).decrypt(nonce, sealed, context)
    except (InvalidTag, ValueError) as error:
        raise Damaged(f"{what}: not what was sealed") from error


def box_key(shared, ephemeral, recipient):
    return derive(shared, b"restante box 1" + ephemeral + recipient)


def open_box(private, context, box, what):
    require(len(box) >= 48, f"{what}: too short for a sealed box")
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(box[:32]))
    except ValueError as error:
        raise Damaged(f"{what}: a box of an unusable key") from error
    return gcm_open(box_key(shared, box[:32], open_public(private)), bytes(12), box[32:], context, what)


def seal_box(ephemeral, recipient, context, plain):
    """For the worked example: whoever seals draws `ephemeral` at random."""
    public = open_public(ephemeral)
    shared = X25519PrivateKey.from_private_bytes(ephemeral).exchange(X25519PublicKey.from_public_bytes(recipient))
    return public + AESGCM(box_key(shared, public, recipient)).encrypt(bytes(12), plain, context)


# --- Holders (section 3) ----------------------------------------------------------------------------------


def holder_key(secret, what):
    return derive(secret, b"restante holder 1 " + what.encode())


def read_key_file(text):
    match = re.fullmatch(r"(restante key 1\nsecret ([0-9a-f]{64})\n)sha256 ([0-9a-f]{64})\n", text)
    require(match and hashlib.sha256(match[1].encode()).hexdigest() == match[3], "not a key file")
    return bytes.fromhex(match[2])


def secret_of_passphrase(passphrase, holder):
    n, r, p = 1 << holder.log2_n, holder.r, holder.p
    return hashlib.scrypt(passphrase, salt=holder.salt, n=n, r=r, p=p, maxmem=128 * r * (n + p) + (1 << 21), dklen=32)


# --- Key objects (section 4) ------------------------------------------------------------------------------


@dataclasses.dataclass
class Holder:
    number: int
    kind: int
    rights: int
    server: bytes
    label: bytes
    open_key: bytes
    sign_key: bytes
    vouch: bytes
    salt: bytes = b""
    log2_n: int = 0
    r: int = 0
    p: int = 0
    removed: typing.Any = None  # (number, digest) of the last link that counts

    def may_open(self, audience):
        needed = {SHARED: 0, REFERENCES: READ | REMOVE}.get(audience, READ)
        return needed == 0 or self.rights & needed != 0


@dataclasses.dataclass
class Entry:
    target: bytes
    number: int
    previous: bytes
    time: int
    authority: bytes
    epochs: list
    holders: list
    removals: list
    grants: list


def read_list(cursor, element):
    return [element() for _ in range(cursor.varint())]


def read_holder(cursor):
    number, kind, rights = cursor.unpack("IBB")
    holder = Holder(number, kind, rights, cursor.take(16), cursor.counted(), *(cursor.take(32) for _ in range(3)))
    require(kind in (PASSPHRASE, KEY_FILE, CALLBACK), "unknown kind of holder")
    require(rights <= 7 or rights == MANAGE, "unknown rights")
    require(len(holder.label) <= 255, "label is too long")
    if kind == PASSPHRASE:
        holder.salt = cursor.take(16)
        holder.log2_n, holder.r, holder.p = cursor.unpack("BBB")
    return holder


def decode_entry(data):
    require(len(data) >= 76 and data[:8] == b"RSTKEYS1", "not a key object")
    cursor = Cursor(data, 8, len(data) - 64)
    version, features = cursor.unpack("HH")
    if version > 1 or features:
        raise Unsupported(f"key object of version {version}")
    target, (number,) = cursor.take(16), cursor.unpack("I")
    previous, (time,), authority = cursor.take(32), cursor.unpack("q"), cursor.take(32)
    require(version == 1 and verified(authority, b"restante keys 1" + data[:-64], data[-64:]), "signature")
    entry = Entry(
        target, number, previous, time, authority,
        read_list(cursor, lambda: (cursor.unpack("I")[0], tuple(cursor.take(32) for _ in range(3)))),
        read_list(cursor, lambda: read_holder(cursor)),
        read_list(cursor, lambda: (cursor.unpack("I")[0], (cursor.unpack("Q")[0], cursor.take(32)))),
        read_list(cursor, lambda: (cursor.unpack("I")[0], cursor.counted())),
    )  # fmt: skip
    require(not cursor, "bytes behind the entry")
    return entry


class Ledger:
    """All key objects of a target in order."""

    def __init__(self, target):
        self.target = target
        self.number, self.digest, self.authority = 0, bytes(32), None
        self.epochs, self.holders, self.grants = [], [], []

    def add(self, data):
        entry = decode_entry(data)
        require(entry.target == self.target, "of another target")
        require((entry.number, entry.previous) == (self.number + 1, self.digest), "does not follow the one before")
        require(self.authority in (None, entry.authority), "signed by somebody else")
        self.authority = entry.authority
        require(len(entry.epochs) <= 1, "several epochs")
        require(entry.epochs or (self.epochs and not entry.removals), "no epoch")
        for number, keys in entry.epochs:
            require(number == len(self.epochs) + 1, "epochs count from 1")
            self.epochs.append(keys)
        for holder in entry.holders:
            require(holder.number == len(self.holders) + 1, "holders count from 1")
            self.holders.append(holder)
        for number, last in entry.removals:
            require(self.find(number) and not self.find(number).removed, "removes nobody")
            self.find(number).removed = last
        require(any(h.rights == MANAGE and not h.removed for h in self.holders), "nobody may manage")
        numbers = [number for number, _ in entry.grants]
        require(numbers == sorted(set(numbers)), "grants are out of order")
        for number, box in entry.grants:
            require(self.find(number) and not self.find(number).removed, "a grant for nobody")
            self.grants.append((number, entry.number, box))
        self.number, self.digest = entry.number, sha256(data)

    def find(self, number):
        return self.holders[number - 1] if 1 <= number <= len(self.holders) else None


def entry_name(number):
    return f"keys/{number:08}.key"


def read_ledger(folder, target):
    """`folder` is the target's."""
    ledger = Ledger(target)
    names = (path.name for path in (folder / "keys").iterdir())
    numbers = sorted(int(name[:-4]) for name in names if re.fullmatch(r"[0-9]{8,}\.key", name))
    for number in numbers:
        require(number == ledger.number + 1, f"{entry_name(ledger.number + 1)} is missing")
        try:
            ledger.add((folder / entry_name(number)).read_bytes())
        except Damaged as error:
            raise Damaged(f"{entry_name(number)}: {error}") from error
    require(ledger.number, "no keys")
    return ledger


# --- Grants (section 5) -----------------------------------------------------------------------------------


def decode_secrets(data):
    cursor = Cursor(data)
    secrets = {}
    before = (0, -1)
    for _ in range(cursor.varint()):
        kind, epoch = cursor.unpack("BI")
        require((kind, epoch) > before and 1 <= kind <= 8, "secrets are out of order")
        require((epoch != 0) == (kind in (4, 5, 6)), "an epoch in the wrong place")
        before = kind, epoch
        secrets[kind, epoch] = cursor.take(32)
    require(not cursor, "bytes behind the secrets")
    return secrets


class Ring:
    """What one holder knows and may do."""

    def __init__(self, ledger, secret, holder, authority=None):
        self.ledger, self.holder = ledger, holder
        self.private = holder_key(secret, "open")
        statement = b"restante vouch 1" + ledger.target + ledger.authority + holder.open_key + holder.sign_key
        vouched = hmac.compare_digest(mac(holder_key(secret, "vouch"), statement), holder.vouch)
        require(sign_public(holder_key(secret, "sign")) == holder.sign_key, "another signing key")
        require(vouched or (holder.vouch == bytes(32) and authority), "the holder was never shown this target")
        require(authority in (None, ledger.authority), "another authority")
        require(not holder.removed, "the holder was removed")
        self.secrets = {}
        for number, entry, box in ledger.grants:
            if number == holder.number:
                context = b"restante grant 1" + ledger.target + entry.to_bytes(4, "little") + number.to_bytes(4, "little")
                self.secrets |= decode_secrets(open_box(self.private, context, box, entry_name(entry)))
        for epoch, keys in enumerate(ledger.epochs, 1):
            for audience, public in zip((REFERENCES, METADATA, CONTENT), keys):
                if holder.may_open(audience):
                    require(open_public(self.secrets[audience + 2, epoch]) == public, "not the keys of the epoch")

    def content_id(self, digest):
        return mac(self.secrets[1, 0], digest)

    # --- Sealed objects (section 6)

    def object_key(self, kind, key, audience, envelope):
        require(len(envelope) == 104, f"{key}: too short")
        head = envelope[:24]
        cursor = Cursor(head)
        stated, epoch, key_id = *cursor.unpack("II"), cursor.take(16)
        require(stated == audience, f"{key}: for another audience")
        if not self.holder.may_open(audience):
            raise NotOpened(key)
        context = b"restante object 1" + self.ledger.target + bytes([kind]) + counted(key.encode()) + head
        if audience == SHARED:
            require(epoch == 0 and key_id == sha256(self.ledger.authority)[:16], f"{key}: envelope")
            require(envelope[56:] == bytes(48), f"{key}: envelope")
            return derive(self.secrets[2, 0], context, envelope[24:56])
        require(1 <= epoch <= len(self.ledger.epochs), f"{key}: unknown epoch")
        public = self.ledger.epochs[epoch - 1][audience - 2]
        require(sha256(public)[:16] == key_id, f"{key}: key id")
        return open_box(self.secrets[audience + 2, epoch], context, envelope[24:], key)

    def open_block(self, object_key, key, number, last, sealed, context=b""):
        nonce = number.to_bytes(8, "little") + bytes([last, 0, 0, 0])
        return gcm_open(object_key, nonce, sealed, context, f"{key}: block {number}")

    def open_whole(self, kind, key, audience, stored):
        object_key = self.object_key(kind, key, audience, stored[:104])
        return self.open_block(object_key, key, 0, True, stored[104:])

    # --- Signatures and chains (sections 7 and 8)

    def verify(self, kind, key, digest, signature):
        require(len(signature) == 68, f"{key}: signature")
        number = int.from_bytes(signature[:4], "little")
        signer = self.ledger.find(number)
        require(signer, f"{key}: signed by nobody")
        needed = {MARKS: REMOVE, ACCOUNTS: WRITE | REMOVE}.get(kind, WRITE)
        require(signer.rights & needed, f"{key}: signed by one who may not")
        statement = b"restante signature 1" + self.ledger.target + bytes([kind]) + counted(key.encode())
        require(verified(signer.sign_key, statement + signature[:4] + digest, signature[4:]), f"{key}: signature")
        return signer

    def read_chain(self, folder, holder):
        links, previous = [], bytes(32)
        for path in sorted((folder / f"chains/{holder:08}").iterdir()):
            key = f"chains/{holder:08}/{len(links) + 1:010}.link"
            require(path.name == key.rsplit("/", 1)[1], f"{key} is missing")
            data = path.read_bytes()
            require(len(data) >= 80 and data[:8] == b"RSTLINK1", f"{key}: not a link")
            cursor = Cursor(data, 8, len(data) - 68)
            require(cursor.unpack("HH") == (1, 0), f"{key}: version")
            require(cursor.take(16) == self.ledger.target, f"{key}: of another target")
            require(cursor.unpack("IQ") == (holder, len(links) + 1), f"{key}: place")
            require(cursor.take(32) == previous, f"{key}: does not follow the one before")
            (time,), label, session = cursor.unpack("q"), cursor.counted(), cursor.take(32)
            require(not cursor, f"{key}: bytes behind")
            require(self.verify(LINK, key, sha256(data[:-68]), data[-68:]).number == holder, f"{key}: another signer")
            previous = sha256(data)
            links.append((time, label, session))
        return links


def ring_of_key_file(ledger, text, authority=None):
    secret = read_key_file(text)
    public = open_public(holder_key(secret, "open"))
    holder = next((h for h in ledger.holders if h.open_key == public), None)
    require(holder, "none of the target's keys")
    return Ring(ledger, secret, holder, authority)


def ring_of_passphrase(ledger, passphrase):
    for holder in ledger.holders:
        if holder.kind == PASSPHRASE and not holder.removed:
            secret = secret_of_passphrase(passphrase, holder)
            if open_public(holder_key(secret, "open")) == holder.open_key:
                return Ring(ledger, secret, holder)
    raise Damaged("none of the target's passphrases")


def open_target(path, key_file, authority=None):
    """The whole target, with the key in a file."""
    path = pathlib.Path(path)
    about = restante_reader.read_target_json(path / "target.json")
    ledger = read_ledger(path, bytes.fromhex(about["id"]))
    ring = ring_of_key_file(ledger, pathlib.Path(key_file).read_text(), authority)
    return restante_reader.Target(path, ring)

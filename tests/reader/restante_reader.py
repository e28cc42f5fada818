#!/usr/bin/python3
"""A second reader of what restante writes, made from docs/format/*.md alone.

    restante_reader.py target DIR      reads and checks a backup target
    restante_reader.py log DIR         reads and checks the directory of a redo log

It shares no code with the library, so that each checks the other. It needs `zstandard` besides the standard
library. It only reads, and is made to be understood rather than to be fast: everything is held in memory.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import pathlib
import re
import struct
import sys
import typing
import xml.etree.ElementTree

try:
    import zstandard
except ImportError:  # Redo logs and operations can be read without it.
    zstandard = None


class Damaged(Exception):
    """The bytes break a rule that the format documents make."""


class Unsupported(Exception):
    """Of a later version, and marked so that this reader must not go on."""


def require(condition, what):
    if not condition:
        raise Damaged(what)


# --- CRC-32C (redo.md, "Terms") ---------------------------------------------------------------------------


def _crc_tables():
    """Tables for two bytes at a time: [3] for the last two of eight, [0] for the first two."""
    byte = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        byte.append(n)
    pair = []
    for n in range(65536):
        crc = byte[n & 255]
        pair.append(crc >> 8 ^ byte[(crc ^ n >> 8) & 255])
    tables = [pair]
    for _ in range(3):
        tables.insert(0, [crc >> 16 ^ pair[crc & 0xFFFF] for crc in tables[0]])
    return byte, tables


_CRC_BYTE, (_CRC_0, _CRC_1, _CRC_2, _CRC_3) = _crc_tables()


def crc32c(data, seed=0):
    """The checksum of `data` continued from `seed`."""
    crc = seed ^ 0xFFFFFFFF
    whole = len(data) & ~7
    for a, b, c, d in struct.iter_unpack("<HHHH", memoryview(data)[:whole]):
        crc = _CRC_0[a ^ crc & 0xFFFF] ^ _CRC_1[b ^ crc >> 16] ^ _CRC_2[c] ^ _CRC_3[d]
    for byte in data[whole:]:
        crc = crc >> 8 ^ _CRC_BYTE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


# --- Basic encodings (operations.md, section 2) -----------------------------------------------------------


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number):
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def counted(text):
    return varint(len(text)) + text


class Cursor:
    """Reads from bytes; what does not fit is damage."""

    def __init__(self, data, at=0, end=None):
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def __bool__(self):
        return self.at < self.end

    def take(self, size):
        require(0 <= size <= self.end - self.at, "does not fit")
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def unpack(self, layout):
        """Little endian without padding."""
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        number = 0
        for shift in range(0, 70, 7):
            byte = self.u8()
            number |= (byte & 127) << shift
            if byte < 128:
                require(byte != 0 or shift == 0, "varint is not the shortest")
                require(number < 1 << 64, "varint above 64 bits")
                return number
        raise Damaged("varint of more than 10 bytes")

    def zigzag(self):
        number = self.varint()
        return -(number + 1 >> 1) if number & 1 else number >> 1

    def counted(self):
        return self.take(self.varint())


# --- Operations (operations.md, sections 3 to 5) ----------------------------------------------------------


class Content(typing.NamedTuple):
    digest: bytes
    size: int


class Unknown(typing.NamedTuple):
    tag: int
    required: bool
    value: bytes


# Type of field -> value when the field is left out. Types that end in 32 hold numbers below 2^32.
_ABSENT = {
    "key": b"", "text": b"", "number": 0, "number32": 0, "optional": None, "optional32": None, "time": None,
    "id128": bytes(16), "content": None, "mountpoint": None, "texts": (), "uids": (), "attributes": (),
    "viewers": (), "messages": (),
}  # fmt: skip

# Record -> its fields as (tag, name, type).
FIELDS = {
    "Account": [(1, "id", "key"), (2, "address", "text"), (3, "name", "text"), (4, "attributes", "attributes")],
    "Folder": [
        (1, "id", "key"), (2, "parent_id", "text"), (3, "name", "text"), (4, "uidvalidity", "number32"),
        (5, "uidnext", "optional32"), (6, "highest_modseq", "optional"), (7, "special_use", "text"),
        (8, "role", "text"), (9, "mountpoint", "mountpoint"), (10, "attributes", "attributes"),
    ],
    "Message": [
        (1, "id", "key"), (2, "folder_id", "key"), (3, "uidvalidity", "number32"), (4, "uid", "number32"),
        (5, "email_id", "text"), (6, "thread_id", "text"), (7, "content", "content"),
        (8, "internal_date", "time"), (9, "save_date", "time"), (10, "modseq", "optional"),
        (11, "flags", "number32"), (12, "keywords", "texts"), (13, "tags", "texts"),
        (14, "viewer_flags", "viewers"), (15, "attributes", "attributes"),
    ],
    "Item": [
        (1, "kind", "key"), (2, "id", "key"), (3, "folder_id", "text"), (4, "parent", "text"),
        (5, "uid", "number32"), (6, "modseq", "optional"), (7, "revision", "optional"),
        (8, "flags", "number32"), (9, "tags", "texts"), (10, "content", "content"),
        (11, "attributes", "attributes"),
    ],
    "AccountDelete": [(1, "account_id", "key")],
    "FolderDelete": [(1, "folder_id", "key")],
    "MessagePut": [(1, "messages", "messages")],
    "MessageExpunge": [
        (1, "folder_id", "key"), (2, "uidvalidity", "number32"), (3, "uids", "uids"),
        (4, "message_ids", "texts"), (5, "modseq", "optional"),
    ],
    "FlagsUpdate": [
        (1, "folder_id", "key"), (2, "uidvalidity", "number32"), (3, "uids", "uids"),
        (4, "message_ids", "texts"), (5, "mode", "number32"), (6, "flags", "number32"),
        (7, "keywords", "texts"), (8, "tags", "texts"), (9, "modseq", "optional"),
        (10, "viewer_account", "text"),
    ],
    "ItemDelete": [(1, "kind", "key"), (2, "id", "key")],
    "HostOp": [
        (1, "host", "key"), (2, "name", "key"), (3, "item_kind", "text"), (4, "item_id", "text"),
        (5, "data", "text"),
    ],
    "Rewind": [(1, "log", "id128"), (2, "incarnation", "id128"), (3, "lsn", "number"), (4, "label", "text")],
}  # fmt: skip

# Kind of operation -> its name and the record that is its body.
KINDS = {
    1: ("AccountPut", "Account"), 2: ("AccountDelete",) * 2, 3: ("FolderPut", "Folder"),
    4: ("FolderDelete",) * 2, 5: ("MessagePut",) * 2, 6: ("MessageExpunge",) * 2, 7: ("FlagsUpdate",) * 2,
    8: ("ItemPut", "Item"), 9: ("ItemDelete",) * 2, 10: ("HostOp",) * 2, 11: ("Rewind",) * 2,
}  # fmt: skip


class Record:
    """A value with the fields of FIELDS[type] as attributes, and `unknown`."""

    def __init__(self, type, **values):
        self.type = type
        self.unknown = ()
        for _, name, value_type in FIELDS[type]:
            setattr(self, name, _ABSENT[value_type])
        self.__dict__.update(values)

    def __eq__(self, other):
        return isinstance(other, Record) and self.__dict__ == other.__dict__

    def __repr__(self):
        shown = (f"{k}={v!r}" for k, v in self.__dict__.items() if k != "type" and v not in (b"", 0, None, ()))
        return f"{self.type}({', '.join(shown)})"

    def but(self, **values):
        """A copy with other values."""
        copy = Record(self.type)
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(values)
        return copy


class Operation(typing.NamedTuple):
    kind: int
    required: bool
    body: typing.Any  # a Record, or bytes if the kind is unknown

    @property
    def name(self):
        return KINDS[self.kind][0] if self.kind in KINDS else "unknown"


def _decode_value(type, data):
    cursor = Cursor(data)
    if type in ("key", "text"):
        return data
    if type in ("number", "number32", "optional", "optional32"):
        value = cursor.varint()
        require(not type.endswith("32") or value < 1 << 32, "is out of range")
    elif type == "time":
        value = cursor.zigzag()
    elif type == "id128":
        value = cursor.take(16)
    elif type == "content":
        value = Content(cursor.take(32), cursor.varint())
    elif type == "mountpoint":
        value = (cursor.counted(), cursor.counted())
    else:
        elements = []
        while cursor:
            if type == "texts":
                elements.append(cursor.counted())
            elif type == "uids":
                elements.append(cursor.zigzag() + (elements[-1] if elements else 0))
                require(0 <= elements[-1] < 1 << 32, "UID out of range")
            else:
                name = cursor.counted()
                require(not elements or elements[-1][0] < name, "names are out of order")
                elements.append((name, cursor.counted() if type == "attributes" else cursor.varint()))
                require(type == "attributes" or elements[-1][1] < 1 << 32, "flags out of range")
        value = tuple(elements)
    require(not cursor, "has bytes behind its value")
    return value


def _decode_record(type, data):
    known = {tag: (name, value_type) for tag, name, value_type in FIELDS[type]}
    record = Record(type)
    cursor = Cursor(data)
    unknown = []
    before = 0
    while cursor:
        tag, required = divmod(cursor.varint(), 2)
        value = cursor.counted()
        require(1 <= tag < 1 << 32, f"{type}: field {tag} cannot be")
        name, value_type = known.get(tag, ("", ""))
        again = tag == before and value_type in ("", "messages")
        require(tag > before or again, f"{type}: field {tag} is out of order")
        before = tag
        if not value_type:
            unknown.append(Unknown(tag, bool(required), value))
            continue
        require(required, f"{type}: field {tag} is not marked as required")
        if value_type == "messages":
            record.messages += (_decode_record("Message", value),)
            continue
        try:
            decoded = _decode_value(value_type, value)
        except Damaged as error:
            raise Damaged(f"{type}: field {tag}: {error}") from error
        require(decoded != _ABSENT[value_type], f"{type}: field {tag} is empty but present")
        setattr(record, name, decoded)
    for tag, name, value_type in FIELDS[type]:
        require(value_type != "key" or getattr(record, name), f"{type}: no field {tag}")
    require(type != "FlagsUpdate" or record.mode <= 2, f"{type}: field 5 has value above 2")
    record.unknown = tuple(unknown)
    return record


def decode_operation(cursor):
    kind, required = divmod(cursor.varint(), 2)
    body = cursor.counted()
    require(1 <= kind < 1 << 32, f"operation of kind {kind}")
    if kind not in KINDS:
        return Operation(kind, bool(required), body)
    require(required, f"operation of kind {kind} is not marked as required")
    return Operation(kind, True, _decode_record(KINDS[kind][1], body))


def decode_operations(data):
    cursor = Cursor(data)
    out = []
    while cursor:
        out.append(decode_operation(cursor))
    return out


def _encode_value(type, value):
    if type in ("key", "text", "id128"):
        return value
    if type in ("number", "number32", "optional", "optional32"):
        return varint(value)
    if type == "time":
        return zigzag(value)
    if type == "content":
        return value.digest + varint(value.size)
    if type == "mountpoint":
        return counted(value[0]) + counted(value[1])
    if type == "texts":
        return b"".join(map(counted, value))
    if type == "uids":
        return b"".join(zigzag(uid - before) for before, uid in zip((0,) + value, value))
    return b"".join(
        counted(name) + (counted(rest) if type == "attributes" else varint(rest)) for name, rest in value
    )


def _encode_record(record):
    fields = []
    for tag, name, type in FIELDS[record.type]:
        value = getattr(record, name)
        if type == "messages":
            fields += [Unknown(tag, True, _encode_record(message)) for message in value]
        elif value != _ABSENT[type]:
            fields.append(Unknown(tag, True, _encode_value(type, value)))
    fields += record.unknown
    return b"".join(varint(tag * 2 + required) + counted(value) for tag, required, value in fields)


def encode_operation(operation):
    body = _encode_record(operation.body) if operation.kind in KINDS else operation.body
    return varint(operation.kind * 2 + operation.required) + counted(body)


# --- Replay (operations.md, sections 6 and 7) -------------------------------------------------------------


def _merge(old, new, mode):
    """What FlagsUpdate makes of keywords and tags: sorted, without doubles."""
    if mode == 1:
        new = set(old) | set(new)
    elif mode == 2:
        new = set(old) - set(new)
    return tuple(sorted(set(new)))


def _merge_bits(old, new, mode):
    return [new, old | new, old & ~new][mode]


def _greater(old, new):
    return max((n for n in (old, new) if n is not None), default=None)


class Mailbox:
    """One account, as replay builds it up."""

    def __init__(self):
        self._clear()

    def _clear(self):
        self.account = None
        self.folders = {}  # id -> Record
        self._messages = {}  # folder id -> {message id -> Record}
        self._uids = {}  # folder id -> {UID -> message id}
        self.items = {}  # (kind, id) -> Record
        self.host_ops = []
        self.unknown = []  # (kind, body)

    @property
    def messages(self):
        """All of them, by folder id, then id."""
        return [m for _, folder in sorted(self._messages.items()) for _, m in sorted(folder.items())]

    def path(self, folder_id):
        """The names from the top down."""
        names = []
        while folder_id in self.folders and len(names) < 100:
            names.insert(0, self.folders[folder_id].name)
            folder_id = self.folders[folder_id].parent_id
        return b"/".join(names)

    def apply(self, operation):
        """One operation. Raises Unsupported, with nothing changed, if it must not be passed over."""
        body = operation.body
        if operation.kind not in KINDS:
            if operation.required:
                raise Unsupported(f"operation of kind {operation.kind}")
            entry = (operation.kind, body)
            self.unknown = [other for other in self.unknown if other != entry] + [entry]
            return
        records = [body, *body.messages] if body.type == "MessagePut" else [body]
        for field in (field for record in records for field in record.unknown):
            if field.required:
                raise Unsupported(f"{operation.name}: field {field.tag}")
        getattr(self, "_" + operation.name)(body)

    def _AccountPut(self, account):
        self.account = account

    def _AccountDelete(self, _):
        self._clear()

    def _FolderPut(self, folder):
        old = self.folders.get(folder.id)
        if old is not None and old.uidvalidity == folder.uidvalidity:
            folder = folder.but(
                uidnext=_greater(old.uidnext, folder.uidnext),
                highest_modseq=_greater(old.highest_modseq, folder.highest_modseq),
            )
        else:
            self._messages[folder.id] = {}
            self._uids[folder.id] = {}
        self.folders[folder.id] = folder

    def _FolderDelete(self, body):
        self.items = {key: item for key, item in self.items.items() if item.folder_id != body.folder_id}
        if self.folders.pop(body.folder_id, None) is not None:
            del self._messages[body.folder_id], self._uids[body.folder_id]

    def _raise_counters(self, folder_id, uids, modseq):
        folder = self.folders[folder_id]
        highest = max(uids, default=0)
        if folder.uidnext is not None and highest:
            folder = folder.but(uidnext=max(folder.uidnext, min(highest + 1, 0xFFFFFFFF)))
        if folder.highest_modseq is not None and modseq is not None:
            folder = folder.but(highest_modseq=max(folder.highest_modseq, modseq))
        self.folders[folder_id] = folder

    def _is_void(self, body):
        folder = self.folders.get(body.folder_id)
        return folder is None or folder.uidvalidity != body.uidvalidity

    def _remove(self, folder_id, message_id):
        message = self._messages[folder_id].pop(message_id, None)
        if message is not None and message.uid:
            del self._uids[folder_id][message.uid]

    def _MessagePut(self, body):
        for message in body.messages:
            if self._is_void(message):
                continue
            self._remove(message.folder_id, message.id)
            uids = self._uids[message.folder_id]
            if message.uid in uids:
                self._remove(message.folder_id, uids[message.uid])
            self._messages[message.folder_id][message.id] = message.but(
                keywords=_merge((), message.keywords, 0),
                tags=_merge((), message.tags, 0),
                viewer_flags=tuple((name, flags) for name, flags in message.viewer_flags if flags),
            )
            if message.uid:
                uids[message.uid] = message.id
            self._raise_counters(message.folder_id, [message.uid], message.modseq)

    def _addressed(self, body):
        """Ids of the messages of a folder that the UIDs and ids name."""
        uids, messages = self._uids[body.folder_id], self._messages[body.folder_id]
        return {uids[uid] for uid in body.uids if uid in uids} | {i for i in body.message_ids if i in messages}

    def _MessageExpunge(self, body):
        if self._is_void(body):
            return
        for message_id in self._addressed(body):
            self._remove(body.folder_id, message_id)
        self._raise_counters(body.folder_id, body.uids, body.modseq)

    def _FlagsUpdate(self, body):
        if self._is_void(body):
            return
        messages = self._messages[body.folder_id]
        for message_id in self._addressed(body):
            message = messages[message_id]
            if body.viewer_account:
                viewers = dict(message.viewer_flags)
                flags = _merge_bits(viewers.get(body.viewer_account, 0), body.flags, body.mode)
                viewers[body.viewer_account] = flags
                message = message.but(viewer_flags=tuple(sorted((k, v) for k, v in viewers.items() if v)))
            else:
                message = message.but(
                    flags=_merge_bits(message.flags, body.flags, body.mode),
                    keywords=_merge(message.keywords, body.keywords, body.mode),
                    tags=_merge(message.tags, body.tags, body.mode),
                )
            if body.modseq is not None:
                message = message.but(modseq=body.modseq)
            messages[message_id] = message
        self._raise_counters(body.folder_id, body.uids, body.modseq)

    def _forget_host_ops(self, kind, id):
        self.host_ops = [op for op in self.host_ops if (op.item_kind, op.item_id) != (kind, id)]

    def _ItemPut(self, item):
        self._forget_host_ops(item.kind, item.id)
        self.items[item.kind, item.id] = item.but(tags=_merge((), item.tags, 0))

    def _ItemDelete(self, body):
        self._forget_host_ops(body.kind, body.id)
        self.items.pop((body.kind, body.id), None)

    def _HostOp(self, body):
        self.host_ops = [op for op in self.host_ops if op != body] + [body]

    def _Rewind(self, _):
        pass


def check_snapshot_order(operations):
    """operations.md, section 8."""
    before = None
    for operation in operations:
        body = operation.body
        if operation.kind not in KINDS:
            require(not operation.required, "a snapshot with a required unknown operation")
            key = (6,)
        elif operation.name == "AccountPut":
            key = (1,)
        elif operation.name == "FolderPut":
            key = (2, body.id)
        elif operation.name == "MessagePut":
            require(len(body.messages) == 1 and not body.unknown, "a MessagePut in a snapshot has one message")
            key = (3, body.messages[0].folder_id, body.messages[0].id)
        elif operation.name == "ItemPut":
            key = (4, body.kind, body.id)
        elif operation.name == "HostOp":
            key = (5,)
        else:
            raise Damaged(f"{operation.name} in a snapshot")
        in_list = key in ((5,), (6,))
        require(before is None or before < key or in_list and before == key, "a snapshot is out of order")
        before = key


# --- State digests (state-digest.md) ----------------------------------------------------------------------

CLASSES = ["structure", "content", "flags", "counters", "items"]
(UID, UIDNEXT, MODSEQ, EMAIL_ID, THREAD_ID, INTERNAL_DATE, SAVE_DATE, KEYWORDS, TAGS, VIEWER_FLAGS, ATTRIBUTES,
 SPECIAL_USE, ITEMS, MESSAGE_ID) = (1 << bit for bit in range(14))  # fmt: skip
ALL_FIELDS = (1 << 14) - 1


def _digest_time(time):
    return struct.pack("<q", time)


def _digest_content(content):
    return content.digest + varint(content.size)


def _digest_mountpoint(value):
    return counted(value[0]) + counted(value[1])


def _digest_texts(texts):
    return varint(len(texts)) + b"".join(map(counted, texts))


def _digest_attributes(pairs):
    return varint(len(pairs)) + b"".join(counted(name) + counted(value) for name, value in pairs)


def _digest_viewers(pairs):
    return varint(len(pairs)) + b"".join(counted(name) + varint(flags) for name, flags in pairs)


def _digest_unknown(fields):
    return varint(len(fields)) + b"".join(varint(field.tag) + counted(field.value) for field in fields)


def _optional(encode):
    return lambda value: b"\0" if value is None else b"\1" + encode(value)


# Rows of (number of the field, attribute, encoding, field of the set or 0).
_ACCOUNT = [
    (1, "id", counted, 0), (2, "address", counted, 0), (3, "name", counted, 0),
    (4, "attributes", _digest_attributes, ATTRIBUTES), (5, "unknown", _digest_unknown, 0),
]  # fmt: skip
_FOLDER = [
    (1, "id", counted, 0), (2, "parent_id", counted, 0), (3, "name", counted, 0), (4, "uidvalidity", varint, UID),
    (7, "special_use", counted, SPECIAL_USE), (8, "role", counted, 0),
    (9, "mountpoint", _optional(_digest_mountpoint), 0), (10, "attributes", _digest_attributes, ATTRIBUTES),
    (11, "unknown", _digest_unknown, 0),
]  # fmt: skip
_FOLDER_COUNTERS = [
    (1, "id", counted, 0), (5, "uidnext", _optional(varint), UIDNEXT),
    (6, "highest_modseq", _optional(varint), MODSEQ),
]  # fmt: skip
_IDENTITY = [
    (1, "folder_id", counted, 0), (2, "id", counted, MESSAGE_ID), (3, "uidvalidity", varint, UID),
    (4, "uid", varint, UID),
]  # fmt: skip
_IDENTITY_WITHOUT_ID = [
    (7, "content", _optional(_digest_content), 0), (8, "internal_date", _optional(_digest_time), INTERNAL_DATE),
]  # fmt: skip
_MESSAGE_CONTENT = [
    (5, "email_id", counted, EMAIL_ID), (6, "thread_id", counted, THREAD_ID),
    (7, "content", _optional(_digest_content), 0), (8, "internal_date", _optional(_digest_time), INTERNAL_DATE),
    (9, "save_date", _optional(_digest_time), SAVE_DATE), (15, "attributes", _digest_attributes, ATTRIBUTES),
    (16, "unknown", _digest_unknown, 0),
]  # fmt: skip
_MESSAGE_FLAGS = [
    (11, "flags", varint, 0), (12, "keywords", _digest_texts, KEYWORDS), (13, "tags", _digest_texts, TAGS),
    (14, "viewer_flags", _digest_viewers, VIEWER_FLAGS),
]  # fmt: skip
_MESSAGE_COUNTERS = [(10, "modseq", _optional(varint), MODSEQ)]
_ITEM = [
    (1, "kind", counted, 0), (2, "id", counted, 0), (3, "folder_id", counted, 0), (4, "parent", counted, 0),
    (5, "uid", varint, UID), (6, "modseq", _optional(varint), MODSEQ), (7, "revision", _optional(varint), 0),
    (8, "flags", varint, 0), (9, "tags", _digest_texts, TAGS), (10, "content", _optional(_digest_content), 0),
    (11, "attributes", _digest_attributes, ATTRIBUTES), (12, "unknown", _digest_unknown, 0),
]  # fmt: skip
_HOST_OP = [
    (1, "host", counted, 0), (2, "name", counted, 0), (3, "item_kind", counted, 0), (4, "item_id", counted, 0),
    (5, "data", counted, 0), (6, "unknown", _digest_unknown, 0),
]  # fmt: skip


def digest_elements(mailbox, fields):
    """The bytes that are hashed, as (number of the class, bytes)."""

    def element(class_number, type, record, rows):
        out = bytes([1, class_number, type])
        for number, name, encode, needs in rows:
            if not needs or fields & needs:
                out += bytes([number]) + encode(getattr(record, name))
        return class_number, out

    if mailbox.account is not None:
        yield element(0, 1, mailbox.account, _ACCOUNT)
    for folder in mailbox.folders.values():
        yield element(0, 2, folder, _FOLDER)
        if fields & (UIDNEXT | MODSEQ):
            yield element(3, 2, folder, _FOLDER_COUNTERS)
    identity = _IDENTITY + ([] if fields & MESSAGE_ID else _IDENTITY_WITHOUT_ID)
    for message in mailbox.messages:
        yield element(1, 3, message, identity + _MESSAGE_CONTENT)
        yield element(2, 3, message, identity + _MESSAGE_FLAGS)
        if fields & MODSEQ:
            yield element(3, 3, message, identity + _MESSAGE_COUNTERS)
    if fields & ITEMS:
        for item in mailbox.items.values():
            yield element(4, 4, item, _ITEM)
        for host_op in mailbox.host_ops:
            yield element(4, 5, host_op, _HOST_OP)
        for kind, body in mailbox.unknown:
            yield 4, bytes([1, 4, 6, 1]) + varint(kind) + b"\2" + counted(body)


def state_digest(mailbox, key, fields):
    """Class -> its sum as hexadecimal digits."""
    sums = [0] * len(CLASSES)
    for class_number, data in digest_elements(mailbox, fields):
        sums[class_number] += int.from_bytes(hmac.digest(key, data, "sha256"), "little")
    return {name: (total % (1 << 256)).to_bytes(32, "little").hex() for name, total in zip(CLASSES, sums)}


# --- Redo log: segments and records (redo.md) -------------------------------------------------------------

SEGMENT_MAGIC = bytes.fromhex("897265646f0d0a1a")
FOOTER_MAGIC = bytes.fromhex("89726564780d0a1a")
SEGMENT_NAME = re.compile(r"redo-(\d{10,})\.log")
RECORD_KINDS = {
    1: "begin", 2: "commit", 3: "abort", 4: "append", 5: "content", 6: "touch", 7: "mark", 8: "clock-step",
    9: "incarnation",
}  # fmt: skip
BEGIN, COMMIT, ABORT, APPEND, CONTENT, TOUCH, MARK, CLOCK_STEP, INCARNATION = RECORD_KINDS


def padded(length):
    return (length + 7) // 8 * 8


class OpenTransaction(typing.NamedTuple):
    lsn: int
    sequence: int
    offset: int
    wall_time: int
    reserved: int
    flags: int
    account_id: bytes


@dataclasses.dataclass
class SegmentHeader:
    copy_length: int
    log: bytes
    incarnation: bytes
    server: bytes
    parent_log: bytes
    parent_incarnation: bytes
    fork_lsn: int
    parent_sequence: int
    sequence: int
    first_lsn: int
    previous_end: int
    previous_last_crc: int
    created: int
    commit_time: int
    opened_sequence: int
    open_transactions: list


def _header_copy(data, at, number):
    """The bytes of a header copy if it is valid there, else None."""
    head = data[at : at + 256]
    if len(head) < 256 or head[:8] != SEGMENT_MAGIC:
        return None
    length, copy, crc = struct.unpack_from("<III", head, 12)
    if copy != number or length % 4096 or length == 0 or at + length > len(data):
        return None
    if crc32c(head[:20] + bytes(4) + data[at + 24 : at + length]) != crc:
        return None
    return data[at : at + length]


def parse_segment_header(data):
    """From a whole segment file, or from one copy."""
    copy = _header_copy(data, 0, 0)
    at = 4096
    while copy is None and at < min(len(data), 128 << 20):
        copy = _header_copy(data, at, 1)
        if copy is not None and len(copy) != at:
            copy = None
        at += 4096
    require(copy is not None, "no valid segment header")
    cursor = Cursor(copy, 8)
    version, length, _, _, required, _ = cursor.unpack("6I")
    if version != 1 or required:
        raise Unsupported(f"redo segment of version {version} with features {required:#x}")
    log, incarnation, server, parent_log, parent_incarnation = cursor.unpack("16s16s16s16s16s")
    fork_lsn, parent_sequence, sequence, first_lsn, previous_end = cursor.unpack("5Q")
    previous_last_crc, open_count, created, commit_time, opened_sequence, key = cursor.unpack("IIqqQ16s")
    if any(key):
        raise Unsupported("an encrypted redo segment")
    cursor = Cursor(copy, 256)
    open_transactions = []
    for _ in range(open_count):
        *fields, flags, id_length = cursor.unpack("QQQqIHH")
        open_transactions.append(OpenTransaction(*fields, flags, cursor.take(id_length)))
    return SegmentHeader(
        length, log, incarnation, server, parent_log, parent_incarnation, fork_lsn, parent_sequence, sequence,
        first_lsn, previous_end, previous_last_crc, created, commit_time, opened_sequence, open_transactions,
    )  # fmt: skip


class ContentPlace(typing.NamedTuple):
    digest: bytes
    size: int
    first_sequence: int
    last_sequence: int
    last_lsn: int
    last_offset: int

    @classmethod
    def read(cls, cursor):
        return cls(*cursor.unpack("32s5Q"))

    def encode(self):
        return struct.pack("<32s5Q", *self)


class Assigned(typing.NamedTuple):
    operation: int
    element: int
    refused: bool
    uidvalidity: int
    uid: int
    modseq: int
    id: bytes


class Piece(typing.NamedTuple):
    stream: int
    first_sequence: int
    position: int
    before_sequence: int
    before_offset: int
    before_lsn: int
    length: int
    is_last: bool
    digest: bytes
    size: int
    data: bytes


@dataclasses.dataclass
class LogRecord:
    sequence: int
    offset: int
    length: int
    head_crc: int
    kind: int
    required: bool
    stub: bool
    lsn: int
    durable_lsn: int
    wall_time: int
    commit_time: int
    transaction: int
    account_id: bytes
    origin: tuple
    body: bytes

    @property
    def end(self):
        return self.offset + padded(self.length)

    @property
    def kind_name(self):
        return RECORD_KINDS.get(self.kind, f"kind {self.kind}")

    def begun(self):
        """Of begin and append: content places and operations."""
        cursor = Cursor(self.body)
        _, places, count, size = cursor.unpack("4I")
        places = [ContentPlace.read(cursor) for _ in range(places)]
        operations = decode_operations(cursor.take(size))
        require(len(operations) == count, f"LSN {self.lsn}: another number of operations")
        return places, operations

    def ended(self):
        """Of commit and abort: place of the begin record and what was assigned."""
        cursor = Cursor(self.body)
        sequence, offset = cursor.unpack("QQ")
        assigned = []
        for _ in range(cursor.unpack("II")[0] if self.kind == COMMIT else 0):
            operation, element, flags, _, id_length, uidvalidity, uid, modseq = cursor.unpack("IIBBHIIQ")
            id = cursor.take(id_length)
            assigned.append(Assigned(operation, element, bool(flags & 1), uidvalidity, uid, modseq, id))
        return sequence, offset, assigned

    def piece(self):
        """Of content."""
        cursor = Cursor(self.body)
        *numbers, length, is_last, digest, size = cursor.unpack("6QIB3x32sQ")
        data = b"" if self.stub else cursor.take(length)
        return Piece(*numbers, length, bool(is_last), digest, size, data)


def parse_record(data, at, end, header):
    """What lies at `at`: (record, whether it is intact but for its LSN), or (None, False) without a right head.

    A record that is not intact has its head only.
    """
    head = data[at : at + 64]
    if at + 64 > end or len(head) < 64:
        return None, False
    (length, head_crc, body_crc, kind, flags, id_length, lsn, durable_lsn, wall_time, commit_time, transaction,
     origin_length) = struct.unpack_from("<IIIBBHQQqqQH", head)  # fmt: skip
    if not 64 <= length <= 1 << 30 or id_length > 1024 or any(head[58:]):
        return None, False
    place = header.log + header.incarnation + struct.pack("<QQ", header.sequence, at)
    if crc32c(place + head[:4] + head[8:]) != head_crc:
        return None, False
    record = LogRecord(
        header.sequence, at, length, head_crc, kind, bool(flags & 1), bool(flags & 2), lsn, durable_lsn, wall_time,
        commit_time, transaction, b"", (b"", b"", b""), b"",
    )  # fmt: skip
    if record.end > end or crc32c(data[at + 64 : record.end]) != body_crc:
        return record, False
    cursor = Cursor(data, at + 64, at + length)
    record.account_id = cursor.take(id_length)
    origin = Cursor(cursor.take(origin_length))
    if origin:
        record.origin = tuple(origin.take(origin.u8()) for _ in range(3))
    record.body = cursor.take(cursor.end - cursor.at)
    return record, True


class Gap(typing.NamedTuple):
    """Damage: what was passed over. next_lsn is 0 if nothing in the segment follows."""

    sequence: int
    offset: int
    next_offset: int
    from_lsn: int
    next_lsn: int


def _read_stretch(data, end, header):
    """Records and places that cannot be read, in their order, from the headers up to `end`."""
    at = 2 * header.copy_length
    lsn = header.first_lsn
    used = len(data[:end].rstrip(b"\0"))  # No record begins in zeros.
    while at < used:
        record, intact = parse_record(data, at, end, header)
        if intact and record.lsn == lsn:
            yield record
            at, lsn = record.end, lsn + 1
            continue
        bad = at
        at = record.end if record is not None and record.lsn == lsn else at + 8
        while at < used:
            found, intact = parse_record(data, at, end, header)
            if intact and lsn <= found.lsn <= lsn + (at - bad) // 64:
                yield Gap(header.sequence, bad, at, lsn, found.lsn)
                lsn = found.lsn
                break
            at += 8
        else:
            yield Gap(header.sequence, bad, end, lsn, 0)


@dataclasses.dataclass
class Footer:
    records_end: int
    index_length: int
    sequence: int
    first_lsn: int
    last_lsn: int
    first_time: int
    last_time: int
    records: int
    lowest_sequence: int
    gaps: int
    last_crc: int
    sha256: bytes


class Segment:
    """A raw segment: `records`, and what is wrong with it in `damages`."""

    def __init__(self, path, data=None):
        self.path = pathlib.Path(path)
        self.data = self.path.read_bytes() if data is None else data
        self.header = parse_segment_header(self.data)
        self.footer = self._parse_footer()
        self.records = []
        self.damages = []
        self.faults = []  # What costs nothing: the index, a copy of the header.
        self.torn_at = None

    def _parse_footer(self):
        data = self.data[-136:]
        if len(data) < 136 or data[:8] != FOOTER_MAGIC:
            return None
        version, length, *numbers, sha256, crc, _ = struct.unpack_from("<IIQQQQQqqQQII32sII", data, 8)
        footer = Footer(*numbers, sha256)
        fits = footer.records_end + footer.index_length + 136 == len(self.data)
        if version != 1 or length != 136 or crc != crc32c(data[:128]) or not fits:
            return None
        return footer if footer.sequence == self.header.sequence else None

    def read(self, following):
        """Reads the records; `following` is the header of the next segment, or None in the newest."""
        end = len(self.data)
        if following is not None:
            end = following.previous_end
            require(end <= len(self.data), f"{self.path.name} ends before its known end")
        elif self.footer is not None:
            end = self.footer.records_end
        is_open = following is None and self.footer is None
        entries = list(_read_stretch(self.data, end, self.header))
        if is_open:
            entries = self._without_torn_tail(entries)
        self.records = [entry for entry in entries if isinstance(entry, LogRecord)]
        self.damages = [entry for entry in entries if isinstance(entry, Gap)]
        next_lsn = self.records[-1].lsn + 1 if self.records else self.header.first_lsn
        last = following.first_lsn - 1 if following else self.footer.last_lsn if self.footer else next_lsn - 1
        if next_lsn <= last and not any(gap.next_lsn == 0 for gap in self.damages):
            at = self.records[-1].end if self.records else 2 * self.header.copy_length
            self.damages.append(Gap(self.header.sequence, at, end, next_lsn, 0))
        self.end = self.records[-1].end if is_open and self.records else end
        if following is not None and not self.damages:
            crc = self.records[-1].head_crc if self.records else 0
            require(following.previous_last_crc == crc, f"{self.path.name}: its last record is another one")

    def _without_torn_tail(self, entries):
        """R8: a place is damage only if a later record knows that it was durable."""
        for i, entry in enumerate(entries):
            if isinstance(entry, Gap):
                later = (e.durable_lsn for e in entries[i + 1 :] if isinstance(e, LogRecord))
                if max(later, default=0) < entry.from_lsn:
                    self.torn_at = entry.offset
                    return entries[:i]
        return entries

    def sections(self):
        """Type -> bytes of the sections of the index of a sealed segment, checked."""
        index = Cursor(self.data, self.footer.records_end, self.footer.records_end + self.footer.index_length)
        count, crc = index.unpack("II")
        table = index.take(count * 24)
        require(crc32c(table) == crc, f"{self.path.name}: table of the index is damaged")
        out = {}
        for type, crc, offset, length in struct.iter_unpack("<IIQQ", table):
            out[type] = self.data[offset : offset + length]
            intact = len(out[type]) == length and crc32c(out[type]) == crc and offset % 8 == 0
            require(intact, f"{self.path.name}: section {type} of the index is damaged")
        return out

    def check(self):
        """Looks for what is wrong and costs nothing, as the records can be read without it."""
        try:
            if self.footer is not None:
                self._check_index()
        except Damaged as error:
            self.faults.append(str(error))
        length = self.header.copy_length
        for at, number in ((0, 0), (length, 1)):
            if _header_copy(self.data, at, number) is None:
                self.faults.append(f"{self.path.name}: copy {number} of the header is damaged")

    def _check_index(self):
        """Compares footer and index with those that follow from the records."""
        footer, records, name = self.footer, self.records, self.path.name
        require(hashlib.sha256(self.data[:-40]).digest() == footer.sha256, f"{name}: SHA-256 differs")
        last = records[-1] if records else None
        expected = Footer(
            footer.records_end, footer.index_length, self.header.sequence, self.header.first_lsn,
            last.lsn if last else self.header.first_lsn - 1, records[0].commit_time if last else 0,
            last.commit_time if last else 0, len(records), self._lowest_sequence(), len(self.damages),
            last.head_crc if last else 0, footer.sha256,
        )  # fmt: skip
        require(footer == expected, f"{name}: footer {footer}, expected {expected}")
        sections = self.sections()
        accounts, lists, pages = self._accounts_sections()
        contents = sorted(place.encode() for place in self.contents())
        sparse = [struct.pack("<QQq", r.lsn, r.offset, r.commit_time) for r in records[::64]]
        gaps = [struct.pack("<QQQQ", *gap[1:]) for gap in self.damages]
        held = [struct.pack("<QQqq", *run) for run in held_runs(records)]
        joined = map(b"".join, (contents, sparse, gaps, held))
        for type, section in enumerate((accounts, lists, *joined, pages), 1):
            same = sections.get(type, b"") == section
            require(same, f"{name}: section {type} of the index is not what the records say")

    def _lowest_sequence(self):
        lowest = self.header.sequence
        for record in self.records:
            if record.kind in (COMMIT, ABORT):
                lowest = min(lowest, record.ended()[0])
            elif record.kind == CONTENT and record.piece().first_sequence:
                lowest = min(lowest, record.piece().first_sequence)
        return lowest

    def contents(self):
        """Places of the last pieces in this segment."""
        for record in self.records:
            piece = record.piece() if record.kind == CONTENT else None
            if piece and piece.is_last:
                first = piece.first_sequence or self.header.sequence
                last = (self.header.sequence, record.lsn, record.offset)
                yield ContentPlace(piece.digest, piece.size, first, *last)

    def _accounts_sections(self):
        by_account = {}
        for record in self.records:
            if record.account_id:
                by_account.setdefault(record.account_id, []).append(record)
        accounts, lists, pages, page_at = struct.pack("<I", len(by_account)), b"", [], 4
        for id, records in sorted(by_account.items()):
            entry, offset, lsn, kinds = b"", 0, 0, 0
            for record in records:
                entry += varint((record.offset - offset) // 8) + varint(record.lsn - lsn) + bytes([record.kind])
                offset, lsn = record.offset, record.lsn
                kinds |= 1 << min(record.kind, 31)
            accounts += struct.pack("<H", len(id)) + id
            accounts += struct.pack("<QIIII", len(lists), len(entry), crc32c(entry), len(records), kinds)
            accounts += struct.pack("<QQqq", records[0].lsn, lsn, records[0].commit_time, records[-1].commit_time)
            lists += entry
            if len(pages) == 0 or pages[-1][1] is not None:
                pages.append([id, None])
            if len(accounts) - page_at >= 4096 or id == max(by_account):
                pages[-1][1] = struct.pack("<QII", page_at, len(accounts) - page_at, crc32c(accounts[page_at:]))
                page_at = len(accounts)
        encoded = [struct.pack("<H", len(id)) + id + place for id, place in pages]
        return accounts, lists, struct.pack("<I", len(pages)) + b"".join(encoded)


def held_runs(records):
    """Stretches in which the clock was held: (first LSN, last LSN, lowest wall time, commit time)."""
    runs, run = [], []
    for record in [*records, None]:
        if record is not None and record.wall_time < record.commit_time:
            run.append(record)
            continue
        if any(r.commit_time - r.wall_time > 1_000_000 for r in run):
            runs.append((run[0].lsn, run[-1].lsn, min(r.wall_time for r in run), run[-1].commit_time))
        run = []
    return runs


# --- Redo log: transactions and content (redo.md) ---------------------------------------------------------


@dataclasses.dataclass
class Transaction:
    begin_lsn: int
    commit_lsn: int
    commit_time: int
    account_id: bytes
    operations: list
    places: list


def fill_in(operations, assigned):
    """The operations as they were done: with what the server assigned, without what it refused."""
    elements = {(a.operation, a.element): a for a in assigned}
    renamed = {}  # folder id as begun -> (UIDVALIDITY as begun, id, UIDVALIDITY)
    for number, operation in enumerate(operations):
        a = elements.get((number, 0))
        if a is not None and operation.name == "FolderPut" and not a.refused:
            body = operation.body
            renamed[body.id] = (body.uidvalidity, a.id or body.id, a.uidvalidity or body.uidvalidity)

    def in_folder(body):
        if body.folder_id not in renamed:
            return body
        begun, id, uidvalidity = renamed[body.folder_id]
        body = body.but(folder_id=id)
        if getattr(body, "uidvalidity", None) == begun:
            body = body.but(uidvalidity=uidvalidity)
        return body

    def with_assigned(body, a, *names):
        given = {name: getattr(a, name) for name in names if a is not None and getattr(a, name)}
        return body.but(**given)

    out = []
    for number, operation in enumerate(operations):
        body, name = operation.body, operation.name
        count = 1
        if name == "MessagePut":
            count = len(body.messages)
        elif name in ("MessageExpunge", "FlagsUpdate"):
            count = len(body.uids) + len(body.message_ids)
        mine = [elements.get((number, element)) for element in range(count)]
        kept = [a is None or not a.refused for a in mine]
        if count and not any(kept):
            continue
        if name == "MessagePut":
            messages = zip(body.messages, mine)
            names = ("id", "uidvalidity", "uid", "modseq")
            messages = [with_assigned(in_folder(m), a, *names) for m, a in messages]
            body = body.but(messages=tuple(m for m, keep in zip(messages, kept) if keep))
        elif name in ("MessageExpunge", "FlagsUpdate"):
            body = in_folder(body)
            for a in mine:
                body = with_assigned(body, a, "uidvalidity")
            modseq = max((a.modseq for a in mine if a), default=0)
            uids = zip(body.uids, kept)
            ids = zip(body.message_ids, kept[len(body.uids) :])
            body = body.but(
                uids=tuple(uid for uid, keep in uids if keep),
                message_ids=tuple(id for id, keep in ids if keep),
                modseq=modseq or body.modseq,
            )
        elif name == "FolderPut":
            if body.parent_id in renamed:
                body = body.but(parent_id=renamed[body.parent_id][1])
            body = with_assigned(body, mine[0], "id", "uidvalidity")
            if mine[0] and mine[0].modseq:
                body = body.but(highest_modseq=mine[0].modseq)
        elif name == "ItemPut":
            body = with_assigned(in_folder(body), mine[0], "id", "uid", "modseq")
        out.append(operation._replace(body=body))
    return out


def join_transactions(records):
    """Transactions in commit order, and those that are open at the end: LSN -> begin record."""
    begun = {}
    done = []
    for record in records:
        name = f"LSN {record.lsn}"
        if record.kind not in RECORD_KINDS and record.required:
            raise Unsupported(f"{name}: a record of kind {record.kind}")
        if record.kind == BEGIN:
            begun[record.lsn] = record
            continue
        if record.kind not in (APPEND, COMMIT, ABORT):
            continue
        begin = record if record.kind == APPEND else begun.pop(record.transaction, None)
        if begin is None or record.kind == ABORT:
            continue
        places, operations = begin.begun()
        if record.kind == COMMIT:
            sequence, offset, assigned = record.ended()
            require((begin.sequence, begin.offset) == (sequence, offset), f"{name}: its begin lies elsewhere")
            require(begin.account_id == record.account_id, f"{name}: its begin is of another account")
            operations = fill_in(operations, assigned)
        lsns_and_time = (begin.lsn, record.lsn, record.commit_time)
        done.append(Transaction(*lsns_and_time, record.account_id, operations, places))
    return done, begun


class RedoLog:
    """The directory of a log: `segments`, `records`, `transactions`, `open` (LSN -> begin record)."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        names = {}
        for entry in self.path.iterdir():
            match = SEGMENT_NAME.fullmatch(entry.name)
            if match:
                names[int(match[1])] = entry
        self.segments = [Segment(names[sequence]) for sequence in sorted(names)]
        require(self.segments, f"{path}: no segment")
        headers = [segment.header for segment in self.segments]
        for sequence, header in zip(sorted(names), headers):
            require(header.sequence == sequence, f"segment {sequence} says it is {header.sequence}")
            require(header.log == headers[0].log, f"segment {sequence} is of another log")
            same = header.incarnation == headers[0].incarnation
            require(same, f"segment {sequence} is of another incarnation")
        for before, header in zip(headers, headers[1:]):
            require(header.sequence == before.sequence + 1, f"segment {before.sequence + 1} is missing")
        for segment, following in zip(self.segments, [*headers[1:], None]):
            segment.read(following)
            segment.check()
        self.log, self.incarnation, self.server = headers[0].log, headers[0].incarnation, headers[0].server
        self.records = [record for segment in self.segments for record in segment.records]
        self.damages = [damage for segment in self.segments for damage in segment.damages]
        self.faults = [fault for segment in self.segments for fault in segment.faults]
        self.transactions, self.open = join_transactions(self.records)
        self._check()

    def _check(self):
        """What holds between records that were not damaged."""
        commit_time = self.segments[0].header.commit_time
        for record in self.records:
            require(record.commit_time >= commit_time, f"LSN {record.lsn}: commit time falls")
            require(record.durable_lsn < record.lsn, f"LSN {record.lsn}: durable LSN above it")
            commit_time = record.commit_time
        if self.damages:
            return
        for before, record in zip(self.records, self.records[1:]):
            require(record.lsn == before.lsn + 1, f"LSN {record.lsn} follows {before.lsn}")
        newest = self.segments[-1]
        listed = {entry.lsn for entry in newest.header.open_transactions}
        begun = {r.lsn for r in newest.records if r.kind == BEGIN}
        ended = {r.transaction for r in newest.records if r.kind in (COMMIT, ABORT)}
        require(set(self.open) == (listed | begun) - ended, "open transactions are not those that the header lists")

    @property
    def end_lsn(self):
        return self.records[-1].lsn if self.records else self.segments[-1].header.first_lsn - 1

    @property
    def closed(self):
        """Whether it ends in the mark that the log was closed."""
        return bool(self.records) and self.records[-1].kind == MARK and self.records[-1].body[:4] == b"\1\0\0\0"

    def contents(self):
        """Digest -> place of every content that was completed in these segments."""
        return {place.digest: place for segment in self.segments for place in segment.contents()}

    def read_content(self, place):
        """The bytes, checked."""
        by_place = {(record.sequence, record.offset): record for record in self.records}
        pieces = []
        at, lsn = (place.last_sequence, place.last_offset), place.last_lsn
        while True:
            record = by_place.get(at)
            there = record is not None and record.kind == CONTENT and record.lsn == lsn
            require(there, f"no content piece at {at}")
            piece = record.piece()
            pieces.insert(0, piece)
            if piece.before_lsn == 0:
                break
            at, lsn = (piece.before_sequence, piece.before_offset), piece.before_lsn
        data = b""
        for piece in pieces:
            require(piece.position == len(data), "content piece out of place")
            require(piece.stream in (0, lsn), "content piece of another stream")
            data += piece.data
        require(hashlib.sha256(data).digest() == place.digest and len(data) == place.size, "content is damaged")
        return data


# --- Backup target: JSON and XML (target.md) --------------------------------------------------------------


def decompress(stored, size=None):
    """One whole zstd frame whose content size is in its header; with `size`, it must be that."""
    if zstandard is None:
        raise Unsupported("python3-zstandard is not installed")
    try:
        raw_size = zstandard.frame_content_size(stored)
        require(raw_size >= 0 and size in (None, raw_size), "zstd: another content size")
        stream = zstandard.ZstdDecompressor().decompressobj()
        raw = stream.decompress(stored)
    except zstandard.ZstdError as error:
        raise Damaged(f"zstd: {error}") from error
    require(stream.eof and not stream.unused_data and len(raw) == raw_size, "zstd: not one whole frame")
    return raw


def read_target_json(path):
    target = json.loads(path.read_text())
    sealed = {name: value for name, value in target.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(sealed, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
    require(target["format"] == "restante target", "not a target")
    require(target["sha256"] == digest, "target.json: SHA-256 differs")
    if target["version"] > 1 or target["required_features"]:
        raise Unsupported("a target of a later version")
    require((target["key"] is None) != (target["digest_key"] is None), "neither key nor digest_key, or both")
    return target


# --- Targets with keys (keys.md) ----------------------------------------------------------------------------
#
# Everything below is given a ring (restante_keys.Ring), None in a target without keys.

SHARED, REFERENCES, METADATA, CONTENT_AUDIENCE = 1, 2, 3, 4
PACK_KIND, PACK_INDEX_KIND, SNAPSHOT_KIND, SEGMENT_KIND, SESSION_KIND, ACCOUNTS_KIND, REFERENCES_KIND = range(1, 8)
ENVELOPE = 104


class Blocks:
    """The sealed blocks of one object; without keys they are as they are."""

    def __init__(self, ring, kind, key, audience, envelope):
        self.ring, self.key = ring, key
        require(ring is not None or not envelope, f"{key}: sealed, in a target without keys")
        self.object_key = ring and ring.object_key(kind, key, audience, envelope)

    def open(self, number, last, sealed, context=b""):
        if self.ring is None:
            return sealed
        return self.ring.open_block(self.object_key, self.key, number, last, sealed, context)


def id_of(ring, sha256):
    """The id of a content in the target."""
    return ring.content_id(sha256) if ring else sha256


def open_texts(root, ring, kind, key):
    """Puts the texts of a document in the place of what is sealed."""
    sealed = [element for element in root.iter() if element.get("encoding") == "sealed"]
    if ring is None:
        require(root.get("envelope") is None and not sealed, f"{key}: sealed, in a target without keys")
        return
    require(root.get("envelope") is not None, f"{key}: not sealed, in a target with keys")
    texts = [e for e in root.iter() if e.text and e.text.strip() and e.get("encoding") != "sealed"]
    require(not texts, f"{key}: a text that is not sealed")
    blocks = Blocks(ring, kind, key, METADATA, base64.b64decode(root.get("envelope"), validate=True))
    for number, element in enumerate(sealed):
        block = base64.b64decode(element.text or "", validate=True)
        text = blocks.open(number, number + 1 == len(sealed), block)
        element.text = base64.b64encode(text).decode()
        element.set("encoding", "base64")


def read_xml(path):
    """The root element of a sealed file."""
    data = path.read_bytes()
    body, mark, seal = data.rpartition(b"<!--sha256 ")
    require(mark and re.fullmatch(rb"[0-9a-f]{64}-->\n", seal), f"{path.name} is cut off")
    require(hashlib.sha256(body).hexdigest().encode() == seal[:64], f"{path.name}: SHA-256 differs")
    root = xml.etree.ElementTree.fromstring(data)
    if int(root.get("format")) > 1:
        raise Unsupported(f"{path.name}: format {root.get('format')}")
    return root


def xml_text(parent, name):
    """Free text of a child element, b"" if it is not there."""
    child = parent.find(name)
    if child is None:
        return b""
    text = (child.text or "").encode()
    return base64.b64decode(text, validate=True) if child.get("encoding") == "base64" else text


# --- Content packs (content.md) ---------------------------------------------------------------------------

PACK_MAGIC, PACK_END = b"RSTP\r\n\x1a\n", b"RSTPEND\n"
MAX_FRAME, MAX_PARTS, MAX_PACK = 5 << 20, 16384, 256 << 20


class Part(typing.NamedTuple):
    """A part where it lies; the offset counts in the raw bytes of its frame."""

    id: bytes
    kind: int
    frame: int
    offset: int
    length: int


class Block(typing.NamedTuple):
    number: int
    stored_length: int
    raw_length: int
    encoding: int
    checksum: int


def unreferenced_list(data, list_id, target_id):
    """The pack ids of a list of unreferenced packs."""
    require(len(data) >= 68, "a list of packs is cut off")
    cursor = Cursor(data, 0, len(data) - 4)
    require(crc32c(data[:-4]) == struct.unpack_from("<I", data, len(data) - 4)[0], "a list of packs is damaged")
    require(cursor.take(8) == b"RSTUNREF", "it is no list of packs")
    version, required, count = cursor.unpack("HHI")
    target, key, own = cursor.unpack("16s16s16s")
    if version != 1 or required or any(key):
        raise Unsupported(f"a list of packs of version {version} with features {required:#x}, or encrypted")
    require(target == target_id and own == list_id, "it is another list of packs, or of another target")
    packs = [cursor.take(16) for _ in range(count)]
    require(not cursor, "bytes behind a list of packs")
    require(packs == sorted(set(packs)), "its packs are not in order")
    return packs


class Pack:
    """A pack: `parts`, `frames` (number -> offset of its block), and what is wrong with it in `faults`."""

    def __init__(self, data, pack_id, target_id, ring=None):
        self.data, self.id, self.target_id, self.ring = data, pack_id, target_id, ring
        self.key = f"content/packs/{pack_id.hex()[:2]}/{pack_id.hex()}.pack"
        self.first = 80 + (ENVELOPE if ring else 0)
        self.envelope = data[80 : self.first]
        self.faults = []
        self.parts, self.frames = [], {}
        try:
            self._read_end()
            if data[:80] != data[-120:-40]:
                self.faults.append("its header is damaged")
        except Damaged as error:
            self.faults.append(str(error))
            self._search()

    def _block(self, at, magic, most, end):
        """Header and raw bytes of a block, checked."""
        cursor = Cursor(self.data, at, end)
        require(cursor.take(4) == magic, f"no block {magic.decode()} at {at}")
        block = Block(*cursor.unpack("5I"))
        require(block.raw_length <= most, f"block at {at}: too large")
        stored = cursor.take(block.stored_length)
        place = self.target_id + self.id + struct.pack("<Q", at)
        require(crc32c(place + self.data[at : at + 20] + stored) == block.checksum, f"block at {at} is damaged")
        stored = self._unsealed(magic == b"RIDX", block.number, at, stored)
        if block.encoding == 1:
            return block, decompress(stored, block.raw_length)
        if block.encoding:
            raise Unsupported(f"block at {at} with encoding {block.encoding}")
        require(len(stored) == block.raw_length, f"block at {at}: lengths differ")
        return block, stored

    def _unsealed(self, is_index, number, at, stored):
        if self.ring is None:
            return stored
        context = self.target_id + self.id + struct.pack("<Q", at) + self.data[at : at + 20]
        if not is_index:
            blocks = Blocks(self.ring, PACK_KIND, self.key, CONTENT_AUDIENCE, self.envelope)
            return blocks.open(number, False, stored, context)
        require(len(stored) >= ENVELOPE + 68, "its index is not sealed and signed")
        self.ring.verify(PACK_INDEX_KIND, self.key, hashlib.sha256(stored[:-68]).digest(), stored[-68:])
        blocks = Blocks(self.ring, PACK_INDEX_KIND, self.key, SHARED, stored[:ENVELOPE])
        return blocks.open(number, True, stored[ENVELOPE:-68], context)

    def _read_end(self):
        data = self.data
        require(200 <= len(data) <= MAX_PACK, "its length cannot be")
        footer = data[-120:]
        require(footer[112:] == PACK_END, "it is cut off")
        require(crc32c(footer[:108]) == struct.unpack_from("<I", footer, 108)[0], "its footer is damaged")
        cursor = Cursor(footer)
        require(cursor.take(8) == PACK_MAGIC, "no magic in its footer")
        version, _, required, target, key, pack = cursor.unpack("HHI16s16s16s")
        if version != 1 or required & ~1:
            raise Unsupported(f"a pack of version {version} with features {required:#x}")
        require(any(key) == bool(required), "its key and its features do not agree")
        require(any(key) == (self.ring is not None), "it is sealed and its target is not, or the other way round")
        require(target == self.target_id, "it is of another target")
        require(pack == self.id, "it is another pack")
        require(crc32c(footer[:76]) == struct.unpack_from("<I", footer, 76)[0], "header in its footer is damaged")
        cursor.take(16)  # The rest of the header.
        index_at, index_length, frames, parts, length = cursor.unpack("4IQ")
        require(length == len(data) and index_at + index_length + 120 == length, "its lengths do not add up")
        self._read_index(index_at, frames, parts)

    def _read_index(self, index_at, frame_count, part_count):
        block, raw = self._block(index_at, b"RIDX", 8 + MAX_PARTS * 64, len(self.data) - 120)
        cursor = Cursor(raw)
        require(cursor.unpack("II") == (frame_count, part_count), "its index has other numbers")
        require(block.number == frame_count and part_count <= MAX_PARTS, "its index has another number")
        at, lengths = self.first, []
        for number in range(frame_count):
            offset, stored_length, raw_length, _ = cursor.unpack("4I")
            require(offset == at, f"frame {number} does not follow the one before")
            self.frames[number] = offset
            lengths.append(raw_length)
            at += 24 + stored_length
        require(at == index_at, "frames do not end at the index")
        for _ in range(part_count):
            id, frame, offset, length, kind = cursor.unpack("32s4I")
            require(frame < frame_count and offset + length <= lengths[frame], "a part lies outside its frame")
            self.parts.append(Part(id, kind, frame, offset, length))
        if self.ring:
            require(cursor.take(ENVELOPE) == self.envelope, "its index has another envelope of the frames")
        require(not cursor, "bytes behind its index")

    def _search(self):
        """The parts of every sound frame, from the tables of the frames."""
        self.parts, self.frames = [], {}
        at = self.data.find(b"RFRM")
        while at >= 0:
            following = at + 1
            try:
                block, raw = self._block(at, b"RFRM", MAX_FRAME, len(self.data))
                self.frames[block.number] = at
                self.parts += frame_parts(raw, block.number, self.ring)
                following = at + 24 + block.stored_length
            except Damaged:
                pass
            at = self.data.find(b"RFRM", following)

    def frame(self, number):
        """The raw bytes of a frame, checked."""
        at = self.frames[number]
        block, raw = self._block(at, b"RFRM", MAX_FRAME, len(self.data))
        require(block.number == number, f"frame {number} says it is {block.number}")
        return raw

    def read(self, part):
        raw = self.frame(part.frame)[part.offset : part.offset + part.length]
        is_whole = part.kind != 0 or id_of(self.ring, hashlib.sha256(raw).digest()) == part.id
        require(is_whole, "a part is damaged")
        return raw

    def check(self):
        """Every frame against the index; what is wrong is added to `faults`."""
        found = []
        for number in self.frames:
            try:
                found += frame_parts(self.frame(number), number, self.ring)
            except Damaged as error:
                self.faults.append(str(error))
        if not self.faults and found != self.parts:
            self.faults.append("its index is not what the frames say")


def frame_parts(raw, number, ring=None):
    """The parts that the table of a frame names."""
    cursor = Cursor(raw)
    entries = []
    for _ in range(cursor.varint()):
        kind, length = cursor.u8(), cursor.varint()
        entries.append((kind, length, cursor.take(32) if kind else None))
    parts = []
    for kind, length, id in entries:
        at = cursor.at
        data = cursor.take(length)
        parts.append(Part(id or id_of(ring, hashlib.sha256(data).digest()), kind, number, at, length))
    require(not cursor, f"bytes behind the parts of frame {number}")
    return parts


class ContentStore:
    """The packs of a target by id, and where each part is."""

    def __init__(self, target_id, packs=(), ring=None):
        self.target_id, self.ring = target_id, ring
        self.packs = {}
        self.places = {}  # part id -> [(pack, part)]
        for pack_id, data in packs:
            self.add(pack_id, data)

    def add(self, pack_id, data):
        pack = self.packs[pack_id] = Pack(data, pack_id, self.target_id, self.ring)
        for part in pack.parts:
            self.places.setdefault(part.id, []).append((pack, part))

    @classmethod
    def open(cls, path, target_id, ring=None):
        store = cls(target_id, ring=ring)
        for entry in sorted(path.glob("packs/??/*.pack")):
            if re.fullmatch(r"[0-9a-f]{32}", entry.stem) and entry.parent.name == entry.stem[:2]:
                store.add(bytes.fromhex(entry.stem), entry.read_bytes())
        return store

    def read(self, id, depth=0, in_base64=False):
        """The content of that id, checked, from the first place where it is sound."""
        problem = Damaged(f"no pack holds {id.hex()}")
        for pack, part in self.places.get(id, []):
            try:
                data = self._part(pack.read(part), part.kind, depth, in_base64)
                is_whole = id_of(self.ring, hashlib.sha256(data).digest()) == id
                require(is_whole, f"content {id.hex()} is damaged")
                return data
            except (Damaged, Unsupported) as error:
                problem = error
        raise problem

    def _part(self, data, kind, depth, in_base64):
        if kind == 0:
            return data
        if kind != 1:
            raise Unsupported(f"a part of kind {kind}")
        require(depth < 4, "recipes are nested too deep")
        cursor = Cursor(data)
        size, out = cursor.varint(), b""
        while cursor:
            out += self._segment(cursor, depth, in_base64)
        require(len(out) == size, "a recipe yields another length")
        return out

    def _segment(self, cursor, depth, in_base64):
        operation = cursor.u8()
        if operation == 2:
            return cursor.take(cursor.varint())
        if operation not in (1, 3):
            raise Unsupported(f"operation {operation} of a recipe")
        require(operation == 1 or not in_base64, "base64 of base64")
        id, length = cursor.take(32), cursor.varint()
        piece = self.read(id, depth + 1, in_base64 or operation == 3)
        require(len(piece) == length, "a piece of a recipe has another length")
        return piece if operation == 1 else _base64_lines(piece, cursor.varint(), cursor.u8())


def _base64_lines(data, width, flags):
    require(16 <= width <= 996 and width % 4 == 0 and flags < 4, "lines of base64 that cannot be")
    characters = base64.b64encode(data)
    lines = [characters[at : at + width] for at in range(0, len(characters), width)]
    ending = b"\r\n" if flags & 1 else b"\n"
    return ending.join(lines) + (ending if flags & 2 else b"")


# --- Backup target: snapshots and archived segments (target.md) -------------------------------------------


def _check_header(cursor, name, ring):
    """Version, features and key id."""
    version, features, key = cursor.unpack("HH16s")
    if version != 1 or features:
        raise Unsupported(f"{name} of version {version} with features {features:#x}")
    require(any(key) == (ring is not None), f"{name} is sealed and its target is not, or the other way round")


def read_snapshot(section, target_id, account_id, ring=None, key=""):
    """The operations of a snapshot, checked, and their SHA-256. `key` is that of the object it begins in."""
    cursor = Cursor(section)
    require(cursor.take(8) == b"RSTSNAP1", "not a snapshot")
    _check_header(cursor, "a snapshot", ring)
    require(cursor.take(16) == target_id, "a snapshot of another target")
    require(cursor.counted() == (b"" if ring else account_id), "a snapshot of another account")
    require(crc32c(section[: cursor.at]) == cursor.unpack("I")[0], "header of a snapshot is damaged")
    header = section[: cursor.at]
    header_crc = crc32c(header[:-4])
    blocks = Blocks(ring, SNAPSHOT_KIND, key, METADATA, cursor.take(ENVELOPE if ring else 0))
    operations, sha256 = [], hashlib.sha256()
    for number in range(1 << 32):
        raw_length, stored_length, crc = cursor.unpack("III")
        require(max(raw_length, stored_length) <= 64 << 20, "a frame of more than 64 MiB")
        stored = cursor.take(stored_length)
        place = struct.pack("<QII", number, raw_length, stored_length)
        require(crc32c(stored, crc32c(place, header_crc)) == crc, f"frame {number} of a snapshot is damaged")
        stored = blocks.open(number, raw_length == 0, stored, header + counted(account_id))
        if raw_length == 0:
            break
        raw = decompress(stored, raw_length)
        sha256.update(raw)
        operations += decode_operations(raw)
    end = Cursor(stored)
    require(end.unpack("Q32s") == (len(operations), sha256.digest()), "end frame of a snapshot is wrong")
    require(not end and not cursor, "bytes behind a snapshot")
    check_snapshot_order(operations)
    return operations, sha256.digest()


class ArchivedSegment:
    """A segment in the target: `header` of the raw segment, `records`, `contents` completed in it."""

    def __init__(self, data, target_id, ring=None, key=""):
        self.ring, self.key = ring, key
        cursor = Cursor(data)
        require(cursor.take(8) == b"RSTARCH1", "not an archived segment")
        (length,) = cursor.unpack("I")
        _check_header(cursor, "an archived segment", ring)
        require(cursor.take(16) == target_id, "an archived segment of another target")
        self.header = parse_segment_header(cursor.counted())
        require(crc32c(data[: cursor.at]) == cursor.unpack("I")[0], "header of an archived segment is damaged")
        require(cursor.at == length, "length of the header is wrong")
        self._header_crc = crc32c(data[: length - 4])
        envelope = cursor.take(ENVELOPE if ring else 0)
        self._blocks = Blocks(ring, SEGMENT_KIND, key, METADATA, envelope)
        self._head = data[:length] + envelope
        index = self._read_index(data)
        self._read_records(data, index)

    def _crc(self, number, stored):
        return crc32c(stored, crc32c(struct.pack("<Q", number), self._header_crc))

    def _read_index(self, data):
        footer = Cursor(data, len(data) - 28)
        at, raw_length, crc, footer_crc, magic = footer.unpack("QIII8s")
        require(magic == b"RSTAREND", "an archived segment is cut off")
        require(crc32c(data[-28:-12], self._header_crc) == footer_crc, "footer of an archived segment is damaged")
        end = len(data) - 28
        if self.ring:
            end = self._read_vouch(data, at)
        stored = data[at:end]
        require(self._crc(2**64 - 1, stored) == crc, "index of an archived segment is damaged")
        self._frames_end = at
        return Cursor(decompress(self._blocks.open(2**64 - 1, True, stored), raw_length))

    def _read_vouch(self, data, index_at):
        """What its writer says of it; where its index ends."""
        at = len(data) - 28 - 116
        require(at >= index_at, "nobody vouches for an archived segment")
        self.vouched_lsn, self.vouched_records, ids_length = struct.unpack_from("<Q32sQ", data, at)
        digest = hashlib.sha256(self._head + data[index_at : at + 48]).digest()
        signer = self.ring.verify(SEGMENT_KIND, self.key, digest, data[at + 48 : at + 116])
        require(signer.server in (bytes(16), self.header.server), "an archived segment in another server's name")
        require(ids_length <= at - index_at, "the ids of an archived segment lie outside of it")
        ids = self.ring.open_whole(REFERENCES_KIND, self.key, REFERENCES, data[at - ids_length : at])
        self.vouched_ids = [ids[i : i + 32] for i in range(0, len(ids), 32)]
        return at - ids_length

    def _check_vouch(self, sha256):
        require(self.vouched_lsn == self.last_lsn_or_none, "an archived segment ends elsewhere")
        require(self.ring.content_id(sha256) == self.vouched_records, "an archived segment has other records")
        named = {digest for digest, _, _ in self.contents}
        for transaction_record in self.records:
            named |= {content.digest for content in contents_in(transaction_record)}
        ids = sorted(self.ring.content_id(digest) for digest in named)
        require(ids == self.vouched_ids, "the ids of an archived segment are not what its records name")

    def _read_records(self, data, index):
        self.last_lsn = index.varint()
        first_time, last_time = index.unpack("qq")
        self.raw_bytes, count = index.varint(), index.varint()
        sha256 = index.take(32)
        frames = [tuple(index.varint() for _ in range(5)) for _ in range(index.varint())]
        accounts = {}
        for _ in range(index.varint()):
            id, numbers, number = index.counted(), [], 0
            for _ in range(index.varint()):
                number += index.varint()
                numbers.append(number)
            accounts[id] = numbers
        contents = [(index.take(32), index.varint(), index.varint()) for _ in range(index.varint())]
        held = [(index.varint(), index.varint(), *index.unpack("qq")) for _ in range(index.varint())]
        require(not index, "bytes behind the index of an archived segment")

        self.records, digest, found_accounts = [], hashlib.sha256(), {}
        at = self._frames_end if not frames else frames[0][0]
        require(at == len(self._head) or not frames, "bytes in front of the frames of an archived segment")
        for number, (offset, stored_length, raw_length, first_lsn, last_lsn) in enumerate(frames):
            require(offset == at, f"frame {number} of an archived segment lies elsewhere")
            cursor = Cursor(data, offset, offset + stored_length)
            (crc,) = cursor.unpack("I")
            stored = cursor.take(stored_length - 4)
            require(self._crc(number, stored) == crc, f"frame {number} of an archived segment is damaged")
            raw = decompress(self._blocks.open(number, False, stored), raw_length)
            digest.update(raw)
            cursor, before = Cursor(raw), len(self.records)
            while cursor:
                place, record_bytes = cursor.varint(), cursor.counted()
                record = parse_archived_record(record_bytes, place, self.header)
                self.records.append(record)
                found_accounts.setdefault(record.account_id, {})[number] = True
            lsns = [record.lsn for record in self.records[before:]]
            same = lsns and (lsns[0], lsns[-1]) == (first_lsn, last_lsn)
            require(same, f"frame {number} of an archived segment has other LSNs")
            at = offset + stored_length
        require(not frames or at == self._frames_end, "bytes between frames and index of an archived segment")
        require(digest.digest() == sha256, "SHA-256 of an archived segment differs")
        require(len(self.records) == count, "an archived segment has another number of records")
        found_accounts = {id: list(numbers) for id, numbers in found_accounts.items()}
        require(accounts == found_accounts, "an archived segment has another list of accounts")
        lsns = [record.lsn for record in self.records]
        require(lsns == sorted(set(lsns)), "records are out of order")
        if self.records:
            require(self.records[-1].lsn == self.last_lsn, "another last LSN")
            times = (self.records[0].commit_time, self.records[-1].commit_time)
            require(times == (first_time, last_time), "other commit times")
        pieces = [(r.piece(), r.lsn) for r in self.records if r.kind == CONTENT]
        self.contents = [(piece.digest, piece.size, lsn) for piece, lsn in pieces if piece.is_last]
        require(sorted(contents) == sorted(self.contents), "another list of contents")
        require(held == held_runs(self.records), "another list of stretches in which the clock was held")
        if self.ring:
            self.last_lsn_or_none = self.records[-1].lsn if self.records else self.header.first_lsn - 1
            self._check_vouch(sha256)


def parse_archived_record(data, place, header):
    """A record as in the raw segment at `place`; content pieces are stubs."""
    record, intact = parse_record(_At(data, place), place, place + len(data), header)
    require(record is not None and intact, f"an archived record at {place} is damaged")
    require(padded(record.length) == len(data), f"an archived record at {place} has another length")
    require(record.kind != CONTENT or record.stub, f"LSN {record.lsn}: archived content is no stub")
    return record


class _At:
    """Bytes that are addressed as if they lay at `place`."""

    def __init__(self, data, place):
        self.data, self.place = data, place

    def __getitem__(self, key):
        return self.data[key.start - self.place : key.stop - self.place]


# --- Backup target (target.md) ----------------------------------------------------------------------------


class SessionAccount:
    def __init__(self, element):
        self.id = xml_text(element, "id")
        self.address = xml_text(element, "address")
        self.error = xml_text(element, "error")
        self.status = element.get("status")
        self.full = element.get("full") == "true"
        self.deleted = element.get("deleted") == "true"
        numbers = ("snapshot-at", "redo-start", "consistent-at", "messages", "bytes", "fields")
        (self.snapshot_at, self.redo_start, self.consistent_at, self.messages, self.bytes, self.fields) = (
            int(element.get(name)) for name in numbers
        )
        digest = element.find("digest")
        self.digest = dict(digest.attrib) if digest is not None else None
        self.snapshot = element.find("snapshot")
        self.mailbox = None


class Session:
    """A published session; the snapshots are read and compared with the digests."""

    def __init__(self, target, path):
        root = read_xml(path / "session.xml")
        self.path, self.ring = path, target.ring
        open_texts(root, self.ring, SESSION_KIND, f"sessions/{path.name}/session.xml")
        if self.ring:
            target.check_vouched(path, bytes.fromhex(root.get("server")))
            for element in root.findall("account"):
                name = self.ring.content_id(hashlib.sha256(b"restante account 1" + xml_text(element, "id")).digest())
                require(element.get("ref") == "sealed:" + name.hex()[:32], f"{path.name}: ref of an account")
        self.label, self.type, self.status = root.get("label"), root.get("type"), root.get("status")
        ids = ("server", "log", "incarnation")
        self.server, self.log, self.incarnation = (bytes.fromhex(root.get(name)) for name in ids)
        numbers = ("position", "began", "ended", "first-sequence", "last-sequence", "bytes-read", "bytes-stored")
        for name in numbers:
            setattr(self, name.replace("-", "_"), int(root.get(name)))
        self.server_name, self.error = xml_text(root, "server-name"), xml_text(root, "error")
        require(self.label == path.name, f"{path.name}: its label is {self.label}")
        ids = (path / "content.ids").read_bytes()
        digest = hashlib.sha256(ids).hexdigest()
        require(digest == root.get("contents-sha256"), f"{self.label}: content.ids is damaged")
        if self.ring:
            ids = self.ring.open_whole(REFERENCES_KIND, f"sessions/{self.label}/content.ids", REFERENCES, ids)
        self.content_ids = [ids[at : at + 32] for at in range(0, len(ids), 32)]
        require(len(self.content_ids) == int(root.get("contents")), f"{self.label}: another number of contents")
        require(self.content_ids == sorted(set(self.content_ids)), f"{self.label}: content.ids is out of order")
        self.accounts = [SessionAccount(element) for element in root.findall("account")]
        order = [account.id for account in self.accounts]
        require(order == sorted(set(order)), f"{self.label}: accounts are out of order")
        self.server_data = None
        data = root.find("server-data/snapshot")
        if data is not None:
            self.server_data = self._read_snapshot(target, b"\1server", data)
        named = set()
        for account in self.accounts:
            if account.full:
                self._read_full(target, account)
                named |= {content.digest for content in contents_of(account.mailbox)}
        if self.server_data is not None:
            named |= {content.digest for content in contents_of(self.server_data)}
        named = {id_of(self.ring, digest) for digest in named}
        require(named == set(self.content_ids), f"{self.label}: content.ids is not what the snapshots name")

    def _read_snapshot(self, target, account_id, element):
        section = b""
        for part in element.findall("part"):
            at, length = int(part.get("offset")), int(part.get("length"))
            data = (self.path / part.get("object")).read_bytes()[at : at + length]
            require(len(data) == length, f"{self.label}: a part of a snapshot is cut off")
            section += data
        key = f"sessions/{self.label}/{element.find('part').get('object')}"
        operations, digest = read_snapshot(section, target.id, account_id, self.ring, key)
        require(len(operations) == int(element.get("operations")), f"{self.label}: another number of operations")
        require(digest.hex() == element.get("sha256"), f"{self.label}: another snapshot than the session names")
        mailbox = Mailbox()
        for operation in operations:
            mailbox.apply(operation)
        return mailbox

    def _read_full(self, target, account):
        name = f"{self.label}: {account.id!r}"
        account.mailbox = self._read_snapshot(target, account.id, account.snapshot)
        digest = state_digest(account.mailbox, target.digest_key, account.fields)
        require(digest == account.digest, f"{name}: its state digest is {digest}, not {account.digest}")
        require(len(account.mailbox.messages) == account.messages, f"{name}: another number of messages")


def contents_in(record):
    """Every content that the operations of a record name."""
    if record.kind not in (BEGIN, APPEND):
        return []
    bodies = [operation.body for operation in record.begun()[1] if operation.kind in KINDS]
    elements = [e for body in bodies for e in (body.messages if body.type == "MessagePut" else [body])]
    contents = [getattr(element, "content", None) for element in elements]
    return [content for content in contents if content is not None]


def contents_of(mailbox):
    """Every content that messages and items name."""
    elements = [*mailbox.messages, *mailbox.items.values()]
    return [element.content for element in elements if element.content is not None]


class Target:
    """A whole target: `sessions` by label, `segments` (archived) by log.incarnation and sequence."""

    def __init__(self, path, ring=None):
        self.path, self.ring = pathlib.Path(path), ring
        about = read_target_json(self.path / "target.json")
        self.id = bytes.fromhex(about["id"])
        if ring is None and about["key"] is not None:
            raise Unsupported("the target is encrypted: a ring is needed")
        if ring is not None:
            require(about["key"] == ring.ledger.authority.hex(), "target.json names another authority")
            self.chains = {h.number: ring.read_chain(self.path, h.number) for h in ring.ledger.holders
                           if (self.path / f"chains/{h.number:08}").exists()}
        self.digest_key = ring.secrets[3, 0] if ring else bytes.fromhex(about["digest_key"])
        self.sessions = {}
        for directory in sorted((self.path / "sessions").glob("*"), key=lambda p: p.name.partition("-")[2]):
            if (directory / "session.xml").exists():
                self.sessions[directory.name] = Session(self, directory)
        self._check_accounts_xml()
        self.segments = {}
        for directory in sorted((self.path / "redologs").glob("*")):
            log, incarnation = (bytes.fromhex(part) for part in directory.name.split("."))
            self.segments[log, incarnation] = self._read_archive(directory, log, incarnation)
        self.store = ContentStore.open(self.path / "content", self.id, ring)

    def check_vouched(self, directory, server):
        """That a link of somebody who may write names this session.xml."""
        digest = hashlib.sha256((directory / "session.xml").read_bytes()).digest()
        for number, links in self.chains.items():
            holder = self.ring.ledger.find(number)
            for link, (_, label, session) in enumerate(links, 1):
                if (label, session) == (directory.name.encode(), digest):
                    require(not holder.removed or link <= holder.removed[0], f"{directory.name}: not trusted so far")
                    require(holder.server in (bytes(16), server), f"{directory.name}: in another server's name")
                    return
        raise Damaged(f"{directory.name}: no server made this session.xml")

    def read_content(self, id):
        """The bytes of a content, checked; by its id in the target, `id_of`."""
        return self.store.read(id)

    def named_contents(self):
        """Ids of every content that a session or an archived segment names."""
        named = {id for session in self.sessions.values() for id in session.content_ids}
        for segments in self.segments.values():
            named |= {id_of(self.ring, c[0]) for segment in segments.values() for c in segment.contents}
        return named

    def _check_accounts_xml(self):
        newest = {}
        for session in self.sessions.values():
            for account in session.accounts:
                newest.setdefault(account.id, ("", 0))
                if account.full:
                    newest[account.id] = (session.label, account.consistent_at)
        if not (self.path / "accounts.xml").exists():
            return
        root = read_xml(self.path / "accounts.xml")
        open_texts(root, self.ring, ACCOUNTS_KIND, "accounts.xml")
        for element in root.findall("account"):
            found = (element.get("full-label"), int(element.get("consistent-at")))
            id = xml_text(element, "id")
            require(newest.pop(id, None) == found, f"accounts.xml: {id!r} has {found}")
        require(not newest, f"accounts.xml lacks {sorted(newest)}")

    def _read_archive(self, directory, log, incarnation):
        segments = {}
        for path in sorted(directory.iterdir()):
            match = SEGMENT_NAME.fullmatch(path.name)
            if not match:
                continue
            key = f"redologs/{directory.name}/{path.name}"
            segment = ArchivedSegment(path.read_bytes(), self.id, self.ring, key)
            header = segment.header
            require((header.log, header.incarnation) == (log, incarnation), f"{path.name} is of another log")
            require(header.sequence == int(match[1]), f"{path.name} is segment {header.sequence}")
            before = segments.get(header.sequence - 1)
            if before is not None and before.records:
                crc = before.records[-1].head_crc
                require(header.first_lsn == before.last_lsn + 1, f"{path.name} does not follow the one before")
                stub = before.records[-1].stub
                require(stub or header.previous_last_crc == crc, f"{path.name} does not follow the one before")
            segments[header.sequence] = segment
        return segments

    def newest_full(self, account_id):
        """(session, account) of the newest full of an account."""
        for session in reversed(self.sessions.values()):
            for account in session.accounts:
                if account.id == account_id and account.full:
                    return session, account
        raise KeyError(account_id)

    def account_at_end(self, account_id, log=None):
        """The mailbox at the end of what is archived, and of `log`, a RedoLog, if it goes on from there.

        Incarnations that continue the one of the full are not followed.
        """
        session, account = self.newest_full(account_id)
        records = []
        segments = self.segments.get((session.log, session.incarnation), {})
        for _, segment in sorted(segments.items()):
            records += segment.records
        if log is not None and (log.log, log.incarnation) == (session.log, session.incarnation):
            last = max(segments, default=0)
            live = [s for s in log.segments if s.header.sequence > last]
            require(not live or live[0].header.sequence == last + 1, "segments are missing between target and log")
            for segment in live:
                records += segment.records
        mailbox = session._read_snapshot(self, account_id, account.snapshot)
        for transaction in join_transactions(records)[0]:
            if transaction.account_id == account_id and transaction.commit_lsn > account.consistent_at:
                for operation in transaction.operations:
                    mailbox.apply(operation)
        return mailbox


# --- Command line -----------------------------------------------------------------------------------------


def show(text):
    return text.decode("utf-8", "backslashreplace")


def show_target(path):
    """Everything that can be read is; what is wrong as a list."""
    target = Target(path)
    print(f"target {target.id.hex()}")
    for session in target.sessions.values():
        print(f"{session.label}: {session.status}, {len(session.accounts)} accounts, position {session.position}")
        for account in session.accounts:
            if account.full:
                mailbox = account.mailbox
                print(
                    f"  {show(account.id)}: {len(mailbox.folders)} folders, {len(mailbox.messages)} messages, "
                    f"{len(mailbox.items)} items, at {account.consistent_at}"
                )
            else:
                print(f"  {show(account.id)}: {account.status}{', deleted' if account.deleted else ''}")
    for (log, incarnation), segments in target.segments.items():
        records = sum(len(segment.records) for segment in segments.values())
        print(f"log {log.hex()} incarnation {incarnation.hex()}: {len(segments)} segments, {records} records")
    faults = []
    for pack in target.store.packs.values():
        pack.check()
        faults += [f"pack {pack.id.hex()}: {fault}" for fault in pack.faults]
    named = target.named_contents()
    for id in sorted(named):
        try:
            target.read_content(id)
        except (Damaged, Unsupported) as error:
            faults.append(f"content {id.hex()}: {error}")
    print(f"{len(target.store.packs)} packs, {len(named)} contents that are named")
    return faults


def show_log(path):
    log = RedoLog(path)
    print(f"log {log.log.hex()} incarnation {log.incarnation.hex()} of server {log.server.hex()}")
    for record in log.records:
        place = f"{record.sequence:>5}+{record.offset:<9}"
        print(f"{record.lsn:>8} {place} {record.kind_name:<12} {show(record.account_id)}")
    print(
        f"{len(log.segments)} segments, {len(log.records)} records, "
        f"{len(log.transactions)} transactions, {len(log.open)} open"
    )
    faults = log.faults + [str(damage) for damage in log.damages]
    for place in log.contents().values():
        try:
            log.read_content(place)
        except Damaged as error:
            faults.append(f"content {place.digest.hex()}: {error}")
    return faults


def main(arguments):
    commands = {"target": show_target, "log": show_log}
    if len(arguments) != 2 or arguments[0] not in commands:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    try:
        faults = commands[arguments[0]](arguments[1])
    except (Damaged, Unsupported, OSError) as error:
        faults = [f"{type(error).__name__}: {error}"]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

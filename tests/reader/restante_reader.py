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
    return b"".join(varint(tag * 2 + required) + counted(value) for tag, required, value in fields + [*record.unknown])


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
    1: "begin", 2: "commit", 3: "abort", 4: "append", 5: "content", 6: "touch", 7: "mark", 8: "clock step",
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
        sequence, offset, count, _ = cursor.unpack("QQII")
        assigned = []
        for _ in range(count if self.kind == COMMIT else 0):
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

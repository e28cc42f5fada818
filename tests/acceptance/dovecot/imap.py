"""A small IMAP client that says and understands what the tests need, extensions included (RFC 9051, 7162).

    client = Client(port, "alice@example.com")
    client.select("INBOX")
    client.command("UID STORE 1:* +FLAGS.SILENT (\\\\Seen)")
    client.fetch("1:*", "FLAGS")        # {uid: {"FLAGS": [...]}}

Answers are read into lists: atoms and numbers as str, strings and literals as bytes, lists as list, NIL as None.
"""

import base64
import re
import socket
import threading

from server import PASSWORD

TOKEN = re.compile(
    rb'(?P<space> +)|(?P<open>\()|(?P<close>\))|"(?P<string>(?:[^"\\]|\\.)*)"'
    rb"|\{(?P<literal>\d+)\}|(?P<atom>(?:[^ ()\[{\"]|\[[^]]*\])+)"
)


class Refused(Exception):
    """The server answered NO or BAD."""


class Closed(Exception):
    """The server closed the connection, after these lines."""


def mailbox_name(name):
    """A folder's name as an argument: quoted modified UTF-7 (RFC 3501 §5.1.3)."""
    escaped = name.replace("&", "&-").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[^ -~]+", lambda part: shifted(part[0]), escaped) + '"'


def shifted(text):
    encoded = base64.b64encode(text.encode("utf-16-be")).decode()
    return "&" + encoded.rstrip("=").replace("/", ",") + "-"


class Client:
    def __init__(self, port, user):
        self.user = user
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")
        self.serial = 0
        self.codes = {}
        self.untagged = []
        self._line()
        self.command(f'LOGIN "{user}" "{PASSWORD}"')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Logs out if the server is still there, so that no process of it has the mailbox open afterwards."""
        try:
            self.command("LOGOUT")
            while self.file.read(4096):
                pass
        except (OSError, Closed, Refused):
            pass
        self.file.close()
        self.socket.close()

    # --- commands ------------------------------------------------------------------------------------

    def command(self, text, literal=None):
        """Sends a command and gives its untagged answers, each a list; `codes` has the response codes."""
        tag = self.send(text, literal)
        return self.answer(tag)

    def send(self, text, literal=None):
        self.serial += 1
        tag = f"a{self.serial}"
        out = f"{tag} {text}".encode()
        if literal is not None:
            out += b" {%d+}\r\n" % len(literal) + literal
        self.socket.sendall(out + b"\r\n")
        return tag

    def answer(self, tag):
        self.codes, self.untagged = {}, []
        while True:
            words = self._read()
            if words[0] == tag:
                self._note(words[1:])
                if words[1] != "OK":
                    raise Refused(" ".join(map(str, words[1:])))
                return self.untagged
            self._note(words[1:])
            self.untagged.append(words[1:])

    def _note(self, words):
        """A response code: [UIDVALIDITY 7] becomes codes["UIDVALIDITY"] = "7"."""
        if len(words) > 1 and words[0] in ("OK", "NO", "BAD") and str(words[1]).startswith("["):
            name, _, value = words[1][1:-1].partition(" ")
            self.codes[name] = value

    def idle(self):
        """Begins IDLE; `idle_until` reads what the server pushes, `done` ends it."""
        tag = self.send("IDLE")
        self._line()
        return tag

    def idle_until(self, condition, seconds=30):
        """Answers that came until `condition(answers)` holds."""
        came = []
        self.socket.settimeout(seconds)
        while not condition(came):
            came.append(self._read()[1:])
        self.socket.settimeout(60)
        return came

    def done(self, tag):
        self.socket.sendall(b"DONE\r\n")
        return self.answer(tag)

    # --- what the tests ask --------------------------------------------------------------------------

    def select(self, folder, parameters=""):
        return self.command(f"SELECT {mailbox_name(folder)}{' ' + parameters if parameters else ''}")

    def examine(self, folder):
        return self.command(f"EXAMINE {mailbox_name(folder)}")

    def append(self, folder, message, flags=(), date=None):
        words = f"APPEND {mailbox_name(folder)} ({' '.join(flags)})"
        return self.command(words + (f' "{date}"' if date else ""), literal=message)

    def fetch(self, uids, what):
        """{uid: {name: value}} of UID FETCH."""
        return fetched(self.command(f"UID FETCH {uids} ({what})"))

    def uids(self, criterion="ALL"):
        """UIDs of a UID SEARCH, ascending."""
        for answer in self.command(f"UID SEARCH {criterion}"):
            if answer[0] == "SEARCH":
                return sorted(int(uid) for uid in answer[1:] if isinstance(uid, str))
        return []

    # --- reading -------------------------------------------------------------------------------------

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Closed(line)
        return line[:-2]

    def _read(self):
        """One response, literals included, as a list of its words."""
        stack = [[]]
        line = self._line()
        at = 0
        while at < len(line):
            token = TOKEN.match(line, at)
            if token is None:
                raise AssertionError(f"not understood: {line[at:]!r}")
            at = token.end()
            kind = token.lastgroup
            if kind == "open":
                stack.append([])
            elif kind == "close":
                done = stack.pop()
                stack[-1].append(done)
            elif kind == "string":
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", token["string"]))
            elif kind == "literal":
                stack[-1].append(self.file.read(int(token["literal"])))
                line, at = self._line(), 0
            elif kind == "atom":
                atom = token["atom"].decode()
                stack[-1].append(None if atom == "NIL" else atom)
            # Behind a status comes text for people, which need not be well-formed.
            words = stack[0]
            if len(stack) == 1 and len(words) > 1 and words[1] in ("OK", "NO", "BAD", "BYE"):
                code = re.match(rb" (\[[^]]*\])", line[at:])
                words += [code[1].decode()] if code else []
                words.append(line[at + (code.end() if code else 0) :].decode(errors="replace"))
                break
        return stack[0]


def fetched(answers):
    """The FETCH answers among others as {uid: {name: value}}; those without a UID are left out."""
    out = {}
    for answer in answers:
        if len(answer) == 3 and answer[1] == "FETCH":
            fields = dict(zip(answer[2][::2], answer[2][1::2]))
            if "UID" in fields:
                out.setdefault(int(fields["UID"]), {}).update(fields)
    return out


def uid_set(text):
    """The numbers of "1,4:6"."""
    out = set()
    for part in text.split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        out.update(range(low, high + 1))
    return out

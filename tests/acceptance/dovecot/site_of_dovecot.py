"""A mail server with a backup: a running Dovecot, and restante configured for its store.

What a test may note of an account is what IMAP and doveadm show of it: see `notes`.
"""

import datetime
import hashlib
import shutil
import time

from imap import Client, Refused
from server import Dovecot
from support import Site

DOMAIN = "example.com"


class DovecotSite(Site):
    def __init__(self):
        super().__init__()
        self.path.chmod(0o755)
        self.server = Dovecot(self.path)
        self.server.start()

    def evidence(self):
        return "\n".join(["the server's log ends:", *self.server.log().splitlines()[-30:]])

    def remove(self):
        self.server.stop()
        super().remove()

    def write_config(self, text=None):
        super().write_config(text)
        lines = self.config.read_text().splitlines()
        lines = [f'path = "{self.mail}/%d/%n/Maildir"' if l == f'path = "{self.mail}"' else l for l in lines]
        self.config.write_text("\n".join(line for line in lines if not line.startswith("domain")) + "\n")

    # --- the mail ------------------------------------------------------------------------------------

    def maildir(self, user):
        return self.mail / DOMAIN / user / "Maildir"

    def client(self, user):
        return Client(self.server.imap_port, address(user))

    def message(self, subject, body="Hello.", to="someone"):
        """A message as a mail transfer agent hands it over."""
        self._serial += 1
        return (
            f"From: sender@example.net\r\nTo: {to}@example.com\r\nSubject: {subject}\r\n"
            f"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{self._serial}@example.net>\r\n\r\n{body}\r\n"
        ).encode()

    def deliver(self, users, subject, body="Hello."):
        """Over LMTP, in one transaction."""
        self.server.deliver([address(user) for user in users], self.message(subject, body))

    # --- the log -------------------------------------------------------------------------------------

    def log_changes(self):
        """Returns when everything that happened to the store is in the redo log."""
        self.run("scan", code=0)

    def end_of_log(self):
        return self.json("redo", "stat")["end"]

    # --- disaster ------------------------------------------------------------------------------------

    def wipe(self):
        """Every mailbox is gone, whole."""
        for account in self.mail.iterdir():
            shutil.rmtree(account)


def address(user):
    return f"{user}@{DOMAIN}"


def moment():
    """This instant as restante reads times; what happens next has a later one."""
    time.sleep(0.005)
    text = datetime.datetime.now(datetime.timezone.utc).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3] + "Z"
    time.sleep(0.005)
    return text


# --- what a server shows of an account ---------------------------------------------------------------------


def notes(site, user):
    """Everything that IMAP and doveadm show, but what a Maildir cannot hold."""
    with site.client(user) as client:
        names = [text_of(answer[3]) for answer in client.command('LIST "" "*"')]
        folders = {name: folder_notes(client, name) for name in names}
        subscribed = sorted(text_of(answer[3]) for answer in client.command('LSUB "" "*"'))
    return {"folders": folders, "subscribed": subscribed, "doveadm": doveadm_notes(site.server, user)}


def folder_notes(client, name):
    try:
        client.command(f'EXAMINE "{name}"')
    except Refused as refused:
        # A parent that is no folder itself; LIST may call it \\Noselect a while later only.
        if "doesn't exist" not in str(refused):
            raise
        return {"selectable": False}
    out = {"uidvalidity": client.codes["UIDVALIDITY"], "uidnext": client.codes["UIDNEXT"], "messages": {}}
    if not client.uids():
        return out
    for uid, message in client.fetch("1:*", "FLAGS INTERNALDATE X-GUID BODY.PEEK[]").items():
        out["messages"][uid] = {
            "flags": sorted(set(message["FLAGS"]) - {"\\Recent"}),
            "date": message["INTERNALDATE"].decode(),
            "guid": text_of(message["X-GUID"]),
            "body": hashlib.sha256(message["BODY[]"]).hexdigest(),
        }
    return out


def doveadm_notes(server, user):
    folders = server.doveadm("mailbox", "status", "-u", address(user), "guid uidvalidity messages vsize", "*")
    fields = "mailbox uid mailbox-guid guid date.received flags"
    lines = server.doveadm("-f", "tab", "fetch", "-u", address(user), fields, "ALL").splitlines()[1:]
    messages = {}
    for folder, uid, *rest, flags in (line.split("\t") for line in lines):
        messages[folder, uid] = [*rest, sorted(set(flags.split()) - {"\\Recent"})]
    return {"folders": sorted(folders.splitlines()), "messages": messages}


def text_of(name):
    """Folder names stay as they are on the wire, in modified UTF-7."""
    return name.decode() if isinstance(name, bytes) else name


def differences(found, expected, where=""):
    """Every place where two notes differ, a line each: a mailbox as a whole is too much to read."""
    if isinstance(found, dict) and isinstance(expected, dict):
        lines = []
        for key in sorted({*found, *expected}, key=str):
            if key not in found or key not in expected:
                lines.append(f"{where}/{key}: {'missing' if key not in found else 'should not be there'}")
            else:
                lines += differences(found[key], expected[key], f"{where}/{key}")
        return lines
    return [] if found == expected else [f"{where}: {found!r} instead of {expected!r}"]


def same(found, expected, context=""):
    lines = differences(found, expected)
    if lines:
        raise AssertionError("\n".join([context, *lines[:40]]))

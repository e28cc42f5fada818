"""What clients believe of a mailbox, kept as faithful clients keep it, to be compared with what the server has.

`Cache` is a client that was away: it resynchronizes by QRESYNC (RFC 7162 §3.2.5). `View` is one that stays
connected and is told by the server what happens (RFC 9051 §7.4 and §7.5).
"""

import hashlib

from imap import fetched, uid_set


def flags_of(message):
    return tuple(sorted(set(message["FLAGS"]) - {"\\Recent"}))


def content_of(message):
    return hashlib.sha256(message["BODY[]"]).hexdigest()


def on_the_server(client, folder):
    """uid → (flags, body) as a client finds them that knows nothing of the folder yet."""
    client.command(f'EXAMINE "{folder}"')
    if not client.uids():
        return {}
    return {uid: (flags_of(m), content_of(m)) for uid, m in client.fetch("1:*", "FLAGS BODY.PEEK[]").items()}


class Cache:
    """A folder as a client has it on its disk. A body, once fetched, is never fetched again for its UID."""

    def __init__(self, folder):
        self.folder = folder
        self.forget()

    def forget(self):
        self.uidvalidity = None
        self.modseq = "0"
        self.flags = {}
        self.bodies = {}

    @property
    def messages(self):
        return {uid: (flags, self.bodies[uid]) for uid, flags in self.flags.items()}

    def synchronize(self, client):
        """True if what it had was of use, False if it had to begin anew."""
        client.command("ENABLE QRESYNC")
        known = self.uidvalidity
        parameters = ""
        if known and self.flags:
            parameters = f" (QRESYNC ({known} {self.modseq} 1:{max(self.flags)}))"
        answers = client.command(f'SELECT "{self.folder}"{parameters}')
        codes = dict(client.codes)
        continued = codes["UIDVALIDITY"] == known
        if not continued:
            self.forget()
        self.uidvalidity = codes["UIDVALIDITY"]
        # What changed of the messages it knows came already; now those that it does not know.
        if continued and parameters:
            self._take(answers)
        if client.uids():
            self._take(client.command(f"UID FETCH {max(self.flags, default=0) + 1}:* (FLAGS)"))
        self.modseq = codes["HIGHESTMODSEQ"]
        self._fetch_bodies(client)
        return continued

    def _take(self, answers):
        for answer in answers:
            if answer[0] == "VANISHED":
                for uid in uid_set(answer[-1]):
                    self.flags.pop(uid, None)
                    self.bodies.pop(uid, None)
        for uid, message in fetched(answers).items():
            if "FLAGS" in message:
                self.flags[uid] = flags_of(message)

    def _fetch_bodies(self, client):
        new = sorted(set(self.flags) - set(self.bodies))
        if new:
            answers = client.fetch(",".join(map(str, new)), "BODY.PEEK[]")
            self.bodies.update((uid, content_of(message)) for uid, message in answers.items())


class View:
    """A folder that a connected client has open, by sequence numbers, as the server's answers change it."""

    def __init__(self, client, folder):
        self.client = client
        self.uids = []
        self.flags = {}
        client.command(f'SELECT "{folder}"')
        if client.uids():
            self._learn(client.command("UID FETCH 1:* (FLAGS)"))

    def apply(self, answers):
        """What the server said, in its order; then asks for what is new."""
        exists = self._told(answers)
        known = -1
        while exists > len(self.uids) > known:
            known = len(self.uids)
            answers = self.client.command(f"FETCH {len(self.uids) + 1}:{exists} (UID FLAGS)")
            self._learn(answers)
            exists = max(exists, self._told(answers))

    def _told(self, answers):
        """How many messages there are, after all that the answers say of those that it knows."""
        exists = len(self.uids)
        for answer in answers:
            if answer[-1] == "EXISTS":
                exists = int(answer[0])
            elif answer[-1] == "EXPUNGE":
                self._expunged(int(answer[0]))
                exists -= 1
            elif len(answer) == 3 and answer[1] == "FETCH":
                self._fetched(int(answer[0]), dict(zip(answer[2][::2], answer[2][1::2])))
        return exists

    def poll(self):
        self.apply(self.client.command("NOOP"))

    def _expunged(self, number):
        # One that came and went before this client heard of it.
        if number <= len(self.uids):
            self.flags.pop(self.uids.pop(number - 1))

    def _fetched(self, number, message):
        if number <= len(self.uids) and "FLAGS" in message:
            self.flags[self.uids[number - 1]] = flags_of(message)

    def _learn(self, answers):
        for answer in answers:
            if len(answer) == 3 and answer[1] == "FETCH" and int(answer[0]) == len(self.uids) + 1:
                message = dict(zip(answer[2][::2], answer[2][1::2]))
                self.uids.append(int(message["UID"]))
                self.flags[self.uids[-1]] = flags_of(message)

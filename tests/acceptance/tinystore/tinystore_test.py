"""The two small hosts, examples/cpp/tinystore and examples/c/tinystore: killed at every step and at random moments,
several processes at a time on one store, with SQLite's tail lost. What was acknowledged is there once, what was in
flight is there whole or not at all, and the log says what the store says.

usage: tinystore_test.py TINYSTORE TINYSTORE-C LOG-STATE [NAME]...

RESTANTE_TEST_SEED repeats a run as far as timing lets it; RESTANTE_TEST_LONG=1 goes on for longer.
"""

import hashlib
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

PROGRAMS = {"C++": sys.argv[1], "C": sys.argv[2]}
LOG_STATE = sys.argv[3]
SEED = int(os.environ.get("RESTANTE_TEST_SEED", time.time_ns() % 2**32))
LONG = bool(os.environ.get("RESTANTE_TEST_LONG"))
FLAGS = {"seen": 1, "answered": 2, "flagged": 4, "deleted": 8, "draft": 16}
STEPS = ["put", "written", "begun", "stored", "committed"]
FOLDERS = ["INBOX", "Archive", "Trash"]


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(str, what)))


def equal(found, expected, what=""):
    check(found == expected, f"{what}\n   found {found!r}\nexpected {expected!r}")


def digest(content):
    return hashlib.sha256(content).hexdigest()


# --- A store and the programs on it -----------------------------------------------------------------------


class Row:
    """A line of `list`."""

    def __init__(self, line):
        self.folder, uid, flags, size, self.digest, self.id = line.split(" ")
        self.uid, self.size = int(uid), int(size)
        self.flags = 0 if flags == "-" else sum(FLAGS[name] for name in flags.split(","))

    def key(self):
        return (self.folder, self.uid, self.flags, self.size, self.digest, self.id)


class Site:
    """A store in a scratch directory."""

    def __init__(self, *accounts, language="C++"):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="restante-tinystore-"))
        self.path = self.scratch / "store"
        if accounts:
            server = Server(self, language)
            for account in accounts:
                equal(server.ask("create", account)[1], "ok", f"create {account}")
            equal(server.end(), (0, ""))

    def remove(self):
        if not os.environ.get("RESTANTE_KEEP_SCRATCH"):
            shutil.rmtree(self.scratch, ignore_errors=True)

    def start(self, language, *words, kill=None):
        environment = dict(os.environ)
        environment.pop("TINYSTORE_KILL", None)
        if kill:
            environment["TINYSTORE_KILL"] = kill
        return subprocess.Popen([PROGRAMS[language], str(self.path), *words], env=environment, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, language, *words, content=b"", code=0, kill=None):
        """A command that must end with `code`; what it printed."""
        process = self.start(language, *words, kill=kill)
        out, err = process.communicate(content, timeout=120)
        equal(process.returncode, -signal.SIGKILL if kill else code, f"{language} {words} {err.decode()}")
        return out

    def list(self, language, account):
        return [Row(line) for line in self.run(language, "list", account).decode().splitlines()]

    def deliver(self, language, content, *accounts, **options):
        return self.run(language, "deliver", *accounts, content=content, **options).decode().strip()

    def database(self):
        return sqlite3.connect(self.path / "mail.db")

    def put_back(self, database):
        """The database as it once was, without what SQLite had not moved into it."""
        for suffix in ("-wal", "-shm"):
            (self.path / f"mail.db{suffix}").unlink(missing_ok=True)
        if database is None:
            (self.path / "mail.db").unlink()
        else:
            shutil.copyfile(database, self.path / "mail.db")

    def log(self):
        """What the log says by itself: puts, open transactions, mailboxes."""
        out = subprocess.run([LOG_STATE, str(self.path / "redo")], check=True, capture_output=True, timeout=120)
        puts, still_open, mailboxes = [], [], {}
        for kind, account, *rest in (line.split(" ") for line in out.stdout.decode().splitlines()):
            if kind == "put":
                puts.append((account, rest[0], int(rest[1]), rest[2]))
            elif kind == "open":
                still_open.append((account, rest[0]))
            else:
                row = (rest[0], int(rest[1]), int(rest[2]), int(rest[3]), rest[4], rest[5])
                mailboxes.setdefault(account, []).append(row)
        return puts, still_open, mailboxes

    def equal_to_log(self, account, of_log, of_store, puts):
        """On a difference, what the log knows of those messages: a killed process leaves no other trace."""
        differing = set(of_log) ^ set(of_store)
        ids = {row[-1] for row in differing}
        check(of_log == of_store, f"log and store of {account} differ: only in the log {differing - set(of_store)},",
              f"only in the store {differing - set(of_log)}; put in the log {[put for put in puts if put[3] in ids]},",
              f"last {puts[-5:]}")

    def check_whole(self, *accounts):
        """Both programs, the log and the files tell the same; the rows by account."""
        servers = [Server(self, language) for language in PROGRAMS]
        lists, others = [{account: server.list(account) for account in accounts} for server in servers]
        puts, still_open, mailboxes = self.log()
        for server in servers:
            equal(server.end(), (0, ""))
        equal(still_open, [], "transactions that did not end")
        for account, rows in lists.items():
            keys = sorted(row.key() for row in rows)
            equal(sorted(row.key() for row in others[account]), keys, "what the two programs list")
            self.equal_to_log(account, sorted(mailboxes.get(account, [])), keys, puts)
            for row in rows:
                content = (self.path / "content" / row.digest).read_bytes()
                equal((digest(content), len(content)), (row.digest, row.size), "a message file")
        used = {}
        for account, folder, uid, message in puts:
            check(uid > 0, "a message without UID in the log")
            equal(used.setdefault((account, folder, uid), message), message, f"UID {uid} of {account} {folder}")
        deliveries = [(account, message) for account, folder, uid, message in puts if folder == "INBOX"]
        return lists, deliveries


class Died(Exception):
    """The process that was asked is dead."""


class Server:
    """A process that serves commands."""

    def __init__(self, site, language, kill=None):
        self.process = site.start(language, "serve", kill=kill)

    def send(self, *words, content=None):
        words = [words[0], str(len(content)), *words[1:]] if content is not None else words
        try:
            self.process.stdin.write(" ".join(words).encode() + b"\n" + (content or b""))
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def answer(self):
        """(lines, last line)."""
        lines = []
        while True:
            line = self.process.stdout.readline().decode()
            if not line.endswith("\n"):
                raise Died
            if not line.startswith("* "):
                return lines, line.strip()
            lines.append(line[2:].strip())

    def ask(self, *words, content=None):
        self.send(*words, content=content)
        return self.answer()

    def list(self, account):
        lines, last = self.ask("list", account)
        equal(last, "ok", f"list {account}")
        return [Row(line) for line in lines]

    def kill(self):
        self.process.kill()

    def end(self):
        """Waits for it; its exit code and what it had to say about it."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        error = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.wait(timeout=120), error


# --- Killed at every step ---------------------------------------------------------------------------------

# What is begun before: a message in both mailboxes. Then a change that dies, and what must come of it.
CHANGES = {
    "deliver": ["put", "begun", "stored", "committed"],
    "create": ["begun", "stored", "committed"],
    "flag": ["begun", "stored", "committed"],
    "move": ["begun", "stored", "committed"],
    "expunge": ["begun", "stored", "committed"],
}


def change_that_dies(site, language, change, first, kill):
    if change == "deliver":
        site.deliver(language, b"second\n", "alice", "bob", kill=kill)
    elif change == "create":
        site.run(language, "create", "carol", kill=kill)
    else:
        words = {"flag": ["+seen"], "move": ["Archive"], "expunge": []}[change]
        site.run(language, change, "alice", "INBOX", first, *words, kill=kill)


def expected_after(change, step):
    """alice's (folder, flags, content) once the change is there, or is not."""
    first, second = (digest(b"first\n"), digest(b"second\n"))
    if step == "put" or change == "create":
        return [("INBOX", 0, first)]
    return {
        "deliver": [("INBOX", 0, first), ("INBOX", 0, second)],
        "flag": [("INBOX", 1, first)],
        "move": [("Archive", 0, first)],
        "expunge": [],
    }[change]


def one_step(begun, killed, healer, change, step, count, beside):
    """One change dies at one step; another process, already there or coming after, makes it good."""
    site = Site()
    try:
        shutil.copytree(begun.path, site.path)
        server = Server(site, healer) if beside else None
        if server:
            equal(len(server.list("alice")), 1, "a server that lives beside")
        change_that_dies(site, killed, change, begun.first, f"{step}:{count}")
        # The account is usable at once, by the one who lives or the next who comes.
        server = server or Server(site, healer)
        rows = server.list("alice")
        what = f"{change} of {killed} killed at {step}:{count}, made good by {healer}"
        equal([(row.folder, row.flags, row.digest) for row in rows], expected_after(change, step), what)
        if change == "create":
            check(server.ask("create", "carol")[1].startswith("no there is such an account"), what)
        equal(server.end(), (0, ""))
        lists, deliveries = site.check_whole("alice", "bob")
        equal(len(deliveries), len(set(deliveries)), what)
        equal([row.digest for row in lists["bob"]],
              [digest(b"first\n")] + ([digest(b"second\n")] if change == "deliver" and step != "put" else []), what)
        equal([row.uid for row in lists["bob"]], list(range(1, len(lists["bob"]) + 1)), what)
    finally:
        site.remove()


def begun_site(language):
    site = Site("alice", "bob", language=language)
    site.first = site.deliver(language, b"first\n", "alice", "bob")
    return site


def test_killed_at_every_step():
    begun = begun_site("C")
    pairs = [("C++", "C"), ("C", "C++")] + ([("C", "C"), ("C++", "C++")] if LONG else [])
    for change, steps in CHANGES.items():
        for number, step in enumerate(steps):
            for beside in (False, True):
                for killed, healer in pairs if LONG else [pairs[(number + beside) % 2]]:
                    one_step(begun, killed, healer, change, step, 1, beside)
    begun.remove()


def test_killed_between_recipients():
    begun = begun_site("C++")
    for language in PROGRAMS:
        for step in ("stored", "committed"):
            one_step(begun, language, language, "deliver", step, 2, beside=False)
        for count in (1, 2):
            site = Site("alice", "bob")
            # No begin is known to be on the disk, and nothing is acknowledged: there or not is both right.
            site.deliver(language, b"text\n", "alice", "bob", kill=f"written:{count}")
            lists, _ = site.check_whole("alice", "bob")
            check(len(lists["alice"]) <= 1 and len(lists["bob"]) <= count - 1, lists)
            site.remove()
    begun.remove()


# --- Killed at random -------------------------------------------------------------------------------------


class Message:
    """What a worker knows of a message that it delivered: (folder, flags) by account, None when it is gone."""

    def __init__(self, identity, content_digest, accounts):
        self.id = identity
        self.digest = content_digest
        self.where = {account: ("INBOX", 0) for account in accounts}
        self.accounts = set(accounts)  # that it was delivered to
        self.returned = set()  # to the INBOX, which is a put there as the delivery was


class Worker(threading.Thread):
    """One process after another, each killed at a random moment. Its own messages nobody else changes, so it
    knows what each must be; on those of `shared` all collide."""

    def __init__(self, site, number, languages, shared, until, kills=True):
        super().__init__()
        self.site, self.number, self.languages, self.shared = site, number, languages, shared
        self.rng = random.Random(f"{SEED} {number}")
        self.until, self.kills = until, kills
        self.messages, self.doubt, self.serial = [], None, 0
        self.killed = self.acknowledged = 0
        self.server = self.failure = None

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.life()
        except BaseException:
            self.failure = traceback.format_exc()

    def life(self):
        # Some die by themselves, in the moments that are too short to be hit.
        by_itself = self.kills and self.rng.random() < 0.4
        kill = f"{self.rng.choice(STEPS)}:{self.rng.randint(1, 9)}" if by_itself else None
        self.server = server = Server(self.site, self.rng.choice(self.languages), kill)
        try:
            if self.kills and self.rng.random() < 0.1:
                time.sleep(self.rng.uniform(0, 0.05))  # while it opens the store
                server.kill()
            self.serve(server)
        except Died:
            self.killed += 1
        code, error = server.end()
        check(code in (0, -signal.SIGKILL) and not error, f"worker {self.number}: exit {code}", error)

    def serve(self, server):
        self.compare({account: server.list(account) for account in ("alice", "bob", "carol")})
        for _ in range(self.rng.randint(1, 25)):
            if time.monotonic() > self.until:
                return
            words, content = self.choose()
            server.send(*words, content=content)
            if self.kills and self.rng.random() < 0.1:
                time.sleep(self.rng.expovariate(300))
                server.kill()
            self.note(server.answer()[1])

    # --- What it does -------------------------------------------------------------------------------------

    def choose(self):
        """(words, content), and what becomes of it in `doubt` until there is an answer."""
        own = [(message, account) for message in self.messages for account in message.where if message.where[account]]
        kind = self.rng.choice(["deliver", "deliver", "flag", "move", "expunge", "shared", "shared", "tidy"])
        if kind == "tidy" and self.kills and self.rng.random() < 0.3:
            self.doubt = ("tidy",)
            return ["tidy"], None
        if kind == "shared" and self.shared:
            return self.choose_shared()
        if kind in ("deliver", "tidy", "shared") or not own:
            return self.choose_delivery()
        message, account = self.rng.choice(own)
        folder, flags = message.where[account]
        if kind == "flag":
            name, sign = self.rng.choice(list(FLAGS)), self.rng.choice("+-")
            after = (folder, flags | FLAGS[name] if sign == "+" else flags & ~FLAGS[name])
            words = [sign + name]
        elif kind == "move":
            to = self.rng.choice([name for name in FOLDERS if name != folder])
            after, words = (to, flags), [to]
            if to == "INBOX":
                message.returned.add(account)
        else:
            after, words = None, []
        self.doubt = ("change", message, account, after)
        return [kind, account, folder, message.id, *words], None

    def choose_delivery(self):
        self.serial += 1
        size = self.rng.choice([0, 10, 1000, 40_000])
        content = f"Subject: {self.number}-{self.serial}\r\n\r\n".encode() + self.rng.randbytes(size)
        accounts = self.rng.sample(["alice", "bob", "carol"], self.rng.randint(1, 3))
        self.doubt = ("deliver", digest(content), accounts)
        return ["deliver", *accounts], content

    def choose_shared(self):
        self.doubt = ("shared",)
        message, folder = self.rng.choice(self.shared), self.rng.choice(FOLDERS)
        if self.rng.random() < 0.5:
            return ["flag", "shared", folder, message, self.rng.choice("+-") + self.rng.choice(list(FLAGS))], None
        return ["move", "shared", folder, message, self.rng.choice(FOLDERS)], None

    # --- What came of it ----------------------------------------------------------------------------------

    def note(self, last):
        """The answer was `last`."""
        kind, *rest = self.doubt
        if kind == "shared":
            allowed = ("no there is no such message", "no the message was changed meanwhile",
                       "no the folder has that message")
            check(last == "ok" or last.startswith(allowed), last)
        else:
            check(last.split(" ")[0] == "ok", f"{self.doubt}: {last}")
        if kind == "deliver":
            self.messages.append(Message(last.split(" ")[1], *rest))
        elif kind == "change":
            message, account, after = rest
            message.where[account] = after
        self.acknowledged += 1
        self.doubt = None

    def compare(self, lists):
        """Everything acknowledged is as it should be, once; what is in doubt is there whole or not at all."""
        kind, *rest = self.doubt or ("nothing",)
        if kind == "deliver":
            content_digest, accounts = rest
            found = {row.id for account in accounts for row in lists[account] if row.digest == content_digest}
            check(len(found) <= 1, "one delivery, several messages")
            if found:
                self.messages.append(Message(found.pop(), content_digest, accounts))
                for account in accounts:  # each recipient's transaction is its own
                    if not any(row.digest == content_digest for row in lists[account]):
                        self.messages[-1].where[account] = None
                        self.messages[-1].accounts.discard(account)
        for message in self.messages:
            for account, expected in message.where.items():
                rows = [row for row in lists[account] if row.id == message.id or row.digest == message.digest]
                states = [(row.folder, row.flags) for row in rows]
                if kind == "change" and rest[:2] == [message, account] and states == ([rest[2]] if rest[2] else []):
                    message.where[account] = rest[2]
                    continue
                equal(states, [expected] if expected else [], f"worker {self.number}: {message.id} of {account}")
        self.doubt = None


def play(site, seconds, count, languages, shared, kills=True, first=0):
    until = time.monotonic() + seconds
    workers = [Worker(site, first + number, languages, shared, until, kills) for number in range(count)]
    pauses = random.Random(SEED)
    for worker in workers:
        worker.start()
    while kills and time.monotonic() < until:
        # Now and then nobody is left alive.
        time.sleep(pauses.uniform(0.2, 1))
        for worker in workers:
            if worker.server:
                worker.server.kill()
    for worker in workers:
        worker.join()
    failures = [worker.failure for worker in workers if worker.failure]
    check(not failures, "\n".join(failures))
    print(f"{languages}: {sum(w.acknowledged for w in workers)} acknowledged, {sum(w.killed for w in workers)} killed")
    check(sum(worker.acknowledged for worker in workers) > 0, "nothing happened")
    return workers


def check_all(site, workers, shared):
    lists, deliveries = site.check_whole("alice", "bob", "carol", "shared")
    for worker in workers:
        worker.compare(lists)
    equal(sorted(row.id for row in lists["shared"]), sorted(shared), "messages that all worked on")
    for worker in workers:
        for message in worker.messages:
            for account in message.where.keys() - message.returned:
                equal(deliveries.count((account, message.id)), 1 if account in message.accounts else 0, "times in the log")
    check(len(lists["alice"]) + len(lists["bob"]) + len(lists["carol"]) ==
          sum(1 for worker in workers for message in worker.messages for state in message.where.values() if state),
          "messages that nobody delivered")
    return lists


def shared_messages(site):
    return [site.deliver("C", f"shared {number}\n".encode(), "shared") for number in range(4)]


def killed_at_random(languages):
    site = Site("alice", "bob", "carol", "shared")
    try:
        shared = shared_messages(site)
        workers = play(site, 60 if LONG else 2.5, 4, languages, shared)
        check_all(site, workers, shared)
    finally:
        site.remove()


def test_killed_at_random_in_cpp():
    killed_at_random(["C++"])


def test_killed_at_random_in_c():
    killed_at_random(["C"])


def test_killed_at_random_both_on_one_store():
    killed_at_random(["C++", "C"])


# --- SQLite's tail is lost --------------------------------------------------------------------------------


def copy_later(site, copies, moments):
    """Copies of the database as it is at some moments."""
    for number, moment in enumerate(moments):
        time.sleep(moment)
        name = site.scratch / f"copy-{number}"
        with sqlite3.connect(name) as copy, site.database() as database:
            database.backup(copy)
        copies.append(name)


def drop_new_files(site, database):
    """Message files that the old database does not know: all that is behind it comes out of the log."""
    with sqlite3.connect(database) as db:
        known = {row[0] for row in db.execute("SELECT digest FROM messages")}
    for file in (site.path / "content").iterdir():
        if file.name not in known:
            file.unlink()


def test_lost_database_tail():
    site = Site("alice", "bob", "carol", "shared")
    try:
        shared, copies = shared_messages(site), []
        seconds = 30 if LONG else 2
        copier = threading.Thread(target=copy_later, args=(site, copies, [seconds / 8, seconds / 4, seconds / 4]))
        copier.start()
        # Nobody tidies: that makes the database durable first, so no power loss takes it further back.
        workers = play(site, seconds, 4, ["C++", "C"], shared, kills=False)
        copier.join()
        equal(len(copies), 3)
        before = {account: [row.key() for row in rows] for account, rows in check_all(site, workers, shared).items()}
        for number, copy in enumerate(copies):
            site.put_back(copy)
            drop_new_files(site, copy)
            language = ["C++", "C"][number % 2]
            site.run(language, "recover", kill="replayed:1")
            done = site.run(language, "recover").decode()
            print("lost tail:", done.strip())
            check(not done.startswith("replayed 0,"), done)
            after = {account: [row.key() for row in rows] for account, rows in
                     check_all(site, workers, shared).items()}
            equal(after, before, "after the replay")
    finally:
        site.remove()


def test_lost_database_tail_with_unfinished():
    for language, other in (("C++", "C"), ("C", "C++")):
        site = Site("alice", "bob", "carol")
        try:
            first = site.deliver(language, b"first\n", "alice")
            old = site.scratch / "old"
            site.run(language, "tidy")
            shutil.copyfile(site.path / "mail.db", old)
            site.run(language, "flag", "alice", "INBOX", first, "+seen")
            site.deliver(language, b"second\n", "alice", kill="begun:1")
            # Opening the store has done the second one; it is not this that dies.
            site.deliver(other, b"third\n", "bob", kill="stored:2")
            site.run(language, "move", "alice", "INBOX", first, "Archive", kill="committed:1")
            site.put_back(old)
            lists, _ = site.check_whole("alice", "bob", "carol")
            equal([(row.folder, row.flags, row.digest) for row in lists["alice"]],
                  [("Archive", 1, digest(b"first\n")), ("INBOX", 0, digest(b"second\n"))])
            equal([row.digest for row in lists["bob"]], [digest(b"third\n")])
        finally:
            site.remove()


def test_lost_database_comes_back_from_the_log():
    for language, other in (("C++", "C"), ("C", "C++")):
        site = Site("alice", "bob", "carol", "shared")
        try:
            shared = shared_messages(site)
            workers = play(site, 0.7, 3, [language], shared, kills=False)
            site.put_back(None)
            site.run(other, "recover")
            check_all(site, workers, shared)
        finally:
            site.remove()


# --- The rest ---------------------------------------------------------------------------------------------


def test_commands():
    for language, other in (("C++", "C"), ("C", "C++")):
        site = Site("alice", "bob", "carol")
        try:
            content = b"Subject: all bytes\r\n\r\n" + bytes(range(256)) * 32_000
            message = site.deliver(language, content, "alice", "bob")
            equal(site.run(other, "show", "bob", "INBOX", message), content)
            site.run(language, "flag", "alice", "INBOX", message, "+flagged")
            site.run(other, "flag", "alice", "INBOX", message, "+seen")
            site.run(language, "flag", "alice", "INBOX", message, "-flagged")
            site.run(other, "move", "alice", "INBOX", message, "Trash")
            site.run(language, "move", "alice", "Trash", message, "Nowhere", code=1)
            site.run(language, "expunge", "alice", "INBOX", message, code=1)
            equal([row.key()[:3] for row in site.list(language, "alice")], [("Trash", 1, 1)])
            site.deliver(language, b"x", "alice", "nobody", code=1)
            site.run(language, "list", "nobody", code=1)
            site.run(language, "dance", code=1)
            lists, _ = site.check_whole("alice", "bob", "carol")
            equal(sum(map(len, lists.values())), 2, "a refused delivery leaves nothing")
        finally:
            site.remove()


def test_tidy_removes_what_nobody_needs():
    for language in PROGRAMS:
        site = Site("alice", "bob")
        try:
            message = site.deliver(language, b"both\n", "alice", "bob")
            other = site.deliver(language, b"alice's\n", "alice")
            for one in (message, other):
                site.run(language, "expunge", "alice", "INBOX", one)
            equal(len(list((site.path / "content").iterdir())), 2, "an expunge leaves the file")
            site.run(language, "tidy")
            equal([file.name for file in (site.path / "content").iterdir()], [digest(b"both\n")])
            site.deliver(language, b"alice's\n", "alice")
            site.check_whole("alice", "bob")
        finally:
            site.remove()


def test_an_older_database_than_the_log_was_told_of_is_refused():
    for language, other in (("C++", "C"), ("C", "C++")):
        site = Site("alice")
        try:
            old = site.scratch / "old"
            site.run(language, "tidy")
            shutil.copyfile(site.path / "mail.db", old)
            site.deliver(language, b"text\n", "alice")
            site.run(language, "tidy")
            site.put_back(old)
            for program in (language, other):
                site.run(program, "list", "alice", code=1)
        finally:
            site.remove()


def test_a_database_of_another_log_is_refused():
    for language in PROGRAMS:
        site, stranger = Site("alice"), Site("alice")
        try:
            shutil.copyfile(stranger.path / "mail.db", site.path / "mail.db")
            site.run(language, "list", "alice", code=1)
        finally:
            site.remove()
            stranger.remove()


def main():
    print(f"seed {SEED}")
    wanted = sys.argv[4:]
    failed = False
    for key, test in list(globals().items()):
        if not key.startswith("test_") or (wanted and key not in wanted):
            continue
        outcome, begun = "passed", time.monotonic()
        try:
            test()
        except Exception:
            traceback.print_exc()
            outcome, failed = "failed", True
        print(f"{time.monotonic() - begun:.1f} s")
        print(f"RESULT {outcome} tinystore: {key[5:].replace('_', ' ')}", flush=True)
    sys.exit(1 if failed else 0)


main()

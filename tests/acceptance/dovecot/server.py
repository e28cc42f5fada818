"""A Dovecot of the tests' own: unpacked from Debian's packages, on loopback, in a scratch directory.

    dovecot = Dovecot(directory, users=["alice@example.com"])
    dovecot.start()
    dovecot.deliver(["alice@example.com"], b"Subject: x\\r\\n\\r\\nHello\\r\\n")
    dovecot.doveadm("mailbox", "status", "-u", "alice@example.com", "guid", "*")
    dovecot.stop()

Nothing is installed and nothing listens outside of loopback. As root the mailboxes belong to nobody, as on a
server with virtual users; without root everything belongs to, and runs as, the user that runs the tests.
"""

import contextlib
import ctypes
import errno
import grp
import os
import pathlib
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

from support import Skipped

PASSWORD = "secret"
SERVER_PACKAGES = ["dovecot-core", "dovecot-imapd", "dovecot-lmtpd"]
LIBRARY_PACKAGES = ["libsodium23", "libunwind8"]
DOVEADM_NOT_FOUND = 68
TOP = pathlib.Path(__file__).resolve().parents[3]

CONFIGURATION = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
libexec_dir = {unpacked}/usr/lib/dovecot
mail_plugin_dir = {unpacked}/usr/lib/dovecot/modules
import_environment = TZ LD_LIBRARY_PATH
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
first_valid_uid = 1
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={base}/mail/%d/%n allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


def unpacked():
    """The directory with the unpacked packages, below the build directory if the environment names it."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Skipped("Dovecot is unpacked from Debian's packages, and this is no Debian")
    default = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"restante-servers-{os.getuid()}")
    directory = pathlib.Path(os.environ.get("RESTANTE_SERVERS", default)) / "dovecot"
    subprocess.run(
        [TOP / "tools/unpack.sh", directory, *SERVER_PACKAGES, "--unless-installed", *LIBRARY_PACKAGES],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    load_modules_from_here(directory / "usr/lib/dovecot/libdovecot.so.0.0.0")
    return directory


def load_modules_from_here(library):
    """Its LMTP loads a module from a path that no setting changes: it becomes one in the working directory."""
    installed = b"/usr/lib/dovecot/modules\0"
    content = library.read_bytes()
    if installed not in content:
        return
    patched = library.with_name(f".{library.name}.{os.getpid()}")
    patched.write_bytes(content.replace(installed, b"modules".ljust(len(installed), b"\0")))
    patched.rename(library)


def ends_with_its_parent():
    """Of the process that calls it: a test that is killed leaves no server."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Dovecot:
    """One server; its mailboxes are `<base>/mail/<domain>/<local part>/Maildir`."""

    def __init__(self, base):
        self.base = pathlib.Path(base)
        self.mail = self.base / "mail"
        self.files = unpacked()
        libraries = [self.files / "usr/lib/dovecot", self.files / "usr/lib/dovecot/modules/old-stats"]
        libraries += self.files.glob("usr/lib/*-linux-gnu")
        self.environment = dict(os.environ, LD_LIBRARY_PATH=":".join(map(str, libraries)))
        self.user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self.imap_port = 0
        self.lmtp_port = 0
        self.process = None
        for name in ("run", "state", "mail"):
            (self.base / name).mkdir(exist_ok=True)
        (self.base / "run/modules").symlink_to(self.files / "usr/lib/dovecot/modules")
        self.own(self.mail)

    def own(self, path):
        """Gives a file or directory to the user who has the mailboxes."""
        if os.getuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    # --- running -------------------------------------------------------------------------------------

    def start(self):
        # A port that was free may be taken by now: then with others.
        for _ in range(5):
            self.imap_port, self.lmtp_port = free_port(), free_port()
            if self._start():
                return
        raise AssertionError(f"Dovecot does not start\n{self.log()}")

    def _start(self):
        configuration = self.base / "dovecot.conf"
        configuration.write_text(
            CONFIGURATION.format(
                base=self.base,
                unpacked=self.files,
                user=self.user.pw_name,
                group=grp.getgrgid(self.user.pw_gid).gr_name,
                password=PASSWORD,
                imap_port=self.imap_port,
                lmtp_port=self.lmtp_port,
            )
        )
        # What the server would do by itself, were its programs where they are when installed.
        command = [self.files / "usr/bin/doveconf", "-f", "service=master", "-c", configuration, "-m", "master"]
        command += ["-e", self.files / "usr/sbin/dovecot", "-F", "-c", configuration]
        with open(self.base / "log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.base,
                preexec_fn=ends_with_its_parent,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                for port in (self.imap_port, self.lmtp_port):
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return True
            time.sleep(0.01)
        self.stop()
        return False

    def stop(self):
        """Stops the server, and waits until it is gone with every process of its own."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def log(self):
        try:
            return (self.base / "log").read_text(errors="replace")
        except OSError as failure:
            return "" if failure.errno == errno.ENOENT else str(failure)

    def complaints(self):
        """What the server's log has as errors, warnings and worse, but that it was stopped."""
        words = (": Error: ", ": Warning: ", ": Fatal: ", ": Panic: ")
        lines = [line for line in self.log().splitlines() if any(word in line for word in words)]
        return [line for line in lines if "Killed with signal 15" not in line]

    # --- asking --------------------------------------------------------------------------------------

    def doveadm(self, *words):
        """The output of doveadm, which must succeed; a folder that turns out not to be there is passed over."""
        command = [self.files / "usr/bin/doveadm", "-c", self.base / "run/config", *words]
        run = subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, cwd=self.base
        )
        if run.returncode not in (0, DOVEADM_NOT_FOUND):
            raise AssertionError(f"doveadm {words}: {run.returncode}\n{run.stderr.decode()}")
        return run.stdout.decode()

    def deliver(self, recipients, message):
        """One message to all recipients in one LMTP transaction; everyone must take it."""
        with self.lmtp() as lmtp:
            lmtp.deliver(recipients, message)

    def lmtp(self):
        return Lmtp("127.0.0.1", self.lmtp_port, timeout=60)


class Deferred(Exception):
    """The server does not take the message now; a mail transfer agent keeps it and tries again later."""


class Lmtp(smtplib.LMTP):
    """A connection of a mail transfer agent; the standard one does not read the answers of each recipient."""

    def deliver(self, recipients, message, sender="sender@example.net"):
        self.ehlo_or_helo_if_needed()
        answers = [self.mail(sender)]
        answers += [self.rcpt(recipient) for recipient in recipients]
        answers.append(self.data(message))
        answers += [self.getreply() for _ in recipients[1:]]
        refused = [code for code, _ in answers if code >= 400]
        if refused:
            raise (Deferred if max(refused) < 500 else AssertionError)(f"refused: {answers}")

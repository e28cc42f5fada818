"""`restante watch` beside a test."""

import signal
import subprocess
import threading

from support import contains, equal, wait_until


class Watch:
    """The program, watching; what it says is collected."""

    def __init__(self, site, *words, prefix=()):
        self.site = site
        self.lines = []
        self.process = subprocess.Popen(
            [*prefix, *site.command("watch", "-v", *words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=site.environment(),
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def __enter__(self):
        try:
            self.wait_for("watching")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def wait_for(self, text, seconds=60):
        wait_until(
            lambda: self.said(text) or self.process.poll() is not None, f"'{text}' of {self.lines}", seconds
        )
        if not self.said(text):
            self.reader.join()
            contains("\n".join(self.lines), text)

    def said(self, text):
        return any(text in line for line in list(self.lines))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.reader.join()
        equal(code, 0, "\n".join(self.lines))
        return self.lines[-1]

    def kill(self):
        self.process.kill()
        self.process.wait()

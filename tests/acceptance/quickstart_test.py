"""The first of the README's two commands, as a new user runs it: it builds with the fewest compiler runs (several
files at a time, which no other build does) and plays the main story to its end."""

import os
import re
import subprocess
import sys


def result(ok, name):
    print(f"RESULT {'passed' if ok else 'failed'} {name}", flush=True)
    return ok


def mailbox(output, chapter, address):
    """The subjects under `address` in a chapter of the story."""
    text = output.split(f"== {chapter}")[1].split("\n== ")[0]
    text = text.split(address)[1]
    lines = []
    for line in text.splitlines()[1:]:
        if not line.startswith("  "):
            break
        if "flags:" in line:
            lines.append(line.split("flags:")[0].strip())
    return sorted(lines)


def main():
    source, build = sys.argv[1:]
    environment = dict(os.environ, RESTANTE_QUICKSTART_BUILD=build, NO_COLOR="1")
    run = subprocess.run([os.path.join(source, "examples/quickstart/run.sh")], env=environment, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(run.stdout)
    ok = result(run.returncode == 0, "the quickstart plays its story to the end")
    if not ok:
        return 1
    alice = mailbox(run.stdout, "9. The result", "alice@example.com")
    bob = mailbox(run.stdout, "9. The result", "bob@example.com")
    back = alice == sorted(["Welcome", "Contract, final version", "Contract, annex", "Invoice 7", "Contract, addendum"])
    kept = bob == sorted(["Lunch?", "Re: Lunch?", "Coffee"])
    ok = result(back and kept, "the quickstart's result: Alice has her mail again, and Bob kept his")
    proved = re.search(r"== 10\..*: no damage", run.stdout, re.S) is not None
    return 0 if result(proved, "the quickstart's backup verifies") and ok else 1


sys.exit(main())

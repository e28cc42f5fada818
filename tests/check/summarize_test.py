#!/usr/bin/python3
"""That the summary counts what the tests say, and those that say nothing."""

import json
import pathlib
import subprocess
import sys
import tempfile

SUMMARIZE = pathlib.Path(__file__).resolve().parent.parent / "support" / "summarize.py"


def run(name, stdout, returncode=0, result="OK"):
    return {"name": name, "stdout": stdout, "stderr": "", "returncode": returncode, "result": result, "duration": 0.1}


PASS = run("a", "noise\nRESULT passed one\nRESULT passed two\n")

# what the tests said, the last line, the exit code
CASES = [
    ("all pass", [PASS], "2 passed, 0 failed, 0 skipped", 0),
    ("counts over programs", [PASS, run("b", "RESULT passed x\nRESULT skipped y: no root\n")],
     "3 passed, 0 failed, 1 skipped", 0),
    ("a failure", [run("a", "RESULT passed x\nRESULT failed y\n", 1, "FAIL")], "1 passed, 1 failed, 0 skipped", 1),
    ("a failure is not counted twice", [run("a", "RESULT failed x\nRESULT failed y\n", 2, "FAIL")],
     "0 passed, 2 failed, 0 skipped", 1),
    ("a failure that exits with 0", [run("a", "RESULT passed x\nRESULT failed y\n")],
     "1 passed, 1 failed, 0 skipped", 1),
    ("killed half-way", [run("a", "RESULT passed x\n", -9, "FAIL")], "1 passed, 1 failed, 0 skipped", 1),
    ("died before it said anything", [PASS, run("b", "", 127, "ERROR")], "2 passed, 1 failed, 0 skipped", 1),
    ("said nothing", [PASS, run("b", "done\n")], "2 passed, 1 failed, 0 skipped", 1),
    ("took too long", [PASS, run("b", "RESULT passed x\n", -15, "TIMEOUT")], "3 passed, 1 failed, 0 skipped", 1),
    ("skipped as a whole", [PASS, run("b", "", 77, "SKIP")], "2 passed, 0 failed, 1 skipped", 0),
    ("only skipped ones", [run("b", "", 77, "SKIP")], "0 passed, 0 failed, 1 skipped", 1),
    ("nothing ran", [], "0 passed, 0 failed, 0 skipped", 1),
    ("a RESULT inside a line is none", [PASS, run("b", "say RESULT passed x\nRESULT passed y\n")],
     "3 passed, 0 failed, 0 skipped", 0),
]


def summary_of(runs):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
        log.write("".join(json.dumps(one) + "\n" for one in runs))
        log.flush()
        return subprocess.run([sys.executable, SUMMARIZE, log.name], capture_output=True, text=True, check=False)


def main():
    any_failed = False
    for name, runs, last_line, code in CASES:
        done = summary_of(runs)
        lines = done.stdout.splitlines()
        right = bool(lines) and lines[-1] == last_line and done.returncode == code
        right = right and sum(line.endswith(" skipped") for line in lines) == 1
        if not right:
            print(done.stdout, done.stderr)
            any_failed = True
        print(f"RESULT {'passed' if right else 'failed'} {name}")
    return 1 if any_failed else 0


sys.exit(main())

#!/usr/bin/python3
"""Adds up the results of all tests of a `meson test` run.

usage: summarize.py testlog.json

A test prints a line `RESULT passed|failed|skipped <name>` per test case; behind the name of a skipped one
stands ": <reason>". One that ends with a failure without such a line, or says nothing, counts as failed; one
that ends with 77 and says nothing counts as skipped.
"""

import json
import re
import sys

RESULT = re.compile(r"^RESULT (passed|failed|skipped) (.*)$", re.MULTILINE)
SKIPPED = 77
MOST_LINES = 200  # of the output of one failed test; its end is what tells


def shown_output(run):
    """What a failed test said, without the lines of its cases that passed."""
    text = "\n".join(run.get(stream) or "" for stream in ("stdout", "stderr"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("RESULT passed")]
    left_out = len(lines) - MOST_LINES
    if left_out > 0:
        lines = [f"({left_out} lines left out)"] + lines[-MOST_LINES:]
    return "\n".join("  " + line for line in lines)


def name_of(run):
    """`unit-os` of meson's "restante:unit / unit-os"."""
    return run["name"].split(" / ")[-1]


def judge(run):
    """The test cases of one meson test as (outcome, name)."""
    test = name_of(run)
    cases = [(outcome, f"{test}: {name}") for outcome, name in RESULT.findall(run.get("stdout") or "")]
    code = run["returncode"]
    if run["result"] == "TIMEOUT":
        cases.append(("failed", f"{test}: took too long and was ended"))
    elif code == SKIPPED and not cases:
        cases.append(("skipped", test))
    elif code != 0 and all(outcome != "failed" for outcome, _ in cases):
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        cases.append(("failed", f"{test}: died ({how})"))
    elif not cases:
        cases.append(("failed", f"{test}: ended without a result"))
    return cases


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        runs = [json.loads(line) for line in log if line.strip()]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failed, skipped = [], []
    for run in runs:
        cases = judge(run)
        for outcome, name in cases:
            counts[outcome] += 1
            if outcome == "skipped":
                skipped.append(name)
        names = [name for outcome, name in cases if outcome == "failed"]
        if names:
            failed.append(names)
            print(f"\n---- {name_of(run)} ({run['duration']:.1f} s) said:")
            print(shown_output(run))
    for name in skipped:
        print(f"skipped: {name}")
    for names in failed:
        for name in names:
            print(f"FAILED: {name}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


sys.exit(main())

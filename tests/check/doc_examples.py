#!/usr/bin/python3
"""Checks that the examples of the README and of docs/ compile.

A block ```cpp or ```c that includes something is a whole program and must compile as it stands.

usage: doc_examples.py <project folder> <C++ compiler> <C compiler>
"""

import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```(cpp|c)\n(.*?)^```", re.M | re.S)
FLAGS = {
    "cpp": ["-std=c++20", "-x", "c++"],
    "c": ["-std=c99", "-pedantic", "-x", "c"],
}


def examples(root):
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for number, match in enumerate(BLOCK.finditer(path.read_text()), 1):
            if "#include" in match[2]:
                yield f"{path.relative_to(root)} example {number}", match[1], match[2]


def main():
    root = pathlib.Path(sys.argv[1])
    compilers = {"cpp": sys.argv[2], "c": sys.argv[3]}
    any_failed = False
    count = 0
    for name, language, text in examples(root):
        count += 1
        command = [compilers[language], *FLAGS[language], "-fsyntax-only", "-Wall", "-Werror"]
        command += ["-I", str(root / "include"), "-I", str(root / "capi"), "-"]
        run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        failed = run.returncode != 0
        any_failed = any_failed or failed
        if failed:
            print(run.stderr)
        print(f"RESULT {'failed' if failed else 'passed'} {name} compiles")
    if count == 0:
        print("RESULT failed there are examples in the README and in docs/")
    return 1 if any_failed or count == 0 else 0


sys.exit(main())

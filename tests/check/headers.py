#!/usr/bin/python3
"""Checks that every public header compiles alone, without a warning.

usage: headers.py <include folder> -- <compiler>...
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def compile_alone(compiler, include, header):
    # Included twice: a header without its guard shows too.
    unit = f"#include <{header}>\n#include <{header}>\n"
    command = compiler + FLAGS + ["-I", str(include), "-x", "c++", "-"]
    return subprocess.run(command, input=unit, capture_output=True, text=True, check=False)


def main():
    split = sys.argv.index("--")
    include, compiler = pathlib.Path(sys.argv[1]), sys.argv[split + 1 :]
    headers = sorted(str(path.relative_to(include)) for path in include.rglob("*.hpp"))
    if not headers:
        print("RESULT failed there are public headers")
        return 1
    any_failed = False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = pool.map(lambda header: compile_alone(compiler, include, header), headers)
        for header, run in zip(headers, runs):
            failed = run.returncode != 0
            any_failed = any_failed or failed
            if failed:
                print(run.stderr)
            print(f"RESULT {'failed' if failed else 'passed'} {header} compiles alone")
    return 1 if any_failed else 0


sys.exit(main())

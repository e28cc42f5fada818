#!/usr/bin/python3
"""Checks what librestante.so exports, and that its headers stand alone in every language they are for.

usage: symbols.py --nm NM --library FILE --header FILE --map FILE --compile COMPILER...

The functions that the header and its parts declare, those of the symbol map and those that the library
exports are the same, and the library exports nothing else.
"""

import argparse
import pathlib
import re
import subprocess
import sys

DECLARATION = re.compile(r"^RESTANTE_API\b[^;{]*?\b(\w+)\(", re.MULTILINE)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
DIALECTS = [["-xc", "-std=c99"], ["-xc", "-std=c11"], ["-xc++", "-std=c++11"], ["-xc++", "-std=c++20"]]
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("--nm", "--library", "--header", "--map"):
        parser.add_argument(name, required=True)
    parser.add_argument("--compile", required=True, nargs=argparse.REMAINDER)
    return parser.parse_args()


def with_parts(header):
    """The header and those that it includes from beside it, each once."""
    found, wanted = [], [pathlib.Path(header)]
    while wanted:
        path = wanted.pop(0).resolve()
        if path not in found:
            found.append(path)
            wanted += [path.parent / name for name in INCLUDE.findall(path.read_text(encoding="utf-8"))]
    return found


def declared(headers):
    """The functions declared, as often as they are."""
    return [name for path in headers for name in DECLARATION.findall(path.read_text(encoding="utf-8"))]


def mapped(symbol_map):
    """Function -> version node; the map names every function, without patterns."""
    functions = {}
    text = re.sub(r"/\*.*?\*/", "", pathlib.Path(symbol_map).read_text(encoding="utf-8"), flags=re.DOTALL)
    for node, body in re.findall(r"(\w+)\s*\{(.*?)\}", text, flags=re.DOTALL):
        for name in re.findall(r"(\S+);", body.split("local:")[0].replace("global:", "")):
            functions[name] = node
    return functions


def exported(nm, library):
    """Symbol -> version node, of everything that is defined; the nodes themselves left out."""
    lines = subprocess.run([nm, "-D", "--defined-only", library], check=True, capture_output=True, text=True)
    symbols = {}
    for line in lines.stdout.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":
            symbols[name.split("@")[0]] = name.split("@")[-1]
    return symbols


def compiles(compiler, root, header, dialect):
    """That a program which includes nothing but the header, twice, compiles."""
    name = header.relative_to(root)
    unit = f"#include <{name}>\n#include <{name}>\nint unused_here;\n"
    command = compiler + WARNINGS + dialect + ["-I", str(root), "-"]
    run = subprocess.run(command, input=unit, text=True, check=False)
    return run.returncode == 0


def report(right, name, details=()):
    for detail in details:
        print(detail)
    print(f"RESULT {'passed' if right else 'failed'} C: {name}")
    return right


def main():
    options = arguments()
    headers = with_parts(options.header)
    root = headers[0].parent
    beside = {headers[0], *root.glob("restante/**/*.h")}
    declarations, in_map = declared(headers), mapped(options.map)
    in_header = set(declarations)
    in_library = exported(options.nm, options.library)
    odd = sorted(name for name in in_library if not name.startswith("restante_"))
    results = [
        report(len(in_header) > 50, "the header declares functions"),
        report(len(declarations) == len(in_header), "no function is declared twice"),
        report(beside == set(headers), "the header includes all its parts",
               sorted(map(str, beside ^ set(headers)))),
        report(not odd, "only restante_* is exported", odd),
        report(in_header == set(in_map), "header and symbol map agree", sorted(in_header ^ set(in_map))),
        report(in_library == in_map, "symbol map and library agree",
               sorted(set(in_library.items()) ^ set(in_map.items()))),
    ]
    for dialect in DIALECTS:
        broken = [str(header) for header in headers if not compiles(options.compile, root, header, dialect)]
        results.append(report(not broken, f"the header and each part compile alone with {dialect[1]}", broken))
    return 0 if all(results) else 1


sys.exit(main())

#!/usr/bin/python3
"""Checks what librestante.so exports, and that its header stands alone in every language it is for.

usage: symbols.py --nm NM --library FILE --header FILE --map FILE --compile COMPILER...

The functions that the header declares, those of the symbol map and those that the library exports are the
same, and the library exports nothing else.
"""

import argparse
import pathlib
import re
import subprocess
import sys

DECLARATION = re.compile(r"^RESTANTE_API\b[^;{]*?\b(\w+)\(", re.MULTILINE)
DIALECTS = [["-xc", "-std=c99"], ["-xc", "-std=c11"], ["-xc++", "-std=c++11"], ["-xc++", "-std=c++20"]]
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("--nm", "--library", "--header", "--map"):
        parser.add_argument(name, required=True)
    parser.add_argument("--compile", required=True, nargs=argparse.REMAINDER)
    return parser.parse_args()


def declared(header):
    return set(DECLARATION.findall(pathlib.Path(header).read_text(encoding="utf-8")))


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


def compiles(compiler, header, dialect):
    unit = "#include <restante.h>\n#include <restante.h>\nint unused_here;\n"
    include = str(pathlib.Path(header).parent)
    command = compiler + WARNINGS + dialect + ["-I", include, "-"]
    run = subprocess.run(command, input=unit, text=True, check=False)
    return run.returncode == 0


def report(right, name, details=()):
    for detail in details:
        print(detail)
    print(f"RESULT {'passed' if right else 'failed'} C: {name}")
    return right


def main():
    options = arguments()
    in_header, in_map = declared(options.header), mapped(options.map)
    in_library = exported(options.nm, options.library)
    odd = sorted(name for name in in_library if not name.startswith("restante_"))
    results = [
        report(len(in_header) > 50, "the header declares functions"),
        report(not odd, "only restante_* is exported", odd),
        report(in_header == set(in_map), "header and symbol map agree", sorted(in_header ^ set(in_map))),
        report(in_library == in_map, "symbol map and library agree",
               sorted(set(in_library.items()) ^ set(in_map.items()))),
    ]
    for dialect in DIALECTS:
        results.append(report(compiles(options.compile, options.header, dialect),
                              f"the header compiles alone with {dialect[1]}"))
    return 0 if all(results) else 1


sys.exit(main())

#!/usr/bin/python3
"""Checks who includes whom.

usage: layers.py <source root>

A file in lib/<layer> includes its own folder and lower layers only; the public headers include the standard
library and each other only; an outside library is included by one folder of lib only.
"""

import pathlib
import re
import sys

# Lowest first; folders of one row do not include each other.
LAYERS = [
    {"base"},
    {"os", "crypto"},
    {"model"},
    {"format", "storage"},
    {"redo", "catalog", "keys"},
    {"content"},  # the catalog is the index of what it stores
    {"target", "calendar"},
    {"history"},  # what sessions and restores both ask of a target and a log
    {"backup", "restore", "stores"},
    {"archive"},  # a restore written to a file, and a file restored
    {"capi"},
]
RANK = {layer: rank for rank, row in enumerate(LAYERS) for layer in row}

# Outside libraries by what their headers begin with, and the folder each is at home in. The ones that are
# None may be used by any layer from `target` upward (design: layout and layers).
OUTSIDE = {
    "openssl/": "crypto",
    "lmdb.h": "catalog",
    "zstd": "content",
    "zdict.h": "content",
    "pugixml.hpp": "target",
    "date/": "calendar",
    "archive": "archive",
    "boost/": None,
    "fmt/": None,
    "nlohmann/": None,
}
LOWEST_FREE_RANK = RANK["target"]

# Folders of system headers; any other header with a folder in its name belongs to an outside library.
SYSTEM_FOLDERS = {"sys", "linux", "netinet", "arpa", "bits"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def outside_library(header):
    return next((prefix for prefix in OUTSIDE if header.startswith(prefix)), None)


def is_unknown(header):
    folder = header.split("/")[0] if "/" in header else None
    return folder is not None and folder not in SYSTEM_FOLDERS | {"restante"} and not outside_library(header)


def check_lib_file(layer, quote, header):
    """Why a file of this layer may not include this header, or None."""
    if quote == '"':
        folder = header.split("/")[0] if "/" in header else None
        if folder is None:
            return "write it with its folder, as in \"base/text.hpp\""
        if folder not in RANK:
            return f"{folder} is not a layer"
        if folder != layer and RANK[folder] >= RANK[layer]:
            return f"{folder} is not below {layer}"
        return None
    library = outside_library(header)
    if library is None:
        return "an unknown outside library" if is_unknown(header) else None
    home = OUTSIDE[library]
    if home is None:
        return None if RANK[layer] >= LOWEST_FREE_RANK else f"not below {' and '.join(sorted(LAYERS[LOWEST_FREE_RANK]))}"
    return None if layer == home else f"this library is at home in {home}"


def check_public_header(quote, header):
    if quote == '"':
        return "public headers are included as <restante/...>"
    if header.startswith("restante/"):
        return None
    if "/" in header or header.endswith(".h") or outside_library(header):
        return "public headers include the standard library and each other only"
    return None


def source_files(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".hpp", ".cpp", ".h", ".c", ".inc"))


def complaints_of(root, files, check):
    for path in files:
        for quote, header in INCLUDE.findall(path.read_text(encoding="utf-8")):
            why = check(path, quote, header)
            if why:
                yield f"{path.relative_to(root)} includes {header}: {why}"


def check_tree(root):
    """(name of the rule, complaints) for each rule."""
    lib = root / "lib"
    folders = sorted(path for path in lib.iterdir() if path.is_dir()) if lib.is_dir() else []
    strangers = [f"lib/{path.name} is not a layer" for path in folders if path.name not in RANK]
    yield "every folder of lib is a layer", strangers
    for folder in folders:
        if folder.name in RANK:
            yield f"lib/{folder.name} includes lower layers only", list(
                complaints_of(root, source_files(folder), lambda _, q, h: check_lib_file(folder.name, q, h)))
    yield "public headers stand alone", list(
        complaints_of(root, source_files(root / "include"), lambda _, q, h: check_public_header(q, h)))


def main():
    any_failed = False
    for name, complaints in check_tree(pathlib.Path(sys.argv[1])):
        for complaint in complaints:
            print(complaint)
        print(f"RESULT {'failed' if complaints else 'passed'} {name}")
        any_failed = any_failed or bool(complaints)
    return 1 if any_failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""That the layer check finds what it is for."""

import pathlib
import sys
import tempfile

import layers

# file, what it includes, whether that is right
CASES = [
    ("lib/base/a.cpp", '"base/text.hpp"', True),
    ("lib/base/a.cpp", "<restante/bytes.hpp>", True),
    ("lib/base/a.cpp", "<sys/stat.h>", True),
    ("lib/base/a.cpp", '"os/io.hpp"', False),
    ("lib/os/a.cpp", '"base/text.hpp"', True),
    ("lib/os/a.cpp", '"crypto/crypto.hpp"', False),
    ("lib/os/a.cpp", '"text.hpp"', False),
    ("lib/os/a.cpp", '"tests/support.hpp"', False),
    ("lib/redo/a.cpp", '"format/record.hpp"', True),
    ("lib/redo/a.cpp", '"catalog/catalog.hpp"', False),
    ("lib/target/deep/a.cpp", '"content/store.hpp"', True),
    ("lib/target/a.cpp", '"backup/session.hpp"', False),
    ("lib/crypto/a.cpp", "<openssl/evp.h>", True),
    ("lib/redo/a.cpp", "<openssl/evp.h>", False),
    ("lib/content/a.cpp", "<zstd.h>", True),
    ("lib/format/a.cpp", "<zstd.h>", False),
    ("lib/target/a.cpp", "<pugixml.hpp>", True),
    ("lib/catalog/a.cpp", "<pugixml.hpp>", False),
    ("lib/model/a.cpp", "<fmt/core.h>", False),
    ("lib/backup/a.cpp", "<fmt/core.h>", True),
    ("lib/backup/a.cpp", "<unknown/core.h>", False),
    ("lib/elsewhere/a.cpp", "<vector>", False),
    ("include/restante/a.hpp", "<vector>", True),
    ("include/restante/a.hpp", "<restante/bytes.hpp>", True),
    ("include/restante/a.hpp", '"base/text.hpp"', False),
    ("include/restante/a.hpp", '"bytes.hpp"', False),
    ("include/restante/a.hpp", "<unistd.h>", False),
    ("include/restante/a.hpp", "<lmdb.h>", False),
]


def complaints_about(file, include):
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / file
        path.parent.mkdir(parents=True)
        path.write_text(f"#pragma once\n#  include {include}\n")
        return [line for _, lines in layers.check_tree(pathlib.Path(scratch)) for line in lines]


def main():
    any_failed = False
    for file, include, right in CASES:
        found = complaints_about(file, include)
        failed = bool(found) == right
        any_failed = any_failed or failed
        print(f"RESULT {'failed' if failed else 'passed'} {file} including {include} is {'right' if right else 'wrong'}")
    return 1 if any_failed else 0


sys.exit(main())

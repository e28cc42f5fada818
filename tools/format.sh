#!/usr/bin/env bash
# Lays out all C++ files as .clang-format says (the C ones keep the pointers of C at their names). With
# --check it changes nothing and fails if it would.
set -eu
cd "$(dirname "$0")/.."
formatter=$(command -v clang-format-14 || command -v clang-format) ||
  { printf 'clang-format is missing: apt-get install clang-format-14\n' >&2; exit 1; }
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
git ls-files -z -- '*.hpp' '*.cpp' | xargs -0 -r "$formatter" "${mode[@]}"

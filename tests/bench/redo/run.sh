#!/usr/bin/env bash
# Measures the redo log beside a raw file, RocksDB and SQLite, which it installs from Debian's packages.
#   tests/bench/redo/run.sh [--rounds N] [--seconds S] [--scan-mib N] [DIRECTORY]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
# shellcheck source=../../../tools/packages.sh
. "$root/tools/packages.sh"
restante_require_packages "${restante_build_packages[@]}" librocksdb-dev libsqlite3-dev

build="$root/build-bench"
if [ ! -f "$build/build.ninja" ]; then
  /usr/bin/meson setup "$build" "$root" -Dtests=false -Dbench=true >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
fi
rm -f "$build.log"
ninja -C "$build" tests/bench/redo/bench-redo | tail -n 1
options=()
directory=
while [ $# -gt 0 ]; do
  case $1 in
    --*) options+=("$1" "$2"); shift ;;
    *) directory=$1 ;;
  esac
  shift
done
if [ -z "$directory" ]; then
  directory=$(mktemp -d "${TMPDIR:-/tmp}/restante-bench.XXXXXX")
  trap 'rm -rf "$directory"' EXIT
fi
"$build/tests/bench/redo/bench-redo" "${options[@]}" "$directory"

#!/usr/bin/env bash
# Measures backups and restores of a mail store beside restic, borg, cp and tar, all in one run.
#   tests/bench/backup/run.sh [--messages N] [--profile list|office] [--corpus DIR] [--rounds R]
#                             [--only ENGINE,...] [--quick] [--scale] [--store DIR] [--json FILE] [--svg FILE]
#                             [DIRECTORY]
# What is measured, and how, stands in bench.py. Without DIRECTORY the scratch files are in TMPDIR.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
# shellcheck source=../../../tools/packages.sh
. "$root/tools/packages.sh"
# The other benches, which are built along, need the last two.
restante_require_packages "${restante_build_packages[@]}" zstd librocksdb-dev libsqlite3-dev

build="$root/build-bench"
mode=()
[ ! -f "$build/build.ninja" ] || mode=(--reconfigure)
/usr/bin/meson setup "${mode[@]}" "$build" "$root" -Dtests=false -Dbench=true >"$build.log" 2>&1 ||
  { cat "$build.log"; exit 1; }
rm -f "$build.log"
ninja -C "$build" examples/cli/restante tests/bench/store/bench-store | tail -n 1
"$root/tools/unpack.sh" "$build/engines" restic borgbackup --unless-installed \
  python3-msgpack python3-packaging python3-pkg-resources libxxhash0 libacl1

export BENCH_PROGRAM="$build/examples/cli/restante"
export BENCH_STORE="$build/tests/bench/store/bench-store"
export BENCH_ENGINES="$build/engines"
exec /usr/bin/python3 "$here/bench.py" "$@"

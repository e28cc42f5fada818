#!/usr/bin/env bash
# Measures `restante watch`: what it costs Dovecot's LMTP, how far the log lags behind the store, its memory for
# 10,000 folders, and the time to catch up after 100,000 changes.
#   tests/bench/watch/run.sh [--only lmtp|lag|memory|catch-up] [--rounds N] [DIRECTORY]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
# shellcheck source=../../../tools/packages.sh
. "$root/tools/packages.sh"
restante_require_packages "${restante_build_packages[@]}"

build="$root/build-bench"
if [ ! -f "$build/build.ninja" ]; then
  /usr/bin/meson setup "$build" "$root" -Dtests=false >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
fi
rm -f "$build.log"
ninja -C "$build" examples/cli/restante | tail -n 1
RESTANTE_PROGRAM="$build/examples/cli/restante" exec /usr/bin/python3 "$here/bench.py" "$@"

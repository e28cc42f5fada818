#!/usr/bin/env bash
# The tests of the redo log under a sanitizer, in a build of their own.
#
# usage: tests/sanitize/run.sh KIND BUILD
#   KIND   address,undefined or thread
#   BUILD  made if it is not there
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$top/tests/support/results.sh"
kind=${1:?"a kind of sanitizer"}
build=${2:?"a build directory"}

meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
mkdir -p "$build"
log=$build/said
# Several files at a time and no optimisation: compiling would take longer than it saves.
if ! { [ -f "$build/build.ninja" ] ||
  "$meson" setup "$build" "$top" --buildtype=plain --unity on --unity-size 12 -Dtests=true -Db_sanitize="$kind" -Db_lundef=false \
    -Dcpp_args='-O0 -g1' -Dc_args='-O0 -g1'; } >"$log" 2>&1 ||
  ! ninja -C "$build" tests/test-redo tests/test-os >>"$log" 2>&1; then
  tail -n 40 "$log"
  failed "tests of redo under $kind"
  exit 1
fi

# Thousands of damaged files, read by one thread each: ThreadSanitizer has nothing to see there and is slow at it.
# The other sanitizer and the ordinary run read them.
left_out=()
[ "$kind" = thread ] &&
  left_out=('~R8: every flipped byte*' '~R8: a sealed segment that is cut short*' '~R8: a tail torn at any byte*')

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:die_after_fork=0
export ASAN_OPTIONS=detect_leaks=1
for tests in os redo; do
  if (cd "$build" && "tests/test-$tests" "${left_out[@]}") >"$log" 2>&1; then
    passed "tests of $tests under $kind"
  else
    tail -n 80 "$log"
    failed "tests of $tests under $kind"
  fi
done
exit "$failures"

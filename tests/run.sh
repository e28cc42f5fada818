#!/usr/bin/env bash
# Builds everything and runs every test. The last line is "N passed, N failed, N skipped"; the exit code is 0
# when no test failed. Works in scratch directories only, starts nothing that outlives it.
set -u -o pipefail

usage() {
  cat <<'END'
usage: tests/run.sh [--long] [--sanitize KIND] [--build DIR] [TEST]...
  --long           the long variants too
  --sanitize KIND  the unit tests under a sanitizer: address,undefined or thread
  --build DIR      build there (default: build, or build-KIND with --sanitize)
  TEST             only these, by the names that `meson test --list` gives
END
}

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1

build=
sanitize=none
tests=()
suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --long) export RESTANTE_TEST_LONG=1 ;;
    --sanitize) sanitize=${2:?"--sanitize takes a kind"}; shift ;;
    --build) build=${2:?"--build takes a directory"}; shift ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) tests+=("$1") ;;
  esac
  shift
done
[ "$sanitize" = none ] || suites=(--suite unit)
if [ -z "$build" ]; then
  build=build
  [ "$sanitize" = none ] || build=build-${sanitize//,/-}
fi

# What keeps the tests from running is a failure like any other, and says so in the last line.
give_up() {
  printf '\n%s\n0 passed, 1 failed, 0 skipped\n' "$1"
  exit 1
}

. tools/packages.sh
restante_require_packages "${restante_build_packages[@]}" "${restante_test_packages[@]}" || exit 1

# Debian's own, whatever else PATH offers first: it runs with the Python that its packages are for.
meson=/usr/bin/meson
[ -x "$meson" ] || meson=meson
python=/usr/bin/python3
[ -x "$python" ] || python=python3
jobs=$(nproc)

werror=false
[ "${CI:-}" = true ] && werror=true
# Compiling is most of a cold run. In a long run every file stands for itself, as it does for who builds this.
quick=false
[ "${CI:-}" = true ] && [ "${RESTANTE_TEST_LONG:-}" != 1 ] && quick=true
options=(-Dtests=true "-Dwerror=$werror" "-Dquick=$quick" "-Db_sanitize=$sanitize")
if [ "$sanitize" != none ]; then
  options+=(--buildtype=debugoptimized -Db_lundef=false)
  # What these report must fail the test that caused it.
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
  export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}
fi

log=$(mktemp "${TMPDIR:-/tmp}/restante-build-XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
if [ -f "$build/build.ninja" ]; then
  "$meson" setup --reconfigure "$build" "${options[@]}" >"$log" 2>&1
else
  "$meson" setup "$build" "${options[@]}" >"$log" 2>&1
fi || { cat "$log"; give_up "the build could not be configured in $build"; }
ninja -C "$build" -j "$jobs" >"$log" 2>&1 || { grep -v '^\[' "$log"; give_up "the build failed in $build"; }
grep -A4 'warning:' "$log"

results=$build/meson-logs/testlog.json
rm -f "$results"
"$meson" test -C "$build" --no-rebuild --quiet --num-processes "$jobs" "${suites[@]}" "${tests[@]}" \
  >"$log" 2>&1
[ -s "$results" ] || { cat "$log"; give_up 'no test ran'; }
"$python" tests/support/summarize.py "$results"

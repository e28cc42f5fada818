# For tests that are shell scripts: one call per test case. Source it, and end with `exit "$failures"`.
# shellcheck shell=bash
failures=0
passed() { printf 'RESULT passed %s\n' "$1"; }
failed() { printf 'RESULT failed %s\n' "$1"; failures=1; }
skipped() { printf 'RESULT skipped %s: %s\n' "$1" "$2"; } # name, reason

# check NAME COMMAND...: passed if the command succeeds.
check() {
  local name=$1
  shift
  if "$@"; then passed "$name"; else failed "$name"; fi
}

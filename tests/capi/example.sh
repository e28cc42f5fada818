#!/usr/bin/env bash
# That the C example does what it says.
# usage: example.sh PROGRAM
set -u -o pipefail
. "$(dirname "$0")/../support/results.sh"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/restante-example-XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT

lists_both_sessions() {
  local listing
  listing=$("$1" "$scratch") || return 1
  printf '%s\n' "$listing"
  [ "$(grep -c '  completed$' <<<"$listing")" = 2 ] &&
    grep -q '^incr-' <<<"$listing" && grep -q '^full-' <<<"$listing"
}
fails_the_second_time() {
  local said
  ! said=$("$1" "$scratch" 2>&1) && grep -q already <<<"$said"
}

check "C: the example lists a full and an incremental" lists_both_sessions "$1"
check "C: the example says why it failed" fails_the_second_time "$1"
exit "$failures"

#!/usr/bin/env bash
# Fuzzes the decoders with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#
# usage: tests/fuzz/run.sh [--seconds N] [--test] [BUILD]
#   --seconds N  so long with each fuzzer (default: 5; 60 when RESTANTE_TEST_LONG=1)
#   --test       RESULT lines, one for each fuzzer
#   BUILD        objects, programs and what was found go there (default: build-fuzz)
#
# What is found and worth keeping goes into tests/fuzz/corpus/<fuzzer> by hand; a crash gets its file there.
set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$top/tests/support/results.sh"

seconds=5
[ "${RESTANTE_TEST_LONG:-}" = 1 ] && seconds=60
as_test=false
build=$top/build-fuzz
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?"--seconds takes a number"}; shift ;;
    --test) as_test=true ;;
    -*) printf 'usage: tests/fuzz/run.sh [--seconds N] [--test] [BUILD]\n' >&2; exit 2 ;;
    *) build=$1 ;;
  esac
  shift
done
fuzzers=(operation header record scan index control archive snapshot session accounts uidlist maildir
  mime_splitter keys export export_lines)

clang=$(command -v clang++-14 || command -v clang++)
if [ -z "$clang" ]; then
  for fuzzer in "${fuzzers[@]}"; do skipped "fuzz: $fuzzer" 'clang is missing'; done
  exit 0
fi

# What the decoders need, and no more: compiling is most of the time. The files of a group are compiled as
# one, which parses the headers once.
declare -A groups=(
  [base]='base/bytes base/content base/crc32c base/status base/text base/time base/wire base/civil crypto/crypto'
  [os]='os/errors os/fd os/file os/io os/random os/lock os/process os/shared_memory'
  [model]='model/model model/operation model/records model/state_digest format/fields format/operation_codec format/operation_validate'
  [record]='redo/assigned redo/body redo/record redo/record_info redo/record_scan redo/segment_file'
  [segment]='redo/segment_index redo/segment_header redo/segment_reading redo/consumers redo/control_file redo/open_table'
  [target]='target/archive_format target/archived_view target/named_content target/segment_archive target/snapshot_file target/session_file target/xml_text content/compression'
  [content]='content/base64_lines content/mime_splitter'
  [storage]='storage/key storage/memory_storage storage/publication'
  [keys]='crypto/aead crypto/curve crypto/kdf crypto/sealer crypto/secret keys/chain keys/ledger keys/secrets'
  [stores]='stores/maildir_uidlist stores/maildir_keywords stores/maildir_subscriptions stores/maildir_names
    stores/maildir_pattern stores/maildir_attributes stores/mutf7'
  [archive]='archive/mbox archive/names archive/reader archive/records archive/spool archive/own_mailboxes
    archive/foreign_mailboxes model/mailbox_state'
)
names=("${!groups[@]}")
libraries=(-lcrypto -lzstd -lpugixml -larchive)

flags=(-std=c++20 -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
  -fno-sanitize-recover=all -I"$top/include" -I"$top/lib" -I"$here")
mkdir -p "$build/objects" || exit 1
for group in "${names[@]}"; do
  for name in ${groups[$group]}; do printf '#include "%s.cpp"\n' "$name"; done >"$build/objects/lib-$group.new"
  cmp -s "$build/objects/lib-$group.new" "$build/objects/lib-$group.cpp" ||
    mv "$build/objects/lib-$group.new" "$build/objects/lib-$group.cpp"
done

# compile GROUP|FUZZER
compile() {
  local source=$build/objects/$1.cpp object=$build/objects/$1.o
  [ -f "$source" ] || source=$here/$1_fuzz.cpp
  [ "$object" -nt "$source" ] &&
    [ -z "$(find "$top/lib" "$top/include" "$here" -name '*.[hc]pp' -newer "$object" -print -quit)" ] && return
  "$clang" "${flags[@]}" -c "$source" -o "$object"
}
# The jobs NAME of a function, two and more at a time: `side_by_side FUNCTION NAME...`
side_by_side() {
  local function=$1
  shift
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'eval "$declared"; "$0" "$1"' "$function"
}
export declared
declared=$(declare -p clang build top here flags libraries seconds; declare -f)
if ! side_by_side compile "${names[@]/#/lib-}" "${fuzzers[@]}"; then
  failed 'fuzz: the fuzzers compile'
  exit 1
fi

fuzz() {
  local fuzzer=$1 found=$build/found/$1
  mkdir -p "$found"
  "$clang" -fsanitize=fuzzer,address,undefined "$build/objects/$fuzzer.o" "$build"/objects/lib-*.o "${libraries[@]}" \
    -o "$build/fuzz-$fuzzer" || return 1
  # The kept corpus is read and not written to.
  (cd "$build" && "./fuzz-$fuzzer" -max_total_time="$seconds" -max_len=6144 -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix="$build/crash-$fuzzer-" "$found" "$here/corpus/$fuzzer") \
    >"$build/$fuzzer.log" 2>&1 && return 0
  tail -n 40 "$build/$fuzzer.log" >&2
  return 1
}
run() {
  check "fuzz: $1" fuzz "$1"
  $as_test || grep -E 'number_of_executed_units|new_units_added' "$build/$1.log"
  return "$failures"
}
declared+=$(printf '\n'; declare -p failures as_test; declare -f)
side_by_side run "${fuzzers[@]}"

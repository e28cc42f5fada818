#!/usr/bin/env bash
# Fuzzes the decoders of the redo log with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
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
fuzzers=(operation header record scan index control)

clang=$(command -v clang++-14 || command -v clang++)
if [ -z "$clang" ]; then
  for fuzzer in "${fuzzers[@]}"; do skipped "fuzz: $fuzzer" 'clang is missing'; done
  exit 0
fi

# What the decoders need of the lower layers and of the redo layer, and no more: compiling is most of the time.
sources=("$top"/lib/{base,os,crypto,model,format}/*.cpp)
for name in assigned body consumers control_file open_table record record_info record_scan segment_file segment_index \
  segment_header; do
  sources+=("$top/lib/redo/$name.cpp")
done
for fuzzer in "${fuzzers[@]}"; do sources+=("$here/${fuzzer}_fuzz.cpp"); done

flags=(-std=c++20 -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
  -fno-sanitize-recover=all -I"$top/include" -I"$top/lib" -I"$here")
mkdir -p "$build/objects" || exit 1
compile() {
  local source=$1 object
  object=$build/objects/$(basename "$(dirname "$source")")-$(basename "$source" .cpp).o
  [ "$object" -nt "$source" ] && [ -z "$(find "$top/lib" "$top/include" "$here" -name '*.hpp' -newer "$object" -print -quit)" ] &&
    return
  "$clang" "${flags[@]}" -c "$source" -o "$object"
}
export -f compile
export clang build top here
# Arrays are not exported.
flags_text=$(printf '%q ' "${flags[@]}")
export flags_text
if ! printf '%s\0' "${sources[@]}" |
  xargs -0 -n 1 -P "$(nproc)" bash -c 'eval "flags=($flags_text)"; compile "$1"' compile; then
  failed 'fuzz: the fuzzers compile'
  exit 1
fi

lower=()
for object in "$build"/objects/*.o; do
  case $object in */fuzz-*) ;; *) lower+=("$object") ;; esac
done
fuzz() {
  local fuzzer=$1 found=$build/found/$1
  mkdir -p "$found"
  "$clang" -fsanitize=fuzzer,address,undefined "$build/objects/fuzz-${fuzzer}_fuzz.o" "${lower[@]}" -lcrypto \
    -o "$build/fuzz-$fuzzer" || return 1
  # The kept corpus is read and not written to.
  (cd "$build" && "./fuzz-$fuzzer" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix="$build/crash-$fuzzer-" "$found" "$here/corpus/$fuzzer") \
    >"$build/$fuzzer.log" 2>&1 && return 0
  tail -n 40 "$build/$fuzzer.log" >&2
  return 1
}
for fuzzer in "${fuzzers[@]}"; do
  check "fuzz: $fuzzer" fuzz "$fuzzer"
  $as_test || grep -E 'number_of_executed_units|new_units_added' "$build/$fuzzer.log"
done
exit "$failures"

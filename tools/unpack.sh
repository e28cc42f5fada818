#!/usr/bin/env bash
# Unpacks Debian packages below a directory and installs nothing: servers that tests run would start on the
# administrator's machine, or drive out each other. Needs no root. What is unpacked already stays as it is.
set -eu -o pipefail

usage() {
  cat <<'END'
usage: tools/unpack.sh DIR PACKAGE... [--unless-installed PACKAGE...]
  DIR                 unpack below this directory; it is made
  --unless-installed  the following only if the machine does not have them: libraries that a server needs
END
}

[ $# -ge 2 ] || { usage >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/packages.sh"

directory=$1
shift
wanted=()
while [ $# -gt 0 ] && [ "$1" != --unless-installed ]; do wanted+=("$1"); shift; done
if [ $# -gt 0 ]; then
  shift
  mapfile -t -O "${#wanted[@]}" wanted < <(restante_missing_packages "$@")
fi

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
exec 9>"$directory/.lock"
flock 9

todo=()
for package in "${wanted[@]}"; do
  [ -e "$directory/.unpacked/$package" ] || todo+=("$package")
done
[ "${#todo[@]}" -gt 0 ] || exit 0

download=$(mktemp -d "$directory/.download-XXXXXX")
trap 'rm -rf "$download"' EXIT
cd "$download"
quiet=(-qq -o Dpkg::Use-Pty=0 -o APT::Sandbox::User="$(id -un)")
# Where the machine has no lists, or old ones, lists of our own: those of the machine are its owner's.
own=(-o Dir::State::lists="$download/lists" -o Dir::Cache="$download/cache")
if ! apt-get "${quiet[@]}" download "${todo[@]}" >/dev/null 2>&1; then
  printf 'reading package lists, to unpack: %s\n' "${todo[*]}" >&2
  mkdir -p lists/partial cache/archives/partial
  apt-get "${quiet[@]}" "${own[@]}" update >&2
  apt-get "${quiet[@]}" "${own[@]}" download "${todo[@]}" >&2
fi
mkdir -p "$directory/.unpacked"
for package in "${todo[@]}"; do
  dpkg-deb --extract "$package"_*.deb "$directory"
  : >"$directory/.unpacked/$package"
done

# The Debian packages that restante needs. Sourced by tests/run.sh and examples/quickstart/run.sh.
# shellcheck shell=bash

# To build the libraries, the program and the examples.
restante_build_packages=(
  g++
  libarchive-dev
  libcli11-dev
  libfmt-dev
  libhowardhinnant-date-dev
  liblmdb-dev
  libpugixml-dev
  libssl-dev
  libtomlplusplus-dev
  libzstd-dev
  meson
  ninja-build
  nlohmann-json3-dev
  pkg-config
  tzdata
)
# To run the tests besides: the stores of examples/ keep their mail in SQLite. The second reader is Python of
# the distribution, /usr/bin/python3; clang has the fuzzer, whose library is in a package of its own.
restante_test_packages=(
  catch2
  clang-14
  libclang-rt-14-dev
  libsqlite3-dev
  python3
  python3-cryptography
  python3-zstandard
)

# Those of the given packages that are not installed, a line each. `pkgconf` answers for `pkg-config`.
restante_missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      printf '%s\n' "$package"
  done
}

# Installs what is missing of the given packages: as root, or through a sudo that asks for no password.
# Otherwise prints the one command that does it and returns 1. Nothing that is installed is removed.
restante_require_packages() {
  if ! command -v dpkg-query >/dev/null; then
    printf 'not a Debian system: the needed packages are not checked\n' >&2
    return 0
  fi
  local missing
  mapfile -t missing < <(restante_missing_packages "$@")
  [ "${#missing[@]}" -eq 0 ] && return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo --non-interactive true 2>/dev/null; then
      printf 'packages are missing; install them with\n\n  sudo apt-get install --no-remove --no-install-recommends %s\n\n' \
        "${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  printf 'installing: %s\n' "${missing[*]}" >&2
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update >&2 &&
    "${apt[@]}" install -y --no-remove --no-install-recommends "${missing[@]}" >&2
}

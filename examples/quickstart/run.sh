#!/usr/bin/env bash
# Plays restante's main story on a small mail store made from nothing: full backup, mail keeps arriving and
# changing, incremental backup, an accident, restore to the second before it.
#
# Installs what it needs from Debian's packages (as root or through sudo; otherwise it prints the command),
# builds the libraries and the program, and works in a scratch directory that goes away at the end
# (RESTANTE_KEEP=1 keeps it).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=../../tools/packages.sh
. "$root/tools/packages.sh"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
else
  bold='' dim='' plain=''
fi
chapter() { printf '\n%s== %s ==%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s\n' "$1"; }
# Shows a command as a person would type it, then runs it.
run() {
  printf '%s$ restante %s%s\n' "$dim" "$*" "$plain"
  "$program" --config "$config" "$@"
}

# --- Building -------------------------------------------------------------------------------------------

chapter "What this needs"
missing=$(restante_missing_packages "${restante_build_packages[@]}" | tr '\n' ' ')
if [ -n "$missing" ]; then
  say "From Debian's packages, to be installed now: $missing"
  restante_require_packages "${restante_build_packages[@]}"
else
  say "Every Debian package that it needs is installed."
fi

chapter "Building the libraries and the program"
build=${RESTANTE_QUICKSTART_BUILD:-$root/build-quickstart}
say "Without optimisation and many files at a time, to be quick: one to two minutes on two cores, the first time."
if [ ! -f "$build/build.ninja" ]; then
  /usr/bin/meson setup "$build" "$root" -Dtests=false -Doptimization=0 \
    -Dquick=true --unity on --unity-size 13 >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
fi
ninja -C "$build" examples/cli/restante >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
tail -n 1 "$build.log"
rm -f "$build.log"
program="$build/examples/cli/restante"

# --- A small mail store ---------------------------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/restante-quickstart.XXXXXX")
if [ -n "${RESTANTE_KEEP:-}" ]; then
  trap 'printf "\nKept: %s\n" "$work"' EXIT
else
  trap 'rm -rf "$work"' EXIT
fi
mail="$work/mail"
config="$work/restante.toml"
cat >"$config" <<TOML
server = "mail.example.com"
state = "$work/state"

[store]
type = "maildir"
path = "$mail"
domain = "example.com"

[redo]
path = "$work/redo"

[target]
path = "$work/backup"
TOML

serial=0
# make_folder USER FOLDER: a Maildir++ folder; "" is the inbox.
make_folder() {
  mkdir -p "$mail/$1${2:+/.$2}/cur" "$mail/$1${2:+/.$2}/new" "$mail/$1${2:+/.$2}/tmp"
}
# deliver USER FOLDER FLAGS SUBJECT TEXT
deliver() {
  serial=$((serial + 1))
  local file
  file="$mail/$1${2:+/.$2}/cur/$(date +%s).M${serial}P$$.quickstart:2,$3"
  printf 'From: post@example.org\nTo: %s@example.com\nSubject: %s\nMessage-Id: <%d@example.org>\n\n%s\n' \
    "$1" "$4" "$serial" "$5" >"$file"
}
# What a mail reader would show.
show_mailbox() {
  local folder file
  for folder in "" $(cd "$mail/$1" 2>/dev/null && find . -maxdepth 1 -name '.?*' -type d -printf '%f\n' | sort); do
    printf '  %s\n' "${folder:-INBOX}" | sed 's/^  \./  /'
    find "$mail/$1/$folder/cur" "$mail/$1/$folder/new" -type f 2>/dev/null | sort | while read -r file; do
      printf '      %-34s flags: %s\n' "$(sed -n 's/^Subject: //p' "$file")" "${file##*:2,}"
    done
  done
}

chapter "A small mail store, made from nothing"
for user in alice bob; do make_folder "$user" ""; make_folder "$user" Sent; done
make_folder alice Projects
deliver alice "" S "Welcome" "Hello Alice."
deliver alice Projects S "Contract, final version" "Signed. Keep this one."
deliver alice Projects "" "Contract, annex" "See attachment."
deliver bob "" "" "Lunch?" "At twelve."
say "alice@example.com has:"
show_mailbox alice

# --- The story ------------------------------------------------------------------------------------------

chapter "1. Full backup"
run init
run backup --full

chapter "2. Mail keeps arriving and changing"
deliver alice "" "" "Invoice 7" "Please pay."
deliver bob "" "" "Re: Lunch?" "Twelve is fine."
annex=$(find "$mail/alice/.Projects/cur" -name '*:2,' | head -n 1)
mv "$annex" "${annex}FS"
say "Alice got an invoice and flagged the annex; restante's log learns of it:"
run scan

chapter "3. Incremental backup"
run backup --incremental

chapter "4. The second before the accident"
deliver alice Projects "" "Contract, addendum" "Effective today."
run scan >/dev/null
sleep 1.1
good=$(date '+%Y/%m/%d %H:%M:%S')
sleep 1.1
say "It is $good."

chapter "5. The accident"
rm -r "$mail/alice/.Projects"
rm "$mail"/alice/cur/*
run scan >/dev/null
deliver bob "" "" "Coffee" "At three."
say "Somebody deleted Alice's projects and emptied her inbox. What is left:"
show_mailbox alice

chapter "6. What there is to go back to"
run query -v

chapter "7. What a restore would change, before it touches anything"
run restore -a alice@example.com --to-time "$good" --dry-run

chapter "8. The restore"
run restore -a alice@example.com --to-time "$good"

chapter "9. The result"
say "alice@example.com:"
show_mailbox alice
say "bob@example.com, who went on receiving mail:"
show_mailbox bob

chapter "10. And the backup is what it claims to be"
run verify --read-data

printf '\n%sAlice has her mail of %s again; Bob never noticed.%s\n' "$bold" "$good" "$plain"

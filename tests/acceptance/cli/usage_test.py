#!/usr/bin/python3
"""What the program says to those who call it wrongly, and to those who ask."""

import os
import pathlib
import re
import subprocess

from support import Run, Skipped, contains, equal, fails_clearly, main

COMMANDS = ["init", "backup", "restore", "query", "abort", "delete", "verify", "copy", "rebuild", "repair", "scan"]
COMMANDS += ["watch", "export", "import", "keys"]
COMMANDS += ["redo dump", "redo verify", "redo replay", "redo stat"]
SOURCE = pathlib.Path(__file__).resolve().parents[3]


def test_help_lists_every_command(site):
    text = site.run("--help", code=0).out
    for command in COMMANDS:
        contains(text, f"  {command} ")
    for command in COMMANDS:
        own = site.run(*command.split(), "--help", code=0).out
        contains(own, f"restante {command} - ")
        for title in ("Usage", "Description", "Options of all commands", "Exit codes"):
            contains(own, f"\n{title}\n")
        if max(len(line) for line in own.splitlines()) > 80:
            raise AssertionError(f"a line is wider than 80 columns\n{own}")


def test_manuals_tell_every_option(site):
    guide = (SOURCE / "docs/guides/commands.md").read_text()
    page = (SOURCE / "docs/man/restante.1").read_text().replace("\\-", "-")
    for command in COMMANDS:
        contains(guide, f"## restante {command}")
        text = site.run(*command.split(), "--help", code=0).out
        for option in set(re.findall(r"--[a-z-]+", text)):
            contains(guide, f"`{option}")
            contains(page, option)


def test_version(site):
    contains(site.run("--version", code=0).out, "restante 0.")


def test_unrecognized_words(site):
    fails_clearly(site.run(), 2, "a command is missing", "backup")
    fails_clearly(site.run("frobnicate"), 2, "Unrecognized command 'frobnicate'", "backup")
    fails_clearly(site.run("--frobnicate"), 2, "Unrecognized option '--frobnicate'")
    for command in COMMANDS:
        fails_clearly(site.run(*command.split(), "--frobnicate"), 2, "Unrecognized option '--frobnicate'")
        if command not in ("redo dump", "redo verify", "import"):  # they take files
            fails_clearly(site.run(*command.split(), "frobnicate"), 2, "Unrecognized argument 'frobnicate'")
    fails_clearly(site.run("redo", "dump", "frobnicate"), 1, "frobnicate: No such file")
    fails_clearly(site.run("redo"), 2, "redo dump")
    fails_clearly(site.run("query", "x\x1b[31m"), 2, "\\x1b[31m")


def test_later_commands_and_options_are_refused(site):
    for command in (
        "schedule browse search diff undelete undo doctor"
    ).split():
        fails_clearly(site.run(command), 2, f"Unrecognized command '{command}'")
    fails_clearly(site.run("redo", "undo"), 2, "Unrecognized command 'redo undo'", "redo replay")
    for words in (
        ["restore", "-a", "x", "--folder", "INBOX"],
        ["restore", "-a", "x", "--message", "1"],
    ):
        fails_clearly(site.run(*words), 2, "not available yet")


def test_options_against_each_other(site):
    fails_clearly(site.run("backup", "--full", "--incremental"), 2, "exclude each other", "hint: ")
    fails_clearly(site.run("backup", "--synthetic", "--full"), 2, "exclude each other", "hint: ")
    fails_clearly(site.run("backup", "--auto-grouped", "-a", "x"), 2, "chooses the accounts itself", "hint: ")
    fails_clearly(site.run("restore"), 2, "an account is required")
    fails_clearly(site.run("restore", "-a", "x", "--backup-only", "--full-only"), 2, "exclude each other")
    fails_clearly(site.run("restore", "-a", ""), 2, "empty")
    fails_clearly(site.run("restore", "-a", "x", "--identity", "new"), 2, "exact, keep and renew")
    fails_clearly(site.run("restore", "-a", "x", "--to-lsn", "12x"), 2, "'12x' is not a number")
    fails_clearly(site.run("restore", "-a", "x", "--to-seq", "-1"), 2)
    fails_clearly(site.run("restore", "-a", "x", "--to-seq", "99999999999999999999999"), 2, "is not a number")
    fails_clearly(site.run("query", "--type", "half"), 2, "full and incremental")
    fails_clearly(site.run("query", "--label"), 2, "--label needs a value")
    fails_clearly(site.run("query", "--label", "a", "--label", "b"), 2, "more than once")


def test_all_stands_alone(site):
    for words in (["restore"], ["backup"], ["scan"]):
        fails_clearly(site.run(*words, "-a", "al@example.com", "all"), 2, "'all' stands alone", "hint: ")


def test_empty_values_are_refused(site):
    for words in (
        ["restore", "-a", "x", "--to-time", ""],
        ["restore", "-a", "x", "--prefix", ""],
        ["query", "--label", ""],
        ["verify", "--target", ""],
    ):
        fails_clearly(site.run(*words), 2, "the value is empty", "hint: ")


def test_prefixes_that_make_no_address(site):
    for prefix in ("../", "a/b", "@", "a@b.c-", "n\nl", "\x7f", ".hidden"):
        fails_clearly(site.run("restore", "-a", "x", "--prefix", prefix), 2, "--prefix: '", "hint: ")
    long = site.run("restore", "-a", "x", "--prefix", "p" * 260)
    fails_clearly(long, 2, "260 bytes, 64 are allowed", "hint: ")


def test_help_is_text_with_json_too(site):
    contains(site.run("--json", "--help", code=0).out, "Commands\n")
    contains(site.run("query", "--json", "--help", code=0).out, "Usage\n")
    contains(site.run("--json", "--version", code=0).out, "restante 0.")


def test_abort_requires_a_label(site):
    fails_clearly(site.run("abort"), 2, "a label is required")
    fails_clearly(site.run("abort", "--label", "x", "--restore"), 2, "exclude each other")


def test_delete_requires_one_choice(site):
    fails_clearly(site.run("delete"), 2, "what to delete is required", "hint: ")
    fails_clearly(site.run("delete", "--label", "x", "--older-than", "7d"), 2, "exclude each other")
    fails_clearly(site.run("delete", "--older-than", "7 weeks"), 2, "'7 weeks' is no period", "7d")


def test_bad_times(site):
    times = "yesterday|2026/13/01 00:00:00|2026/02/30 12:00:00|20260712.15595|2026/07/12 15:30:00x"
    for time in times.split("|"):
        fails_clearly(site.run("restore", "-a", "x", "--to-time", time), 2, "Invalid timestamp", "YYYY/MM/DD")
        fails_clearly(site.run("query", "--from", time), 2, "--from: Invalid timestamp")
        fails_clearly(site.run("redo", "dump", "--to", time), 2, "--to: Invalid timestamp")


def test_usage_errors_are_documents_too(site):
    document = site.json("query", "--frobnicate", code=2)
    equal(document["command"], "query")
    equal(document["error"]["code"], "invalid_argument")
    contains(document["error"]["message"], "--frobnicate")
    equal(site.json("frobnicate", code=2)["command"], "")


def test_bad_configurations(site):
    good = site.config.read_text()
    cases = [
        ("", 1, "'server' is missing"),
        (good.replace('server = "server1.example.com"\n', ""), 1, "'server' is missing"),
        (good.replace("server = ", "serve = "), 1, "unknown key 'serve'"),
        (good.replace('"server1.example.com"', "17"), 1, "server must be a string"),
        (good.replace('"server1.example.com"', '""'), 1, "server must not be empty"),
        (good.replace("[store]", "[stores]"), 3, "unknown key 'stores'"),
        (good.replace('type = "maildir"', 'type = "mbox"'), 4, 'store.type = "mbox" is not available'),
        (good.replace('type = "maildir"\n', ""), 3, "'store.type' is missing"),
        (good.replace('domain = "example.com"\n', ""), 3, "'store.domain' is missing"),
        (good.replace("domain = ", "domian = "), 6, "unknown key 'store.domian'"),
        (good.replace(f'"{site.mail}"', '"mail"'), 5, "not an absolute path"),
        (good.split("[target]")[0], 1, "[target] is missing"),
        (good.replace("[target]", "[target"), 7, ""),
        (good.replace("[target]", "[[target]]") + f'[[target]]\npath = "{site.target}"\n', 10, "given twice"),
        (good + "[redo]\npath = 5\n", 10, "redo.path must be a string"),
        (good + '[auto_grouped]\ninterval = "1h"\n', 10, "is not an interval"),
        (good + "[auto_grouped]\nnum_groups = 0\n", 10, "num_groups must be a number"),
        (good + '[report]\nto = "admin@example.com"\n', 10, "report.to must be a list"),
        (good + "[report]\nto = [1]\n", 10, "report.to must be a string"),
        ('mode = "weekly"\n' + good, 1, 'mode = "weekly" is unknown'),
        (good.replace(f'"{site.mail}"', f'"{site.mail}/%x"'), 5, "unknown variable '%x'"),
        (good.replace(f'"{site.mail}"', f'"{site.mail}/%n/%"'), 5, "unknown variable '%'"),
        (good.replace(f'"{site.mail}"', f'"{site.mail}/%d"'), 5, "does not tell accounts apart"),
        (good + 'server = "again"\n', 9, ""),
    ]
    for text, line, message in cases:
        site.write_config(text)
        try:
            fails_clearly(site.run("query"), 2, f"{site.config}:{line}: ", message)
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- configuration\n{text}") from None


def test_full_configuration_is_accepted(site):
    site.write_config(
        f'server = "s"\nstate = "{site.state}"\nmode = "standard"\n'
        f'[store]\ntype = "maildir"\npath = "{site.mail}/%d/%n/Maildir"\n'
        f'[redo]\npath = "{site.path}/redo"\n'
        f'[[target]]\npath = "{site.target}"\n[[target]]\npath = "{site.target}2"\n'
        '[auto_grouped]\ninterval = "2w"\nnum_groups = 5\n[report]\nto = ["admin@example.com"]\n'
    )
    site.run("init", code=0)


def test_nothing_of_ours_lies_among_the_mailboxes(site):
    link = site.path / "link"
    link.symlink_to(site.mail)
    good = site.config.read_text()
    store = f'path = "{site.mail}"'

    def refused(text, key):
        site.write_config(text)
        for words in (["init"], ["query"]):
            fails_clearly(site.run(*words), 2, f"{key} = ", "is among the mailboxes", "hint: ")
        equal(list(site.mail.iterdir()), [])

    for place in ("", "/", "/alice", "/alice/.Work/x", "/../mail/alice"):
        inside = f"{site.mail}{place}"
        refused(good.replace(f'"{site.target}"', f'"{inside}"'), "target.path")
        refused(good.replace(f'"{site.state}"', f'"{inside}"'), "state")
        refused(good + f'[redo]\npath = "{inside}"\n', "redo.path")
    refused(good.replace(f'"{site.target}"', f'"{link}/alice"'), "target.path")
    pattern = good.replace(store, f'path = "{site.mail}/%d/%n/Maildir"')
    for place in ("", "/example.com", "/example.com/alice/Maildir", "/example.com/alice/Maildir/redo"):
        refused(pattern.replace(f'"{site.target}"', f'"{site.mail}{place}"'), "target.path")
    # Beside the mailboxes is not among them.
    for place in (f"{site.mail}2", f"{site.mail}/example.com/alice/backup"):
        site.write_config(pattern.replace(f'"{site.target}"', f'"{place}"'))
        site.run("init", code=0)


def test_configuration_that_cannot_be_read(site):
    site.config.unlink()
    fails_clearly(site.run("query"), 2, "cannot read the configuration", "RESTANTE_CONFIG")
    site.config.mkdir()
    fails_clearly(site.run("query"), 2, "cannot read the configuration", "not a regular file")
    site.config.rmdir()
    os.mkfifo(site.config)
    fails_clearly(site.run("query"), 2, "cannot read the configuration", "not a regular file")


def test_configuration_by_variable(site):
    site.run("init", code=0)
    environment = {**site.environment(), "RESTANTE_CONFIG": str(site.config)}
    command = [site.command()[0], "query"]
    run = Run(subprocess.run(command, capture_output=True, env=environment))
    equal(run.code, 0, str(run))
    environment["RESTANTE_CONFIG"] = str(site.path / "none")
    run = Run(subprocess.run(command, capture_output=True, env=environment))
    fails_clearly(run, 2, "none: No such file")


def test_full_standard_output(site):
    if not os.path.exists("/dev/full"):
        raise Skipped("no /dev/full")
    site.deliver("alice", "one")
    site.run("init", code=0)

    def run(stdout, *words):
        return subprocess.run(
            site.command(*words), stdout=stdout, stderr=subprocess.PIPE, env=site.environment(), timeout=60
        )

    for words in (["query"], ["query", "--json"], ["--help"], ["backup", "--full"]):
        with open("/dev/full", "wb") as full:
            done = run(full, *words)
        equal(done.returncode, 3, str(words))
        contains(done.stderr.decode(), "restante: done, but the output could not be written")
    equal([s["status"] for s in site.json("query")["sessions"]], ["completed"])
    # The reader has gone, as with "| head -1".
    reading, writing = os.pipe()
    os.close(reading)
    equal(run(writing, "backup", "--full").returncode, 3)
    os.close(writing)
    equal(len(site.json("query")["sessions"]), 2)
    # What failed has failed.
    with open("/dev/full", "wb") as full:
        equal(run(full, "query", "--label", "full-20010101.000000.000").returncode, 1)
        equal(run(full, "query", "--frobnicate", "--json").returncode, 2)


if __name__ == "__main__":
    main(globals())

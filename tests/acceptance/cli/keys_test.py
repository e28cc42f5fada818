#!/usr/bin/python3
"""Encrypted targets, and who holds keys of them."""

import shutil

from support import contains, equal, fails_clearly, main


def configured(site, **keys):
    """The configuration with these keys of [target]."""
    known = ("key_file", "passphrase_file", "authority")
    lines = [line for line in site.config.read_text().splitlines() if not line.startswith(known)]
    lines += [f'{key} = "{value}"' for key, value in keys.items()]
    site.config.write_text("\n".join(lines) + "\n")


def started(site, **keys):
    configured(site, **(keys or {"key_file": site.path / "keys" / "target.key"}))
    for account in ("alice", "bob"):
        site.deliver(account, f"secret of {account}", "Projects", flags="S", size=3000)
    site.run("init", code=0)


def everything(path):
    return b"".join(entry.read_bytes() + str(entry).encode() for entry in sorted(path.glob("**/*")) if entry.is_file())


def test_init_makes_an_encrypted_target_and_its_key(site):
    configured(site, key_file=site.path / "keys" / "target.key")
    site.deliver("alice", "secret of alice", "Projects", flags="S")
    contains(site.run("init", code=0).out, "keep a copy elsewhere")
    key = site.path / "keys" / "target.key"
    equal(key.stat().st_mode & 0o777, 0o600)
    contains(site.run("init", code=0).out, "Nothing was to be done.")
    site.backup("--full")
    site.deliver("alice", "another secret", flags="F")
    site.backup()
    before = site.mailbox("alice")
    stored = everything(site.target)
    for secret in (b"alice", b"example.com", b"Projects", b"secret of", key.read_bytes()):
        equal(secret in stored, False, secret)
    shutil.rmtree(site.mail / "alice")
    site.run("restore", "-a", "alice@example.com", code=0)
    equal(site.mailbox("alice"), before)
    equal(site.json("verify", "--read-data")["targets"][0]["damages"], [])


def test_nobody_opens_it_without_a_key(site):
    started(site)
    site.backup("--full")
    configured(site)
    run = fails_clearly(site.run("query"), 1, "is encrypted")
    contains(run.err, "key_file")
    site.run("keys", "--create", site.path / "other.key", code=0)
    configured(site, key_file=site.path / "other.key")
    fails_clearly(site.run("query"), 1, "none of the target's keys")
    configured(site, key_file=site.path / "not there")
    fails_clearly(site.run("query"), 1, "not there")
    (site.path / "words").write_text("wrong words\n")
    configured(site, passphrase_file=site.path / "words")
    fails_clearly(site.run("query"), 1, "none of the target's passphrases")
    configured(site, key_file=site.path / "keys" / "target.key")
    equal(len(site.json("query")["sessions"]), 1)


def test_a_plain_target_is_not_taken_for_an_encrypted_one(site):
    configured(site)
    site.deliver("alice", "hello", flags="S")
    site.run("init", code=0)
    site.run("keys", "--create", site.path / "some.key", code=0)
    configured(site, key_file=site.path / "some.key")
    fails_clearly(site.run("backup"), 1, "is not encrypted")
    configured(site)
    fails_clearly(site.run("keys"), 1, "is not encrypted")


def test_a_passphrase_is_a_key(site):
    (site.path / "words").write_text("correct horse battery\nthe rest is a comment\n")
    started(site, passphrase_file=site.path / "words")
    site.backup("--full")
    document = site.json("keys")
    equal([(holder["name"], holder["key"], holder["rights"]) for holder in document["holders"]],
          [("owner", "passphrase", "manage")])
    equal((document["me"], document["epoch"]), (1, 1))
    equal(site.json("verify")["targets"][0]["damages"], [])


def test_holders_come_and_go(site):
    started(site)
    server, reader = site.path / "server.key", site.path / "reader.key"
    site.run("keys", "--create", server, code=0)
    equal(site.json("keys", "--add", "server1", "--rights", "write", "--this-server", "--key-file", server)["added"], 2)
    public = site.json("keys", "--create", reader)["public_keys"]
    fails_clearly(site.run("keys", "--create", reader), 1, "reader.key")
    equal(site.json("keys", "--add", "reader", "--rights", "read", "--public-keys", public)["added"], 3)
    document = site.json("keys")
    equal([(h["number"], h["name"], h["rights"]) for h in document["holders"]],
          [(1, "owner", "manage"), (2, "server1", "write"), (3, "reader", "read")])
    contains(site.run("keys", code=0).out, "*1")

    # The mail server can back up and go on from there, and not read.
    configured(site, key_file=server)
    site.backup("--full")
    site.deliver("bob", "came since", flags="S")
    site.backup()
    fails_clearly(site.run("restore", "-a", "bob@example.com", "--dry-run"), 1)
    fails_clearly(site.run("keys", "--rotate"), 1, "may not change who holds keys")
    fails_clearly(site.run("delete", "--older-than", "1d"), 1, "may not")

    # The reader, whose key came by its public part, has to be told whom to believe.
    configured(site, key_file=reader)
    fails_clearly(site.run("query", "-v"), 1, "cannot tell whether this is the true target")
    configured(site, key_file=reader, authority=document["authority"])
    contains(site.run("query", "-v", code=0).out, "bob@example.com")
    fails_clearly(site.run("backup"), 1, "may not write")
    equal(site.json("verify", "--read-data")["targets"][0]["damages"], [])

    # Gone, it opens nothing; what the server made goes on counting.
    configured(site, key_file=site.path / "keys" / "target.key")
    site.run("keys", "--remove", "3", code=0)
    site.run("keys", "--remove", "2", code=0)
    document = site.json("keys")
    equal([h["removed"] is None for h in document["holders"]], [True, False, False])
    equal(document["epoch"], 3)
    equal([s["status"] for s in site.json("query")["sessions"]], ["completed", "completed"])
    configured(site, key_file=reader, authority=document["authority"])
    fails_clearly(site.run("query"), 1, "was removed")
    configured(site, key_file=site.path / "keys" / "target.key")
    fails_clearly(site.run("keys", "--remove", "1"), 1, "the last who may manage")
    equal(site.json("keys", "--rotate")["rotated"], 4)


def test_a_distrusted_server_counts_for_nothing(site):
    started(site)
    server = site.path / "server.key"
    site.run("keys", "--create", server, code=0)
    site.run("keys", "--add", "server1", "--rights", "write", "--key-file", server, code=0)
    configured(site, key_file=server)
    first = site.backup("--full")
    second = site.backup("--full")
    configured(site, key_file=site.path / "keys" / "target.key")
    site.run("keys", "--remove", "2", "--trust-until", first, code=0)
    statuses = {s["label"]: s["status"] for s in site.json("query")["sessions"]}
    equal(statuses, {first: "completed", second: "failed"})


def test_wrong_calls(site):
    started(site)
    for words, part in (
        (("--add", "x"), "--key-file"),
        (("--add", "x", "--key-file", "/x"), "--rights"),
        (("--add", "x", "--key-file", "/x", "--rights", "fly"), "'fly'"),
        (("--rights", "read"), "--add"),
        (("--add", "x", "--key-file", "/x", "--rights", "read", "--rotate"), "only one"),
        (("--distrust",), "--remove"),
        (("--remove", "2", "--distrust", "--trust-until", "full-x"), "either"),
    ):
        fails_clearly(site.run("keys", *words), 2, part)
    fails_clearly(site.run("keys", "--remove", "9"), 1, "no holder 9")
    configured(site, key_file=site.target / "inside.key")
    fails_clearly(site.run("query"), 2, "is in the target")
    configured(site, key_file="/a", passphrase_file="/b")
    fails_clearly(site.run("query"), 2, "either a key file or a passphrase")


if __name__ == "__main__":
    main(globals())

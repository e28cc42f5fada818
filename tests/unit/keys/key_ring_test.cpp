// Who opens a target, who may change who does, and what is said to those who do not.

#include <sys/stat.h>

#include <fstream>

#include "keys_fixture.hpp"

namespace restante::test {
namespace {

constexpr crypto::ObjectPlace kSession{crypto::ObjectKind::session, "sessions/full-1/session.xml"};

Bytes sealed_now(const KeyRing& ring, crypto::Audience audience) {
  const Result<Bytes> stored = KeyAccess::sealer(ring)->seal_whole(kSession, audience, as_bytes("text"));
  REQUIRE_OK(stored);
  return *stored;
}

bool opens(const KeyRing& ring, crypto::Audience audience, const Bytes& stored) {
  const Result<Bytes> read = KeyAccess::sealer(ring)->open_whole(kSession, audience, stored);
  return read.ok() && as_text(*read) == "text";
}

}  // namespace

TEST_CASE("R11: a passphrase, a key file and a callback each open the target, and others do not") {
  KeysFixture keys;
  const Bytes stored = sealed_now(keys.owner, crypto::Audience::content);
  CHECK(opens(keys.ring_of({.passphrase = "owner"}), crypto::Audience::content, stored));

  const KeyOptions file = keys.add_file("reader", KeyRight::read);
  CHECK(opens(keys.ring_of(file), crypto::Audience::content, stored));

  const auto module = std::make_shared<ElsewhereKey>();
  REQUIRE_OK(keys.owner.add({.label = "hsm", .rights = KeyRight::read, .callback = module}));
  const KeyRing by_module = keys.ring_of({.callback = module, .authority = keys.owner.authority()});
  const int calls = module->calls;
  CHECK(calls > 0);
  CHECK(opens(by_module, crypto::Audience::content, stored));
  // Never again after opening.
  CHECK(module->calls == calls);

  REQUIRE_CODE(keys.open({.passphrase = "Owner"}), invalid_argument);
  REQUIRE_CODE(keys.open({.callback = std::make_shared<ElsewhereKey>(), .authority = keys.owner.authority()}),
               invalid_argument);
  REQUIRE_OK(create_key_file(keys.scratch.file("stranger")));
  const Result<KeyRing> stranger = keys.open({.key_file = keys.scratch.file("stranger")});
  REQUIRE_CODE(stranger, invalid_argument);
  CHECK(stranger.status().message().find("none of the target's keys") != std::string::npos);
  module->failure = Status(Code::timed_out, "the module does not answer");
  REQUIRE_CODE(keys.open({.callback = module, .authority = keys.owner.authority()}), timed_out);

  REQUIRE_CODE(keys.open({}), invalid_argument);
  REQUIRE_CODE(keys.open({.passphrase = "owner", .key_file = "x"}), invalid_argument);
  REQUIRE_CODE(keys.open({.key_file = keys.scratch.file("nowhere")}), not_found);
}

TEST_CASE("R11: a key file is private, is not replaced, and a changed byte of it is noticed") {
  const ScratchDir scratch;
  const std::string path = scratch.file("server.key");
  const Result<std::string> created = create_key_file(path);
  REQUIRE_OK(created);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  REQUIRE_CODE(create_key_file(path), already_exists);
  CHECK(public_keys_of(path).value() == *created);

  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] ^= 1;
    std::ofstream(path, std::ios::binary) << changed;
    REQUIRE_CODE(public_keys_of(path), damaged);
  }
  std::ofstream(path, std::ios::binary) << text + "\n";
  REQUIRE_CODE(public_keys_of(path), damaged);
}

TEST_CASE("R11: added passphrases and rotations rewrite nothing, and everything goes on opening") {
  KeysFixture keys;
  const Bytes first = sealed_now(keys.owner, crypto::Audience::content);
  std::map<std::string, Bytes> before;
  const auto nothing_changed = [&] {
    for (const auto& [key, bytes] : before) CHECK(keys.storage->get(key).value() == bytes);
    before.clear();
    for (const std::string& key : keys.objects()) before[key] = keys.storage->get(key).value();
  };
  nothing_changed();
  REQUIRE_OK(keys.owner.add({.label = "second",
                             .rights = KeyRight::manage,
                             .passphrase = "second",
                             .passphrase_work = kCheapWork}));
  nothing_changed();
  REQUIRE_OK(keys.owner.rotate());
  nothing_changed();
  CHECK(keys.owner.epoch() == 2);
  const Bytes later = sealed_now(keys.owner, crypto::Audience::content);
  // Added after the rotation, reads what was sealed before it.
  const KeyOptions third = keys.add_file("third", KeyRight::read);
  nothing_changed();
  CHECK(keys.objects() == std::vector<std::string>{"keys/00000001.key", "keys/00000002.key",
                                                   "keys/00000003.key", "keys/00000004.key"});
  for (const KeyOptions& options :
       {KeyOptions{.passphrase = "owner"}, KeyOptions{.passphrase = "second"}, third}) {
    const KeyRing ring = keys.ring_of(options);
    CHECK(opens(ring, crypto::Audience::content, first));
    CHECK(opens(ring, crypto::Audience::content, later));
    CHECK(KeyAccess::sealer(ring)->content_id(Digest{}) ==
          KeyAccess::sealer(keys.owner)->content_id(Digest{}));
  }
  // Who does not know of the rotation seals for the old keys until it refreshes.
  KeyRing second = keys.ring_of({.passphrase = "second"});
  REQUIRE_OK(second.rotate());
  CHECK(keys.owner.epoch() == 2);
  REQUIRE_OK(keys.owner.refresh());
  CHECK(keys.owner.epoch() == 3);
  CHECK(opens(keys.owner, crypto::Audience::content, sealed_now(second, crypto::Audience::content)));
}

TEST_CASE("R11: a removed key opens nothing that is sealed afterwards") {
  KeysFixture keys;
  const KeyOptions reader = keys.add_file("reader", KeyRight::read);
  KeyRing held = keys.ring_of(reader);
  const Bytes before = sealed_now(keys.owner, crypto::Audience::content);
  REQUIRE_OK(keys.owner.remove(held.holder()));
  const Bytes after = sealed_now(keys.owner, crypto::Audience::content);
  // What it has in memory opens what it could open, and no more, also if it reads the new key objects.
  CHECK(opens(held, crypto::Audience::content, before));
  CHECK_FALSE(opens(held, crypto::Audience::content, after));
  REQUIRE_CODE(held.refresh(), permission);
  CHECK_FALSE(opens(held, crypto::Audience::content, after));
  REQUIRE_CODE(keys.open(reader), permission);
  CHECK(opens(keys.ring_of({.passphrase = "owner"}), crypto::Audience::content, after));
  REQUIRE_CODE(keys.owner.add({.label = "again", .rights = KeyRight::read, .key_file = reader.key_file}),
               already_exists);
  REQUIRE_CODE(keys.owner.remove(held.holder()), not_found);
  const std::vector<KeyHolder> holders = keys.owner.holders();
  REQUIRE(holders.size() == 2);
  CHECK(holders[1].removed.has_value());
  CHECK_FALSE(holders[0].removed.has_value());
}

TEST_CASE("R11: a removed passphrase is told so") {
  KeysFixture keys;
  const Result<std::uint32_t> second = keys.owner.add(
      {.label = "second", .rights = KeyRight::read, .passphrase = "second", .passphrase_work = kCheapWork});
  REQUIRE_OK(second);
  REQUIRE_OK(keys.open({.passphrase = "second"}));
  REQUIRE_OK(keys.owner.remove(*second));
  REQUIRE_CODE(keys.open({.passphrase = "second"}), permission);
}

TEST_CASE("R11: only a key with the right to manage changes who holds keys") {
  KeysFixture keys;
  for (const KeyRight rights : {KeyRight::none, KeyRight::write, KeyRight::read, KeyRight::remove,
                                KeyRight::write | KeyRight::read | KeyRight::remove}) {
    KeyRing ring = keys.ring_of(keys.add_file("holder-" + name_of(rights), rights));
    CHECK(ring.rights() == rights);
    const std::size_t before = keys.objects().size();
    REQUIRE_CODE(ring.rotate(), permission);
    REQUIRE_CODE(ring.remove(1), invalid_argument);  // the last who may manage, whoever asks
    REQUIRE_CODE(ring.remove(ring.holder()), permission);
    REQUIRE_CODE(
        ring.add({.label = "x", .rights = KeyRight::read, .passphrase = "x", .passphrase_work = kCheapWork}),
        permission);
    CHECK(keys.objects().size() == before);
  }
  REQUIRE_CODE(keys.owner.remove(1), invalid_argument);
  REQUIRE_OK(keys.owner.add({.label = "second",
                             .rights = KeyRight::manage,
                             .passphrase = "second",
                             .passphrase_work = kCheapWork}));
  REQUIRE_OK(keys.owner.remove(1));
  REQUIRE_CODE(keys.open({.passphrase = "owner"}), permission);
  REQUIRE_OK(keys.open({.passphrase = "second"}));
}

TEST_CASE("R11: a server's key can be added by its public keys alone, and then asks for the authority") {
  KeysFixture keys;
  const std::string path = keys.scratch.file("server.key");
  const Result<std::string> public_keys = create_key_file(path);
  REQUIRE_OK(public_keys);
  std::string mistyped = *public_keys;
  mistyped[30] = mistyped[30] == 'a' ? 'b' : 'a';
  REQUIRE_CODE(keys.owner.add({.label = "s", .rights = KeyRight::write, .public_keys = mistyped}),
               invalid_argument);
  REQUIRE_OK(keys.owner.add(
      {.label = "s", .rights = KeyRight::write, .server = id_of(5), .public_keys = *public_keys}));
  REQUIRE_CODE(keys.open({.key_file = path}), invalid_argument);
  REQUIRE_CODE(keys.open({.key_file = path, .authority = std::string(64, '0')}), damaged);
  const Result<KeyRing> ring = keys.open({.key_file = path, .authority = keys.owner.authority()});
  REQUIRE_OK(ring);
  CHECK(ring->rights() == KeyRight::write);
}

TEST_CASE("R11: keys that somebody else put in the place of the target's are noticed") {
  // The thief knows everything that is public, the public keys of the holders too.
  KeysFixture keys;
  const keys::Ledger ledger = KeyAccess::ledger(keys.owner);
  KeysFixture thief;
  const keys::Ledger forged_from = KeyAccess::ledger(thief.owner);
  const crypto::Key256 authority = *crypto::random_key();
  keys::KeyEntry entry;
  entry.target = keys.target;
  entry.number = 1;
  entry.authority = crypto::ed25519_public_key(authority);
  entry.epochs = forged_from.epochs();
  entry.holders = ledger.holders();
  entry.grants.push_back({1, {}});
  keys::Secrets secrets;
  secrets.id = secrets.shared = secrets.digest = *crypto::random_key();
  secrets.authority = authority;
  REQUIRE_OK(crypto::seal_box(entry.holders[0].open_key, keys::grant_context(keys.target, 1, 1),
                              keys::encode_secrets(secrets).view(), entry.grants[0].box));
  REQUIRE_OK(keys.storage->put(keys::entry_key(1), keys::encode_entry(entry, authority)));
  const Result<KeyRing> opened = keys.open({.passphrase = "owner"});
  REQUIRE_CODE(opened, damaged);
  CHECK(opened.status().message().find("was never shown them") != std::string::npos);
  REQUIRE_CODE(keys.open({.passphrase = "owner", .authority = keys.owner.authority()}), damaged);
  REQUIRE_CODE(keys.open({.passphrase = "owner"}, keys.owner.head()), diverged);
}

TEST_CASE(
    "R11: key objects that are rolled back are noticed by those who remember, and missing ones by all") {
  KeysFixture keys;
  const KeyOptions reader = keys.add_file("reader", KeyRight::read);
  REQUIRE_OK(keys.owner.rotate());
  const ChainHead head = keys.owner.head();
  CHECK(head.number == 3);
  REQUIRE_OK(keys.open(reader, head));
  const Bytes last = keys.storage->get(keys::entry_key(3)).value();
  REQUIRE_OK(keys.storage->remove(keys::entry_key(3)));
  REQUIRE_OK(keys.open(reader));
  REQUIRE_CODE(keys.open(reader, head), diverged);
  REQUIRE_CODE(keys.owner.refresh(), diverged);
  // Another history of the same length.
  KeyRing other = keys.ring_of({.passphrase = "owner"});
  REQUIRE_OK(other.rotate());
  REQUIRE_CODE(keys.open(reader, head), diverged);
  REQUIRE_OK(keys.storage->put(keys::entry_key(3), last));
  REQUIRE_OK(keys.open(reader, head));
  for (const std::uint64_t gone : {1u, 2u}) {
    const Bytes bytes = keys.storage->get(keys::entry_key(gone)).value();
    REQUIRE_OK(keys.storage->remove(keys::entry_key(gone)));
    const Result<KeyRing> opened = keys.open(reader);
    REQUIRE_CODE(opened, damaged);
    CHECK(opened.status().message().find(keys::entry_key(gone)) != std::string::npos);
    REQUIRE_OK(keys.storage->put(keys::entry_key(gone), bytes));
  }
  for (const std::uint64_t gone : {1u, 2u, 3u}) REQUIRE_OK(keys.storage->remove(keys::entry_key(gone)));
  REQUIRE_CODE(keys.open(reader), not_found);
}

TEST_CASE("R11: every flipped byte of a key object is detected and named") {
  KeysFixture keys;
  const KeyOptions reader = keys.add_file("reader", KeyRight::read);
  REQUIRE_OK(keys.owner.remove(2));
  const KeyOptions another = keys.add_file("another", KeyRight::read);
  for (std::uint64_t number = 1; number <= 4; ++number) {
    const std::string key = keys::entry_key(number);
    const Bytes bytes = keys.storage->get(key).value();
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      Bytes changed = bytes;
      changed[at] ^= 1;
      REQUIRE_OK(keys.storage->put(key, changed));
      const Result<KeyRing> opened = keys.open(another);
      INFO(key << " byte " << at);
      REQUIRE_FALSE(opened.ok());
      REQUIRE(opened.status().message().find(key) != std::string::npos);
      REQUIRE((opened.status().code() == Code::damaged || opened.status().code() == Code::unsupported));
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      REQUIRE_OK(keys.storage->put(key, ByteView(bytes).first(size)));
      REQUIRE_CODE(keys.open(another), damaged);
    }
    Bytes longer = bytes;
    longer.push_back(0);
    REQUIRE_OK(keys.storage->put(key, longer));
    REQUIRE_CODE(keys.open(another), damaged);
    REQUIRE_OK(keys.storage->put(key, bytes));
  }
  REQUIRE_OK(keys.open(another));
}

TEST_CASE("R11: key objects that change places, or come from another target, are detected and named") {
  KeysFixture keys;
  REQUIRE_OK(keys.owner.rotate());
  REQUIRE_OK(keys.owner.rotate());
  const Bytes second = keys.storage->get(keys::entry_key(2)).value();
  const Bytes third = keys.storage->get(keys::entry_key(3)).value();
  REQUIRE_OK(keys.storage->put(keys::entry_key(2), third));
  REQUIRE_OK(keys.storage->put(keys::entry_key(3), second));
  REQUIRE_CODE(keys.open({.passphrase = "owner"}), damaged);
  REQUIRE_OK(keys.storage->put(keys::entry_key(2), second));
  REQUIRE_OK(keys.storage->put(keys::entry_key(3), third));
  const Result<KeyRing> elsewhere = KeyRing::open(keys.storage, id_of(0x12), {.passphrase = "owner"});
  REQUIRE_CODE(elsewhere, damaged);
  CHECK(elsewhere.status().message().find("of another target") != std::string::npos);
}

TEST_CASE("R11: of two who change the keys at one moment the second is told to try again") {
  KeysFixture keys;
  KeyRing one = keys.ring_of({.passphrase = "owner"});
  KeyRing two = keys.ring_of({.passphrase = "owner"});
  REQUIRE_OK(one.rotate());
  REQUIRE_CODE(two.rotate(), busy);
  REQUIRE_CODE(
      two.add({.label = "x", .rights = KeyRight::read, .passphrase = "x", .passphrase_work = kCheapWork}),
      busy);
  REQUIRE_OK(two.refresh());
  REQUIRE_OK(two.rotate());
  REQUIRE_CODE(
      KeyRing::create(keys.storage, keys.target, {.passphrase = "x"}, {.passphrase_work = kCheapWork}),
      already_exists);
}

TEST_CASE("R11: a change of keys that fails at any call of the storage happened or did not") {
  for (std::uint64_t calls = 0;; ++calls) {
    KeysFixture keys;
    const std::uint64_t before = keys.owner.head().number;
    keys.storage->fail_after(calls, Status(Code::io, "broken"), false);
    const Status rotated = keys.owner.rotate();
    if (rotated.ok()) {
      CHECK(calls >= 2);
      break;
    }
    REQUIRE_CODE(rotated, io);
    const std::shared_ptr<MemoryStorage> again = keys.storage->share();
    again->crash(calls);
    const Result<KeyRing> opened = KeyRing::open(again, keys.target, {.passphrase = "owner"});
    REQUIRE_OK(opened);
    CHECK(opened->head().number - before <= 1);
    REQUIRE_OK(keys.owner.refresh());
    REQUIRE_OK(keys.owner.rotate());
    REQUIRE_OK(keys.open({.passphrase = "owner"}));
  }
}

TEST_CASE("holders that cannot be are refused before anything is written") {
  KeysFixture keys;
  REQUIRE_CODE(keys.owner.add({.label = "x", .rights = KeyRight::read}), invalid_argument);
  REQUIRE_CODE(keys.owner.add({.label = "x", .rights = KeyRight::read, .passphrase = "a", .key_file = "b"}),
               invalid_argument);
  REQUIRE_CODE(keys.owner.add({.label = std::string(256, 'x'), .rights = KeyRight::read, .passphrase = "a"}),
               invalid_argument);
  REQUIRE_CODE(keys.owner.add({.label = "x", .rights = static_cast<KeyRight>(8), .passphrase = "a"}),
               invalid_argument);
  REQUIRE_CODE(
      keys.owner.add({.label = "x", .rights = KeyRight::read, .passphrase = "a", .passphrase_work = 9}),
      invalid_argument);
  REQUIRE_CODE(
      keys.owner.add({.label = "x", .rights = KeyRight::read, .passphrase = "a", .passphrase_work = 40}),
      unsupported);
  CHECK(keys.objects().size() == 1);
}

}  // namespace restante::test

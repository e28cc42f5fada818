// Objects sealed and signed under a target's keys: the table of docs/threat-model.md, as far as this layer
// goes.

#include <set>
#include <thread>

#include "keys_fixture.hpp"

namespace restante::test {
namespace {

using crypto::Audience;
using crypto::ObjectKind;
using crypto::ObjectPlace;

constexpr ObjectPlace kPack{ObjectKind::pack, "content/packs/ab/abcd.pack"};

Digest digest_of(std::string_view text) { return crypto::sha256(as_bytes(text)); }

}  // namespace

TEST_CASE("R11: each right opens what the table says and nothing else") {
  KeysFixture keys;
  const auto owner = KeyAccess::sealer(keys.owner);
  struct Row {
    KeyRight rights;
    bool shared, references, metadata, content;
  };
  for (const Row& row :
       {Row{KeyRight::none, true, false, false, false}, Row{KeyRight::write, true, false, false, false},
        Row{KeyRight::remove, true, true, false, false}, Row{KeyRight::read, true, true, true, true},
        Row{KeyRight::write | KeyRight::remove, true, true, false, false},
        Row{KeyRight::manage, true, true, true, true}}) {
    const KeyRing ring =
        keys.ring_of(keys.add_file("row-" + std::to_string(static_cast<int>(row.rights)), row.rights));
    const auto sealer = KeyAccess::sealer(ring);
    const bool expected[] = {row.shared, row.references, row.metadata, row.content};
    for (std::size_t i = 0; i < std::size(kAudiences); ++i) {
      INFO(name_of(row.rights) << ", audience " << i + 1);
      CHECK(sealer->can_open(kAudiences[i]) == expected[i]);
      const Result<Bytes> stored = owner->seal_whole(kPack, kAudiences[i], as_bytes("mail"));
      REQUIRE_OK(stored);
      const Result<Bytes> read = sealer->open_whole(kPack, kAudiences[i], *stored);
      if (expected[i]) {
        REQUIRE_OK(read);
        CHECK(as_text(*read) == "mail");
      } else {
        REQUIRE_CODE(read, permission);
      }
    }
  }
}

TEST_CASE("R11: a write-only server seals for the readers, and cannot open it again") {
  KeysFixture keys;
  const KeyRing server = keys.ring_of(keys.add_file("server", KeyRight::write, 7));
  const auto sealer = KeyAccess::sealer(server);
  const auto owner = KeyAccess::sealer(keys.owner);
  for (const Audience audience : kAudiences) {
    const Result<Bytes> stored = sealer->seal_whole(kPack, audience, as_bytes("mail"));
    REQUIRE_OK(stored);
    CHECK(as_text(owner->open_whole(kPack, audience, *stored).value()) == "mail");
    if (audience != Audience::shared) REQUIRE_CODE(sealer->open_whole(kPack, audience, *stored), permission);
  }
  // Nothing that it was granted opens anything but what is shared.
  const keys::Ledger ledger = KeyAccess::ledger(server);
  CHECK(ledger.grants_of(server.holder()).size() == 1);
  // It deduplicates: its ids are everybody's.
  CHECK(sealer->content_id(digest_of("x")) == owner->content_id(digest_of("x")));
  // And its state cache is its own.
  CHECK(to_hex(KeyAccess::state_key(server).view()) != to_hex(KeyAccess::state_key(keys.owner).view()));
  CHECK(to_hex(KeyAccess::digest_key(server).view()) == to_hex(KeyAccess::digest_key(keys.owner).view()));
}

TEST_CASE("R11: content ids are keyed, one key a target, and follow from the SHA-256 alone") {
  KeysFixture keys;
  KeysFixture others;
  const auto sealer = KeyAccess::sealer(keys.owner);
  const Digest sha256 = digest_of("hello");
  const Digest id = sealer->content_id(sha256);
  CHECK(id != sha256);
  CHECK(id != KeyAccess::sealer(others.owner)->content_id(sha256));
  REQUIRE_OK(keys.owner.rotate());
  CHECK(KeyAccess::sealer(keys.owner)->content_id(sha256) == id);
  CHECK(sealer->content_id(digest_of("hellp")) != id);
}

TEST_CASE("R11: every flipped byte of a sealed object is detected and named") {
  KeysFixture keys;
  const auto sealer = KeyAccess::sealer(keys.owner);
  for (const Audience audience : kAudiences) {
    const Bytes stored = sealer->seal_whole(kPack, audience, as_bytes("some mail")).value();
    REQUIRE(stored.size() == crypto::kEnvelopeBytes + 9 + crypto::kSealBytes);
    for (std::size_t at = 0; at < stored.size(); ++at) {
      for (const std::uint8_t bit : {0x01, 0x80}) {
        Bytes changed = stored;
        changed[at] ^= bit;
        const Result<Bytes> read = sealer->open_whole(kPack, audience, changed);
        INFO("byte " << at);
        REQUIRE_CODE(read, damaged);
        CHECK(read.status().message().find(kPack.key) != std::string::npos);
      }
    }
    for (std::size_t size = 0; size < stored.size(); ++size)
      REQUIRE_CODE(sealer->open_whole(kPack, audience, ByteView(stored).first(size)), damaged);
  }
}

TEST_CASE("R11: an object opens in its place, for its audience and in its target only") {
  KeysFixture keys;
  KeysFixture others;
  const auto sealer = KeyAccess::sealer(keys.owner);
  for (const Audience audience : kAudiences) {
    const Bytes stored = sealer->seal_whole(kPack, audience, as_bytes("mail")).value();
    REQUIRE_OK(sealer->open_whole(kPack, audience, stored));
    REQUIRE_CODE(sealer->open_whole({ObjectKind::pack, "content/packs/ab/abce.pack"}, audience, stored),
                 damaged);
    REQUIRE_CODE(sealer->open_whole({ObjectKind::pack_index, kPack.key}, audience, stored), damaged);
    REQUIRE_CODE(KeyAccess::sealer(others.owner)->open_whole(kPack, audience, stored), damaged);
    for (const Audience other : kAudiences)
      if (other != audience) REQUIRE_CODE(sealer->open_whole(kPack, other, stored), damaged);
  }
}

TEST_CASE("R11: blocks change neither place, nor context, nor end") {
  KeysFixture keys;
  const auto sealer = KeyAccess::sealer(keys.owner);
  const auto blocks = sealer->begin(kPack, Audience::content);
  REQUIRE_OK(blocks);
  Bytes first;
  Bytes last;
  REQUIRE_OK(blocks.value()->seal(0, crypto::Last::no, as_bytes("c"), as_bytes("one"), first));
  REQUIRE_OK(blocks.value()->seal(4, crypto::Last::yes, as_bytes("c"), as_bytes("two"), last));
  const auto opener = sealer->open(kPack, Audience::content, blocks.value()->envelope());
  REQUIRE_OK(opener);
  const auto open = [&](std::uint64_t number, crypto::Last end, std::string_view context,
                        const Bytes& bytes) {
    Bytes out = {9};
    const Status status = opener.value()->open(number, end, as_bytes(context), bytes, out);
    CHECK(out.front() == 9);
    if (!status.ok()) CHECK(out.size() == 1);
    return status;
  };
  // In any order.
  REQUIRE_OK(open(4, crypto::Last::yes, "c", last));
  REQUIRE_OK(open(0, crypto::Last::no, "c", first));
  REQUIRE_CODE(open(4, crypto::Last::yes, "c", first), damaged);
  REQUIRE_CODE(open(0, crypto::Last::no, "c", last), damaged);
  REQUIRE_CODE(open(4, crypto::Last::no, "c", last), damaged);
  REQUIRE_CODE(open(0, crypto::Last::yes, "c", first), damaged);
  REQUIRE_CODE(open(0, crypto::Last::no, "d", first), damaged);
  // Under another object's key.
  const auto other = sealer->begin(kPack, Audience::content);
  REQUIRE_OK(other);
  Bytes same_number;
  REQUIRE_OK(other.value()->seal(0, crypto::Last::no, as_bytes("c"), as_bytes("one"), same_number));
  REQUIRE_CODE(open(0, crypto::Last::no, "c", same_number), damaged);
  CHECK(same_number != first);
}

TEST_CASE("R11: no number seals two blocks of an object") {
  KeysFixture keys;
  const auto blocks = KeyAccess::sealer(keys.owner)->begin(kPack, Audience::content);
  REQUIRE_OK(blocks);
  Bytes out;
  REQUIRE_OK(blocks.value()->seal(3, crypto::Last::no, {}, as_bytes("one"), out));
  const Bytes before = out;
  REQUIRE_CODE(blocks.value()->seal(3, crypto::Last::no, {}, as_bytes("two"), out), internal);
  REQUIRE_CODE(blocks.value()->seal(2, crypto::Last::yes, {}, as_bytes("two"), out), internal);
  CHECK(out == before);
  REQUIRE_OK(blocks.value()->seal(7, crypto::Last::yes, {}, as_bytes("two"), out));
  REQUIRE_CODE(blocks.value()->seal(8, crypto::Last::no, {}, as_bytes("three"), out), internal);
}

TEST_CASE("R11: two objects never share a key, whoever seals them") {
  KeysFixture keys;
  const auto sealer = KeyAccess::sealer(keys.owner);
  for (const Audience audience : kAudiences) {
    std::set<Bytes> seen;
    for (int i = 0; i < 50; ++i) {
      const Bytes stored = sealer->seal_whole(kPack, audience, Bytes(32)).value();
      CHECK(seen.insert(Bytes(stored.begin() + crypto::kEnvelopeBytes, stored.end())).second);
    }
  }
}

TEST_CASE("R11: who may sign what, and what a signature holds for") {
  KeysFixture keys;
  const KeyRing server = keys.ring_of(keys.add_file("server", KeyRight::write, 7));
  const KeyRing remover = keys.ring_of(keys.add_file("remover", KeyRight::remove));
  const KeyRing reader = keys.ring_of(keys.add_file("reader", KeyRight::read));
  const auto checker = KeyAccess::sealer(reader);
  const Digest digest = digest_of("object");
  for (const ObjectKind kind : {ObjectKind::pack, ObjectKind::segment, ObjectKind::session, ObjectKind::link,
                                ObjectKind::snapshot, ObjectKind::references, ObjectKind::marks}) {
    const ObjectPlace place{kind, "x"};
    const bool of_remover = kind == ObjectKind::marks;
    CHECK(KeyAccess::sealer(server)->can_sign(kind) == !of_remover);
    const auto signer = KeyAccess::sealer(of_remover ? remover : server);
    const auto wrong = KeyAccess::sealer(of_remover ? server : remover);
    const Result<crypto::SignatureOf> signature = signer->sign(place, digest);
    REQUIRE_OK(signature);
    REQUIRE_CODE(wrong->sign(place, digest), permission);
    REQUIRE_CODE(checker->sign(place, digest), permission);
    const Result<crypto::Signer> who = checker->verify(place, digest, *signature);
    REQUIRE_OK(who);
    CHECK(who->holder == (of_remover ? remover : server).holder());
    CHECK(who->server == id_of(of_remover ? 0 : 7));
    CHECK_FALSE(who->removed);
    // For this object, kind, place and target, and by this holder only.
    REQUIRE_CODE(checker->verify(place, digest_of("other"), *signature), damaged);
    REQUIRE_CODE(checker->verify({kind, "y"}, digest, *signature), damaged);
    REQUIRE_CODE(checker->verify({ObjectKind::accounts, "x"}, digest, *signature), damaged);
    KeysFixture others;
    REQUIRE_CODE(KeyAccess::sealer(others.owner)->verify(place, digest, *signature), damaged);
    for (const std::uint32_t holder : {0u, 1u, reader.holder(), 99u}) {
      crypto::SignatureOf changed = *signature;
      changed.holder = holder;
      REQUIRE_CODE(checker->verify(place, digest, changed), damaged);
    }
  }
}

TEST_CASE("R11: what a removed server signed is told apart") {
  KeysFixture keys;
  KeyRing reader = keys.ring_of(keys.add_file("reader", KeyRight::read));
  const KeyRing server = keys.ring_of(keys.add_file("server", KeyRight::write, 7));
  const Digest digest = digest_of("object");
  const crypto::SignatureOf signature = KeyAccess::sealer(server)->sign(kPack, digest).value();
  // A reader that opened the target before does not know the server yet.
  REQUIRE_CODE(KeyAccess::sealer(reader)->verify(kPack, digest, signature), damaged);
  REQUIRE_OK(reader.refresh());
  CHECK_FALSE(KeyAccess::sealer(reader)->verify(kPack, digest, signature).value().removed);
  REQUIRE_OK(keys.owner.remove(server.holder()));
  REQUIRE_OK(reader.refresh());
  CHECK(KeyAccess::sealer(reader)->verify(kPack, digest, signature).value().removed);
}

TEST_CASE("R11: a host's private key elsewhere may write too") {
  KeysFixture keys;
  const auto module = std::make_shared<ElsewhereKey>();
  REQUIRE_OK(
      keys.owner.add({.label = "hsm", .rights = KeyRight::write, .server = id_of(3), .callback = module}));
  const KeyRing ring = keys.ring_of({.callback = module, .authority = keys.owner.authority()});
  const auto signature = KeyAccess::sealer(ring)->sign(kPack, Digest{});
  REQUIRE_OK(signature);
  REQUIRE_OK(keys.owner.refresh());
  CHECK(KeyAccess::sealer(keys.owner)->verify(kPack, Digest{}, *signature).value().server == id_of(3));
  REQUIRE_CODE(keys.open({.callback = module}), invalid_argument);
}

TEST_CASE("R11: one sealer serves many threads while keys are rotated") {
  KeysFixture keys;
  std::vector<int> wrong(3);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) {
        const auto sealer = KeyAccess::sealer(keys.owner);
        const Result<Bytes> stored = sealer->seal_whole(kPack, Audience::content, as_bytes("mail"));
        const Result<Bytes> read =
            stored.ok() ? KeyAccess::sealer(keys.owner)->open_whole(kPack, Audience::content, *stored)
                        : stored;
        count += read.ok() && as_text(*read) == "mail" ? 0 : 1;
      }
    });
  }
  for (int i = 0; i < 5; ++i) CHECK(keys.owner.rotate().ok());
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}

}  // namespace restante::test

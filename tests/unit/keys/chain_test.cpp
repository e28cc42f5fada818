// The chain of a server's sessions, and what its readers keep for themselves.

#include "keys/state_seal.hpp"
#include "keys_fixture.hpp"

namespace restante::test {
namespace {

struct ChainFixture : KeysFixture {
  KeyRing server = ring_of(add_file("server", KeyRight::write, 7));
  keys::Chain chain{};

  void announce(const std::string& label) {
    const Result<ChainHead> head =
        keys::append_link(*storage, *KeyAccess::sealer(server), chain.head, link(label));
    REQUIRE_OK(head);
    chain = read().value();
    REQUIRE(chain.head == *head);
  }
  [[nodiscard]] keys::ChainLink link(const std::string& label) const {
    keys::ChainLink made;
    made.target = target;
    made.holder = server.holder();
    made.time = Time::from_seconds(1);
    made.label = label;
    made.session = crypto::sha256(as_bytes(label));
    return made;
  }
  [[nodiscard]] Result<keys::Chain> read(const ChainHead& remembered = {}) const {
    return keys::read_chain(*storage, *KeyAccess::sealer(ring_of({.passphrase = "owner"})), target,
                            server.holder(), remembered);
  }
  [[nodiscard]] std::string key(std::uint64_t number) const {
    return keys::link_key(server.holder(), number);
  }
};

}  // namespace

TEST_CASE("R11: a server's sessions form a chain that its readers follow") {
  ChainFixture chain;
  CHECK(chain.read().value().links.empty());
  for (const char* const label : {"full-1", "incr-2", "incr-3"}) chain.announce(label);
  const keys::Chain read = chain.read().value();
  REQUIRE(read.links.size() == 3);
  CHECK(read.links[1].label == "incr-2");
  CHECK(read.links[1].session == crypto::sha256(as_bytes("incr-2")));
  CHECK(read.head.number == 3);
  REQUIRE_OK(chain.read(read.head));
  // Of two sessions announced at one moment one is told to read again.
  REQUIRE_CODE(keys::append_link(*chain.storage, *KeyAccess::sealer(chain.server), ChainHead{2, {}},
                                 chain.link("incr-4")),
               busy);
  // Nobody else's key makes a link of this chain.
  REQUIRE_CODE(keys::append_link(*chain.storage,
                                 *KeyAccess::sealer(chain.ring_of(chain.add_file("r", KeyRight::read))),
                                 read.head, chain.link("incr-4")),
               permission);
  const KeyRing other = chain.ring_of(chain.add_file("other", KeyRight::write, 8));
  REQUIRE_OK(keys::append_link(*chain.storage, *KeyAccess::sealer(other), read.head, chain.link("incr-4")));
  const Result<keys::Chain> forged = chain.read();
  REQUIRE_CODE(forged, damaged);
  CHECK(forged.status().message().find(chain.key(4)) != std::string::npos);
}

TEST_CASE("R11: every flipped byte of a link is detected and named") {
  ChainFixture chain;
  chain.announce("full-1");
  chain.announce("incr-2");
  for (std::uint64_t number = 1; number <= 2; ++number) {
    const Bytes bytes = chain.storage->get(chain.key(number)).value();
    const auto sealer = KeyAccess::sealer(chain.ring_of({.passphrase = "owner"}));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      Bytes changed = bytes;
      changed[at] ^= 1;
      REQUIRE_OK(chain.storage->put(chain.key(number), changed));
      const Result<keys::Chain> read =
          keys::read_chain(*chain.storage, *sealer, chain.target, chain.server.holder());
      INFO("link " << number << " byte " << at);
      REQUIRE_FALSE(read.ok());
      CHECK((read.status().code() == Code::damaged || read.status().code() == Code::unsupported));
      CHECK(read.status().message().find(chain.key(number)) != std::string::npos);
    }
    for (std::size_t size = 0; size < bytes.size(); ++size)
      REQUIRE_FALSE(keys::decode_link(ByteView(bytes).first(size), *sealer, chain.key(number)).ok());
    REQUIRE_OK(chain.storage->put(chain.key(number), bytes));
  }
}

TEST_CASE("R11: a chain that was rolled back is noticed by those who remember its head, and by nobody else") {
  ChainFixture chain;
  for (const char* const label : {"full-1", "incr-2", "incr-3"}) chain.announce(label);
  const ChainHead head = chain.chain.head;
  REQUIRE_OK(chain.storage->remove(chain.key(3)));
  REQUIRE_OK(chain.read());
  REQUIRE_CODE(chain.read(head), diverged);
  // Gone on with from there, by a server that was restored from an old image.
  chain.chain = chain.read().value();
  chain.announce("incr-other");
  chain.announce("incr-4");
  REQUIRE_OK(chain.read());
  REQUIRE_CODE(chain.read(head), diverged);
  // Taken from the middle, by anybody.
  REQUIRE_OK(chain.storage->remove(chain.key(2)));
  const Result<keys::Chain> read = chain.read();
  REQUIRE_CODE(read, damaged);
  CHECK(read.status().message().find(chain.key(2)) != std::string::npos);
}

TEST_CASE("R11: of a removed server's sessions those up to the last trusted one count") {
  ChainFixture chain;
  for (const char* const label : {"full-1", "incr-2"}) chain.announce(label);
  const ChainHead trusted = chain.chain.head;
  chain.announce("incr-3");
  const keys::Ledger before = KeyAccess::ledger(chain.owner);
  CHECK(keys::counts(*before.find(chain.server.holder()), chain.chain, 3));
  REQUIRE_OK(chain.owner.remove(chain.server.holder(), trusted));
  const keys::Ledger ledger = KeyAccess::ledger(chain.owner);
  const keys::Holder* const holder = ledger.find(chain.server.holder());
  CHECK(keys::counts(*holder, chain.chain, 1));
  CHECK(keys::counts(*holder, chain.chain, 2));
  CHECK_FALSE(keys::counts(*holder, chain.chain, 3));
  // Whoever has its key cannot make another past for it.
  ChainFixture forged;
  for (const char* const label : {"full-x", "incr-y", "incr-z"}) forged.announce(label);
  CHECK_FALSE(keys::counts(*holder, forged.chain, 1));
  keys::Chain shorter = chain.chain;
  shorter.links.resize(1);
  CHECK_FALSE(keys::counts(*holder, shorter, 1));
}

TEST_CASE("R11: remembered heads are read by who wrote them, for their target, and unchanged only") {
  const crypto::Key256 key = *crypto::random_key();
  keys::RememberedHeads heads;
  heads.keys = {3, crypto::sha256(as_bytes("a"))};
  heads.chains[2] = {9, crypto::sha256(as_bytes("b"))};
  heads.chains[5] = {1, crypto::sha256(as_bytes("c"))};
  const Bytes bytes = keys::encode_heads(heads, id_of(1), key);
  const Result<keys::RememberedHeads> read = keys::decode_heads(bytes, id_of(1), key, "heads");
  REQUIRE_OK(read);
  CHECK(*read == heads);
  REQUIRE_CODE(keys::decode_heads(bytes, id_of(2), key, "heads"), damaged);
  REQUIRE_CODE(keys::decode_heads(bytes, id_of(1), *crypto::random_key(), "heads"), damaged);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes changed = bytes;
    changed[at] ^= 1;
    REQUIRE_CODE(keys::decode_heads(changed, id_of(1), key, "heads"), damaged);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    REQUIRE_CODE(keys::decode_heads(ByteView(bytes).first(size), id_of(1), key, "heads"), damaged);
}

TEST_CASE("R11: what a machine keeps for itself opens for its key, target and name, and unchanged only") {
  const crypto::Key256 key = *crypto::random_key();
  const Result<Bytes> sealed = keys::seal_state(key, id_of(1), "cache", as_bytes("who has which mail"));
  REQUIRE_OK(sealed);
  const Result<Bytes> opened = keys::open_state(key, id_of(1), "cache", *sealed);
  REQUIRE_OK(opened);
  CHECK(as_text(*opened) == "who has which mail");
  CHECK(keys::seal_state(key, id_of(1), "cache", as_bytes("who has which mail")).value() != *sealed);
  REQUIRE_CODE(keys::open_state(key, id_of(2), "cache", *sealed), damaged);
  REQUIRE_CODE(keys::open_state(key, id_of(1), "heads", *sealed), damaged);
  REQUIRE_CODE(keys::open_state(*crypto::random_key(), id_of(1), "cache", *sealed), damaged);
  for (std::size_t at = 0; at < sealed->size(); ++at) {
    Bytes changed = *sealed;
    changed[at] ^= 1;
    REQUIRE_CODE(keys::open_state(key, id_of(1), "cache", changed), damaged);
  }
  for (std::size_t size = 0; size < sealed->size(); ++size)
    REQUIRE_CODE(keys::open_state(key, id_of(1), "cache", ByteView(*sealed).first(size)), damaged);
}

}  // namespace restante::test

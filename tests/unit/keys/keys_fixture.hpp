#pragma once
// A target's keys in memory, cheap ones.

#include <map>

#include "crypto/crypto.hpp"
#include "keys/chain.hpp"
#include "keys/key_access.hpp"
#include "keys/ring_sealer.hpp"
#include "keys/secrets.hpp"
#include "support/catch.hpp"

namespace restante::test {

inline constexpr std::uint8_t kCheapWork = 10;

inline Id128 id_of(std::uint8_t byte) {
  Id128 id;
  id.bytes.fill(byte);
  return id;
}

/// A private key that the ring never sees.
class ElsewhereKey final : public KeyAgreement {
 public:
  ElsewhereKey() : key_(*crypto::random_key()) {}
  [[nodiscard]] std::array<std::uint8_t, 32> public_key() const override {
    return crypto::x25519_public_key(key_);
  }
  Result<Bytes> agree(const std::array<std::uint8_t, 32>& peer) override {
    ++calls;
    if (!failure.ok()) return failure;
    const auto shared = crypto::x25519_agree(key_, peer);
    return shared ? Bytes(shared->view().begin(), shared->view().end()) : Bytes(32);
  }
  int calls = 0;
  Status failure{};

 private:
  crypto::Key256 key_;
};

/// An owner with the passphrase "owner" and key files in a scratch directory.
struct KeysFixture {
  ScratchDir scratch{};
  std::shared_ptr<MemoryStorage> storage = make_memory_storage();
  Id128 target = id_of(0x11);
  KeyRing owner = create();

  [[nodiscard]] KeyRing create() {
    Result<KeyRing> ring =
        KeyRing::create(storage, target, {.passphrase = "owner"}, {.passphrase_work = kCheapWork});
    REQUIRE_OK(ring);
    return *ring;
  }
  [[nodiscard]] Result<KeyRing> open(const KeyOptions& options, const ChainHead& remembered = {}) const {
    return KeyRing::open(storage, target, options, remembered);
  }
  /// Makes a key file with this name and gives it rights.
  KeyOptions add_file(const std::string& name, KeyRight rights, std::uint8_t server = 0) {
    const std::string path = scratch.file(name);
    REQUIRE_OK(create_key_file(path));
    REQUIRE_OK(owner.add({.label = name, .rights = rights, .server = id_of(server), .key_file = path}));
    return {.key_file = path};
  }
  [[nodiscard]] KeyRing ring_of(const KeyOptions& options) const {
    Result<KeyRing> ring = open(options);
    REQUIRE_OK(ring);
    return *ring;
  }
  [[nodiscard]] std::vector<std::string> objects() const {
    std::vector<std::string> keys;
    REQUIRE_OK(storage->list("", [&](const ObjectInfo& object) -> Status {
      keys.push_back(object.key);
      return {};
    }));
    return keys;
  }
};

inline constexpr crypto::Audience kAudiences[] = {crypto::Audience::shared, crypto::Audience::references,
                                                  crypto::Audience::metadata, crypto::Audience::content};

}  // namespace restante::test

#pragma once
// The list of key objects: who holds keys of a target, and the public keys that objects are sealed to. Bytes
// and rules, no I/O. Specified in docs/format/keys.md ("Key objects").

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <restante/keys.hpp>

#include "crypto/kdf.hpp"
#include "crypto/sealer.hpp"

namespace restante::keys {

inline constexpr std::string_view kKeyPrefix = "keys/";
inline constexpr std::size_t kSaltBytes = 16;

/// "keys/00000001.key".
[[nodiscard]] std::string entry_key(std::uint64_t number);

/// The audiences that have keys of their own in each epoch, in the order of the format.
inline constexpr std::array<crypto::Audience, 3> kSealedAudiences = {
    crypto::Audience::references, crypto::Audience::metadata, crypto::Audience::content};

/// The public keys to which objects are sealed from now on, in the order of `kSealedAudiences`.
struct Epoch {
  std::uint32_t number = 0;
  std::array<crypto::PublicKey, 3> public_keys{};
};

struct Holder {
  KeyHolder info{};
  crypto::PublicKey open_key{};                 // X25519: what its grants are sealed to
  crypto::PublicKey sign_key{};                 // Ed25519
  Digest vouch{};                               // zeros if it was added without its secret
  std::array<std::uint8_t, kSaltBytes> salt{};  // with a passphrase
  crypto::ScryptWork work{};
  /// With `info.removed`: the last link of its chain that counts.
  ChainHead last_trusted{};
};

struct Removal {
  std::uint32_t holder = 0;
  ChainHead last_trusted{};
};

/// Secrets for one holder, sealed to its key.
struct Grant {
  std::uint32_t holder = 0;
  Bytes box{};
};

/// One key object.
struct KeyEntry {
  Id128 target{};
  std::uint32_t number = 0;
  Digest previous{};
  Time time{};
  crypto::PublicKey authority{};
  std::vector<Epoch> epochs{};  // none or one
  std::vector<Holder> holders{};
  std::vector<Removal> removals{};
  std::vector<Grant> grants{};
};

/// Signed with the authority's seed.
[[nodiscard]] Bytes encode_entry(const KeyEntry& entry, const crypto::Key256& authority_seed);
/// Its structure and its signature by the authority that it names. `damaged`, `unsupported`.
[[nodiscard]] Result<KeyEntry> decode_entry(ByteView bytes, std::string_view where);

/// All entries so far. A value.
class Ledger {
 public:
  explicit Ledger(const Id128& target) : target_(target) {}

  /// The next entry, with everything that has to hold between it and those before. Unchanged if it fails.
  [[nodiscard]] Status add(ByteView bytes, std::string_view where);

  [[nodiscard]] const Id128& target() const noexcept { return target_; }
  [[nodiscard]] const ChainHead& head() const noexcept { return head_; }
  /// SHA-256 of the entry with this number, which is there.
  [[nodiscard]] const Digest& digest_of(std::uint64_t number) const { return digests_.at(number - 1); }
  [[nodiscard]] const crypto::PublicKey& authority() const noexcept { return authority_; }
  [[nodiscard]] const std::vector<Epoch>& epochs() const noexcept { return epochs_; }
  [[nodiscard]] const std::vector<Holder>& holders() const noexcept { return holders_; }
  /// Nothing for a number that nobody has.
  [[nodiscard]] const Holder* find(std::uint32_t number) const& noexcept;
  const Holder* find(std::uint32_t number) const&& = delete;  // it would be gone

  /// Everything that was ever granted to a holder, with the number of the entry that did.
  struct Granted {
    std::uint32_t entry = 0;
    Bytes box{};
  };
  [[nodiscard]] const std::vector<Granted>& grants_of(std::uint32_t holder) const;

 private:
  [[nodiscard]] Status check_place(const KeyEntry& entry, std::string_view where) const;
  [[nodiscard]] Status check_rules(const KeyEntry& entry, const Ledger& after, std::string_view where) const;
  [[nodiscard]] Status apply(const KeyEntry& entry, std::string_view where);

  Id128 target_;
  ChainHead head_;
  crypto::PublicKey authority_{};
  std::vector<Digest> digests_;
  std::vector<Epoch> epochs_;
  std::vector<Holder> holders_;  // by number, from 1
  std::map<std::uint32_t, std::vector<Granted>> grants_;
};

}  // namespace restante::keys

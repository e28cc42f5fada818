#pragma once
// What holders know: the secret of each, what is derived from it, and what is granted to them.
// docs/format/keys.md ("Holders", "Grants").

#include <map>
#include <optional>
#include <string>

#include "crypto/curve.hpp"
#include "keys/ledger.hpp"

namespace restante::keys {

/// Derived from the secret of a holder: scrypt of its passphrase, or what is in its key file.
struct HolderKeys {
  crypto::Key256 open;   // X25519 private key
  crypto::Key256 sign;   // Ed25519 seed
  crypto::Key256 vouch;  // HMAC key
  crypto::Key256 state;  // for what this machine keeps for itself
};
[[nodiscard]] HolderKeys derive_holder_keys(const crypto::Key256& secret);

/// That the holder of this secret has seen the target with this authority: nobody else can make it.
[[nodiscard]] Digest make_vouch(const crypto::Key256& vouch_key, const Id128& target,
                                const crypto::PublicKey& authority, const Holder& holder);

/// Whether a holder of these rights opens what is sealed for this audience.
[[nodiscard]] bool may_open(KeyRight rights, crypto::Audience audience) noexcept;

/// What grants hold, joined.
struct Secrets {
  std::optional<crypto::Key256> id;      // content ids
  std::optional<crypto::Key256> shared;  // what every holder opens
  std::optional<crypto::Key256> digest;  // state digests
  std::optional<crypto::Key256> authority;
  std::optional<crypto::Key256> holder;                  // in place of a secret of its own, for a callback
  std::map<std::uint32_t, crypto::Key256> audiences[3];  // by epoch, in the order of kSealedAudiences

  [[nodiscard]] const crypto::Key256* find(crypto::Audience audience, std::uint32_t epoch) const;
  /// Those of them that a holder of these rights gets.
  [[nodiscard]] Secrets for_rights(KeyRight rights) const;
};

[[nodiscard]] crypto::SecretBytes encode_secrets(const Secrets& secrets);
/// Adds to `secrets`. False unless the bytes are an encoding.
[[nodiscard]] bool decode_secrets(ByteView bytes, Secrets& secrets);

/// What a grant's box is bound to.
[[nodiscard]] Bytes grant_context(const Id128& target, std::uint32_t entry, std::uint32_t holder);

/// A key file. Its text is specified in docs/format/keys.md ("Key files").
[[nodiscard]] std::string encode_key_file(const crypto::Key256& secret);
[[nodiscard]] Result<crypto::Key256> decode_key_file(ByteView text, std::string_view where);

/// The public keys of a key file as text: "restante-public-1 <open> <sign>".
struct PublicKeys {
  crypto::PublicKey open{};
  crypto::PublicKey sign{};
};
[[nodiscard]] std::string encode_public_keys(const PublicKeys& keys);
[[nodiscard]] Result<PublicKeys> decode_public_keys(std::string_view text);

}  // namespace restante::keys

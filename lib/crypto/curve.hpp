#pragma once
// X25519 (RFC 7748), Ed25519 (RFC 8032), and boxes that are sealed to an X25519 public key.
//
// All functions may be called from any threads at once.

#include <array>
#include <functional>
#include <optional>

#include <restante/status.hpp>

#include "crypto/aead.hpp"

namespace restante::crypto {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

/// Fit for every private key here.
[[nodiscard]] Result<Key256> random_key();

[[nodiscard]] PublicKey x25519_public_key(const Key256& private_key);
/// The shared secret; nothing if `peer` is one of the few points that make it zero whoever computes it.
[[nodiscard]] std::optional<Key256> x25519_agree(const Key256& private_key, const PublicKey& peer);

[[nodiscard]] PublicKey ed25519_public_key(const Key256& seed);
[[nodiscard]] Signature ed25519_sign(const Key256& seed, ByteView message);
[[nodiscard]] bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature);

/// A sealed box: 32 bytes of an ephemeral public key, then ciphertext and tag.
///
///     shared = X25519(ephemeral private key, recipient)
///     key    = HKDF-SHA-256(shared, no salt, "restante box 1" ‖ ephemeral public key ‖ recipient)
///     box    = ephemeral public key ‖ AES-256-GCM(key, nonce of zeros, context, plain)
///
/// The key is used once, because the ephemeral key is. Anybody can make a box for a public key: that it opens
/// says nothing about who made it.
inline constexpr std::size_t kBoxOverheadBytes = 32 + kAeadTagBytes;

/// Appends the box to `out`. `invalid_argument` for a recipient to whom nothing can be sealed.
[[nodiscard]] Status seal_box(const PublicKey& recipient, ByteView context, ByteView plain, Bytes& out);
/// With the ephemeral key given, for tests and worked examples.
[[nodiscard]] Status seal_box_with(const Key256& ephemeral, const PublicKey& recipient, ByteView context,
                                   ByteView plain, Bytes& out);

/// Computes the shared secret of a private key that is elsewhere with a public one.
using Agree = std::function<Result<Key256>(const PublicKey& peer)>;

/// Nothing if the box was not made for `recipient` and `context`, or was changed; a failure if `agree` fails.
[[nodiscard]] Result<std::optional<SecretBytes>> open_box(const PublicKey& recipient, const Agree& agree,
                                                          ByteView context, ByteView box);
[[nodiscard]] std::optional<SecretBytes> open_box(const Key256& private_key, ByteView context, ByteView box);

}  // namespace restante::crypto

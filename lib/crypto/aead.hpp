#pragma once
// AES-256-GCM (NIST SP 800-38D) with nonces of 96 bits and tags of 128.
//
//     Bytes sealed;
//     crypto::aead_seal(key, nonce, context, plain, sealed);     // appends
//     if (!crypto::aead_open(key, nonce, context, sealed, opened)) return damaged();
//
// **The caller's duty:** a nonce is used once under a key. Whoever breaks it gives away the difference of two
// texts and the power to forge. In this library every key is made for one object and its nonces are counters
// (docs/format/keys.md), so nobody draws nonces. All functions may be called from any threads at once.

#include <array>
#include <cstddef>

#include "crypto/secret.hpp"

namespace restante::crypto {

inline constexpr std::size_t kAeadTagBytes = 16;
using AeadNonce = std::array<std::uint8_t, 12>;

/// Appends ciphertext and tag, `plain.size() + kAeadTagBytes` bytes, to `out`. `context` is authenticated
/// and not part of the result.
void aead_seal(const Key256& key, const AeadNonce& nonce, ByteView context, ByteView plain, Bytes& out);

/// Appends the plain bytes to `out`. False, with `out` as it was, for anything but what was sealed with this
/// key, nonce and context; which of them differs is not told, because it cannot be known.
[[nodiscard]] bool aead_open(const Key256& key, const AeadNonce& nonce, ByteView context, ByteView sealed,
                             Bytes& out);

}  // namespace restante::crypto

#pragma once
// Keys from keys, and keys from passphrases.

#include <cstdint>
#include <string_view>

#include <restante/status.hpp>

#include "crypto/secret.hpp"

namespace restante::crypto {

/// HKDF with SHA-256 (RFC 5869). `out` has at most 255 * 32 bytes.
void hkdf_sha256(ByteView key, ByteView salt, ByteView info, MutableByteView out);
/// 32 bytes of it without salt.
[[nodiscard]] Key256 derive_key(ByteView key, ByteView info);

/// The work of scrypt (RFC 7914): N = 2^log2_n. It takes 128 * N * r bytes of memory, p times one after the
/// other. The default takes 128 MiB and about half a second.
struct ScryptWork {
  std::uint8_t log2_n = 17;
  std::uint8_t r = 8;
  std::uint8_t p = 1;
  bool operator==(const ScryptWork&) const = default;
};

/// `unsupported` above what base/limits.hpp allows: parameters come from files, and a hostile one must not
/// ask for gigabytes or hours. `invalid_argument` below 2^10, which protects nobody.
[[nodiscard]] Status check_scrypt_work(const ScryptWork& work);

/// `check_scrypt_work` first.
[[nodiscard]] Result<Key256> scrypt(ByteView passphrase, ByteView salt, const ScryptWork& work);

}  // namespace restante::crypto

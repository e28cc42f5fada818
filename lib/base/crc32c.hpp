#pragma once
// CRC-32C (Castagnoli), as in RFC 3720 §B.4.

#include <restante/bytes.hpp>

#include <cstdint>

namespace restante::base {

/// The checksum of `bytes`; with the checksum of what stands before them as `seed`, that of both together.
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0) noexcept;

/// The same without special instructions. For the test that compares the two.
[[nodiscard]] std::uint32_t crc32c_portable(ByteView bytes, std::uint32_t seed = 0) noexcept;

}  // namespace restante::base

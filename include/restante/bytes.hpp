#pragma once
/// \file
/// Bytes, 128-bit ids and 256-bit digests. Plain values, no I/O but for `Id128::random`.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <restante/status.hpp>

namespace restante {
inline namespace v0 {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

/// The same memory seen as bytes, or as text; no copy.
[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string to_hex(ByteView bytes);
/// The reverse; `invalid_argument` for an odd length or another character.
[[nodiscard]] Result<Bytes> from_hex(std::string_view hex);

/// A 128-bit id of a server, a log, an incarnation or a target (R5). All zero means "none".
struct Id128 {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Id128&) const = default;
  [[nodiscard]] bool is_none() const noexcept { return *this == Id128{}; }
  /// 32 lower-case hexadecimal digits.
  [[nodiscard]] std::string to_string() const { return to_hex(bytes); }
  /// `invalid_argument` unless `text` is 32 hexadecimal digits.
  [[nodiscard]] static Result<Id128> parse(std::string_view text);
  /// From the operating system's random source; `io` when it has none.
  [[nodiscard]] static Result<Id128> random();
};

/// A 256-bit digest. Content ids are SHA-256 of the exact bytes, or HMAC-SHA-256 where a key is set (R11).
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] bool is_zero() const noexcept { return *this == Digest{}; }
  /// 64 lower-case hexadecimal digits.
  [[nodiscard]] std::string to_string() const { return to_hex(bytes); }
  /// `invalid_argument` unless `text` is 64 hexadecimal digits.
  [[nodiscard]] static Result<Digest> parse(std::string_view text);
};

}  // namespace v0
}  // namespace restante

template <>
struct std::hash<restante::Digest> {
  std::size_t operator()(const restante::Digest& digest) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | digest.bytes[i];
    return value;
  }
};

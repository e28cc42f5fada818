#pragma once
// Text for messages and small formats, without a formatting library.

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace restante::base {

inline void append_to(std::string& out, std::string_view part) { out.append(part); }
inline void append_to(std::string& out, const char* part) { out.append(part); }
inline void append_to(std::string& out, char part) { out.push_back(part); }
inline void append_to(std::string& out, bool part) { out.append(part ? "true" : "false"); }
template <std::integral Integer>
void append_to(std::string& out, Integer part) {
  std::array<char, 24> digits;
  const std::to_chars_result end = std::to_chars(digits.data(), digits.data() + digits.size(), part);
  out.append(digits.data(), end.ptr);
}

/// The parts behind each other: strings, characters, integers in decimal, true/false.
template <class... Parts>
[[nodiscard]] std::string cat(const Parts&... parts) {
  std::string out;
  (append_to(out, parts), ...);
  return out;
}

/// For maps by text that are searched by text of any kind.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// `text` fit for a message: every byte of what is not UTF-8, of a control character or of a character
/// that reorders or breaks lines becomes `\xHH`, the rest stays. A name from outside cannot forge a second
/// log line or hide a part of itself.
[[nodiscard]] std::string escape(std::string_view text);

/// The whole of `text` as a decimal number without sign; nothing if it is anything else or too great.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;

/// `value` in decimal with leading zeros up to `width` digits.
[[nodiscard]] std::string padded(std::uint64_t value, std::size_t width);

}  // namespace restante::base

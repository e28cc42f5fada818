#include "base/text.hpp"

namespace restante::base {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t length = 0;  // bytes; 0 = not UTF-8
};

Character decode_first(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  std::size_t length = 0;
  std::uint32_t code = 0;
  std::uint32_t smallest = 0;
  if ((lead & 0xe0) == 0xc0) {
    length = 2, code = lead & 0x1fu, smallest = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, code = lead & 0x0fu, smallest = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, code = lead & 0x07u, smallest = 0x10000;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < smallest || code > 0x10ffff || surrogate) return {};
  return {code, length};
}

bool is_printable(std::uint32_t code) noexcept {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return false;
  if (code == 0x200e || code == 0x200f || code == 0x061c) return false;  // direction marks
  if (code >= 0x2028 && code <= 0x202e) return false;                    // line ends, direction overrides
  if (code >= 0x2066 && code <= 0x2069) return false;                    // direction isolates
  return code != 0xfeff;
}

void append_escaped_byte(std::string& out, char byte) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  out.append("\\x");
  out.push_back(kDigits[value >> 4]);
  out.push_back(kDigits[value & 15]);
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const Character character = decode_first(text);
    if (character.length == 0) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = decode_first(text);
    const std::size_t length = character.length == 0 ? 1 : character.length;
    if (character.length != 0 && is_printable(character.code)) {
      out.append(text.substr(0, length));
    } else {
      for (const char byte : text.substr(0, length)) append_escaped_byte(out, byte);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

std::string padded(std::uint64_t value, std::size_t width) {
  const std::string digits = cat(value);
  return digits.size() >= width ? digits : std::string(width - digits.size(), '0') + digits;
}

}  // namespace restante::base

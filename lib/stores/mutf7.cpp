#include "stores/mutf7.hpp"

#include <restante/model.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace restante::stores {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

bool is_direct(unsigned char c) { return c >= 0x20 && c <= 0x7e; }

// The code point at the front of well-formed UTF-8; moves `text` past it.
char32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t point = size == 1 ? lead : lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size && i < text.size(); ++i) {
    point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  text.remove_prefix(std::min(size, text.size()));
  return point;
}

void append_utf8(std::string& out, char32_t point) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

void append_shifted(std::string& out, const std::vector<std::uint16_t>& units) {
  std::uint32_t bits = 0;
  int count = 0;
  out.push_back('&');
  for (const std::uint16_t unit : units) {
    bits = bits << 16 | unit;
    count += 16;
    while (count >= 6) {
      count -= 6;
      out.push_back(kAlphabet[bits >> count & 0x3f]);
    }
    bits &= (1u << count) - 1;
  }
  if (count > 0) out.push_back(kAlphabet[bits << (6 - count) & 0x3f]);
  out.push_back('-');
}

std::optional<std::vector<std::uint16_t>> units_of(std::string_view base64) {
  std::vector<std::uint16_t> units;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : base64) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 16) {
      count -= 16;
      units.push_back(static_cast<std::uint16_t>(bits >> count));
      bits &= (1u << count) - 1;
    }
  }
  return units;
}

bool append_units(std::string& out, const std::vector<std::uint16_t>& units) {
  for (std::size_t i = 0; i < units.size(); ++i) {
    const char32_t unit = units[i];
    if (unit >= 0xdc00 && unit < 0xe000) return false;
    if (unit < 0xd800 || unit >= 0xe000) {
      append_utf8(out, unit);
      continue;
    }
    if (++i == units.size() || units[i] < 0xdc00 || units[i] >= 0xe000) return false;
    append_utf8(out, 0x10000 + ((unit - 0xd800) << 10) + (units[i] - 0xdc00u));
  }
  return true;
}

}  // namespace

std::string to_mutf7(std::string_view utf8) {
  std::string out;
  std::vector<std::uint16_t> pending;
  while (!utf8.empty()) {
    const char32_t point = take_code_point(utf8);
    if (point < 0x80 && is_direct(static_cast<unsigned char>(point))) {
      if (!pending.empty()) append_shifted(out, pending);
      pending.clear();
      out.push_back(static_cast<char>(point));
      if (point == '&') out.push_back('-');
    } else if (point < 0x10000) {
      pending.push_back(static_cast<std::uint16_t>(point));
    } else {
      pending.push_back(static_cast<std::uint16_t>(0xd800 + ((point - 0x10000) >> 10)));
      pending.push_back(static_cast<std::uint16_t>(0xdc00 + ((point - 0x10000) & 0x3ff)));
    }
  }
  if (!pending.empty()) append_shifted(out, pending);
  return out;
}

std::optional<std::string> from_mutf7(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_direct(static_cast<unsigned char>(text[i]))) return std::nullopt;
    if (text[i] != '&') {
      out.push_back(text[i]);
      continue;
    }
    const std::size_t end = text.find('-', i);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view shifted = text.substr(i + 1, end - i - 1);
    i = end;
    if (shifted.empty()) {
      out.push_back('&');
      continue;
    }
    const std::optional<std::vector<std::uint16_t>> units = units_of(shifted);
    if (!units || !append_units(out, *units)) return std::nullopt;
  }
  // One check for all that the grammar forbids: shifted ASCII, stray bits, split runs.
  if (!is_utf8(out) || to_mutf7(out) != text) return std::nullopt;
  return out;
}

}  // namespace restante::stores

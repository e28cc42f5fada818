#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace cli {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;
  bool valid = false;
};

/// The first character of `text`, which is not empty; a byte that begins none is taken alone.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {lead, 1, false};
  char32_t code = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return {lead, 1, false};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    return {lead, 1, false};
  return {code, length, true};
}

using Range = std::pair<char32_t, char32_t>;

template <std::size_t N>
bool is_in(char32_t code, const std::array<Range, N>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [code](const Range& range) { return code >= range.first && code <= range.second; });
}

/// Controls, line breaks and what reorders text or is not seen.
constexpr std::array<Range, 8> kUnprintable{{{0, 0x1f},
                                             {0x7f, 0x9f},
                                             {0x61c, 0x61c},
                                             {0x200b, 0x200f},
                                             {0x2028, 0x202e},
                                             {0x2060, 0x206f},
                                             {0xfeff, 0xfeff},
                                             {0xe0000, 0xe007f}}};
constexpr std::array<Range, 3> kCombining{{{0x300, 0x36f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};
constexpr std::array<Range, 9> kWide{{{0x1100, 0x115f},
                                      {0x2e80, 0xa4cf},
                                      {0xac00, 0xd7a3},
                                      {0xf900, 0xfaff},
                                      {0xfe30, 0xfe6f},
                                      {0xff00, 0xff60},
                                      {0xffe0, 0xffe6},
                                      {0x1f300, 0x1faff},
                                      {0x20000, 0x3fffd}}};

std::size_t columns_of(char32_t code) { return is_in(code, kCombining) ? 0 : is_in(code, kWide) ? 2 : 1; }

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.valid && !is_in(character.code, kUnprintable)) {
      out.append(text.substr(0, character.bytes));
    } else {
      for (std::size_t i = 0; i < character.bytes; ++i)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    columns += columns_of(character.code);
    text.remove_prefix(character.bytes);
  }
  return columns;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    used += columns_of(character.code);
    if (used > columns - 1) break;
    out.append(text.substr(0, character.bytes));
    text.remove_prefix(character.bytes);
  }
  return out + "…";
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string out = shortened(text, columns);
  out.append(columns - std::min(columns, columns_of(out)), ' ');
  return out;
}

std::string padded_left(std::string_view text, std::size_t columns) {
  const std::string out = shortened(text, columns);
  return std::string(columns - std::min(columns, columns_of(out)), ' ') + out;
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const std::size_t width = columns_of(word);
    if (used > 0 && indent + used + 1 + width > columns) {
      out += '\n';
      used = 0;
    }
    if (used == 0) {
      out.append(indent, ' ');
    } else {
      out += ' ';
      ++used;
    }
    out.append(word);
    used += width;
  }
  return out + "\n";
}

std::string number(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string counted(std::uint64_t value, std::string_view noun) {
  return fmt::format("{} {}{}", number(value), noun, value == 1 ? "" : "s");
}

std::string byte_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 6> units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.5 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return value < 9.95 ? fmt::format("{:.1f} {}", value, units[unit])
                      : fmt::format("{:.0f} {}", value, units[unit]);
}

std::string duration(restante::Time from, restante::Time to) {
  const std::int64_t us = std::max<std::int64_t>(0, to.us - from.us);
  const std::int64_t seconds = us / 1'000'000;
  if (seconds < 60) return fmt::format("{:.1f} s", static_cast<double>(us / 100'000) / 10);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string list_of(const std::vector<std::string>& names, std::size_t limit) {
  const std::size_t shown = names.size() > limit ? limit : names.size();
  std::string out;
  for (std::size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == names.size();
    if (i > 0) out += last ? " and " : ", ";
    out += printable(names[i]);
  }
  if (shown < names.size()) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+=:,./-";
  const std::string shown = printable(text);
  if (!shown.empty() && shown.find_first_not_of(plain) == std::string::npos) return shown;
  std::string out = "'";
  for (const char c : shown) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace cli

#include "encoding.hpp"

#include <array>

namespace store {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kHex = "0123456789ABCDEF";

std::string base64(std::string_view data) {
  std::string out((data.size() + 2) / 3 * 4, '=');
  char* to = out.data();
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(data[i]));
  };
  const auto put = [&](std::uint32_t bits, int characters) {
    for (int i = 0; i < characters; i++) to[i] = kBase64[(bits >> (18 - 6 * i)) & 63];
    to += 4;
  };
  std::size_t i = 0;
  for (; i + 3 <= data.size(); i += 3) put(byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2), 4);
  if (data.size() - i == 2) put(byte(i) << 16 | byte(i + 1) << 8, 3);
  if (data.size() - i == 1) put(byte(i) << 16, 2);
  return out;
}

Untidy possible(Untidy untidy, const std::string& characters, std::size_t width) {
  if (untidy == Untidy::kNoPadding && characters.back() != '=') untidy = Untidy::kBlankLine;
  const bool needs_lines =
      untidy == Untidy::kShortLine || untidy == Untidy::kBlankLine || untidy == Untidy::kOneLine;
  return needs_lines && characters.size() <= 2 * width ? Untidy::kTrailingSpaces : untidy;
}

}  // namespace

void append_base64(std::string& out, std::string_view data, std::size_t width, Untidy untidy) {
  std::string characters = base64(data);
  if (characters.empty()) return;
  untidy = possible(untidy, characters, width);
  if (untidy == Untidy::kNoPadding) characters.erase(characters.find('='));
  if (untidy == Untidy::kOneLine) width = characters.size();
  const std::size_t middle = characters.size() / width / 2;
  out.reserve(out.size() + characters.size() + characters.size() / width + 8);
  std::size_t at = 0;
  for (std::size_t line = 0; at < characters.size(); line++) {
    const bool odd = line == middle;
    const std::size_t length = odd && untidy == Untidy::kShortLine ? width - 8 : width;
    if (line > 0) out += '\n';
    if (odd && untidy == Untidy::kBlankLine) out += '\n';
    out.append(characters, at, length);
    if (odd && untidy == Untidy::kTrailingSpaces) out += "  ";
    at += length;
  }
}

void append_quoted_printable(std::string& out, std::string_view text) {
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      out += '\n';
      column = 0;
      continue;
    }
    const bool at_end = i + 1 == text.size() || text[i + 1] == '\n';
    const bool plain = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !at_end);
    const std::size_t width = plain ? 1 : 3;
    if (column + width > 75) {
      out += "=\n";
      column = 0;
    }
    if (plain) {
      out += static_cast<char>(c);
    } else {
      ((out += '=') += kHex[c >> 4]) += kHex[c & 15];
    }
    column += width;
  }
}

}  // namespace store

#pragma once
/// \file
/// Transfer encodings as mail programs write them, tidy and untidy. Lines end with LF, but for the last one:
/// that line end belongs to the boundary behind it.

#include <cstdint>
#include <string>
#include <string_view>

namespace store {

/// What a rebuilding from decoded bytes and a line width does not give again.
enum class Untidy { kNo, kShortLine, kBlankLine, kNoPadding, kOneLine, kTrailingSpaces };
constexpr std::uint64_t kUntidyKinds = 5;

/// An untidiness that the data are too short to show is another one.
void append_base64(std::string& out, std::string_view data, std::size_t width, Untidy untidy = Untidy::kNo);

/// Quoted-printable, soft line ends at 76.
void append_quoted_printable(std::string& out, std::string_view text);

/// Bytes whose base64 in lines of 76 takes about `encoded` bytes.
constexpr std::uint64_t decoded_size(std::uint64_t encoded) {
  return encoded * 76 / 77 / 4 * 3 - encoded % 3;
}

}  // namespace store

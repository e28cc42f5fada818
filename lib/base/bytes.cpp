#include <restante/bytes.hpp>

#include <algorithm>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

int digit_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

template <class Value>
Result<Value> parse_fixed(std::string_view text, std::string_view kind) {
  Value value;
  Result<Bytes> bytes = from_hex(text);
  if (!bytes.ok() || bytes->size() != value.bytes.size()) {
    return Status(Code::invalid_argument, base::cat("'", base::escape(text), "' is not ", kind, ": it takes ",
                                                    2 * value.bytes.size(), " hexadecimal digits"));
  }
  std::copy(bytes->begin(), bytes->end(), value.bytes.begin());
  return value;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

Result<Bytes> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) {
    return Status(Code::invalid_argument, base::cat("an odd number of hexadecimal digits: ", hex.size()));
  }
  Bytes bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit_value(hex[i]);
    const int low = digit_value(hex[i + 1]);
    if (high < 0 || low < 0) {
      const char wrong = high < 0 ? hex[i] : hex[i + 1];
      return Status(Code::invalid_argument,
                    base::cat("'", base::escape({&wrong, 1}), "' is not a hexadecimal digit"));
    }
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

Result<Id128> Id128::parse(std::string_view text) { return parse_fixed<Id128>(text, "an id"); }

Result<Digest> Digest::parse(std::string_view text) { return parse_fixed<Digest>(text, "a digest"); }

// Id128::random asks the operating system, so it is in os/random.cpp.

}  // namespace v0
}  // namespace restante

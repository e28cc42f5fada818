#include "stores/maildir_attributes.hpp"

#include <charconv>

#include "base/text.hpp"

namespace restante::stores {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::string mode_text(std::uint32_t mode) {
  std::string text = "0000";
  for (std::size_t i = 4; i-- > 0; mode >>= 3) text[i] = static_cast<char>('0' + (mode & 7));
  return text;
}

void take_number(const Attributes& attributes, const std::string& name, int radix, std::uint32_t limit,
                 std::uint32_t& value) {
  const std::string& text = attribute_of(attributes, name);
  std::uint32_t parsed = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result answer = std::from_chars(text.data(), end, parsed, radix);
  if (!text.empty() && answer.ec == std::errc() && answer.ptr == end && parsed <= limit) value = parsed;
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

void put_ownership(const Ownership& found, const Ownership& standard, Attributes& attributes,
                   const std::string& prefix) {
  if (found.mode != standard.mode) attributes[prefix + attribute::kMode] = mode_text(found.mode);
  if (found.uid != standard.uid) attributes[prefix + attribute::kUid] = std::to_string(found.uid);
  if (found.gid != standard.gid) attributes[prefix + attribute::kGid] = std::to_string(found.gid);
}

Ownership take_ownership(const Attributes& attributes, Ownership standard, const std::string& prefix) {
  take_number(attributes, prefix + attribute::kMode, 8, 07777, standard.mode);
  // The greatest value means "leave it" to chown.
  take_number(attributes, prefix + attribute::kUid, 10, UINT32_MAX - 1, standard.uid);
  take_number(attributes, prefix + attribute::kGid, 10, UINT32_MAX - 1, standard.gid);
  return standard;
}

std::string time_text(std::int64_t ns) {
  const std::int64_t seconds = floor_div(ns, kNsPerSecond);
  return base::cat(seconds, '.', base::padded(static_cast<std::uint64_t>(ns - seconds * kNsPerSecond), 9));
}

std::optional<std::int64_t> parse_time_text(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || text.size() - dot != 10) return std::nullopt;
  std::int64_t seconds = 0;
  const std::from_chars_result whole = std::from_chars(text.data(), text.data() + dot, seconds);
  const std::optional<std::uint64_t> rest = base::parse_decimal(text.substr(dot + 1));
  if (whole.ec != std::errc() || whole.ptr != text.data() + dot || !rest) return std::nullopt;
  if (seconds > INT64_MAX / kNsPerSecond - 1 || seconds < INT64_MIN / kNsPerSecond + 1) return std::nullopt;
  return seconds * kNsPerSecond + static_cast<std::int64_t>(*rest);
}

Time time_of_ns(std::int64_t ns) { return Time{floor_div(ns, 1000)}; }

const std::string& attribute_of(const Attributes& attributes, const std::string& name) {
  static const std::string kNone;
  const auto found = attributes.find(name);
  return found == attributes.end() ? kNone : found->second;
}

}  // namespace restante::stores

#include <restante/time.hpp>

#include <array>
#include <optional>

#include "base/civil.hpp"
#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

// Y is four digits, M D h m s are two, f is three digits of a second, F is one to six; anything else stands
// for itself.
constexpr std::array<std::string_view, 10> kForms = {
    "Y/M/D h:m:s", "Y/M/D h:m:s.f", "Y/M/D-h:m:s", "Y/M/D-h:m:s-f", "YMD.hms",
    "YMD.hms.f",   "YMDhms",        "YMDhmsf",     "Y-M-DTh:m:s",   "Y-M-DTh:m:s.F",
};
constexpr std::string_view kHint =
    "write YYYY/MM/DD hh:mm:ss[.SSS], YYYY/MM/DD-hh:mm:ss[-SSS], YYYYMMDD.hhmmss[.SSS], "
    "YYYYMMDDhhmmss[SSS] or YYYY-MM-DDThh:mm:ss[.ffffff], with Z behind it for UTC";

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Takes `least` to `most` digits from the front of `text`; nothing if there are fewer.
std::optional<int> take_digits(std::string_view& text, std::size_t least, std::size_t most) noexcept {
  std::size_t size = 0;
  int value = 0;
  for (; size < most && size < text.size() && is_digit(text[size]); ++size) {
    value = 10 * value + (text[size] - '0');
  }
  if (size < least) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

std::optional<int> take_microseconds(std::string_view& text, std::size_t least, std::size_t most) noexcept {
  const std::size_t before = text.size();
  std::optional<int> value = take_digits(text, least, most);
  if (value) {
    for (std::size_t digits = before - text.size(); digits < 6; ++digits) *value *= 10;
  }
  return value;
}

std::optional<base::Civil> match(std::string_view text, std::string_view form) noexcept {
  base::Civil civil;
  for (const char field : form) {
    std::optional<int> value;
    switch (field) {
      case 'Y': civil.year = (value = take_digits(text, 4, 4)).value_or(0); break;
      case 'M': civil.month = (value = take_digits(text, 2, 2)).value_or(0); break;
      case 'D': civil.day = (value = take_digits(text, 2, 2)).value_or(0); break;
      case 'h': civil.hour = (value = take_digits(text, 2, 2)).value_or(0); break;
      case 'm': civil.minute = (value = take_digits(text, 2, 2)).value_or(0); break;
      case 's': civil.second = (value = take_digits(text, 2, 2)).value_or(0); break;
      case 'f': civil.microsecond = (value = take_microseconds(text, 3, 3)).value_or(0); break;
      case 'F': civil.microsecond = (value = take_microseconds(text, 1, 6)).value_or(0); break;
      default:
        if (!text.starts_with(field)) return std::nullopt;
        text.remove_prefix(1);
        continue;
    }
    if (!value) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return civil;
}

std::optional<base::Civil> match_any(std::string_view text) noexcept {
  for (const std::string_view form : kForms) {
    if (std::optional<base::Civil> civil = match(text, form)) return civil;
  }
  return std::nullopt;
}

}  // namespace

Result<Time> parse_time(std::string_view text, const TimeZone& zone) {
  const std::string quoted = base::cat('\'', base::escape(text), '\'');
  std::string_view local = text;
  const bool utc = local.ends_with('Z');
  if (utc) local.remove_suffix(1);

  const std::optional<base::Civil> civil = match_any(local);
  if (!civil) return Status(Code::invalid_argument, base::cat(quoted, " is not a time"), std::string(kHint));
  if (!base::is_valid(*civil)) {
    return Status(Code::invalid_argument, base::cat(quoted, " is not a time: no such date or time of day"),
                  std::string(kHint));
  }
  const TimeZone used = utc ? TimeZone() : zone;
  const std::vector<Time> instants =
      used.instants_of(static_cast<int>(civil->year), civil->month, civil->day, civil->hour, civil->minute,
                       civil->second, civil->microsecond);
  if (instants.size() == 1) return instants[0];
  if (instants.empty()) {
    return Status(Code::invalid_argument,
                  base::cat(quoted, " did not happen in ", used.name(), ": a clock change skipped it"),
                  base::cat("write a time before or after the change; ", kHint));
  }
  return Status(Code::ambiguous,
                base::cat(quoted, " happened twice in ", used.name(), ": ", instants[0].to_string(), " and ",
                          instants[1].to_string()),
                "write the one that is meant, in UTC as above");
}

}  // namespace v0
}  // namespace restante

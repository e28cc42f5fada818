#include "target/label.hpp"

#include <chrono>

#include "base/text.hpp"

namespace restante::target {
namespace {

constexpr std::size_t kTimePartLength = 19;  // YYYYMMDD.hhmmss.SSS

struct Civil {
  int year;
  unsigned month, day, hour, minute, second, millisecond;
};

Civil civil_of(Time time) {
  using namespace std::chrono;
  const sys_time<microseconds> instant{microseconds{time.us}};
  const sys_days date = floor<days>(instant);
  const year_month_day ymd{date};
  const auto rest = floor<milliseconds>(instant - date).count();
  return {static_cast<int>(ymd.year()),
          static_cast<unsigned>(ymd.month()),
          static_cast<unsigned>(ymd.day()),
          static_cast<unsigned>(rest / 3'600'000),
          static_cast<unsigned>(rest / 60'000 % 60),
          static_cast<unsigned>(rest / 1000 % 60),
          static_cast<unsigned>(rest % 1000)};
}

std::optional<unsigned> digits(std::string_view text, std::size_t at, std::size_t count) {
  unsigned value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  return value;
}

std::optional<Time> parse_time_part(std::string_view text) {
  using namespace std::chrono;
  if (text.size() != kTimePartLength || text[8] != '.' || text[15] != '.') return std::nullopt;
  const auto y = digits(text, 0, 4), mo = digits(text, 4, 2), d = digits(text, 6, 2);
  const auto h = digits(text, 9, 2), mi = digits(text, 11, 2), s = digits(text, 13, 2),
             ms = digits(text, 16, 3);
  if (!y || !mo || !d || !h || !mi || !s || !ms) return std::nullopt;
  const year_month_day date{year{static_cast<int>(*y)}, month{*mo}, day{*d}};
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  const auto instant = sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} + milliseconds{*ms};
  return Time{duration_cast<microseconds>(instant.time_since_epoch()).count()};
}

}  // namespace

std::string make_label(SessionType type, Time began) {
  const Civil c = civil_of(began);
  using base::padded;
  return base::cat(type == SessionType::full ? "full-" : "incr-",
                   padded(static_cast<std::uint64_t>(c.year), 4), padded(c.month, 2), padded(c.day, 2), ".",
                   padded(c.hour, 2), padded(c.minute, 2), padded(c.second, 2), ".",
                   padded(c.millisecond, 3));
}

std::optional<ParsedLabel> parse_label(std::string_view label) {
  SessionType type;
  if (label.starts_with("full-"))
    type = SessionType::full;
  else if (label.starts_with("incr-"))
    type = SessionType::incremental;
  else
    return std::nullopt;
  const std::optional<Time> began = parse_time_part(label.substr(5));
  if (!began) return std::nullopt;
  return ParsedLabel{type, *began};
}

std::string_view time_part(std::string_view label) { return label.size() > 5 ? label.substr(5) : label; }

}  // namespace restante::target

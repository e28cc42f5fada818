#include <restante/time.hpp>

#include <chrono>

#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

struct Date {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

// Proleptic Gregorian date of a day counted from 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level
// Date Algorithms", civil_from_days).
constexpr Date date_of(std::int64_t days) {
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const auto day_of_era = static_cast<unsigned>(shifted - era * 146097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {era * 400 + year_of_era + (month <= 2 ? 1 : 0), month, day};
}

class SystemClock final : public Clock {
 public:
  Time now() const override {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return Time{std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
  }
};

}  // namespace

std::string Time::to_string() const {
  constexpr std::int64_t kDayUs = 86'400'000'000;
  std::int64_t days = us / kDayUs;
  std::int64_t in_day = us % kDayUs;
  if (in_day < 0) {
    in_day += kDayUs;
    --days;
  }
  const Date date = date_of(days);
  const auto part = [](std::int64_t value, std::size_t width) {
    return base::padded(static_cast<std::uint64_t>(value), width);
  };
  return base::cat(date.year < 0 ? "-" : "", part(date.year < 0 ? -date.year : date.year, 4), '-',
                   part(date.month, 2), '-', part(date.day, 2), 'T', part(in_day / 3'600'000'000, 2), ':',
                   part(in_day / 60'000'000 % 60, 2), ':', part(in_day / 1'000'000 % 60, 2), '.',
                   part(in_day % 1'000'000, 6), 'Z');
}

const Clock& system_clock() noexcept {
  // Never destroyed: threads of the host may ask for the time while the process ends.
  static const Clock& clock = *new SystemClock;
  return clock;
}

}  // namespace v0
}  // namespace restante

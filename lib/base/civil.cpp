#include "base/civil.hpp"

#include <array>

#include "base/text.hpp"

namespace restante::base {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kMinuteUs = 60 * kSecondUs;
constexpr std::int64_t kHourUs = 60 * kMinuteUs;
constexpr std::int64_t kDayUs = 24 * kHourUs;

// Days between the first of March of year 0, where an era of 400 years begins here, and 1970-01-01.
constexpr std::int64_t kDaysBefore1970 = 719468;
constexpr std::int64_t kDaysInEra = 146097;

constexpr std::int64_t divide_down(std::int64_t value, std::int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

constexpr bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

constexpr int days_in_month(std::int64_t year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

std::string part(std::int64_t value, std::size_t width) {
  return padded(static_cast<std::uint64_t>(value), width);
}

}  // namespace

// The two conversions are H. Hinnant's, "chrono-Compatible Low-Level Date Algorithms".

Civil civil_of(Time time) noexcept {
  const std::int64_t days = divide_down(time.us, kDayUs);
  // Not by multiplying back: the first day of the range begins outside it.
  const std::int64_t remainder = time.us % kDayUs;
  const std::int64_t in_day = remainder < 0 ? remainder + kDayUs : remainder;

  const std::int64_t shifted = days + kDaysBefore1970;
  const std::int64_t era = divide_down(shifted, kDaysInEra);
  const std::int64_t day_of_era = shifted - era * kDaysInEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t months_after_march = (5 * day_of_year + 2) / 153;

  Civil civil;
  civil.day = static_cast<int>(day_of_year - (153 * months_after_march + 2) / 5 + 1);
  civil.month = static_cast<int>(months_after_march < 10 ? months_after_march + 3 : months_after_march - 9);
  civil.year = era * 400 + year_of_era + (civil.month <= 2 ? 1 : 0);
  civil.hour = static_cast<int>(in_day / kHourUs);
  civil.minute = static_cast<int>(in_day % kHourUs / kMinuteUs);
  civil.second = static_cast<int>(in_day % kMinuteUs / kSecondUs);
  civil.microsecond = static_cast<int>(in_day % kSecondUs);
  return civil;
}

bool is_valid(const Civil& civil) noexcept {
  return civil.month >= 1 && civil.month <= 12 && civil.day >= 1 &&
         civil.day <= days_in_month(civil.year, civil.month) && civil.hour >= 0 && civil.hour < 24 &&
         civil.minute >= 0 && civil.minute < 60 && civil.second >= 0 && civil.second < 60 &&
         civil.microsecond >= 0 && civil.microsecond < kSecondUs;
}

Time time_of(const Civil& civil) noexcept {
  const std::int64_t year = civil.year - (civil.month <= 2 ? 1 : 0);
  const std::int64_t era = divide_down(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t months_after_march = civil.month > 2 ? civil.month - 3 : civil.month + 9;
  const std::int64_t day_of_year = (153 * months_after_march + 2) / 5 + civil.day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const std::int64_t days = era * kDaysInEra + day_of_era - kDaysBefore1970;
  return Time{days * kDayUs + civil.hour * kHourUs + civil.minute * kMinuteUs + civil.second * kSecondUs +
              civil.microsecond};
}

std::string date_text(const Civil& civil) {
  const bool negative = civil.year < 0;
  return cat(negative ? "-" : "", part(negative ? -civil.year : civil.year, 4), '-', part(civil.month, 2),
             '-', part(civil.day, 2));
}

std::string time_of_day_text(const Civil& civil) {
  return cat(part(civil.hour, 2), ':', part(civil.minute, 2), ':', part(civil.second, 2));
}

}  // namespace restante::base

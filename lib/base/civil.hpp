#pragma once
// Dates and times of day in UTC: labels, file names and messages.

#include <restante/time.hpp>

#include <cstdint>
#include <string>

namespace restante::base {

struct Civil {
  std::int64_t year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int microsecond = 0;

  auto operator<=>(const Civil&) const = default;
};

/// Proleptic Gregorian, without leap seconds; any `Time` has one.
[[nodiscard]] Civil civil_of(Time time) noexcept;
/// Whether the date exists and the time of day is below 24:00:00. Second 60 is none.
[[nodiscard]] bool is_valid(const Civil& civil) noexcept;
/// The reverse of `civil_of` for a valid `civil` of a year from -9999 to 9999.
[[nodiscard]] Time time_of(const Civil& civil) noexcept;

/// "2026-07-12"; years of fewer than four digits have leading zeros, those before year 0 a minus sign.
[[nodiscard]] std::string date_text(const Civil& civil);
/// "15:59:51"
[[nodiscard]] std::string time_of_day_text(const Civil& civil);

}  // namespace restante::base

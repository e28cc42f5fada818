#pragma once
/// \file
/// Instants, clocks and the zone database.
///
/// Inside restante an instant is microseconds since 1970-01-01T00:00:00Z, without leap seconds. Local
/// times exist only where people write and read them; their zone is always a parameter and never the
/// process's TZ (R14).

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <restante/status.hpp>

namespace restante {
inline namespace v0 {

/// An instant, microseconds UTC. 0 is a valid instant; "no instant" is `std::optional<Time>`.
struct Time {
  std::int64_t us = 0;

  auto operator<=>(const Time&) const = default;
  [[nodiscard]] static constexpr Time from_seconds(std::int64_t seconds) noexcept {
    return Time{seconds * 1'000'000};
  }
  /// RFC 3339 in UTC with six decimals: "2026-07-12T15:59:51.123000Z".
  [[nodiscard]] std::string to_string() const;
};

/// Where "now" comes from. Implementations must be callable from any thread. Time may jump either way;
/// restante never orders events by it alone (R14).
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() const = 0;
};

/// The machine's real-time clock. Lives for ever.
[[nodiscard]] const Clock& system_clock() noexcept;

/// Rules of one zone of the zone database. A value; reading it from any thread is safe.
class TimeZone {
 public:
  /// UTC.
  TimeZone();
  /// A zone by its name, "Europe/Berlin"; `not_found` when the database has none of that name.
  [[nodiscard]] static Result<TimeZone> named(std::string_view name);
  /// The machine's zone as /etc/localtime gives it, UTC where there is none. TZ is not read.
  [[nodiscard]] static Result<TimeZone> of_machine();

  [[nodiscard]] const std::string& name() const noexcept;
  /// The instants that the local date and time names in this zone: one, none (skipped by a clock change)
  /// or two (repeated by one).
  [[nodiscard]] std::vector<Time> instants_of(int year, int month, int day, int hour, int minute, int second,
                                              int microsecond) const;
  /// "2026-07-12 17:59:51.123 CEST".
  [[nodiscard]] std::string format(Time time) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

/// Reads a time as people write it on the command line: `YYYY/MM/DD hh:mm:ss[.SSS]`,
/// `YYYY/MM/DD-hh:mm:ss[-SSS]`, `YYYYMMDD.hhmmss[.SSS]`, `YYYYMMDDhhmmss[SSS]`, also
/// `YYYY-MM-DDThh:mm:ss[.ffffff]`. A trailing `Z` means UTC, otherwise `zone`. Strict: nothing before or
/// behind, every field in its range, the date exists.
/// Fails with `invalid_argument` (the hint lists the forms; a time that a clock change skipped is named as
/// such) or `ambiguous` (a time that a clock change repeated; both instants are offered in UTC).
[[nodiscard]] Result<Time> parse_time(std::string_view text, const TimeZone& zone);

}  // namespace v0
}  // namespace restante

// The zone database, read by H. Hinnant's date library; nothing else in the library knows it.

#include <date/tz.h>

#include <restante/time.hpp>

#include <chrono>
#include <exception>
#include <new>

#include "base/civil.hpp"
#include "base/text.hpp"
#include "calendar/machine_zone.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

std::chrono::seconds seconds_of(Time time) {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::microseconds(time.us));
}

}  // namespace

struct TimeZone::Rules {
  std::string name = "UTC";
  const date::time_zone* zone = nullptr;  // the database keeps it for ever; null = UTC, needs no database
};

TimeZone::TimeZone() {
  static const auto& utc = *new std::shared_ptr<const Rules>(std::make_shared<const Rules>());
  rules_ = utc;
}

Result<TimeZone> TimeZone::named(std::string_view name) {
  TimeZone zone;
  if (name == zone.name()) return zone;
  try {
    const date::time_zone* const found = date::locate_zone(name);
    zone.rules_ = std::make_shared<const Rules>(Rules{std::string(name), found});
    // Rules are read at first use, and a file that cannot be read must not throw later.
    (void)found->get_info(date::sys_seconds{});
    return zone;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    return Status(Code::not_found, base::cat("the zone database has no zone '", base::escape(name), "'"),
                  "names are like Europe/Berlin; the database is the package tzdata");
  }
}

Result<TimeZone> TimeZone::of_machine() {
  const Result<std::string> name = calendar::machine_zone_name(os::real_io(), "/etc");
  if (!name.ok()) return name.status();
  return named(*name);
}

const std::string& TimeZone::name() const noexcept { return rules_->name; }

std::vector<Time> TimeZone::instants_of(int year, int month, int day, int hour, int minute, int second,
                                        int microsecond) const {
  const base::Civil civil{year, month, day, hour, minute, second, microsecond};
  if (year < -9999 || year > 9999 || !base::is_valid(civil)) return {};
  const Time as_if_utc = base::time_of(civil);
  if (rules_->zone == nullptr) return {as_if_utc};

  const auto at_offset = [&](std::chrono::seconds offset) {
    return Time{as_if_utc.us - offset.count() * kSecondUs};
  };
  const date::local_info info = rules_->zone->get_info(date::local_seconds(seconds_of(as_if_utc)));
  switch (info.result) {
    case date::local_info::nonexistent: return {};
    case date::local_info::ambiguous: return {at_offset(info.first.offset), at_offset(info.second.offset)};
    default: return {at_offset(info.first.offset)};
  }
}

std::string TimeZone::format(Time time) const {
  std::int64_t offset_us = 0;
  std::string abbreviation = "UTC";
  if (rules_->zone != nullptr) {
    const date::sys_info info = rules_->zone->get_info(date::sys_seconds(seconds_of(time)));
    offset_us = info.offset.count() * kSecondUs;
    abbreviation = info.abbrev;
  }
  // An instant at the very edge of the range has no local time that fits; it is shown at the edge.
  std::int64_t local_us = 0;
  if (__builtin_add_overflow(time.us, offset_us, &local_us)) local_us = time.us;
  const base::Civil civil = base::civil_of(Time{local_us});
  return base::cat(base::date_text(civil), ' ', base::time_of_day_text(civil), '.',
                   base::padded(static_cast<std::uint64_t>(civil.microsecond / 1000), 3), ' ', abbreviation);
}

}  // namespace v0
}  // namespace restante

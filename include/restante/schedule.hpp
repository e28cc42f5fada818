#pragma once
/// \file
/// When sessions run, how long they are kept, and what an administrator is told (seed: "Scheduling
/// Backups", "Backup Completion Email Notification").

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <restante/backup_target.hpp>
#include <restante/session.hpp>
#include <restante/time.hpp>

namespace restante {
inline namespace v0 {

/// A cron line: minute, hour, day of month, month, day of week (0 and 7 are Sunday; names allowed).
class CronLine {
 public:
  /// `invalid_argument` names the field.
  [[nodiscard]] static Result<CronLine> parse(std::string_view text);
  /// The first instant after `time` that the line names in `zone`; an hour skipped by a clock change runs at
  /// its end, a repeated one runs once.
  [[nodiscard]] Result<Time> next(Time after, const TimeZone& zone) const;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0;
  std::uint32_t days_ = 0;
  std::uint32_t months_ = 0;
  std::uint32_t weekdays_ = 0;
  bool any_day_ = true;
  bool any_weekday_ = true;
};

/// How long sessions are kept (seed: "backups older than a month are deleted").
struct Retention {
  /// In the seed's words: "7d", "1m", "1y". `invalid_argument` for anything else.
  [[nodiscard]] static Result<Retention> parse(std::string_view text);
  /// The instant before which sessions may go.
  [[nodiscard]] Time before(Time now) const;
  /// The seed's form.
  [[nodiscard]] std::string to_string() const;

  unsigned days = 0;
  unsigned months = 0;
  unsigned years = 0;
};

/// The seed's schedule: `f "0 1 * * 7" i "0 1 * * 1-6" d 1m "0 0 * * *"`.
struct Schedule {
  std::vector<CronLine> full{};
  std::vector<CronLine> incremental{};
  struct Deletion {
    Retention keep;
    CronLine when;
  };
  std::vector<Deletion> deletion{};

  /// Full Saturday 1:00, incremental other days 1:00, deletion after a month at 0:00 (seed).
  [[nodiscard]] static Schedule standard();
  [[nodiscard]] static Result<Schedule> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
};

/// What is mailed after a session: success or failure, begin and end, accounts, redo log sequence range,
/// errors (seed).
struct Report {
  std::string subject{};
  std::string body{};
  [[nodiscard]] static Report of(const SessionInfo& session, const TimeZone& zone);
};

}  // namespace v0
}  // namespace restante

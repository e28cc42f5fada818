#pragma once
// Which part of the redo log a command is about: its options, what they mean in a log, and the way through.

#include <restante/redo_log.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "redo_source.hpp"

namespace cli {

/// The options -a, --from, --to, --from-lsn, --to-lsn, --from-seq and --to-seq. Bounds are inclusive; both
/// times are commit times, which only grow along a log.
class RedoRange {
 public:
  /// `what` is chosen: "records", "transactions".
  void declare(CLI::App& app, const std::string& what);
  /// Throws a `Failure` of usage for what can be no range.
  void check(const restante::TimeZone& zone);

  /// Those that were named; none for all.
  [[nodiscard]] const std::vector<std::string>& accounts() const noexcept { return accounts_; }
  [[nodiscard]] bool has(const std::string& account) const;
  [[nodiscard]] bool is_before(restante::Time time) const { return first_time_ && time < *first_time_; }
  [[nodiscard]] bool is_behind(restante::Time time) const { return last_time_ && time > *last_time_; }

  /// The last time in it: that of the newest record, or before.
  [[nodiscard]] restante::Time newest(const std::vector<restante::SegmentInfo>& segments) const;
  /// What of it is here, not behind the log's end now. Throws a `Failure` if a sequence is not there.
  [[nodiscard]] restante::ReadRange in(const RedoSource& source) const;
  /// The same; it does not begin before the last transaction in front of it.
  [[nodiscard]] restante::ReadRange in(const restante::RedoLog& log) const;

 private:
  void check_order() const;

  std::vector<std::string> accounts_;
  std::string from_;
  std::string to_;
  std::string from_lsn_;
  std::string to_lsn_;
  std::string from_sequence_;
  std::string to_sequence_;
  std::optional<restante::Time> first_time_;
  std::optional<restante::Time> last_time_;
  std::optional<restante::Lsn> first_lsn_;
  std::optional<restante::Lsn> last_lsn_;
  std::optional<std::uint64_t> first_sequence_;
  std::optional<std::uint64_t> last_sequence_;
};

/// Throws a `Failure` if neither the log nor the store knows one of the accounts.
void require_known(Program& program, const restante::RedoLog& log, const std::vector<std::string>& accounts);

/// Tells of damage to the redo log, once a place, and remembers it.
class DamageNotes {
 public:
  explicit DamageNotes(Program& program) : program_(program) {}
  /// Goes on if `failure` is damage that a cursor can pass; throws it as a `Failure` otherwise.
  void note(const restante::Status& failure);
  [[nodiscard]] bool empty() const noexcept { return texts_.empty(); }
  /// Goes on where files have a hole, which is not damage; throws as `note` otherwise.
  void note_hole(const restante::Status& hole);
  /// The list `damages` of the document.
  [[nodiscard]] Json json() const;

 private:
  void refuse_again(const restante::Status& failure);

  Program& program_;
  std::vector<std::string> texts_;
  std::string last_;
};

/// Why a walk through the log ended.
enum class Walked { to_its_end, stopped };

/// Hands every record of the range, of `kinds` or of all, to `each`, in order, until SIGINT or SIGTERM, or
/// until nobody reads the output any more. Only one record at a time is in memory.
[[nodiscard]] Walked for_each_record(Program& program, const RedoSource& source, const RedoRange& range,
                                     const std::vector<std::string>& kinds, DamageNotes& damages,
                                     const std::function<void(const restante::RecordInfo&)>& each);

/// "the redo log is damaged", for what was shown without what is lost.
[[nodiscard]] restante::Status damaged_log();

}  // namespace cli

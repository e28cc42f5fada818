#pragma once
// The redo log as a restore sees it: archived and live segments in one line from the newest incarnation back
// to the oldest ancestor (R5), and what a stop means on it (R14).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <restante/restore_plan.hpp>

#include "redo/segment_view.hpp"

namespace restante::history {

class History {
 public:
  // `log` may be null. With `backup_only` its segments are left out, its ancestry is not.
  [[nodiscard]] static Result<History> make(const std::vector<BackupTarget>& targets, RedoLog* log,
                                            bool backup_only);

  // In order of LSN, without what lies on branches that were left.
  [[nodiscard]] const redo::SegmentViews& segments() const noexcept { return views_; }
  [[nodiscard]] bool is_live(const redo::SegmentView& view) const;
  [[nodiscard]] bool empty() const noexcept { return views_.empty(); }
  // The last LSN that is there.
  [[nodiscard]] Lsn end() const noexcept;
  [[nodiscard]] Id128 log() const noexcept;
  // The incarnation that an LSN of the line belongs to.
  [[nodiscard]] Id128 incarnation_of(Lsn lsn) const noexcept;
  // Whether a position of an earlier time is part of the line.
  [[nodiscard]] bool contains(const LogPosition& position) const;
  // Damaged segments that were left out: messages.
  [[nodiscard]] const std::vector<std::string>& unreadable() const noexcept { return unreadable_; }

  // Success if every LSN in (after, until] is in a segment that is there; else `damaged`, which names the
  // missing segments and up to where a restore can go.
  [[nodiscard]] Status check_complete(Lsn after, Lsn until) const;
  // The last LSN committed at or before `time`. `ambiguous` within a stretch that a clock held.
  [[nodiscard]] Result<Lsn> lsn_at(Time time) const;
  // The commit time of the last record at or before `lsn`.
  [[nodiscard]] Result<std::optional<Time>> time_of(Lsn lsn) const;
  // The last LSN of a segment. `not_found`, or `ambiguous` if two incarnations have it.
  [[nodiscard]] Result<Lsn> end_of_sequence(std::uint64_t sequence) const;

 private:
  [[nodiscard]] Status choose_line(const redo::SegmentViews& all, const std::optional<Id128>& newest);

  redo::SegmentViews views_;
  std::map<std::pair<Id128, std::uint64_t>, bool> live_;
  // How far each incarnation of the line counts; behind that its successor goes on.
  std::map<Id128, Lsn> limits_;
  std::vector<std::string> unreadable_;
};

}  // namespace restante::history

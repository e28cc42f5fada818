#pragma once
// Committed transactions out of segments in either form: what replay reads.

#include <restante/redo_log.hpp>

#include <memory>

#include "redo/segment_view.hpp"

namespace restante::redo {

/// Joins each commit with its begin, fills in what was assigned, hands out transactions in commit order.
/// The begin of a transaction may lie before `range.after`, in any of `segments`; where it is in none,
/// the answer is `not_found` for that transaction, and calling again goes on behind it. So does `damaged`.
/// With `Removed::skip`, a transaction that began before the first of `segments` is left out: whoever reads a
/// log from wherever it begins does not miss what every consumer had read before it was removed.
/// A record of an unknown kind that is required is `unsupported`, and every later call says so again.
class CommittedReader final : public TransactionCursor {
 public:
  enum class Removed { report, skip };
  CommittedReader(SegmentViews segments, ReadRange range, Removed removed = Removed::report);
  ~CommittedReader() override;

  [[nodiscard]] Result<bool> next(LoggedTransaction& transaction) override;

  /// Every record up to here has been looked at.
  [[nodiscard]] Lsn position() const noexcept { return position_; }

 private:
  [[nodiscard]] Result<bool> next_record(Record& record);
  [[nodiscard]] Status check_no_hole(const SegmentView& segment);
  [[nodiscard]] bool began_in_removed(const Record& commit) const;
  [[nodiscard]] Status fill(const Record& record, LoggedTransaction& transaction) const;
  [[nodiscard]] Result<Record> begin_of(const Record& commit, const EndBody& end) const;

  SegmentViews segments_;
  ReadRange range_;
  Removed removed_;
  Lsn position_ = 0;
  std::size_t segment_ = 0;
  std::size_t hole_reported_ = 0;
  std::unique_ptr<RecordStream> stream_;
  Status stopped_;
};

}  // namespace restante::redo

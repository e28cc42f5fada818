#pragma once
// Committed transactions out of segments in either form: what replay reads.

#include <restante/redo_log.hpp>

#include <memory>

#include "redo/segment_view.hpp"

namespace restante::redo {

/// Joins each commit with its begin, fills in what was assigned, hands out transactions in commit order.
/// The begin of a transaction may lie before `range.after`, in any of `segments`; where it is in none,
/// the answer is `not_found` for that transaction, and calling again goes on behind it. So does `damaged`,
/// and `hole`, which is answered where segments are missing.
/// A record of an unknown kind that is required is `unsupported`, and every later call says so again.
class CommittedReader final : public TransactionCursor {
 public:
  CommittedReader(SegmentViews segments, ReadRange range, Code hole = Code::damaged);
  ~CommittedReader() override;

  [[nodiscard]] Result<bool> next(LoggedTransaction& transaction) override;

  /// Every record up to here has been looked at.
  [[nodiscard]] Lsn position() const noexcept { return position_; }
  /// What comes is behind the last time of the range.
  [[nodiscard]] bool is_behind_time() const noexcept { return is_behind_time_; }

 private:
  [[nodiscard]] Result<bool> next_record(Record& record);
  [[nodiscard]] Status check_no_hole(const SegmentView& segment);
  [[nodiscard]] Status open_stream(const SegmentView& segment);
  [[nodiscard]] Status fill(const Record& record, LoggedTransaction& transaction) const;
  [[nodiscard]] Result<Record> begin_of(const Record& commit, const EndBody& end) const;

  SegmentViews segments_;
  ReadRange range_;
  Code hole_;
  Lsn position_ = 0;
  bool is_behind_time_ = false;
  std::size_t segment_ = 0;
  std::size_t looked_in_front_ = 0;
  std::unique_ptr<RecordStream> stream_;
  Status stopped_;
};

}  // namespace restante::redo

#pragma once
// Committed transactions out of segments in either form: what replay reads.

#include <restante/redo_log.hpp>

#include <memory>

#include "redo/segment_view.hpp"

namespace restante::redo {

/// Joins each commit with its begin, fills in what was assigned, hands out transactions in commit order.
/// The begin of a transaction may lie before `range.after`, in any of `segments`; where it is in none,
/// the answer is `not_found` for that transaction, and calling again goes on behind it. So does `damaged`,
/// and what is answered where segments are missing. A record of an unknown kind that is required is
/// `unsupported`, and every later call says so again.
class CommittedReader final : public TransactionCursor {
 public:
  /// Why segments may be missing.
  enum class Absence {
    /// None should be: where some are between two is `damaged`.
    unexpected,
    /// The segments are those that somebody has: `not_found`.
    chosen,
    /// As unexpected, but the first of `segments` is the first that was not removed. What every consumer had
    /// read before it was removed is not missed: a transaction that began in front of it is left out.
    consumed,
  };
  CommittedReader(SegmentViews segments, ReadRange range, Absence absence = Absence::unexpected);
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
  [[nodiscard]] bool began_in_removed(const Record& commit) const;
  [[nodiscard]] Status fill(const Record& record, LoggedTransaction& transaction) const;
  [[nodiscard]] Result<Record> begin_of(const Record& commit, const EndBody& end) const;

  SegmentViews segments_;
  ReadRange range_;
  Absence absence_;
  Lsn position_ = 0;
  bool is_behind_time_ = false;
  std::size_t segment_ = 0;
  std::size_t looked_in_front_ = 0;
  std::unique_ptr<RecordStream> stream_;
  Status stopped_;
};

}  // namespace restante::redo

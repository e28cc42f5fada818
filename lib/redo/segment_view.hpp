#pragma once
// One segment of a redo log as its readers see it, whatever form it is stored in: raw, as the server writes
// it, or archived in a target.

#include <restante/content.hpp>
#include <restante/redo_log.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redo/body.hpp"
#include "redo/record.hpp"
#include "redo/segment_header.hpp"

namespace restante::redo {

/// Which records to read.
struct RecordFilter {
  /// Records with LSN in (after, until].
  Lsn after = 0;
  Lsn until = UINT64_MAX;
  /// Only records that name this account; empty for all. Marks, clock steps and incarnations name none.
  std::string account_id{};
  KindSet kinds = kAllKinds;
  /// False: content pieces come without their bytes (`Record::bytes` ends behind the fixed part of the body)
  /// and their checksum is not checked.
  bool content_bytes = true;
};

/// Records in LSN order. One thread at a time.
class RecordStream {
 public:
  virtual ~RecordStream() = default;
  /// False at the end. `damaged` where records cannot be read; calling again goes on behind the damage, and
  /// `damage` says more.
  [[nodiscard]] virtual Result<bool> next(Record& record) = 0;
  /// What the last `damaged` answer was about.
  [[nodiscard]] virtual const LogDamage& damage() const noexcept = 0;
};

/// A stretch of records that were written while the clock was behind an earlier one (R14): their commit time
/// stood still. A time in [low, high) names two places.
struct HeldStretch {
  Lsn first_lsn = 0;
  Lsn last_lsn = 0;
  /// The lowest wall time within.
  Time low;
  /// The commit time that was held.
  Time high;
};

class SegmentView;
/// Segments in order: by incarnation in order of descent, by sequence within one.
using SegmentViews = std::vector<std::shared_ptr<const SegmentView>>;

/// Immutable; its methods may be called from any thread. It shows what was readable when it was made.
class SegmentView {
 public:
  virtual ~SegmentView() = default;

  [[nodiscard]] virtual const SegmentHeader& header() const noexcept = 0;
  /// The last record that this view shows; `first_lsn - 1` if there is none.
  [[nodiscard]] virtual Lsn last_lsn() const noexcept = 0;
  /// False for the segment that is being written.
  [[nodiscard]] virtual bool is_complete() const noexcept = 0;
  /// As `RedoLog::segments()` lists it.
  [[nodiscard]] virtual SegmentInfo info() const = 0;

  /// A sealed segment answers an account filter from its index: only that account's records are read.
  [[nodiscard]] virtual Result<std::unique_ptr<RecordStream>> records(const RecordFilter& filter) const = 0;
  /// One record. `offset` is where it lies in the raw form, 0 if unknown. `not_found` if this segment has no
  /// such LSN, `damaged` if it cannot be read.
  [[nodiscard]] virtual Result<Record> record(Lsn lsn, std::uint64_t offset) const = 0;

  /// Where content whose *last* piece is in this segment lies; nothing if it is not here.
  [[nodiscard]] virtual Result<std::optional<ContentPlace>> find_content(const ContentRef& content) const = 0;
  /// Opens content whose last piece is in this segment; pieces before may lie in the segments before it,
  /// which are looked up in `all`. `not_found` if it is not here. The reader checks the digest.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentReader>> open_content(
      const ContentRef& content, const SegmentViews& all) const = 0;
  /// Empty in almost every segment.
  [[nodiscard]] virtual Result<std::vector<HeldStretch>> held_stretches() const = 0;
};

/// The view with this incarnation and sequence, null if there is none.
[[nodiscard]] const SegmentView* find_segment(const SegmentViews& all, const Id128& incarnation,
                                              std::uint64_t sequence) noexcept;

/// "redo-0000000007.log"
[[nodiscard]] std::string segment_name(std::uint64_t sequence);
/// The reverse; nothing for any other name.
[[nodiscard]] std::optional<std::uint64_t> sequence_of_name(std::string_view name) noexcept;

}  // namespace restante::redo

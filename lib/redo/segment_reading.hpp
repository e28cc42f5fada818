#pragma once
// Reading a list of segments, of an open log or of none.

#include <restante/redo_log.hpp>

#include <memory>

#include "redo/segment_view.hpp"

namespace restante::redo {

/// The range without its times, for records without the bytes of contents.
[[nodiscard]] RecordFilter filter_of(const ReadRange& range, KindSet kinds);

/// Whether all records of `all[at]` have a commit time before `from`, as far as that is known.
[[nodiscard]] bool ends_before(const SegmentViews& all, std::size_t at, const std::optional<Time>& from);
/// Whether they all have one behind `to`.
[[nodiscard]] bool begins_behind(const SegmentView& segment, const std::optional<Time>& to);

/// A failure with `code` if segments of the range are missing in front of `all[at]`. Segments of one
/// incarnation follow each other without a hole: what is removed is the oldest.
[[nodiscard]] Status hole_before(const SegmentViews& all, std::size_t at, const ReadRange& range, Code code);
/// "segments 4 to 6 are missing"
[[nodiscard]] std::string missing_text(std::uint64_t first, std::uint64_t last);

/// The records of the range, for people. Answers `hole` once where segments are missing.
[[nodiscard]] Result<std::unique_ptr<RedoLog::RecordCursor>> read_records(SegmentViews segments,
                                                                          const ReadRange& range, Code hole);
/// Transactions have no kind.
[[nodiscard]] Status check_no_kinds(const ReadRange& range);

/// Content wherever it lies; `not_found` if it is in none.
[[nodiscard]] Result<std::unique_ptr<ContentReader>> find_and_open(const ContentRef& content,
                                                                   const SegmentViews& all);

}  // namespace restante::redo

#pragma once
// Reads everything there is (R8): headers, chain, records, contents, indexes.

#include <restante/redo_log.hpp>

#include "redo/segment_view.hpp"

namespace restante::redo {

enum class VerifyAs {
  /// A log that is open: a segment that goes meanwhile was removed because all consumers are past it, and
  /// behind the last record of the newest lies what is not durable yet.
  log,
  /// Files that nobody writes.
  files,
};

/// Raw segments of one incarnation, oldest first.
[[nodiscard]] Result<LogVerification> verify_segments(const SegmentViews& segments,
                                                      const RedoLog::VerifyOptions& options, VerifyAs as);

}  // namespace restante::redo

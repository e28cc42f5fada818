#pragma once
// Where the records of a segment end that was being written when its writer went (R8).

#include <restante/redo_log.hpp>

#include "redo/raw_segment.hpp"

namespace restante::redo {

struct FoundEnd {
  std::uint64_t end = 0;
  /// `first_lsn - 1` if there is no record.
  Lsn last_lsn = 0;
  /// The last record says that the log was closed, and nothing was in doubt.
  bool is_clean = false;
  /// What lies before this is known to be on the disk, because a later record says so.
  std::uint64_t synced_end = 0;
};

/// Tells a torn tail from damage: what cannot be read is damage if a later record proves that it was on the
/// disk before, by its durable LSN. Everything from the first unproven place on is the tail.
[[nodiscard]] Result<FoundEnd> find_end(const SegmentFile& file, const SegmentHeader& header,
                                        std::uint64_t file_size);

}  // namespace restante::redo

#pragma once
// Ends a segment that is not written any more with its index (R10).

#include <restante/status.hpp>

#include "os/io.hpp"
#include "redo/raw_segment.hpp"

namespace restante::redo {

/// Writes index and footer behind `end`, cuts the file there and syncs it. What lay behind `end` is gone.
/// A crash in between leaves an unsealed segment, which is sealed again.
[[nodiscard]] Result<Seal> seal_segment(os::Io& io, int fd, const SegmentHeader& header, std::uint64_t end,
                                        Lsn last_lsn, const IndexBuilder& index);

/// The index of a segment out of its records; damage goes into the index as gaps.
[[nodiscard]] Result<IndexBuilder> build_index(const SegmentFile& file, const SegmentHeader& header,
                                               std::uint64_t end, Lsn last_lsn);

/// SHA-256 of the first `end` bytes of a file, then of `index`, then of the footer up to its digest.
[[nodiscard]] Result<Digest> sealed_digest(FileWindow& window, std::uint64_t end, ByteView index,
                                           const SegmentFooter& footer);

}  // namespace restante::redo

#pragma once
// A raw segment by its file, without a log.

#include <memory>
#include <optional>

#include "redo/raw_segment.hpp"

namespace restante::redo {

/// A file that is a segment. Where its records end may depend on the one behind it.
struct FoundSegment {
  std::shared_ptr<const SegmentFile> file;
  std::shared_ptr<const SegmentHeader> header;
  std::optional<Seal> seal;
  std::uint64_t file_bytes = 0;
};

/// Reads header and footer. `damaged` for what is no segment, `unsupported` for a newer one.
[[nodiscard]] Result<FoundSegment> examine_segment(std::shared_ptr<const SegmentFile> file);

/// `diverged` if it is not the segment that its name says.
[[nodiscard]] Status check_name(const FoundSegment& found, std::uint64_t named);

/// `next` is the header of the segment behind it, null if that is not known: it fixes where an unsealed one
/// ends. `diverged` if it continues another than this one.
[[nodiscard]] Result<std::shared_ptr<const RawSegment>> open_found(const FoundSegment& found,
                                                                   const SegmentHeader* next);

}  // namespace restante::redo

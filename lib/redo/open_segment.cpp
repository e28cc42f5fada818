// A raw segment by its file, without a log.

#include <fcntl.h>

#include "base/text.hpp"
#include "redo/find_end.hpp"
#include "redo/log_access.hpp"
#include "redo/raw_segment.hpp"

namespace restante::redo {

Result<std::shared_ptr<const SegmentView>> open_raw_segment(os::Io& io, const std::string& path,
                                                            const SegmentHeader* next) {
  const auto file = std::make_shared<const SegmentFile>(io, nullptr, path);
  Result<SegmentHeader> found = read_header(*file);
  if (!found.ok()) return found.status();
  const auto header = std::make_shared<const SegmentHeader>(std::move(*found));
  if (next != nullptr &&
      (next->incarnation != header->incarnation || next->sequence != header->sequence + 1)) {
    return Status(Code::invalid_argument,
                  base::cat("segment ", next->sequence, " does not follow ", base::escape(path)));
  }
  const Result<std::optional<Seal>> seal = read_seal(*file, *header);
  if (!seal.ok()) return seal.status();
  if (seal->has_value()) {
    const SegmentFooter& footer = (*seal)->footer;
    if (next != nullptr &&
        (footer.records_end != next->previous_end || footer.last_lsn + 1 != next->first_lsn)) {
      return Status(Code::diverged, base::cat("segment ", next->sequence, " continues another one than ",
                                              base::escape(path)));
    }
    return std::shared_ptr<const SegmentView>(sealed_segment(file, header, **seal));
  }
  SegmentExtent extent;
  if (next != nullptr) {
    extent.end = next->previous_end;
    extent.last_lsn = next->first_lsn - 1;
    extent.is_complete = true;
  } else {
    const Result<os::FileInfo> info = io.stat_at(AT_FDCWD, path);
    if (!info.ok()) return info.status();
    const Result<FoundEnd> end = find_end(*file, *header, info->size);
    if (!end.ok()) return end.status();
    extent.end = end->end;
    extent.last_lsn = end->last_lsn;
  }
  extent.first_time = extent.last_time = header->created_commit;
  return std::shared_ptr<const SegmentView>(std::make_shared<const RawSegment>(file, header, extent));
}

}  // namespace restante::redo

#include "redo/open_segment.hpp"

#include "base/text.hpp"
#include "redo/find_end.hpp"
#include "redo/log_access.hpp"
#include "redo/seal.hpp"

namespace restante::redo {
namespace {

bool is_continued_by(const SegmentFooter& footer, const SegmentHeader& next) {
  return footer.records_end == next.previous_end && footer.last_lsn + 1 == next.first_lsn;
}

// Its times and its sparse table are those of a segment that was sealed.
Result<SegmentExtent> unsealed_extent(const FoundSegment& found, const SegmentHeader* next) {
  SegmentExtent extent;
  if (next != nullptr) {
    extent.end = next->previous_end;
    extent.last_lsn = next->first_lsn - 1;
    extent.is_complete = true;
  } else {
    const Result<FoundEnd> end = find_end(*found.file, *found.header, found.file_bytes);
    if (!end.ok()) return end.status();
    extent.end = end->end;
    extent.last_lsn = end->last_lsn;
  }
  const Result<IndexBuilder> index = build_index(*found.file, *found.header, extent.end, extent.last_lsn);
  if (!index.ok()) return index.status();
  extent.first_time = index->first_time();
  extent.last_time = index->last_time();
  const auto sparse = std::make_shared<SparseTable>();
  for (const SparseEntry& entry : index->sparse()) sparse->add(entry);
  extent.sparse = sparse;
  return extent;
}

}  // namespace

Result<FoundSegment> examine_segment(std::shared_ptr<const SegmentFile> file) {
  Result<SegmentHeader> header = read_header(*file);
  if (!header.ok()) return header.status();
  Result<std::optional<Seal>> seal = read_seal(*file, *header);
  if (!seal.ok()) return seal.status();
  const Result<std::shared_ptr<const os::Fd>> fd = file->open();
  if (!fd.ok()) return fd.status();
  const Result<os::FileInfo> info = file->io().fstat((*fd)->get());
  if (!info.ok()) return info.status();
  return FoundSegment{std::move(file), std::make_shared<const SegmentHeader>(std::move(*header)),
                      std::move(*seal), info->size};
}

Status check_name(const FoundSegment& found, std::uint64_t named) {
  if (found.header->sequence == named) return {};
  return Status(
      Code::diverged,
      base::cat("the file ", base::escape(found.file->name()), " holds segment ", found.header->sequence),
      "a segment keeps its name for ever; put the right file there");
}

Result<std::shared_ptr<const RawSegment>> open_found(const FoundSegment& found, const SegmentHeader* next) {
  const SegmentHeader& header = *found.header;
  if (next != nullptr && (next->incarnation != header.incarnation || next->sequence != header.sequence + 1)) {
    return Status(Code::invalid_argument, base::cat("segment ", next->sequence, " does not follow ",
                                                    base::escape(found.file->name())));
  }
  if (found.seal) {
    if (next != nullptr && !is_continued_by(found.seal->footer, *next)) {
      return Status(Code::diverged, base::cat("segment ", next->sequence, " continues another one than ",
                                              base::escape(found.file->name())));
    }
    return sealed_segment(found.file, found.header, *found.seal);
  }
  Result<SegmentExtent> extent = unsealed_extent(found, next);
  if (!extent.ok()) return extent.status();
  return std::make_shared<const RawSegment>(found.file, found.header, std::move(*extent));
}

Result<std::shared_ptr<const SegmentView>> open_raw_segment(os::Io& io, const std::string& path,
                                                            const SegmentHeader* next) {
  const Result<FoundSegment> found = examine_segment(std::make_shared<const SegmentFile>(io, nullptr, path));
  if (!found.ok()) return found.status();
  const Result<std::shared_ptr<const RawSegment>> segment = open_found(*found, next);
  if (!segment.ok()) return segment.status();
  return std::shared_ptr<const SegmentView>(*segment);
}

}  // namespace restante::redo

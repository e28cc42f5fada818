// The records of a segment, looked for in bytes that may be anything: the scan ends, goes forward, and finds
// where they end; an index of what it found can be read again.

#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "fuzz.hpp"
#include "redo/record_scan.hpp"

using namespace restante;

namespace {

constexpr Lsn kFirst = 100;

std::shared_ptr<const os::Fd> file_of(const std::uint8_t* data, std::size_t size) {
  const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  MUST(fd >= 0);
  MUST(::write(fd, data, size) == static_cast<ssize_t>(size));
  return std::make_shared<const os::Fd>(fd);
}

void scan(const std::shared_ptr<const os::Fd>& fd, std::size_t size, bool end_is_known) {
  redo::RecordScan::Bounds bounds;
  bounds.begin = fuzz::place_of(0);
  bounds.first_lsn = kFirst;
  bounds.end = size;
  bounds.end_is_known = end_is_known;
  bounds.last_lsn = kFirst + 5;
  redo::RecordScan scan(os::real_io(), fd, bounds);
  redo::IndexBuilder index(bounds.begin.sequence);
  redo::Record record;
  Lsn next = kFirst;
  std::uint64_t at = 0;
  std::size_t steps = 0;
  for (;;) {
    MUST(++steps <= size + 2);
    const Result<redo::ScanStep> step = scan.next(record);
    MUST(step.ok());
    if (*step == redo::ScanStep::end) break;
    if (*step == redo::ScanStep::gap) {
      MUST(scan.gap().from_lsn >= next && scan.gap().offset >= at && scan.gap().next_offset <= size);
      MUST(scan.gap().next_lsn == 0 || scan.gap().next_lsn >= scan.gap().from_lsn);
      index.add_gap(scan.gap());
      continue;
    }
    MUST(record.head.lsn >= next && record.offset >= at);
    MUST(record.offset + record.head.padded_length() <= size);
    MUST(redo::decode_record(record.bytes, fuzz::place_of(record.offset)).ok());
    next = record.head.lsn + 1;
    at = record.offset + record.head.padded_length();
    if (!index.add(record).ok())
      index.add(record.head, record.offset, record.account_id(), std::nullopt, record.sequence);
  }
  redo::SegmentFooter footer;
  const Bytes encoded = index.encode(size, kFirst, next - 1, footer);
  const Result<std::vector<redo::Section>> sections = redo::decode_sections(encoded);
  MUST(sections.ok());
  for (const redo::Section& section : *sections) {
    const ByteView bytes = ByteView(encoded).subspan(section.offset - size, section.length);
    if (section.type == redo::SectionType::sparse)
      MUST(redo::decode_sparse(bytes)->size() == index.sparse().size());
    if (section.type == redo::SectionType::gaps) MUST(*redo::decode_gaps(bytes) == index.gaps());
    if (section.type == redo::SectionType::contents)
      MUST(redo::decode_contents(bytes)->size() == index.contents().size());
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::shared_ptr<const os::Fd> fd = file_of(data, size);
  scan(fd, size, false);
  scan(fd, size, true);
  return 0;
}

#include "redo/find_end.hpp"

#include <algorithm>
#include <deque>

#include "redo/body.hpp"

namespace restante::redo {
namespace {

bool is_close_mark(const Record& record) {
  if (record.head.kind != RecordKind::mark) return false;
  const Result<MarkReason> reason = decode_mark(record);
  return reason.ok() && *reason == MarkReason::close;
}

}  // namespace

Result<FoundEnd> find_end(const SegmentFile& file, const SegmentHeader& header, std::uint64_t file_size) {
  Result<std::shared_ptr<const os::Fd>> fd = file.open();
  if (!fd.ok()) return fd.status();
  RecordScan::Bounds bounds;
  bounds.begin = header.place(header.records_begin());
  bounds.first_lsn = header.first_lsn;
  bounds.end = file_size;
  bounds.end_is_known = false;
  RecordScan scan(file.io(), std::move(*fd), bounds);

  std::deque<Gap> unproven;
  FoundEnd found{header.records_begin(), header.first_lsn - 1, false};
  Record record;
  for (;;) {
    const Result<ScanStep> step = scan.next(record);
    if (!step.ok()) return step.status();
    if (*step == ScanStep::end) break;
    if (*step == ScanStep::gap) {
      unproven.push_back(scan.gap());
      continue;
    }
    while (!unproven.empty() && unproven.front().from_lsn <= record.head.durable_lsn) unproven.pop_front();
    found.end = record.offset + record.head.padded_length();
    found.last_lsn = record.head.lsn;
    found.is_clean = is_close_mark(record);
  }
  if (!unproven.empty()) return FoundEnd{unproven.front().offset, unproven.front().from_lsn - 1, false};
  return found;
}

}  // namespace restante::redo

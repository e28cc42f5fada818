#include "redo/find_end.hpp"

#include <algorithm>
#include <deque>

#include "redo/body.hpp"

namespace restante::redo {
namespace {

struct RecordEnd {
  Lsn lsn = 0;
  std::uint64_t end = 0;
};

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
  FoundEnd found{header.records_begin(), header.first_lsn - 1, false, header.records_begin()};
  std::deque<RecordEnd> unsynced;
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
    for (; !unsynced.empty() && unsynced.front().lsn <= record.head.durable_lsn; unsynced.pop_front())
      found.synced_end = unsynced.front().end;
    unsynced.push_back({record.head.lsn, record.offset + record.head.padded_length()});
    found.end = record.offset + record.head.padded_length();
    found.last_lsn = record.head.lsn;
    found.is_clean = is_close_mark(record);
  }
  if (!unproven.empty()) {
    const Gap& tail = unproven.front();
    return FoundEnd{tail.offset, tail.from_lsn - 1, false, std::min(found.synced_end, tail.offset)};
  }
  return found;
}

}  // namespace restante::redo

#include "redo/recovery.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/body.hpp"
#include "redo/consumers.hpp"
#include "redo/control_file.hpp"

namespace restante::redo {
Result<FoundSegment> find_segment_file(os::Io& io, const std::shared_ptr<const os::Fd>& directory,
                                       std::uint64_t sequence) {
  Result<FoundSegment> found =
      examine_segment(std::make_shared<const SegmentFile>(io, directory, segment_name(sequence)));
  if (!found.ok()) return found;
  if (Status named = check_name(*found, sequence); !named.ok()) return named;
  return found;
}

namespace {

Status check_same_log(const std::vector<FoundSegment>& segments, const std::string& path) {
  for (const FoundSegment& segment : segments) {
    const SegmentHeader& first = *segments.front().header;
    const SegmentHeader& header = *segment.header;
    if (header.log == first.log && header.incarnation == first.incarnation) continue;
    const std::string_view what =
        header.log == first.log ? "two incarnations of a redo log" : "two redo logs";
    return Status(Code::diverged,
                  base::cat("segments of ", what, " are mixed in ", base::escape(path), ": ", first.sequence,
                            " and ", header.sequence),
                  "move the segments that do not belong there away");
  }
  return {};
}

bool belongs(std::string_view name) {
  return name == kControlName || name == kConsumersName || name == "lost+found";
}

}  // namespace

Result<FoundLog> find_log(os::Io& io, const std::shared_ptr<const os::Fd>& directory,
                          const std::string& path) {
  // The name of a segment that a killed process made last may be in the cache only, and the segment before is
  // sealed because of it.
  if (Status synced = io.fsync(directory->get()); !synced.ok()) return synced;
  const Result<std::vector<os::DirEntry>> entries = io.list(directory->get());
  if (!entries.ok()) return entries.status();
  FoundLog log;
  std::vector<std::uint64_t> sequences;
  for (const os::DirEntry& entry : *entries) {
    if (const std::optional<std::uint64_t> sequence = sequence_of_name(entry.name)) {
      sequences.push_back(*sequence);
    } else if (entry.name.starts_with(os::kTemporaryPrefix) || entry.name == kSpareName) {
      // Left by a crash while a segment or a list was made; nothing refers to it. A crash may have left the
      // spare's name to what has become a segment since.
      const Status removed = io.unlink_at(directory->get(), entry.name);
      if (!removed.ok() && removed.code() != Code::not_found) return removed;
    } else if (!belongs(entry.name)) {
      log.foreign = entry.name;
    }
  }
  std::sort(sequences.begin(), sequences.end());
  for (const std::uint64_t sequence : sequences) {
    Result<FoundSegment> found = find_segment_file(io, directory, sequence);
    if (!found.ok()) return found.status().with_context(base::cat("the redo log in ", base::escape(path)));
    log.segments.push_back(std::move(*found));
  }
  if (Status same = check_same_log(log.segments, path); !same.ok()) return same;
  return log;
}

namespace {

void follow(const Record& record, Replayed& replayed, std::set<Lsn>& begun_here) {
  const std::string account(record.account_id());
  switch (record.head.kind) {
    case RecordKind::begin: {
      const Result<OperationsBody> body = decode_references(record);
      const std::uint32_t reserved = body.ok() ? body->reserved_bytes : 0;
      replayed.open[record.head.lsn] = {account,  record.head.lsn, record.sequence,      record.offset,
                                        reserved, false,           record.head.wall_time};
      begun_here.insert(record.head.lsn);
      break;
    }
    case RecordKind::commit:
    case RecordKind::abort:
      replayed.open.erase(record.head.transaction);
      begun_here.erase(record.head.transaction);
      break;
    case RecordKind::append:
    case RecordKind::touch: replayed.touched.insert(account); break;
    case RecordKind::mark: {
      const Result<MarkReason> reason = decode_mark(record);
      if (!reason.ok() || *reason != MarkReason::close) break;
      replayed.touched.clear();
      replayed.has_close_mark = true;
      break;
    }
    default: break;
  }
}

bool begins_with_rewind(const Record& record) {
  const Result<OperationsBody> body = decode_operations(record);
  return body.ok() && !body->operations.empty() && std::holds_alternative<Rewind>(body->operations.front());
}

}  // namespace

Result<Replayed> replay_segment(const SegmentFile& file, const SegmentHeader& header, std::uint64_t end,
                                Lsn last_lsn) {
  Result<std::shared_ptr<const os::Fd>> fd = file.open();
  if (!fd.ok()) return fd.status();
  RecordScan::Bounds bounds;
  bounds.begin = header.place(header.records_begin());
  bounds.first_lsn = header.first_lsn;
  bounds.end = end;
  bounds.last_lsn = last_lsn;
  RecordScan scan(file.io(), *fd, bounds);

  Replayed replayed;
  replayed.index = IndexBuilder(header.sequence);
  for (const OpenTransaction& open : header.open) replayed.open[open.begin_lsn] = open;
  std::set<Lsn> begun_here;
  Record record;
  for (;;) {
    const Result<ScanStep> step = scan.next(record);
    if (!step.ok()) return step.status();
    if (*step == ScanStep::end) break;
    if (*step == ScanStep::gap) {
      replayed.index.add_gap(scan.gap());
      continue;
    }
    if (Status added = replayed.index.add(record); !added.ok()) {
      replayed.index.add(record.head, record.offset, record.account_id(), std::nullopt, header.sequence);
    }
    replayed.last_wall = record.head.wall_time;
    follow(record, replayed, begun_here);
  }

  // Only what is still open is decoded to see whether it is a restore.
  const auto shared_header = std::make_shared<const SegmentHeader>(header);
  SegmentExtent extent;
  extent.end = end;
  extent.last_lsn = last_lsn;
  // The view lives no longer than `file`, which it does not own.
  const auto view = std::make_shared<const RawSegment>(
      std::shared_ptr<const SegmentFile>(&file, [](const SegmentFile*) {}), shared_header, extent);
  for (const Lsn lsn : begun_here) {
    OpenTransaction& open = replayed.open[lsn];
    const Result<Record> begin = view->read_at(open.offset, lsn, true);
    open.is_rewind = begin.ok() && begins_with_rewind(*begin);
  }
  return replayed;
}

}  // namespace restante::redo

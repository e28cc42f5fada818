#include "redo/committed_reader.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "redo/segment_reading.hpp"

namespace restante::redo {
namespace {

// Kinds above those that this version knows share no bit with them: they must be seen to be refused.
constexpr KindSet kWanted =
    kAllKinds & ~(kind_bit(RecordKind::begin) | kind_bit(RecordKind::content) | kind_bit(RecordKind::abort) |
                  kind_bit(RecordKind::touch) | kind_bit(RecordKind::mark) |
                  kind_bit(RecordKind::clock_step) | kind_bit(RecordKind::incarnation));

bool is_unknown(RecordKind kind) { return name_of(kind) == "unknown"; }

}  // namespace

CommittedReader::CommittedReader(SegmentViews segments, ReadRange range, Absence absence)
    : segments_(std::move(segments)), range_(std::move(range)), absence_(absence), position_(range_.after) {}

CommittedReader::~CommittedReader() = default;

Result<bool> CommittedReader::next(LoggedTransaction& transaction) {
  if (!stopped_.ok()) return stopped_;
  Record record;
  for (;;) {
    const Result<bool> more = next_record(record);
    if (!more.ok() || !*more) return more;
    if (range_.from && record.head.commit_time < *range_.from) continue;
    const bool refuse = is_unknown(record.head.kind) && (record.head.flags & kFlagRequired) != 0;
    if (refuse) {
      stopped_ = Status(
          Code::unsupported,
          base::cat("the record in ", where(record), " is of kind ", static_cast<int>(record.head.kind),
                    ", which this version does not know and must not skip"),
          "use a newer version of restante");
      return stopped_;
    }
    if (record.head.kind != RecordKind::commit && record.head.kind != RecordKind::append) continue;
    if (absence_ == Absence::consumed && began_in_removed(record)) continue;
    if (Status filled = fill(record, transaction); !filled.ok()) return filled;
    return true;
  }
}

Result<bool> CommittedReader::next_record(Record& record) {
  for (; segment_ < segments_.size() && !is_behind_time_; ++segment_, stream_.reset()) {
    const SegmentView& segment = *segments_[segment_];
    if (!stream_) {
      if (segment.last_lsn() <= position_) continue;
      if (Status whole = check_no_hole(segment); !whole.ok()) return whole;
      if (segment.last_lsn() < segment.header().first_lsn) continue;
      if (segment.header().first_lsn > range_.until) break;
      is_behind_time_ = begins_behind(segment, range_.to);
      if (is_behind_time_) break;
      if (ends_before(segments_, segment_, range_.from)) {
        position_ = std::max(position_, std::min(segment.last_lsn(), range_.until));
        continue;
      }
      if (Status opened = open_stream(segment); !opened.ok()) return opened;
    }
    const Result<bool> more = stream_->next(record);
    if (!more.ok()) {
      // Whoever makes a new reader from `position` is not told of the same damage again.
      const LogDamage& damage = stream_->damage();
      const Lsn behind = damage.next_lsn != 0 ? damage.next_lsn - 1 : segment.last_lsn();
      if (more.status().code() == Code::damaged) position_ = std::max(position_, behind);
      return more.status();
    }
    if (*more) {
      // Commit times never fall.
      is_behind_time_ = range_.to && record.head.commit_time > *range_.to;
      if (is_behind_time_) break;
      position_ = record.head.lsn;
      return true;
    }
    position_ = std::max(position_, std::min(segment.last_lsn(), range_.until));
  }
  return false;
}

Status CommittedReader::open_stream(const SegmentView& segment) {
  Result<std::unique_ptr<RecordStream>> stream = segment.records(filter_of(range_, kWanted));
  if (!stream.ok()) return stream.status();
  stream_ = std::move(*stream);
  return {};
}

Status CommittedReader::check_no_hole(const SegmentView& segment) {
  if (segment_ < looked_in_front_) return {};
  looked_in_front_ = segment_ + 1;
  ReadRange rest = range_;
  rest.after = std::max(rest.after, position_);
  const Code code = absence_ == Absence::chosen ? Code::not_found : Code::damaged;
  Status hole = hole_before(segments_, segment_, rest, code);
  if (!hole.ok()) position_ = segment.header().first_lsn - 1;
  return hole;
}

bool CommittedReader::began_in_removed(const Record& commit) const {
  if (commit.head.kind != RecordKind::commit) return false;
  const Result<EndBody> end = decode_end(commit);
  return end.ok() && end->begin_sequence < segments_.front()->header().sequence;
}

Status CommittedReader::fill(const Record& record, LoggedTransaction& transaction) const {
  Result<Origin> origin = record.origin();
  if (!origin.ok()) return origin.status();
  transaction.account_id = record.account_id();
  transaction.begin_lsn = record.head.transaction;
  transaction.commit_lsn = record.head.lsn;
  transaction.sequence = record.sequence;
  transaction.wall_time = record.head.wall_time;
  transaction.commit_time = record.head.commit_time;
  transaction.origin = std::move(*origin);
  if (record.head.kind == RecordKind::append) {
    Result<OperationsBody> body = decode_operations(record);
    if (!body.ok()) return body.status();
    transaction.operations = std::move(body->operations);
    return {};
  }
  const Result<EndBody> end = decode_end(record);
  if (!end.ok()) return end.status();
  const Result<Record> begin = begin_of(record, *end);
  if (!begin.ok()) return begin.status();
  origin = begin->origin();
  if (!origin.ok()) return origin.status();
  transaction.origin = std::move(*origin);
  Result<OperationsBody> body = decode_operations(*begin);
  if (!body.ok()) return body.status();
  Result<std::vector<Operation>> operations = with_assigned(std::move(body->operations), end->assigned);
  if (!operations.ok()) {
    return Status(Code::damaged,
                  base::cat("the record in ", where(record), ": ", operations.status().message()));
  }
  transaction.operations = std::move(*operations);
  return {};
}

Result<Record> CommittedReader::begin_of(const Record& commit, const EndBody& end) const {
  const std::string context =
      base::cat("the transaction that commits in ", where(commit), " began in segment ", end.begin_sequence);
  // A commit is in the incarnation of its begin: a log that continues another does not end its transactions.
  const SegmentView* segment =
      find_segment(segments_, segments_[segment_]->header().incarnation, end.begin_sequence);
  if (segment == nullptr) {
    return Status(Code::not_found, base::cat(context, ", which is not there"));
  }
  Result<Record> begin = segment->record(commit.head.transaction, end.begin_offset);
  if (!begin.ok()) return begin.status().with_context(context);
  if (begin->head.kind != RecordKind::begin || begin->account_id() != commit.account_id()) {
    return Status(Code::damaged, base::cat(context, ", where there is no such begin"));
  }
  return begin;
}

}  // namespace restante::redo

#include "redo/segment_reading.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "redo/record_info.hpp"

namespace restante::redo {
namespace {

bool follows(const SegmentHeader& header, const SegmentHeader& before) {
  return header.incarnation == before.incarnation && header.sequence == before.sequence + 1;
}

class SegmentRecords final : public RedoLog::RecordCursor {
 public:
  SegmentRecords(SegmentViews segments, const ReadRange& range, KindSet kinds, Code hole)
      : segments_(std::move(segments)), range_(range), kinds_(kinds), hole_(hole) {}

  Result<bool> next(RecordInfo& info) override {
    Record record;
    for (;;) {
      const Result<bool> more = next_record(record);
      if (!more.ok() || !*more) return more;
      if (range_.from && record.head.commit_time < *range_.from) continue;
      Result<RecordInfo> described = describe(record);
      if (!described.ok()) return described.status();
      info = std::move(*described);
      return true;
    }
  }

 private:
  Result<bool> next_record(Record& record) {
    for (; segment_ < segments_.size(); ++segment_, stream_.reset()) {
      if (!stream_) {
        if (segment_ >= looked_in_front_) {
          looked_in_front_ = segment_ + 1;
          if (Status whole = hole_before(segments_, segment_, range_, hole_); !whole.ok()) return whole;
        }
        if (begins_behind(*segments_[segment_], range_.to)) break;
        if (ends_before(segments_, segment_, range_.from)) continue;
        if (Status opened = open_stream(); !opened.ok()) return opened;
      }
      const Result<bool> more = stream_->next(record);
      if (!more.ok()) return more;
      if (!*more) continue;
      if (!range_.to || record.head.commit_time <= *range_.to) return true;
      break;  // commit times never fall
    }
    segment_ = segments_.size();
    return false;
  }

  Status open_stream() {
    Result<std::unique_ptr<RecordStream>> stream = segments_[segment_]->records(filter_of(range_, kinds_));
    if (!stream.ok()) {
      // What cannot be opened now cannot be opened in the next call.
      ++segment_;
      return stream.status();
    }
    stream_ = std::move(*stream);
    return {};
  }

  SegmentViews segments_;
  ReadRange range_;
  KindSet kinds_;
  Code hole_;
  std::size_t segment_ = 0;
  std::size_t looked_in_front_ = 0;
  std::unique_ptr<RecordStream> stream_;
};

Result<KindSet> kinds_of(const std::vector<std::string>& names) {
  if (names.empty()) return kAllKinds;
  KindSet kinds = 0;
  for (const std::string& name : names) {
    KindSet found = 0;
    for (unsigned kind = 1; kind < 31; ++kind) {
      const auto value = static_cast<RecordKind>(kind);
      if (name_of(value) == name && name != "unknown") found = kind_bit(value);
    }
    if (found == 0)
      return Status(Code::invalid_argument, base::cat("no record is of kind '", base::escape(name), "'"));
    kinds |= found;
  }
  return kinds;
}

}  // namespace

RecordFilter filter_of(const ReadRange& range, KindSet kinds) {
  RecordFilter filter;
  filter.after = range.after;
  filter.until = range.until;
  filter.account_id = range.account_id;
  filter.kinds = kinds;
  filter.content_bytes = false;
  return filter;
}

bool ends_before(const SegmentViews& all, std::size_t at, const std::optional<Time>& from) {
  if (!from) return false;
  const SegmentInfo info = all[at]->info();
  // The next header was written when all records were still whole; a footer may be of a damaged segment.
  const bool is_told = at + 1 < all.size() && follows(all[at + 1]->header(), all[at]->header());
  if (is_told) return std::max(all[at + 1]->header().created_commit, info.last_time) < *from;
  return info.sealed && info.last_time < *from;
}

bool begins_behind(const SegmentView& segment, const std::optional<Time>& to) {
  return to && segment.header().created_commit > *to;
}

std::string missing_text(std::uint64_t first, std::uint64_t last) {
  if (first == last) return base::cat("segment ", first, " is missing");
  return base::cat("segments ", first, " to ", last, " are missing");
}

Status hole_before(const SegmentViews& all, std::size_t at, const ReadRange& range, Code code) {
  if (at == 0) return {};
  const SegmentView& before = *all[at - 1];
  const SegmentHeader& header = all[at]->header();
  const Lsn first_lost = before.last_lsn() + 1;
  const bool adjoins = before.header().incarnation != header.incarnation || first_lost >= header.first_lsn;
  if (adjoins || header.first_lsn <= range.after + 1 || first_lost > range.until) return {};
  // What is lost has no time behind the first, and none before the second.
  if (range.from && header.created_commit < *range.from) return {};
  if (range.to && std::max(before.header().created_commit, before.info().last_time) > *range.to) return {};
  return Status(code, base::cat(missing_text(before.header().sequence + 1, header.sequence - 1), ": LSN ",
                                first_lost, " to ", header.first_lsn - 1, " are not there"));
}

Result<std::unique_ptr<RedoLog::RecordCursor>> read_records(SegmentViews segments, const ReadRange& range,
                                                            Code hole) {
  const Result<KindSet> kinds = kinds_of(range.kinds);
  if (!kinds.ok()) return kinds.status();
  return std::unique_ptr<RedoLog::RecordCursor>(
      std::make_unique<SegmentRecords>(std::move(segments), range, *kinds, hole));
}

Status check_no_kinds(const ReadRange& range) {
  if (range.kinds.empty()) return {};
  return Status(Code::invalid_argument, "transactions are read, which have no kind: `kinds` is for records");
}

Result<std::unique_ptr<ContentReader>> find_and_open(const ContentRef& content, const SegmentViews& all) {
  for (auto view = all.rbegin(); view != all.rend(); ++view) {
    Result<std::unique_ptr<ContentReader>> reader = (*view)->open_content(content, all);
    if (reader.ok() || reader.status().code() != Code::not_found) return reader;
  }
  return Status(Code::not_found,
                base::cat("no segment of the redo log has content ", content.digest.to_string()));
}

}  // namespace restante::redo

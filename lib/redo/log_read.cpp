// Reading a log that is open.

#include <algorithm>

#include "base/text.hpp"
#include "redo/committed_reader.hpp"
#include "redo/log.hpp"
#include "redo/segment_reading.hpp"
#include "redo/verify.hpp"

namespace restante {
inline namespace v0 {
namespace {

/// Committed transactions up to a position, as far as they are durable when asked for.
class LiveCursor final : public TransactionCursor {
 public:
  LiveCursor(std::shared_ptr<RedoLog::Impl> log, ReadRange range)
      : log_(std::move(log)),
        range_(std::move(range)),
        absence_(range_.after == 0 ? redo::CommittedReader::Absence::consumed
                                   : redo::CommittedReader::Absence::unexpected) {}

  Result<bool> next(LoggedTransaction& transaction) override {
    if (Status process = log_->check_process(); !process.ok()) return process;
    for (;;) {
      if (!reader_) {
        if (log_->control_->page().durable.load().lsn <= range_.after) return false;
        const Result<redo::SegmentViews> views = log_->views();
        if (!views.ok()) return views.status();
        const bool has_more =
            !views->empty() && views->back()->last_lsn() > range_.after && range_.after < range_.until;
        if (!has_more) return false;
        reader_ = std::make_unique<redo::CommittedReader>(*views, range_, absence_);
        reader_end_ = std::min(views->back()->last_lsn(), range_.until);
      }
      Result<bool> more = reader_->next(transaction);
      if (!more.ok() || *more || reader_->is_behind_time()) return more;
      // What was removed is behind it too, although it has met nothing of that.
      range_.after = std::max({range_.after, reader_->position(), reader_end_});
      reader_.reset();
    }
  }

  [[nodiscard]] Lsn position() const { return reader_ ? reader_->position() : range_.after; }

 private:
  std::shared_ptr<RedoLog::Impl> log_;
  ReadRange range_;
  const redo::CommittedReader::Absence absence_;
  std::unique_ptr<redo::CommittedReader> reader_;
  Lsn reader_end_ = 0;
};

/// Records of a log that stays open as long as they are read.
class LiveRecords final : public RedoLog::RecordCursor {
 public:
  LiveRecords(std::shared_ptr<RedoLog::Impl> log, std::unique_ptr<RedoLog::RecordCursor> records)
      : log_(std::move(log)), records_(std::move(records)) {}

  Result<bool> next(RecordInfo& record) override {
    if (Status process = log_->check_process(); !process.ok()) return process;
    return records_->next(record);
  }

 private:
  std::shared_ptr<RedoLog::Impl> log_;
  std::unique_ptr<RedoLog::RecordCursor> records_;
};

bool is_end(redo::RecordKind kind) {
  return kind == redo::RecordKind::commit || kind == redo::RecordKind::append;
}

/// The newest end of a transaction that `accept` takes, in segments [0, count); 0 if there is none.
template <class Accept>
Result<Lsn> last_end(const redo::SegmentViews& views, std::size_t count, Accept accept) {
  redo::RecordFilter filter;
  filter.kinds = redo::kind_bit(redo::RecordKind::commit) | redo::kind_bit(redo::RecordKind::append);
  filter.content_bytes = false;
  for (std::size_t i = count; i-- > 0;) {
    Result<std::unique_ptr<redo::RecordStream>> stream = views[i]->records(filter);
    if (!stream.ok()) return stream.status();
    Lsn found = 0;
    redo::Record record;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok() && more.status().code() == Code::damaged) continue;
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (is_end(record.head.kind) && accept(record.head)) found = record.head.lsn;
    }
    if (found != 0) return found;
  }
  return Lsn{0};
}

Result<Time> first_time_of(const redo::SegmentView& view) {
  redo::RecordFilter filter;
  filter.until = view.header().first_lsn + redo::kSparseStep;
  filter.content_bytes = false;
  Result<std::unique_ptr<redo::RecordStream>> stream = view.records(filter);
  if (!stream.ok()) return stream.status();
  redo::Record record;
  const Result<bool> more = (*stream)->next(record);
  if (!more.ok() && more.status().code() != Code::damaged) return more.status();
  return more.ok() && *more ? record.head.commit_time : view.header().created_commit;
}

}  // namespace

Result<redo::SegmentViews> RedoLog::Impl::views() {
  if (Status process = check_process(); !process.ok()) return process;
  const std::lock_guard lock(write_mutex_);
  if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
  if (Status loaded = load_older(); !loaded.ok()) return loaded;
  redo::SegmentViews views;
  views.reserve(segments_.size());
  for (const Segment& segment : segments_) {
    if (segment.view != nullptr) {
      views.push_back(segment.view);
      continue;
    }
    redo::DurableState durable = control_->page().durable.load();
    const redo::SegmentHeader& header = *segment.header;
    // Just rolled, or rolled again since: nothing of it is known to be on the disk, or all that is known
    // here.
    if (durable.sequence < header.sequence)
      durable = {header.first_lsn - 1, header.sequence, header.records_begin(), header.created_commit.us};
    if (durable.sequence > header.sequence)
      durable = {state_.end, header.sequence, state_.position, state_.last_commit_us};
    redo::SegmentExtent extent;
    extent.end = durable.offset;
    extent.last_lsn = durable.lsn;
    extent.first_time = Time{state_.first_time_us};
    extent.last_time = Time{durable.commit_us};
    // The next record lies there: whoever comes back for it need not look for it.
    sparse_->add({durable.lsn + 1, durable.offset, Time{durable.commit_us}});
    extent.sparse = sparse_;
    views.push_back(std::make_shared<const redo::RawSegment>(segment.file, segment.header, extent));
  }
  return views;
}

Result<std::vector<SegmentInfo>> RedoLog::Impl::segment_infos() {
  const Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  std::vector<SegmentInfo> infos;
  infos.reserve(all->size());
  for (const std::shared_ptr<const redo::SegmentView>& view : *all) infos.push_back(view->info());
  // The last one with what is written and not durable yet.
  const redo::WriterState state = control_->page().writer.load();
  if (infos.empty() || infos.back().sequence != state.sequence) return infos;
  infos.back().last_lsn = state.end >= infos.back().first_lsn ? state.end : 0;
  infos.back().bytes = state.position;
  infos.back().first_time = Time{state.first_time_us};
  infos.back().last_time = state.records == 0 ? Time{} : Time{state.last_commit_us};
  return infos;
}

Status RedoLog::Impl::check_kept(Lsn after) {
  const Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  const redo::SegmentHeader& oldest = all->front()->header();
  if (after == 0 || after + 1 >= oldest.first_lsn) return {};
  return Status(Code::not_found,
                base::cat("LSN ", after + 1, " to ", oldest.first_lsn - 1, " of the redo log in ",
                          base::escape(path_), " have been removed"),
                "read them from a backup target, or take a full backup");
}

Result<std::unique_ptr<TransactionCursor>> RedoLog::Impl::read(const ReadRange& range) {
  if (Status process = check_process(); !process.ok()) return process;
  if (Status possible = redo::check_no_kinds(range); !possible.ok()) return possible;
  if (Status kept = check_kept(range.after); !kept.ok()) return kept;
  if (range.until <= control_->page().writer.load().end) {
    if (Status durable = wait_durable(range.until); !durable.ok()) return durable;
  }
  return std::unique_ptr<TransactionCursor>(std::make_unique<LiveCursor>(shared_from_this(), range));
}

Result<std::unique_ptr<RedoLog::RecordCursor>> RedoLog::Impl::records(const ReadRange& range) {
  if (Status process = check_process(); !process.ok()) return process;
  if (range.until <= control_->page().writer.load().end) {
    if (Status durable = wait_durable(range.until); !durable.ok()) return durable;
  }
  Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  Result<std::unique_ptr<RecordCursor>> records = redo::read_records(std::move(*all), range, Code::damaged);
  if (!records.ok()) return records.status();
  return std::unique_ptr<RecordCursor>(
      std::make_unique<LiveRecords>(shared_from_this(), std::move(*records)));
}

Result<LogVerification> RedoLog::Impl::verify(const VerifyOptions& options) {
  if (Status process = check_process(); !process.ok()) return process;
  const Result<redo::SegmentViews> all = views();
  if (!all.ok()) return all.status();
  return redo::verify_segments(*all, options, redo::VerifyAs::log);
}

Result<bool> RedoLog::Impl::wait_behind(Lsn position, std::chrono::milliseconds timeout) {
  if (Status process = check_process(); !process.ok()) return process;
  redo::ControlPage& page = control_->page();
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const std::uint32_t seen = page.synced.now();
    if (page.durable.load().lsn > position) return true;
    if (Status usable = check_usable(); !usable.ok()) return usable;
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    page.synced.wait(seen, left);
  }
}

// A time that the clock passed twice names two places.
Status RedoLog::Impl::check_not_held(const redo::SegmentViews& all, Time time) {
  for (const std::shared_ptr<const redo::SegmentView>& view : all) {
    const Result<std::vector<redo::HeldStretch>> stretches = view->held_stretches();
    if (!stretches.ok()) return stretches.status();
    for (const redo::HeldStretch& stretch : *stretches) {
      if (time < stretch.low || time >= stretch.high) continue;
      const Result<Lsn> before = last_end(all, all.size(), [&](const redo::RecordHead& head) {
        return head.lsn < stretch.first_lsn && head.commit_time <= time;
      });
      if (!before.ok()) return before.status();
      const Result<Lsn> after = last_end(all, all.size(), [&](const redo::RecordHead& head) {
        return head.lsn >= stretch.first_lsn && head.lsn <= stretch.last_lsn && head.wall_time <= time;
      });
      if (!after.ok()) return after.status();
      return Status(Code::ambiguous,
                    base::cat("the clock went back and passed ", time.to_string(), " twice: from ",
                              stretch.high.to_string(), " to ", stretch.low.to_string()),
                    base::cat("give an LSN: ", *before, " for the time before the clock went back, ",
                              *after != 0 ? *after : stretch.first_lsn, " for the time after"));
    }
  }
  return {};
}

Result<Lsn> RedoLog::Impl::lsn_at(Time time) {
  if (Status synced = sync(); !synced.ok()) return synced;
  const Result<redo::SegmentViews> found_views = views();
  if (!found_views.ok()) return found_views.status();
  const redo::SegmentViews& all = *found_views;
  if (Status held = check_not_held(all, time); !held.ok()) return held;
  const Result<Time> first = first_time_of(*all.front());
  if (!first.ok()) return first.status();
  if (time < *first) {
    return Status(Code::not_found, base::cat("the redo log in ", base::escape(path_), " begins later than ",
                                             time.to_string(), ", at ", first->to_string()));
  }
  const Time newest = std::max(all.back()->info().last_time, options_.clock->now());
  if (time > newest) {
    return Status(Code::invalid_argument, base::cat(time.to_string(), " is in the future"));
  }
  // Segments are in the order of commit times: look from the last one that began by then.
  std::size_t count = all.size();
  while (count > 1) {
    const SegmentInfo info = all[count - 1]->info();
    if (info.last_lsn != 0 && info.first_time <= time) break;
    --count;
  }
  const Result<Lsn> found =
      last_end(all, count, [&](const redo::RecordHead& head) { return head.commit_time <= time; });
  if (!found.ok()) return found.status();
  return *found != 0 ? *found : all.front()->header().first_lsn - 1;
}

// --- Follower ------------------------------------------------------------------------------------------

struct RedoLog::Follower::State {
  State(std::shared_ptr<RedoLog::Impl> owner, ReadRange range)
      : log(owner), cursor(std::move(owner), std::move(range)) {}
  std::shared_ptr<RedoLog::Impl> log;
  LiveCursor cursor;
};

RedoLog::Follower::Follower(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
RedoLog::Follower::Follower(Follower&&) noexcept = default;
RedoLog::Follower& RedoLog::Follower::operator=(Follower&&) noexcept = default;
RedoLog::Follower::~Follower() = default;

Result<bool> RedoLog::Follower::next(LoggedTransaction& transaction) {
  return state_->cursor.next(transaction);
}

Result<bool> RedoLog::Follower::wait(std::chrono::milliseconds timeout) {
  return state_->log->wait_behind(state_->cursor.position(), timeout);
}

Result<RedoLog::Follower> RedoLog::follow(Lsn after, std::string account_id) const {
  if (Status process = impl_->check_process(); !process.ok()) return process;
  if (Status kept = impl_->check_kept(after); !kept.ok()) return kept;
  ReadRange range;
  range.after = after;
  range.account_id = std::move(account_id);
  return Follower(std::make_unique<Follower::State>(impl_, std::move(range)));
}

}  // namespace v0
}  // namespace restante

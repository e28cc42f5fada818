// Consumers, and which segments may go (R10).

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::size_t kMaxNameBytes = 255;

class Pin final : public redo::SegmentPin {
 public:
  Pin(std::shared_ptr<RedoLog::Impl> log, std::uint64_t sequence)
      : log_(std::move(log)), sequence_(sequence) {
    // The lock, so that whoever removes segments at this moment has done so or sees this.
    const Result<RedoLog::Impl::Hold> held = log_->hold();
    std::unique_lock<os::TimedMutex> own(log_->write_mutex_, std::defer_lock);
    if (!held.ok()) own.lock();
    log_->pins_.insert(sequence_);
    log_->update_keep();
  }
  ~Pin() override {
    const std::lock_guard lock(log_->write_mutex_);
    log_->pins_.erase(log_->pins_.find(sequence_));
    log_->update_keep();
  }

 private:
  std::shared_ptr<RedoLog::Impl> log_;
  std::uint64_t sequence_;
};

Status no_consumer(std::string_view name) {
  return Status(Code::not_found, base::cat("the redo log has no consumer ", base::escape(name)));
}

}  // namespace

Status RedoLog::Impl::change_consumers(const std::function<Status(std::vector<Consumer>&)>& change) {
  const Result<Hold> held = hold();
  if (!held.ok()) return held.status();
  if (Status loaded = load_lists(); !loaded.ok()) return loaded;
  redo::ConsumerList list = consumers_;
  if (Status changed = change(list.consumers); !changed.ok()) return changed;
  return store_consumers(std::move(list));
}

Status RedoLog::Impl::set_consumer(std::string_view name, Lsn position) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (name.empty() || name.size() > kMaxNameBytes) {
    return Status(Code::invalid_argument, "the name of a consumer must be 1 to 255 bytes long");
  }
  const Lsn end = control_->page().writer.load().end;
  if (position > end) {
    return Status(Code::invalid_argument,
                  base::cat("the position ", position, " is behind the end of the log, ", end));
  }
  // What a consumer says it is past must not be written again under the same LSN.
  if (Status durable = wait_durable(position); !durable.ok()) return durable;
  return change_consumers([&](std::vector<Consumer>& consumers) -> Status {
    auto entry = std::lower_bound(
        consumers.begin(), consumers.end(), name,
        [](const Consumer& consumer, std::string_view value) { return consumer.name < value; });
    if (entry == consumers.end() || entry->name != name)
      entry = consumers.insert(entry, Consumer{.name = std::string(name)});
    if (position < entry->position) {
      return Status(Code::invalid_argument, base::cat("consumer ", base::escape(name), " is at ",
                                                      entry->position, " and cannot go back to ", position));
    }
    entry->position = position;
    if (is_all_there(*entry)) entry->lost = false;
    return {};
  });
}

Status RedoLog::Impl::limit_consumer(std::string_view name, std::uint64_t max_bytes,
                                     std::chrono::seconds max_age) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (max_age.count() < 0 || max_age > redo::kMostConsumerAge)
    return Status(Code::invalid_argument, "the age limit of a consumer must be 0 to a thousand years");
  return change_consumers([&](std::vector<Consumer>& consumers) -> Status {
    for (Consumer& consumer : consumers) {
      if (consumer.name != name) continue;
      consumer.max_bytes = max_bytes;
      consumer.max_age = max_age;
      if (is_all_there(consumer)) consumer.lost = false;
      return {};
    }
    return no_consumer(name);
  });
}

Status RedoLog::Impl::remove_consumer(std::string_view name) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  return change_consumers([&](std::vector<Consumer>& consumers) {
    const auto removed = std::erase_if(consumers, [&](const Consumer& one) { return one.name == name; });
    return removed == 0 ? no_consumer(name) : Status();
  });
}

// Nothing behind its position was removed.
bool RedoLog::Impl::is_all_there(const Consumer& consumer) const {
  return consumer.position + 1 >= segments_.front().header->first_lsn;
}

bool RedoLog::Impl::is_past_limit(const Consumer& consumer) const {
  if (consumer.max_bytes != 0 && bytes_behind(consumer.position) > consumer.max_bytes) return true;
  if (consumer.max_age.count() == 0) return false;
  const std::optional<Time> oldest = oldest_behind(consumer.position);
  const std::int64_t limit_us = std::chrono::microseconds(consumer.max_age).count();
  return oldest && options_.clock->now().us - oldest->us > limit_us;
}

std::optional<Time> RedoLog::Impl::oldest_behind(Lsn position) const {
  for (const Segment& segment : segments_) {
    if (segment.view == nullptr) break;
    if (segment.view->last_lsn() > position) return segment.view->extent().last_time;
  }
  if (state_.end <= position || state_.records == 0) return std::nullopt;
  return Time{state_.last_commit_us};
}

std::uint64_t RedoLog::Impl::bytes_behind(Lsn position) const {
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) {
    const Lsn last = segment.view != nullptr ? segment.view->last_lsn() : state_.end;
    if (last <= position) continue;
    bytes += segment.view != nullptr ? segment.view->extent().end : state_.position;
  }
  return bytes;
}

// With the lock: what consumers and segments there are.
Status RedoLog::Impl::load_lists() {
  if (Status loaded = load_older(); !loaded.ok()) return loaded;
  (void)reload_consumers();
  return consumers_status_;
}

// With the lock: replaces the list for everybody.
Status RedoLog::Impl::store_consumers(redo::ConsumerList list) {
  if (Status stored = redo::store_consumers(io_, directory_->get(), list); !stored.ok()) return stored;
  consumers_ = std::move(list);
  redo::WriterState state = state_;
  consumers_version_ = ++state.consumers_version;
  publish(state);
  return {};
}

Result<std::vector<Consumer>> RedoLog::Impl::consumers() {
  const Result<Hold> held = hold();
  std::unique_lock<os::TimedMutex> own(write_mutex_, std::defer_lock);
  if (held.ok()) {
    if (Status loaded = load_lists(); !loaded.ok()) return loaded;
  } else {
    // A log that failed still tells what it knows.
    if (held.status().code() != Code::poisoned) return held.status();
    own.lock();
  }
  std::vector<Consumer> list = consumers_.consumers;
  for (Consumer& consumer : list) {
    if (is_past_limit(consumer)) consumer.lost = true;
  }
  return list;
}

// The first segment that must stay; everything before it may go.
std::size_t RedoLog::Impl::first_kept(std::int64_t min_age_us) const {
  Lsn passed = state_.end;
  for (const Consumer& consumer : consumers_.consumers) {
    if (!consumer.lost) passed = std::min(passed, consumer.position);
  }
  const Time now = options_.clock->now();
  std::size_t kept = 0;
  for (; kept + 1 < segments_.size(); ++kept) {
    const Segment& segment = segments_[kept];
    const bool is_sealed = segment.view != nullptr && segment.view->extent().footer;
    if (!is_sealed || segment.view->last_lsn() > passed) break;
    if (now.us - segment.view->extent().last_time.us < min_age_us) break;
  }
  // Whoever reads on has not read these; and whoever pinned some reads them again.
  std::uint64_t read = std::min(segments_[kept].header->sequence, control_->lowest_kept());
  if (!pins_.empty()) read = std::min(read, *pins_.begin());
  std::uint64_t needed = lowest_reference(read, UINT64_MAX);
  for (const redo::OpenTable::Entry& open : open_transactions({}, state_.end))
    needed = std::min(needed, open.transaction.sequence);
  if (!streams_.empty()) needed = std::min(needed, *streams_.begin());
  needed = std::min(needed, first_handed_out());
  // A begin record refers to content. What else lies beside it has been read, and what that refers to may go:
  // otherwise transactions that are open at every roll would keep all for ever.
  needed = std::min(needed, lowest_reference(needed, read));
  while (kept > 0 && segments_[kept].header->sequence > needed) --kept;
  return kept;
}

// What the records of the segments [from, to) refer to; `from` if to nothing before.
std::uint64_t RedoLog::Impl::lowest_reference(std::uint64_t from, std::uint64_t to) const {
  std::uint64_t lowest = from;
  for (const Segment& segment : segments_) {
    if (segment.header->sequence < from || segment.header->sequence >= to) continue;
    lowest = std::min(lowest, segment.view != nullptr ? segment.lowest_sequence : state_.lowest_sequence);
  }
  return lowest;
}

// With the lock: notes which consumers have fallen too far behind.
Status RedoLog::Impl::mark_lost() {
  bool newly_lost = false;
  redo::ConsumerList list = consumers_;
  for (Consumer& consumer : list.consumers) {
    const bool is_lost = is_past_limit(consumer);
    newly_lost = newly_lost || (is_lost && !consumer.lost);
    consumer.lost = consumer.lost || is_lost;
  }
  // That it is lost is durable before what it needs is gone.
  return newly_lost ? store_consumers(std::move(list)) : Status();
}

// With the lock of who removes: the files of all segments before that one, also those that somebody who died
// has left.
Status RedoLog::Impl::remove_files(std::uint64_t first_kept) {
  const Result<std::vector<os::DirEntry>> entries = io_.list(directory_->get());
  if (!entries.ok()) return entries.status();
  std::set<std::uint64_t> going;
  for (const os::DirEntry& entry : *entries) {
    const std::optional<std::uint64_t> sequence = redo::sequence_of_name(entry.name);
    if (sequence && *sequence < first_kept) going.insert(*sequence);
  }
  // The oldest first, so that whatever a crash leaves is without holes.
  for (const std::uint64_t sequence : going) {
    if (Status gone = io_.unlink_at(directory_->get(), redo::segment_name(sequence)); !gone.ok()) return gone;
    if (Status synced = io_.fsync(directory_->get()); !synced.ok()) return synced;
  }
  return {};
}

Result<std::uint64_t> RedoLog::Impl::remove_consumed(std::chrono::seconds min_age) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (Status left = seal_left_behind(); !left.ok()) return left;
  (void)seal_pending();
  const Result<SealHold> sealing = hold_seals();
  if (!sealing.ok()) return sealing.status();
  const auto min_age_us = std::chrono::duration_cast<std::chrono::microseconds>(min_age).count();
  const Result<Hold> held = hold();
  if (!held.ok()) return held.status();
  if (Status loaded = load_lists(); !loaded.ok()) return loaded;
  if (Status finished = remove_files(state_.first_sequence); !finished.ok()) return finished;
  if (consumers_.consumers.empty()) return std::uint64_t{0};
  if (Status marked = mark_lost(); !marked.ok()) return marked;
  update_keep();
  const std::size_t count = segments_.size();
  const std::uint64_t kept = segments_[first_kept(min_age_us)].header->sequence;
  if (kept <= state_.first_sequence) return std::uint64_t{0};
  // First nobody reads them any more; then they go, and if this process dies, with the next removal.
  redo::WriterState state = state_;
  state.first_sequence = kept;
  publish(state);
  drop_removed(kept);
  if (Status gone = remove_files(kept); !gone.ok()) return gone;
  return count - segments_.size();
}

}  // namespace v0

namespace redo {

std::shared_ptr<SegmentPin> pin_segments(const RedoLog& log, std::uint64_t from_sequence) {
  return std::make_shared<Pin>(RedoLog::Impl::of(log), from_sequence);
}

Result<SegmentViews> views(const RedoLog& log) {
  const std::shared_ptr<RedoLog::Impl>& impl = RedoLog::Impl::of(log);
  if (Status process = impl->check_process(); !process.ok()) return process;
  return impl->views();
}

}  // namespace redo
}  // namespace restante

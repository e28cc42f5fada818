// Sharing the log with other processes (R7): its lock, and following what they do.

#include <fcntl.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {

RedoLog::Impl::Hold::~Hold() {
  if (log_ == nullptr) return;
  redo::ControlPage& page = log_->control_->page();
  page.write_holder.store(redo::kNoOwner, std::memory_order_relaxed);
  page.write_lock.unlock();
  log_->write_mutex_.unlock();
}

Result<RedoLog::Impl::Hold> RedoLog::Impl::hold() {
  if (Status process = check_process(); !process.ok()) return process;
  redo::ControlPage& page = control_->page();
  const auto until = std::chrono::steady_clock::now() + options_.deadline;
  const auto is_busy = [&] {
    return Status(Code::busy,
                  base::cat("the redo log in ", base::escape(path_), " is held by ",
                            control_->name_of(page.write_holder.load()), ", which does not go on"),
                  "let that process go on, or end it");
  };
  if (!write_mutex_.try_lock_until(until)) return is_busy();
  const os::RobustMutex::Taken taken = page.write_lock.lock_until(until);
  if (taken == os::RobustMutex::Taken::no) {
    write_mutex_.unlock();
    return is_busy();
  }
  page.write_holder.store(control_->slot(), std::memory_order_relaxed);
  Hold held(*this);
  if (taken == os::RobustMutex::Taken::from_the_dead) {
    // Whatever comes of it: this lock must not be lost for everybody.
    const Status mended = mend();
    page.write_lock.repaired();
    if (!mended.ok()) return poison(mended);
  }
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
  return held;
}

// Somebody died while he had the lock. The state is whole, because one word publishes it; what he was about
// to publish is void. A segment that he named and did not publish would be taken for the newest one by a
// later recovery, although this one goes on.
Status RedoLog::Impl::mend() {
  const redo::WriterState state = control_->page().writer.load();
  open_->repair(state.end);
  if (Status staged = mend_stage(state); !staged.ok()) return staged;
  const Status removed = io_.unlink_at(directory_->get(), redo::segment_name(state.sequence + 1));
  if (removed.code() == Code::not_found) return {};
  if (!removed.ok()) return removed;
  return io_.fsync(directory_->get());
}

void RedoLog::Impl::publish(const redo::WriterState& state) {
  control_->page().writer.store(state);
  state_ = state;
}

Status RedoLog::Impl::refresh() {
  const redo::WriterState now = control_->page().writer.load();
  if (now.sequence != state_.sequence) {
    if (Status followed = follow_rolls(now); !followed.ok()) return followed;
  }
  if (now.first_sequence > segments_.front().header->sequence) drop_removed(now.first_sequence);
  state_ = now;
  return {};
}

// Others have rolled.
Status RedoLog::Impl::follow_rolls(const redo::WriterState& state) {
  for (std::uint64_t sequence = state_.sequence + 1; sequence <= state.sequence; ++sequence) {
    const auto file =
        std::make_shared<const redo::SegmentFile>(io_, directory_, redo::segment_name(sequence));
    Result<redo::SegmentHeader> header = redo::read_header(*file);
    // It may have been removed since, and all before it then.
    if (!header.ok() && header.status().code() == Code::not_found && sequence < state.sequence) {
      segments_.clear();
      continue;
    }
    if (!header.ok()) return header.status();
    if (!segments_.empty() && segments_.back().header->sequence + 1 == sequence)
      complete(segments_.back(), *header);
    segments_.push_back(
        {file, std::make_shared<const redo::SegmentHeader>(std::move(*header)), nullptr, 0, false});
  }
  sparse_ = std::make_shared<redo::SparseTable>();
  touched_.clear();
  const redo::WriterState before = std::exchange(state_, state);
  std::erase_if(recent_, [this](const auto& entry) { return !is_near(entry.second); });
  update_keep();
  state_ = before;
  return {};
}

// The header behind it says where a segment ends.
void RedoLog::Impl::complete(Segment& segment, const redo::SegmentHeader& next) {
  redo::SegmentExtent extent;
  extent.end = next.previous_end;
  extent.last_lsn = next.first_lsn - 1;
  extent.is_complete = true;
  extent.first_time = segment.header->created_commit;
  extent.last_time = next.created_commit;
  segment.view = std::make_shared<const redo::RawSegment>(segment.file, segment.header, extent);
  // Of what others wrote into it nothing is known before it is sealed.
  segment.lowest_sequence = 0;
}

void RedoLog::Impl::drop_removed(std::uint64_t first_sequence) {
  std::erase_if(segments_, [&](const Segment& segment) { return segment.header->sequence < first_sequence; });
  std::erase_if(recent_, [&](const auto& entry) { return entry.second.first_sequence < first_sequence; });
}

Status RedoLog::Impl::load_older() {
  // What somebody else has sealed since shows more.
  for (Segment& segment : segments_) {
    if (segment.view == nullptr || segment.view->extent().footer || segment.to_seal) continue;
    const Result<std::optional<redo::Seal>> seal = redo::read_seal(*segment.file, *segment.header);
    if (!seal.ok() || !seal->has_value()) continue;
    segment.view = redo::sealed_segment(segment.file, segment.header, **seal);
    segment.lowest_sequence = (*seal)->footer.lowest_sequence;
  }
  if (has_older_) return {};
  std::vector<Segment> older;
  std::uint64_t sequence = segments_.front().header->sequence;
  std::shared_ptr<const redo::SegmentHeader> next = segments_.front().header;
  while (sequence-- > state_.first_sequence) {
    Result<redo::FoundSegment> found = redo::find_segment_file(io_, directory_, sequence);
    if (!found.ok() && found.status().code() == Code::not_found) break;  // removed meanwhile
    if (!found.ok()) return found.status();
    Segment segment{found->file, found->header, nullptr, 0, false};
    if (found->seal) {
      segment.view = redo::sealed_segment(found->file, found->header, *found->seal);
      segment.lowest_sequence = found->seal->footer.lowest_sequence;
    } else {
      complete(segment, *next);
    }
    next = segment.header;
    older.push_back(std::move(segment));
  }
  segments_.insert(segments_.begin(), std::make_move_iterator(older.rbegin()),
                   std::make_move_iterator(older.rend()));
  has_older_ = true;
  return {};
}

void RedoLog::Impl::keep_from(std::uint64_t sequence) {
  auto& keeps = control_->page().attached[control_->slot()].keep_from;
  if (sequence < keeps.load()) keeps.store(sequence);
}

void RedoLog::Impl::update_keep() {
  std::uint64_t lowest = first_handed_out();
  if (!streams_.empty()) lowest = std::min(lowest, *streams_.begin());
  if (!pins_.empty()) lowest = std::min(lowest, *pins_.begin());
  control_->page().attached[control_->slot()].keep_from.store(lowest);
}

// Another process has changed the list.
Status RedoLog::Impl::reload_consumers() {
  if (consumers_version_ == state_.consumers_version) return {};
  Result<redo::ConsumerList> list = redo::load_consumers(io_, directory_->get());
  consumers_status_ = list.status();
  if (!list.ok()) return list.status();
  consumers_ = std::move(*list);
  consumers_.log = identity_.log;
  consumers_.incarnation = identity_.incarnation;
  consumers_version_ = state_.consumers_version;
  return {};
}

}  // namespace v0
}  // namespace restante

// How records get into the file and onto the disk.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/log.hpp"
#include "redo/seal.hpp"

namespace restante {
inline namespace v0 {
namespace {

// A clock step record and what stands before a mark.
constexpr std::uint64_t kStepRoom = 128;
/// Hosts call `maintain` every minute or so.
constexpr std::chrono::nanoseconds kHousekeepingTrust = std::chrono::minutes(5);

}  // namespace

Status RedoLog::Impl::check_process() const {
  if (fork_mark_.is_mine()) return {};
  return Status(Code::busy,
                base::cat("the redo log in ", base::escape(path_), " was opened by process ", pid_,
                          ", from which this process was forked"),
                "open the log in the process that uses it; an inherited handle cannot be used or closed");
}

Status RedoLog::Impl::check_usable() const {
  if (Status process = check_process(); !process.ok()) return process;
  if (!is_poisoned()) return {};
  return Status(Code::poisoned,
                base::cat("the redo log in ", base::escape(path_), " failed before: ", poison_cause()),
                "close every handle of the log, in every process, and open it again");
}

std::string RedoLog::Impl::poison_cause() const {
  const std::lock_guard lock(poison_mutex_);
  return poison_cause_.ok() ? "another process could not write to it" : poison_cause_.message();
}

Status RedoLog::Impl::poison(const Status& cause) {
  const redo::DurableState durable = control_->page().durable.load();
  {
    const std::lock_guard lock(poison_mutex_);
    if (!poisoned_) poison_cause_ = cause;
    poisoned_ = true;
  }
  // Recovery must not believe the cache above this.
  (void)control_->poison({durable.sequence, durable.offset, durable.lsn});
  return not_durable();
}

bool RedoLog::Impl::is_too_old() const {
  if (options_.segment_age.count() == 0 || state_.records == 0) return false;
  const std::int64_t age_us = options_.clock->now().us - state_.first_time_us;
  return age_us >= std::chrono::microseconds(options_.segment_age).count();
}

Status RedoLog::Impl::make_room(std::uint64_t bytes, std::uint64_t reserve) {
  const std::uint64_t needed = kStepRoom + bytes + reserve + state_.reserved + redo::kTailRoom;
  if (state_.position + needed <= state_.capacity && !is_too_old()) return {};
  return roll_now(needed);
}

Result<RedoLog::Impl::Placed> RedoLog::Impl::write(Frame& frame) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  const Time wall = options_.clock->now();
  const std::optional<std::int64_t> monotonic =
      hooks_.monotonic_us ? std::optional<std::int64_t>(hooks_.monotonic_us()) : std::nullopt;
  const Time commit{std::max(wall.us, state_.last_commit_us)};
  // Without a second clock nothing tells a step forward from time that passed.
  const bool knows_elapsed = monotonic && state_.has_monotonic != 0;
  const std::int64_t elapsed = knows_elapsed ? *monotonic - state_.last_monotonic_us : 0;
  const Time expected{state_.last_wall_us + elapsed};
  const bool stepped_back = wall.us < expected.us - redo::kClockStepUs;
  const bool stepped_forward = knows_elapsed && wall.us > expected.us + redo::kClockStepUs;
  if (state_.has_wall != 0 && (stepped_back || stepped_forward)) {
    Frame step;
    step.head.kind = redo::RecordKind::clock_step;
    redo::begin_frame(step.bytes, {}, {});
    redo::encode_clock_step(step.bytes, {expected, wall});
    redo::close_frame(step.bytes, step.head, {}, {});
    const Result<Placed> placed = write_one(step, wall, commit);
    if (!placed.ok()) return placed;
  }
  state_.has_monotonic = monotonic ? 1 : 0;
  state_.last_monotonic_us = monotonic.value_or(0);
  return write_one(frame, wall, commit);
}

Result<RedoLog::Impl::Placed> RedoLog::Impl::write_one(Frame& frame, Time wall, Time commit) {
  const redo::SegmentHeader& header = *segments_.back().header;
  redo::RecordHead& head = frame.head;
  redo::WriterState next = state_;
  head.lsn = ++next.end;
  head.durable_lsn = control_->page().durable.load().lsn;
  head.wall_time = wall;
  head.commit_time = commit;
  if (head.kind == redo::RecordKind::begin || head.kind == redo::RecordKind::append)
    head.transaction = head.lsn;
  const std::uint64_t offset = state_.position;
  redo::finish_frame(frame.bytes, head, header.place(offset));

  if (Status written = put(frame.bytes); !written.ok()) return written;
  if (frame.content) {
    frame.content->last_sequence = header.sequence;
    frame.content->last_lsn = head.lsn;
    frame.content->last_offset = offset;
    if (frame.content->first_sequence == 0) frame.content->first_sequence = header.sequence;
  }
  const std::uint64_t lowest = frame.lowest_sequence == 0 ? header.sequence : frame.lowest_sequence;
  if (next.records % redo::kSparseStep == 0) sparse_->add({head.lsn, offset, commit});
  if (next.records++ == 0) next.first_time_us = commit.us;
  next.position += frame.bytes.size();
  next.lowest_sequence = std::min(next.lowest_sequence, lowest);
  next.last_wall_us = wall.us;
  next.has_wall = 1;
  next.last_commit_us = commit.us;
  next.last_crc = head.head_crc;
  next.last_is_mark = head.kind == redo::RecordKind::mark ? 1 : 0;
  next.last_is_close_mark = frame.is_close_mark ? 1 : 0;
  if (frame.begins) {
    next.reserved += frame.reserve;
    open_->begins(*frame.begins,
                  {frame.account_id, head.lsn, header.sequence, offset, frame.reserve, frame.is_rewind, wall},
                  true);
  }
  if (frame.ends) {
    next.reserved -= frame.reserve;
    open_->will_end(*frame.ends, head.lsn);
  }
  publish(next);
  if (frame.begins || frame.ends) open_->settle();
  last_written_ = head.lsn;
  return Placed{header.sequence, offset, head.lsn, commit};
}

Result<RedoLog::Impl::Placed> RedoLog::Impl::write_mark(redo::MarkReason reason) {
  Frame mark;
  mark.head.kind = redo::RecordKind::mark;
  mark.is_close_mark = reason == redo::MarkReason::close;
  redo::begin_frame(mark.bytes, {}, {});
  redo::encode_mark(mark.bytes, reason);
  redo::close_frame(mark.bytes, mark.head, {}, {});
  return write(mark);
}

Status RedoLog::Impl::roll_now(std::uint64_t min_room, bool may_be_small) {
  // The next header fixes where this segment ends; it may only name what is on the disk.
  if (Status synced = sync_now(); !synced.ok()) return synced;
  redo::SegmentHeader header = identity_;
  header.sequence = state_.sequence + 1;
  header.first_lsn = state_.end + 1;
  header.previous_end = state_.position;
  header.previous_last_crc = state_.last_crc;
  header.opened_sequence = state_.opened_sequence;
  header.created_wall = options_.clock->now();
  header.created_commit = Time{state_.last_commit_us};
  for (redo::OpenTable::Entry& open : open_transactions({}, state_.end))
    header.open.push_back(std::move(open.transaction));

  bool in_doubt = false;
  const std::uint64_t room = std::max(min_room, state_.reserved + redo::kTailRoom);
  Result<Made> made = create_segment(header, room, may_be_small, &in_doubt);
  if (!made.ok()) {
    const Status failure = made.status().with_context("cannot begin the next segment of the redo log");
    return in_doubt ? poison(failure) : failure;
  }

  Segment& old = segments_.back();
  redo::SegmentExtent extent;
  extent.end = state_.position;
  extent.last_lsn = state_.end;
  extent.is_complete = true;
  extent.first_time = Time{state_.first_time_us};
  extent.last_time = Time{state_.last_commit_us};
  extent.sparse = std::exchange(sparse_, std::make_shared<redo::SparseTable>());
  old.view = std::make_shared<const redo::RawSegment>(old.file, old.header, extent);
  old.lowest_sequence = state_.lowest_sequence;
  old.to_seal = has_to_seal_ = true;
  // Until the segment is published there is nothing that could be staged for it.
  if (Status staged = begin_stage(header.sequence, made->position, made->filled, made->fd); !staged.ok())
    return poison(staged);
  add_current(header);
  redo::WriterState next = state_;
  next.sequence = next.lowest_sequence = header.sequence;
  next.position = made->position;
  next.capacity = made->capacity;
  next.opened_sequence = header.opened_sequence;
  next.records = 0;
  next.first_time_us = 0;
  next.last_crc = 0;
  // Whoever closes marks this one.
  next.last_is_close_mark = 0;
  publish(next);
  touched_.clear();
  std::erase_if(recent_, [this](const auto& entry) { return !is_near(entry.second); });
  update_keep();
  // All before is on the disk. Whoever syncs next finds that out too.
  redo::ControlPage& page = control_->page();
  const os::RobustMutex::Taken taken = page.sync_lock.try_lock();
  if (taken == os::RobustMutex::Taken::yes)
    page.durable.store({next.end, next.sequence, next.position, next.last_commit_us});
  if (taken == os::RobustMutex::Taken::from_the_dead) return lead_sync(true);
  if (taken == os::RobustMutex::Taken::yes) page.sync_lock.unlock();
  return {};
}

Result<redo::Seal> RedoLog::Impl::seal_file(const Segment& segment, std::uint64_t end, Lsn last_lsn,
                                            const redo::IndexBuilder& index) {
  const Result<os::Fd> fd = io_.open_at(directory_->get(), segment.file->name(), O_RDWR | O_NOFOLLOW, 0);
  if (!fd.ok()) return fd.status();
  return redo::seal_segment(io_, fd->get(), *segment.header, end, last_lsn, index);
}

Result<RedoLog::Impl::SealHold> RedoLog::Impl::hold_seals() {
  const auto until = std::chrono::steady_clock::now() + options_.deadline;
  std::unique_lock<os::TimedMutex> own(seal_mutex_, until);
  redo::ControlPage& page = control_->page();
  const os::RobustMutex::Taken taken =
      own.owns_lock() ? page.seal_lock.lock_until(until) : os::RobustMutex::Taken::no;
  if (taken == os::RobustMutex::Taken::no) {
    return Status(
        Code::busy,
        base::cat("segments of the redo log in ", base::escape(path_), " are being sealed or removed by ",
                  control_->name_of(page.seal_holder.load()), ", which does not go on"),
        "let that process go on, or end it");
  }
  // What was half sealed is sealed again, what was half removed goes with the next removal.
  if (taken == os::RobustMutex::Taken::from_the_dead) page.seal_lock.repaired();
  page.seal_holder.store(control_->slot(), std::memory_order_relaxed);
  own.release();
  return SealHold(*this);
}

RedoLog::Impl::SealHold::~SealHold() {
  if (log_ == nullptr) return;
  redo::ControlPage& page = log_->control_->page();
  page.seal_holder.store(redo::kNoOwner, std::memory_order_relaxed);
  page.seal_lock.unlock();
  log_->seal_mutex_.unlock();
}

Status RedoLog::Impl::seal_pending() {
  const auto next = [&](Segment& found) {
    const std::lock_guard lock(write_mutex_);
    const auto pending =
        std::find_if(segments_.begin(), segments_.end(), [](const Segment& s) { return s.to_seal; });
    if (pending != segments_.end()) found = *pending;
    has_to_seal_ = pending != segments_.end();
    return pending != segments_.end();
  };
  Segment segment;
  if (!has_to_seal_ || !next(segment)) return {};
  const Result<SealHold> sealing = hold_seals();
  if (!sealing.ok()) return sealing.status();
  {
    // Another process may have sealed and removed it meanwhile.
    const std::lock_guard lock(write_mutex_);
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
  }
  while (next(segment)) {
    const std::string context =
        base::cat("cannot seal segment ", segment.header->sequence, " of the redo log");
    const redo::SegmentExtent& extent = segment.view->extent();
    const Result<redo::IndexBuilder> index =
        redo::build_index(*segment.file, *segment.header, extent.end, extent.last_lsn);
    if (!index.ok()) return index.status().with_context(context);
    const Result<redo::Seal> seal = seal_file(segment, extent.end, extent.last_lsn, *index);
    if (!seal.ok()) {
      // Its records are on the disk, and readers do without the index; the next opener tries again.
      const Status failure = seal.status().with_context(context);
      const Code code = failure.code();
      if (code != Code::damaged) return code == Code::no_space ? failure : poison(failure);
    }
    const std::lock_guard lock(write_mutex_);
    for (Segment& s : segments_) {
      if (s.file != segment.file) continue;
      s.to_seal = false;
      // A file that is shorter than its records is left as it is: damage is kept.
      if (!seal.ok()) continue;
      s.view = redo::sealed_segment(segment.file, segment.header, *seal);
      s.lowest_sequence = seal->footer.lowest_sequence;
    }
  }
  return {};
}

void RedoLog::Impl::seal_rolled() {
  if (!has_to_seal_) return;
  const std::int64_t last_ns = control_->page().maintained_ns.load();
  if (last_ns == 0 || os::steady_ns() - last_ns > kHousekeepingTrust.count()) (void)seal_pending();
}

// Rolled by somebody who did not live to seal it.
Status RedoLog::Impl::seal_left_behind() {
  const Result<SealHold> sealing = hold_seals();
  if (!sealing.ok()) return sealing.status();
  const std::lock_guard lock(write_mutex_);
  if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
  if (Status loaded = load_older(); !loaded.ok()) return loaded;
  for (Segment& segment : segments_)
    if (segment.view != nullptr && !segment.view->extent().footer) segment.to_seal = has_to_seal_ = true;
  return {};
}

Status RedoLog::Impl::roll() {
  {
    const Result<Hold> held = hold();
    if (!held.ok()) return held.status();
    if (Status rolled = roll_now(0); !rolled.ok()) return rolled;
  }
  return seal_pending();
}

Status RedoLog::Impl::maintain() {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  control_->page().maintained_ns.store(os::steady_ns());
  {
    const Result<Hold> held = hold();
    if (!held.ok()) return held.status();
    if (is_too_old()) {
      if (Status rolled = roll_now(0); !rolled.ok()) return rolled;
    }
  }
  if (Status left = seal_left_behind(); !left.ok()) return left;
  if (Status sealed = seal_pending(); !sealed.ok()) return sealed;
  // Without a spare the next roll makes its own.
  if (Status kept = keep_spare(); !kept.ok() && kept.code() != Code::no_space) return kept;
  Lsn written = 0;
  {
    const Result<Hold> held = hold();
    if (!held.ok()) return held.status();
    const std::uint64_t needed = kStepRoom + state_.reserved + redo::kTailRoom + redo::kHeadBytes * 2;
    if (state_.last_is_mark == 0 && state_.position + needed <= state_.capacity) {
      // Until a later record says so, nothing but this proves that the newest ones were on the disk (R8).
      if (Status synced = sync_now(); !synced.ok()) return synced;
      const Result<Placed> placed = write_mark(redo::MarkReason::idle);
      if (!placed.ok()) return placed.status();
    }
    written = state_.end;
  }
  return wait_durable(written);
}

}  // namespace v0
}  // namespace restante

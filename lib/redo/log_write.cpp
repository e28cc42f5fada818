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

}  // namespace

Status RedoLog::Impl::check_process() const {
  if (::getpid() == pid_) return {};
  return Status(Code::busy,
                base::cat("the redo log in ", base::escape(path_), " was opened by process ", pid_,
                          ", from which this process was forked"),
                "open the log in the process that uses it; an inherited handle cannot be used or closed");
}

Status RedoLog::Impl::check_usable() const {
  if (Status process = check_process(); !process.ok()) return process;
  if (!poisoned_) return {};
  const std::lock_guard lock(sync_mutex_);
  return Status(
      Code::poisoned,
      base::cat("the redo log in ", base::escape(path_), " failed before: ", poison_cause_.message()),
      "close every handle of the log and open it again");
}

Status RedoLog::Impl::poison(const Status& cause) {
  const std::lock_guard lock(sync_mutex_);
  if (!poisoned_) {
    poison_cause_ = cause;
    poisoned_ = true;
    // Recovery must not believe the cache above this. If even this cannot be written, the records above are
    // whole or absent like all that a crash cuts off.
    (void)control_->set_poison({durable_.sequence, durable_.offset, durable_.lsn});
    synced_.notify_all();
  }
  return not_durable();
}

Status RedoLog::Impl::make_room(std::uint64_t bytes, std::uint64_t reserve) {
  const std::uint64_t needed = kStepRoom + bytes + reserve + reserved_ + redo::kTailRoom;
  if (writer_.position + needed <= writer_.capacity) return {};
  return roll_now(needed);
}

Result<RedoLog::Impl::Placed> RedoLog::Impl::write(Frame& frame) {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  const Time wall = options_.clock->now();
  const std::optional<std::int64_t> monotonic =
      hooks_.monotonic_us ? std::optional<std::int64_t>(hooks_.monotonic_us()) : std::nullopt;
  const Time commit = std::max(wall, last_commit_);
  // Without a second clock nothing tells a step forward from time that passed.
  const bool knows_elapsed = monotonic && last_monotonic_;
  const std::int64_t elapsed = knows_elapsed ? *monotonic - *last_monotonic_ : 0;
  const Time expected{last_wall_.us + elapsed};
  const bool stepped_back = wall.us < expected.us - redo::kClockStepUs;
  const bool stepped_forward = knows_elapsed && wall.us > expected.us + redo::kClockStepUs;
  if (has_last_wall_ && (stepped_back || stepped_forward)) {
    Frame step;
    step.head.kind = redo::RecordKind::clock_step;
    redo::begin_frame(step.bytes, {}, {});
    redo::encode_clock_step(step.bytes, {expected, wall});
    redo::close_frame(step.bytes, step.head, {}, {});
    const Result<Placed> placed = write_one(step, wall, commit);
    if (!placed.ok()) return placed;
  }
  last_monotonic_ = monotonic;
  return write_one(frame, wall, commit);
}

Result<RedoLog::Impl::Placed> RedoLog::Impl::write_one(Frame& frame, Time wall, Time commit) {
  const redo::SegmentHeader& header = *segments_.back().header;
  redo::RecordHead& head = frame.head;
  head.lsn = end_ + 1;
  {
    const std::lock_guard lock(sync_mutex_);
    head.durable_lsn = durable_.lsn;
  }
  head.wall_time = wall;
  head.commit_time = commit;
  if (head.kind == redo::RecordKind::begin || head.kind == redo::RecordKind::append)
    head.transaction = head.lsn;
  const std::uint64_t offset = writer_.position;
  redo::finish_frame(frame.bytes, head, header.place(offset));

  if (Status written = os::write_all_at(io_, writer_.fd->get(), frame.bytes, offset); !written.ok()) {
    return poison(written);
  }
  if (frame.content) {
    frame.content->last_sequence = header.sequence;
    frame.content->last_lsn = head.lsn;
    frame.content->last_offset = offset;
    if (frame.content->first_sequence == 0) frame.content->first_sequence = header.sequence;
  }
  const std::uint64_t lowest = frame.lowest_sequence == 0 ? header.sequence : frame.lowest_sequence;
  const std::uint64_t count = writer_.index->record_count();
  writer_.index->add(head, offset, frame.account_id, frame.content, lowest);
  if (count % redo::kSparseStep == 0) writer_.sparse->add({head.lsn, offset, commit});
  writer_.position += frame.bytes.size();
  last_wall_ = wall;
  last_commit_ = commit;
  has_last_wall_ = true;
  last_is_mark_ = head.kind == redo::RecordKind::mark;
  last_is_close_mark_ = false;
  end_ = head.lsn;
  const std::lock_guard lock(sync_mutex_);
  written_ = {head.lsn, header.sequence, writer_.position, commit};
  return Placed{header.sequence, offset, head.lsn, commit};
}

Status RedoLog::Impl::not_durable() const {
  return Status(Code::not_durable,
                base::cat("the redo log in ", base::escape(path_), ": ", poison_cause_.message()),
                "close every handle of the log and open it again");
}

Status RedoLog::Impl::wait_durable(Lsn lsn) {
  const auto until = std::chrono::steady_clock::now() + options_.deadline;
  std::unique_lock lock(sync_mutex_);
  while (durable_.lsn < lsn) {
    if (poisoned_) return not_durable();
    if (!sync_runs_) {
      if (Status led = run_sync(lock); !led.ok()) return led;
    } else if (synced_.wait_until(lock, until) == std::cv_status::timeout && durable_.lsn < lsn) {
      return Status(Code::timed_out, base::cat("LSN ", lsn, " of the redo log in ", base::escape(path_),
                                               " is still being written to the disk"));
    }
  }
  return {};
}

Status RedoLog::Impl::run_sync(std::unique_lock<std::mutex>& lock) {
  sync_runs_ = true;
  const std::shared_ptr<const os::Fd> fd = written_fd_;
  const Durable target = written_;
  lock.unlock();
  // Whatever lies in an older segment was synced when it was rolled.
  const Status synced = io_.fdatasync(fd->get());
  const Status result = synced.ok() ? Status() : poison(synced);
  lock.lock();
  sync_runs_ = false;
  // A failure elsewhere has fixed how far recovery will go; nothing beyond may be acknowledged (R7). A roll
  // meanwhile has made more durable than this.
  if (synced.ok() && !poisoned_ && durable_.sequence <= target.sequence) durable_ = target;
  synced_.notify_all();
  return result;
}

Status RedoLog::Impl::sync_now() {
  std::unique_lock lock(sync_mutex_);
  while (sync_runs_) synced_.wait(lock);
  if (poisoned_) return not_durable();
  if (Status synced = run_sync(lock); !synced.ok()) return synced;
  return poisoned_ ? not_durable() : Status();
}

Status RedoLog::Impl::sync() {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  Lsn written = 0;
  {
    const std::lock_guard lock(write_mutex_);
    written = end_;
  }
  return wait_durable(written);
}

Status RedoLog::Impl::roll_now(std::uint64_t min_room, bool may_be_small) {
  // The next header fixes where this segment ends; it may only name what is on the disk.
  if (Status synced = sync_now(); !synced.ok()) return synced;
  Segment& old = segments_.back();
  redo::SegmentHeader header = identity_;
  header.sequence = old.header->sequence + 1;
  header.first_lsn = end_ + 1;
  header.previous_end = writer_.position;
  header.previous_last_crc = writer_.index->last_crc();
  header.opened_sequence = opened_sequence_;
  header.created_wall = options_.clock->now();
  header.created_commit = last_commit_;
  for (const auto& [lsn, open] : open_) header.open.push_back(open.transaction);

  bool in_doubt = false;
  Result<Writer> next =
      create_segment(header, std::max(min_room, reserved_ + redo::kTailRoom), may_be_small, &in_doubt);
  if (!next.ok()) {
    const Status failure = next.status().with_context("cannot begin the next segment of the redo log");
    return in_doubt ? poison(failure) : failure;
  }

  redo::SegmentExtent extent;
  extent.end = writer_.position;
  extent.last_lsn = end_;
  extent.is_complete = true;
  extent.first_time = writer_.index->first_time();
  extent.last_time = writer_.index->last_time();
  extent.sparse = writer_.sparse;
  old.view = std::make_shared<const redo::RawSegment>(old.file, old.header, extent);
  old.lowest_sequence = writer_.index->lowest_sequence();
  old.index = std::move(writer_.index);
  writer_ = std::move(*next);
  const std::string name = redo::segment_name(header.sequence);
  segments_.push_back({std::make_shared<const redo::SegmentFile>(io_, directory_, name),
                       std::make_shared<const redo::SegmentHeader>(header), nullptr, nullptr,
                       header.sequence});
  touched_.clear();
  std::erase_if(recent_, [this](const auto& entry) { return !is_near(entry.second); });
  const std::lock_guard lock(sync_mutex_);
  written_fd_ = writer_.fd;
  written_ = durable_ = {end_, header.sequence, writer_.position, last_commit_};
  return {};
}

Result<redo::Seal> RedoLog::Impl::seal_file(const Segment& segment, std::uint64_t end, Lsn last_lsn,
                                            const redo::IndexBuilder& index) {
  const Result<os::Fd> fd = io_.open_at(directory_->get(), segment.file->name(), O_RDWR | O_NOFOLLOW, 0);
  if (!fd.ok()) return fd.status();
  return redo::seal_segment(io_, fd->get(), *segment.header, end, last_lsn, index);
}

Status RedoLog::Impl::seal_pending() {
  const std::lock_guard sealing(seal_mutex_);
  for (;;) {
    Segment segment;
    {
      const std::lock_guard lock(write_mutex_);
      const auto pending = std::find_if(segments_.begin(), segments_.end(), [](const Segment& s) {
        return s.view != nullptr && s.index != nullptr;
      });
      if (pending == segments_.end()) return {};
      segment = *pending;
      pending->index = nullptr;  // claimed
    }
    const auto give_back = [&] {
      const std::lock_guard lock(write_mutex_);
      for (Segment& s : segments_) {
        if (s.file == segment.file) s.index = segment.index;  // for the next try
      }
    };
    const std::string context =
        base::cat("cannot seal segment ", segment.header->sequence, " of the redo log");
    const redo::SegmentExtent& extent = segment.view->extent();
    const Result<redo::Seal> seal = seal_file(segment, extent.end, extent.last_lsn, *segment.index);
    if (!seal.ok()) {
      // Its records are on the disk, and readers do without the index; the next opener tries again.
      if (seal.status().code() == Code::no_space) {
        give_back();
        return seal.status().with_context(context);
      }
      return poison(seal.status().with_context(context));
    }
    const std::lock_guard lock(write_mutex_);
    for (Segment& s : segments_) {
      if (s.file == segment.file) s.view = redo::sealed_segment(segment.file, segment.header, *seal);
    }
  }
}

Status RedoLog::Impl::roll() {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  {
    const std::lock_guard lock(write_mutex_);
    if (Status usable = check_usable(); !usable.ok()) return usable;
    if (Status rolled = roll_now(0); !rolled.ok()) return rolled;
  }
  return seal_pending();
}

Status RedoLog::Impl::maintain() {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  if (Status sealed = seal_pending(); !sealed.ok()) return sealed;
  Lsn written = 0;
  {
    const std::lock_guard lock(write_mutex_);
    if (!spare_) {
      Result<Spare> spare = make_spare(options_.segment_bytes);
      if (spare.ok()) spare_ = std::move(*spare);
      // Without a spare the next roll makes its own.
      if (!spare.ok() && spare.status().code() != Code::no_space) return spare.status();
    }
    const bool has_room =
        writer_.position + kStepRoom + reserved_ + redo::kTailRoom + redo::kHeadBytes * 2 <= writer_.capacity;
    if (!last_is_mark_ && has_room) {
      // Until a later record says so, nothing but this proves that the newest ones were on the disk (R8).
      if (Status synced = sync_now(); !synced.ok()) return synced;
      Frame mark;
      mark.head.kind = redo::RecordKind::mark;
      redo::begin_frame(mark.bytes, {}, {});
      redo::encode_mark(mark.bytes, redo::MarkReason::idle);
      redo::close_frame(mark.bytes, mark.head, {}, {});
      const Result<Placed> placed = write(mark);
      if (!placed.ok()) return placed.status();
    }
    written = end_;
  }
  return wait_durable(written);
}

}  // namespace v0
}  // namespace restante

// Acknowledgement (R7): whoever waits for the disk syncs for all who wrote before, in every process.

#include <sched.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "os/shared_memory.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::chrono::milliseconds kSyncStep{50};
/// A yield that lets somebody write costs less than the sync that he would wait for.
constexpr int kMostYields = 16;

}  // namespace

Status RedoLog::Impl::not_durable() const {
  return Status(Code::not_durable, base::cat("the redo log in ", base::escape(path_), ": ", poison_cause()),
                "close every handle of the log, in every process, and open it again");
}

Status RedoLog::Impl::acknowledge(Lsn lsn, Sync sync) {
  if (sync == Sync::lazy) return {};
  const std::int64_t interval_ns = std::chrono::nanoseconds(options_.sync_interval).count();
  const std::int64_t since_ns = os::steady_ns() - control_->page().synced_ns.load(std::memory_order_relaxed);
  if (sync == Sync::interval && since_ns < interval_ns) return {};
  return wait_durable(lsn);
}

Status RedoLog::Impl::wait_durable(Lsn lsn) {
  redo::ControlPage& page = control_->page();
  const auto until = std::chrono::steady_clock::now() + options_.deadline;
  for (;;) {
    const std::uint32_t seen[] = {page.rounds[0].now(), page.rounds[1].now()};
    if (page.durable.load().lsn >= lsn) return {};
    if (is_poisoned()) return not_durable();
    const os::RobustMutex::Taken taken = page.sync_lock.try_lock();
    if (taken != os::RobustMutex::Taken::no) {
      let_others_write();
      if (Status led = lead_sync(taken == os::RobustMutex::Taken::from_the_dead); !led.ok()) return led;
      continue;
    }
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) {
      return Status(Code::timed_out, base::cat("LSN ", lsn, " of the redo log in ", base::escape(path_),
                                               " is still being written to the disk by ",
                                               control_->name_of(page.sync_holder.load())));
    }
    const redo::SyncRound round = page.round.load();
    const std::uint64_t serving = (lsn <= round.end ? round.number : round.number + 1) % 2;
    // Whoever dies while he syncs signals nothing: look again now and then.
    page.rounds[serving].wait(seen[serving], std::min<std::chrono::nanoseconds>(left, kSyncStep));
  }
}

// Those whom the last round served are awake and about to write again: one round that serves them all costs
// less than two.
void RedoLog::Impl::let_others_write() const {
  const redo::ControlPage& page = control_->page();
  Lsn end = page.writer.load().end;
  for (int i = 0; i < kMostYields; ++i) {
    ::sched_yield();
    const Lsn now = page.writer.load().end;
    if (now == end) return;
    end = now;
  }
}

Status RedoLog::Impl::lead_sync(bool after_death) {
  redo::ControlPage& page = control_->page();
  page.sync_holder.store(control_->slot(), std::memory_order_relaxed);
  // Whoever writes from here on waits for the next round.
  const redo::SyncRound round{page.round.load().number + 1, page.writer.load().end};
  page.round.store(round);
  const Result<Current> current = write_out();
  Status done = current.status();
  if (done.ok()) {
    const redo::WriterState& target = current->state;
    if (after_death) done = write_again(current->fd->get(), target);
    // Before the sync: what is written while it runs waits for the next.
    page.synced_ns.store(os::steady_ns(), std::memory_order_relaxed);
    // Whatever lies in an older segment was synced when it was rolled.
    if (done.ok()) done = io_.fdatasync(current->fd->get());
    // A failure elsewhere has fixed how far recovery will go; nothing beyond may be acknowledged (R7). A roll
    // meanwhile has made more durable than this.
    if (done.ok() && !is_poisoned() && page.durable.load().sequence <= target.sequence)
      page.durable.store({target.end, target.sequence, target.position, target.last_commit_us});
  }
  // Before the lock goes: nobody may succeed where this failed.
  if (done.code() == Code::busy)
    done = Status(Code::timed_out, done.message(), done.hint());
  else if (!done.ok())
    done = poison(done);
  page.sync_holder.store(redo::kNoOwner, std::memory_order_relaxed);
  if (after_death) page.sync_lock.repaired();
  page.sync_lock.unlock();
  // First whoever leads the next, while this one wakes those whom it served. Whom the dead served nobody
  // knows; and one who wrote while this round began waits for the next, but was served by this: woken alone,
  // he would lead nothing.
  os::SharedEvent& next = page.rounds[(round.number + 1) % 2];
  if (after_death || (current.ok() && current->state.end > round.end))
    next.signal();
  else
    next.signal_one();
  page.rounds[round.number % 2].signal();
  page.synced.signal();
  return done;
}

// Who died may have been told of a failed write-back, and nobody is told twice: what may be clean in the
// cache and not on the disk is made dirty again. What the cache has lost by then is found out.
Status RedoLog::Impl::write_again(int fd, const redo::WriterState& target) {
  const redo::DurableState durable = control_->page().durable.load();
  const auto file =
      std::make_shared<const redo::SegmentFile>(io_, directory_, redo::segment_name(target.sequence));
  const Result<redo::SegmentHeader> header = redo::read_header(*file);
  if (!header.ok()) return header.status();
  const bool is_here = durable.sequence == target.sequence;
  const std::uint64_t from = is_here ? durable.offset : header->records_begin();
  redo::RecordScan::Bounds bounds;
  bounds.begin = header->place(from);
  bounds.first_lsn = is_here ? durable.lsn + 1 : header->first_lsn;
  bounds.end = target.position;
  bounds.last_lsn = target.end;
  const Result<std::shared_ptr<const os::Fd>> own = file->open();
  if (!own.ok()) return own.status();
  redo::RecordScan scan(io_, *own, bounds);
  redo::Record record;
  for (;;) {
    const Result<redo::ScanStep> step = scan.next(record);
    if (!step.ok()) return step.status();
    if (*step == redo::ScanStep::end) break;
    if (*step == redo::ScanStep::gap)
      return Status(Code::io, "a process died while it synced, and what it wrote is lost");
  }
  return os::write_again(io_, fd, from, target.position);
}

Status RedoLog::Impl::sync_now() {
  redo::ControlPage& page = control_->page();
  const auto until = std::chrono::steady_clock::now() + options_.deadline;
  const os::RobustMutex::Taken taken = page.sync_lock.lock_until(until);
  if (taken == os::RobustMutex::Taken::no) {
    return Status(Code::timed_out, base::cat("the redo log in ", base::escape(path_), " is being synced by ",
                                             control_->name_of(page.sync_holder.load())));
  }
  if (is_poisoned()) {
    if (taken == os::RobustMutex::Taken::from_the_dead) page.sync_lock.repaired();
    page.sync_lock.unlock();
    return not_durable();
  }
  if (Status led = lead_sync(taken == os::RobustMutex::Taken::from_the_dead); !led.ok()) return led;
  return is_poisoned() ? not_durable() : Status();
}

Status RedoLog::Impl::sync() {
  if (Status usable = check_usable(); !usable.ok()) return usable;
  return wait_durable(control_->page().writer.load().end);
}

}  // namespace v0
}  // namespace restante

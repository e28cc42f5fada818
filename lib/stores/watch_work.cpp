// Logs what changed: which account is next, rounds of several, and what becomes of an account behind them.

#include <algorithm>

#include "base/text.hpp"
#include "stores/watch_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

using std::chrono::milliseconds;
using stores::Steady;

constexpr milliseconds kFirstDelay{200};
constexpr milliseconds kLongestDelay{60'000};
constexpr milliseconds kLongestWait{1000};
// Changes of many accounts are logged in rounds, with one sync for all. A round of so many accounts, or one
// that takes so long, is synced before it goes on.
constexpr std::size_t kMostInRound = 64;
constexpr milliseconds kLongestRound{50};
// Where rounds take long, changes are collected longer: this many times as long as a round takes, and at most
// so long. A server that is busy has the processors for itself then.
constexpr int kRestPerWork = 8;
constexpr milliseconds kMostCollecting{100};
// At a file that is not where it was heard of last.
constexpr int kMaxLooks = 3;

}  // namespace

void Watcher::Impl::changed(const WatchedPtr& account) {
  if (account->first_change == Steady::time_point{}) account->first_change = Steady::now();
  if (!account->queued && !account->busy && !account->unmounted) queue(*account, due_of(*account));
}

// Accounts that change at about the same time are due at the same time.
Steady::time_point Watcher::Impl::due_of(const Watched& account) const {
  const Steady::duration soonest =
      (Steady::now() + std::max<Steady::duration>(pace / 2, account.delay)).time_since_epoch();
  return Steady::time_point((soonest / pace + 1) * pace);
}

void Watcher::Impl::queue(Watched& account, Steady::time_point due) {
  if (account.queued) waiting.erase({account.due, &account});
  account.due = due;
  account.queued = true;
  const auto place = waiting.insert({due, &account}).first;
  if (place == waiting.begin()) wake.notify_one();
}

// As many accounts as one round takes; one that needs more than a look at some files comes alone.
std::vector<Watcher::Impl::WatchedPtr> Watcher::Impl::next(Steady::time_point now) {
  std::vector<WatchedPtr> taken;
  for (auto at = waiting.begin(); at != waiting.end() && taken.size() < kMostInRound;) {
    Watched& account = *at->second;
    if (!stopping && account.due > now) break;
    const stores::AccountChanges& changes = account.changes;
    const bool comes_alone = changes.needs_scan || changes.needs_watches || !changes.new_dirs.empty();
    // What needs a scan, or did not work, the next start finds.
    const bool left_to_next_start = stopping && (changes.needs_scan || account.delay > milliseconds(0));
    if (comes_alone && !left_to_next_start && !taken.empty()) {
      ++at;
      continue;
    }
    at = waiting.erase(at);
    account.queued = false;
    if (left_to_next_start) continue;
    account.busy = true;
    taken.push_back(accounts.at(account.id));
    if (comes_alone) break;
  }
  return taken;
}

// Part of it is waiting for processors that others use, and that is what this is for.
void Watcher::Impl::note_round(Steady::duration took) {
  const std::lock_guard lock(mutex);
  const Steady::duration most = std::max(options.settle, kMostCollecting);
  const Steady::duration wanted = std::clamp<Steady::duration>(kRestPerWork * took, options.settle, most);
  pace = (3 * pace + wanted) / 4;
}

Steady::time_point Watcher::Impl::next_time() const {
  return waiting.empty() ? list_due : std::min(list_due, waiting.begin()->first);
}

void Watcher::Impl::work() {
  std::unique_lock lock(mutex);
  while (!(stopping && waiting.empty() && at_work == 0) && stops < 2 && failure.ok()) {
    const Steady::time_point now = Steady::now();
    if (!stopping && !listing && list_due <= now) {
      listing = true;
      ++at_work;
      lock.unlock();
      list_accounts();
      lock.lock();
      --at_work;
      listing = false;
    } else if (const std::vector<WatchedPtr> due = next(now); !due.empty()) {
      ++at_work;
      // Somebody else looks after what comes next.
      wake.notify_one();
      lock.unlock();
      handle(due);
      make_room();
      lock.lock();
      --at_work;
    } else {
      wake.wait_until(lock,
                      stopping ? now + milliseconds(20) : std::min(next_time(), now + milliseconds(1000)));
    }
  }
  wake.notify_all();
}

void Watcher::Impl::handle(const std::vector<WatchedPtr>& accounts_due) {
  std::vector<Worked> round;
  Steady::time_point begun = Steady::now();
  for (const WatchedPtr& account : accounts_due) {
    round.push_back(work_on(account));
    if (Steady::now() - begun < kLongestRound) continue;
    end_round(round, begun);
    begun = Steady::now();
  }
  end_round(round, begun);
}

// One sync for all of them.
void Watcher::Impl::end_round(std::vector<Worked>& round, Steady::time_point begun) {
  const bool is_written = std::any_of(round.begin(), round.end(), [](const Worked& worked) {
    return worked.done.event.kind == WatchEvent::Kind::logged && worked.done.event.operations > 0;
  });
  const Status synced = is_written ? scanner.log.sync() : Status();
  if (is_written) note_round(Steady::now() - begun);
  for (Worked& worked : round) {
    if (!synced.ok() && worked.done.event.operations > 0) {
      worked.account->mailbox.forget();
      worked.done.status = synced;
    }
    settle(worked.account, std::move(worked.done), std::move(worked.changes), worked.begun);
  }
  round.clear();
}

Watcher::Impl::Worked Watcher::Impl::work_on(const WatchedPtr& account) {
  Worked worked;
  worked.account = account;
  {
    const std::lock_guard lock(mutex);
    std::swap(worked.changes, account->changes);
    ++account->batch;
    worked.begun = std::exchange(account->first_change, {});
  }
  worked.done = log_or_scan(account, worked.changes);
  // An open directory would keep its file system from being unmounted.
  MaildirInternals::close_account(store, account->id);
  return worked;
}

Watcher::Impl::Done Watcher::Impl::log_or_scan(const WatchedPtr& account, stores::AccountChanges& changes) {
  Done done;
  done.event.account_id = account->id;
  if (changes.needs_watches || !changes.new_dirs.empty()) {
    done.status = watch_account(account, changes);
    // That it has gone is for the scan to say.
    if (done.status.code() == Code::not_found) done.status = Status();
    if (!done.status.ok()) {
      done.is_fatal = done.status.code() == Code::no_space;
      return done;
    }
  }
  if (!changes.needs_scan) {
    Result<stores::WatchedMailbox::Logged> logged = account->mailbox.log(changes);
    done.status = logged.status();
    if (!logged.ok()) return done;
    done.event.kind = WatchEvent::Kind::logged;
    done.event.operations = logged->operations;
    done.left = std::move(logged->left);
    if (logged->outcome == stores::WatchedMailbox::Outcome::logged) return done;
  }
  done.status = check_gone(*account);
  if (done.status.ok()) scan(*account, done);
  return done;
}

// A mailbox that is not there has been removed, or its file system is about to be missed: then the kernel
// says so in a moment, or all mailboxes are away.
Status Watcher::Impl::check_gone(Watched& account) {
  const Result<stores::AccountDir> dir = finder.open(account.id);
  if (dir.ok() || dir.status().code() != Code::not_found) {
    account.missing_since = {};
    return dir.ok() ? Status() : dir.status();
  }
  const Steady::time_point now = Steady::now();
  if (account.missing_since == Steady::time_point{}) account.missing_since = now;
  const Result<stores::AccountFinder::Found> others = finder.find_all();
  if (!others.ok()) return others.status();
  const bool is_lone = others->mailboxes.empty();
  if (now - account.missing_since >= stores::kMountInterval && !is_lone) return {};
  return Status(Code::busy, base::cat("the mailbox of ", base::escape(account.id), " is not there"));
}

void Watcher::Impl::scan(Watched& account, Done& done) {
  const Result<ScanReport> report = account.mailbox.scan();
  done.event.kind = WatchEvent::Kind::scanned;
  done.left = stores::AccountChanges();
  done.has_scanned = true;
  if (!report.ok()) {
    done.is_gone = report.status().code() == Code::not_found;
    if (!done.is_gone) done.status = report.status();
    return;
  }
  const DifferenceSummary& difference = report->difference;
  const DifferenceCounts& messages = difference.messages;
  const DifferenceCounts& items = difference.items;
  done.event.operations += messages.added + messages.removed + messages.flags_changed + messages.changed +
                           items.added + items.removed + items.changed + difference.folders.size();
  done.is_gone = difference.account_changed && account.mailbox.is_gone();
  if (!done.is_gone) return;
  done.event.kind = WatchEvent::Kind::removed;
  account.mailbox.forget();
}

void Watcher::Impl::settle(const WatchedPtr& account, Done done, stores::AccountChanges changes,
                           Steady::time_point begun) {
  const Steady::time_point now = Steady::now();
  WatchEvent event = std::move(done.event);
  bool is_news = event.kind != WatchEvent::Kind::logged || event.operations > 0;
  {
    const std::lock_guard lock(mutex);
    account->busy = false;
    keep_in_memory(*account);
    if (done.has_scanned && done.status.ok()) {
      ++counts.scans;
      account->last_scan = now;
    }
    if (!done.status.ok()) {
      changes.needs_scan = true;
      account->changes.put_before(std::move(changes));
      account->first_change = begun;
      is_news = account->delay == milliseconds(0);
      // Another one has the account, and not for long.
      const bool is_taken =
          done.status.code() == Code::restore_unfinished || done.status.code() == Code::busy;
      account->delay = std::clamp(2 * account->delay, kFirstDelay, is_taken ? kLongestWait : kLongestDelay);
      event.kind = WatchEvent::Kind::delayed;
      event.status = done.status;
      if (done.is_fatal) fail(done.status);
      settle_requests(*account, false);
    } else {
      if (done.left.empty()) settle_requests(*account, true);
      account->delay = milliseconds(0);
      counts.operations += event.operations;
      account->looks = done.left.empty() ? 0 : account->looks + 1;
      if (account->looks > kMaxLooks) done.left.needs_scan = true;
      if (!done.left.empty()) {
        account->changes.put_before(std::move(done.left));
        account->first_change = begun;
      } else if (begun != Steady::time_point{}) {
        event.lag = std::chrono::duration_cast<std::chrono::microseconds>(now - begun);
        if (event.operations > 0) note_lag(now - begun);
      }
    }
    if (done.is_gone) {
      forget(*account);
    } else if (!account->changes.empty() && !account->unmounted) {
      queue(*account, due_of(*account));
    }
  }
  answer_requests();
  if (event.kind == WatchEvent::Kind::delayed) check_log();
  if (is_news) tell(event);
}

// A log that has failed does not come back in this process.
void Watcher::Impl::check_log() {
  const Status usable = scanner.log.sync();
  if (usable.ok() || usable.code() == Code::no_space || usable.code() == Code::busy ||
      usable.code() == Code::timed_out)
    return;
  const std::lock_guard lock(mutex);
  fail(usable);
}

void Watcher::Impl::fail(const Status& status) {
  if (failure.ok()) failure = status;
  stopping = true;
  stop_reading();
}

void Watcher::Impl::stop_reading() noexcept {
  const std::uint64_t one = 1;
  (void)!::write(stop_fd.get(), &one, sizeof one);
}

// Of an account that is not there any more.
void Watcher::Impl::forget(Watched& account) {
  if (account.queued) waiting.erase({account.due, &account});
  if (account.in_memory) used.erase(account.used);
  counts.messages_in_memory -= account.messages;
  const WatchedPtr held = accounts.at(account.id);
  for (auto at = places.begin(); at != places.end();) {
    const bool is_its = at->second.account == held;
    if (is_its) inotify.remove(at->first);
    at = is_its ? places.erase(at) : std::next(at);
  }
  accounts.erase(account.id);
  // It may have come back while it was taken for gone.
  list_due = std::min(list_due, Steady::now() + stores::kListDelay);
}

void Watcher::Impl::note_lag(Steady::duration lag) { lags[lag_count++ % stores::kLags] = lag; }

}  // namespace v0
}  // namespace restante

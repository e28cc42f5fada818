#include <restante/watcher.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "os/errors.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_uidlist.hpp"
#include "stores/watch_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

using std::chrono::milliseconds;
using stores::Steady;

// The kernel's queue is not read before so much time has passed again. It holds 16,384 events, or what
// fs.inotify.max_queued_events says.
constexpr milliseconds kLongestPause{25};

}  // namespace

// --- What the kernel tells ----------------------------------------------------------------------------

void Watcher::Impl::read_events() {
  std::unique_lock lock(mutex, std::defer_lock);
  for (bool last = false; !last;) {
    // What had happened when it was asked to stop is told already.
    std::uint64_t asked = 0;
    last = ::read(stop_fd.get(), &asked, sizeof asked) == sizeof asked;
    bool any = false;
    const Status read = inotify.read(stop_fd.get(), milliseconds(last ? 0 : 1000), [&](const auto& event) {
      if (!lock.owns_lock()) lock.lock();
      any = true;
      take_event(event);
    });
    if (!lock.owns_lock()) lock.lock();
    if (!read.ok()) fail(read);
    last = last || stopping;
    if (last) stopping = true;
    end_old_requests();
    const std::vector<WatchEvent> events = std::exchange(untold, {});
    lock.unlock();
    for (const WatchEvent& event : events) tell(event);
    answer_requests();
    if (last) wake.notify_all();
    if (any && !last) pause();
  }
}

// What happens meanwhile is read at once: nobody who works on the store has to wake this thread each time.
void Watcher::Impl::pause() const {
  milliseconds time;
  {
    const std::lock_guard lock(mutex);
    time = std::clamp(std::chrono::duration_cast<milliseconds>(pace / 4), milliseconds(1), kLongestPause);
  }
  pollfd stopped{stop_fd.get(), POLLIN, 0};
  (void)::poll(&stopped, 1, static_cast<int>(time.count()));
}

void Watcher::Impl::take_event(const os::Inotify::Event& event) {
  ++counts.events;
  if ((event.mask & IN_Q_OVERFLOW) != 0) return overflowed();
  const auto found = places.find(event.watch);
  if (found == places.end()) return;
  if ((event.mask & IN_IGNORED) != 0) {
    places.erase(found);
    return;
  }
  const Place& place = found->second;
  if (place.role == stores::Role::requests) {
    const std::string_view question = stores::WatchRequests::question_of(event.name);
    if (!question.empty() && (event.mask & IN_CREATE) != 0) take_request(question);
    return;
  }
  if (place.role == stores::Role::above) {
    const bool may_be_account = (event.mask & (IN_ISDIR | IN_UNMOUNT)) != 0;
    if (may_be_account) {
      list_due = std::min(list_due, Steady::now() + stores::kListDelay);
      wake.notify_one();
    }
    return;
  }
  if ((event.mask & IN_UNMOUNT) != 0) {
    if (!place.account->unmounted)
      untold.push_back({.kind = WatchEvent::Kind::unmounted, .account_id = place.account->id});
    place.account->unmounted = anybody_unmounted = true;
    list_due = std::min(list_due, Steady::now() + stores::kMountInterval);
    wake.notify_one();
    return;
  }
  take_change(place, event);
}

void Watcher::Impl::take_change(const Place& place, const os::Inotify::Event& event) {
  Watched& account = *place.account;
  if (place.role == stores::Role::folder) return take_folder_change(place, event);
  if (stores::is_passed_over(event.name)) return;
  const bool is_message = place.role != stores::Role::other && (event.mask & IN_ISDIR) == 0 &&
                          !event.name.empty() && stores::is_message_name(event.name);
  if (!is_message) {
    account.changes.something();
    if ((event.mask & IN_ISDIR) != 0 && (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0)
      account.changes.new_dirs.insert(place.dir);
  } else if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
    account.changes.went(place.dir, place.role == stores::Role::fresh, event.name);
  } else {
    account.changes.came(place.dir, place.role == stores::Role::fresh, event.name);
  }
  changed(place.account);
}

void Watcher::Impl::take_folder_change(const Place& place, const os::Inotify::Event& event) {
  Watched& account = *place.account;
  if (stores::is_passed_over(event.name)) return;
  const bool is_dir = (event.mask & IN_ISDIR) != 0;
  if (is_dir && !event.name.empty()) {
    // A server touches tmp/ with every delivery.
    if ((event.mask & stores::kEntryChanges) == 0 && event.name == "tmp") return;
    const bool in_account = place.dir == stores::kInboxDir;
    const std::string dir = in_account && !stores::is_part(event.name) ? std::string(event.name) : place.dir;
    // It has not been looked at since it was made.
    if ((event.mask & stores::kEntryChanges) == 0 && account.changes.is_new_folder(dir)) return;
    const bool is_folder = dir != stores::kInboxDir && !stores::parse_folder_dir(dir).empty();
    // One that is moved here was another one.
    if ((event.mask & IN_CREATE) != 0 && is_folder && (in_account || stores::is_part(event.name))) {
      account.changes.new_folder(dir);
    } else {
      if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) account.changes.new_dirs.insert(dir);
      account.changes.something();
    }
  } else if (event.name == "subscriptions" && place.dir == stores::kInboxDir &&
             (event.mask & (IN_DELETE | IN_MOVED_FROM)) == 0) {
    if (event.mask == IN_MODIFY) return;
    account.changes.subscriptions = true;
  } else if (event.name == stores::kUidlistName && (event.mask & (IN_DELETE | IN_MOVED_FROM)) == 0) {
    account.changes.uidlist(place.dir, (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0);
  } else if (event.mask == IN_MODIFY) {
    return;  // what is being written is closed some time
  } else if (event.name.empty() || stores::is_modelled(event.name) || event.name == "subscriptions") {
    account.changes.something();
  } else {
    account.changes.other(place.dir, event.name);
  }
  changed(place.account);
}

void Watcher::Impl::overflowed() {
  ++counts.overflows;
  untold.push_back({.kind = WatchEvent::Kind::overflow});
  for (const auto& [id, account] : accounts) {
    account->changes.everything();
    changed(account);
  }
  list_due = Steady::now();
  wake.notify_one();
  give_up_requests();
}

void Watcher::Impl::tell(const WatchEvent& event) {
  if (!options.on_event) return;
  const std::lock_guard lock(telling);
  options.on_event(event);
}

// --- The watcher --------------------------------------------------------------------------------------

Watcher::Watcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Watcher::~Watcher() = default;

Result<std::unique_ptr<Watcher>> Watcher::open(MaildirStore& store, Scanner& scanner,
                                               const Options& options) {
  if (options.settle < milliseconds(1) || options.threads == 0) {
    return Status(Code::invalid_argument, "a watcher needs a thread, and a millisecond to settle");
  }
  Result<os::Inotify> inotify = os::Inotify::open();
  if (!inotify.ok()) return inotify.status();
  os::Fd stop(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!stop.is_open()) return os::errno_status(errno, "open", "eventfd");
  return std::unique_ptr<Watcher>(
      new Watcher(std::make_unique<Impl>(store, scanner, options, std::move(*inotify), std::move(stop))));
}

Status Watcher::run() { return impl_->run(); }

Status Watcher::Impl::run() {
  serve_requests();
  std::vector<std::thread> threads;
  threads.reserve(options.threads);
  for (unsigned i = 0; i < options.threads; ++i) threads.emplace_back([this] { work(); });
  read_events();
  for (std::thread& thread : threads) thread.join();
  save_all();
  return failure;
}

void Watcher::stop() noexcept {
  ++impl_->stops;
  impl_->stop_reading();
}

WatchStats Watcher::stats() const {
  std::vector<Steady::duration> lags;
  WatchStats stats;
  {
    const std::lock_guard lock(impl_->mutex);
    stats = impl_->counts;
    stats.accounts = impl_->accounts.size();
    stats.watches = impl_->places.size();
    for (const auto& [id, account] : impl_->accounts)
      stats.waiting += account->busy || !account->changes.empty() ? 1 : 0;
    // Once said, it stays true.
    stats.caught_up = impl_->counts.caught_up |= impl_->has_listed && stats.waiting == 0;
    lags.assign(impl_->lags.begin(),
                impl_->lags.begin() +
                    static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(impl_->lag_count, stores::kLags)));
  }
  if (lags.empty()) return stats;
  std::sort(lags.begin(), lags.end());
  const auto at = [&](std::size_t percent) {
    return std::chrono::duration_cast<std::chrono::microseconds>(lags[(lags.size() - 1) * percent / 100]);
  };
  stats.lag_median = at(50);
  stats.lag_p99 = at(99);
  stats.lag_max = at(100);
  return stats;
}

}  // namespace v0
}  // namespace restante

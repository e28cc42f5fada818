#include <restante/watcher.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "os/inotify.hpp"
#include "stores/maildir.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_uidlist.hpp"
#include "stores/watch_mailbox.hpp"

namespace restante {
inline namespace v0 {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kLags = 4096;
constexpr milliseconds kFirstDelay{200};
constexpr milliseconds kLongestDelay{60'000};
constexpr milliseconds kLongestWait{1000};
// New accounts are looked for so long after a directory above them changed, and in any case now and then.
constexpr milliseconds kListDelay{100};
constexpr std::chrono::seconds kListInterval{60};
// While a file system is away.
constexpr std::chrono::seconds kMountInterval{1};
// At a file that is not where it was heard of last.
constexpr int kMaxLooks = 3;

constexpr std::uint32_t kEntryChanges = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kFileChanges = IN_CLOSE_WRITE | IN_ATTRIB;
constexpr std::uint32_t kOwnChanges = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

/// What a watched directory is.
enum class Role : std::uint8_t {
  above,   // accounts lie in it or below
  folder,  // of an account, or the account's own
  cur,
  fresh,  // new/
  other,  // below a folder
};

std::uint32_t mask_of(Role role) {
  switch (role) {
    case Role::above: return kEntryChanges;
    // A server writes to dovecot-uidlist and keeps it open.
    case Role::folder: return kEntryChanges | kFileChanges | kOwnChanges | IN_MODIFY;
    case Role::cur:
    case Role::fresh:
    case Role::other: break;
  }
  return kEntryChanges | kFileChanges | kOwnChanges;
}

bool is_part(std::string_view name) { return name == "cur" || name == "new" || name == "tmp"; }

/// Of a directory so deep below the folder `dir`; nothing for what is not watched, or not as a part of it.
std::optional<Role> role_of(std::string_view dir, int depth, std::string_view name) {
  if (depth > 0) return Role::other;
  if (name == "tmp") return std::nullopt;
  if (name == "cur") return Role::cur;
  if (name == "new") return Role::fresh;
  // Other directories of the account's own are watched like folders.
  return dir == stores::kInboxDir ? std::nullopt : std::optional(Role::other);
}

}  // namespace

struct Watcher::Impl {
  struct Watched {
    Watched(Impl& impl, const std::string& account_id)
        : id(account_id),
          mailbox(impl.scanner, impl.io, impl.finder, MaildirInternals::warning(impl.store), account_id) {
      changes.everything();
    }
    const std::string id;
    // Of the thread that is busy with it.
    stores::WatchedMailbox mailbox;
    Steady::time_point missing_since{};
    // The rest is guarded by `mutex`.
    stores::AccountChanges changes;
    Steady::time_point first_change{};  // zero: none
    Steady::time_point due{};
    Steady::time_point last_scan{};
    milliseconds delay{0};
    std::uint64_t messages = 0;  // in memory
    int looks = 0;               // at files that were not where they were said to be
    bool busy = false;
    bool queued = false;
    bool unmounted = false;
    std::list<Watched*>::iterator used{};
    bool in_memory = false;
  };
  using WatchedPtr = std::shared_ptr<Watched>;

  struct Place {
    Role role = Role::above;
    WatchedPtr account;
    std::string dir;
  };

  Impl(MaildirStore& given_store, Scanner& given_scanner, const Options& given, os::Inotify kernel, os::Fd fd)
      : store(given_store),
        scanner(ScannerInternals::impl(given_scanner)),
        options(given),
        io(MaildirInternals::io(given_store)),
        finder(MaildirInternals::accounts(given_store)),
        inotify(std::move(kernel)),
        stop_fd(std::move(fd)) {}

  Status run();
  void read_events();
  void work();

  // Called with the lock held.
  void take_event(const os::Inotify::Event& event);
  void take_change(const Place& place, const os::Inotify::Event& event);
  void take_folder_change(const Place& place, const os::Inotify::Event& event);
  void overflowed();
  void changed(const WatchedPtr& account);
  void queue(Watched& account, Steady::time_point due);
  void keep_in_memory(Watched& account);
  [[nodiscard]] Watched* next(Steady::time_point now);
  [[nodiscard]] Steady::time_point next_time() const;
  void forget(Watched& account);
  void fail(const Status& status);
  void stop_reading() noexcept;
  void note_lag(Steady::duration lag);

  // Without it.
  void list_accounts();
  void handle(const WatchedPtr& account);
  struct Done {
    Status status;
    WatchEvent event;
    stores::AccountChanges left;
    bool has_scanned = false;
    bool is_gone = false;
    /// It concerns the watching of everybody.
    bool is_fatal = false;
  };
  Done work_on(const WatchedPtr& account, stores::AccountChanges& changes);
  Status check_gone(Watched& account);
  void scan(Watched& account, Done& done);
  void settle(const WatchedPtr& account, Done done, stores::AccountChanges changes, Steady::time_point begun);
  void check_log();
  void make_room();
  void save_all();
  void tell(const WatchEvent& event);
  Status watch_account(const WatchedPtr& account, const stores::AccountChanges& changes);
  Status watch_folder(const WatchedPtr& account, int account_fd, const std::string& dir);
  Status watch_below(const WatchedPtr& account, int dirfd, const std::string& dir, int depth);
  Status watch(int dirfd, Role role, const WatchedPtr& account, const std::string& dir);

  MaildirStore& store;
  ScannerInternals::Impl& scanner;
  const Options options;
  os::Io& io;
  const stores::AccountFinder& finder;
  os::Inotify inotify;
  os::Fd stop_fd;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::map<std::string, WatchedPtr> accounts;
  std::unordered_map<int, Place> places;
  std::set<std::pair<Steady::time_point, Watched*>> waiting;
  std::list<Watched*> used;  // of those in memory, the latest first
  Steady::time_point list_due{};
  bool listing = false;
  bool has_listed = false;
  Status listing_trouble;
  bool anybody_unmounted = false;
  bool stopping = false;
  unsigned at_work = 0;
  std::atomic<int> stops{0};
  Status failure;
  WatchStats counts;
  std::vector<WatchEvent> untold;
  std::set<std::string> told_strays;
  std::array<Steady::duration, kLags> lags{};
  std::uint64_t lag_count = 0;

  std::mutex telling;
};

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
    const std::vector<WatchEvent> events = std::exchange(untold, {});
    lock.unlock();
    for (const WatchEvent& event : events) tell(event);
    if (any || last) wake.notify_all();
  }
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
  const Place place = found->second;
  if (place.role == Role::above) {
    const bool may_be_account = (event.mask & (IN_ISDIR | IN_UNMOUNT)) != 0;
    if (may_be_account) list_due = std::min(list_due, Steady::now() + kListDelay);
    return;
  }
  if ((event.mask & IN_UNMOUNT) != 0) {
    if (!place.account->unmounted)
      untold.push_back({.kind = WatchEvent::Kind::unmounted, .account_id = place.account->id});
    place.account->unmounted = anybody_unmounted = true;
    list_due = std::min(list_due, Steady::now() + kMountInterval);
    return;
  }
  take_change(place, event);
}

void Watcher::Impl::take_change(const Place& place, const os::Inotify::Event& event) {
  Watched& account = *place.account;
  if (place.role == Role::folder) return take_folder_change(place, event);
  if (stores::is_passed_over(event.name)) return;
  const bool is_message = place.role != Role::other && (event.mask & IN_ISDIR) == 0 && !event.name.empty() &&
                          stores::is_message_name(event.name);
  if (!is_message) {
    account.changes.something();
    if ((event.mask & IN_ISDIR) != 0 && (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0)
      account.changes.new_dirs.insert(place.dir);
  } else if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
    account.changes.went(place.dir, place.role == Role::fresh, event.name);
  } else {
    account.changes.came(place.dir, place.role == Role::fresh, event.name);
  }
  changed(place.account);
}

void Watcher::Impl::take_folder_change(const Place& place, const os::Inotify::Event& event) {
  Watched& account = *place.account;
  if (stores::is_passed_over(event.name)) return;
  const bool is_dir = (event.mask & IN_ISDIR) != 0;
  if (is_dir && !event.name.empty()) {
    // A server touches tmp/ with every delivery.
    if ((event.mask & kEntryChanges) == 0 && event.name == "tmp") return;
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
      const bool in_account = place.dir == stores::kInboxDir;
      account.changes.new_dirs.insert(in_account && !is_part(event.name) ? std::string(event.name)
                                                                         : place.dir);
    }
    account.changes.something();
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
}

void Watcher::Impl::changed(const WatchedPtr& account) {
  const Steady::time_point now = Steady::now();
  if (account->first_change == Steady::time_point{}) account->first_change = now;
  if (!account->queued && !account->busy && !account->unmounted)
    queue(*account, now + std::max(options.settle, account->delay));
}

void Watcher::Impl::queue(Watched& account, Steady::time_point due) {
  if (account.queued) waiting.erase({account.due, &account});
  account.due = due;
  account.queued = true;
  waiting.insert({due, &account});
}

// --- Which directories are watched --------------------------------------------------------------------

Status Watcher::Impl::watch(int dirfd, Role role, const WatchedPtr& account, const std::string& dir) {
  // Nobody asks where an event belongs before it is known.
  const std::lock_guard lock(mutex);
  const Result<int> number = inotify.add(dirfd, mask_of(role));
  if (!number.ok()) return number.status();
  places[*number] = {role, account, dir};
  return {};
}

// Of the directories that the changes name, or of all.
Status Watcher::Impl::watch_account(const WatchedPtr& account, const stores::AccountChanges& changes) {
  const Result<stores::AccountDir> dir = finder.open(account->id);
  if (!dir.ok()) return dir.status();
  if (!changes.needs_watches) {
    for (const std::string& name : changes.new_dirs) {
      if (Status watched = watch_folder(account, dir->fd.get(), name); !watched.ok()) return watched;
    }
    return {};
  }
  if (Status watched = watch_folder(account, dir->fd.get(), std::string(stores::kInboxDir)); !watched.ok())
    return watched;
  const Result<std::vector<os::DirEntry>> entries = io.list(dir->fd.get());
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    if (entry.type != os::FileType::directory || is_part(entry.name)) continue;
    if (Status watched = watch_folder(account, dir->fd.get(), entry.name); !watched.ok()) return watched;
  }
  return {};
}

// A directory of the account's own that holds no messages is watched like one that does.
Status Watcher::Impl::watch_folder(const WatchedPtr& account, int account_fd, const std::string& dir) {
  const Result<os::Fd> fd = os::open_dir_at(io, account_fd, dir);
  if (!fd.ok()) return os::is_absent(fd.status()) ? Status() : fd.status();
  if (Status watched = watch(fd->get(), Role::folder, account, dir); !watched.ok()) return watched;
  return watch_below(account, fd->get(), dir, 0);
}

Status Watcher::Impl::watch_below(const WatchedPtr& account, int dirfd, const std::string& dir, int depth) {
  if (depth >= base::kMaxTreeDepth) return {};
  const Result<std::vector<os::DirEntry>> entries = io.list(dirfd);
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    const std::optional<Role> role = role_of(dir, depth, entry.name);
    if (entry.type != os::FileType::directory || !role) continue;
    const Result<os::Fd> below = os::open_dir_at(io, dirfd, entry.name);
    if (!below.ok() && os::is_absent(below.status())) continue;
    if (!below.ok()) return below.status();
    if (Status watched = watch(below->get(), *role, account, dir); !watched.ok()) return watched;
    if (Status watched = watch_below(account, below->get(), dir, depth + 1); !watched.ok()) return watched;
  }
  return {};
}

// --- Which accounts there are -------------------------------------------------------------------------

void Watcher::Impl::list_accounts() {
  Result<stores::AccountFinder::Found> found =
      finder.find_all([&](int dirfd) { return watch(dirfd, Role::above, nullptr, {}); });
  std::set<std::string> there;
  if (found.ok()) {
    for (const auto& [id, path] : found->mailboxes) there.insert(id);
  }
  // Those that went while nobody watched, too.
  Result<std::vector<std::string>> known = std::vector<std::string>();
  if (!has_listed) known = scanner.states.accounts();
  std::unique_lock lock(mutex);
  Status trouble = found.ok() ? known.status() : found.status();
  if (trouble.ok() && there.empty() && !(accounts.empty() && known->empty())) {
    trouble = Status(Code::not_found, "the store has no account any more; nothing is taken for removed",
                     "mount it");
  }
  const Steady::time_point now = Steady::now();
  if (!trouble.ok()) {
    list_due = now + kMountInterval;
    if (trouble.code() == Code::no_space) fail(trouble);
    const bool is_news = trouble.code() != listing_trouble.code();
    listing_trouble = trouble;
    lock.unlock();
    if (is_news) tell({.kind = WatchEvent::Kind::trouble, .status = trouble});
    return;
  }
  listing_trouble = Status();
  const auto begin = [&](const std::string& id) {
    const auto [at, is_new] = accounts.try_emplace(id);
    if (!is_new) return;
    at->second = std::make_shared<Watched>(*this, id);
    changed(at->second);
  };
  for (const std::string& id : there) begin(id);
  anybody_unmounted = false;
  for (const std::string& id : *known) begin(id);
  has_listed = true;
  for (const auto& [id, account] : accounts) {
    const bool is_there = there.contains(id);
    if (account->unmounted && !is_there) {
      anybody_unmounted = true;
      continue;
    }
    const bool is_old = !account->busy && now - account->last_scan > options.rescan;
    if (!account->unmounted && is_there && !is_old) continue;
    account->unmounted = false;
    account->changes.everything();
    changed(account);
  }
  for (const stores::AccountFinder::Stray& stray : found->strays) {
    if (told_strays.insert(stray.id).second)
      untold.push_back({.kind = WatchEvent::Kind::trouble, .account_id = stray.id, .status = stray.why});
  }
  list_due = now + (anybody_unmounted ? std::chrono::seconds(kMountInterval) : kListInterval);
}

// --- Working on accounts ------------------------------------------------------------------------------

Watcher::Impl::Watched* Watcher::Impl::next(Steady::time_point now) {
  for (auto at = waiting.begin(); at != waiting.end();) {
    Watched& account = *at->second;
    if (!stopping && account.due > now) return nullptr;
    // What needs a scan, or did not work, the next start finds.
    const bool left_to_next_start =
        stopping && (account.changes.needs_scan || account.delay > milliseconds(0));
    at = waiting.erase(at);
    account.queued = false;
    if (!left_to_next_start) return &account;
  }
  return nullptr;
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
    } else if (Watched* const account = next(now)) {
      const WatchedPtr held = accounts.at(account->id);
      held->busy = true;
      ++at_work;
      lock.unlock();
      handle(held);
      make_room();
      lock.lock();
      --at_work;
    } else {
      wake.wait_until(lock,
                      stopping ? now + milliseconds(20) : std::min(next_time(), now + milliseconds(1000)));
      continue;
    }
    wake.notify_all();
  }
}

void Watcher::Impl::handle(const WatchedPtr& account) {
  stores::AccountChanges changes;
  Steady::time_point begun;
  {
    const std::lock_guard lock(mutex);
    std::swap(changes, account->changes);
    begun = std::exchange(account->first_change, {});
  }
  Done done = work_on(account, changes);
  // An open directory would keep its file system from being unmounted.
  MaildirInternals::close_account(store, account->id);
  settle(account, std::move(done), std::move(changes), begun);
}

Watcher::Impl::Done Watcher::Impl::work_on(const WatchedPtr& account, stores::AccountChanges& changes) {
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
  if (now - account.missing_since >= kMountInterval && !is_lone) return {};
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
  if (done.is_gone) done.event.kind = WatchEvent::Kind::removed;
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
    } else {
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
      queue(*account, now + std::max(options.settle, account->delay));
    }
  }
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
  list_due = std::min(list_due, Steady::now() + kListDelay);
}

void Watcher::Impl::note_lag(Steady::duration lag) { lags[lag_count++ % kLags] = lag; }

// --- Memory -------------------------------------------------------------------------------------------

void Watcher::Impl::keep_in_memory(Watched& account) {
  counts.messages_in_memory += account.mailbox.messages() - account.messages;
  account.messages = account.mailbox.messages();
  if (account.in_memory) used.erase(account.used);
  used.push_front(&account);
  account.used = used.begin();
  account.in_memory = true;
}

// Saves and frees what was used longest ago, until there is room.
void Watcher::Impl::make_room() {
  for (;;) {
    WatchedPtr oldest;
    {
      const std::lock_guard lock(mutex);
      if (counts.messages_in_memory <= options.max_messages) return;
      const auto idle =
          std::find_if(used.rbegin(), used.rend(), [](const Watched* one) { return !one->busy; });
      if (idle == used.rend()) return;
      oldest = accounts.at((*idle)->id);
      oldest->busy = true;
      if (oldest->queued) waiting.erase({oldest->due, oldest.get()});
      oldest->queued = false;
    }
    const Status saved = oldest->mailbox.save();
    oldest->mailbox.forget();
    const std::lock_guard lock(mutex);
    oldest->busy = false;
    counts.messages_in_memory -= std::exchange(oldest->messages, 0);
    used.erase(oldest->used);
    oldest->in_memory = false;
    // Without its state the log alone tells what is known: a scan sorts it out.
    if (!saved.ok()) oldest->changes.something();
    if (!oldest->changes.empty() && !oldest->unmounted) queue(*oldest, Steady::now() + options.settle);
  }
}

void Watcher::Impl::save_all() {
  for (const auto& [id, account] : accounts) {
    const Status saved = account->mailbox.save();
    if (saved.ok()) continue;
    WatchEvent event;
    event.kind = WatchEvent::Kind::trouble;
    event.account_id = id;
    event.status = saved;
    tell(event);
  }
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
    lags.assign(
        impl_->lags.begin(),
        impl_->lags.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(impl_->lag_count, kLags)));
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

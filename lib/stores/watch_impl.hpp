#pragma once
// The watcher from within. Who does what:
//   watcher.cpp         takes what the kernel tells, and begins and ends all
//   watch_places.cpp    which directories are watched, and which accounts there are
//   watch_work.cpp      logs what changed, in rounds
//   watch_settled.cpp   answers others who ask what is in the log
//   watch_memory.cpp    keeps the states of accounts in use, and no more of them than fit

#include <restante/watcher.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "os/inotify.hpp"
#include "stores/maildir.hpp"
#include "stores/watch_mailbox.hpp"
#include "stores/watch_others.hpp"
#include "stores/watch_request.hpp"

namespace restante {
namespace stores {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline constexpr std::size_t kLags = 4096;
/// New accounts are looked for so long after a directory above them changed, and in any case now and then.
inline constexpr milliseconds kListDelay{100};
/// While a file system is away.
inline constexpr std::chrono::seconds kMountInterval{1};

inline constexpr std::uint32_t kEntryChanges = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;

/// What a watched directory is.
enum class Role : std::uint8_t {
  above,   // accounts lie in it or below
  folder,  // of an account, or the account's own
  cur,
  fresh,     // new/
  other,     // below a folder
  requests,  // of others, what is in the log
};

[[nodiscard]] inline bool is_part(std::string_view name) {
  return name == "cur" || name == "new" || name == "tmp";
}

}  // namespace stores

inline namespace v0 {

struct Watcher::Impl {
  using Steady = stores::Steady;
  using Role = stores::Role;

  struct Watched {
    Watched(Impl& impl, const std::string& account_id)
        : id(account_id),
          mailbox(impl.scanner, impl.others, impl.io, impl.finder, MaildirInternals::warning(impl.store),
                  account_id) {
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
    std::chrono::milliseconds delay{0};
    std::uint64_t messages = 0;  // in memory
    int looks = 0;               // at files that were not where they were said to be
    bool busy = false;
    bool queued = false;
    bool unmounted = false;
    bool is_shared = false;   // with other machines, of which no kernel tells
    std::uint64_t batch = 0;  // of changes that were taken out to be logged
    std::list<Watched*>::iterator used{};
    bool in_memory = false;
  };
  using WatchedPtr = std::shared_ptr<Watched>;

  // Somebody asks what is in the log.
  struct Request {
    std::string question;
    Steady::time_point asked_at{};
    std::set<std::string> settled;
    // Batches that are waited for.
    std::map<std::string, std::uint64_t> awaited;
  };

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
        others(scanner.log),
        pace(given.settle),
        inotify(std::move(kernel)),
        stop_fd(std::move(fd)) {}

  Status run();
  void read_events();
  void pause() const;
  void work();

  // Called with the lock held.
  void take_event(const os::Inotify::Event& event);
  void take_change(const Place& place, const os::Inotify::Event& event);
  void take_folder_change(const Place& place, const os::Inotify::Event& event);
  void overflowed();
  void changed(const WatchedPtr& account);
  void queue(Watched& account, Steady::time_point due);
  void keep_in_memory(Watched& account);
  [[nodiscard]] std::vector<WatchedPtr> next(Steady::time_point now);
  [[nodiscard]] Steady::time_point due_of(const Watched& account) const;
  void note_round(Steady::duration took);
  [[nodiscard]] Steady::time_point next_time() const;
  void forget(Watched& account);
  void fail(const Status& status);
  void stop_reading() noexcept;
  void note_lag(Steady::duration lag);
  void take_request(std::string_view question);
  void settle_requests(const Watched& account, bool is_settled);
  void give_up_requests();
  void end_old_requests();

  // Without it.
  void list_accounts();
  void handle(const std::vector<WatchedPtr>& accounts_due);
  struct Done {
    Status status;
    WatchEvent event;
    stores::AccountChanges left;
    bool has_scanned = false;
    bool is_gone = false;
    /// It concerns the watching of everybody.
    bool is_fatal = false;
  };
  struct Worked {
    WatchedPtr account;
    stores::AccountChanges changes;
    Steady::time_point begun{};
    Done done;
  };
  Worked work_on(const WatchedPtr& account);
  void end_round(std::vector<Worked>& round, Steady::time_point begun);
  Done log_or_scan(const WatchedPtr& account, stores::AccountChanges& changes);
  Status check_gone(Watched& account);
  void scan(Watched& account, Done& done);
  void settle(const WatchedPtr& account, Done done, stores::AccountChanges changes, Steady::time_point begun);
  void check_log();
  void make_room();
  void save_all();
  void tell(const WatchEvent& event);
  void serve_requests();
  void answer_requests();
  Status watch_account(const WatchedPtr& account, const stores::AccountChanges& changes);
  Status watch_folder(const WatchedPtr& account, int account_fd, const std::string& dir);
  Status watch_below(const WatchedPtr& account, int dirfd, const std::string& dir, int depth);
  Status watch(int dirfd, Role role, const WatchedPtr& account, const std::string& dir);

  MaildirStore& store;
  ScannerInternals::Impl& scanner;
  const Options options;
  os::Io& io;
  const stores::AccountFinder& finder;
  stores::OthersInLog others;
  // Changes are logged at multiples of it.
  Steady::duration pace;
  os::Inotify inotify;
  os::Fd stop_fd;
  // Of one watcher only, if several watch.
  std::optional<stores::WatchRequests> requests;

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
  std::list<Request> asked;
  std::list<Request> answerable;
  std::array<Steady::duration, stores::kLags> lags{};
  std::uint64_t lag_count = 0;

  std::mutex telling;
};

}  // namespace v0
}  // namespace restante

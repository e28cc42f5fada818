#pragma once
/// \file
/// Feeds a redo log from a Maildir store continuously: what any program does in the store is in the log a
/// moment later, so that every second can be restored, without a word to the server (design: the third way).
///
///     auto store = MaildirStore::open({.path = "/srv/mail", .domain = "example.com"});
///     auto scanner = Scanner::open(*store, *log, {.state_directory = "/var/lib/restante/scan",
///                                                 .origin = {.client = "restante watch"}});
///     auto watcher = Watcher::open(*store, **scanner, {});
///     std::thread thread([&] { ended = (*watcher)->run(); });   // until stop()
///
/// The kernel (inotify) says what happens; the watcher collects it for a moment (`settle`) and logs what it
/// came to, with one sync for all accounts. Message files, the UIDs that Dovecot gives them, other files of a
/// folder, new folders and subscriptions are logged one by one, in time that does not depend on the size of
/// the mailbox; everything else (folders that are renamed or go, keyword files) makes the account be scanned,
/// as does everything that is not certain: an overflow of the kernel's queue, a restore, another scanner, a
/// failure. A scan is always right (`Scanner`), so the watcher
/// is too.
///
/// When it starts every account is scanned: that is how it catches up. New accounts are found by themselves.
/// Accounts whose file system is unmounted are left as they are until it is back.
///
/// A session that archives the log does not look at the mailboxes that the watcher is certain of
/// (`Scanner::settled_accounts`): it asks, and the watcher logs at once what waits. Mailboxes on file systems
/// that other machines may write to are never certain.
///
/// Sessions, scans and restores go on beside it, in this process or another one: an account is held only
/// while a change is logged.
///
/// **Limits.** Every folder takes three of the kernel's watches, every mailbox's other directories one each
/// (sysctl fs.inotify.max_user_watches; 10,000 folders take about 30,000). Memory holds the state of accounts
/// in use, at most about `max_messages` of them. Changes that another machine makes on a network file system
/// are not told by any kernel; `rescan` finds them.
///
/// **Threads.** `run` works with `threads` of its own; everything else may be called from any thread.
/// **What a crash leaves.** Nothing to repair: the next start scans.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <restante/maildir.hpp>
#include <restante/scanner.hpp>

namespace restante {
inline namespace v0 {

struct WatchEvent {
  enum class Kind {
    /// The account was compared with the log as a whole: at the start, or because something was uncertain.
    scanned,
    /// Changes of message files were logged.
    logged,
    /// Nothing was logged, and it will be tried again: `status` says why.
    delayed,
    /// The account has gone; its removal is in the log.
    removed,
    /// The kernel dropped events: every account is scanned.
    overflow,
    /// The file system of the account has gone. Nothing is logged until it is back.
    unmounted,
    /// Something about the store as a whole: `status`.
    trouble,
  };
  Kind kind = Kind::scanned;
  std::string account_id{};
  /// Put into the log.
  std::uint64_t operations = 0;
  /// From the first change to the log being durable; zero where nothing was waiting.
  std::chrono::microseconds lag{0};
  Status status{};
};

struct WatchStats {
  /// Everything that had happened when it began is in the log.
  bool caught_up = false;
  std::uint64_t accounts = 0;
  /// Directories that the kernel watches for us.
  std::uint64_t watches = 0;
  /// Of the accounts in memory.
  std::uint64_t messages_in_memory = 0;
  /// Accounts with changes that are not in the log yet, those not scanned yet included.
  std::uint64_t waiting = 0;
  std::uint64_t events = 0;
  std::uint64_t operations = 0;
  std::uint64_t scans = 0;
  std::uint64_t overflows = 0;
  /// Of the last 4,096 batches of changes: from the first change of a batch to the log being durable.
  std::chrono::microseconds lag_median{0};
  std::chrono::microseconds lag_p99{0};
  std::chrono::microseconds lag_max{0};
};

class Watcher {
 public:
  struct Options {
    /// How long changes are collected, more or less, before they are logged, those of all accounts together.
    /// At least 1 ms. Where logging them takes long because the server has much to do, they are collected
    /// longer, up to 100 ms, so that the server has the processors.
    std::chrono::milliseconds settle{20};
    /// Accounts that are worked on at a time. At least 1.
    unsigned threads = 4;
    /// Of accounts kept in memory; those used longest ago are written to their state files.
    std::uint64_t max_messages = 2'000'000;
    /// An account is scanned when so much time has passed since the last scan, whatever the kernel said.
    std::chrono::minutes rescan{std::chrono::hours(6)};
    /// Told from the watcher's threads, one at a time; must not call the watcher but for `stop` and `stats`.
    std::function<void(const WatchEvent&)> on_event{};
  };

  /// `store` and `scanner`, which is over that store, must outlive the watcher. `unsupported` where the
  /// kernel has no inotify, `no_space` if a limit of it leaves no room: the text names the limit.
  [[nodiscard]] static Result<std::unique_ptr<Watcher>> open(MaildirStore& store, Scanner& scanner,
                                                             const Options& options);
  ~Watcher();

  /// Watches until `stop`, then logs what it was told before it and returns. A failure is of the log or of
  /// the kernel's limits, and ends the watching; those of single accounts are told and tried again.
  [[nodiscard]] Status run();
  /// May be called from a signal handler, and before `run`.
  void stop() noexcept;

  [[nodiscard]] WatchStats stats() const;

 private:
  struct Impl;
  explicit Watcher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante

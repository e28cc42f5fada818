#pragma once
// The scanner from within: what `Watcher` shares with it.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <restante/scanner.hpp>

#include "os/fd.hpp"
#include "stores/scan_difference.hpp"
#include "stores/scan_state.hpp"

namespace restante {
inline namespace v0 {

struct Scanner::Impl {
  Impl(MailSource& mail_store, const RedoLog& redo_log, Options given, stores::ScanStates files)
      : store(mail_store), log(redo_log), options(std::move(given)), states(std::move(files)) {}

  /// What the log held behind a state: transactions of scanners with this one's origin, or of others.
  enum class Replayed { nothing, own, foreign };

  /// What is known of an account before a scan.
  struct Known {
    stores::ScanState state;
    bool found = false;
    Replayed replayed = Replayed::nothing;
    /// The file does not say what `state` says.
    bool stale = false;
  };

  /// An account, for whoever has this: against other threads and other processes.
  struct Hold {
    std::shared_ptr<std::mutex> mutex;
    std::unique_lock<std::mutex> lock;
    os::Fd taken;
  };
  [[nodiscard]] Result<Hold> hold(const std::string& account_id);

  // The others are called by whoever holds the account.

  [[nodiscard]] Result<Known> load(const std::string& account_id);
  [[nodiscard]] Result<Replayed> replay(stores::ScanState& state, Lsn until);
  [[nodiscard]] Status check_unfinished(const std::string& account_id) const;
  [[nodiscard]] Result<ScanReport> scan(const std::string& account_id, stores::ScanState& out);
  /// Told of each transaction that was appended.
  using AppendedFunction = std::function<Status(std::span<const Operation> operations, Lsn lsn)>;
  /// Logs the operations and the content that they name; the last position.
  [[nodiscard]] Result<Lsn> append(stores::ScanDifference& difference, std::vector<Operation> operations,
                                   Sync sync, const AppendedFunction& appended);
  /// What a transaction of the log makes of a state.
  [[nodiscard]] static Status apply(std::span<const Operation> operations, stores::ScanState& state);

  std::map<std::string, std::string> ids_in_store(const std::string& account_id);

  MailSource& store;
  RedoLog log;
  Options options;
  stores::ScanStates states;

 private:
  Result<Known> load_file(const std::string& account_id);
  Result<Known> rebuild(const std::string& account_id);
  [[nodiscard]] Result<bool> is_part_of_log(const LogPosition& position) const;
  Status note_deleted_in_log(stores::ScanState& state);
  Result<Lsn> append_part(const std::string& account_id, std::span<const Operation> part, Sync sync,
                          const AppendedFunction& appended);

  std::mutex mutex;
  std::map<std::string, std::shared_ptr<std::mutex>> locks;
  // Of accounts scanned by this object: ids of the log -> ids of the store.
  std::map<std::string, std::map<std::string, std::string>> store_ids;
};

/// How other parts of the stores get at it.
struct ScannerInternals {
  using Impl = Scanner::Impl;
  [[nodiscard]] static Impl& impl(Scanner& scanner) { return *scanner.impl_; }
  /// With files of the state reached through `io`.
  [[nodiscard]] static Result<std::unique_ptr<Scanner>> open(MailSource& store, const RedoLog& log,
                                                             const Scanner::Options& options, os::Io& io);
};

}  // namespace v0
}  // namespace restante

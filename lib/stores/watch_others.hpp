#pragma once
// What others put into the log about accounts whose state is held in memory. The log is read once for all of
// them, and what was appended here is not read for every account again.

#include <restante/redo_log.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace restante::stores {

/// Callable from any thread; those that concern one account by whoever holds it.
class OthersInLog {
 public:
  explicit OthersInLog(RedoLog log) : log_(std::move(log)) {}

  /// Notes from now on who else writes about the account. Before its state is read.
  void track(const std::string& account_id);
  void forget(const std::string& account_id);
  /// The transaction that ends at `lsn` is one that the state in memory has seen.
  void is_own(const std::string& account_id, Lsn lsn);

  struct Seen {
    /// Everything that ends up to here was looked at.
    Lsn until = 0;
    /// Somebody else ended a transaction of the account behind the position.
    bool wrote = false;
  };
  /// As of all that is durable. Scanners and restores end durably before they let go of an account.
  [[nodiscard]] Result<Seen> look(const std::string& account_id, Lsn behind);

 private:
  Status read();

  RedoLog log_;
  std::mutex mutex_;
  std::optional<RedoLog::Follower> follower_;
  Lsn seen_ = 0;
  /// Ends that nobody has claimed, of accounts that are tracked.
  std::map<std::string, std::vector<Lsn>> ended_;
  /// Of this process, not seen yet.
  std::set<Lsn> own_;
  LoggedTransaction transaction_;
};

}  // namespace restante::stores

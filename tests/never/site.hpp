#pragma once
// A small server in a directory: a Maildir store with two accounts, a redo log, a local target and the state
// of scans. Everything that it does to files passes an `os::Io` of the test's, where the test wants that.

#include <restante/maildir.hpp>
#include <restante/restore_plan.hpp>
#include <restante/scanner.hpp>
#include <restante/session.hpp>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/io.hpp"
#include "storage/sync_method.hpp"
#include "support/support.hpp"

namespace restante::test {

/// Where things lie. On one directory at a time stands one `Server`, or several in several processes.
struct Site {
  explicit Site(const std::filesystem::path& root)
      : mail(root / "mail"), redo(root / "redo"), target(root / "target"), state(root / "state") {}

  std::filesystem::path mail;
  std::filesystem::path redo;
  std::filesystem::path target;
  std::filesystem::path state;
};

/// Through what files are reached.
struct Gates {
  os::Io* store = &os::real_io();
  os::Io* redo = &os::real_io();
  os::Io* target = &os::real_io();
};

/// A mailbox in words, one line an object, contents by digest: equal if and only if a client sees the same.
/// Ids of folders are left out.
using Described = std::map<std::string, std::string>;

class Server {
 public:
  struct Options {
    Gates gates{};
    const Clock* clock = &system_clock();
    bool create = false;
    std::uint64_t segment_bytes = 64 << 10;
    storage::SyncMethod sync_method = storage::SyncMethod::file_system;
  };
  [[nodiscard]] static Result<std::unique_ptr<Server>> open(const Site& site, const Options& options);
  [[nodiscard]] static Result<std::unique_ptr<Server>> open(const Site& site) {
    return open(site, Options());
  }

  /// All accounts if none is named.
  [[nodiscard]] Result<SessionInfo> back_up(Session::Kind kind, std::vector<std::string> accounts = {},
                                            std::chrono::seconds keep_segments_for = {});
  /// Every account; the first failure.
  [[nodiscard]] Status scan();
  /// In place, into the store; `request` names the stop.
  [[nodiscard]] Result<RestoreReport> restore(const RestoreRequest& request);
  [[nodiscard]] Result<RestorePlan> plan(const RestoreRequest& request);
  /// Takes back what a restore of the account began and did not end.
  [[nodiscard]] Status roll_back(const std::string& account);
  [[nodiscard]] Status roll_back_all();

  /// What the store holds now, by account.
  [[nodiscard]] Result<std::map<std::string, Described>> live();
  /// What a restore to this stop would make.
  [[nodiscard]] Result<std::map<std::string, Described>> at(const RestoreStop& stop);
  /// Published sessions, oldest first.
  [[nodiscard]] Result<std::vector<SessionInfo>> published();
  /// What is not whole: damages of target and log, one a line; empty if there is none.
  [[nodiscard]] std::string damages();
  /// Warnings of sessions and of the store since the last call.
  [[nodiscard]] std::string take_warnings() { return std::exchange(ears_.heard, {}); }

  std::unique_ptr<MaildirStore> store;
  std::optional<RedoLog> redo;
  std::optional<BackupTarget> target;
  std::unique_ptr<Scanner> scanner;

 private:
  struct Ears final : Observer {
    void log(Level, std::string_view message) override { heard.append(message).append("\n"); }
    std::string heard;
  };
  Server() = default;
  [[nodiscard]] Status open_store(const Site& site, const Options& options);
  [[nodiscard]] Status open_redo(const Site& site, const Options& options);
  [[nodiscard]] Status open_target(const Site& site, const Options& options);
  [[nodiscard]] Status open_scanner(const Site& site);
  [[nodiscard]] Result<std::vector<Operation>> baseline(std::string_view account);

  Ears ears_;
};

/// Two accounts with folders, flags, subscriptions and messages of several sizes.
void fill(const Site& site);
/// A delivery, as a mail server makes it; the n-th of the account.
void deliver(const Site& site, const std::string& account, int n, std::size_t bytes = 300);
/// Deliveries, a change of flags, an expunge, a move and a new folder: work for an incremental session.
void change(const Site& site, int round);
/// Removes messages and a folder, as a user does who wants a restore.
void destroy(const Site& site);
/// The directory as it is, times and all.
void copy_tree(const std::filesystem::path& from, const std::filesystem::path& to);

/// The difference in words; empty if there is none.
[[nodiscard]] std::string difference(const std::map<std::string, Described>& expected,
                                     const std::map<std::string, Described>& found);

}  // namespace restante::test

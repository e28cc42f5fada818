#pragma once
// One account that is watched: its known state in memory, and the way from what happened to its message
// files to the log, in time that depends on what happened and not on the size of the mailbox.
//
// Everything that a listing shows is also what the kernel told, in order; so a part of the mailbox is
// compared in place of the whole, by the same comparison. Whatever is not certain is left to a scan.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <restante/scanner.hpp>

#include "stores/maildir_account.hpp"
#include "stores/maildir_list.hpp"
#include "stores/scanner_impl.hpp"
#include "stores/watch_changes.hpp"
#include "stores/watch_others.hpp"

namespace restante::stores {

/// Directory -> id of the folder in the log.
[[nodiscard]] std::map<std::string, std::string> directories_of(const MailboxState& state);

/// Reads what was appended to a dovecot-uidlist.
class UidlistFollower {
 public:
  struct News {
    /// Its records are those that were not read before.
    Uidlist list;
    /// It was read from the beginning.
    bool is_whole = false;
  };
  /// Nothing if there is no list, or none that can be understood.
  [[nodiscard]] Result<std::optional<News>> read(os::Io& io, int folder_fd, bool from_beginning);

 private:
  Result<Bytes> read_file(os::Io& io, int folder_fd, std::uint64_t& from);
  std::uint64_t ino_ = 0;
  std::uint64_t offset_ = 0;
  std::string header_;
  std::string last_;
};

/// Used by one thread at a time.
class WatchedMailbox {
 public:
  WatchedMailbox(ScannerInternals::Impl& scanner, OthersInLog& others, os::Io& io,
                 const AccountFinder& accounts, const AccountWarning& warn, std::string account_id)
      : scanner_(scanner),
        others_(others),
        io_(io),
        accounts_(accounts),
        warn_(warn),
        account_id_(std::move(account_id)) {}

  enum class Outcome {
    /// It is in the log, and durable when the log has been synced. If that fails, `forget`.
    logged,
    /// Only a scan can tell.
    scan,
  };
  struct Logged {
    Outcome outcome = Outcome::logged;
    std::uint64_t operations = 0;
    /// To be looked at again: a file was gone from where it was last heard of.
    AccountChanges left;
  };
  [[nodiscard]] Result<Logged> log(const AccountChanges& changes);
  [[nodiscard]] Result<ScanReport> scan();

  /// Writes the state file if it lacks something.
  [[nodiscard]] Status save();
  /// Frees the memory; the next use reads the state file.
  void forget();
  [[nodiscard]] std::uint64_t messages() const { return state_ ? state_->state.messages().size() : 0; }
  /// Nobody has the account any more.
  [[nodiscard]] bool is_gone() const { return state_ && !state_->state.account(); }

 private:
  struct Folder {
    UidlistFollower follower;
    /// Records of files that nobody has seen.
    std::map<std::string, UidlistRecord> unmatched;
  };
  class Part;

  Result<bool> is_current();
  void took_state(ScanState state);

  ScannerInternals::Impl& scanner_;
  OthersInLog& others_;
  os::Io& io_;
  const AccountFinder& accounts_;
  const AccountWarning& warn_;
  const std::string account_id_;
  // At its position, and with what was appended here since.
  std::optional<ScanState> state_;
  std::map<std::string, std::string> directories_;
  std::map<std::string, Folder> folders_;
  bool unsaved_ = false;
};

}  // namespace restante::stores

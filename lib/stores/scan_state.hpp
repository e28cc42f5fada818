#pragma once
// The state file of the scanner: what an account held at a position of the log. The bytes are specified in
// docs/format/scan-state.md.

#include <map>
#include <set>
#include <string>
#include <vector>

#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

#include "os/io.hpp"

namespace restante::stores {

struct ScanState {
  std::string account_id;
  /// `state` is exactly the account at this position.
  LogPosition position;
  MailboxState state;
  /// Folder ids of the state -> ids by which the store knows them now, where they differ.
  std::map<std::string, std::string> store_ids;
  /// Ids of folders that were deleted; they are not given to others (R2).
  std::set<std::string> retired;
  /// Folders that a restore made since: the GUID that the log tells of them need not be the one that the
  /// server gave. Not in the file, because the first scan behind the restore settles it.
  std::set<std::string> made;
};

[[nodiscard]] Result<Bytes> encode_scan_state(const ScanState& state);
/// `damaged` for anything that `encode_scan_state` did not write, `unsupported` for a newer version.
[[nodiscard]] Result<ScanState> decode_scan_state(ByteView bytes);
/// The account alone, from the beginning of a file; unchecked otherwise.
[[nodiscard]] Result<std::string> decode_scan_account(ByteView head);

/// The state files of a directory. Callable from any thread.
class ScanStates {
 public:
  /// Makes the directory if need be. `holder` is shown to others that wait.
  [[nodiscard]] static Result<ScanStates> open(os::Io& io, const std::string& directory,
                                               std::string_view holder);

  /// Takes an account for whoever holds the answer: two that compare the store with one state would log
  /// everything twice. `busy` names who still has it after the deadline.
  [[nodiscard]] Result<os::Fd> take(std::string_view account_id) const;

  /// `not_found` if there is none, `damaged` if it cannot be used.
  [[nodiscard]] Result<ScanState> load(std::string_view account_id) const;
  /// Durable when it returns.
  [[nodiscard]] Status store(const ScanState& state) const;
  /// Accounts that have a file; what cannot be read is passed over.
  [[nodiscard]] Result<std::vector<std::string>> accounts() const;
  [[nodiscard]] int dirfd() const { return dir_.get(); }
  [[nodiscard]] os::Io& io() const { return *io_; }

 private:
  ScanStates(os::Io& io, os::Fd dir, std::string_view holder)
      : io_(&io), dir_(std::move(dir)), holder_(holder) {}
  os::Io* io_;
  os::Fd dir_;
  std::string holder_;
};

}  // namespace restante::stores

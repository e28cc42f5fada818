#pragma once
// The full backup of one account: its state at one log position, exact although changes go on (R1).

#include <chrono>
#include <functional>
#include <string>

#include <restante/mail_source.hpp>
#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

#include "content/content_store.hpp"

namespace restante::backup {

// What an account's backup works with. All of it outlives the call.
struct AccountContext {
  MailSource& source;
  // Null for a host without a log.
  RedoLog* log = nullptr;
  content::ContentWriter& content;
  std::chrono::milliseconds settle_deadline{60'000};
  // Called for every message and item; a failure (`cancelled`) ends the backup.
  std::function<Status(std::uint64_t messages, std::uint64_t bytes)> tick;
  // Called with each piece that was read from the source; comes back when the next may be read. May be empty.
  std::function<Status(std::size_t bytes)> pace{};
};

struct AccountSnapshot {
  MailboxState state;
  Lsn snapshot_at = 0;
  Lsn redo_start = 0;
  Lsn consistent_at = 0;
};

// How far a failure reaches: this account's source, or the target and so the whole session.
struct AccountFailure {
  Status status;
  bool of_target = false;
};

// Reads the account and stores its content. On success `failure` is untouched and every content that the
// state names is in `context.content`, flushed or not.
[[nodiscard]] std::optional<AccountSnapshot> read_account(const AccountContext& context,
                                                          const Account& account, AccountFailure& failure);

}  // namespace restante::backup

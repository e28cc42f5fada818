#pragma once
/// \file
/// Proof that what the targets hold is what the mailboxes are.
///
///     for (const AccountComparison& account : *compare_with_store(targets, &log, store, {}))
///       if (!account.equal) show(account.address, account.differences);

#include <chrono>
#include <string>
#include <vector>

#include <restante/backup_target.hpp>
#include <restante/mail_source.hpp>

namespace restante {
inline namespace v0 {

struct CompareOptions {
  /// Ids; all of the targets and of the store if empty.
  std::vector<std::string> accounts{};
  std::chrono::milliseconds settle_deadline{60'000};
  CancelToken cancel{};
  ProgressFunction progress{};
};

struct AccountComparison {
  std::string account_id{};
  std::string address{};
  /// Why it could not be compared, for example that it has no full.
  Status failure{};
  bool equal = false;
  /// The log position at which both sides were taken; 0 without a log.
  Lsn position = 0;
  /// Transactions behind the newest full that the state in the targets was folded with.
  std::uint64_t transactions = 0;
  std::uint64_t messages = 0;
  /// What was compared: the fields that both keep (R15).
  FieldSet fields{};
  /// The first of what differs, in words, and how many more there are.
  std::vector<std::string> differences{};
  std::uint64_t more = 0;
};

/// Compares the newest state of each account in the targets, folded with the log up to a position, with the
/// live mailbox at that position, by state digests. Every content of the mailbox is read and hashed. The
/// account goes on meanwhile: the position is one at which the mailbox is known exactly, as a session finds
/// it (R1), so that nothing that happens is a difference. Without a log (`log` null) the newest full itself
/// is compared, and what has happened since is a difference.
///
/// One account at a time is in memory, twice if it differs. A failure of one is in its answer. Writes nothing
/// and teaches the source nothing.
[[nodiscard]] Result<std::vector<AccountComparison>> compare_with_store(
    const std::vector<BackupTarget>& targets, RedoLog* log, MailSource& source,
    const CompareOptions& options);

}  // namespace v0
}  // namespace restante

#pragma once
// The state of one account at a stop: its newest full that fits, and the transactions behind it.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/restore_plan.hpp>

#include "history/history.hpp"
#include "target/target_impl.hpp"

namespace restante::history {

// Where replay stops for all accounts: the earliest of what the request gives.
struct ResolvedStop {
  Lsn until = 0;
  // Nothing was said: the end of what there is.
  bool newest = false;
  bool full_only = false;
};
[[nodiscard]] Result<ResolvedStop> resolve(const RestoreStop& stop, const std::vector<BackupTarget>& targets,
                                           const History& history, Time now);

// A full of an account in a session of a target.
struct Full {
  const BackupTarget* target = nullptr;
  target::RecordPointer session;
  const SessionAccount* account = nullptr;
  // Sessions that could not be looked at.
  std::vector<target::UnreadableSession> unreadable{};
};

// The fulls that published sessions hold, looked up once.
class Fulls {
 public:
  // Of all accounts, or of one. `targets` must outlive the answer.
  [[nodiscard]] static Result<Fulls> load(const std::vector<BackupTarget>& targets,
                                          std::string_view account_id = {});

  // Of the account, in the order of targets and sessions.
  [[nodiscard]] const std::vector<Full>& of(std::string_view account_id) const;
  // The newest whose state lies at or before the stop; of session `label` if it is given.
  [[nodiscard]] std::optional<Full> newest(const History& history, const ResolvedStop& stop,
                                           std::string_view account_id, std::string_view label) const;
  // Sessions that could not be looked at.
  [[nodiscard]] const std::vector<target::UnreadableSession>& unreadable() const noexcept {
    return unreadable_;
  }

 private:
  std::map<std::string, std::vector<Full>, std::less<>> by_account_;
  std::vector<target::UnreadableSession> unreadable_;
};

// Fulls::newest of all that there are; says why there is none.
[[nodiscard]] Result<Full> choose_full(const std::vector<BackupTarget>& targets, const History& history,
                                       const ResolvedStop& stop, std::string_view account_id,
                                       std::string_view label);

// Whether the account is newer than the stop, as far as anybody can tell: there are sessions at or before the
// stop and none of them names it, whatever became of it there, nor does a transaction.
[[nodiscard]] Result<bool> came_after(const std::vector<BackupTarget>& targets, const History& history,
                                      const ResolvedStop& stop, std::string_view account_id);

struct AccountState {
  Full full;
  Lsn position = 0;
  std::uint64_t transactions = 0;
  std::uint64_t rolled_forward = 0;
  bool deleted = false;
  // When `deleted`: the LSN of the transaction that deleted it.
  Lsn deleted_at = 0;
  // What happened since the full.
  std::vector<Operation> change;
};
// Collects what happened between the full and the stop. Checks that no segment of it is missing.
[[nodiscard]] Result<AccountState> replay(const History& history, const Full& full, const ResolvedStop& stop,
                                          bool forward_unfinished);

// The highest UIDVALIDITY that a folder of the account was given between the full and the end of the log,
// which may lie behind the stop. What is missing or damaged there is passed over.
[[nodiscard]] std::uint32_t highest_logged_uidvalidity(const History& history, const Full& full);

// The sorted snapshot of the state.
[[nodiscard]] Status write_state(const AccountState& state, OpSink& out);

}  // namespace restante::history

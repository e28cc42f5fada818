#pragma once
// Performs logged transactions again, in a store: first as a plan, then done, an account at a time.

#include <restante/backup_target.hpp>
#include <restante/mail_sink.hpp>
#include <restante/restore_plan.hpp>
#include <restante/scanner.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "given_ids.hpp"
#include "redo_range.hpp"

namespace cli {

/// What a replay will do to one account.
struct ReplayPlan {
  std::string account_id;
  std::uint64_t transactions = 0;
  restante::Lsn first_lsn = 0;
  restante::Lsn last_lsn = 0;
  restante::Time last_time{};
  bool creates_account = false;
  bool removes_account = false;
  /// A replay of the account broke off: what this one changes is known when it begins.
  bool in_doubt = false;
  /// Messages whose folder is not there.
  std::uint64_t passed_over = 0;
  restante::DifferenceSummary difference;
  std::uint64_t bytes_to_write = 0;
  /// Of the operations that were planned.
  restante::Digest operations{};
  /// Why the account cannot be replayed.
  restante::Status failure;
};

/// Whether it takes something away that only a backup could bring back.
[[nodiscard]] bool takes_away(const ReplayPlan& plan);

/// Computes the state that the transactions of a range make of each account as it is now, and makes the
/// difference, as one logged transaction an account, which a restore can go behind (R4).
///
/// **Threads.** Distinct accounts may be planned and performed by distinct threads.
class Replayer {
 public:
  struct Parts {
    restante::RedoLog& log;
    /// Logs what is not logged yet, before anything is changed.
    restante::Scanner& scanner;
    restante::MailSink& sink;
    /// What the scanner scans.
    restante::MailSource& store;
    const std::vector<restante::BackupTarget>& targets;
    const RedoRange& choice;
    /// Of `choice`, fixed when the command began: what it logs itself is not replayed.
    restante::ReadRange range;
  };
  explicit Replayer(const Parts& parts) : parts_(parts) {}

  /// Accounts with transactions in the range, by id, counted. Damage is noted.
  [[nodiscard]] std::vector<ReplayPlan> find_accounts(DamageNotes& damages) const;
  /// Fills the plan, or its `failure`. Changes nothing but what a scan logs.
  void plan(ReplayPlan& plan) const;
  /// Makes it so. The account is unchanged, or as planned, or, after a failure that says so, in doubt.
  [[nodiscard]] restante::AccountReport perform(const ReplayPlan& plan) const;

  static constexpr const char* kClient = "restante redo replay";

 private:
  struct Computed;
  [[nodiscard]] restante::Status look_for_unfinished(ReplayPlan& plan) const;
  [[nodiscard]] restante::Status take_up_unfinished(const std::string& account) const;
  [[nodiscard]] restante::Status compute(ReplayPlan& plan, Computed& out) const;
  [[nodiscard]] restante::Result<GivenIds> given_ids(const std::string& account,
                                                     const restante::MailboxState& live) const;
  [[nodiscard]] restante::Status replay(const ReplayPlan& plan, class ReplayState& state) const;
  [[nodiscard]] restante::FieldSet fields() const;
  [[nodiscard]] restante::Status perform(const ReplayPlan& plan, restante::AccountReport& report) const;
  [[nodiscard]] restante::Status apply(const ReplayPlan& plan, const Computed& computed,
                                       restante::ContentOpener& content, restante::Transaction& transaction,
                                       restante::AccountReport& report) const;

  Parts parts_;
};

}  // namespace cli

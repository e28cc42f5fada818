#pragma once
/// \file
/// A restore, first as a value that tells everything it will do, then done.
///
///     RestoreRequest request;
///     request.accounts = {"user1@example.com"};
///     request.stop.time = parse_time("2026/07/12 15:30:00", zone).value();
///     auto plan = RestorePlan::make({target}, &log, request, {.source = &scanner, .sink = &store});
///     show(plan->accounts());                      // position, steps, differences per folder
///     RestoreReport report = *plan->execute();
///
/// Making a plan changes nothing. It chooses for every account the newest full whose `consistent_at` is not
/// behind the stop (R1, R14), checks that every segment between is there, computes the state at the stop,
/// compares it with the live store, and checks that all content that will be written can be read.
/// `execute` first looks whether the live account is still as planned, then performs the difference only
/// (R16), as one logged transaction that a later restore can go behind (R4). All content is read before
/// anything is changed; a store that can put it aside (`SinkTraits::stages`) has it then.
///
/// **Threads.** One thread at a time for one plan. **What a crash leaves** during `execute` is an account
/// "in doubt": its begun Rewind is in the log, `Scanner` and sessions refuse it with `restore_unfinished`
/// until the restore is made again or rolled back with `roll_back_unfinished`.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <restante/backup_target.hpp>
#include <restante/mail_sink.hpp>
#include <restante/mail_source.hpp>
#include <restante/mailbox_state.hpp>
#include <restante/runtime.hpp>

namespace restante {
inline namespace v0 {

/// Where replay stops; the earliest of those that are given (seed: "point-in-time restore").
struct RestoreStop {
  std::optional<Time> time{};
  /// Up to and including this session.
  std::string label{};
  /// Up to the end of this segment (seed: "redo log sequence").
  std::optional<std::uint64_t> sequence{};
  std::optional<Lsn> lsn{};
  /// Archived segments only, not those still with the server (seed: -br).
  bool backup_only = false;
  /// No replay at all (seed: -rf).
  bool full_only = false;

  [[nodiscard]] bool newest() const noexcept {
    return !time && label.empty() && !sequence && !lsn && !backup_only && !full_only;
  }
};

/// What to do with transactions that nobody ended, at the end of a log whose server is gone (R6).
enum class InDoubt { forward, drop };

struct RestoreRequest {
  /// Ids or addresses; all in the targets if empty.
  std::vector<std::string> accounts{};
  RestoreStop stop{};
  /// Restore from this session's full instead of the newest one that fits (seed: -lb).
  std::string label{};
  /// Restore into new accounts whose addresses begin with this (seed: -ca -pre).
  std::string prefix{};
  /// Empty: the default of R3.
  std::optional<Identity> identity{};
  InDoubt in_doubt = InDoubt::forward;
  /// Leave out accounts that did not exist at the stop, any more (seed: -skipDeletedAccounts) or yet. Always
  /// so when `accounts` is empty.
  bool skip_deleted_accounts = false;
  /// Go on with the next account after a failure (seed: --continueOnError).
  bool continue_on_error = false;
  /// What becomes of an account that has changed between the plan and its execution. Without this it is
  /// refused with `busy`. With it, its difference is taken anew while it is restored, and
  /// `AccountReport::planned_again` shows it: an account that clients never leave alone cannot be restored
  /// otherwise. In any case only into the planned state, with the planned identity.
  bool plan_again = false;
  Origin origin{.client = "restante restore"};
  /// Threads that work beside the one that makes or executes the plan, which goes on alone if they are busy:
  /// on several accounts, and on the content of one. Must outlive the plan.
  Executor* workers = nullptr;
  /// How many work at a time when there are workers. Each holds an account's state.
  unsigned parallel = 4;
};

/// The live side. All of it may be absent, to compute a plan for nothing but its states.
struct RestoreInto {
  /// Reads the live state for differences; usually a `Scanner`.
  MailSource* source = nullptr;
  MailSink* sink = nullptr;
};

/// One step of the chain, in order.
struct RestoreStep {
  enum class What { full, archived_segment, live_segment };
  What what = What::full;
  /// Of the full.
  std::string label{};
  /// Of a segment.
  Id128 incarnation{};
  std::uint64_t sequence = 0;
};

/// What will happen to one account.
struct AccountPlan {
  std::string account_id{};
  std::string address{};
  /// Where it goes; other than `account_id` with a prefix.
  std::string into_id{};
  std::string into_address{};
  bool creates_account = false;
  /// The account does not exist at the stop: it was deleted before, or came later.
  bool deleted_at_stop = false;
  Identity identity = Identity::keep;
  Continuity continuity = Continuity::continued;
  /// Why this identity.
  std::string identity_reason{};
  std::vector<RestoreStep> steps{};
  /// The effective position: the state is that of this log position, and the commit time of the last
  /// transaction of the log at or before it, if it lies behind the full.
  LogPosition position{};
  std::optional<Time> effective_time{};
  std::uint64_t transactions_replayed = 0;
  /// Transactions that nobody ended, rolled forward (R6).
  std::uint64_t rolled_forward = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  /// What the restore will change in the live store.
  DifferenceSummary difference;
  std::uint64_t bytes_to_write = 0;
  std::vector<std::string> warnings{};
  /// Why this account cannot be restored; empty if it can.
  Status failure{};
};

struct AccountReport {
  std::string account_id{};
  std::string into_id{};
  Status status{};
  /// Elements of operations. All 0 if `status` is a failure: what had happened then is not known.
  std::uint64_t created = 0;
  std::uint64_t changed = 0;
  std::uint64_t removed = 0;
  /// Messages that were as they had to be.
  std::uint64_t kept = 0;
  /// "folder/message: reason".
  std::vector<std::string> refused{};
  /// The account had changed since the plan was made: this is what was done.
  std::optional<AccountPlan> planned_again{};
  /// The log position of the restore itself; going back behind it undoes it.
  Lsn logged_at = 0;
};

struct RestoreReport {
  std::vector<AccountReport> accounts{};
  /// Accounts that were asked for and not reached.
  std::vector<std::string> not_done{};
  /// `ok`, `partial` with the names, or the failure.
  Status status{};
};

class RestorePlan {
 public:
  /// Computes the plan. Fails as a whole for what concerns all: no target, an unknown label or account
  /// (`not_found` with what there is), a time before the first full or in the future, an ambiguous sequence
  /// or time. What concerns one account is in its `AccountPlan::failure`. `log` may be null (backup only).
  [[nodiscard]] static Result<RestorePlan> make(std::vector<BackupTarget> targets, RedoLog* log,
                                                const RestoreRequest& request, const RestoreInto& into);

  RestorePlan(RestorePlan&&) noexcept;
  RestorePlan& operator=(RestorePlan&&) noexcept;
  ~RestorePlan();

  [[nodiscard]] const std::vector<AccountPlan>& accounts() const noexcept;
  /// The state of an account at the stop, as a sorted snapshot.
  [[nodiscard]] Result<std::unique_ptr<OpStream>> state(std::string_view account_id) const;
  /// The operations that the restore will perform on the account, in order.
  [[nodiscard]] Result<std::vector<Operation>> operations(std::string_view account_id) const;
  /// Content at the stop, from the targets or the log.
  [[nodiscard]] ContentOpener& content() const noexcept;

  /// Does it. With no account changed, a failure; else a report that says what became of each account, in the
  /// order of the plan. `progress` is called from all threads that work, by one at a time.
  [[nodiscard]] Result<RestoreReport> execute(CancelToken cancel = {}, ProgressFunction progress = {});

 private:
  struct Impl;
  explicit RestorePlan(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// Makes an account that a crashed restore left in doubt what it was before that restore (R4).
/// `not_found` if there is nothing to roll back.
[[nodiscard]] Result<RestoreReport> roll_back_unfinished(std::vector<BackupTarget> targets, RedoLog& log,
                                                         std::string_view account_id,
                                                         const RestoreInto& into);

}  // namespace v0
}  // namespace restante

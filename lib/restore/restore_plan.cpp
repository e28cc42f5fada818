#include <restante/restore_plan.hpp>

#include <algorithm>

#include "base/text.hpp"
#include "restore/account_restore.hpp"
#include "restore/planner.hpp"

namespace restante {
inline namespace v0 {

struct RestorePlan::Impl {
  restore::PlanContext context;
  std::vector<TargetAccount> chosen;
  std::vector<AccountPlan> plans;
  // Of each account's operations, to notice that the live store went on.
  std::vector<Digest> digests;
  std::vector<bool> in_doubt;

  [[nodiscard]] Result<std::size_t> index_of(std::string_view account_id) const {
    for (std::size_t i = 0; i < plans.size(); ++i)
      if (plans[i].account_id == account_id) return i;
    return Status(Code::not_found,
                  base::cat("account ", base::escape(account_id), " is not part of this plan"));
  }
};

namespace {

Result<std::vector<TargetAccount>> choose_accounts(const std::vector<BackupTarget>& targets,
                                                   const std::vector<std::string>& wanted) {
  std::map<std::string, TargetAccount> all;
  for (const BackupTarget& target : targets) {
    const Result<std::vector<TargetAccount>> accounts = target.accounts();
    if (!accounts.ok()) return accounts.status();
    for (const TargetAccount& account : *accounts) all.emplace(account.id, account);
  }
  std::vector<TargetAccount> chosen;
  if (wanted.empty()) {
    for (auto& [id, account] : all) chosen.push_back(std::move(account));
    if (chosen.empty())
      return Status(Code::not_found,
                    base::cat("there is no full backup of any account in ", targets[0].describe()),
                    "run a full backup first");
    return chosen;
  }
  for (const std::string& name : wanted) {
    Result<TargetAccount> found = Status(Code::not_found, "no target");
    for (const BackupTarget& target : targets) {
      found = target.find_account(name);
      if (found.ok() || found.status().code() != Code::not_found) break;
    }
    if (!found.ok()) return found.status();
    const bool twice =
        std::any_of(chosen.begin(), chosen.end(), [&](const auto& a) { return a.id == found->id; });
    if (!twice) chosen.push_back(*std::move(found));
  }
  return chosen;
}

bool left_in_doubt(RedoLog* log, const std::string& account_id) {
  if (!log) return false;
  const std::vector<RedoLog::Unfinished> open = log->unfinished();
  return std::any_of(open.begin(), open.end(), [&](const RedoLog::Unfinished& transaction) {
    return transaction.account_id == account_id && transaction.is_rewind;
  });
}

// A request that can be right for no account fails as a whole.
Status common_failure(const std::vector<AccountPlan>& plans) {
  for (const AccountPlan& plan : plans)
    if (plan.failure.ok()) return {};
  return plans.front().failure;
}

}  // namespace

RestorePlan::RestorePlan(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
RestorePlan::RestorePlan(RestorePlan&&) noexcept = default;
RestorePlan& RestorePlan::operator=(RestorePlan&&) noexcept = default;
RestorePlan::~RestorePlan() = default;

Result<RestorePlan> RestorePlan::make(std::vector<BackupTarget> targets, RedoLog* log,
                                      const RestoreRequest& request, const RestoreInto& into) {
  if (targets.empty()) return Status(Code::invalid_argument, "a restore needs at least one target");
  auto impl = std::make_unique<Impl>();
  restore::PlanContext& context = impl->context;
  context.made_at = TargetAccess::impl(targets.front()).clock->now();
  Result<restore::History> history = restore::History::make(targets, log, request.stop.backup_only);
  if (!history.ok()) return history.status();
  context.history = *std::move(history);
  const Result<restore::ResolvedStop> stop =
      restore::resolve(request.stop, targets, context.history, context.made_at);
  if (!stop.ok()) return stop.status();
  context.stop = *stop;
  Result<std::vector<TargetAccount>> chosen = choose_accounts(targets, request.accounts);
  if (!chosen.ok()) return chosen.status();
  impl->chosen = *std::move(chosen);
  context.named = !request.accounts.empty();
  context.request = request;
  context.log = log;
  context.into = into;
  context.contents = std::make_unique<restore::Contents>(targets, log);
  context.targets = std::move(targets);

  for (const TargetAccount& account : impl->chosen) {
    const bool in_doubt = request.prefix.empty() && left_in_doubt(log, account.id);
    restore::ComputedAccount computed = restore::compute(context, account, !in_doubt);
    impl->digests.push_back(restore::digest_of(computed.operations));
    impl->in_doubt.push_back(in_doubt);
    impl->plans.push_back(std::move(computed.plan));
  }
  if (Status s = common_failure(impl->plans); !s.ok()) return s;
  return RestorePlan(std::move(impl));
}

const std::vector<AccountPlan>& RestorePlan::accounts() const noexcept { return impl_->plans; }

ContentOpener& RestorePlan::content() const noexcept { return *impl_->context.contents; }

namespace {

class OwnedStream final : public OpStream {
 public:
  explicit OwnedStream(std::vector<Operation> operations) : operations_(std::move(operations)) {}
  [[nodiscard]] Result<bool> next(Operation& operation) override {
    if (at_ == operations_.size()) return false;
    operation = std::move(operations_[at_++]);
    return true;
  }

 private:
  std::vector<Operation> operations_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::unique_ptr<OpStream>> RestorePlan::state(std::string_view account_id) const {
  const Result<std::size_t> index = impl_->index_of(account_id);
  if (!index.ok()) return index.status();
  Result<std::vector<Operation>> operations = restore::state_of(impl_->context, impl_->chosen[*index]);
  if (!operations.ok()) return operations.status();
  return std::unique_ptr<OpStream>(new OwnedStream(*std::move(operations)));
}

Result<std::vector<Operation>> RestorePlan::operations(std::string_view account_id) const {
  const Result<std::size_t> index = impl_->index_of(account_id);
  if (!index.ok()) return index.status();
  restore::ComputedAccount computed =
      restore::compute(impl_->context, impl_->chosen[*index], !impl_->in_doubt[*index]);
  if (!computed.plan.failure.ok()) return computed.plan.failure;
  return std::move(computed.operations);
}

Result<RestoreReport> RestorePlan::execute(CancelToken cancel, ProgressFunction progress) {
  if (!impl_->context.into.sink)
    return Status(Code::invalid_argument, "a plan without a sink cannot be executed");
  RestoreReport report;
  Progress now;
  now.began = impl_->context.made_at;
  now.accounts_total = impl_->plans.size();
  bool stopped = false;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < impl_->plans.size(); ++i) {
    AccountPlan& plan = impl_->plans[i];
    if (plan.deleted_at_stop) continue;
    stopped = stopped || cancel.cancelled();
    if (stopped) {
      report.not_done.push_back(plan.account_id);
      continue;
    }
    now.account_id = plan.account_id;
    if (progress) progress(now);
    restore::AccountJob job{impl_->context,
                            impl_->chosen[i],
                            plan,
                            impl_->digests[i],
                            impl_->in_doubt[i],
                            [&](std::uint64_t messages, std::uint64_t bytes) {
                              now.messages_done += messages;
                              now.bytes_done += bytes;
                              if (progress) progress(now);
                            }};
    report.accounts.push_back(restore::restore_account(job));
    ++now.accounts_done;
    if (report.accounts.back().status.ok()) continue;
    ++failed;
    stopped = !impl_->context.request.continue_on_error;
  }
  const bool nothing_done = failed == report.accounts.size() && failed > 0;
  const auto touched = [](const AccountReport& account) {
    return account.created + account.changed + account.removed > 0;
  };
  if (nothing_done && std::none_of(report.accounts.begin(), report.accounts.end(), touched))
    return report.accounts.front().status;
  if (failed > 0 || !report.not_done.empty())
    report.status = Status(
        cancel.cancelled() ? Code::cancelled : Code::partial,
        base::cat(report.accounts.size() - failed, " of ", impl_->plans.size(), " accounts were restored"),
        "the report names the others");
  return report;
}

Result<RestoreReport> roll_back_unfinished(std::vector<BackupTarget> targets, RedoLog& log,
                                           std::string_view account_id, const RestoreInto& into) {
  const std::vector<RedoLog::Unfinished> open = log.unfinished();
  const auto found = std::find_if(open.begin(), open.end(), [&](const RedoLog::Unfinished& transaction) {
    return transaction.account_id == account_id && transaction.is_rewind;
  });
  if (found == open.end())
    return Status(Code::not_found, base::cat("no restore of ", base::escape(account_id), " is unfinished"));
  if (!found->claimable)
    return Status(Code::busy, base::cat("the restore of ", base::escape(account_id), " is still running"));
  RestoreRequest request;
  request.accounts = {std::string(account_id)};
  request.stop.lsn = found->begin_lsn - 1;
  request.origin.client = "restante roll back";
  Result<RestorePlan> plan = RestorePlan::make(std::move(targets), &log, request, into);
  if (!plan.ok()) return plan.status();
  return plan->execute();
}

}  // namespace v0
}  // namespace restante

#include <restante/restore_plan.hpp>

#include <algorithm>
#include <mutex>

#include "base/parallel.hpp"
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
  std::vector<char> in_doubt;  // not of bool: threads write neighbours

  void plan_accounts();
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

restore::Purpose purpose_of(bool in_doubt) {
  return in_doubt ? restore::Purpose::show_state : restore::Purpose::show;
}

// A request that can be right for no account fails as a whole.
Status common_failure(const std::vector<AccountPlan>& plans) {
  for (const AccountPlan& plan : plans)
    if (plan.failure.ok()) return {};
  return plans.front().failure;
}

}  // namespace

void RestorePlan::Impl::plan_accounts() {
  digests.resize(chosen.size());
  in_doubt.resize(chosen.size());
  plans.resize(chosen.size());
  const RestoreRequest& request = context.request;
  // What fails is in the plan of the account.
  static_cast<void>(
      base::run_in_parallel(request.workers, request.parallel, chosen.size(), [&](std::size_t i) {
        in_doubt[i] = request.prefix.empty() && left_in_doubt(context.log, chosen[i].id);
        restore::ComputedAccount computed = restore::compute(context, chosen[i], purpose_of(in_doubt[i]));
        digests[i] = restore::digest_of(computed.operations);
        plans[i] = std::move(computed.plan);
        return Status();
      }));
}

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
  Result<history::History> history = history::History::make(targets, log, request.stop.backup_only);
  if (!history.ok()) return history.status();
  context.history = *std::move(history);
  const Result<history::ResolvedStop> stop =
      history::resolve(request.stop, targets, context.history, context.made_at);
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

  if (into.sink) context.contents->expect_much();
  impl->plan_accounts();
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
      restore::compute(impl_->context, impl_->chosen[*index], purpose_of(impl_->in_doubt[*index]));
  if (!computed.plan.failure.ok()) return computed.plan.failure;
  return std::move(computed.operations);
}

namespace {

// Tells how far all accounts together are.
class SharedProgress {
 public:
  SharedProgress(ProgressFunction each, Time began, std::size_t accounts) : each_(std::move(each)) {
    now_.began = began;
    now_.accounts_total = accounts;
  }

  void begin(const std::string& account_id) {
    change([&] { now_.account_id = account_id; });
  }
  void add(std::uint64_t messages, std::uint64_t bytes) {
    change([&] {
      now_.messages_done += messages;
      now_.bytes_done += bytes;
    });
  }
  void end() {
    const std::scoped_lock lock(mutex_);
    ++now_.accounts_done;
  }

 private:
  template <typename Change>
  void change(const Change& change) {
    const std::scoped_lock lock(mutex_);
    change();
    if (each_) each_(now_);
  }

  const ProgressFunction each_;
  std::mutex mutex_;
  Progress now_;
};

}  // namespace

Result<RestoreReport> RestorePlan::execute(CancelToken cancel, ProgressFunction progress) {
  const RestoreRequest& request = impl_->context.request;
  if (!impl_->context.into.sink)
    return Status(Code::invalid_argument, "a plan without a sink cannot be executed");
  SharedProgress shared(std::move(progress), impl_->context.made_at, impl_->plans.size());
  std::vector<std::optional<AccountReport>> done(impl_->plans.size());
  // A failure is in the report of its account, and here it keeps others from being begun.
  static_cast<void>(
      base::run_in_parallel(request.workers, request.parallel, done.size(), [&](std::size_t i) -> Status {
        AccountPlan& plan = impl_->plans[i];
        if (plan.deleted_at_stop) return {};
        if (cancel.cancelled()) return Status(Code::cancelled, "the restore was ended");
        shared.begin(plan.account_id);
        const restore::AccountJob job{
            impl_->context,
            impl_->chosen[i],
            plan,
            impl_->digests[i],
            impl_->in_doubt[i] != 0,
            [&](std::uint64_t messages, std::uint64_t bytes) { shared.add(messages, bytes); }};
        done[i] = restore::restore_account(job);
        shared.end();
        return request.continue_on_error ? Status() : done[i]->status;
      }));
  RestoreReport report;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (impl_->plans[i].deleted_at_stop) continue;
    if (!done[i]) {
      report.not_done.push_back(impl_->plans[i].account_id);
      continue;
    }
    if (!done[i]->status.ok()) ++failed;
    report.accounts.push_back(*std::move(done[i]));
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

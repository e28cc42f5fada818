// restante redo replay: performs the transactions of the redo log again, in the store.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "command.hpp"
#include "plan_text.hpp"
#include "progress.hpp"
#include "replay_text.hpp"
#include "restore_lock.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountReport;
using restante::Code;
using restante::Status;

constexpr std::uint64_t kMostThreads = 256;

class RedoReplay final : public Command {
 public:
  Manual manual() const override {
    return {"redo replay", "performs the transactions of the redo log again",
            "[-a ACCOUNT...] [--from TIME] [--to TIME]\n[--from-lsn N] [--to-lsn N] [--from-seq N]\n"
            "[--to-seq N] [--stop-on-error] [--threads N]\n[--dry-run] [--yes]",
            "For a store that went back behind its redo log, as when its file system was put back: performs "
            "the committed transactions of the range, in commit order, on the mailboxes as they are. Without "
            "a range, all that the server still has, up to the moment the command begins. Bounds are "
            "inclusive; times are commit times.\n"
            "What the store holds is logged first. The plan is shown before anything is changed, and the "
            "replay is itself logged, so 'restante restore' can go back behind it. Replaying again changes "
            "nothing. A range that does not end with the last change of an account brings older states "
            "back: where the plan takes messages, folders, items or accounts away, --yes is required.\n"
            "Archived segments are replayed by 'restante restore'.",
            "restante redo replay --from '2026/07/12 03:00:00' --dry-run\n"
            "restante redo replay -a user1@example.com --from-seq 12 --to-seq 14"};
  }

  void declare(CLI::App& app) override {
    range_.declare(app, "transactions");
    app.add_flag("--stop-on-error", stop_on_error_,
                 "End at the first thing that fails, instead of going on and naming it at the end.");
    app.add_option("--threads", threads_text_,
                   "Replay so many accounts at a time, 1 to 256 (default 1). The order within an account is "
                   "kept.")
        ->type_name("N");
    app.add_flag("-n,--dry-run", dry_run_, "Show the plan and change nothing.");
    app.add_flag("--yes", yes_, "Do it although it takes something away.");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  using EachPlan = std::function<void(ReplayPlan& plan)>;
  /// Hands the plans to `each`, so many at a time, until it is asked to end; those that were not reached are
  /// named.
  [[nodiscard]] std::vector<std::string> for_each_plan(Program& program, std::vector<ReplayPlan>& plans,
                                                       const EachPlan& each);
  void show_plans(Program& program, const std::vector<ReplayPlan>& plans) const;
  void refuse(const std::vector<ReplayPlan>& plans) const;
  void perform(Program& program, const Replayer& replayer, std::vector<ReplayPlan>& plans);
  void report(Program& program) const;
  [[nodiscard]] Exit conclude(const DamageNotes& damages) const;

  RedoRange range_;
  bool stop_on_error_ = false;
  std::string threads_text_;
  std::uint64_t threads_ = 1;
  bool dry_run_ = false;
  bool yes_ = false;
  std::atomic<bool> failed_ = false;
  std::vector<AccountReport> reports_;
  std::vector<std::string> not_done_;
};

void RedoReplay::check(const restante::TimeZone& zone) {
  range_.check(zone);
  threads_ = optional_number_of("--threads", threads_text_).value_or(1);
  if (threads_ == 0 || threads_ > kMostThreads)
    fail_usage(fmt::format("--threads: {} is not possible", threads_),
               fmt::format("1 to {} accounts at a time are", kMostThreads));
}

std::vector<std::string> RedoReplay::for_each_plan(Program& program, std::vector<ReplayPlan>& plans,
                                                   const EachPlan& each) {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> done = 0;
  const auto work_off = [&] {
    while (!stop_requested() && !(stop_on_error_ && failed_)) {
      const std::size_t mine = next++;
      if (mine >= plans.size()) return;
      each(plans[mine]);
      ++done;
    }
  };
  const auto work = [&] {
    std::vector<std::jthread> helpers;
    for (std::uint64_t i = 1; i < std::min<std::uint64_t>(threads_, plans.size()); ++i)
      helpers.emplace_back(work_off);
    work_off();
  };
  const auto progress = [&] {
    restante::Progress now;
    now.accounts_done = done;
    now.accounts_total = plans.size();
    if (now.accounts_done < plans.size()) now.account_id = plans[now.accounts_done].account_id;
    return now;
  };
  run_long(program.console, {.work = work, .progress = progress, .stop = [] {}});
  std::vector<std::string> left;
  for (std::size_t i = std::min(next.load(), plans.size()); i < plans.size(); ++i)
    left.push_back(plans[i].account_id);
  return left;
}

void RedoReplay::show_plans(Program& program, const std::vector<ReplayPlan>& plans) const {
  program.answer["dry_run"] = dry_run_;
  program.answer["plan"] = Json::array();
  for (const ReplayPlan& plan : plans) {
    program.answer["plan"].push_back(json_of(plan));
    program.console.text(text_of(plan, program.zone, program.console.columns()));
  }
  if (plans.empty()) program.console.line("No transaction is in this range.");
}

void RedoReplay::refuse(const std::vector<ReplayPlan>& plans) const {
  std::vector<std::string> losing;
  for (const ReplayPlan& plan : plans) {
    if (stop_on_error_ && !plan.failure.ok())
      fail(with_program_hint(plan.failure).with_context(printable(plan.account_id)));
    if (plan.failure.ok() && takes_away(plan)) losing.push_back(plan.account_id);
  }
  if (yes_ || dry_run_ || losing.empty()) return;
  fail(Status(
      Code::invalid_argument,
      fmt::format("the replay would take something away from {}; nothing was changed", list_of(losing)),
      "the plan above tells what; --yes does it, another range may not need it"));
}

void RedoReplay::perform(Program& program, const Replayer& replayer, std::vector<ReplayPlan>& plans) {
  std::mutex mutex;
  not_done_ = for_each_plan(program, plans, [&](ReplayPlan& plan) {
    AccountReport report = replayer.perform(plan);
    report.status = with_program_hint(report.status);
    const std::lock_guard lock(mutex);
    failed_ = failed_ || !report.status.ok() || !report.refused.empty();
    reports_.push_back(std::move(report));
  });
  std::sort(reports_.begin(), reports_.end(),
            [](const AccountReport& a, const AccountReport& b) { return a.account_id < b.account_id; });
}

void RedoReplay::report(Program& program) const {
  program.answer["accounts"] = Json::array();
  program.answer["not_done"] = Json::array();
  for (const AccountReport& report : reports_) {
    program.answer["accounts"].push_back(json_of(report));
    program.console.text(text_of(report, report.account_id));
  }
  for (const std::string& name : not_done_) program.answer["not_done"].push_back(json_text(name));
  if (!not_done_.empty()) program.console.line("not done: " + list_of(not_done_, not_done_.size()));
}

Exit RedoReplay::conclude(const DamageNotes& damages) const {
  std::vector<std::string> names = not_done_;
  std::size_t refused = 0;
  bool any_done = false;
  Status first;
  for (const AccountReport& report : reports_) {
    refused += report.refused.size();
    any_done |= report.status.ok() || report.logged_at != 0;
    if (report.status.ok()) continue;
    names.push_back(report.account_id);
    if (first.ok()) first = report.status.with_context(printable(report.account_id));
  }
  const Exit exit = any_done ? kPartial : kFailed;
  if (names.size() == 1 && !first.ok()) throw Failure{exit, first};
  if (!names.empty())
    throw Failure{exit, Status(exit == kPartial ? Code::partial
                               : first.ok()     ? Code::cancelled
                                                : first.code(),
                               "not replayed: " + list_of(names), "the lines above tell why; replay again")};
  if (refused > 0)
    throw Failure{kPartial, Status(Code::partial, fmt::format("{} refused", counted(refused, "object")),
                                   "the lines 'refused' tell which, and why")};
  if (!damages.empty()) throw Failure{kPartial, damaged_log()};
  return kDone;
}

Exit RedoReplay::run(Program& program) {
  watch_for_stop();
  const RestoreLock lock(program.config.state);
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, Replayer::kClient);
  require_known(program, log, range_.accounts());
  const std::vector<restante::BackupTarget> targets = open_targets(program);
  const auto scanner = open_scanner(program, Replayer::kClient, *store, log, targets);
  refuse_lost_store(program, *scanner, targets,
                    "mount it, or bring the accounts back with 'restante restore'");
  const auto sink = scanner->sink_for(*store);
  const Replayer replayer({log, *scanner, *sink, *store, targets, range_, range_.in(log)});
  end_if_stopped();

  DamageNotes damages(program);
  std::vector<ReplayPlan> plans = replayer.find_accounts(damages);
  program.answer["damages"] = damages.json();
  if (stop_on_error_ && !damages.empty()) fail(damaged_log());
  (void)for_each_plan(program, plans, [&](ReplayPlan& plan) {
    replayer.plan(plan);
    if (!plan.failure.ok()) failed_ = true;
  });
  end_if_stopped();
  show_plans(program, plans);
  refuse(plans);
  if (dry_run_) {
    program.console.line("Dry run: nothing was changed.");
    for (const ReplayPlan& plan : plans)
      if (!plan.failure.ok()) reports_.push_back({plan.account_id, plan.account_id, plan.failure});
    return conclude(damages);
  }
  failed_ = false;
  perform(program, replayer, plans);
  report(program);
  return conclude(damages);
}

}  // namespace

std::unique_ptr<Command> make_redo_replay() { return std::make_unique<RedoReplay>(); }

}  // namespace cli

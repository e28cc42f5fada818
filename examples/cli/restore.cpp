// restante restore: shows what it will do, does it, says what became of it.

#include <restante/restore_plan.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>

#include "command.hpp"
#include "plan_text.hpp"
#include "progress.hpp"
#include "restore_lock.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "stop_options.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountPlan;
using restante::AccountReport;
using restante::Identity;
using restante::RestorePlan;
using restante::RestoreReport;
using restante::RestoreRequest;
using restante::Result;
using restante::Status;

std::optional<Identity> identity_of(const std::string& word) {
  if (word.empty()) return std::nullopt;
  if (word == "exact") return Identity::exact;
  if (word == "keep") return Identity::keep;
  if (word == "renew") return Identity::renew;
  fail_usage(fmt::format("--identity: '{}' is unknown", printable(word)),
             "identities are exact, keep and renew");
}

/// What the prefix makes of an address must be an address of the store still, in the same domain.
void check_prefix(const std::string& prefix) {
  constexpr std::size_t kMaxBytes = 64;
  constexpr const char* kHint = "a prefix is the beginning of an address, for example --prefix restored-";
  if (prefix.size() > kMaxBytes)
    fail_usage(fmt::format("--prefix: it has {} bytes, {} are allowed", prefix.size(), kMaxBytes), kHint);
  for (const char c : prefix) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '@' || c == '/' || byte < 0x20 || byte == 0x7f)
      fail_usage(fmt::format("--prefix: '{}' has '@', '/' or a control character in it", printable(prefix)),
                 kHint);
  }
  if (!prefix.empty() && prefix.front() == '.')
    fail_usage(fmt::format("--prefix: '{}' begins with a dot", printable(prefix)), kHint);
}

const std::string& shown_name(const AccountPlan& plan) {
  return plan.into_address.empty() ? plan.account_id : plan.into_address;
}

class Restore final : public Command {
 public:
  Manual manual() const override {
    return {
        "restore", "brings mailboxes back as they were",
        "-a ACCOUNT...|all [--label LABEL]\n"
        "[--to-time TIME] [--to-label LABEL] [--to-seq N] [--to-lsn N]\n"
        "[--backup-only | --full-only] [--prefix PREFIX]\n"
        "[--identity exact|keep|renew] [--dry-run]\n"
        "[--continue-on-error]",
        "Computes the state of each account from its newest full before the wanted moment and the redo log "
        "behind "
        "it, compares it with the live mailbox, shows the plan, and makes the difference. Nothing is changed "
        "before "
        "everything that is needed was read and checked. It asks nothing; --dry-run stops after the plan.\n"
        "Without one of the --to options an account is restored to the end of the redo log. With several, "
        "the "
        "earliest counts. A restore is logged like any other change: later backups need no new full, and "
        "restoring "
        "to the position before it undoes it.\n"
        "TIME is YYYY/MM/DD hh:mm:ss[.SSS], YYYYMMDD.hhmmss[.SSS], YYYYMMDDhhmmss[SSS] or "
        "YYYY-MM-DDThh:mm:ss[.ffffff] in the machine's zone, or in UTC with a Z behind it.\n"
        "After a crash, the same command again finishes what was begun; 'restante abort --restore' takes it "
        "back.",
        "restante restore -a user1@example.com --to-time 20260712.153000 --dry-run\n"
        "restante restore -a user1@example.com --prefix restored-\n"
        "restante restore -a all --continue-on-error"};
  }

  void declare(CLI::App& app) override {
    app.add_option(
           "-a,--account", accounts_,
           "These accounts, by address or id; 'all' for every account in the target that existed at the "
           "wanted moment.")
        ->type_name("ACCOUNT");
    moment_.declare(app);
    app.add_option("--prefix", prefix_, "Restore into new accounts whose addresses begin with this.")
        ->type_name("PREFIX");
    app.add_option("--identity", identity_,
                   "What becomes of UIDs. exact: all as recorded, into an empty account only. keep: messages "
                   "that are "
                   "there keep their UIDs, returning ones get new UIDs. renew: recorded UIDs under a new "
                   "UIDVALIDITY. "
                   "The plan shows which one is chosen, and why.")
        ->type_name("HOW");
    app.add_flag("-n,--dry-run", dry_run_, "Show the plan and change nothing.");
    app.add_flag("-c,--continue-on-error", continue_on_error_,
                 "Go on with the next account after a failure.");
    app.add_option("--folder", folders_)->group("");
    app.add_option("--message", messages_)->group("");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  void show_plan(Program& program, const RestorePlan& plan) const;
  void refuse_failures(const RestorePlan& plan) const;
  RestoreReport execute(Program& program, const restante::RedoLog& log, RestorePlan& plan) const;
  Exit report(Program& program, const RestorePlan& plan, const RestoreReport& report) const;

  std::vector<std::string> accounts_;
  StopOptions moment_;
  std::string prefix_;
  std::string identity_;
  bool dry_run_ = false;
  bool continue_on_error_ = false;
  std::vector<std::string> folders_;
  std::vector<std::string> messages_;
  RestoreRequest request_;
};

void Restore::check(const restante::TimeZone& zone) {
  if (!folders_.empty()) fail_usage("--folder is not available yet", "restore the account, or use --prefix");
  if (!messages_.empty())
    fail_usage("--message is not available yet", "restore the account, or use --prefix");
  if (accounts_.empty())
    fail_usage("an account is required: -a ACCOUNT, or -a all",
               "'restante query -v' shows the accounts of each session");
  moment_.check(zone);
  check_prefix(prefix_);

  request_.accounts = accounts_of(accounts_);
  request_.skip_deleted_accounts = request_.accounts.empty();
  request_.label = moment_.label();
  request_.prefix = prefix_;
  request_.identity = identity_of(identity_);
  request_.continue_on_error = continue_on_error_;
  request_.plan_again = true;
  request_.stop = moment_.stop();
}

Exit Restore::run(Program& program) {
  watch_for_stop();
  const RestoreLock lock(program.config.state);
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, "restante restore");
  Interruption interruption;
  const std::vector<restante::BackupTarget> targets = open_targets(program, {}, &interruption);
  const auto source = open_scanner(program, "restante restore", *store, log, targets);
  const auto sink = source->sink_for(*store);
  end_if_stopped();
  request_.parallel = accounts_at_a_time();
  const auto workers = restante::make_thread_pool(request_.parallel);
  request_.workers = workers.get();
  interruption.begin();
  auto made = RestorePlan::make(targets, &log, request_, {source.get(), sink.get()});
  interruption.end();
  end_if_stopped();
  RestorePlan plan = require(std::move(made));
  show_plan(program, plan);
  if (!continue_on_error_) refuse_failures(plan);
  if (dry_run_) {
    program.console.line("Dry run: nothing was changed.");
    return kDone;
  }
  end_if_stopped();
  return report(program, plan, execute(program, log, plan));
}

void Restore::show_plan(Program& program, const RestorePlan& plan) const {
  program.answer["dry_run"] = dry_run_;
  program.answer["plan"] = Json::array();
  for (const AccountPlan& account : plan.accounts()) {
    program.answer["plan"].push_back(json_of(account));
    program.console.text(text_of(account, program.zone, program.console.columns()));
  }
  if (plan.accounts().empty()) program.console.line("No account is to be restored.");
}

void Restore::refuse_failures(const RestorePlan& plan) const {
  std::vector<std::string> names;
  const AccountPlan* first = nullptr;
  for (const AccountPlan& account : plan.accounts()) {
    if (account.failure.ok()) continue;
    if (first == nullptr) first = &account;
    names.push_back(shown_name(account));
  }
  if (first == nullptr) return;
  const Status failure = with_program_hint(first->failure).with_context(printable(shown_name(*first)));
  if (names.size() == 1 && plan.accounts().size() == 1) fail(failure);
  fail(Status(failure.code(),
              names.size() == 1 ? failure.message() : fmt::format("cannot be restored: {}", list_of(names)),
              "nothing was changed; --continue-on-error restores the other accounts"));
}

RestoreReport Restore::execute(Program& program, const restante::RedoLog& log, RestorePlan& plan) const {
  Result<RestoreReport> done = run_shown(
      program.console, [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
        return plan.execute(cancel, progress);
      });
  if (!done.ok()) {
    std::vector<std::string> into;
    for (const AccountPlan& account : plan.accounts()) into.push_back(account.into_id);
    throw Failure{is_restore_unfinished(log, into) ? kPartial : kFailed, done.status()};
  }
  return std::move(done).value();
}

Exit Restore::report(Program& program, const RestorePlan& plan, const RestoreReport& report) const {
  program.answer["accounts"] = Json::array();
  program.answer["not_done"] = Json::array();
  bool any_done = false;
  std::size_t refused = 0;
  for (const AccountReport& account : report.accounts) {
    program.answer["accounts"].push_back(json_of(account));
    const auto planned = std::find_if(plan.accounts().begin(), plan.accounts().end(),
                                      [&](const AccountPlan& p) { return p.into_id == account.into_id; });
    if (account.planned_again) {
      program.console.line(fmt::format("{} changed while it was planned; its plan, made again:",
                                       printable(shown_name(*account.planned_again))));
      program.console.text(text_of(*account.planned_again, program.zone, program.console.columns()));
    }
    program.console.text(
        text_of(account, planned == plan.accounts().end() ? account.into_id : shown_name(*planned)));
    refused += account.refused.size();
    any_done |= account.status.ok() || account.logged_at != 0 ||
                account.created + account.changed + account.removed > 0;
  }
  for (const std::string& name : report.not_done) program.answer["not_done"].push_back(json_text(name));
  if (report.status.ok() && refused == 0) return kDone;
  if (report.status.ok())
    throw Failure{kPartial,
                  Status(restante::Code::partial, fmt::format("{} refused", counted(refused, "object")),
                         "the lines 'refused' tell which, and why")};
  if (!report.not_done.empty())
    program.console.line("not done: " + list_of(report.not_done, report.not_done.size()));
  throw Failure{any_done ? kPartial : kFailed, with_program_hint(report.status)};
}

}  // namespace

std::unique_ptr<Command> make_restore() { return std::make_unique<Restore>(); }

}  // namespace cli

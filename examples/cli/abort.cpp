// restante abort: ends a running backup or restore, and clears away what a crash left of one.

#include <restante/restore_plan.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "command.hpp"
#include "plan_text.hpp"
#include "restore_lock.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Code;
using restante::RedoLog;
using restante::SessionInfo;
using restante::SessionStatus;
using restante::Status;

struct Place {
  BackupTarget target;
  SessionInfo session;
};

/// The session in whichever target has it.
Place find_session(const std::vector<BackupTarget>& targets, const std::string& label) {
  std::optional<Status> failure;
  for (const BackupTarget& target : targets) {
    auto session = target.session(label);
    if (session.ok()) return {target, std::move(session).value()};
    if (session.status().code() != Code::not_found) fail(session.status());
    if (!failure) failure = session.status();
  }
  fail(*failure);
}

class Abort final : public Command {
 public:
  Manual manual() const override {
    return {
        "abort", "ends a running backup or restore", "--label LABEL | --restore",
        "--label asks a running session to end, in whatever process it runs. It becomes a partially "
        "successful session: accounts that are finished can be restored. If none is, it failed. Of an "
        "interrupted session, whose process is gone, the leftovers are removed.\n"
        "--restore asks a running restore to end after the current account. If none is running, accounts in "
        "which a restore broke off are made again what they were before it.",
        "restante abort --label full-20070712.155951.123\n"
        "restante abort --restore"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--label", label_, "This session.")->type_name("LABEL");
    app.add_flag("-r,--restore", restore_, "The restore that runs or broke off.");
    app.add_option("--target", target_, "Look in this target instead of those of the configuration.")
        ->type_name("PATH");
  }

  void check(const restante::TimeZone&) override {
    if (restore_ && !label_.empty())
      fail_usage("--label and --restore exclude each other",
                 "--label is for sessions, --restore for restores");
    if (!restore_ && label_.empty())
      fail_usage("a label is required: --label LABEL",
                 "'restante query' shows the labels of running sessions");
  }
  Exit run(Program& program) override { return restore_ ? abort_restore(program) : abort_session(program); }

 private:
  Exit abort_session(Program& program);
  Exit abort_restore(Program& program);
  Exit roll_back(Program& program, RedoLog& log);

  std::string label_;
  bool restore_ = false;
  std::string target_;
};

Exit Abort::abort_session(Program& program) {
  const Place place = find_session(open_targets(program, target_), label_);
  program.answer["label"] = json_text(place.session.label);
  switch (place.session.status) {
    case SessionStatus::running:
      require(place.target.request_abort(label_));
      program.answer["action"] = "asked_to_end";
      program.console.line(fmt::format(
          "{} was asked to end. It will be partially successful, or failed if no account of it is finished.",
          printable(label_)));
      return kDone;
    case SessionStatus::interrupted:
      require(place.target.discard_interrupted(label_));
      program.answer["action"] = "discarded";
      program.console.line(
          fmt::format("{} was interrupted before; what it left was removed.", printable(label_)));
      return kDone;
    default:
      fail(Status(Code::not_found,
                  fmt::format("{} is not running: it is {}", printable(label_),
                              restante::name_of(place.session.status)),
                  "'restante query' shows which sessions run"));
  }
}

Exit Abort::abort_restore(Program& program) {
  if (const std::optional<int> process = RestoreLock::holder(program.config.state)) {
    if (kill(*process, SIGTERM) != 0)
      fail(Status(errno == EPERM ? Code::permission : Code::io,
                  fmt::format("cannot stop the restore in process {}: {}", *process, std::strerror(errno))));
    program.answer["action"] = "asked_to_end";
    program.answer["pid"] = *process;
    program.console.line(
        fmt::format("The restore in process {} was asked to end after the current account.", *process));
    return kDone;
  }
  RedoLog log = open_log(program, "restante abort");
  return roll_back(program, log);
}

Exit Abort::roll_back(Program& program, RedoLog& log) {
  const auto store = open_store(program);
  const std::vector<BackupTarget> targets = open_targets(program, target_);
  const auto source = open_scanner(program, "restante abort", *store, log, targets);
  const auto sink = source->sink_for(*store);
  program.answer["action"] = "rolled_back";
  program.answer["accounts"] = Json::array();
  std::vector<std::string> failed;
  std::size_t done = 0;
  Status first;
  for (const RedoLog::Unfinished& unfinished : log.unfinished()) {
    if (!unfinished.is_rewind) continue;
    const auto report =
        restante::roll_back_unfinished(targets, log, unfinished.account_id, {source.get(), sink.get()});
    const Status status = report.ok() ? report->status : report.status();
    if (status.ok()) {
      ++done;
    } else {
      failed.push_back(unfinished.account_id);
      if (first.ok()) first = status.with_context(printable(unfinished.account_id));
    }
    if (!report.ok()) continue;
    for (const restante::AccountReport& account : report->accounts) {
      program.answer["accounts"].push_back(json_of(account));
      program.console.text(text_of(account, account.account_id));
    }
  }
  if (failed.empty()) {
    program.console.line(done == 0 ? "No restore is running, and none broke off." : "As before the restore.");
    return kDone;
  }
  throw Failure{done == 0 ? kFailed : kPartial,
                failed.size() == 1 ? first
                                   : Status(first.code(), fmt::format("not rolled back: {}", list_of(failed)),
                                            first.message())};
}

}  // namespace

std::unique_ptr<Command> make_abort() { return std::make_unique<Abort>(); }

}  // namespace cli

// restante backup: one session, in the foreground or in the background.

#include <restante/session.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>

#include "background.hpp"
#include "command.hpp"
#include "observer.hpp"
#include "progress.hpp"
#include "restore_lock.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountStatus;
using restante::BackupTarget;
using restante::Session;
using restante::SessionAccount;
using restante::SessionInfo;
using restante::SessionStatus;
using restante::Status;

std::vector<std::string> names_of_failed(const SessionInfo& session) {
  std::vector<std::string> names;
  for (const SessionAccount& account : session.accounts)
    if (account.status != AccountStatus::completed)
      names.push_back(account.address.empty() ? account.id : account.address);
  return names;
}

/// "completed: 12 accounts, 12 in full with 40,210 messages; 1.0 GiB read, 431 MiB stored in 3.2 s".
std::string summary_of(const SessionInfo& session) {
  std::uint64_t fulls = 0;
  std::uint64_t messages = 0;
  std::uint64_t completed = 0;
  for (const SessionAccount& account : session.accounts) {
    if (account.status != AccountStatus::completed) continue;
    ++completed;
    if (!account.full) continue;
    ++fulls;
    messages += account.messages;
  }
  std::string out = fmt::format("{}: {}", restante::name_of(session.status), counted(completed, "account"));
  if (completed < session.accounts.size()) out += fmt::format(" of {}", number(session.accounts.size()));
  if (fulls > 0) out += fmt::format(", {} in full with {}", number(fulls), counted(messages, "message"));
  out += fmt::format("; {} read, {} stored in {}", byte_size(session.bytes_read),
                     byte_size(session.bytes_stored), duration(session.began, session.ended));
  if (session.last_sequence != 0)
    out += fmt::format("; redo log {}-{} archived", session.first_sequence, session.last_sequence);
  return out;
}

/// Accounts that the session refused because a restore of them has not ended.
std::vector<std::string> names_in_doubt(const restante::RedoLog& log, const SessionInfo& session) {
  std::vector<std::string> names;
  for (const restante::RedoLog::Unfinished& unfinished : log.unfinished()) {
    const SessionAccount* account = session.find(unfinished.account_id);
    if (unfinished.is_rewind && account != nullptr && account->status == AccountStatus::error)
      names.push_back(account->address.empty() ? account->id : account->address);
  }
  return names;
}

std::string hint_of(const Program& program, const restante::RedoLog& log, const SessionInfo& session) {
  const std::vector<std::string> in_doubt = names_in_doubt(log, session);
  if (!in_doubt.empty()) {
    if (const std::optional<int> process = RestoreLock::holder(program.config.state))
      return fmt::format("process {} restores {}; back up again when it has ended", *process,
                         list_of(in_doubt));
    return fmt::format(
        "a restore of {} broke off: 'restante restore' again finishes it, 'restante abort --restore' takes "
        "it back",
        list_of(in_doubt));
  }
  return session.status == SessionStatus::partial
             ? fmt::format("'restante query --label {} -v' lists all accounts", session.label)
             : "no account of the session can be restored";
}

class Backup final : public Command {
 public:
  Manual manual() const override {
    return {"backup", "runs a backup session",
            "[--full | --incremental | --synthetic | --auto-grouped]\n[-a ACCOUNT...] [--target PATH] "
            "[--limit-rate BYTES]\n[--allow-empty] [--background]",
            "Looks for what changed in the store, and writes a session into the target. Its label is the "
            "first line of "
            "the output and shown at once; 'restante query' and 'restante abort' take it.\n"
            "A full session holds every account whole. An incremental session, the default, archives the "
            "redo log "
            "written since the last session; an account that has no full in the target gets one. Mailboxes "
            "stay in use "
            "meanwhile.\n"
            "A synthetic session makes the fulls inside the target, from the last ones and the redo log, and "
            "does not read the mailboxes, but those that have no full yet. What no scan, watch or other "
            "session has logged is not in it: it is not lost, and comes with the next session that looks.\n"
            "An auto-grouped session makes fulls of new accounts and of one group of the others, those with "
            "the oldest fulls, and archives the redo log of all.\n"
            "An account that cannot be backed up does not stop the others: the session is then partially "
            "successful and "
            "names it. SIGINT and SIGTERM end the session early in the same way, with the accounts that are "
            "finished; if none is, the session failed.",
            "restante backup --full\n"
            "restante backup -a user1@example.com\n"
            "restante backup --synthetic\n"
            "restante backup --full --background"};
  }

  void declare(CLI::App& app) override {
    app.add_flag("-f,--full", full_, "Back up whole mailboxes.");
    app.add_flag("-i,--incremental", incremental_, "Back up what changed since the last session (default).");
    app.add_flag("--synthetic", synthetic_,
                 "Make fulls from the last ones and the redo log, without reading the store.");
    app.add_flag("--auto-grouped", auto_grouped_,
                 "Back up one group of accounts in full, as [auto_grouped] of the configuration says; the "
                 "default with mode = \"auto-grouped\".");
    app.add_option("-a,--account", accounts_,
                   "Only these accounts, by address or id; 'all' for all (default).")
        ->type_name("ACCOUNT");
    app.add_option("--target", target_, "Write to this target; default: the first of the configuration.")
        ->type_name("PATH");
    app.add_option("--limit-rate", limit_rate_,
                   "Read at most so many bytes of mail in a second; K, M and G stand for KiB, MiB and GiB.")
        ->type_name("BYTES");
    app.add_flag("--allow-empty", allow_empty_,
                 "Go on if the store has no account at all although some were known; they are then logged as "
                 "removed.");
    app.add_flag(
        "--background", background_,
        "Go on in the background once the label is shown. What it has to say is in the file 'log' of the "
        "state directory.");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  Exit run_session(Program& program, const Announce& announce);
  Session::Kind kind(const Config& config) const;
  Session begin_session(Program& program, BackupTarget& target, Session::Options& options);
  Exit report(Program& program, const restante::RedoLog& log, const SessionInfo& session) const;

  bool full_ = false;
  bool incremental_ = false;
  std::vector<std::string> accounts_;
  std::string target_;
  std::string limit_rate_;
  std::uint64_t bytes_per_second_ = 0;
  bool allow_empty_ = false;
  bool background_ = false;
  bool auto_grouped_ = false;
  bool synthetic_ = false;
};

void Backup::check(const restante::TimeZone&) {
  if (full_ + incremental_ + synthetic_ + auto_grouped_ > 1)
    fail_usage("--full, --incremental, --synthetic and --auto-grouped exclude each other",
               "an incremental session makes a full of accounts that have none");
  if (!limit_rate_.empty()) bytes_per_second_ = byte_count_of("--limit-rate", limit_rate_);
  accounts_ = accounts_of(accounts_);
  if (auto_grouped_ && !accounts_.empty())
    fail_usage("--auto-grouped chooses the accounts itself", "back up these with --full");
}

Exit Backup::run(Program& program) {
  watch_for_stop();
  // The background process runs in another directory.
  target_ =
      target_.empty() ? program.config.targets.front().path : std::filesystem::absolute(target_).string();
  if (!background_)
    return run_session(program, [&](const std::string& label) { program.console.line(label); });
  const Started started =
      run_in_background(program.console, program.config.state + "/log", [&](const Announce& announce) {
        return run_session(program, [&](const std::string& label) {
          program.console.line(
              fmt::format("{} {}", program.zone.format(restante::system_clock().now()), label));
          announce(label);
        });
      });
  program.console.line(started.label);
  program.answer["label"] = started.label;
  program.answer["pid"] = started.pid;
  if (!stop_requested()) return kDone;
  kill(started.pid, SIGTERM);
  throw Failure{kPartial,
                Status(restante::Code::cancelled,
                       fmt::format("interrupted; the session in process {} was asked to end", started.pid),
                       fmt::format("'restante query --label {}' tells what became of it", started.label))};
}

Exit Backup::run_session(Program& program, const Announce& announce) {
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, "restante backup");
  BackupTarget target = open_target(program, target_);
  const auto source = open_scanner(program, "restante backup", *store, log, {target},
                                   full_ ? Baseline::replaced_by_full : Baseline::required);
  if (!allow_empty_) refuse_lost_store(program, *source, {target});
  end_if_stopped();
  ConsoleObserver observer(program.console);
  const unsigned parallel = accounts_at_a_time();
  const auto workers = restante::make_thread_pool(parallel);
  Session::Options options;
  options.workers = workers.get();
  options.parallel = parallel;
  options.bytes_per_second = bytes_per_second_;
  options.source = source.get();
  options.log = &log;
  options.observer = &observer;
  Session session = begin_session(program, target, options);
  end_if_stopped();
  announce(session.label());
  program.answer["label"] = session.label();

  std::optional<restante::Result<SessionInfo>> result;
  run_long(program.console, {.work = [&] { result.emplace(session.run()); },
                             .progress = [&] { return session.progress(); },
                             .stop = [&] { session.abort(); }});
  return report(program, log, require(*std::move(result)));
}

/// Without an option, and not of some accounts only, as the configuration says.
Session::Kind Backup::kind(const Config& config) const {
  if (full_) return Session::Kind::full;
  if (synthetic_) return Session::Kind::synthetic;
  const bool by_default = config.auto_grouped.is_mode && !incremental_ && accounts_.empty();
  return auto_grouped_ || by_default ? Session::Kind::auto_grouped : Session::Kind::incremental;
}

Session Backup::begin_session(Program& program, BackupTarget& target, Session::Options& options) {
  options.kind = kind(program.config);
  options.accounts = accounts_;
  options.groups = program.config.auto_grouped.num_groups;
  options.group_interval = std::chrono::days(program.config.auto_grouped.interval_days);
  options.server_name = program.config.server;
  return require(Session::begin(target, options));
}

Exit Backup::report(Program& program, const restante::RedoLog& log, const SessionInfo& session) const {
  program.answer["session"] = json_of(session);
  program.console.line(summary_of(session));
  if (synthetic_)
    program.console.line("folded from the last fulls and the redo log; the mailboxes were not read");
  for (const SessionAccount& account : session.accounts)
    if (!account.error.empty())
      program.console.line(fmt::format("  {}: {}",
                                       printable(account.address.empty() ? account.id : account.address),
                                       printable(account.error)));
  if (session.status == SessionStatus::completed) return kDone;

  const std::vector<std::string> names = names_of_failed(session);
  const std::string what = names.empty()
                               ? (session.error.empty() ? "the session was ended early" : session.error)
                               : fmt::format("not backed up: {}", list_of(names));
  const bool partial = session.status == SessionStatus::partial;
  throw Failure{partial ? kPartial : kFailed, Status(partial ? restante::Code::partial : restante::Code::io,
                                                     what, hint_of(program, log, session))};
}

}  // namespace

std::unique_ptr<Command> make_backup() { return std::make_unique<Backup>(); }

}  // namespace cli

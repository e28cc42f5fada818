#include "setup.hpp"

#include <restante/restore_plan.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "failure.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Operation;
using restante::Result;
using restante::Status;

constexpr const char* kInitHint = "'restante init' makes it; it changes nothing that is there";

std::string scan_directory(const Program& program) { return program.config.state + "/scan"; }

/// Whether the state of any account, also of one that has gone, is known here.
bool has_known_states(const Program& program) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(scan_directory(program), error))
    if (entry.path().extension() == ".state") return true;
  return false;
}

/// The account at the end of the log, as sessions and log tell it.
Result<std::vector<Operation>> state_at_end(const std::vector<BackupTarget>& targets, restante::RedoLog log,
                                            std::string_view account) {
  restante::RestoreRequest request;
  request.accounts = {std::string(account)};
  // What the log says and no more: a deleted account is empty, what nobody ended did not happen.
  request.skip_deleted_accounts = true;
  request.in_doubt = restante::InDoubt::drop;
  const auto plan = restante::RestorePlan::make(targets, &log, request, {});
  if (!plan.ok()) return plan.status();
  for (const restante::AccountPlan& step : plan->accounts())
    if (!step.failure.ok()) return step.failure;
  auto stream = plan->state(account);
  if (!stream.ok()) return stream.status();
  std::vector<Operation> operations;
  for (Operation operation;;) {
    const Result<bool> more = (*stream)->next(operation);
    if (!more.ok()) return more.status();
    if (!*more) return operations;
    operations.push_back(std::move(operation));
  }
}

}  // namespace

unsigned accounts_at_a_time() { return std::clamp(std::thread::hardware_concurrency(), 4u, 8u); }

bool is_in_no_target(const std::vector<BackupTarget>& targets, std::string_view account) {
  for (const BackupTarget& target : targets) {
    const auto found = target.find_account(account);
    if (found.ok() || found.status().code() != restante::Code::not_found) return false;
  }
  return true;
}

restante::Status with_hint(const Status& status, const std::string& hint) {
  return Status(status.code(), status.message(), hint);
}

restante::Status with_program_hint(const Status& status) {
  switch (status.code()) {
    case restante::Code::restore_unfinished:
      return with_hint(
          status, "'restante restore' of the account finishes it, 'restante abort --restore' takes it back");
    case restante::Code::busy:
      return status.hint().empty() ? with_hint(status, "wait until the other has ended, then try again")
                                   : status;
    case restante::Code::permission:
      return status.hint().empty() ? with_hint(status, "run restante as the user that owns the mail")
                                   : status;
    default: return status;
  }
}

std::unique_ptr<restante::MaildirStore> open_store(Program& program) {
  restante::MaildirStore::Options options;
  options.path = program.config.store.path;
  options.domain = program.config.store.domain;
  options.on_warning = [&console = program.console](std::string_view account, std::string_view warning) {
    console.warn(account.empty() ? std::string(warning) : fmt::format("{}: {}", account, warning));
  };
  auto store = restante::MaildirStore::open(options);
  if (!store.ok())
    throw Failure{
        store.status().code() == restante::Code::invalid_argument ? kUsage : kFailed,
        with_hint(store.status(), fmt::format("check [store] in {}", printable(program.config.file)))};
  return std::move(store).value();
}

restante::RedoLog open_log(const Program& program, const char* purpose) {
  restante::RedoLog::Options options;
  options.holder = purpose;
  auto log = restante::RedoLog::open(program.config.redo.path, options);
  if (log.ok()) return std::move(log).value();
  if (log.status().code() == restante::Code::not_found) fail(with_hint(log.status(), kInitHint));
  fail(log.status());
}

std::string passphrase_in(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) && !file.eof())
    fail(Status(restante::Code::io, fmt::format("cannot read the passphrase in {}", printable(path))));
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty())
    fail(Status(restante::Code::invalid_argument,
                fmt::format("there is no passphrase in {}", printable(path)),
                "write it in the file's first line"));
  return line;
}

restante::KeyOptions keys_for(const Program& program, const std::string& path) {
  restante::KeyOptions keys;
  for (const TargetConfig& target : program.config.targets) {
    if (target.path != path) continue;
    keys.key_file = target.key_file;
    keys.authority = target.authority;
    if (!target.passphrase_file.empty()) keys.passphrase = passphrase_in(target.passphrase_file);
  }
  return keys;
}

BackupTarget open_target(const Program& program, const std::string& path, const Interruption* interruption) {
  auto storage = restante::open_local_storage(path);
  if (!storage.ok()) {
    if (storage.status().code() == restante::Code::not_found) fail(with_hint(storage.status(), kInitHint));
    fail(storage.status());
  }
  std::unique_ptr<restante::Storage> used = std::move(storage).value();
  if (interruption != nullptr) used = make_stoppable(std::move(used), *interruption);
  BackupTarget::Options options;
  options.state_directory = program.config.state;
  options.keys = keys_for(program, path);
  auto target = BackupTarget::open(std::move(used), options);
  if (target.ok()) return std::move(target).value();
  if (target.status().code() == restante::Code::permission && options.keys.is_none())
    fail(with_hint(target.status(), fmt::format("name its key_file or passphrase_file in [target] of {}",
                                                printable(program.config.file))));
  if (target.status().code() == restante::Code::not_found) fail(with_hint(target.status(), kInitHint));
  fail(target.status());
}

std::vector<BackupTarget> open_targets(const Program& program, const std::string& path,
                                       const Interruption* interruption) {
  std::vector<BackupTarget> targets;
  if (!path.empty()) {
    targets.push_back(open_target(program, path, interruption));
  } else {
    for (const TargetConfig& configured : program.config.targets)
      targets.push_back(open_target(program, configured.path, interruption));
  }
  return targets;
}

std::unique_ptr<restante::Scanner> open_scanner(Program& program, const char* purpose,
                                                restante::MaildirStore& store, const restante::RedoLog& log,
                                                std::vector<BackupTarget> targets, Baseline baseline) {
  restante::Scanner::Options options;
  options.holder = purpose;
  options.origin.client = purpose;
  options.state_directory = scan_directory(program);
  options.baseline = [&program, log, baseline, targets = std::move(targets)](
                         std::string_view account) -> Result<std::vector<Operation>> {
    if (is_in_no_target(targets, account))
      return Status(restante::Code::not_found, fmt::format("{} is in no backup target", printable(account)));
    Result<std::vector<Operation>> state = state_at_end(targets, log, account);
    if (state.ok()) return state;
    if (baseline == Baseline::replaced_by_full) {
      program.console.warn(fmt::format("{}: its last known state is lost, it is taken as it is now: {}",
                                       printable(account), state.status().message()));
      return Status(restante::Code::not_found, state.status().message());
    }
    return Status(
        restante::Code::damaged,
        fmt::format("the last known state is lost and cannot be computed: {}", state.status().message()),
        fmt::format("'restante backup --full -a {}' begins anew with the mailbox as it is",
                    shell_word(account)));
  };
  return require(restante::Scanner::open(store, log, options));
}

bool is_restore_unfinished(const restante::RedoLog& log, const std::vector<std::string>& account_ids) {
  const std::vector<restante::RedoLog::Unfinished> open = log.unfinished();
  return std::any_of(open.begin(), open.end(), [&](const restante::RedoLog::Unfinished& unfinished) {
    return unfinished.is_rewind &&
           std::find(account_ids.begin(), account_ids.end(), unfinished.account_id) != account_ids.end();
  });
}

void refuse_lost_store(Program& program, restante::Scanner& scanner, const std::vector<BackupTarget>& targets,
                       const char* hint) {
  bool has_account = false;
  const Status listed = scanner.list_accounts([&](const restante::Account&) {
    has_account = true;
    return Status(restante::Code::cancelled, "one is enough");
  });
  if (has_account) return;
  require(listed);
  std::size_t known = require(scanner.accounts()).size();
  // The targets know accounts that were deleted too; they are asked only where nothing else is known.
  if (known == 0 && !has_known_states(program))
    for (const BackupTarget& target : targets) known = std::max(known, require(target.accounts()).size());
  if (known == 0) return;
  fail(Status(restante::Code::not_found,
              fmt::format("the store in {} is empty; {} {} known", printable(program.config.store.path),
                          counted(known, "account"), known == 1 ? "was" : "were"),
              hint));
}

}  // namespace cli

// restante import: mail from an archive into the live mailboxes.

#include <restante/archive.hpp>

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "command.hpp"
#include "names.hpp"
#include "plan_text.hpp"
#include "progress.hpp"
#include "restore_lock.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountPlan;
using restante::AccountReport;
using restante::ArchivedMailbox;
using restante::Identity;
using restante::ImportArchive;
using restante::ImportedMailbox;
using restante::ImportPlan;
using restante::ImportRequest;
using restante::RestoreReport;
using restante::Result;
using restante::Status;

class StdinReader final : public restante::ContentReader {
 public:
  Result<std::size_t> read(restante::MutableByteView buffer) override {
    for (;;) {
      const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (size >= 0) return static_cast<std::size_t>(size);
      if (errno != EINTR)
        return Status(restante::Code::io, fmt::format("cannot read from stdin: {}", std::strerror(errno)));
    }
  }
};

std::optional<Identity> import_identity(const std::string& word) {
  if (word.empty()) return std::nullopt;
  for (const Identity identity : {Identity::exact, Identity::keep, Identity::renew})
    if (word == name_of(identity)) return identity;
  fail_usage(fmt::format("--identity: '{}' is unknown", printable(word)),
             "identities are exact, keep and renew");
}

class Import final : public Command {
 public:
  Manual manual() const override {
    return {
        "import", "adds the mail of an archive to mailboxes",
        "FILE|- [-a NAME...] [--into ACCOUNT] [--folder PATH]\n"
        "[--identity exact|keep|renew] [--dry-run]\n"
        "[--continue-on-error] [--scratch DIRECTORY]",
        "Reads an archive of 'restante export', or a tar or zip that somebody else made of Maildirs or "
        "mboxes, "
        "checks it, shows what each account will get, and adds that. Nothing is ever removed: folders are "
        "found "
        "by "
        "their paths, and a message that its folder has already, with the same bytes and date, is not added "
        "again. "
        "It asks nothing; --dry-run stops after the plan.\n"
        "An import is logged like any other change; restoring to the position before it takes it back.\n"
        "The archive is decompressed into a scratch file first, below the state directory unless --scratch "
        "says "
        "otherwise.\n"
        "After a crash, the same command again finishes what was begun; 'restante abort --restore' takes it "
        "back.",
        "restante import user1.tar.zst --dry-run\n"
        "restante import old-mail.zip --into user1@example.com --folder Imported\n"
        "restante import all.tar.zst -a user1@example.com --identity exact"};
  }

  void declare(CLI::App& app) override {
    app.add_option("FILE", file_, "The archive; '-' for stdin.")->type_name("");
    app.add_option(
           "-a,--account", names_,
           "Only these mailboxes of the archive, by address, or by the name that --dry-run shows; all by "
           "default.")
        ->type_name("NAME");
    app.add_option(
           "--into", into_,
           "Put the mail into this account. Only for one mailbox; needed where the archive tells no address.")
        ->type_name("ACCOUNT");
    app.add_option("--folder", folder_, "Put the folders below this one, as copies.")->type_name("PATH");
    app.add_option(
           "--identity", identity_,
           "What becomes of UIDs. keep: mail is added with new UIDs. exact, renew: as recorded, renew under "
           "a new UIDVALIDITY; into an empty account only. The plan shows which one is chosen, and why.")
        ->type_name("HOW");
    app.add_option("--scratch", scratch_, "Where the archive is decompressed.")->type_name("DIRECTORY");
    app.add_flag("-n,--dry-run", dry_run_, "Show the plan and change nothing.");
    app.add_flag("-c,--continue-on-error", continue_on_error_,
                 "Go on with the next account after a failure.");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  [[nodiscard]] ImportArchive read(Program& program) const;
  void show_archive(Program& program, const ImportArchive& archive) const;
  void show_plan(Program& program, const ImportPlan& plan) const;
  void refuse_failures(const ImportPlan& plan) const;
  Exit execute(Program& program, const restante::RedoLog& log, ImportPlan& plan) const;

  std::string file_;
  std::vector<std::string> names_;
  std::string into_;
  std::string folder_;
  std::string identity_;
  std::string scratch_;
  bool dry_run_ = false;
  bool continue_on_error_ = false;
  ImportRequest request_;
};

void Import::check(const restante::TimeZone& /*zone*/) {
  if (file_.empty()) fail_usage("an archive is required: restante import FILE", "'-' reads from stdin");
  request_.mailboxes = names_;
  request_.into = account_of(into_);
  request_.folder = folder_;
  request_.identity = import_identity(identity_);
  request_.continue_on_error = continue_on_error_;
}

ImportArchive Import::read(Program& program) const {
  ImportArchive::Options options;
  options.scratch_directory = scratch_.empty() ? program.config.state : scratch_;
  return require(run_shown(
      program.console, [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
        if (file_ != "-") return ImportArchive::read(file_, options, cancel, progress);
        StdinReader reader;
        return ImportArchive::read(reader, options, cancel, progress);
      }));
}

Exit Import::run(Program& program) {
  watch_for_stop();
  ImportArchive archive = read(program);
  show_archive(program, archive);
  const RestoreLock lock(program.config.state);
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, "restante import");
  Interruption interruption;
  const std::vector<restante::BackupTarget> targets = open_targets(program, {}, &interruption);
  const auto source = open_scanner(program, "restante import", *store, log, targets);
  const auto sink = source->sink_for(*store);
  end_if_stopped();
  interruption.begin();
  auto made = ImportPlan::make(archive, &log, request_, {source.get(), sink.get()});
  interruption.end();
  end_if_stopped();
  if (!made.ok() && made.status().code() == restante::Code::invalid_argument && into_.empty() &&
      std::any_of(archive.mailboxes().begin(), archive.mailboxes().end(),
                  [](const ArchivedMailbox& mailbox) { return mailbox.address.empty(); }))
    fail(with_hint(made.status(),
                   "name the account with --into, and the mailbox with -a if there are several"));
  ImportPlan plan = require(std::move(made));
  show_plan(program, plan);
  if (!continue_on_error_) refuse_failures(plan);
  if (dry_run_) {
    program.console.line("Dry run: nothing was changed.");
    return kDone;
  }
  end_if_stopped();
  return execute(program, log, plan);
}

void Import::show_archive(Program& program, const ImportArchive& archive) const {
  program.answer["dry_run"] = dry_run_;
  program.answer["mailboxes"] = Json::array();
  for (const ArchivedMailbox& mailbox : archive.mailboxes()) {
    program.answer["mailboxes"].push_back({{"name", json_text(mailbox.name)},
                                           {"address", json_text_or_null(mailbox.address)},
                                           {"kind", json_text(mailbox.kind)},
                                           {"folders", mailbox.folders},
                                           {"messages", mailbox.messages},
                                           {"items", mailbox.items},
                                           {"bytes", mailbox.bytes}});
    program.console.line(fmt::format("in the archive: {}, {}: {} in {}, {}", printable(mailbox.name),
                                     printable(mailbox.kind), counted(mailbox.messages, "message"),
                                     counted(mailbox.folders, "folder"), byte_size(mailbox.bytes)));
  }
  program.answer["notes"] = Json::array();
  for (const std::string& note : archive.notes()) {
    program.answer["notes"].push_back(json_text(note));
    program.console.line(printable(note));
  }
}

void Import::show_plan(Program& program, const ImportPlan& plan) const {
  program.answer["plan"] = Json::array();
  for (const ImportedMailbox& mailbox : plan.mailboxes()) {
    const AccountPlan& account = mailbox.plan;
    Json json = json_of(account);
    json["present"] = mailbox.present;
    json["items_left"] = mailbox.items_left;
    program.answer["plan"].push_back(std::move(json));
    program.console.line(fmt::format("{} into {}{}", printable(account.account_id),
                                     printable(account.into_address),
                                     account.creates_account ? " (a new account)" : ""));
    if (!account.failure.ok()) {
      program.console.text(plan_field("cannot", printable(account.failure.message())));
      continue;
    }
    program.console.text(plan_field(
        "identity", fmt::format("{}: {}", name_of(account.identity), printable(account.identity_reason))));
    program.console.text(plan_field("changes", changes_of(account.difference, account.bytes_to_write)));
    if (mailbox.present > 0)
      program.console.text(plan_field(
          "there", fmt::format("{} that the account has already", counted(mailbox.present, "message"))));
    program.console.text(folder_table(account.difference, program.console.columns(), 12));
    for (const std::string& warning : account.warnings)
      program.console.text(plan_field("warning", printable(warning)));
  }
}

void Import::refuse_failures(const ImportPlan& plan) const {
  for (const ImportedMailbox& mailbox : plan.mailboxes()) {
    if (mailbox.plan.failure.ok()) continue;
    const Status failure = with_program_hint(mailbox.plan.failure);
    fail(failure.with_context(printable(mailbox.plan.account_id)));
  }
}

Exit Import::execute(Program& program, const restante::RedoLog& log, ImportPlan& plan) const {
  const Result<RestoreReport> done = run_shown(
      program.console, [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
        return plan.execute(cancel, progress);
      });
  if (!done.ok()) {
    std::vector<std::string> into;
    for (const ImportedMailbox& mailbox : plan.mailboxes()) into.push_back(mailbox.plan.into_id);
    throw Failure{is_restore_unfinished(log, into) ? kPartial : kFailed, with_program_hint(done.status())};
  }
  program.answer["accounts"] = Json::array();
  std::size_t refused = 0;
  for (const AccountReport& account : done->accounts) {
    program.answer["accounts"].push_back(json_of(account));
    program.console.text(text_of(account, account.into_id));
    refused += account.refused.size();
  }
  program.answer["not_done"] = Json::array();
  for (const std::string& name : done->not_done) program.answer["not_done"].push_back(json_text(name));
  if (!done->status.ok()) {
    if (!done->not_done.empty())
      program.console.line("not done: " + list_of(done->not_done, done->not_done.size()));
    throw Failure{kPartial, with_program_hint(done->status)};
  }
  if (refused == 0) return kDone;
  throw Failure{kPartial,
                Status(restante::Code::partial, fmt::format("{} refused", counted(refused, "object")),
                       "the lines 'refused' tell which, and why")};
}

}  // namespace

std::unique_ptr<Command> make_import() { return std::make_unique<Import>(); }

}  // namespace cli

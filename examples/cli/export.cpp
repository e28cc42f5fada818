// restante export: mailboxes as they were, as an ordinary archive.

#include <restante/archive.hpp>

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstring>

#include "command.hpp"
#include "plan_text.hpp"
#include "progress.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "stop_options.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::ArchiveFormat;
using restante::ArchiveLayout;
using restante::ExportedAccount;
using restante::ExportReport;
using restante::ExportRequest;
using restante::Result;
using restante::Status;

constexpr int kMaxLevel = 19;

ArchiveFormat format_of(const std::string& word, const std::string& path) {
  if (word == "tar.zst" || (word.empty() && (path.ends_with(".tar.zst") || path.ends_with(".tzst"))))
    return ArchiveFormat::tar_zst;
  if (word == "tar" || (word.empty() && path.ends_with(".tar"))) return ArchiveFormat::tar;
  if (word == "zip" || (word.empty() && path.ends_with(".zip"))) return ArchiveFormat::zip;
  if (!word.empty())
    fail_usage(fmt::format("--format: '{}' is unknown", printable(word)), "formats are tar.zst, tar and zip");
  fail_usage("the archive's name tells no format",
             "name it .tar.zst, .tar or .zip, or say which with --format");
}

ArchiveLayout layout_of(const std::string& word) {
  if (word.empty() || word == "maildir") return ArchiveLayout::maildir;
  if (word == "mbox") return ArchiveLayout::mbox;
  fail_usage(fmt::format("--layout: '{}' is unknown", printable(word)), "layouts are maildir and mbox");
}

Status write_to_stdout(restante::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      const auto code = errno == ENOSPC ? restante::Code::no_space : restante::Code::io;
      return Status(code, fmt::format("cannot write to stdout: {}", std::strerror(errno)));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return {};
}

class Export final : public Command {
 public:
  Manual manual() const override {
    return {
        "export", "writes mailboxes as they were into an ordinary archive",
        "-a ACCOUNT...|all -o FILE [--folder PATH [--no-subfolders]]\n"
        "[--format tar.zst|tar|zip] [--layout maildir|mbox]\n"
        "[--label LABEL] [--to-time TIME] [--to-label LABEL]\n"
        "[--to-seq N] [--to-lsn N] [--backup-only | --full-only]\n"
        "[--level N] [--force]",
        "Computes the state of each account at the wanted moment, as a restore does, and writes it as "
        "Maildirs "
        "or "
        "mboxes into an archive that tar, unzip and every mail program read. A few lines of JSON beside them "
        "hold "
        "what mail files cannot; with them 'restante import' brings everything back exactly. The live "
        "mailboxes "
        "are "
        "not looked at: 'restante scan' first adds what nobody has logged yet.\n"
        "The archive appears under its name when it is whole and on disk. With -o - it goes to stdout, and "
        "its "
        "reader must see to it that the exit code is 0.\n"
        "For one session as it was, say -a all --to-label LABEL.",
        "restante export -a user1@example.com -o user1.tar.zst\n"
        "restante export -a all --to-label full-20260712.155951.123 -o all.zip\n"
        "restante export -a user1@example.com --folder Work --layout mbox -o work.tar"};
  }

  void declare(CLI::App& app) override {
    app.add_option("-a,--account", accounts_,
                   "These accounts, by address or id; 'all' for every account that existed at the moment.")
        ->type_name("ACCOUNT");
    app.add_option("-o,--output", output_, "The archive to write; '-' for stdout.")->type_name("FILE");
    app.add_option("--folder", folder_, "Only this folder and those below it, as Work/Reports.")
        ->type_name("PATH");
    app.add_flag("--no-subfolders", no_subfolders_, "With --folder: only the folder itself.");
    app.add_option("--format", format_, "tar.zst, tar or zip; by default what the name of the file says.")
        ->type_name("FORMAT");
    app.add_option("--layout", layout_, "maildir, a file a message (the default), or mbox, a file a folder.")
        ->type_name("LAYOUT");
    app.add_option("--level", level_, "Of the compression of tar.zst, 1 to 19; 3 by default.")
        ->type_name("N");
    moment_.declare(app);
    app.add_flag("--force", force_, "Replace the file if it is there.");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  [[nodiscard]] bool to_stdout() const { return output_ == "-"; }
  void show(Program& program, const ExportReport& report) const;

  std::vector<std::string> accounts_;
  std::string output_;
  std::string folder_;
  bool no_subfolders_ = false;
  std::string format_;
  std::string layout_;
  std::string level_;
  StopOptions moment_;
  bool force_ = false;
  ExportRequest request_;
};

void Export::check(const restante::TimeZone& zone) {
  if (accounts_.empty())
    fail_usage("an account is required: -a ACCOUNT, or -a all",
               "'restante query -v' shows the accounts of each session");
  if (output_.empty()) fail_usage("an output is required: -o FILE", "-o - writes to stdout");
  moment_.check(zone);
  if (no_subfolders_ && folder_.empty()) fail_usage("--no-subfolders goes with --folder");
  request_.format = to_stdout() && format_.empty() ? ArchiveFormat::tar_zst : format_of(format_, output_);
  request_.layout = layout_of(layout_);
  if (const auto level = optional_number_of("--level", level_)) {
    if (*level < 1 || *level > kMaxLevel)
      fail_usage(fmt::format("--level: {} is not between 1 and {}", *level, kMaxLevel));
    request_.compression_level = static_cast<int>(*level);
  }
  request_.accounts = accounts_of(accounts_);
  request_.label = moment_.label();
  request_.folder = folder_;
  request_.subfolders = !no_subfolders_;
  request_.stop = moment_.stop();
}

Exit Export::run(Program& program) {
  if (to_stdout() && program.console.json())
    fail_usage("--json and -o - both want stdout", "write to a file with --json");
  if (to_stdout() && ::isatty(STDOUT_FILENO) == 1)
    fail_usage("an archive is not for a terminal", "redirect stdout, or name a file");
  watch_for_stop();
  restante::RedoLog log = open_log(program, "restante export");
  const std::vector<restante::BackupTarget> targets = open_targets(program);
  end_if_stopped();
  const Result<ExportReport> done = run_shown(
      program.console, [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
        if (to_stdout())
          return restante::export_archive(targets, &log, request_, write_to_stdout, cancel, progress);
        return restante::export_archive(targets, &log, request_, output_, force_, cancel, progress);
      });
  if (!done.ok()) {
    if (done.status().code() == restante::Code::already_exists)
      fail(with_hint(done.status(), "--force replaces it"));
    fail(with_program_hint(done.status()));
  }
  show(program, *done);
  return kDone;
}

void Export::show(Program& program, const ExportReport& report) const {
  for (const ExportedAccount& account : report.accounts)
    for (const std::string& warning : account.warnings)
      program.console.warn(fmt::format("{}: {}", account.address, warning));
  if (to_stdout()) return;
  program.answer["archive"] = json_text(output_);
  program.answer["archive_bytes"] = report.archive_bytes;
  program.answer["accounts"] = Json::array();
  for (const ExportedAccount& account : report.accounts) {
    Json digest = Json::object();
    for (std::size_t i = 0; i < restante::kDigestClasses; ++i)
      digest[std::string(restante::name_of(static_cast<restante::DigestClass>(i)))] =
          account.digest.classes[i].to_string();
    program.answer["accounts"].push_back({{"id", json_text(account.account_id)},
                                          {"address", json_text(account.address)},
                                          {"directory", json_text(account.directory)},
                                          {"position", json_of(account.position)},
                                          {"effective_time", json_time(account.effective_time)},
                                          {"folders", account.folders},
                                          {"messages", account.messages},
                                          {"items", account.items},
                                          {"bytes", account.bytes},
                                          {"digest", std::move(digest)}});
    std::string at = fmt::format("LSN {}", account.position.lsn);
    if (account.effective_time) at += fmt::format(", {}", program.zone.format(*account.effective_time));
    program.console.line(fmt::format("{}: {} in {}, {}, as of {}", printable(account.address),
                                     counted(account.messages, "message"), counted(account.folders, "folder"),
                                     byte_size(account.bytes), at));
  }
  program.answer["absent"] = Json::array();
  for (const std::string& name : report.absent) {
    program.answer["absent"].push_back(json_text(name));
    program.console.line(fmt::format("{}: did not exist then", printable(name)));
  }
  program.console.line(fmt::format("{}: {}", printable(output_), byte_size(report.archive_bytes)));
}

}  // namespace

std::unique_ptr<Command> make_export() { return std::make_unique<Export>(); }

}  // namespace cli

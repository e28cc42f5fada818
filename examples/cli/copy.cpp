// restante copy: a session or an account goes to another target too.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.hpp"
#include "damages.hpp"
#include "progress.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Status;

Json list_of_labels(const std::vector<std::string>& labels) {
  Json list = Json::array();
  for (const std::string& label : labels) list.push_back(json_text(label));
  return list;
}

class Copy final : public Command {
 public:
  Manual manual() const override {
    return {
        "copy", "copies a session or an account to another target",
        "--label LABEL | -a ACCOUNT --to PATH [--target PATH]",
        "--label copies this session with all accounts and the archived redo log that its states need; -a "
        "every full of one account, each in a session of its own, and the redo log from the oldest of them "
        "on. What the other target has is not copied again, so a copy that broke off is ended by the same "
        "command.\n"
        "The redo log is copied whole, with what it says of other accounts. A session that needs something "
        "that cannot be read is not copied; what is damaged is listed.\n"
        "To the other target the copy is a session that runs: 'restante query' there shows it, 'restante "
        "abort --label' ends it, as SIGINT and SIGTERM do.",
        "restante copy --label full-20070712.155951.123 --to /mnt/usb/restante\n"
        "restante copy -a user1@example.com --to /mnt/usb/restante"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--label", options_.label, "This session.")->type_name("LABEL");
    app.add_option("-a,--account", options_.account, "This account, by address or id.")->type_name("ACCOUNT");
    app.add_option("--to", to_, "The target to copy to; 'restante init' makes one.")->type_name("PATH");
    app.add_option("--target", target_,
                   "Copy from this target; default: the first of the configuration that has it.")
        ->type_name("PATH");
  }

  void check(const restante::TimeZone&) override {
    if (options_.label.empty() == options_.account.empty())
      fail_usage("what to copy is required: either --label LABEL or -a ACCOUNT",
                 "'restante query' shows both");
    if (to_.empty()) fail_usage("where to copy to is required: --to PATH", "it must be a target already");
  }

  Exit run(Program& program) override;

 private:
  BackupTarget choose_source(const Program& program, const BackupTarget& to) const;
  BackupTarget::Copy copy(Program& program, const BackupTarget& from, BackupTarget& to);
  std::string text_of_copy(const BackupTarget::Copy& done, const BackupTarget& to) const;

  BackupTarget::CopyOptions options_;
  std::string to_;
  std::string target_;
};

/// The first that has it, else the first.
BackupTarget Copy::choose_source(const Program& program, const BackupTarget& to) const {
  std::vector<BackupTarget> targets = open_targets(program, target_);
  if (target_.empty() && targets.size() > 1)
    std::erase_if(targets, [&](const BackupTarget& target) { return target.id() == to.id(); });
  for (const BackupTarget& target : targets) {
    const bool has_it = options_.label.empty() ? target.find_account(options_.account).ok()
                                               : target.session(options_.label).ok();
    if (has_it) return target;
  }
  return targets.front();
}

BackupTarget::Copy Copy::copy(Program& program, const BackupTarget& from, BackupTarget& to) {
  auto done = run_shown(program.console,
                        [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
                          options_.cancel = cancel;
                          options_.progress = progress;
                          return from.copy_to(to, options_);
                        });
  if (!done.ok() && done.status().code() == restante::Code::cancelled)
    fail(with_hint(done.status(), "the same command again goes on with what was copied"));
  return require(std::move(done));
}

std::string Copy::text_of_copy(const BackupTarget::Copy& done, const BackupTarget& to) const {
  std::string out =
      fmt::format("{}: {} and {} copied, {} new ({})\n", printable(to.describe()),
                  counted(done.published.size(), "session"), counted(done.segments, "redo log segment"),
                  counted(done.contents_new, "content"), byte_size(done.bytes_new));
  for (const std::string& label : done.published) out += fmt::format("  copied {}\n", printable(label));
  for (const std::string& label : done.present) out += fmt::format("  was there {}\n", printable(label));
  return out + text_of_damages(done.damages);
}

Exit Copy::run(Program& program) {
  watch_for_stop();
  BackupTarget to = open_target(program, to_);
  const BackupTarget from = choose_source(program, to);
  end_if_stopped();
  const BackupTarget::Copy done = copy(program, from, to);
  program.answer["target"] = json_text(from.describe());
  program.answer["to"] = json_text(to.describe());
  program.answer["published"] = list_of_labels(done.published);
  program.answer["present"] = list_of_labels(done.present);
  program.answer["segments"] = done.segments;
  program.answer["segments_present"] = done.segments_present;
  program.answer["contents"] = done.contents;
  program.answer["contents_new"] = done.contents_new;
  program.answer["bytes_new"] = done.bytes_new;
  program.answer["damages"] = json_of_damages(done.damages);
  program.console.text(text_of_copy(done, to));
  if (done.damages.empty()) return kDone;
  throw Failure{done.published.empty() && done.segments == 0 ? kFailed : kPartial,
                Status(restante::Code::damaged, fmt::format("damage in {}", printable(from.describe())),
                       "what it costs, and so is not copied, is listed above")};
}

}  // namespace

std::unique_ptr<Command> make_copy() { return std::make_unique<Copy>(); }

}  // namespace cli

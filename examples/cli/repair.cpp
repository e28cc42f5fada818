// restante repair: what damage of a target can be mended, and what it costs for good.

#include <restante/repair.hpp>

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
using restante::LostContent;
using restante::RepairOptions;
using restante::Status;

Json json_of_lost(const std::vector<LostContent>& all) {
  Json list = Json::array();
  for (const LostContent& lost : all)
    list.push_back({{"account_id", json_text(lost.account_id)},
                    {"address", json_text(lost.address)},
                    {"place", json_text(lost.place)},
                    {"folder", json_text_or_null(lost.folder)},
                    {"uid", lost.uid == 0 ? Json() : Json(lost.uid)},
                    {"message_id", json_text_or_null(lost.message_id)},
                    {"item_kind", json_text_or_null(lost.item_kind)},
                    {"item_id", json_text_or_null(lost.item_id)},
                    {"repaired_from", json_text_or_null(lost.repaired_from)}});
  return list;
}

std::string words_of(const LostContent& lost) {
  if (lost.message_id.empty())
    return fmt::format("{}: {} {} in {}", printable(lost.address), printable(lost.item_kind),
                       printable(lost.item_id), printable(lost.place));
  return fmt::format("{}: {} UID {} ({}) in {}", printable(lost.address), printable(lost.folder), lost.uid,
                     printable(lost.message_id), printable(lost.place));
}

std::string text_of_repair(const BackupTarget& target, const restante::Repair& done, bool dry_run) {
  std::string out = fmt::format(
      "{}: {} {}written again, {} from the store, {} from other targets; {} replaced, {} ({}) removed\n",
      printable(target.describe()), counted(done.moved, "content"), dry_run ? "would be " : "",
      number(done.from_store), number(done.from_targets), counted(done.segments, "redo log segment"),
      counted(done.packs, "damaged pack"), byte_size(done.bytes));
  for (const LostContent& lost : done.repaired)
    out += fmt::format("  from {} {}\n", printable(lost.repaired_from), words_of(lost));
  for (const LostContent& lost : done.lost) out += fmt::format("  lost {}\n", words_of(lost));
  out += text_of_damages(done.damages);
  if (!done.pending.empty()) out += fmt::format("  damaged packs stay: {}\n", printable(done.pending));
  return out;
}

class Repair final : public Command {
 public:
  Manual manual() const override {
    return {
        "repair", "mends a damaged target", "[--dry-run] [--from PATH]... [--target PATH]",
        "Reads the whole target. Content of sessions and redo log that lies in damaged packs is written "
        "again: from what can be read of them, else from the store, else from other targets, and only what "
        "is byte for byte what was lost. Archived redo log segments that are damaged are taken from other "
        "targets. Then the damaged packs are removed, unless something that may need them is lost or cannot "
        "be read.\n"
        "Every message that was lost is listed with its account, folder, UID, message id and session, and "
        "with where it was found or that nobody has it. The exit code is 0 if the target is whole now, 3 if "
        "something is not.",
        "restante repair --dry-run\n"
        "restante repair --from /mnt/usb/restante"};
  }

  void declare(CLI::App& app) override {
    app.add_flag("--dry-run", dry_run_, "Only say what is lost and where it can be had.");
    app.add_option("--from", from_,
                   "A target that may have what is lost; default: the others of the configuration.")
        ->type_name("PATH");
    app.add_option("--target", target_, "Repair this target; default: the first of the configuration.")
        ->type_name("PATH");
  }

  Exit run(Program& program) override;

 private:
  std::vector<BackupTarget> open_sources(const Program& program, const BackupTarget& target) const;
  restante::Repair repair(Program& program, BackupTarget& target, RepairOptions options) const;

  bool dry_run_ = false;
  std::vector<std::string> from_;
  std::string target_;
};

std::vector<BackupTarget> Repair::open_sources(const Program& program, const BackupTarget& target) const {
  std::vector<BackupTarget> sources;
  for (const std::string& path : from_) sources.push_back(open_target(program, path));
  if (!from_.empty()) return sources;
  sources = open_targets(program);
  std::erase_if(sources, [&](const BackupTarget& source) { return source.id() == target.id(); });
  return sources;
}

restante::Repair Repair::repair(Program& program, BackupTarget& target, RepairOptions options) const {
  auto done = run_shown(program.console,
                        [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
                          options.cancel = cancel;
                          options.progress = progress;
                          return restante::repair(target, options);
                        });
  return require(std::move(done));
}

Exit Repair::run(Program& program) {
  watch_for_stop();
  BackupTarget target = open_target(program, target_.empty() ? program.config.targets.front().path : target_);
  const auto store = open_store(program);
  const restante::RedoLog log = open_log(program, "restante repair");
  const auto source = open_scanner(program, "restante repair", *store, log, {target});
  RepairOptions options;
  options.from = open_sources(program, target);
  options.source = source.get();
  options.log = &log;
  options.dry_run = dry_run_;
  end_if_stopped();
  const restante::Repair done = repair(program, target, options);
  program.answer["dry_run"] = dry_run_;
  program.answer["target"] = json_text(target.describe());
  program.answer["moved"] = done.moved;
  program.answer["from_store"] = done.from_store;
  program.answer["from_targets"] = done.from_targets;
  program.answer["segments"] = done.segments;
  program.answer["packs"] = done.packs;
  program.answer["bytes"] = done.bytes;
  program.answer["repaired"] = json_of_lost(done.repaired);
  program.answer["lost"] = json_of_lost(done.lost);
  program.answer["damages"] = json_of_damages(done.damages);
  program.answer["pending"] = json_text_or_null(done.pending);
  program.console.text(text_of_repair(target, done, dry_run_));
  if (done.lost.empty() && done.damages.empty() && done.pending.empty()) return kDone;
  const bool is_lost = !done.lost.empty() || !done.damages.empty();
  throw Failure{kPartial,
                Status(restante::Code::damaged,
                       is_lost ? fmt::format("not all of {} can be mended", printable(target.describe()))
                               : fmt::format("damaged packs stay in {}", printable(target.describe())),
                       is_lost ? "what is lost is listed above; --from names more targets that may have it"
                               : "the same command again removes them when no session is running")};
}

}  // namespace

std::unique_ptr<Command> make_repair() { return std::make_unique<Repair>(); }

}  // namespace cli

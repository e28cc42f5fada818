// restante delete: removes sessions that are no longer needed, and gives back their room.

#include <restante/schedule.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <optional>

#include "command.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Code;
using restante::RedoLog;
using restante::Retention;
using restante::Status;
using Removal = BackupTarget::Removal;

Json json_of_removal(const BackupTarget& target, const Removal& removal) {
  Json removed = Json::array();
  for (const std::string& label : removal.removed) removed.push_back(json_text(label));
  Json kept = Json::array();
  for (const auto& [label, reason] : removal.kept)
    kept.push_back({{"label", json_text(label)}, {"reason", json_text(reason)}});
  return {{"target", json_text(target.describe())},
          {"removed", std::move(removed)},
          {"kept", std::move(kept)},
          {"segments", removal.segments},
          {"packs", removal.packs},
          {"bytes", removal.bytes},
          {"pending", removal.pending.empty() ? Json() : json_text(removal.pending)}};
}

std::string text_of_removal(const BackupTarget& target, const Removal& removal, bool dry_run) {
  std::string out = fmt::format(
      "{}: {} and {} {}", printable(target.describe()), counted(removal.removed.size(), "session"),
      counted(removal.segments, "redo log segment"), dry_run ? "would go" : "removed");
  out += dry_run ? "\n"
                 : fmt::format(", {} ({}) given back\n", counted(removal.packs, "pack"),
                               byte_size(removal.bytes));
  for (const std::string& label : removal.removed)
    out += fmt::format("  {} {}\n", dry_run ? "would remove" : "removed", printable(label));
  for (const auto& [label, reason] : removal.kept)
    out += fmt::format("  kept {}: {}\n", printable(label), printable(reason));
  if (!removal.pending.empty())
    out +=
        fmt::format("  content is given back by a later 'restante delete': {}\n", printable(removal.pending));
  return out;
}

class Delete final : public Command {
 public:
  Manual manual() const override {
    return {
        "delete", "removes sessions that are no longer needed",
        "--label LABEL | --before TIME | --older-than PERIOD\n[--dry-run] [--force] [--target PATH]",
        "--label removes this session and all before it, --before and --older-than all that began before an "
        "instant, except for what is still needed: for every account the full that kept states begin with, "
        "and its newest one. What is kept is named with its reason; the redo log that it needs, or that "
        "a full in another target of the configuration needs, stays too. "
        "Content that nothing names any more is given back, unless a session is running: then by a later "
        "call.\n"
        "--force removes literally, needed or not; an account's last full goes only with --label and "
        "--force.\n"
        "Times are YYYY/MM/DD hh:mm:ss, as for restore. A PERIOD is a number with d, m or y: days, months, "
        "years.",
        "restante delete --older-than 1m\n"
        "restante delete --label full-20070712.155951.123 --dry-run"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--label", label_, "This session and all before it.")->type_name("LABEL");
    app.add_option("--before", before_, "Sessions that began before this time.")->type_name("TIME");
    app.add_option("--older-than", older_than_, "Sessions that began longer ago: 7d, 1m, 1y.")
        ->type_name("PERIOD");
    app.add_flag("--dry-run", options_.dry_run, "Only say what would be removed and kept.");
    app.add_flag("--force", options_.force, "Remove literally, also what is still needed.");
    app.add_option("--target", target_, "Delete in this target instead of those of the configuration.")
        ->type_name("PATH");
  }

  void check(const restante::TimeZone& zone) override {
    const int given = int{!label_.empty()} + int{!before_.empty()} + int{!older_than_.empty()};
    if (given == 0)
      fail_usage("what to delete is required: --label LABEL, --before TIME or --older-than PERIOD",
                 "'restante query' shows labels and times");
    if (given > 1) fail_usage("--label, --before and --older-than exclude each other", "give one of them");
    options_.label = label_;
    options_.before = optional_time_of(zone, "--before", before_);
    if (older_than_.empty()) return;
    const restante::Result<Retention> keep = Retention::parse(older_than_);
    if (!keep.ok())
      fail_usage(fmt::format("--older-than: '{}' is no period", printable(older_than_)),
                 "periods are a number with d, m or y, for example 7d");
    options_.before = keep->before(restante::system_clock().now());
  }

  Exit run(Program& program) override;

 private:
  std::vector<BackupTarget> choose_targets(const Program& program) const;

  BackupTarget::RemoveOptions options_;
  std::string label_;
  std::string before_;
  std::string older_than_;
  std::string target_;
};

/// All, or the one that has the session.
std::vector<BackupTarget> Delete::choose_targets(const Program& program) const {
  std::vector<BackupTarget> targets = open_targets(program, target_);
  if (label_.empty() || targets.size() == 1) return targets;
  const std::vector<BackupTarget> all = targets;
  std::erase_if(targets, [&](const BackupTarget& target) { return !target.session(label_).ok(); });
  return targets.empty() ? all : targets;
}

/// The log of this server, whose records name content before they are archived. None where there is none.
std::optional<RedoLog> log_of_server(const Program& program) {
  try {
    return open_log(program, "restante delete");
  } catch (const Failure& failure) {
    if (failure.status.code() != Code::not_found) throw;
    return std::nullopt;
  }
}

Exit Delete::run(Program& program) {
  std::vector<BackupTarget> targets = choose_targets(program);
  const std::optional<RedoLog> log = options_.dry_run ? std::nullopt : log_of_server(program);
  options_.log = log ? &*log : nullptr;
  program.answer["dry_run"] = options_.dry_run;
  program.answer["targets"] = Json::array();
  const std::vector<BackupTarget> known = open_targets(program);
  for (BackupTarget& target : targets) {
    options_.others = known;
    std::erase_if(options_.others, [&](const BackupTarget& other) { return other.id() == target.id(); });
    const restante::Result<Removal> removal = target.remove(options_);
    if (!removal.ok()) {
      const Code code = removal.status().code();
      // What a storage does not permit may come half way; what a key does not, before.
      const std::optional<restante::KeyRing> ring = target.keys();
      const bool may_remove =
          !ring || has(ring->rights(), restante::KeyRight::remove | restante::KeyRight::read);
      const bool is_untouched =
          options_.dry_run || code == Code::not_found || code == Code::invalid_argument || !may_remove;
      if (is_untouched && &target == &targets.front()) fail(removal.status());
      throw Failure{kPartial, with_hint(removal.status(),
                                        "what went is gone as a whole; the same command again "
                                        "ends the work")};
    }
    program.answer["targets"].push_back(json_of_removal(target, *removal));
    program.console.text(text_of_removal(target, *removal, options_.dry_run));
  }
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_delete() { return std::make_unique<Delete>(); }

}  // namespace cli

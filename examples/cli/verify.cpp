// restante verify: whether the targets hold what they should.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <mutex>
#include <optional>

#include "command.hpp"
#include "progress.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Status;
using restante::TargetDamage;
using restante::TargetVerification;

Json json_of_verification(const BackupTarget& target, const TargetVerification& found) {
  Json damages = Json::array();
  for (const TargetDamage& damage : found.damages) {
    Json costs = Json::array();
    for (const std::string& cost : damage.costs) costs.push_back(json_text(cost));
    damages.push_back({{"key", json_text(damage.key)}, {"what", json_text(damage.what)}, {"costs", costs}});
  }
  return {{"target", json_text(target.describe())},
          {"sessions", found.sessions},
          {"accounts", found.accounts},
          {"segments", found.segments},
          {"packs", found.packs},
          {"contents", found.contents},
          {"bytes", found.bytes},
          {"damages", std::move(damages)}};
}

std::string text_of(const BackupTarget& target, const TargetVerification& found, bool read_data) {
  std::string out = fmt::format(
      "{}: {}, {}, {}, {}, {}, {}: {}\n", printable(target.describe()), counted(found.sessions, "session"),
      counted(found.accounts, "account"), counted(found.segments, "redo log segment"),
      counted(found.packs, "pack"), counted(found.contents, "content"), byte_size(found.bytes),
      found.damages.empty() ? (read_data ? "no damage" : "no damage in the structure")
                            : counted(found.damages.size(), "damage"));
  for (const TargetDamage& damage : found.damages) {
    out += fmt::format("  {}: {}\n", printable(damage.key), printable(damage.what));
    for (const std::string& cost : damage.costs) out += fmt::format("    costs {}\n", printable(cost));
  }
  return out;
}

class Verify final : public Command {
 public:
  Manual manual() const override {
    return {"verify", "checks that the target is whole", "[--label LABEL] [--read-data] [--target PATH]",
            "Checks that every session, archived redo log segment and content pack is there and is what was "
            "written. "
            "Without --read-data contents are looked up and not read.\n"
            "Damage is listed with what it costs; the exit code is then 1.",
            "restante verify\n"
            "restante verify --label full-20070712.155951.123 --read-data"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--label", label_, "Only this session and what it needs.")->type_name("LABEL");
    app.add_flag("--read-data", read_data_, "Read and check every content too.");
    app.add_option("--target", target_, "Check this target instead of those of the configuration.")
        ->type_name("PATH");
  }

  Exit run(Program& program) override;

 private:
  TargetVerification verify(Program& program, const BackupTarget& target) const;

  std::string label_;
  bool read_data_ = false;
  std::string target_;
};

TargetVerification Verify::verify(Program& program, const BackupTarget& target) const {
  std::mutex mutex;
  restante::Progress progress;
  BackupTarget::VerifyOptions options;
  options.label = label_;
  options.read_data = read_data_;
  options.progress = [&](const restante::Progress& now) {
    const std::lock_guard guard(mutex);
    progress = now;
  };
  std::optional<restante::Result<TargetVerification>> result;
  run_long(program.console, {.work = [&] { result.emplace(target.verify(options)); },
                             .progress =
                                 [&] {
                                   const std::lock_guard guard(mutex);
                                   return progress;
                                 },
                             .stop = [&] { options.cancel.cancel(); }});
  return require(*std::move(result));
}

Exit Verify::run(Program& program) {
  watch_for_stop();
  std::vector<BackupTarget> targets = open_targets(program, target_);
  if (!label_.empty() && targets.size() > 1) {
    // Only one of them has the session; the first says what it knows if none has.
    std::erase_if(targets, [&](const BackupTarget& target) { return !target.session(label_).ok(); });
    if (targets.empty()) targets = {open_targets(program, target_).front()};
  }
  end_if_stopped();
  program.answer["read_data"] = read_data_;
  program.answer["targets"] = Json::array();
  std::vector<std::string> damaged;
  for (const BackupTarget& target : targets) {
    const TargetVerification found = verify(program, target);
    program.answer["targets"].push_back(json_of_verification(target, found));
    program.console.text(text_of(target, found, read_data_));
    if (!found.damages.empty()) damaged.push_back(target.describe());
  }
  if (damaged.empty()) return kDone;
  fail(Status(restante::Code::damaged, fmt::format("damage in {}", list_of(damaged)),
              "a new full backup makes later states whole; what the damage costs is listed above"));
}

}  // namespace

std::unique_ptr<Command> make_verify() { return std::make_unique<Verify>(); }

}  // namespace cli

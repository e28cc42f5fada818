// restante verify: whether the targets hold what they should.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <optional>

#include "command.hpp"
#include "damages.hpp"
#include "progress.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "store_check.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Status;
using restante::TargetVerification;

Json json_of_verification(const BackupTarget& target, const TargetVerification& found) {
  return {{"target", json_text(target.describe())},
          {"sessions", found.sessions},
          {"accounts", found.accounts},
          {"segments", found.segments},
          {"packs", found.packs},
          {"contents", found.contents},
          {"bytes", found.bytes},
          {"packs_read", found.packs_read},
          {"read_seed", found.read_seed},
          {"damages", json_of_damages(found.damages)}};
}

constexpr unsigned kAllPacks = 100;

std::string text_of(const BackupTarget& target, const TargetVerification& found, unsigned read_percent) {
  std::string out = fmt::format(
      "{}: {}, {}, {}, {}, {}, {}: {}\n", printable(target.describe()), counted(found.sessions, "session"),
      counted(found.accounts, "account"), counted(found.segments, "redo log segment"),
      counted(found.packs, "pack"), counted(found.contents, "content"), byte_size(found.bytes),
      found.damages.empty() ? (read_percent > 0 ? "no damage" : "no damage in the structure")
                            : counted(found.damages.size(), "damage"));
  if (read_percent > 0 && read_percent < kAllPacks)
    out += fmt::format("  {} of them read; --read-seed {} chooses the same again\n",
                       counted(found.packs_read, "pack"), found.read_seed);
  return out + text_of_damages(found.damages);
}

class Verify final : public Command {
 public:
  Manual manual() const override {
    return {
        "verify", "checks that the target is whole, and holds what is live",
        "[--label LABEL] [--read-data[=PERCENT] [--read-seed N]]\n"
        "[--against-store [-a ACCOUNT...]] [--target PATH]",
        "Checks that every session, archived redo log segment and content pack is there and is what was "
        "written. "
        "Without --read-data contents are looked up and not read.\n"
        "--read-data=10 reads a tenth of the packs, others each time, and shows the number with which the "
        "same can be read again.\n"
        "--against-store compares the newest state of each account, with the redo log up to now, with the "
        "live mailbox: every message is read. Mail that keeps changing meanwhile is no difference. What "
        "changed is logged first, as by 'restante scan'.\n"
        "Damage is listed with what it costs, and differences one by one; the exit code is then 1.",
        "restante verify\n"
        "restante verify --label full-20070712.155951.123 --read-data\n"
        "restante verify --read-data=10\n"
        "restante verify --against-store -a user1@example.com"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--label", label_, "Only this session and what it needs.")->type_name("LABEL");
    app.add_flag("--read-data{100}", read_percent_,
                 "Read and check every content too, or with =PERCENT those of so many of 100 packs.");
    app.add_option("--read-seed", read_seed_, "Choose the packs that an earlier call told with this number.")
        ->type_name("N");
    app.add_flag("--against-store", against_store_, "Compare with the live mailboxes too.");
    app.add_option("-a,--account", accounts_,
                   "With --against-store: only these accounts, by address or id; 'all' for all (default).")
        ->type_name("ACCOUNT");
    app.add_option("--target", target_, "Check this target instead of those of the configuration.")
        ->type_name("PATH");
  }

  void check(const restante::TimeZone&) override {
    if (read_percent_ > kAllPacks)
      fail_usage(fmt::format("--read-data={}: there are 1 to 100 packs of 100", read_percent_),
                 "for example --read-data=10");
    if (read_seed_ && read_percent_ == 0)
      fail_usage("--read-seed chooses packs to read", "add --read-data=PERCENT");
    if (!accounts_.empty() && !against_store_)
      fail_usage("-a names accounts to be compared with the store", "add --against-store");
    if (!label_.empty() && against_store_)
      fail_usage("--label and --against-store exclude each other",
                 "what is compared is the newest state of each account");
    accounts_ = accounts_of(accounts_);
  }

  Exit run(Program& program) override;

 private:
  TargetVerification verify(Program& program, const BackupTarget& target) const;

  std::string label_;
  unsigned read_percent_ = 0;
  std::optional<std::uint64_t> read_seed_;
  bool against_store_ = false;
  std::vector<std::string> accounts_;
  std::string target_;
};

TargetVerification Verify::verify(Program& program, const BackupTarget& target) const {
  BackupTarget::VerifyOptions options;
  options.label = label_;
  options.read_data = read_percent_ > 0;
  if (options.read_data) options.read_percent = read_percent_;
  options.read_seed = read_seed_;
  auto done = run_shown(program.console,
                        [&](const restante::CancelToken& cancel, const restante::ProgressFunction& progress) {
                          options.cancel = cancel;
                          options.progress = progress;
                          return target.verify(options);
                        });
  return require(std::move(done));
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
  program.answer["read_data"] = read_percent_ > 0;
  program.answer["read_percent"] = read_percent_;
  program.answer["targets"] = Json::array();
  std::vector<std::string> damaged;
  for (const BackupTarget& target : targets) {
    const TargetVerification found = verify(program, target);
    program.answer["targets"].push_back(json_of_verification(target, found));
    program.console.text(text_of(target, found, read_percent_));
    if (!found.damages.empty()) damaged.push_back(target.describe());
  }
  program.answer["against_store"] = Json(nullptr);
  std::vector<std::string> unequal;
  if (against_store_) unequal = check_against_store(program, targets, accounts_);
  if (!damaged.empty())
    fail(Status(restante::Code::damaged, fmt::format("damage in {}", list_of(damaged)),
                "a new full backup makes later states whole; what the damage costs is listed above"));
  if (!unequal.empty())
    fail(Status(restante::Code::diverged,
                fmt::format("not known to be equal to the store: {}", list_of(unequal)),
                "what differs is listed above; a full backup of these accounts makes them equal"));
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_verify() { return std::make_unique<Verify>(); }

}  // namespace cli

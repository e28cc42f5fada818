// restante rebuild: catalog and accounts.xml are made again from what is there.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.hpp"
#include "damages.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::BackupTarget;
using restante::Status;
using restante::TargetDamage;
using Rebuilding = BackupTarget::Rebuilding;

std::string text_of_rebuilding(const BackupTarget& target, const Rebuilding& done) {
  std::string out = fmt::format("{}: the catalog knows {} parts in {}; accounts.xml {}, {} in {}\n",
                                printable(target.describe()), number(done.parts), counted(done.packs, "pack"),
                                done.accounts_changed ? "was made again" : "was as it must be",
                                counted(done.accounts, "account"), counted(done.sessions, "session"));
  for (const TargetDamage& damage : done.damages)
    out += fmt::format("  left out {}: {}\n", printable(damage.key), printable(damage.what));
  return out;
}

class Rebuild final : public Command {
 public:
  Manual manual() const override {
    return {
        "rebuild", "makes the catalog and accounts.xml again", "[--target PATH]",
        "Both say nothing that packs and sessions do not say themselves. The catalog is this machine's index "
        "of the content; it lies in the state directory, is missed or found damaged when a target is opened, "
        "and is then made again without being asked. Backups and restores may go on meanwhile.\n"
        "Packs and sessions that cannot be read are left out and named; the exit code is then 3.",
        "restante rebuild"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--target", target_, "This target instead of those of the configuration.")
        ->type_name("PATH");
  }

  Exit run(Program& program) override {
    program.answer["targets"] = Json::array();
    std::vector<std::string> damaged;
    for (BackupTarget& target : open_targets(program, target_)) {
      const Rebuilding done = require(target.rebuild());
      program.answer["targets"].push_back({{"target", json_text(target.describe())},
                                           {"packs", done.packs},
                                           {"parts", done.parts},
                                           {"sessions", done.sessions},
                                           {"accounts", done.accounts},
                                           {"accounts_changed", done.accounts_changed},
                                           {"damages", json_of_damages(done.damages)}});
      program.console.text(text_of_rebuilding(target, done));
      if (!done.damages.empty()) damaged.push_back(target.describe());
    }
    if (damaged.empty()) return kDone;
    throw Failure{kPartial, Status(restante::Code::damaged, fmt::format("damage in {}", list_of(damaged)),
                                   "'restante verify --read-data' tells what it costs")};
  }

 private:
  std::string target_;
};

}  // namespace

std::unique_ptr<Command> make_rebuild() { return std::make_unique<Rebuild>(); }

}  // namespace cli

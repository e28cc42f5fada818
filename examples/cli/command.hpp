#pragma once
// A command of the program: its manual, its options, and what it does.

#include <memory>
#include <string_view>
#include <vector>

#include "failure.hpp"
#include "program.hpp"

namespace CLI {
class App;
}

namespace cli {

/// What `--help` prints around the options.
struct Manual {
  /// "backup", "redo dump".
  std::string_view name;
  /// One line for the list of commands.
  std::string_view summary;
  /// Behind "restante NAME"; lines that follow belong to it.
  std::string_view synopsis;
  /// Paragraphs, a line each.
  std::string_view description;
  /// Lines "command    what it does"; a line that begins with a space is shown as it is.
  std::string_view examples;
};

class Command {
 public:
  virtual ~Command() = default;
  [[nodiscard]] virtual Manual manual() const = 0;
  /// Adds the command's own options.
  virtual void declare(CLI::App& app) = 0;
  /// Checks the options against each other; times are of `zone`. Throws a `Failure` of usage.
  virtual void check(const restante::TimeZone& zone) { (void)zone; }
  [[nodiscard]] virtual Exit run(Program& program) = 0;
};

[[nodiscard]] std::unique_ptr<Command> make_init();
[[nodiscard]] std::unique_ptr<Command> make_backup();
[[nodiscard]] std::unique_ptr<Command> make_restore();
[[nodiscard]] std::unique_ptr<Command> make_query();
[[nodiscard]] std::unique_ptr<Command> make_abort();
[[nodiscard]] std::unique_ptr<Command> make_delete();
[[nodiscard]] std::unique_ptr<Command> make_verify();
[[nodiscard]] std::unique_ptr<Command> make_copy();
[[nodiscard]] std::unique_ptr<Command> make_rebuild();
[[nodiscard]] std::unique_ptr<Command> make_repair();
[[nodiscard]] std::unique_ptr<Command> make_scan();
[[nodiscard]] std::unique_ptr<Command> make_watch();
[[nodiscard]] std::unique_ptr<Command> make_export();
[[nodiscard]] std::unique_ptr<Command> make_import();
[[nodiscard]] std::unique_ptr<Command> make_keys();
[[nodiscard]] std::unique_ptr<Command> make_redo_dump();
[[nodiscard]] std::unique_ptr<Command> make_redo_verify();
[[nodiscard]] std::unique_ptr<Command> make_redo_replay();
[[nodiscard]] std::unique_ptr<Command> make_redo_stat();

/// All, in the order of the manual.
[[nodiscard]] std::vector<std::unique_ptr<Command>> all_commands();

}  // namespace cli

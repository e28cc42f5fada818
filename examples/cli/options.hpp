#pragma once
// From words of the command line to a command with its options.

#include <memory>
#include <string>
#include <vector>

#include "command.hpp"

namespace cli {

struct CommandLine {
  std::unique_ptr<Command> command;
  /// Options that all commands take.
  std::string config;
  bool utc = false;
  /// Print this and do nothing else.
  std::string help;
};

/// Whether `--json` is among the words, also where they are wrong otherwise.
[[nodiscard]] bool wants_json(const std::vector<std::string>& words);
/// The command that is meant, for the document of a failure: "backup", "redo dump", "" for none.
[[nodiscard]] std::string command_name(const std::vector<std::string>& words);

/// Throws a `Failure` of usage for what is not understood. `columns` is the width of the help texts.
[[nodiscard]] CommandLine parse_command_line(const std::vector<std::string>& words, std::size_t columns);

}  // namespace cli

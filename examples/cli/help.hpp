#pragma once
// The texts of --help, made from the commands' manuals and declared options.

#include <memory>
#include <string>
#include <vector>

#include "command.hpp"

namespace cli {

[[nodiscard]] std::string general_help(const std::vector<std::unique_ptr<Command>>& commands,
                                       std::size_t columns);
/// `own` and `common` are the options of the command and of all commands.
[[nodiscard]] std::string command_help(const Manual& manual, const CLI::App& app, std::size_t columns);

/// The group of options that all commands have; options of the group "" are not shown.
inline constexpr const char* kCommonGroup = "common";

}  // namespace cli

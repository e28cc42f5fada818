#pragma once
// `verify --against-store`: the newest states of the targets against the live mailboxes.

#include <restante/store_comparison.hpp>

#include <string>
#include <vector>

#include "program.hpp"

namespace cli {

/// Compares them, shows the answer, and names the accounts that are not equal or could not be compared; none
/// if all are. `accounts` are addresses or ids, none for all.
[[nodiscard]] std::vector<std::string> check_against_store(Program& program,
                                                           const std::vector<restante::BackupTarget>& targets,
                                                           const std::vector<std::string>& accounts);

}  // namespace cli

#pragma once
// A restore plan and its report as people read them.

#include <restante/restore_plan.hpp>

#include <string>

namespace cli {

/// Everything the restore will do to one account. `columns` 0 for no limit.
[[nodiscard]] std::string text_of(const restante::AccountPlan& plan, const restante::TimeZone& zone,
                                  std::size_t columns);
[[nodiscard]] std::string text_of(const restante::AccountReport& report, const std::string& address);

/// "3 added, 1 removed, 2 with other flags"; "nothing".
[[nodiscard]] std::string summary_of(const restante::DifferenceCounts& counts);
/// A table of the folders that differ; empty if none does.
[[nodiscard]] std::string folder_table(const restante::DifferenceSummary& difference, std::size_t columns,
                                       std::size_t indent);

}  // namespace cli

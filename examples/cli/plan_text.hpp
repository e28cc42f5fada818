#pragma once
// A restore plan and its report as people read them.

#include <restante/restore_plan.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace cli {

/// A line of a plan: its name, then its value.
[[nodiscard]] std::string plan_field(std::string_view name, const std::string& value);

/// Everything the restore will do to one account. `columns` 0 for no limit.
[[nodiscard]] std::string text_of(const restante::AccountPlan& plan, const restante::TimeZone& zone,
                                  std::size_t columns);
[[nodiscard]] std::string text_of(const restante::AccountReport& report, const std::string& address);

/// "messages: 3 added, in 2 folders; 12 KiB to write"; "nothing: the mailbox is in that state".
[[nodiscard]] std::string changes_of(const restante::DifferenceSummary& difference,
                                     std::uint64_t bytes_to_write);
/// "3 added, 1 removed, 2 with other flags"; "nothing".
[[nodiscard]] std::string summary_of(const restante::DifferenceCounts& counts);
/// A table of the folders that differ; empty if none does.
[[nodiscard]] std::string folder_table(const restante::DifferenceSummary& difference, std::size_t columns,
                                       std::size_t indent);

}  // namespace cli

#pragma once
// The documents of `--json`. Field names are a promise: docs/guides/commands.md lists them.

#include <restante/backup_target.hpp>
#include <restante/redo_log.hpp>
#include <restante/restore_plan.hpp>
#include <restante/scanner.hpp>

#include <nlohmann/json.hpp>

#include <optional>
#include <string_view>

namespace cli {

/// In the order in which fields were added, which is the order of the manual.
using Json = nlohmann::ordered_json;

/// Text as it is, bytes that are not UTF-8 or control characters as `\xHH`.
[[nodiscard]] Json json_text(std::string_view text);
/// null when empty.
[[nodiscard]] Json json_text_or_null(std::string_view text);
/// RFC 3339 in UTC.
[[nodiscard]] Json json_time(restante::Time time);
[[nodiscard]] Json json_time(const std::optional<restante::Time>& time);

[[nodiscard]] Json json_of(const restante::Status& status);
[[nodiscard]] Json json_of(const restante::Progress& progress);
[[nodiscard]] Json json_of(const restante::SessionInfo& session);
[[nodiscard]] Json json_of(const restante::DifferenceSummary& difference);
[[nodiscard]] Json json_of(const restante::AccountPlan& plan);
[[nodiscard]] Json json_of(const restante::AccountReport& report);
/// Without its operations.
[[nodiscard]] Json json_of(const restante::RecordInfo& record);
[[nodiscard]] Json json_of(const restante::LogPosition& position);

}  // namespace cli

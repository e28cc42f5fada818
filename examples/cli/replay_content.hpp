#pragma once
// The contents that a replay puts: from the redo log, else from the targets.

#include <restante/backup_target.hpp>
#include <restante/redo_log.hpp>
#include <restante/restore_plan.hpp>

#include <optional>
#include <string>
#include <vector>

namespace cli {

/// Used by one thread at a time.
class ReplayContent final : public restante::ContentOpener {
 public:
  ReplayContent(restante::RedoLog log, const std::vector<restante::BackupTarget>& targets,
                std::string account)
      : log_(std::move(log)), targets_(targets), account_(std::move(account)) {}

  [[nodiscard]] restante::Result<std::unique_ptr<restante::ContentReader>> open(
      const restante::ContentRef& content) override;
  /// Reads it to its end.
  [[nodiscard]] restante::Status check(const restante::ContentRef& content);

 private:
  restante::RedoLog log_;
  const std::vector<restante::BackupTarget>& targets_;
  std::string account_;
  /// Made when the log lacks something: a plan opens what the targets have.
  std::optional<restante::Result<restante::RestorePlan>> plan_;
};

}  // namespace cli

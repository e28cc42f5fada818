#pragma once
// The contents that a replay puts: from the redo log, else from the targets.

#include <restante/backup_target.hpp>
#include <restante/redo_log.hpp>
#include <restante/restore_plan.hpp>

#include <memory>
#include <optional>
#include <set>
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
  /// Reads it to its end, and remembers where it could be read.
  [[nodiscard]] restante::Status check(const restante::ContentRef& content);

 private:
  [[nodiscard]] restante::Result<std::unique_ptr<restante::ContentReader>> open_in_targets(
      const restante::ContentRef& content);

  restante::RedoLog log_;
  const std::vector<restante::BackupTarget>& targets_;
  std::string account_;
  /// Made when the log lacks something: a plan opens what the targets have.
  std::optional<restante::Result<restante::RestorePlan>> plan_;
  /// What the log does not have, or not whole.
  std::set<restante::Digest> in_targets_;
};

}  // namespace cli

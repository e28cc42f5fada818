#pragma once
// Content for a restore, from wherever it is: a target, or the log that has not been archived yet.

#include <vector>

#include <restante/restore_plan.hpp>

namespace restante::restore {

class Contents final : public ContentOpener {
 public:
  Contents(std::vector<BackupTarget> targets, RedoLog* log) : targets_(std::move(targets)), log_(log) {}

  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override;
  // Whether it is there, without reading it.
  [[nodiscard]] Result<bool> has(const ContentRef& content);
  // Reads it to its end, so that every frame is authenticated before anything is touched (R16).
  [[nodiscard]] Status check(const ContentRef& content);

 private:
  std::vector<BackupTarget> targets_;
  RedoLog* log_;
};

}  // namespace restante::restore

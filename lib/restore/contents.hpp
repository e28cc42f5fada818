#pragma once
// Content for a restore, from wherever it is: a target, or the log that has not been archived yet.

#include <optional>
#include <utility>
#include <vector>

#include <restante/restore_plan.hpp>

#include "content/content_store.hpp"

namespace restante::restore {

// Thread-safe.
class Contents final : public ContentOpener {
 public:
  Contents(std::vector<BackupTarget> targets, RedoLog* log) : targets_(std::move(targets)), log_(log) {}

  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override;
  // Where its reading begins, by target; what lies in the log alone comes last. In this order neighbours are
  // in one frame (content::ReadPlace).
  using Place = std::pair<std::size_t, content::ReadPlace>;
  [[nodiscard]] Result<Place> place_of(const ContentRef& content) const;
  // Much will be read.
  void expect_much() const;
  // Whether it is there, without reading it.
  [[nodiscard]] Result<bool> has(const ContentRef& content);
  // Reads it to its end, so that every frame is authenticated before anything is touched (R16).
  [[nodiscard]] Status check(const ContentRef& content);

 private:
  std::vector<BackupTarget> targets_;
  RedoLog* log_;
};

}  // namespace restante::restore

#pragma once
// Parts by their ids: what readers, writers and verification of one store share.

#include <restante/storage.hpp>

#include <memory>

#include "base/limits.hpp"
#include "catalog/catalog.hpp"
#include "content/content_store.hpp"
#include "content/frame_cache.hpp"
#include "content/recipe.hpp"

namespace restante::content {

using catalog::Location;

/// A part in memory. The bytes were compared with the id if the kind lets that be done.
struct LoadedPart {
  std::uint8_t kind = 0;
  std::shared_ptr<const Bytes> frame;
  ByteView bytes;  // in the frame
};

/// Thread-safe.
class PartStore {
 public:
  PartStore(std::shared_ptr<Storage> storage, std::unique_ptr<catalog::Catalog> catalog,
            StoreOptions options);

  [[nodiscard]] Storage& storage() { return *storage_; }
  [[nodiscard]] catalog::Catalog& catalog() { return *catalog_; }
  [[nodiscard]] const StoreOptions& options() const { return options_; }

  /// From the first of its places that is sound. `not_found` if it has none, `damaged` if none is sound.
  [[nodiscard]] Result<LoadedPart> load(const Digest& id);
  /// Makes what is loaded from now on come from the storage.
  void forget_frames() { cache_.clear(); }
  /// As `load`; the part must be a recipe.
  [[nodiscard]] Result<Recipe> load_recipe(const Digest& id);

  /// What counts as having a part: a place to read it from, or one to rely on, so that it need not be stored
  /// again.
  enum class Need { readable, reliable };
  /// Whether the content and every part that it needs are there.
  [[nodiscard]] Result<bool> has(const ContentRef& content, Need need);
  /// Whether the part is there, and if it is a recipe, what it needs. Its size does not matter.
  [[nodiscard]] Result<bool> has_part(const Digest& id, Need need);

 private:
  [[nodiscard]] Result<LoadedPart> load_from(const Location& place);
  [[nodiscard]] Result<std::shared_ptr<const Bytes>> load_frame(const Location& place);
  [[nodiscard]] Result<bool> has_at_depth(const Digest& id, const std::uint64_t* size, Need need,
                                          std::size_t depth);

  const std::shared_ptr<Storage> storage_;
  const std::unique_ptr<catalog::Catalog> catalog_;
  const StoreOptions options_;
  FrameCache cache_{base::kFrameCacheBytes};
};

}  // namespace restante::content

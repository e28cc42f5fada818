#pragma once
// Parts by their ids: what readers, writers and verification of one store share.

#include <restante/storage.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/limits.hpp"
#include "catalog/catalog.hpp"
#include "content/content_store.hpp"
#include "content/frame_cache.hpp"
#include "content/pack_index.hpp"
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
  [[nodiscard]] const crypto::ObjectSealer& sealer() const {
    return options_.sealer ? *options_.sealer : crypto::plain_sealer();
  }
  [[nodiscard]] Site site() const { return {options_.target_id, sealer()}; }
  /// The id of a content or part, whose SHA-256 is `digest`, in this target.
  [[nodiscard]] Digest id_of(const Digest& digest) const { return sealer().content_id(digest); }

  /// From the first of its places that is sound. `not_found` if it has none, `damaged` if none is sound.
  [[nodiscard]] Result<LoadedPart> load(const Digest& id);
  /// From this place alone.
  [[nodiscard]] Result<LoadedPart> load_at(const Location& place);
  /// Makes what is loaded from now on come from the storage.
  void forget_frames() { cache_.clear(); }
  /// How much memory decompressed frames may take.
  void keep_frames(std::size_t bytes) { cache_.set_limit(bytes); }
  /// As `load`; the part must be a recipe.
  [[nodiscard]] Result<Recipe> load_recipe(const Digest& id);

  /// What counts as having a part: a place to read it from, or one to rely on, so that it need not be stored
  /// again.
  enum class Need { readable, reliable };
  /// Whether the content and every part that it needs are there. Whoever may not read recipes takes a
  /// recipe's word for its parts, which were durable before it was (docs/format/content.md, invariant 3).
  [[nodiscard]] Result<bool> has(const ContentRef& content, Need need);
  /// Whether the part is there, and if it is a recipe, what it needs. Its size does not matter.
  [[nodiscard]] Result<bool> has_part(const Digest& id, Need need);
  /// What lies in these packs, ascending, is not relied upon from now on: they may go (R12).
  void distrust(std::vector<Id128> packs);

 private:
  [[nodiscard]] Result<std::shared_ptr<const Bytes>> load_frame(const Location& place);
  [[nodiscard]] Result<std::shared_ptr<const Bytes>> read_frame(const Location& place);
  [[nodiscard]] Result<bool> has_at_depth(const Digest& id, const std::uint64_t* size, Need need,
                                          std::size_t depth);

  const std::shared_ptr<Storage> storage_;
  const std::unique_ptr<catalog::Catalog> catalog_;
  const StoreOptions options_;
  [[nodiscard]] Result<std::shared_ptr<FrameOpener>> opener_of(const Id128& pack);

  FrameCache cache_{base::kFrameCacheBytes};
  std::mutex mutex_;
  std::map<Id128, std::shared_ptr<FrameOpener>> openers_;  // of packs that were read last
  std::mutex distrusted_mutex_;
  std::shared_ptr<const std::vector<Id128>> distrusted_ = std::make_shared<std::vector<Id128>>();
};

}  // namespace restante::content

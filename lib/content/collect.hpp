#pragma once
// Finds packs that nothing refers to any more, and gives them back: mark and sweep in two steps, between
// which every writer learns of it (docs/format/content.md, "Removing").
//
// A reference is the id of a content that a session or a segment names; parts are reached from there through
// recipes, whose frames are read once for each depth. A part that lies in several packs needs one of them.
//
// Memory: 32 bytes for each part that is reached, up to 80 while they are sorted: 80 MB per million.

#include <optional>
#include <vector>

#include "content/digest_set.hpp"
#include "content/part_store.hpp"
#include "content/unreferenced_list.hpp"

namespace restante::content {

/// A pack of which less than this part is used is rewritten.
inline constexpr std::uint64_t kRepackBelowPercent = 50;

struct Marked {
  /// The published list; nothing if there is nothing to list.
  std::optional<Id128> list;
  std::uint64_t packs = 0;
  std::uint64_t repacked = 0;
};

struct Swept {
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;
};

/// Copies what is used of packs that are mostly unused into new ones, then publishes a list of packs that
/// nothing needs and that are in no list yet. `references` are all there are, and grow by what they reach.
/// `damaged` or `unsupported` if a pack or a recipe that is used cannot be read: then nobody knows what it
/// needs, and nothing is listed. The catalog must be fresh.
[[nodiscard]] Result<Marked> mark_packs(PartStore& store, DigestSet& references);

/// Removes the packs of these lists that `references`, computed after the lists were published, do not need,
/// then the lists. Requires that every session that runs knows them. Fails as `mark_packs`.
[[nodiscard]] Result<Swept> sweep_packs(PartStore& store, DigestSet& references,
                                        const std::vector<Id128>& lists);

}  // namespace restante::content

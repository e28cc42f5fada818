#pragma once
// Proves that the packs of a store are what was written.

#include "content/content_store.hpp"
#include "content/part_store.hpp"

namespace restante::content {

/// Packs in which something is found are marked, so that writers store again what is in them; those in which
/// nothing is found any more, although they were read, are trusted again.
[[nodiscard]] Result<ContentVerification> verify_packs(PartStore& store, const ReadExtent& extent);

}  // namespace restante::content

#pragma once
// Streams stored content.

#include <restante/content.hpp>

#include <memory>

#include "content/part_store.hpp"

namespace restante::content {

/// Holds one part in memory at a time. The last bytes come only after the digest of all was compared.
[[nodiscard]] std::unique_ptr<ContentReader> read_stored(std::shared_ptr<PartStore> store,
                                                         const ContentRef& content);

}  // namespace restante::content

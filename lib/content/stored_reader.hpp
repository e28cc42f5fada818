#pragma once
// Streams stored content.

#include <restante/content.hpp>

#include <memory>

#include "content/part_store.hpp"

namespace restante::content {

/// `content` has the id that it has in this target. Holds one part in memory at a time. The last bytes come
/// only after the id of all was compared.
[[nodiscard]] std::unique_ptr<ContentReader> read_stored(std::shared_ptr<PartStore> store,
                                                         const ContentRef& content);

}  // namespace restante::content

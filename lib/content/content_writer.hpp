#pragma once
// Puts new content into packs.

#include <memory>

#include "content/content_store.hpp"
#include "content/part_store.hpp"

namespace restante::content {

[[nodiscard]] std::unique_ptr<ContentWriter> make_writer(std::shared_ptr<PartStore> store);

}  // namespace restante::content

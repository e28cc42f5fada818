#pragma once
// Which content operations name.

#include <functional>
#include <string_view>

#include <restante/operation.hpp>

#include "redo/segment_view.hpp"

namespace restante::target {

// A content, and the message or item that names it: one of the two is not null.
struct NamedContent {
  const ContentRef& content;
  const Message* message = nullptr;
  const Item* item = nullptr;
};
using NamedContentFunction = std::function<Status(const NamedContent&)>;

// Ends with the first failure, which is passed on.
[[nodiscard]] Status each_named_content(const Operation& operation, const NamedContentFunction& each);

using LoggedContentFunction = std::function<Status(std::string_view account_id, const NamedContent&)>;
// What the records of a segment name, which may be more than what came with them: a restore refers to content
// (R4).
[[nodiscard]] Status each_named_content(const redo::SegmentView& view, const LoggedContentFunction& each);

}  // namespace restante::target

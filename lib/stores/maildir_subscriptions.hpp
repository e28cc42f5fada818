#pragma once
// The file "subscriptions". Pure.
//
// Version 1 is a name a line, levels separated by '.'. Version 2, Dovecot's since 2.2.29, begins with
// "V\t2" and an empty line and separates levels by tabs. A name is an item of its own; which name stands
// before it is an attribute of it, so that removing one name changes one other item and not all.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/model.hpp>

namespace restante::stores {

inline constexpr std::string_view kSubscriptionKind = "subscription";

/// The items of the file; nothing if `encode_subscriptions` would not give back exactly these bytes, or if
/// the file names nothing: it is kept as a plain file then.
[[nodiscard]] std::optional<std::vector<Item>> parse_subscriptions(std::string_view text);

/// Every line that names something, once; for changing a file, whatever state it is in.
[[nodiscard]] std::vector<Item> read_subscriptions(std::string_view text);

/// The file that holds `items`, in the order that their attributes tell as far as they do; nothing of the
/// items' ids and attributes is trusted. Items that no file can hold are left out.
[[nodiscard]] std::string encode_subscriptions(const std::vector<Item>& items);

/// Whether such a file can hold the item.
[[nodiscard]] bool can_be_subscription(const Item& item);

}  // namespace restante::stores

#pragma once
// Keys of objects and prefixes of keys.

#include <restante/status.hpp>

#include <string_view>

namespace restante::storage {

inline constexpr std::size_t kMaxKeyBytes = 1024;
// NAME_MAX of every file system in use: what one driver takes, all take.
inline constexpr std::size_t kMaxComponentBytes = 255;

/// Whether `name` may stand between two slashes of a key. Names that may not are the drivers' own.
[[nodiscard]] bool is_component(std::string_view name) noexcept;

/// `invalid_argument` unless `prefix` is empty or a key with "/" behind it.
[[nodiscard]] Status check_prefix(std::string_view prefix);
/// The same, and not empty: a prefix that a publication owns.
[[nodiscard]] Status check_publication_prefix(std::string_view prefix);

}  // namespace restante::storage

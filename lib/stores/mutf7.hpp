#pragma once
// Modified UTF-7 (RFC 3501 §5.1.3), in which Maildir++ writes folder names into directory names.

#include <optional>
#include <string>
#include <string_view>

namespace restante::stores {

/// `utf8` must be well-formed UTF-8.
[[nodiscard]] std::string to_mutf7(std::string_view utf8);
/// Nothing unless `text` is exactly what `to_mutf7` makes of the answer.
[[nodiscard]] std::optional<std::string> from_mutf7(std::string_view text);

}  // namespace restante::stores

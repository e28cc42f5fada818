#pragma once
// Words and numbers as people read them.

#include <restante/time.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// `text` fit for one line of output: bytes that are not UTF-8, control characters and characters that
/// reorder or break lines become `\xHH`, so that a name from outside can forge nothing.
[[nodiscard]] std::string printable(std::string_view text);

/// Columns that printable text takes on a terminal.
[[nodiscard]] std::size_t columns_of(std::string_view text);
/// `text` filled up with spaces to `columns`, or cut to them with "…" at its end.
[[nodiscard]] std::string padded(std::string_view text, std::size_t columns);
[[nodiscard]] std::string padded_left(std::string_view text, std::size_t columns);
[[nodiscard]] std::string shortened(std::string_view text, std::size_t columns);

/// `text` in lines of at most `columns`, every one behind `indent` spaces. Words are never cut.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

/// "40,210".
[[nodiscard]] std::string number(std::uint64_t value);
/// "1 account", "40,210 accounts".
[[nodiscard]] std::string counted(std::uint64_t value, std::string_view noun);
/// "431 MiB", "12 B".
[[nodiscard]] std::string byte_size(std::uint64_t bytes);
/// Between two instants: "3.2 s", "4 min 5 s", "2 h 10 min".
[[nodiscard]] std::string duration(restante::Time from, restante::Time to);

/// "a", "a and b", "a, b and c"; past `limit` names "a, b and 17 more". All are made printable.
[[nodiscard]] std::string list_of(const std::vector<std::string>& names, std::size_t limit = 8);

/// Whether a shell takes `text` as one word as it is; else what it takes as that word, in single quotes.
[[nodiscard]] std::string shell_word(std::string_view text);

}  // namespace cli

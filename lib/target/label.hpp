#pragma once
// Session labels (seed: "Each backup session is automatically labeled by date and time"), for example
// "full-20070712.155951.123": type, then the beginning in GMT, so that labels of one type sort by time.

#include <optional>
#include <string>
#include <string_view>

#include <restante/backup_target.hpp>

namespace restante::target {

[[nodiscard]] std::string make_label(SessionType type, Time began);

struct ParsedLabel {
  SessionType type;
  Time began;
};
[[nodiscard]] std::optional<ParsedLabel> parse_label(std::string_view label);

// The time part: sessions of both types sort by it.
[[nodiscard]] std::string_view time_part(std::string_view label);

}  // namespace restante::target

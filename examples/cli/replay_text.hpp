#pragma once
// What a replay will do, as people and scripts read it.

#include <string>

#include "json.hpp"
#include "replay.hpp"

namespace cli {

/// `columns` 0 for no limit.
[[nodiscard]] std::string text_of(const ReplayPlan& plan, const restante::TimeZone& zone,
                                  std::size_t columns);
[[nodiscard]] Json json_of(const ReplayPlan& plan);

}  // namespace cli

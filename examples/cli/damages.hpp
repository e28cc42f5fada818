#pragma once
// Damage of a target, as verify, copy and rebuild tell it.

#include <string>
#include <vector>

#include "json.hpp"

namespace cli {

[[nodiscard]] Json json_of_damages(const std::vector<restante::TargetDamage>& damages);
/// A line each, and one for each thing that it costs.
[[nodiscard]] std::string text_of_damages(const std::vector<restante::TargetDamage>& damages);

}  // namespace cli

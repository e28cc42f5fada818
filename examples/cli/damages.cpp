#include "damages.hpp"

#include <fmt/format.h>

#include "text.hpp"

namespace cli {

using restante::TargetDamage;

Json json_of_damages(const std::vector<TargetDamage>& damages) {
  Json list = Json::array();
  for (const TargetDamage& damage : damages) {
    Json costs = Json::array();
    for (const std::string& cost : damage.costs) costs.push_back(json_text(cost));
    list.push_back({{"key", json_text(damage.key)}, {"what", json_text(damage.what)}, {"costs", costs}});
  }
  return list;
}

std::string text_of_damages(const std::vector<TargetDamage>& damages) {
  std::string out;
  for (const TargetDamage& damage : damages) {
    out += fmt::format("  {}: {}\n", printable(damage.key), printable(damage.what));
    for (const std::string& cost : damage.costs) out += fmt::format("    costs {}\n", printable(cost));
  }
  return out;
}

}  // namespace cli

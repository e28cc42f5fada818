#include "replay_text.hpp"

#include <fmt/format.h>

#include "plan_text.hpp"
#include "text.hpp"

namespace cli {

std::string text_of(const ReplayPlan& plan, const restante::TimeZone& zone, std::size_t columns) {
  std::string out = printable(plan.account_id);
  if (plan.creates_account) out += " (comes back)";
  if (plan.removes_account) out += " (goes)";
  out += "\n";
  if (!plan.failure.ok()) {
    out += plan_field("cannot", printable(plan.failure.message()));
    if (!plan.failure.hint().empty()) out += plan_field("hint", printable(plan.failure.hint()));
    return out;
  }
  out += plan_field("replays", fmt::format("{}, LSN {} to {}, {}", counted(plan.transactions, "transaction"),
                                           plan.first_lsn, plan.last_lsn, zone.format(plan.last_time)));
  if (plan.in_doubt)
    return out +
           plan_field("warning", "a replay broke off here; what this one changes is known when it begins");
  out += plan_field("changes", changes_of(plan.difference, plan.bytes_to_write));
  out += folder_table(plan.difference, columns, 12);
  if (plan.passed_over > 0)
    out += plan_field("warning", fmt::format("{} passed over, because their folders are not there",
                                             counted(plan.passed_over, "message")));
  return out;
}

Json json_of(const ReplayPlan& plan) {
  return {{"account_id", json_text(plan.account_id)},
          {"transactions", plan.transactions},
          {"first_lsn", plan.first_lsn},
          {"last_lsn", plan.last_lsn},
          {"last_time", json_time(plan.last_time)},
          {"creates_account", plan.creates_account},
          {"removes_account", plan.removes_account},
          {"takes_away", takes_away(plan)},
          {"in_doubt", plan.in_doubt},
          {"passed_over", plan.passed_over},
          {"bytes_to_write", plan.bytes_to_write},
          {"difference", json_of(plan.difference)},
          {"failure", json_of(plan.failure)}};
}

}  // namespace cli

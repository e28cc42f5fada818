#include "backup/account_groups.hpp"

#include <algorithm>

namespace restante::backup {

std::set<std::string> choose_group(std::vector<GroupMember> members, const Grouping& grouping, Time now) {
  const std::size_t share = (members.size() + grouping.groups - 1) / grouping.groups;
  const std::int64_t interval_us = std::chrono::microseconds(grouping.interval).count();
  const std::int64_t round_us = (grouping.groups - 1) * interval_us + interval_us / 2;
  const auto is_due = [&](const GroupMember& member) {
    return !member.full_began || now.us - member.full_began->us > round_us;
  };
  std::sort(members.begin(), members.end(), [](const GroupMember& a, const GroupMember& b) {
    return std::pair(a.full_began, a.id) < std::pair(b.full_began, b.id);
  });
  std::set<std::string> group;
  for (const GroupMember& member : members)
    if (is_due(member) || group.size() < share) group.insert(member.id);
  return group;
}

}  // namespace restante::backup

#pragma once
// Whose turn it is in an auto-grouped session (seed: "One group is backed up each interval").

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <restante/runtime.hpp>

namespace restante::backup {

struct GroupMember {
  std::string id;
  // When the session with its newest full began; empty if it has none that counts.
  std::optional<Time> full_began;
};

struct Grouping {
  unsigned groups = 7;
  std::chrono::seconds interval{86'400};
};

// Ids of those that get a full now:
// - who has none;
// - who got none in the last `groups` - 1 sessions, which keeps everybody's full within one round. Sessions
// do
//   not begin to the second, so half an interval more is granted;
// - then the oldest, until it is one part in `groups` of all.
[[nodiscard]] std::set<std::string> choose_group(std::vector<GroupMember> members, const Grouping& grouping,
                                                 Time now);

}  // namespace restante::backup

#include "backup/account_groups.hpp"

#include <map>

#include "support/catch.hpp"

namespace restante::backup {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;
constexpr std::int64_t kNoon = 1'700'000'000 * kSecond;

std::vector<GroupMember> members_of(const std::map<std::string, std::optional<Time>>& fulls) {
  std::vector<GroupMember> members;
  for (const auto& [id, began] : fulls) members.push_back({id, began});
  return members;
}

}  // namespace

TEST_CASE("who has no full is in the group, however many they are") {
  const auto group = choose_group({{"a", {}}, {"b", {}}, {"c", {}}}, {}, Time{kNoon});
  REQUIRE(group == std::set<std::string>{"a", "b", "c"});
}

TEST_CASE("the oldest fulls fill the group up to its share, rounded up") {
  std::vector<GroupMember> members;
  for (int i = 0; i < 8; ++i)
    members.push_back({std::string(1, static_cast<char>('a' + i)), Time{kNoon - (i % 2) * kDay - i}});
  // Of 8 in 3 groups 3; h, f and d were backed up a day earlier than a, c, e, g.
  REQUIRE(choose_group(members, {3, std::chrono::seconds(86'400)}, Time{kNoon + 1}) ==
          std::set<std::string>{"d", "f", "h"});
}

TEST_CASE("those that are due are in the group beyond its share") {
  std::vector<GroupMember> members;
  for (const char* id : {"a", "b", "c", "d"}) members.push_back({id, Time{kNoon - 4 * kDay}});
  members.push_back({"e", Time{kNoon - kDay}});
  REQUIRE(choose_group(members, {4, std::chrono::seconds(86'400)}, Time{kNoon}) ==
          std::set<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("a round of daily sessions gives everybody one full, evenly, although none begins to the second") {
  std::map<std::string, std::optional<Time>> fulls;
  for (int i = 0; i < 70; ++i) fulls["user" + std::to_string(i)] = std::nullopt;
  for (int day = 0; day < 22; ++day) {
    const Time now{kNoon + day * kDay + (day % 3) * 40 * kSecond};
    const auto group = choose_group(members_of(fulls), {7, std::chrono::seconds(86'400)}, now);
    INFO("day " << day);
    REQUIRE(group.size() == (day == 0 ? 70 : 10));
    for (const std::string& id : group) fulls[id] = now;
    for (const auto& [id, began] : fulls) REQUIRE(now.us - began->us < 7 * kDay);
  }
}

TEST_CASE("one group is everybody each time") {
  const auto group = choose_group({{"a", Time{kNoon}}, {"b", Time{kNoon}}}, {1, std::chrono::seconds(60)},
                                  Time{kNoon + kSecond});
  REQUIRE(group.size() == 2);
}

}  // namespace restante::backup

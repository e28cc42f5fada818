// R12: what a deletion takes and what it must leave, over made-up sessions.

#include <deque>
#include <set>

#include "examples.hpp"
#include "support/catch.hpp"
#include "target/label.hpp"
#include "target/remove_plan.hpp"

namespace restante::test {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Labels = std::vector<std::string>;

constexpr std::int64_t kDay = 86'400'000'000;

// Session `day` begins on that day, its last position is 100 · day; a second later it has ended.
struct History {
  SessionInfo& add(SessionType type, int day, Lsn position) {
    SessionInfo& info = sessions.emplace_back();
    info.type = type;
    info.status = SessionStatus::completed;
    info.began = Time{day * kDay};
    info.ended = Time{day * kDay + 1'000'000};
    info.label = target::make_label(type, info.began);
    info.server = example_id(1);
    info.position = {example_id(2), incarnation, position};
    return info;
  }
  SessionInfo& full(int day, const std::vector<std::string>& accounts) {
    SessionInfo& info = add(SessionType::full, day, static_cast<Lsn>(day) * 100);
    for (const std::string& id : accounts) {
      SessionAccount account;
      account.id = id;
      account.address = id + "@example.com";
      account.status = AccountStatus::completed;
      account.full = true;
      account.redo_start = info.position.lsn - 10;
      account.consistent_at = info.position.lsn - 5;
      info.accounts.push_back(account);
    }
    return info;
  }
  SessionInfo& incremental(int day) {
    SessionInfo& info = add(SessionType::incremental, day, static_cast<Lsn>(day) * 100);
    info.first_sequence = info.last_sequence = static_cast<std::uint64_t>(day);
    return info;
  }
  // The log between the sessions of two days that follow each other, archived by the second.
  void segment(int day) {
    target::ArchivedRange range;
    range.key = "segment " + std::to_string(day);
    range.server = example_id(1);
    range.incarnation = incarnation;
    range.parent = parent;
    range.sequence = static_cast<std::uint64_t>(day);
    range.first_lsn = static_cast<Lsn>(day - 1) * 100 + 1;
    range.last_lsn = static_cast<Lsn>(day) * 100;
    range.last_time = Time{day * kDay};
    segments.push_back(range);
  }
  [[nodiscard]] Result<target::RemovalPlan> plan(const BackupTarget::RemoveOptions& options) const {
    target::RemovalInput input;
    for (const SessionInfo& session : sessions) input.sessions.push_back(&session);
    for (const SessionInfo& session : running) input.running.push_back(&session);
    input.unreadable = unreadable;
    input.segments = segments;
    return target::plan_removal(input, options);
  }
  [[nodiscard]] target::RemovalPlan by_label(const std::string& label, bool force = false) const {
    BackupTarget::RemoveOptions options;
    options.label = label;
    options.force = force;
    const auto made = plan(options);
    REQUIRE_OK(made);
    return *made;
  }
  [[nodiscard]] target::RemovalPlan before(int day, bool force = false) const {
    BackupTarget::RemoveOptions options;
    options.before = Time{day * kDay};
    options.force = force;
    const auto made = plan(options);
    REQUIRE_OK(made);
    return *made;
  }

  Id128 incarnation = example_id(3);
  LogPosition parent;
  std::deque<SessionInfo> sessions;
  std::deque<SessionInfo> running;
  std::vector<std::string> unreadable;
  std::vector<target::ArchivedRange> segments;
};

std::string full_label(int day) { return target::make_label(SessionType::full, Time{day * kDay}); }
std::string incremental_label(int day) {
  return target::make_label(SessionType::incremental, Time{day * kDay});
}

// Fulls on days 1 and 8, incrementals on the days between and behind, the log whole.
History two_weeks() {
  History h;
  for (int day = 1; day <= 14; ++day) {
    h.segment(day);
    if (day == 1 || day == 8)
      h.full(day, {"alice", "bob"});
    else
      h.incremental(day);
  }
  return h;
}

}  // namespace

TEST_CASE("R12: a full goes with its incrementals when a later full covers what is kept") {
  const target::RemovalPlan plan = two_weeks().by_label(incremental_label(7));
  REQUIRE(plan.sessions.size() == 7);
  REQUIRE(plan.sessions.front() == full_label(1));
  REQUIRE(plan.kept.empty());
  // Day 8's full may need the log from LSN 790, which is in the segment of day 8.
  REQUIRE(plan.segments ==
          Labels{"segment 1", "segment 2", "segment 3", "segment 4", "segment 5", "segment 6", "segment 7"});
}

TEST_CASE("R12: a full that a kept incremental begins with stays, with all of its log, and says why") {
  const target::RemovalPlan plan = two_weeks().by_label(incremental_label(4));
  REQUIRE(plan.sessions == Labels{incremental_label(2), incremental_label(3), incremental_label(4)});
  REQUIRE(plan.kept == Pairs{{full_label(1),
                              "states that are kept begin with its full of alice@example.com and 1 other"}});
  REQUIRE(plan.segments.empty());
}

TEST_CASE("R12: by date every instant from there on keeps its base") {
  const History h = two_weeks();
  REQUIRE(h.before(9).kept.size() == 1);
  REQUIRE(h.before(9).kept.front().first == full_label(8));
  REQUIRE(h.before(9).sessions.size() == 7);
  // The full of day 8 is not the base of the instants before it had read everything.
  const target::RemovalPlan plan = h.before(8);
  REQUIRE(plan.kept.size() == 1);
  REQUIRE(plan.kept.front().first == full_label(1));
  REQUIRE(plan.sessions.size() == 6);
  REQUIRE(plan.segments.empty());
}

TEST_CASE("R12: the last full of an account goes only by label and force") {
  History h = two_weeks();
  h.sessions.front().accounts.push_back(h.sessions.front().accounts.front());
  SessionAccount& gone = h.sessions.front().accounts.back();
  gone.id = "carol";
  gone.address = "carol@example.com";
  const Pairs carols{{full_label(1), "it has the last full of carol@example.com"}};
  REQUIRE(h.by_label(incremental_label(9)).kept.front().first == full_label(1));
  REQUIRE(h.before(20, true).kept ==
          Pairs{carols.front(), {full_label(8), "it has the last full of alice@example.com and 1 other"}});
  REQUIRE(h.before(20, true).sessions.size() == 12);
  const target::RemovalPlan literal = h.by_label(full_label(8), true);
  REQUIRE(literal.kept.empty());
  REQUIRE(literal.sessions.size() == 8);
}

TEST_CASE("R12: with force everything before a label goes, and segments but those of what is left") {
  const target::RemovalPlan plan = two_weeks().by_label(incremental_label(12), true);
  REQUIRE(plan.sessions.size() == 12);
  // No full is left; the incrementals of days 13 and 14 archived theirs.
  REQUIRE(plan.segments.size() == 12);
}

TEST_CASE("R12: an account whose full failed keeps the one before") {
  History h = two_weeks();
  h.sessions[7].accounts[1].status = AccountStatus::error;
  h.sessions[7].accounts[1].full = false;
  const target::RemovalPlan plan = h.by_label(incremental_label(7));
  REQUIRE(plan.kept == Pairs{{full_label(1), "it has the last full of bob@example.com"}});
  REQUIRE(plan.segments.empty());
}

TEST_CASE("R12: segments that a transaction reaches back to stay, and those that a kept session archived") {
  History h = two_weeks();
  h.segments.back().lowest_open = 250;
  REQUIRE(h.by_label(incremental_label(7)).segments == Labels{"segment 1", "segment 2"});
  History named = two_weeks();
  named.sessions[9].first_sequence = 5;
  named.sessions[9].last_sequence = 10;
  REQUIRE(named.by_label(incremental_label(7)).segments ==
          Labels{"segment 1", "segment 2", "segment 3", "segment 4"});
}

TEST_CASE("R12: a full on a branch of the log that was left is no base of what follows") {
  History h;
  for (int day = 1; day <= 4; ++day) h.segment(day);
  h.full(1, {"alice"});
  h.full(4, {"alice"});
  // The log went on from day 2 as another incarnation; what came behind was lost.
  h.parent = {example_id(2), h.incarnation, 200};
  h.incarnation = example_id(5);
  h.segment(6);
  h.incremental(6);
  const target::RemovalPlan plan = h.by_label(full_label(4));
  REQUIRE(plan.sessions.empty());
  REQUIRE(plan.kept.size() == 2);  // day 1 is the base, day 4 the last full
  REQUIRE(plan.kept[0].first == full_label(1));
  REQUIRE(plan.segments.empty());
}

TEST_CASE("R12: without a log every kept instant has the newest full that had ended") {
  History h;
  for (int day = 1; day <= 5; ++day) {
    SessionInfo& info = h.full(day, {"alice"});
    info.server = {};
    info.position = {};
    for (SessionAccount& account : info.accounts) account.redo_start = account.consistent_at = 0;
  }
  REQUIRE(h.by_label(full_label(3)).sessions.size() == 3);
  const target::RemovalPlan by_date = h.before(4);
  REQUIRE(by_date.sessions == Labels{full_label(1), full_label(2)});
  REQUIRE(by_date.kept.size() == 1);
  REQUIRE(h.by_label(full_label(5)).kept.size() == 1);
}

TEST_CASE("R12: a session that runs keeps what it may go on from") {
  History h = two_weeks();
  SessionInfo running;
  running.server = example_id(1);
  running.position = {example_id(2), example_id(3), 0};
  running.first_sequence = 3;
  running.last_sequence = 15;
  h.running.push_back(running);
  REQUIRE(h.by_label(incremental_label(7)).segments == Labels{"segment 1", "segment 2"});
}

TEST_CASE("R12: a session that cannot be read stays, and with it every segment") {
  History h = two_weeks();
  h.unreadable.push_back(incremental_label(0));
  const target::RemovalPlan plan = h.by_label(incremental_label(7));
  REQUIRE(plan.kept == Pairs{{incremental_label(0), "it cannot be read, so nobody knows what needs it"}});
  REQUIRE(plan.segments.empty());
  const target::RemovalPlan literal = h.by_label(incremental_label(7), true);
  REQUIRE(literal.sessions.front() == incremental_label(0));
  REQUIRE(literal.segments.size() == 7);
}

TEST_CASE("R12: a deletion names a session that is there, or an instant, not both") {
  const History h = two_weeks();
  BackupTarget::RemoveOptions options;
  REQUIRE_CODE(h.plan(options), invalid_argument);
  options.label = full_label(3);
  REQUIRE_CODE(h.plan(options), not_found);
  options.before = Time{};
  REQUIRE_CODE(h.plan(options), invalid_argument);
}

TEST_CASE("R12: whatever is asked, every kept instant has its base and its log") {
  Random random("what is needed");
  for (int round = 0; round < 300; ++round) {
    History h;
    const int days = 4 + static_cast<int>(random.below(12));
    for (int day = 1; day <= days; ++day) {
      h.segment(day);
      std::vector<std::string> accounts;
      for (const char* name : {"alice", "bob", "carol"})
        if (day == 1 || random.one_in(4)) accounts.emplace_back(name);
      h.full(day, accounts);
    }
    const int cut = 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(days)));
    const bool by_date = random.one_in(2);
    const target::RemovalPlan plan = by_date ? h.before(cut) : h.by_label(full_label(cut));
    const std::set<std::string> gone(plan.sessions.begin(), plan.sessions.end());
    const std::set<std::string> lost(plan.segments.begin(), plan.segments.end());
    INFO("round " << round << ", " << days << " days, cut " << cut);
    // By date from the last position before it on; by label from the next session's position on.
    const Lsn from =
        by_date ? static_cast<Lsn>(cut - 1) * 100 : static_cast<Lsn>(std::min(cut + 1, days)) * 100;
    for (Lsn instant = from; instant <= static_cast<Lsn>(days) * 100; instant += 5) {
      for (const char* name : {"alice", "bob", "carol"}) {
        const SessionAccount* base = nullptr;
        const SessionAccount* left = nullptr;
        for (const SessionInfo& session : h.sessions) {
          const SessionAccount* const account = session.find(name);
          if (!account || account->consistent_at > instant) continue;
          base = account;
          if (!gone.contains(session.label)) left = account;
        }
        CHECK(base == left);
        if (!base) continue;
        for (const target::ArchivedRange& segment : h.segments)
          if (segment.last_lsn >= base->redo_start && segment.first_lsn <= instant)
            CHECK(!lost.contains(segment.key));
      }
    }
  }
}

}  // namespace restante::test

// R14: time in the log.

#include "redo/raw_segment.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

std::vector<RecordInfo> dump(const RedoLog& log) {
  const auto cursor = log.records({});
  REQUIRE_OK(cursor);
  std::vector<RecordInfo> all;
  for (RecordInfo info; *(*cursor)->next(info);) all.push_back(info);
  return all;
}

TEST_CASE("R14: commit times never fall, and a step back of the clock is recorded") {
  const ScratchDir dir;
  ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "1"));
  clock.advance_seconds(-3600);
  REQUIRE_OK(append(*log, "alice", "2"));
  clock.advance_us(-500'000);  // NTP's business
  REQUIRE_OK(append(*log, "alice", "3"));
  clock.advance_seconds(7200);
  REQUIRE_OK(append(*log, "alice", "4"));
  const std::vector<RecordInfo> records = dump(*log);
  int steps = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (i > 0) CHECK(records[i].commit_time >= records[i - 1].commit_time);
    CHECK(records[i].commit_time >= records[i].wall_time);
    steps += records[i].kind == "clock-step" ? 1 : 0;
  }
  CHECK(steps == 1);
}

TEST_CASE("R14: with a monotonic clock a step forward is recorded too, and time that passed is not") {
  const ScratchDir dir;
  ManualClock clock;
  std::atomic<std::int64_t> monotonic{0};
  redo::OpenHooks hooks;
  hooks.monotonic_us = [&] { return monotonic.load(); };
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "1"));
  clock.advance_seconds(500);
  monotonic += 500'000'000;
  REQUIRE_OK(append(*log, "alice", "2"));
  clock.advance_seconds(60);
  REQUIRE_OK(append(*log, "alice", "3"));
  int steps = 0;
  for (const RecordInfo& info : dump(*log)) steps += info.kind == "clock-step" ? 1 : 0;
  CHECK(steps == 1);
}

TEST_CASE("R14: lsn_at finds the last transaction by commit time") {
  const ScratchDir dir;
  ManualClock clock;
  const Time start = clock.now();
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  std::vector<std::pair<Time, Lsn>> commits;
  for (int i = 0; i < 30; ++i) {
    clock.advance_seconds(10);
    if (i % 7 == 6) REQUIRE_OK(log->roll());
    Result<Transaction> open = begin(*log, "bob", "b");
    REQUIRE_OK(open);
    clock.advance_seconds(1);
    commits.emplace_back(clock.now(), *append(*log, "alice", "a"));
    clock.advance_seconds(1);
    REQUIRE_OK(open->commit());
    commits.emplace_back(clock.now(), log->end());
  }
  REQUIRE_OK(log->roll());
  for (std::size_t i = 0; i < commits.size(); ++i) {
    CHECK(*log->lsn_at(commits[i].first) == commits[i].second);
    const Time just_before{commits[i].first.us - 1};
    if (i > 0) CHECK(*log->lsn_at(just_before) == commits[i - 1].second);
  }
  CHECK(*log->lsn_at(start) == 0);
  REQUIRE_CODE(log->lsn_at(Time{start.us - 1}), not_found);
  clock.advance_seconds(100);
  CHECK(*log->lsn_at(clock.now()) == commits.back().second);
  REQUIRE_CODE(log->lsn_at(Time{clock.now().us + 1}), invalid_argument);
}

TEST_CASE("R14: a time that the clock passed twice is refused, with the LSNs offered") {
  const ScratchDir dir;
  ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  Lsn before = 0;
  Lsn after = 0;
  Time twice;
  Time high;
  Time low;
  const auto check = [&](RedoLog& log) {
    const Result<Lsn> refused = log.lsn_at(twice);
    REQUIRE_CODE(refused, ambiguous);
    CHECK(refused.status().hint().find(std::to_string(before)) != std::string::npos);
    CHECK(refused.status().hint().find(std::to_string(after)) != std::string::npos);
    REQUIRE_CODE(log.lsn_at(low), ambiguous);
    CHECK(log.lsn_at(high).ok());
    CHECK(log.lsn_at(Time{low.us - 1}).ok());
  };
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "early"));
    clock.advance_seconds(100);
    before = *append(*log, "alice", "first pass");
    clock.advance_seconds(100);
    high = clock.now();
    REQUIRE_OK(append(*log, "alice", "high"));
    clock.advance_seconds(-150);
    low = clock.now();
    REQUIRE_OK(append(*log, "alice", "low"));
    clock.advance_seconds(70);
    after = *append(*log, "alice", "second pass");
    twice = clock.now();
    clock.advance_seconds(20);
    REQUIRE_OK(append(*log, "alice", "still held"));
    clock.advance_seconds(100);
    REQUIRE_OK(append(*log, "alice", "caught up"));
    check(*log);
    REQUIRE_OK(log->roll());
    check(*log);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  check(*log);
}

TEST_CASE("R14: a step back while the log was closed is recorded") {
  const ScratchDir dir;
  ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "1"));
  }
  clock.advance_seconds(-10);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "2"));
  int steps = 0;
  for (const RecordInfo& info : dump(*log)) steps += info.kind == "clock-step" ? 1 : 0;
  CHECK(steps == 1);
}

}  // namespace
}  // namespace restante::test

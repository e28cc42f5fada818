// R10: consumers, and which segments go.

#include "redo/consumers.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

std::uint64_t remove_now(RedoLog& log) {
  const Result<std::uint64_t> removed = log.remove_consumed(std::chrono::seconds(0));
  REQUIRE_OK(removed);
  return *removed;
}

TEST_CASE("R10: segments go when every consumer is past them") {
  const ScratchDir dir;
  ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  std::vector<Lsn> ends;
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    for (int i = 0; i < 4; ++i) {
      ends.push_back(*append(*log, "alice", std::to_string(i)));
      REQUIRE_OK(log->roll());
    }
    CHECK(remove_now(*log) == 0);  // nobody is registered
    REQUIRE_OK(log->set_consumer("fast", ends[3]));
    REQUIRE_OK(log->set_consumer("slow", ends[1], 1 << 20));
    CHECK(*log->remove_consumed(std::chrono::seconds(60)) == 0);
    clock.advance_seconds(61);
    CHECK(*log->remove_consumed(std::chrono::seconds(60)) == 2);
    CHECK(log->segments().front().sequence == 3);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const std::vector<Consumer> consumers = log->consumers();
  REQUIRE(consumers.size() == 2);
  CHECK(consumers[0].name == "fast");
  CHECK(consumers[0].position == ends[3]);
  CHECK(consumers[1].name == "slow");
  CHECK(consumers[1].max_bytes == 1 << 20);
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"2", "3"});
  REQUIRE_CODE(log->read({.after = 1, .until = UINT64_MAX, .account_id = {}}), not_found);
  REQUIRE_CODE(log->follow(ends[0]), not_found);
  REQUIRE_OK(log->follow(ends[1]).status());
  REQUIRE_CODE(log->set_consumer("slow", ends[0]), invalid_argument);
  REQUIRE_CODE(log->set_consumer("slow", log->end() + 1), invalid_argument);
  REQUIRE_CODE(log->set_consumer("", 1), invalid_argument);
  REQUIRE_OK(log->remove_consumer("slow"));
  REQUIRE_CODE(log->remove_consumer("slow"), not_found);
  CHECK(remove_now(*log) == 2);
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R10: an open transaction keeps the segment in which it began, its end keeps it too") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  REQUIRE_OK(log->roll());
  Result<Transaction> transaction = begin(*log, "alice", "long");
  REQUIRE_OK(transaction);
  for (int i = 0; i < 3; ++i) REQUIRE_OK(log->roll());
  REQUIRE_OK(log->sync());
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 1);
  REQUIRE_OK(transaction->commit({}, Sync::durable));
  CHECK(remove_now(*log) == 0);  // the current segment refers to it
  REQUIRE_OK(log->roll());
  CHECK(remove_now(*log) == 0);  // the consumer has not read the commit
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 4);
}

TEST_CASE("R10: a pin keeps segments while somebody is at work") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  for (int i = 0; i < 3; ++i) REQUIRE_OK(log->roll());
  REQUIRE_OK(log->set_consumer("target", log->end()));
  {
    const auto pin = redo::pin_segments(*log, 2);
    CHECK(remove_now(*log) == 1);
  }
  CHECK(remove_now(*log) == 2);
}

TEST_CASE("R10: a consumer that falls too far behind is lost, and keeps nothing") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(log->set_consumer("slow", 1, 60'000));
    REQUIRE_OK(log->set_consumer("fast", 1));
    for (int i = 0; i < 3; ++i) {
      REQUIRE_OK(append(*log, "alice", "x", 30'000));
      REQUIRE_OK(log->roll());
    }
    CHECK(log->consumers()[1].lost);
    REQUIRE_OK(log->set_consumer("fast", log->end()));
    CHECK(remove_now(*log) == 3);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  REQUIRE(log->consumers().size() == 2);
  CHECK(log->consumers()[1].lost);
  // A full makes it whole again.
  REQUIRE_OK(log->set_consumer("slow", log->end(), 60'000));
  CHECK_FALSE(log->consumers()[1].lost);
}

TEST_CASE("R10: a damaged list of consumers removes nothing") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(log->set_consumer("target", 1));
    REQUIRE_OK(log->roll());
  }
  const std::string path = dir.file("redo") + "/redo.consumers";
  Bytes bytes = slurp(path);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= 0x10;
    CHECK_FALSE(redo::decode_consumers(flipped).ok());
    CHECK_FALSE(redo::decode_consumers(ByteView(bytes).first(i)).ok());
  }
  bytes[40] ^= 1;
  spill(path, bytes);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);  // mail goes on
  REQUIRE_OK(append(*log, "alice", "x"));
  REQUIRE_CODE(log->remove_consumed(std::chrono::seconds(0)), damaged);
  REQUIRE_CODE(log->set_consumer("target", 2), damaged);
}

}  // namespace
}  // namespace restante::test

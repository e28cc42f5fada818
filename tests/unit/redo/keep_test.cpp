// R10: consumers, and which segments go.

#include <algorithm>

#include "redo/consumers.hpp"
#include "redo/segment_view.hpp"
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
    REQUIRE_OK(log->set_consumer("slow", ends[1]));
    REQUIRE_OK(log->limit_consumer("slow", 1 << 20));
    CHECK(*log->remove_consumed(std::chrono::seconds(60)) == 0);
    clock.advance_seconds(61);
    CHECK(*log->remove_consumed(std::chrono::seconds(60)) == 2);
    CHECK(log->segments()->front().sequence == 3);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const std::vector<Consumer> consumers = *log->consumers();
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

/// A log of five segments in which every transaction ends in the segment behind that in which it began.
std::vector<std::string> make_interlocked(RedoLog& log) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(std::to_string(i));
    Result<Transaction> transaction = begin(log, "alice", ids.back());
    REQUIRE_OK(transaction);
    REQUIRE_OK(log.roll());
    REQUIRE_OK(transaction->commit({}, Sync::durable));
  }
  return ids;
}

TEST_CASE("R10: transactions that are open at every roll do not keep what has been read") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const std::vector<std::string> ids = make_interlocked(*log);
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 2);
  // The last one is whole, because its commit lies in the current segment; the one before began in what stays
  // for that, and ended there too; nothing is left of what both lack.
  CHECK(log->segments()->front().sequence == 3);
  const ReadBack back = read_all_of(*log);
  CHECK(back.damages.empty());
  CHECK(back.ids == std::vector<std::string>{ids[2], ids[3]});
  // Who asks for a place is told what is missing behind it.
  const Lsn first = log->segments()->front().first_lsn;
  CHECK(read_all_of(*log, {.after = first - 1, .until = UINT64_MAX, .account_id = {}}).damages.size() == 1);
  CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"}).ids == back.ids);
}

TEST_CASE("R10: a removal that failed half way is finished by the next one, and readers miss nothing") {
  const ManualClock clock;
  for (std::uint64_t n = 1;; ++n) {
    const MemoryDir dir;
    FaultyIo io;
    redo::OpenHooks hooks;
    hooks.io = &io;
    Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
    REQUIRE_OK(log);
    for (int i = 0; i < 4; ++i) {
      REQUIRE_OK(append(*log, "alice", std::to_string(i)));
      REQUIRE_OK(log->roll());
    }
    REQUIRE_OK(log->set_consumer("target", log->end()));
    io.fail(n, Fault::io_error, [](Call call) { return call == Call::unlink || call == Call::list; });
    const Result<std::uint64_t> first = log->remove_consumed(std::chrono::seconds(0));
    if (!io.fired()) {
      REQUIRE_OK(first);
      CHECK(*first == 4);
      REQUIRE(n > 5);
      break;
    }
    REQUIRE_CODE(first, io);
    io.heal();
    CHECK(read_all_of(*log).damages.empty());
    REQUIRE_OK(log->remove_consumed(std::chrono::seconds(0)));
    CHECK(log->segments()->front().sequence == 5);
    for (std::uint64_t sequence = 1; sequence <= 4; ++sequence)
      CHECK_FALSE(std::filesystem::exists(dir.file("redo") + "/" + redo::segment_name(sequence)));
    CHECK(read_all_of(*log).damages.empty());
  }
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

Operation message_with(const ContentRef& content) {
  MessagePut put;
  put.messages.resize(1);
  put.messages[0].id = "m";
  put.messages[0].folder_id = "inbox";
  put.messages[0].content = content;
  return put;
}

TEST_CASE("R10: who has not read a commit finds its begin record and the content that this names") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const Bytes mail = Random("mail").bytes(5000);
  const auto reader = read_from_memory(ByteView(mail));
  const Result<ContentRef> content = log->put_content("alice", *reader);
  REQUIRE_OK(content);
  REQUIRE_OK(log->roll());
  const std::vector<Operation> operations{host_op("read late"), message_with(*content)};
  Result<Transaction> transaction = log->begin("alice", operations);
  REQUIRE_OK(transaction);
  REQUIRE_OK(log->roll());
  const Lsn before = log->end();
  REQUIRE_OK(transaction->commit({}, Sync::durable));
  REQUIRE_OK(log->roll());
  REQUIRE_OK(log->set_consumer("target", before));
  CHECK(remove_now(*log) == 0);
  const ReadBack back = read_all_of(*log, {.after = before, .until = UINT64_MAX, .account_id = {}});
  CHECK(back.ids == std::vector<std::string>{"read late"});
  const auto found = log->open_content(*content);
  REQUIRE_OK(found);
  CHECK(*read_all(**found) == mail);
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 3);
}

TEST_CASE("R10: content that was put stays until a record names it, for a while") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  const Bytes mail = Random("mail").bytes(5000);
  const auto put = [&] {
    const auto reader = read_from_memory(ByteView(mail));
    const Result<ContentRef> content = log->put_content("alice", *reader);
    REQUIRE_OK(content);
    return *content;
  };
  const std::vector<Operation> operations{message_with(put())};
  REQUIRE_OK(log->roll());
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 0);
  REQUIRE_OK(log->append("alice", operations));
  const auto found = log->open_content(content_ref_of(mail));
  REQUIRE_OK(found);
  CHECK(*read_all(**found) == mail);
  // A thread that was held up while others rolled names it still: it is put again, out of what was kept.
  const std::vector<Operation> later{message_with(put())};
  for (int i = 0; i < 5; ++i) {
    REQUIRE_OK(log->roll());
    REQUIRE_OK(log->set_consumer("target", log->end()));
    (void)remove_now(*log);
  }
  REQUIRE_OK(log->append("alice", later));
  const auto again = log->open_content(content_ref_of(mail));
  REQUIRE_OK(again);
  CHECK(*read_all(**again) == mail);
  // Who never does keeps it for so long only.
  (void)put();
  for (int i = 0; i < 17; ++i) REQUIRE_OK(log->roll());
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) >= 17);
  CHECK(log->segments()->size() == 1);
}

TEST_CASE("R10: a segment that could not be sealed stays until it is") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "1"));
  io.fail_always(Fault::no_space, [](Call call) { return call == Call::truncate; });
  REQUIRE_CODE(log->roll(), no_space);
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 0);
  io.heal();
  CHECK(remove_now(*log) == 1);
}

TEST_CASE("R10: reading a log of which all or what was asked for is removed comes to an end") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  REQUIRE_OK(begin(*log, "alice", "1")->commit());
  REQUIRE_OK(log->roll());
  REQUIRE_OK(log->set_consumer("target", log->end()));
  CHECK(remove_now(*log) == 1);
  CHECK(read_all_of(*log).ids.empty());
  REQUIRE_OK(append(*log, "alice", "2", 0, Sync::lazy));
  CHECK(read_all_of(*log).ids.empty());
  REQUIRE_OK(log->sync());
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"2"});
  CHECK(read_all_of(*log, {.after = 0, .until = 1, .account_id = {}}).ids.empty());
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
    REQUIRE_OK(log->set_consumer("slow", 1));
    REQUIRE_OK(log->limit_consumer("slow", 60'000));
    REQUIRE_OK(log->set_consumer("fast", 1));
    for (int i = 0; i < 3; ++i) {
      REQUIRE_OK(append(*log, "alice", "x", 30'000));
      REQUIRE_OK(log->roll());
    }
    CHECK(log->consumers()->at(1).lost);
    // Nothing that it needs has gone yet.
    REQUIRE_OK(log->limit_consumer("slow", 1 << 20));
    CHECK_FALSE(log->consumers()->at(1).lost);
    REQUIRE_OK(log->limit_consumer("slow", 60'000));
    REQUIRE_OK(log->set_consumer("fast", log->end()));
    CHECK(remove_now(*log) == 3);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  REQUIRE(log->consumers()->size() == 2);
  CHECK(log->consumers()->at(1).lost);
  REQUIRE_OK(log->limit_consumer("slow", 0));
  CHECK(log->consumers()->at(1).lost);
  REQUIRE_OK(log->limit_consumer("slow", 60'000));
  // A full makes it whole again.
  REQUIRE_OK(log->set_consumer("slow", log->end()));
  CHECK(log->consumers()->at(1).max_bytes == 60'000);
  CHECK_FALSE(log->consumers()->at(1).lost);
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

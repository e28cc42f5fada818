// R7, R10: disks that fail and disks that are full.

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "redo/segment_view.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

using Ids = std::set<std::string>;

struct Outcome {
  Ids acknowledged;  // with a durable call
  Ids attempted;
  std::set<Lsn> open;  // begun durably, not ended durably
  bool opened = false;
};

/// A little of everything; stops at nothing.
Outcome exercise(const std::string& path, const RedoLog::Options& options, const redo::OpenHooks& hooks) {
  Outcome outcome;
  Result<RedoLog> log = redo::open_log(path, options, hooks);
  if (!log.ok()) return outcome;
  outcome.opened = true;
  const auto note = [&](const std::string& id, const Status& status) {
    outcome.attempted.insert(id);
    if (status.ok()) outcome.acknowledged.insert(id);
  };
  for (int i = 0; i < 3; ++i) {
    const std::string id = "a" + std::to_string(i);
    note(id, append(*log, "alice", id, 500).status());
  }
  Result<Transaction> transaction = begin(*log, "bob", "t1");
  outcome.attempted.insert("t1");
  if (transaction.ok()) note("t1", transaction->commit({}, Sync::durable).status());
  const Bytes mail(9000, 'm');
  const auto reader = read_from_memory(ByteView(mail));
  const Result<ContentRef> content = log->put_content("alice", *reader);
  outcome.attempted.insert("content");
  if (content.ok()) {
    MessagePut put;
    put.messages.resize(1);
    put.messages[0].id = "m";
    put.messages[0].folder_id = "inbox";
    put.messages[0].content = *content;
    const std::vector<Operation> operations{HostOp{"test", "content", "k", "i", ""}, put};
    note("content", log->append("alice", operations).status());
  }
  (void)log->roll();
  note("after roll", append(*log, "alice", "after roll", 500).status());
  (void)log->set_consumer("c", 1);
  (void)log->touch("carol");
  (void)log->maintain();
  note("last", append(*log, "alice", "last", 500).status());
  return outcome;
}

void check_recovered(const std::string& path, const RedoLog::Options& options, const Outcome& outcome) {
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  const ReadBack back = read_all_of(*log);
  REQUIRE(back.damages.empty());
  REQUIRE_OK(back.failure);
  const Ids found(back.ids.begin(), back.ids.end());
  REQUIRE(found.size() == back.ids.size());
  for (const std::string& id : outcome.acknowledged) {
    INFO("acknowledged: " << id);
    REQUIRE(found.contains(id));
  }
  for (const std::string& id : found) {
    INFO("found: " << id);
    REQUIRE(outcome.attempted.contains(id));
  }
  const Result<LogVerification> verification = log->verify();
  REQUIRE_OK(verification);
  REQUIRE(verification->damages.empty());
  // And it can be written to.
  Result<std::vector<Transaction>> unfinished = log->recover();
  REQUIRE_OK(unfinished);
  for (Transaction& transaction : *unfinished) REQUIRE_OK(transaction.abort());
  REQUIRE_OK(append(*log, "zoe", "once more"));
}

TEST_CASE("R7: whichever I/O call fails, nothing is acknowledged falsely") {
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  for (const Fault fault : {Fault::io_error, Fault::no_space}) {
    for (std::uint64_t n = 1;; ++n) {
      const MemoryDir dir;
      FaultyIo io;
      redo::OpenHooks hooks;
      hooks.io = &io;
      const auto applies = [&](Call call) {
        if (fault == Fault::io_error) return call != Call::close;
        return call == Call::write || call == Call::allocate || call == Call::rename || call == Call::create;
      };
      io.fail(n, fault, applies);
      INFO("fault " << static_cast<int>(fault) << " at call " << n);
      const Outcome outcome = exercise(dir.file("redo"), options, hooks);
      if (!io.fired()) {
        CHECK(outcome.acknowledged == outcome.attempted);
        break;
      }
      check_recovered(dir.file("redo"), options, outcome);
    }
  }
}

TEST_CASE("R7: reopening fails at whichever call, and later succeeds with everything") {
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const MemoryDir dir;
  const Outcome outcome = exercise(dir.file("log"), options, {});
  const std::string crashed = dir.file("crashed");
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(begin(*log, "dave", "open"));
    copy_log(dir.file("log"), crashed);
  }
  for (std::uint64_t n = 1;; ++n) {
    const std::string copy = dir.file("copy");
    copy_log(crashed, copy);
    FaultyIo io;
    redo::OpenHooks hooks;
    hooks.io = &io;
    io.fail(n, Fault::io_error, [](Call call) { return call != Call::close; });
    { const Result<RedoLog> log = redo::open_log(copy, options, hooks); }
    INFO("call " << n);
    Result<RedoLog> log = RedoLog::open(copy, options);
    REQUIRE_OK(log);
    const ReadBack back = read_all_of(*log);
    CHECK(Ids(back.ids.begin(), back.ids.end()) == outcome.acknowledged);
    CHECK(back.damages.empty());
    CHECK(log->unfinished().size() == 1);
    if (!io.fired()) break;
  }
}

TEST_CASE("R7: after a failed sync nobody is acknowledged, and recovery does not believe the cache") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  {
    Result<RedoLog> log = redo::open_log(dir.file("redo"), options, hooks);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "durable"));
    Result<Transaction> open = begin(*log, "bob", "in doubt");
    REQUIRE_OK(open);
    REQUIRE_OK(append(*log, "alice", "lazy", 0, Sync::lazy));
    io.fail(1, Fault::io_error, [](Call call) { return call == Call::sync; });
    REQUIRE_CODE(append(*log, "alice", "refused"), not_durable);
    const Status later = append(*log, "alice", "later").status();
    REQUIRE_CODE(later, poisoned);
    CHECK(later.message().find("injected") != std::string::npos);
    REQUIRE_CODE(open->commit(), poisoned);
    REQUIRE_CODE(log->sync(), poisoned);
    REQUIRE_CODE(log->roll(), poisoned);
    REQUIRE_CODE(log->touch("alice"), poisoned);
    REQUIRE_CODE(RedoLog::open(dir.file("redo"), options), poisoned);
    CHECK(read_all_of(*log).ids == std::vector<std::string>{"durable"});
  }
  // The bytes of "lazy" and "refused" are in the cache; the disk may not have them.
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"durable"});
  CHECK(log->unfinished().size() == 1);
  REQUIRE_OK(append(*log, "alice", "goes on"));
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R10: a full disk refuses begin and append, never an end") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  const RedoLog::Options options = options_with(clock);
  std::set<std::string> committed;
  {
    Result<RedoLog> log = redo::open_log(dir.file("redo"), options, hooks);
    REQUIRE_OK(log);
    io.fail_always(Fault::no_space, [](Call call) { return call == Call::allocate; });
    std::vector<Transaction> open;
    Status refused;
    for (int i = 0; refused.ok(); ++i) {
      REQUIRE(i < 1000);
      Result<Transaction> transaction = begin(*log, "account" + std::to_string(i), std::to_string(i));
      if (transaction.ok()) {
        open.push_back(std::move(*transaction));
      } else {
        refused = transaction.status();
      }
    }
    REQUIRE_CODE(refused, no_space);
    REQUIRE(open.size() > 10);
    REQUIRE_CODE(append(*log, "alice", "x", 2000), no_space);
    const Bytes mail(6000, 'x');
    const auto reader = read_from_memory(ByteView(mail));
    REQUIRE_CODE(log->put_content("alice", *reader), no_space);
    // Nor does housekeeping take what is reserved.
    int touched = 0;
    while (log->touch("touched" + std::to_string(touched)).ok()) REQUIRE(++touched < 1000);
    const Lsn end = log->end();
    REQUIRE_OK(log->maintain());
    CHECK(log->end() == end);
    // Every end fits, with the longest ids.
    for (Transaction& transaction : open) {
      committed.insert(std::get<HostOp>(transaction.operations().at(0)).name);
      REQUIRE_OK(transaction.commit({}, Sync::durable));
    }
    CHECK(std::filesystem::file_size(dir.file("redo") + "/redo-0000000001.log") == options.segment_bytes);
    io.heal();
    REQUIRE_OK(append(*log, "alice", "room again", 2000));
    committed.insert("room again");
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const ReadBack back = read_all_of(*log);
  CHECK(Ids(back.ids.begin(), back.ids.end()) == committed);
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R10: room for an end record holds for ids of any length in small transactions") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
  REQUIRE_OK(log);
  MessagePut put;
  std::vector<Assigned> assigned;
  for (std::uint32_t i = 0; i < 20; ++i) {
    put.messages.emplace_back();
    put.messages.back().id = "m" + std::to_string(i);
    put.messages.back().folder_id = "inbox";
    assigned.push_back({.operation = 0, .element = i, .uid = i + 1, .id = std::string(1024, 'i')});
  }
  const std::vector<Operation> operations{put};
  std::vector<Transaction> open;
  const std::string account(1024, 'a');
  io.fail_always(Fault::no_space, [](Call call) { return call == Call::allocate; });
  for (;;) {
    Result<Transaction> transaction = log->begin(account, operations);
    if (!transaction.ok()) {
      REQUIRE_CODE(transaction, no_space);
      break;
    }
    open.push_back(std::move(*transaction));
  }
  REQUIRE_FALSE(open.empty());
  for (Transaction& transaction : open) REQUIRE_OK(transaction.commit(assigned, Sync::durable));
}

TEST_CASE("R10: a segment has room for the ends of all transactions that are open when it begins") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  MessagePut put;
  std::vector<Assigned> assigned;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    put.messages.emplace_back();
    put.messages.back().id = "m" + std::to_string(i);
    put.messages.back().folder_id = "inbox";
    assigned.push_back({.operation = 0, .element = i, .uid = i + 1, .id = std::string(128, 'i')});
  }
  const std::vector<Operation> operations{put};
  Result<Transaction> transaction = log->begin("alice", operations);
  REQUIRE_OK(transaction);
  REQUIRE_OK(log->roll());
  const std::uint64_t sequence = log->sequence();
  const std::string newest = dir.file("redo") + "/" + redo::segment_name(sequence);
  const auto bytes = std::filesystem::file_size(newest);
  REQUIRE_OK(transaction->commit(assigned, Sync::durable));
  CHECK(log->sequence() == sequence);
  CHECK(std::filesystem::file_size(newest) <= bytes);
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R10: a segment that was cut behind its records is not gone on with when ends need its room") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  for (const bool is_open : {false, true}) {
    const std::string path = dir.file(is_open ? "open" : "ended");
    {
      Result<RedoLog> log = RedoLog::open(path, options);
      REQUIRE_OK(log);
      Result<Transaction> transaction = begin(*log, "alice", "1");
      REQUIRE_OK(transaction);
      if (!is_open) REQUIRE_OK(transaction->commit());
    }
    // Records take much less, the reservation does not fit.
    std::filesystem::resize_file(path + "/redo-0000000001.log", 10u << 10);
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    CHECK(log->sequence() == (is_open ? 2 : 1));
    CHECK(log->verify()->damages.empty());
  }
}

TEST_CASE("R8: what was lazy when a log was closed or was idle is damage when it is bad later") {
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  for (const bool is_closed : {false, true}) {
    const ScratchDir dir;
    const std::string copy = dir.file("copy");
    std::uint64_t end = 0;
    {
      Result<RedoLog> log = RedoLog::open(dir.file("log"), options);
      REQUIRE_OK(log);
      REQUIRE_OK(append(*log, "alice", "lazy", 500, Sync::lazy));
      if (!is_closed) REQUIRE_OK(log->maintain());
      end = log->end();
      if (!is_closed) copy_log(dir.file("log"), copy);
    }
    if (is_closed) copy_log(dir.file("log"), copy);
    const std::string segment = copy + "/redo-0000000001.log";
    Bytes bytes = slurp(segment);
    const auto bad = std::search_n(bytes.begin(), bytes.end(), 100, std::uint8_t{'x'});
    REQUIRE(bad != bytes.end());
    *bad ^= 1;
    spill(segment, bytes);
    INFO("closed: " << is_closed);
    Result<RedoLog> log = RedoLog::open(copy, options);
    REQUIRE_OK(log);
    CHECK(log->end() >= end);
    CHECK(log->verify()->damages.size() == 1);
  }
}

TEST_CASE("R10: an index that finds no room is written later") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "1"));
  io.fail(1, Fault::no_space, [](Call call) { return call == Call::truncate; });
  REQUIRE_CODE(log->roll(), no_space);
  CHECK(log->sequence() == 2);
  REQUIRE(log->segments()->size() == 2);
  CHECK_FALSE(log->segments()->at(0).sealed);
  CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"}).ids.size() == 1);
  REQUIRE_OK(log->maintain());
  CHECK(log->segments()->at(0).sealed);
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R10: a disk that really is full") {
  if (::geteuid() != 0) RESTANTE_SKIP("only root can mount a small file system");
  const ScratchDir dir;
  const std::string mount_point = dir.file("small");
  std::filesystem::create_directories(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=2m") != 0)
    RESTANTE_SKIP("tmpfs cannot be mounted here");
  {
    const ManualClock clock;
    const RedoLog::Options options = options_with(clock, 128u << 10);
    std::set<std::string> acknowledged;
    {
      Result<RedoLog> log = RedoLog::open(mount_point + "/redo", options);
      REQUIRE_OK(log);
      Status status;
      for (int i = 0; status.ok(); ++i) {
        const std::string id = std::to_string(i);
        status = append(*log, "alice", id, 3000).status();
        if (status.ok()) acknowledged.insert(id);
      }
      REQUIRE_CODE(status, no_space);
    }
    Result<RedoLog> log = RedoLog::open(mount_point + "/redo", options);
    REQUIRE_OK(log);
    const ReadBack back = read_all_of(*log);
    CHECK(Ids(back.ids.begin(), back.ids.end()) == acknowledged);
    // Room comes from what has been consumed.
    REQUIRE_OK(log->set_consumer("target", log->end()));
    CHECK(*log->remove_consumed(std::chrono::seconds(0)) > 0);
    REQUIRE_OK(append(*log, "alice", "room again", 3000));
  }
  (void)::umount2(mount_point.c_str(), MNT_DETACH);
}

TEST_CASE("R10: a log is recovered on a full disk, and open transactions end") {
  if (::geteuid() != 0) RESTANTE_SKIP("only root can mount a small file system");
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock, 128u << 10);
  const std::string mount_point = dir.file("small");
  std::filesystem::create_directories(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=2m") != 0)
    RESTANTE_SKIP("tmpfs cannot be mounted here");
  {
    Result<RedoLog> log = RedoLog::open(dir.file("log"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "1"));
    Result<Transaction> transaction = begin(*log, "bob", "2");
    REQUIRE_OK(transaction);
    copy_log(dir.file("log"), mount_point + "/redo");
  }
  const auto free_bytes = std::filesystem::space(mount_point).available;
  spill(dir.file("filler"), Bytes(free_bytes - (100u << 10), 1));
  std::filesystem::copy_file(dir.file("filler"), mount_point + "/filler");
  {
    Result<RedoLog> log = RedoLog::open(mount_point + "/redo", options);
    REQUIRE_OK(log);
    CHECK(log->sequence() == 2);
    Result<std::vector<Transaction>> unfinished = log->recover();
    REQUIRE_OK(unfinished);
    REQUIRE(unfinished->size() == 1);
    REQUIRE_CODE(append(*log, "alice", "too much", 300'000), no_space);
    REQUIRE_OK(unfinished->at(0).commit({}, Sync::durable));
    CHECK(read_all_of(*log).ids == std::vector<std::string>{"1", "2"});
  }
  (void)::umount2(mount_point.c_str(), MNT_DETACH);
}

TEST_CASE("R10: a transaction larger than a segment gets a segment of its own size") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  MessagePut put;
  for (int i = 0; i < 20'000; ++i) {
    put.messages.emplace_back();
    put.messages.back().id = "message" + std::to_string(i);
    put.messages.back().folder_id = "inbox";
  }
  const std::vector<Operation> operations{put};
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    Result<Transaction> transaction = log->begin("alice", operations);
    REQUIRE_OK(transaction);
    std::vector<Assigned> assigned;
    for (std::uint32_t i = 0; i < 20'000; ++i)
      assigned.push_back({.operation = 0, .element = i, .uid = i + 1});
    REQUIRE_OK(append(*log, "bob", "between", 60'000));
    REQUIRE_OK(transaction->commit(assigned, Sync::durable));
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const ReadBack back = read_all_of(*log);
  REQUIRE(back.transactions.size() == 2);
  CHECK(std::get<MessagePut>(back.transactions[1].operations.at(0)).messages.at(19'999).uid == 20'000);
}

}  // namespace
}  // namespace restante::test

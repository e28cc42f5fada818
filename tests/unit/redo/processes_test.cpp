// R7: other processes, forked children, killed writers.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "processes.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

ContentRef put(RedoLog& log, const std::string& text) {
  const auto reader = read_from_memory(as_bytes(text));
  const Result<ContentRef> content = log.put_content("alice", *reader);
  REQUIRE_OK(content);
  return *content;
}

TEST_CASE("R7: a forked child that uses an inherited handle is told so, and leaves it alone") {
  const ScratchDir dir;
  const ManualClock clock;
  const std::string path = dir.file("redo");
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    Result<Transaction> transaction = begin(*log, "alice", "in hand");
    REQUIRE_OK(transaction);
    auto records = log->records({});
    REQUIRE_OK(records);
    const Lsn end = log->end();
    Child child([&] {
      const auto is_refused = [](const Status& status) {
        return status.code() == Code::busy && status.message().find("forked") != std::string::npos;
      };
      if (!is_refused(append(*log, "alice", "child").status())) return 1;
      if (!is_refused(transaction->commit().status())) return 2;
      if (!is_refused(log->sync())) return 3;
      if (!is_refused(log->roll())) return 4;
      if (!is_refused(log->read({}).status())) return 5;
      RecordInfo record;
      if (!is_refused((*records)->next(record).status())) return 6;
      if (!is_refused(log->segments().status())) return 7;
      if (!is_refused(log->consumers().status())) return 8;
      // Its handles go, and nothing happens to the parent's log.
      records->reset();
      { Transaction gone = std::move(*transaction); }
      log = Status(Code::internal, "closed");
      return 0;
    });
    CHECK(child.wait() == 0);
    CHECK(log->end() == end);
    // A handle of its own is its own.
    Child second([&] {
      Result<RedoLog> own = RedoLog::open(path, options);
      return own.ok() && append(*own, "bob", "own handle").ok() ? 0 : 1;
    });
    CHECK(second.wait() == 0);
    REQUIRE_OK(transaction->commit());
  }
  Child child([&] {
    Result<RedoLog> log = RedoLog::open(path, options);
    return log.ok() && append(*log, "alice", "from a child").ok() ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(read_all_of(*RedoLog::open(path, options)).ids ==
        std::vector<std::string>{"own handle", "in hand", "from a child"});
}

TEST_CASE("R7: a child may go on with a log that its parent has closed or left by dying") {
  const ScratchDir dir;
  const ManualClock clock;
  const std::string path = dir.file("redo");
  const RedoLog::Options options = options_with(clock);
  Child parent([&] {
    Result<RedoLog> log = RedoLog::open(path, options);
    if (!log.ok() || !append(*log, "alice", "parent").ok()) return 1;
    const pid_t me = ::getpid();
    Child grandchild([&] {
      while (::getppid() == me) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      // The inherited handle is still there, and is not this process's.
      Result<RedoLog> own = RedoLog::open(path, options);
      return own.ok() && append(*own, "alice", "orphan").ok() ? 0 : 1;
    });
    ::raise(SIGKILL);
    return 0;
  });
  CHECK(parent.wait() == -SIGKILL);
  for (int i = 0; i < 200; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    Result<RedoLog> log = RedoLog::open(path, options);
    if (!log.ok()) continue;  // the orphan has it
    if (read_all_of(*log).ids == std::vector<std::string>{"parent", "orphan"}) return;
  }
  FAIL("the orphan's record did not come");
}

TEST_CASE("R7: a writer killed at any moment leaves everything it acknowledged") {
  const ScratchDir dir;
  const ManualClock clock;
  const std::string path = dir.file("redo");
  const RedoLog::Options options = options_with(clock, 64u << 10);
  Random random("kills");
  std::set<std::string> acknowledged;
  const int rounds = long_tests() ? 200 : 20;
  for (int round = 0; round < rounds; ++round) {
    Pipe pipe;
    Child child([&] {
      Result<RedoLog> opened = RedoLog::open(path, options);
      if (!opened.ok()) return 1;
      std::vector<std::thread> threads;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
          RedoLog log = *opened;
          for (int i = 0;; ++i) {
            const std::string id = std::to_string(round) + "." + std::to_string(t) + "." + std::to_string(i);
            bool done = false;
            if (i % 3 == 0) {
              RedoLog::BeginOptions begin_options;
              begin_options.ignore_unrecovered = true;
              const std::vector<Operation> operations{host_op(id, 500)};
              Result<Transaction> transaction = log.begin("bob", operations, begin_options);
              done = transaction.ok() && transaction->commit({}, Sync::durable).ok();
            } else {
              done = append(log, "alice", id, 1500).ok();
            }
            if (!done) ::_exit(2);
            const std::string line = id + "\n";
            if (::write(pipe.ends[1], line.data(), line.size()) < 0) ::_exit(3);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      return 0;
    });
    pipe.close_writer();
    // Every other one is let come to its first record, however busy the machine is.
    if (round % 2 == 0) {
      struct pollfd poll_fd {
        pipe.ends[0], POLLIN, 0
      };
      (void)::poll(&poll_fd, 1, 30'000);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.between(2'000, 60'000)));
    child.kill();
    CHECK(child.wait() == -SIGKILL);
    std::string lines = pipe.read_to_end();
    for (std::size_t at = 0, end = 0; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
      acknowledged.insert(lines.substr(at, end - at));
    }
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    const ReadBack back = read_all_of(*log);
    REQUIRE(back.damages.empty());
    const std::set<std::string> found(back.ids.begin(), back.ids.end());
    REQUIRE(found.size() == back.ids.size());
    for (const std::string& id : acknowledged) REQUIRE(found.contains(id));
    Result<std::vector<Transaction>> unfinished = log->recover();
    REQUIRE_OK(unfinished);
    for (Transaction& transaction : *unfinished) REQUIRE_OK(transaction.abort());
    if (round % 8 == 7) REQUIRE(log->verify()->damages.empty());
  }
  CHECK(acknowledged.size() >= static_cast<std::size_t>(rounds / 2));
}

TEST_CASE(
    "R7: a log that was closed in order is opened without reading it, and not if anything has changed") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock, 4u << 20);
  std::vector<std::string> ids;
  Lsn begun = 0;
  ContentRef content;
  {
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    for (int i = 0; i < 1000; ++i) {
      ids.push_back(std::to_string(i));
      REQUIRE_OK(append(*log, "alice", ids.back(), 1500, Sync::lazy));
    }
    content = put(*log, "a message");
    Result<Transaction> open = begin(*log, "bob", "unfinished");
    REQUIRE_OK(open);
    begun = open->begin_lsn();
  }
  const auto reopen = [&] {
    FaultyIo io;
    redo::OpenHooks hooks;
    hooks.io = &io;
    Result<RedoLog> log = redo::open_log(path, options, hooks);
    REQUIRE_OK(log);
    const std::uint64_t read = io.bytes_read;
    CHECK(read_all_of(*log).ids == ids);
    const std::vector<RedoLog::Unfinished> open = log->unfinished();
    REQUIRE(open.size() == 1);
    CHECK(open[0].begin_lsn == begun);
    CHECK(open[0].claimable);
    // Content that was put before is found again.
    const Lsn before = log->end();
    CHECK(put(*log, "a message") == content);
    CHECK(log->end() == before);
    CHECK(log->accounts_to_reconcile().empty());
    return read;
  };
  CHECK(reopen() < 128u << 10);
  CHECK(reopen() < 128u << 10);
  // Somebody opens it and dies: what he left is to be found out.
  Child child([&] {
    Result<RedoLog> log = RedoLog::open(path, options);
    if (!log.ok() || !append(*log, "alice", "last").ok()) return 1;
    ::raise(SIGKILL);
    return 2;
  });
  CHECK(child.wait() != 0);
  ids.push_back("last");
  {
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    CHECK(read_all_of(*log).ids == ids);
    CHECK(log->accounts_to_reconcile() == std::vector<std::string>{"alice"});
    ids.push_back("then");
    REQUIRE_OK(append(*log, "alice", ids.back()));
  }
  // Another file in its place, longer by what was written elsewhere.
  const std::string elsewhere = dir.file("elsewhere");
  copy_log(path, elsewhere);
  {
    Result<RedoLog> log = RedoLog::open(elsewhere, options);
    REQUIRE_OK(log);
    ids.push_back("elsewhere");
    REQUIRE_OK(append(*log, "alice", ids.back()));
  }
  const std::string newest = redo::segment_name(RedoLog::open(elsewhere, options)->sequence());
  std::filesystem::copy_file(elsewhere + "/" + newest, path + "/" + newest,
                             std::filesystem::copy_options::overwrite_existing);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  CHECK(read_all_of(*log).ids == ids);
  CHECK(log->verify()->damages.empty());
}

}  // namespace
}  // namespace restante::test

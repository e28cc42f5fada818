// R7: one log, many processes.

#include <fcntl.h>

#include <chrono>
#include <thread>

#include "fateful_io.hpp"
#include "processes.hpp"
#include "redo/raw_segment.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

using std::chrono::milliseconds;

TEST_CASE("R7: processes and threads write one log, in one order, each acknowledged record once") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock, 128u << 10);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  constexpr int kProcesses = 5;
  std::vector<std::unique_ptr<Pipe>> pipes;
  std::vector<std::unique_ptr<Child>> children;
  for (int c = 0; c < kProcesses; ++c) {
    pipes.push_back(std::make_unique<Pipe>());
    Pipe& pipe = *pipes.back();
    children.push_back(std::make_unique<Child>([&, c] {
      Result<RedoLog> opened = RedoLog::open(path, options);
      if (!opened.ok()) return 1;
      std::vector<std::thread> threads;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
          RedoLog mine = *opened;
          for (int i = 0; i < 40; ++i) {
            const std::string id = std::to_string(c) + "." + std::to_string(t) + "." + std::to_string(i);
            const std::string account = "account" + std::to_string(i % 4);
            bool done = false;
            if (i % 3 == 0) {
              Result<Transaction> transaction = begin(mine, account, id);
              done = transaction.ok() && transaction->commit().ok();
            } else {
              done = append(mine, account, id, 400).ok();
            }
            if (!done) ::_exit(2);
            say(pipe, id);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      return 0;
    }));
    pipe.close_writer();
  }
  std::set<std::string> acknowledged;
  for (int i = 0; i < 60; ++i) {
    const std::string id = "parent." + std::to_string(i);
    REQUIRE_OK(append(*log, "parent", id, 300));
    acknowledged.insert(id);
    if (i % 20 == 7) REQUIRE_OK(log->roll());
  }
  for (int c = 0; c < kProcesses; ++c) {
    acknowledged.merge(lines_of(pipes[c]->read_to_end()));
    CHECK(children[c]->wait() == 0);
  }
  CHECK(acknowledged.size() == kProcesses * 120 + 60);
  REQUIRE_OK(log->sync());
  check_whole(*log, acknowledged);
  CHECK(read_all_of(*log).ids.size() == acknowledged.size());
  CHECK(log->unfinished().empty());
  // And as the next opener sees it.
  log = Status(Code::internal, "closed");
  log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  check_whole(*log, acknowledged);
  CHECK(log->accounts_to_reconcile().empty());
}

TEST_CASE("R7: a process killed at any call of the system stops nobody and loses nothing") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  RedoLog::Options options = options_with(clock, 64u << 10);
  options.deadline = std::chrono::seconds(20);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  std::set<std::string> acknowledged;
  // What every victim does; it says what was acknowledged.
  const auto work = [&](os::Io& io, const Pipe& pipe, const std::string& name) {
    redo::OpenHooks hooks;
    hooks.io = &io;
    Result<RedoLog> mine = redo::open_log(path, options, hooks);
    if (!mine.ok()) return 1;
    if (!append(*mine, "alice", name + ".append", 900).ok()) return 2;
    say(pipe, name + ".append");
    RedoLog::BeginOptions begin_options;
    begin_options.ignore_unrecovered = true;
    const std::vector<Operation> operations{host_op(name + ".begun")};
    Result<Transaction> transaction = mine->begin("bob", operations, begin_options);
    if (!transaction.ok() || !mine->roll().ok()) return 3;
    if (!transaction->commit({}, Sync::durable).ok()) return 4;
    say(pipe, name + ".begun");
    if (!append(*mine, "alice", name + ".lazy", 100, Sync::lazy).ok() || !mine->sync().ok()) return 5;
    say(pipe, name + ".lazy");
    return mine->maintain().ok() ? 0 : 6;
  };
  std::uint64_t calls = 0;
  {
    FatefulIo io(0, false, [] {});
    Pipe pipe;
    const std::string name = "counted";
    // In a child, because this process has the log already.
    Child child([&] {
      const int answer = work(io, pipe, name);
      say(pipe, "calls " + std::to_string(io.calls()));
      return answer;
    });
    pipe.close_writer();
    for (const std::string& line : lines_of(pipe.read_to_end())) {
      if (line.starts_with("calls ")) calls = std::stoull(line.substr(6));
    }
    REQUIRE(child.wait() == 0);
  }
  REQUIRE(calls > 10);
  for (const bool after : {false, true}) {
    for (std::uint64_t n = 1; n <= calls; ++n) {
      const std::string name = std::to_string(n) + (after ? "a" : "b");
      Pipe pipe;
      Child child([&] {
        FatefulIo io(n, after, [] { ::raise(SIGKILL); });
        return work(io, pipe, name);
      });
      pipe.close_writer();
      const std::set<std::string> said = lines_of(pipe.read_to_end());
      acknowledged.insert(said.begin(), said.end());
      const int end = child.wait();
      INFO("call " << n << (after ? " (behind it)" : "") << ", ended with " << end);
      REQUIRE((end == -SIGKILL || end == 0));
      const auto before = std::chrono::steady_clock::now();
      REQUIRE_OK(append(*log, "parent", "p" + name, 50));
      acknowledged.insert("p" + name);
      REQUIRE(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
      Result<std::vector<Transaction>> left = log->recover();
      REQUIRE_OK(left);
      for (Transaction& transaction : *left) REQUIRE_OK(transaction.abort());
      if (n % 6 == 0) REQUIRE_OK(log->maintain());
    }
    check_whole(*log, acknowledged);
  }
  // Everybody gone, the disk alone.
  log = Status(Code::internal, "closed");
  log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  check_whole(*log, acknowledged);
}

TEST_CASE("R7: writers that are killed all the time lose nothing that was acknowledged, and stop nobody") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  RedoLog::Options options = options_with(clock, 256u << 10);
  options.deadline = std::chrono::seconds(20);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  Random random("writers");
  // A file, because a pipe is full some time.
  const std::string said = dir.file("said");
  const auto say_there = [](const os::Fd& fd, const std::string& id) {
    const std::string line = id + "\n";
    if (::write(fd.get(), line.data(), line.size()) < 0) ::_exit(9);
  };
  using Writer = std::unique_ptr<Child>;
  int number = 0;
  const auto begin_writer = [&](Writer& writer) {
    const std::string name = std::to_string(++number);
    writer = std::make_unique<Child>([&, name] {
      const os::Fd file(::open(said.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      Result<RedoLog> opened = RedoLog::open(path, options);
      if (!opened.ok()) return 1;
      const auto write = [&](int t) {
        RedoLog mine = *opened;
        for (int i = 0;; ++i) {
          const std::string id = name + "." + std::to_string(t) + "." + std::to_string(i);
          RedoLog::BeginOptions begin_options;
          begin_options.ignore_unrecovered = true;
          const std::vector<Operation> operations{host_op(id, 700)};
          bool done = false;
          if (i % 2 == 0) {
            done = mine.append("alice", operations, begin_options).ok();
          } else {
            Result<Transaction> transaction = mine.begin("bob", operations, begin_options);
            done = transaction.ok() && transaction->commit({}, Sync::durable).ok();
          }
          if (!done) ::_exit(2);
          say_there(file, id);
          if (i % 50 == 49 && !mine.roll().ok()) ::_exit(3);
        }
      };
      std::thread other(write, 1);
      write(0);
      return 0;
    });
  };
  std::vector<Writer> writers(4);
  for (Writer& writer : writers) begin_writer(writer);
  std::set<std::string> acknowledged;
  const int kills = long_tests() ? 2000 : 60;
  for (int kill = 0; kill < kills; ++kill) {
    std::this_thread::sleep_for(std::chrono::microseconds(random.between(1'000, 40'000)));
    Writer& victim = writers[random.below(writers.size())];
    victim->kill();
    REQUIRE(victim->wait() == -SIGKILL);
    const std::string id = "parent." + std::to_string(kill);
    REQUIRE_OK(append(*log, "parent", id, 100));
    acknowledged.insert(id);
    begin_writer(victim);
  }
  for (Writer& writer : writers) {
    writer->kill();
    REQUIRE(writer->wait() == -SIGKILL);
  }
  const Bytes lines = slurp(said);
  acknowledged.merge(lines_of(std::string(as_text(lines))));
  Result<std::vector<Transaction>> left = log->recover();
  REQUIRE_OK(left);
  for (Transaction& transaction : *left) REQUIRE_OK(transaction.abort());
  REQUIRE_OK(log->maintain());
  CHECK(acknowledged.size() > static_cast<std::size_t>(kills));
  check_whole(*log, acknowledged);
  log = Status(Code::internal, "closed");
  log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  check_whole(*log, acknowledged);
}

TEST_CASE("R7: a process that is frozen with a lock holds the others up for the deadline, and no longer") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  RedoLog::Options options = options_with(clock, 256u << 10);
  options.deadline = milliseconds(300);
  // A small record is written by whoever syncs it, a large one under the lock that orders the log.
  const bool is_large = GENERATE(false, true);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  Child child([&] {
    RedoLog::Options mine = options;
    mine.holder = "sleeper";
    std::uint64_t opened = 0;
    {
      FatefulIo io(0, false, [] {});
      redo::OpenHooks hooks;
      hooks.io = &io;
      Result<RedoLog> own = redo::open_log(path, mine, hooks);
      opened = io.calls();
    }
    // It opens the segment and writes: frozen before the write.
    FatefulIo io(opened + 2, false, [] { ::raise(SIGSTOP); });
    redo::OpenHooks hooks;
    hooks.io = &io;
    Result<RedoLog> own = redo::open_log(path, mine, hooks);
    return own.ok() && append(*own, "alice", "sleepy", is_large ? 5000 : 50).ok() ? 0 : 1;
  });
  int status = 0;
  REQUIRE(::waitpid(child.pid(), &status, WUNTRACED) == child.pid());
  REQUIRE(WIFSTOPPED(status));
  const auto before = std::chrono::steady_clock::now();
  const Result<Lsn> refused = append(*log, "bob", "impatient");
  const auto waited = std::chrono::steady_clock::now() - before;
  CHECK(refused.status().code() == (is_large ? Code::busy : Code::timed_out));
  CHECK(refused.status().message().find("sleeper") != std::string::npos);
  CHECK(waited >= milliseconds(290));
  CHECK(waited < milliseconds(5000));
  // Readers need no lock.
  CHECK(read_all_of(*log).ids.empty());
  ::kill(child.pid(), SIGCONT);
  CHECK(child.wait() == 0);
  REQUIRE_OK(append(*log, "bob", "later"));
  // What timed out was written, and is not acknowledged.
  const std::vector<std::string> expected = is_large
                                                ? std::vector<std::string>{"sleepy", "later"}
                                                : std::vector<std::string>{"sleepy", "impatient", "later"};
  CHECK(read_all_of(*log).ids == expected);
}

TEST_CASE("R7: what was lazily acknowledged outlives the process that wrote it") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const bool others_live = GENERATE(false, true);
  std::optional<RedoLog> other;
  if (others_live) {
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    other = *log;
  }
  std::vector<std::string> expected;
  for (int i = 0; i < 400; ++i) expected.push_back(std::to_string(i));
  Child child([&] {
    Result<RedoLog> own = RedoLog::open(path, options);
    if (!own.ok()) return 1;
    for (const std::string& id : expected)
      if (!append(*own, "alice", id, 700, Sync::lazy).ok()) return 2;
    ::raise(SIGKILL);
    return 3;
  });
  CHECK(child.wait() != 0);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "last"));
  expected.push_back("last");
  CHECK(read_all_of(*log).ids == expected);
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R6: a transaction belongs to the process that lives, and is recovered once when it is dead") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  Pipe ready;
  Child child([&] {
    Result<RedoLog> own = RedoLog::open(path, options);
    if (!own.ok()) return 1;
    Result<Transaction> transaction = begin(*own, "alice", "hers");
    Result<Transaction> long_name = begin(*own, std::string(700, 'n'), "long");
    if (!transaction.ok() || !long_name.ok()) return 2;
    say(ready, "begun");
    ::pause();
    return 0;
  });
  char byte = 0;
  REQUIRE(::read(ready.ends[0], &byte, 1) == 1);
  REQUIRE(log->unfinished().size() == 2);
  CHECK_FALSE(log->unfinished()[0].claimable);
  CHECK(log->oldest_open("alice") == log->unfinished()[0].begin_lsn);
  CHECK(log->oldest_open(std::string(700, 'n')).has_value());
  REQUIRE_CODE(log->wait_for_open("alice", milliseconds(50)), timed_out);
  Result<std::vector<Transaction>> none = log->recover();
  REQUIRE_OK(none);
  CHECK(none->empty());
  // Two on one account side by side are no doubt while both live.
  Result<Transaction> mine = begin(*log, "alice", "mine");
  REQUIRE_OK(mine);
  REQUIRE_OK(mine->commit());
  REQUIRE_OK(log->roll());
  child.kill();
  CHECK(child.wait() == -SIGKILL);
  REQUIRE_CODE(begin(*log, "alice", "refused"), needs_recovery);
  REQUIRE_OK(begin(*log, "bob", "not concerned")->abort());
  Result<std::vector<Transaction>> left = log->recover();
  REQUIRE_OK(left);
  REQUIRE(left->size() == 2);
  CHECK(left->front().account_id() == "alice");
  CHECK(left->back().account_id() == std::string(700, 'n'));
  Child second([&] {
    Result<RedoLog> own = RedoLog::open(path, options);
    Result<std::vector<Transaction>> again = own->recover();
    return again.ok() && again->empty() ? 0 : 1;
  });
  CHECK(second.wait() == 0);
  for (Transaction& transaction : *left) REQUIRE_OK(transaction.commit());
  CHECK(log->unfinished().empty());
  REQUIRE_OK(log->sync());
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"mine", "hers", "long"});
}

TEST_CASE("R7: a follower in one process gets what another writes, across rolls and removals") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  constexpr int kCount = 300;
  Pipe pipe;
  Child child([&] {
    Result<RedoLog> own = RedoLog::open(path, options);
    if (!own.ok()) return 1;
    Result<RedoLog::Follower> follower = own->follow(0);
    if (!follower.ok()) return 2;
    say(pipe, "ready");
    for (int expected = 0; expected < kCount;) {
      LoggedTransaction transaction;
      const Result<bool> more = follower->next(transaction);
      if (!more.ok()) return 3;
      if (!*more) {
        if (!follower->wait(std::chrono::seconds(20)).ok()) return 4;
        continue;
      }
      if (id_of(transaction) != std::to_string(expected++)) return 5;
    }
    return 0;
  });
  char byte = 0;
  REQUIRE(::read(pipe.ends[0], &byte, 1) == 1);
  for (int i = 0; i < kCount; ++i) {
    REQUIRE_OK(append(*log, "alice", std::to_string(i), 900, i % 3 == 0 ? Sync::durable : Sync::lazy));
    if (i % 90 == 50) REQUIRE_OK(log->roll());
  }
  REQUIRE_OK(log->sync());
  CHECK(child.wait() == 0);
}

TEST_CASE("R7: a segment that another process seals between two looks at it is read as sealed") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(path, options_with(clock, 64u << 10));
  REQUIRE_OK(log);
  // Who fills a segment leaves sealing to it.
  REQUIRE_OK(log->maintain());
  for (int i = 0; log->segments()->size() < 2; ++i) REQUIRE_OK(append(*log, "alice", std::to_string(i), 900));
  FaultyIo io;
  const redo::SegmentFile file(io, nullptr, path + "/" + redo::segment_name(1));
  const Result<redo::SegmentHeader> header = redo::read_header(file);
  REQUIRE_OK(header);
  const Result<std::optional<redo::Seal>> before = redo::read_seal(file, *header);
  REQUIRE_OK(before);
  REQUIRE_FALSE(before->has_value());
  const std::uintmax_t unsealed_bytes = std::filesystem::file_size(file.name());
  Status maintained(Code::internal, "not called");
  io.before_read = [&] { maintained = log->maintain(); };
  const Result<std::optional<redo::Seal>> seal = redo::read_seal(file, *header);
  REQUIRE_OK(maintained);
  REQUIRE(std::filesystem::file_size(file.name()) < unsealed_bytes);
  REQUIRE_OK(seal);
  CHECK(seal->has_value());
}

TEST_CASE("R10: content that another process wrote lately is not written again, and its segments stay") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  REQUIRE_OK(log->set_consumer("target", 0));
  const std::string text(9000, 'm');
  Pipe ready;
  Pipe go;
  Child child([&] {
    Result<RedoLog> own = RedoLog::open(path, options);
    if (!own.ok()) return 1;
    const auto reader = read_from_memory(as_bytes(text));
    if (!own->put_content("alice", *reader).ok()) return 2;
    say(ready, "put");
    char answer = 0;
    return ::read(go.ends[0], &answer, 1) == 1 ? 0 : 3;
  });
  char byte = 0;
  REQUIRE(::read(ready.ends[0], &byte, 1) == 1);
  const Lsn before = log->end();
  const auto reader = read_from_memory(as_bytes(text));
  const Result<ContentRef> content = log->put_content("bob", *reader);
  REQUIRE_OK(content);
  CHECK(log->end() == before);
  REQUIRE_OK(log->roll());
  REQUIRE_OK(log->set_consumer("target", log->end()));
  // It is in use there: nobody has named it yet.
  const Result<std::uint64_t> removed = log->remove_consumed(std::chrono::seconds(0));
  REQUIRE_OK(removed);
  CHECK(*removed == 0);
  say(go, "on");
  CHECK(child.wait() == 0);
  REQUIRE_OK(log->open_content(*content));
}

TEST_CASE("R7: a failed write stops every process, and the next opener recovers") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(path, options);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "good"));
    Child child([&] {
      FaultyIo io;
      redo::OpenHooks hooks;
      hooks.io = &io;
      Result<RedoLog> own = redo::open_log(path, options, hooks);
      if (!own.ok()) return 1;
      io.fail_always(Fault::io_error, [](Call call) { return call == Call::sync; });
      return append(*own, "alice", "bad").status().code() == Code::not_durable ? 0 : 2;
    });
    CHECK(child.wait() == 0);
    REQUIRE_CODE(append(*log, "alice", "refused"), poisoned);
    Child late([&] { return RedoLog::open(path, options).status().code() == Code::poisoned ? 0 : 1; });
    CHECK(late.wait() == 0);
  }
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "again"));
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"good", "again"});
}

}  // namespace
}  // namespace restante::test

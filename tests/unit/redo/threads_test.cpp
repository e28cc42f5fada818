// Many threads on one log: one order, group commit, followers.

#include <algorithm>
#include <thread>

#include "redo_test.hpp"

namespace restante::test {
namespace {

constexpr int kThreads = 8;

TEST_CASE("R6: many threads append in one total order, each acknowledged one is there once") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock, 128u << 10);
  std::vector<std::vector<std::pair<Lsn, std::string>>> acknowledged(kThreads);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        RedoLog mine = *log;
        for (int i = 0; i < 100; ++i) {
          const std::string account = "account" + std::to_string((t + i) % 5);
          const std::string id = std::to_string(t) + "." + std::to_string(i);
          Result<Lsn> lsn = Lsn{0};
          if (i % 3 == 0) {
            Result<Transaction> transaction = begin(mine, account, id);
            lsn = transaction.ok() ? transaction->commit({}, i % 2 == 0 ? Sync::durable : Sync::lazy)
                                   : Result<Lsn>(transaction.status());
          } else {
            lsn = append(mine, account, id, 300);
          }
          if (!lsn.ok()) {
            ++failures;
          } else {
            acknowledged[t].emplace_back(*lsn, id);
          }
          if (i % 40 == 0 && !mine.roll().ok()) ++failures;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(failures == 0);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const ReadBack back = read_all_of(*log);
  std::map<Lsn, std::string> expected;
  for (const auto& list : acknowledged) {
    CHECK(std::is_sorted(list.begin(), list.end()));
    expected.insert(list.begin(), list.end());
  }
  REQUIRE(expected.size() == kThreads * 100);
  REQUIRE(back.transactions.size() == expected.size());
  auto next = expected.begin();
  for (std::size_t i = 0; i < back.transactions.size(); ++i, ++next) {
    REQUIRE(back.transactions[i].commit_lsn == next->first);
    REQUIRE(back.ids[i] == next->second);
  }
  CHECK(log->verify()->damages.empty());
  std::size_t by_account = 0;
  for (int a = 0; a < 5; ++a) {
    by_account +=
        read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "account" + std::to_string(a)})
            .ids.size();
  }
  CHECK(by_account == expected.size());
}

TEST_CASE("R6: one sync makes durable what many threads wrote") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock, 4u << 20), hooks);
  REQUIRE_OK(log);
  io.before_sync = [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
  const std::uint64_t before = io.count(Call::sync);
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      RedoLog mine = *log;
      for (int i = 0; i < 25; ++i) {
        const Result<Lsn> lsn = append(mine, "alice", "x");
        if (!lsn.ok() || mine.durable_end() < *lsn) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  const std::uint64_t syncs = io.count(Call::sync) - before;
  INFO(syncs << " syncs for " << kThreads * 25 << " durable appends");
  CHECK(syncs <= kThreads * 25 / 2);
  // A lazy commit costs none.
  Result<Transaction> transaction = begin(*log, "alice", "t");
  REQUIRE_OK(transaction);
  const std::uint64_t begun = io.count(Call::sync);
  REQUIRE_OK(transaction->commit());
  CHECK(io.count(Call::sync) == begun);
  CHECK(log->durable_end() < log->end());
  REQUIRE_OK(log->sync());
  CHECK(log->durable_end() == log->end());
}

TEST_CASE("R7: a follower gets everything that is durable, once, and nothing that is not") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  constexpr int kCount = 300;
  std::vector<std::string> followed;
  std::atomic<bool> ahead_of_disk{false};
  std::thread follower([&, reader = *log] {
    Result<RedoLog::Follower> follower = reader.follow(0);
    while (follower.ok() && followed.size() < kCount) {
      LoggedTransaction transaction;
      const Result<bool> more = follower->next(transaction);
      if (!more.ok()) break;
      if (*more) {
        if (transaction.commit_lsn > reader.durable_end()) ahead_of_disk = true;
        followed.push_back(id_of(transaction));
      } else if (!follower->wait(std::chrono::seconds(10)).ok()) {
        break;
      }
    }
  });
  std::vector<std::string> written;
  for (int i = 0; i < kCount; ++i) {
    const std::string id = std::to_string(i);
    REQUIRE_OK(append(*log, "alice", id, 1000, i % 4 == 0 ? Sync::durable : Sync::lazy));
    written.push_back(id);
    if (i % 70 == 69) REQUIRE_OK(log->roll());
  }
  REQUIRE_OK(log->sync());
  follower.join();
  CHECK(followed == written);
  CHECK_FALSE(ahead_of_disk);
}

TEST_CASE("R7: a follower from a position, of one account, that waits in vain") {
  const ScratchDir dir;
  const ManualClock clock;
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options_with(clock));
  REQUIRE_OK(log);
  REQUIRE_OK(append(*log, "alice", "1"));
  const Lsn after = *append(*log, "bob", "2");
  REQUIRE_OK(append(*log, "alice", "3"));
  REQUIRE_OK(append(*log, "bob", "4"));
  Result<RedoLog::Follower> follower = log->follow(after, "bob");
  REQUIRE_OK(follower);
  CHECK(read_back(*follower).ids == std::vector<std::string>{"4"});
  CHECK_FALSE(*follower->wait(std::chrono::milliseconds(10)));
  REQUIRE_OK(append(*log, "bob", "5", 0, Sync::lazy));
  CHECK_FALSE(*follower->wait(std::chrono::milliseconds(10)));
  REQUIRE_OK(log->sync());
  CHECK(*follower->wait(std::chrono::milliseconds(10)));
  CHECK(read_back(*follower).ids == std::vector<std::string>{"5"});
}

TEST_CASE("R10: one account's records of sealed segments are read, and no others") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock, 8u << 20), hooks);
  REQUIRE_OK(log);
  for (int i = 0; i < 2000; ++i) {
    REQUIRE_OK(append(*log, i % 500 == 7 ? "alice" : "account" + std::to_string(i % 50), std::to_string(i),
                      1000, Sync::lazy));
  }
  REQUIRE_OK(log->roll());
  const std::uint64_t calls = io.count(Call::read);
  const std::uint64_t bytes = io.bytes_read;
  CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "alice"}).ids ==
        std::vector<std::string>{"7", "507", "1007", "1507"});
  INFO(io.count(Call::read) - calls << " reads, " << io.bytes_read - bytes << " bytes");
  CHECK(io.count(Call::read) - calls <= 4 + 4);
  CHECK(io.bytes_read - bytes < 64'000);
  CHECK(read_all_of(*log, {.after = 0, .until = UINT64_MAX, .account_id = "zoe"}).ids.empty());
  // A range of LSNs does not read from the beginning either.
  const std::uint64_t all_bytes = io.bytes_read;
  const Lsn until = log->end();
  CHECK(read_all_of(*log, {.after = until - 10, .until = until, .account_id = {}}).ids.size() == 10);
  CHECK(io.bytes_read - all_bytes < 600'000);
}

TEST_CASE("R7: handles of one process share one log, which closes with the last") {
  const ScratchDir dir;
  const ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  const std::string path = dir.file("redo");
  Result<RedoLog> first = RedoLog::open(path, options);
  REQUIRE_OK(first);
  std::filesystem::create_directory_symlink(path, dir.file("link"));
  Result<RedoLog> second = RedoLog::open(dir.file("link"), options);
  REQUIRE_OK(second);
  REQUIRE_OK(append(*first, "alice", "1"));
  REQUIRE_OK(append(*second, "alice", "2"));
  CHECK(second->end() == first->end());
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        Result<RedoLog> log = RedoLog::open(dir.file("churn"), options);
        if (!log.ok() || !append(*log, "alice", "x", 0, Sync::lazy).ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(read_all_of(*RedoLog::open(dir.file("churn"), options)).ids.size() == 80);
}

}  // namespace
}  // namespace restante::test

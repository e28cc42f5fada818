// When calls are acknowledged: through a descriptor, by intervals; and what housekeeping takes from writers.

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <restante/runtime.hpp>

#include <mutex>
#include <thread>

#include "redo_test.hpp"

namespace restante::test {
namespace {

using std::chrono::milliseconds;

bool becomes_readable(int fd, milliseconds timeout) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(timeout.count())) == 1;
}

/// Runs work only when the test says so.
class HeldExecutor final : public Executor {
 public:
  void execute(std::function<void()> work) override { held_.push_back(std::move(work)); }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  void run_all() {
    for (const std::function<void()>& work : std::exchange(held_, {})) work();
  }

 private:
  std::vector<std::function<void()>> held_;
};

/// A log over faulty I/O.
struct FaultyLog {
  explicit FaultyLog(const RedoLog::Options& options) : log(open(options)) {}
  ScratchDir dir;
  FaultyIo io;
  RedoLog log;

 private:
  RedoLog open(const RedoLog::Options& options) {
    redo::OpenHooks hooks;
    hooks.io = &io;
    Result<RedoLog> opened = redo::open_log(dir.file("redo"), options, hooks);
    REQUIRE_OK(opened);
    return *opened;
  }
};

TEST_CASE("completions: what was requested becomes durable, and the descriptor says so") {
  const ManualClock clock;
  FaultyLog on(options_with(clock));
  const std::unique_ptr<Executor> pool = make_thread_pool(1);
  std::atomic<bool> go_on{false};
  on.io.before_sync = [&] {
    while (!go_on) std::this_thread::sleep_for(milliseconds(1));
  };
  go_on = true;
  Result<RedoLog::Completions> completions = on.log.completions(pool.get());
  REQUIRE_OK(completions);
  const Result<Lsn> before = completions->poll();
  REQUIRE_OK(before);
  CHECK_FALSE(becomes_readable(completions->fd(), milliseconds(0)));
  go_on = false;
  const Result<Lsn> first = append(on.log, "alice", "first", 50, Sync::lazy);
  REQUIRE_OK(first);
  REQUIRE_OK(completions->request(*first));
  // The disk is slow, and nobody waits for it here.
  CHECK_FALSE(becomes_readable(completions->fd(), milliseconds(20)));
  CHECK(*completions->poll() == *before);
  const Result<Lsn> second = append(on.log, "alice", "second", 50, Sync::lazy);
  REQUIRE_OK(second);
  REQUIRE_OK(completions->request(*second));
  go_on = true;
  Lsn durable = 0;
  while (durable < *second) {
    REQUIRE(becomes_readable(completions->fd(), milliseconds(10'000)));
    const Result<Lsn> polled = completions->poll();
    REQUIRE_OK(polled);
    durable = *polled;
  }
  CHECK(on.log.durable_end() >= *second);
  // What is durable already is told at once.
  REQUIRE_OK(completions->request(*first));
  CHECK(becomes_readable(completions->fd(), milliseconds(0)));
  REQUIRE_CODE(completions->request(on.log.end() + 1), invalid_argument);
}

TEST_CASE("completions: one task for many requests, and none while nothing is due") {
  const ManualClock clock;
  FaultyLog on(options_with(clock));
  HeldExecutor executor;
  Result<RedoLog::Completions> completions = on.log.completions(&executor);
  REQUIRE_OK(completions);
  REQUIRE_OK(completions->request(on.log.durable_end()));
  CHECK(executor.held() == 0);
  const std::uint64_t syncs = on.io.count(Call::sync);
  for (int i = 0; i < 50; ++i) {
    const Result<Lsn> lsn = append(on.log, "alice", std::to_string(i), 50, Sync::lazy);
    REQUIRE_OK(lsn);
    REQUIRE_OK(completions->request(*lsn));
  }
  CHECK(executor.held() == 1);
  executor.run_all();
  CHECK(on.io.count(Call::sync) == syncs + 1);
  CHECK(*completions->poll() == on.log.end());
}

TEST_CASE("completions: without an executor poll waits itself") {
  const ManualClock clock;
  FaultyLog on(options_with(clock));
  Result<RedoLog::Completions> completions = on.log.completions(nullptr);
  REQUIRE_OK(completions);
  CHECK(completions->fd() == -1);
  const Result<Lsn> lsn = append(on.log, "alice", "x", 50, Sync::lazy);
  REQUIRE_OK(lsn);
  REQUIRE_OK(completions->request(*lsn));
  CHECK(on.log.durable_end() < *lsn);
  CHECK(*completions->poll() == *lsn);
}

TEST_CASE("completions: a disk that fails is told, for good, and nothing is acknowledged") {
  const ManualClock clock;
  FaultyLog on(options_with(clock));
  const std::unique_ptr<Executor> pool = make_thread_pool(1);
  Result<RedoLog::Completions> completions = on.log.completions(pool.get());
  REQUIRE_OK(completions);
  const Result<Lsn> lsn = append(on.log, "alice", "x", 50, Sync::lazy);
  REQUIRE_OK(lsn);
  on.io.fail_always(Fault::io_error, [](Call call) { return call == Call::sync; });
  REQUIRE_OK(completions->request(*lsn));
  REQUIRE(becomes_readable(completions->fd(), milliseconds(10'000)));
  REQUIRE_CODE(completions->poll(), not_durable);
  REQUIRE_CODE(completions->poll(), not_durable);
  on.io.heal();
  REQUIRE_CODE(completions->poll(), not_durable);
  REQUIRE_CODE(completions->request(*lsn), poisoned);
  CHECK(on.log.durable_end() < *lsn);
}

TEST_CASE("completions: what another thread syncs counts too, and destruction waits for the task") {
  const ManualClock clock;
  FaultyLog on(options_with(clock));
  const std::unique_ptr<Executor> pool = make_thread_pool(2);
  for (int round = 0; round < 50; ++round) {
    Result<RedoLog::Completions> completions = on.log.completions(pool.get());
    REQUIRE_OK(completions);
    const Result<Lsn> lsn = append(on.log, "alice", std::to_string(round), 50, Sync::lazy);
    REQUIRE_OK(lsn);
    REQUIRE_OK(completions->request(*lsn));
    if (round % 2 == 0) continue;
    REQUIRE_OK(append(on.log, "bob", "durable"));
    CHECK(*completions->poll() > *lsn);
  }
  CHECK(on.log.verify()->damages.empty());
}

TEST_CASE("completions: a forked child is told, and leaves its parent's alone") {
  const ManualClock clock;
  FaultyLog on(options_with(clock));
  HeldExecutor executor;
  std::optional<RedoLog::Completions> completions = *on.log.completions(&executor);
  const Result<Lsn> lsn = append(on.log, "alice", "x", 50, Sync::lazy);
  REQUIRE_OK(lsn);
  REQUIRE_OK(completions->request(*lsn));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused =
        completions->request(*lsn).code() == Code::busy && completions->poll().status().code() == Code::busy;
    completions.reset();  // its task never runs here
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  executor.run_all();
  CHECK(*completions->poll() >= *lsn);
}

TEST_CASE("sync by interval: at most one sync in so long, and what was written before is durable then") {
  const ManualClock clock;
  RedoLog::Options options = options_with(clock, 4u << 20);
  options.sync_interval = milliseconds(200);
  FaultyLog on(options);
  REQUIRE_OK(append(on.log, "alice", "first"));
  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t before = on.io.count(Call::sync);
  const Result<Lsn> early = append(on.log, "alice", "early", 50, Sync::interval);
  REQUIRE_OK(early);
  for (int i = 0; i < 1000; ++i) REQUIRE_OK(append(on.log, "alice", "x", 50, Sync::interval));
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(on.io.count(Call::sync) - before <= static_cast<std::uint64_t>(took / milliseconds(200)) + 1);
  std::this_thread::sleep_for(milliseconds(210));
  const Result<Lsn> late = append(on.log, "alice", "late", 50, Sync::interval);
  REQUIRE_OK(late);
  CHECK(on.log.durable_end() >= *late);
  options.sync_interval = milliseconds(0);
  REQUIRE_CODE(RedoLog::open(on.dir.file("other"), options), invalid_argument);
}

TEST_CASE("R10: a segment that is too old is rolled by whoever writes or maintains next") {
  const ScratchDir dir;
  ManualClock clock;
  RedoLog::Options options = options_with(clock);
  options.segment_age = std::chrono::seconds(60);
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const std::uint64_t first = log->sequence();
  REQUIRE_OK(append(*log, "alice", "old"));
  clock.advance_seconds(59);
  REQUIRE_OK(append(*log, "alice", "not yet"));
  CHECK(log->sequence() == first);
  clock.advance_seconds(2);
  REQUIRE_OK(append(*log, "alice", "new"));
  CHECK(log->sequence() == first + 1);
  clock.advance_seconds(61);
  REQUIRE_OK(log->maintain());
  CHECK(log->sequence() == first + 2);
  // An empty one has no age.
  clock.advance_seconds(61);
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"old", "not yet", "new"});
}

TEST_CASE("R10: who writes leaves sealing to whoever does the housekeeping") {
  const ManualClock clock;
  FaultyLog on(options_with(clock, 64u << 10));
  const auto unsealed = [&] {
    const std::vector<SegmentInfo> all = *on.log.segments();
    return std::count_if(all.begin(), std::prev(all.end()), [](const SegmentInfo& s) { return !s.sealed; });
  };
  const auto fill_two = [&] {
    const std::uint64_t until = on.log.sequence() + 2;
    while (on.log.sequence() < until) REQUIRE_OK(append(on.log, "alice", "x", 3000, Sync::lazy));
  };
  fill_two();
  CHECK(unsealed() == 0);
  REQUIRE_OK(on.log.maintain());
  fill_two();
  CHECK(unsealed() == 2);
  CHECK(on.log.verify()->damages.empty());
  REQUIRE_OK(on.log.maintain());
  CHECK(unsealed() == 0);
}

TEST_CASE("R10: a consumer that is too far behind in time is lost, and keeps nothing") {
  const ScratchDir dir;
  ManualClock clock;
  const RedoLog::Options options = options_with(clock);
  {
    Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "1"));
    REQUIRE_OK(log->set_consumer("slow", 0));
    REQUIRE_OK(log->limit_consumer("slow", 0, std::chrono::hours(1)));
    REQUIRE_OK(log->set_consumer("patient", 0));
    REQUIRE_OK(log->roll());
    clock.advance_seconds(3599);
    CHECK_FALSE(log->consumers()->at(1).lost);
    CHECK(*log->remove_consumed(std::chrono::seconds(0)) == 0);
    clock.advance_seconds(2);
    CHECK(log->consumers()->at(1).lost);
    CHECK_FALSE(log->consumers()->at(0).lost);
    REQUIRE_OK(log->set_consumer("patient", log->end()));
    CHECK(*log->remove_consumed(std::chrono::seconds(0)) == 1);
    REQUIRE_CODE(log->limit_consumer("slow", 0, std::chrono::seconds(-1)), invalid_argument);
    REQUIRE_CODE(log->limit_consumer("slow", 0, std::chrono::seconds::max()), invalid_argument);
    REQUIRE_CODE(log->limit_consumer("nobody", 0), not_found);
  }
  Result<RedoLog> log = RedoLog::open(dir.file("redo"), options);
  REQUIRE_OK(log);
  const std::vector<Consumer> consumers = *log->consumers();
  REQUIRE(consumers.size() == 2);
  CHECK(consumers[1].max_age == std::chrono::hours(1));
  CHECK(consumers[1].lost);
  // One that has everything is not lost, however long nothing happens.
  REQUIRE_OK(log->set_consumer("slow", log->end()));
  clock.advance_seconds(100'000);
  CHECK_FALSE(log->consumers()->at(1).lost);
}

}  // namespace
}  // namespace restante::test

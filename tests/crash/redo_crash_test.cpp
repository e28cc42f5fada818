// R6, R7, R8, R10: the redo log on a disk that crashes.

#include <cstdlib>
#include <iostream>

#include "log_run.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

constexpr int kEnough = 5;

/// Runs with one seed, that of RESTANTE_CRASH_SEED, or with many.
std::vector<std::uint64_t> seeds(std::string_view name, int few, int many) {
  if (const char* const given = std::getenv("RESTANTE_CRASH_SEED")) return {std::strtoull(given, nullptr, 0)};
  Random random(name);
  std::vector<std::uint64_t> all;
  for (int i = 0; i < (long_tests() ? many : few); ++i) all.push_back(random.u64());
  return all;
}

void play(std::string_view name, int few, int many, const LogRun::Dangers& dangers) {
  int failures = 0;
  for (const std::uint64_t seed : seeds(name, few, many)) {
    LogRun run(seed, dangers);
    const std::string wrong = run.play(6);
    if (wrong.empty()) continue;
    std::cout << "RESTANTE_CRASH_SEED=" << seed << ": " << wrong << std::endl;
    if (std::getenv("RESTANTE_CRASH_SEED") != nullptr) std::cout << run.story();
    if (++failures == kEnough) break;
  }
  CHECK(failures == 0);
}

TEST_CASE("a machine that stops anywhere, again and again, loses no commit of the redo log") {
  LogRun::Dangers dangers;
  dangers.kills = dangers.failing_syncs = dangers.full_disks = false;
  play("stops", 300, 60'000, dangers);
}

TEST_CASE("crashes, kills, full disks and syncs that fail, in any order, lose no commit of the redo log") {
  play("everything", 500, 60'000, {});
}

TEST_CASE("a machine that stops at each change in turn loses no commit of the redo log") {
  using Survival = SimulatedDisk::Survival;
  LogRun::Dangers dangers;
  dangers.kills = dangers.failing_syncs = dangers.full_disks = false;
  for (const std::uint64_t seed : seeds("each", 2, 50)) {
    for (const SimulatedDisk::Crash& crash :
         {SimulatedDisk::Crash{Survival::nothing, Survival::nothing},
          SimulatedDisk::Crash{Survival::everything, Survival::nothing},
          SimulatedDisk::Crash{Survival::nothing, Survival::everything},
          SimulatedDisk::Crash{Survival::everything, Survival::everything},
          SimulatedDisk::Crash{Survival::each, Survival::each}}) {
      bool is_over = false;
      for (std::uint64_t n = 0; !is_over; ++n) {
        LogRun run(seed, dangers);
        const std::string wrong = run.play_until(n, crash, 40, is_over);
        INFO("RESTANTE_CRASH_SEED=" << seed << ", change " << n << "\n" << run.story());
        REQUIRE(wrong == "");
      }
    }
  }
}

using Play = std::string (LogRun::*)(std::uint64_t n, const SimulatedDisk::Crash& crash, bool& is_over);

void stop_at_each(Play play, std::string_view name, int few, int many) {
  using Survival = SimulatedDisk::Survival;
  LogRun::Dangers dangers;
  dangers.kills = dangers.failing_syncs = dangers.full_disks = false;
  for (const std::uint64_t seed : seeds(name, few, many)) {
    for (const Survival names : {Survival::nothing, Survival::everything, Survival::each}) {
      bool is_over = false;
      for (std::uint64_t n = 0; !is_over; ++n) {
        LogRun run(seed, dangers);
        const std::string wrong = (run.*play)(n, {Survival::each, names}, is_over);
        INFO("RESTANTE_CRASH_SEED=" << seed << ", change " << n << "\n" << run.story());
        REQUIRE(wrong == "");
      }
    }
  }
}

TEST_CASE("a machine that stops at each change of housekeeping and of a roll with a spare loses no commit") {
  stop_at_each(&LogRun::play_rolls, "rolls", 12, 500);
}

TEST_CASE("a machine that stops at each change of a removal loses no commit and no consumer") {
  stop_at_each(&LogRun::play_removals, "removals", 3, 500);
}

/// A log on a simulated disk that has to be told when to crash.
struct LogOnDisk {
  explicit LogOnDisk(SimulatedDisk& disk) {
    RedoLog::Options options;
    options.create = true;
    options.segment_bytes = 64u << 10;
    redo::OpenHooks hooks;
    hooks.io = &disk;
    log = redo::open_log("/redo", options, hooks);
    REQUIRE_OK(log);
    const std::vector<Operation> operations{HostOp{"test", "1", "kind", "id", ""}};
    REQUIRE_OK(log->append("alice", operations));
  }
  Result<RedoLog> log = Status(Code::internal, "not opened");
};

TEST_CASE("a segment that is said to be sealed is sealed on the disk") {
  SimulatedDisk disk(1, "redo.control");
  Bytes sealed;
  {
    LogOnDisk on(disk);
    REQUIRE_OK(on.log->roll());
    REQUIRE(on.log->segments()->front().sealed);
    sealed = disk.files("/redo")["redo-0000000001.log"];
    disk.stop();
  }
  disk.restart_machine({SimulatedDisk::Survival::nothing, SimulatedDisk::Survival::nothing});
  // Not worth printing.
  CHECK((disk.files("/redo")["redo-0000000001.log"] == sealed));
}

TEST_CASE("a directory that somebody made who was killed is synced by whoever makes the log in it") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedDisk disk(seed, "redo.control");
    disk.crash_at(seed % 2);
    RedoLog::Options options;
    options.create = true;
    redo::OpenHooks hooks;
    hooks.io = &disk;
    { REQUIRE_FALSE(redo::open_log("/redo", options, hooks).ok()); }
    disk.restart_processes();
    Lsn end = 0;
    {
      LogOnDisk on(disk);
      end = on.log->end();
      disk.stop();
    }
    disk.restart_machine({SimulatedDisk::Survival::nothing, SimulatedDisk::Survival::nothing});
    CHECK(LogOnDisk(disk).log->end() > end);
  }
}

TEST_CASE("sealing a segment with room for its index takes none from a full disk") {
  SimulatedDisk disk(1, "redo.control");
  LogOnDisk on(disk);
  REQUIRE_OK(on.log->maintain());
  disk.fill(true);
  REQUIRE_OK(on.log->roll());
  CHECK(on.log->segments()->front().sealed);
}

}  // namespace
}  // namespace restante::test

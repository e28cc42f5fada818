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

TEST_CASE("a machine that stops at each change of housekeeping and of a roll with a spare loses no commit") {
  using Survival = SimulatedDisk::Survival;
  LogRun::Dangers dangers;
  dangers.kills = dangers.failing_syncs = dangers.full_disks = false;
  for (const std::uint64_t seed : seeds("rolls", 12, 500)) {
    for (const Survival names : {Survival::nothing, Survival::everything, Survival::each}) {
      bool is_over = false;
      for (std::uint64_t n = 0; !is_over; ++n) {
        LogRun run(seed, dangers);
        const std::string wrong = run.play_rolls(n, {Survival::each, names}, is_over);
        INFO("RESTANTE_CRASH_SEED=" << seed << ", change " << n << "\n" << run.story());
        REQUIRE(wrong == "");
      }
    }
  }
}

}  // namespace
}  // namespace restante::test

#include "base/parallel.hpp"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace restante;

// Keeps the work for later.
class Lazy final : public Executor {
 public:
  void execute(std::function<void()> work) override { kept.push_back(std::move(work)); }
  std::vector<std::function<void()>> kept;
};

}  // namespace

TEST_CASE("work for many is done once each, on the caller's thread and on others", "[base]") {
  const auto pool = make_thread_pool(3);
  std::mutex mutex;
  std::set<std::size_t> done;
  std::set<std::thread::id> threads;
  std::atomic<int> waiting{0};
  const Status status = base::run_in_parallel(pool.get(), 4, 100, [&](std::size_t i) -> Status {
    // The first four wait for each other, so that four threads must be there.
    if (++waiting <= 4) {
      while (waiting < 4) std::this_thread::yield();
    }
    const std::scoped_lock lock(mutex);
    CHECK(done.insert(i).second);
    threads.insert(std::this_thread::get_id());
    return {};
  });
  REQUIRE_OK(status);
  CHECK(done.size() == 100);
  CHECK(threads.size() == 4);
  CHECK(threads.contains(std::this_thread::get_id()));
}

TEST_CASE("work for many is done without an executor, and beside one that never runs anything", "[base]") {
  Lazy lazy;
  for (Executor* const executor : {static_cast<Executor*>(nullptr), static_cast<Executor*>(&lazy)}) {
    std::size_t next = 0;
    REQUIRE_OK(base::run_in_parallel(executor, 8, 5, [&](std::size_t i) -> Status {
      CHECK(i == next++);
      return {};
    }));
    CHECK(next == 5);
  }
  CHECK(lazy.kept.size() == 4);
  for (const auto& late : lazy.kept) late();  // long after the end: nothing is left to do
  REQUIRE_OK(
      base::run_in_parallel(nullptr, 1, 0, [](std::size_t) { return Status(Code::io, "never called"); }));
}

TEST_CASE("work for many ends with the first failure, and with what is thrown", "[base]") {
  const auto pool = make_thread_pool(3);
  std::atomic<int> begun{0};
  const Status status = base::run_in_parallel(pool.get(), 4, 1000, [&](std::size_t i) -> Status {
    ++begun;
    return i == 10 ? Status(Code::io, "the tenth") : Status();
  });
  REQUIRE_CODE(status, io);
  CHECK(status.message() == "the tenth");
  CHECK(begun < 1000);
  CHECK_THROWS_AS(base::run_in_parallel(pool.get(), 4, 1000,
                                        [&](std::size_t) -> Status { throw std::runtime_error("thrown"); }),
                  std::runtime_error);
}

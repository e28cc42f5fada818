#include "base/pace.hpp"

#include "support/catch.hpp"

namespace {

using namespace std::chrono_literals;
using restante::base::Pace;

TEST_CASE("pace: what passes is paid for one after the other, and idle time is not saved up", "[base]") {
  Pace pace(1000);
  const Pace::Clock::time_point start{1h};
  CHECK(pace.paid_at(500, start) == start + 500ms);
  CHECK(pace.paid_at(250, start) == start + 750ms);
  CHECK(pace.paid_at(1, start + 10s) == start + 10s + 1ms);
  CHECK(pace.paid_at(0, start + 10s) == start + 10s + 1ms);
}

TEST_CASE("pace: no limit costs nothing, and the largest amounts are no trouble", "[base]") {
  const Pace::Clock::time_point start{1h};
  Pace none(0);
  CHECK(none.paid_at(UINT64_MAX, start) == start);
  Pace slow(1);
  CHECK(slow.paid_at(UINT64_MAX, start) > start + 1000h);
  Pace fast(UINT64_MAX);
  CHECK(fast.paid_at(1 << 20, start) == start);
}

}  // namespace

#include <restante/runtime.hpp>

#include "support/catch.hpp"

namespace {

using namespace restante;
using namespace std::chrono_literals;

Progress after(double seconds) {
  Progress progress;
  progress.began = {1'000'000};
  progress.now = {1'000'000 + static_cast<std::int64_t>(seconds * 1e6)};
  return progress;
}

TEST_CASE("progress: rate and time left follow from what is done", "[base]") {
  Progress progress = after(10);
  progress.bytes_done = 5'000;
  progress.accounts_done = 1;
  progress.accounts_total = 4;
  CHECK(rate_of(progress) == 500);
  CHECK(share_done(progress) == 0.25);
  CHECK(time_left(progress) == 30s);
  // Messages are the finer measure.
  progress.messages_done = 50;
  progress.messages_total = 100;
  CHECK(share_done(progress) == 0.5);
  CHECK(time_left(progress) == 10s);
  progress.messages_done = 120;  // more came
  CHECK(share_done(progress) == 1.0);
  CHECK(time_left(progress) == 0s);
}

TEST_CASE("progress: nothing is claimed before it can be known", "[base]") {
  CHECK_FALSE(share_done(after(100)));
  CHECK_FALSE(time_left(after(100)));
  Progress progress = after(0.5);
  progress.bytes_done = 1'000'000;
  progress.accounts_done = 1;
  progress.accounts_total = 4;
  CHECK(rate_of(progress) == 0);
  CHECK_FALSE(time_left(progress));
  progress = after(100);
  progress.accounts_total = 1000;
  progress.accounts_done = 9;
  CHECK_FALSE(time_left(progress));
  progress.now = {0};  // the clock went back
  CHECK(rate_of(progress) == 0);
  CHECK_FALSE(time_left(progress));
}

}  // namespace

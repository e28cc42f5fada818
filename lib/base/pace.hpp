#pragma once
// A rate that several threads keep together.

#include <chrono>
#include <cstdint>
#include <mutex>

namespace restante::base {

// Callable from any thread.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  // How much may pass in a second; 0 for no limit.
  explicit Pace(std::uint64_t per_second) : per_second_(per_second) {}

  // When `amount` that has just passed is paid for: whoever caused it goes on no sooner. Time in which
  // nothing passed is not saved up.
  [[nodiscard]] Clock::time_point paid_at(std::uint64_t amount, Clock::time_point now);

 private:
  const std::uint64_t per_second_;
  std::mutex mutex_;
  Clock::time_point paid_{};
};

}  // namespace restante::base

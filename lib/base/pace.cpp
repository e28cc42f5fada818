#include "base/pace.hpp"

#include <algorithm>

namespace restante::base {

Pace::Clock::time_point Pace::paid_at(std::uint64_t amount, Clock::time_point now) {
  if (per_second_ == 0) return now;
  const std::chrono::duration<double> cost(static_cast<double>(amount) / static_cast<double>(per_second_));
  // Longer than anybody waits, and short enough to be added to any instant.
  constexpr std::chrono::duration<double> kLongest = std::chrono::hours(24 * 365);
  const std::scoped_lock lock(mutex_);
  paid_ =
      std::min(std::max(paid_, now) + std::chrono::duration_cast<Clock::duration>(std::min(cost, kLongest)),
               now + std::chrono::duration_cast<Clock::duration>(kLongest));
  return paid_;
}

}  // namespace restante::base

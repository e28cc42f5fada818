#include <restante/time.hpp>

#include <chrono>

#include "base/civil.hpp"
#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

class SystemClock final : public Clock {
 public:
  Time now() const override {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return Time{std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
  }
};

}  // namespace

std::string Time::to_string() const {
  const base::Civil civil = base::civil_of(*this);
  return base::cat(base::date_text(civil), 'T', base::time_of_day_text(civil), '.',
                   base::padded(static_cast<std::uint64_t>(civil.microsecond), 6), 'Z');
}

const Clock& system_clock() noexcept {
  // Never destroyed: threads of the host may ask for the time while the process ends.
  static const Clock& clock = *new SystemClock;
  return clock;
}

}  // namespace v0
}  // namespace restante

#include <algorithm>

#include <restante/runtime.hpp>

namespace restante {
inline namespace v0 {
namespace {

constexpr double kMicroseconds = 1e6;

double seconds_since_beginning(const Progress& progress) {
  return static_cast<double>(progress.now.us - progress.began.us) / kMicroseconds;
}

}  // namespace

std::uint64_t rate_of(const Progress& progress) noexcept {
  const double seconds = seconds_since_beginning(progress);
  return seconds < 1 ? 0 : static_cast<std::uint64_t>(static_cast<double>(progress.bytes_done) / seconds);
}

std::optional<double> share_done(const Progress& progress) noexcept {
  const auto share = [](std::uint64_t done, std::uint64_t total) {
    return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  };
  if (progress.messages_total > 0) return share(progress.messages_done, progress.messages_total);
  if (progress.accounts_total > 0) return share(progress.accounts_done, progress.accounts_total);
  return std::nullopt;
}

std::optional<std::chrono::seconds> time_left(const Progress& progress) noexcept {
  const std::optional<double> share = share_done(progress);
  const double seconds = seconds_since_beginning(progress);
  if (!share || *share < 0.01 || seconds < 2) return std::nullopt;
  return std::chrono::seconds(static_cast<std::int64_t>(seconds * (1 - *share) / *share + 0.5));
}

}  // namespace v0
}  // namespace restante

#include "signals.hpp"

#include <atomic>
#include <csignal>

#include "failure.hpp"

namespace cli {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int) { stop.store(true, std::memory_order_relaxed); }

}  // namespace

void watch_for_stop() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  // Back to the default after the first: whoever asks twice means it, and a killed session is only
  // interrupted.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() noexcept { return stop.load(std::memory_order_relaxed); }

void end_if_stopped() {
  if (stop_requested()) fail(restante::Status(restante::Code::cancelled, "interrupted; nothing was changed"));
}

}  // namespace cli

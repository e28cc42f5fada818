#pragma once
// Long work on a thread of its own, while this one draws how far it is and listens for signals.

#include <restante/runtime.hpp>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "console.hpp"

namespace cli {

/// "[######------] 45%  12/40 accounts  23,110 messages  512 MiB  alice@example.com", as much of it as fits.
[[nodiscard]] std::string progress_line(const restante::Progress& progress, std::size_t columns);

struct LongWork {
  /// Runs on a thread of its own.
  std::function<void()> work;
  /// Called on this thread, about ten times a second.
  std::function<restante::Progress()> progress;
  /// Called once when SIGINT or SIGTERM asked to end; `work` is still waited for.
  std::function<void()> stop;
};

/// Returns when `work` has. Its exceptions come out here.
void run_long(Console& console, const LongWork& work);

/// Runs `work(cancel, progress)` so: a signal cancels, and what it tells of its progress is drawn.
template <class Work>
auto run_shown(Console& console, Work work) {
  restante::CancelToken cancel;
  std::mutex mutex;
  restante::Progress progress;
  std::optional<decltype(work(cancel, restante::ProgressFunction{}))> result;
  run_long(console, {.work =
                         [&] {
                           result.emplace(work(cancel, [&](const restante::Progress& now) {
                             const std::lock_guard guard(mutex);
                             progress = now;
                           }));
                         },
                     .progress =
                         [&] {
                           const std::lock_guard guard(mutex);
                           return progress;
                         },
                     .stop = [&] { cancel.cancel(); }});
  return std::move(*result);
}

}  // namespace cli

#pragma once
/// \file
/// What a host lends to a running session or restore: threads, ears, and a way to say stop.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <restante/status.hpp>
#include <restante/time.hpp>

namespace restante {
inline namespace v0 {

/// Runs work on threads that the host owns. restante starts no thread by itself.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Runs `work` once, at some time, on some thread; may run it before returning. Callable from any thread.
  virtual void execute(std::function<void()> work) = 0;
};

/// A pool of `threads` threads (1 to 256), for hosts without one. Its destructor waits for the work.
[[nodiscard]] std::unique_ptr<Executor> make_thread_pool(unsigned threads);

/// Tells a running call to end soon. Copies share one state; every method may be called from any thread, and
/// `cancel` from a signal handler too.
class CancelToken {
 public:
  CancelToken() : cancelled_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() noexcept { cancelled_->store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_;
};

/// How far a session or restore is. Totals are 0 while they are not known.
struct Progress {
  /// The account being worked on, empty between accounts.
  std::string account_id{};
  std::uint64_t accounts_done = 0;
  std::uint64_t accounts_total = 0;
  std::uint64_t messages_done = 0;
  std::uint64_t messages_total = 0;
  /// Bytes of content read or written, before compression.
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_new = 0;
  Time began{};
  Time now{};
};
using ProgressFunction = std::function<void(const Progress&)>;

/// Bytes in a second, on the average since the beginning; 0 in the first second.
[[nodiscard]] std::uint64_t rate_of(const Progress& progress) noexcept;
/// From 0 to 1, by messages if their total is known, else by accounts; empty while neither is.
[[nodiscard]] std::optional<double> share_done(const Progress& progress) noexcept;
/// How long it will take if it goes on as until now; empty in the first seconds and the first percent.
[[nodiscard]] std::optional<std::chrono::seconds> time_left(const Progress& progress) noexcept;

/// Receives what the library would tell an operator; it never writes to stderr itself. Callable from any
/// thread, must not call back into the object that calls it, and must return quickly.
class Observer {
 public:
  enum class Level { debug, info, warning, error };
  virtual ~Observer() = default;
  virtual void log(Level level, std::string_view message) = 0;
  /// A monotonic count or a gauge by name, for example "session.bytes_new".
  virtual void metric(std::string_view name, std::int64_t value) {
    (void)name;
    (void)value;
  }
};

}  // namespace v0
}  // namespace restante

#pragma once
// Memory that processes share through a file, and how they exclude and wake each other in it.

#include <restante/status.hpp>

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace restante::os {

/// Nanoseconds since some moment that is the same for all processes of the machine.
[[nodiscard]] inline std::int64_t steady_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A mapping of a file, or of nothing. Movable; unmapped when it goes, also in a forked child.
class SharedMapping {
 public:
  SharedMapping() noexcept = default;
  /// The file must have these bytes and blocks for them: a write to what the disk has no room for kills.
  /// `unsupported` where the file system cannot map.
  [[nodiscard]] static Result<SharedMapping> of_file(int fd, std::size_t bytes);
  /// Of this process and the children it forks, zeroed.
  [[nodiscard]] static Result<SharedMapping> anonymous(std::size_t bytes);
  SharedMapping(SharedMapping&& other) noexcept;
  SharedMapping& operator=(SharedMapping&& other) noexcept;
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping();

  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  SharedMapping(void* data, std::size_t bytes) noexcept : data_(data), bytes_(bytes) {}

  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A lock of threads that is waited for until a time.
class TimedMutex {
 public:
  void lock() noexcept { (void)::pthread_mutex_lock(&mutex_); }
  [[nodiscard]] bool try_lock() noexcept { return ::pthread_mutex_trylock(&mutex_) == 0; }
  [[nodiscard]] bool try_lock_until(std::chrono::steady_clock::time_point until) noexcept;
  void unlock() noexcept { (void)::pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

/// Lies in shared memory. When its holder dies, in whatever way, the next one gets it and is told.
class RobustMutex {
 public:
  enum class Taken { yes, from_the_dead, no };

  /// Once, before anybody else can see it.
  [[nodiscard]] Status initialize() noexcept;
  /// `no` when `until` has passed.
  [[nodiscard]] Taken lock_until(std::chrono::steady_clock::time_point until) noexcept;
  [[nodiscard]] Taken try_lock() noexcept;
  /// After `from_the_dead`, when what it guards is whole again; without this nobody gets it any more.
  void repaired() noexcept { (void)::pthread_mutex_consistent(&mutex_); }
  void unlock() noexcept { (void)::pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

/// Lies in shared memory: who waits sleeps until it changes.
class SharedEvent {
 public:
  [[nodiscard]] std::uint32_t now() const noexcept { return count_.load(std::memory_order_acquire); }
  /// Wakes everybody who waits.
  void signal() noexcept { change(INT_MAX); }
  /// Wakes one of those who wait.
  void signal_one() noexcept { change(1); }
  /// Returns when it is not `seen` any more, when `timeout` has passed, or for no reason.
  void wait(std::uint32_t seen, std::chrono::nanoseconds timeout) const noexcept;

 private:
  void change(int wakes) noexcept;

  std::atomic<std::uint32_t> count_;
  mutable std::atomic<std::uint32_t> waiters_;
};

/// Lies in shared memory: a value that one writer at a time replaces and that anybody reads whole at any
/// time, whatever happens to the writer. T is made of 8-byte words.
template <class T>
class Published {
 public:
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);

  /// Writers exclude each other.
  void store(const T& value) noexcept {
    const std::uint64_t next = version_.load(std::memory_order_relaxed) + 1;
    std::uint64_t words[kWords];
    std::memcpy(words, &value, sizeof value);
    // Readers of the value before the last one must not see these words without seeing its successor.
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i < kWords; ++i) words_[next % 2][i].store(words[i], std::memory_order_relaxed);
    version_.store(next, std::memory_order_release);
  }
  [[nodiscard]] T load() const noexcept {
    for (;;) {
      const std::uint64_t version = version_.load(std::memory_order_acquire);
      std::uint64_t words[kWords];
      for (std::size_t i = 0; i < kWords; ++i)
        words[i] = words_[version % 2][i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (version_.load(std::memory_order_relaxed) != version) continue;
      T value;
      std::memcpy(&value, words, sizeof value);
      return value;
    }
  }

 private:
  static constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint64_t);

  std::atomic<std::uint64_t> version_;
  std::atomic<std::uint64_t> words_[2][kWords];
};

}  // namespace restante::os

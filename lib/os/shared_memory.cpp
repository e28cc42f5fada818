#include "os/shared_memory.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "os/errors.hpp"

namespace restante::os {
namespace {

struct timespec timespec_of(std::chrono::nanoseconds duration) noexcept {
  struct timespec time {};
  const auto ns = std::max<std::int64_t>(0, duration.count());
  time.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
  time.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  return time;
}

// Who holds the lock is about to let go of it more often than not; sleeping costs more than this.
constexpr int kSpins = 200;

void pause_shortly() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

int lock_until(pthread_mutex_t& mutex, std::chrono::steady_clock::time_point until) noexcept {
  for (int i = 0; i < kSpins; ++i) {
    const int answer = ::pthread_mutex_trylock(&mutex);
    if (answer != EBUSY) return answer;
    pause_shortly();
  }
#if defined(__SANITIZE_THREAD__)
  // The sanitizer of g++ 12 does not know the call below.
  for (;;) {
    const int answer = ::pthread_mutex_trylock(&mutex);
    if (answer != EBUSY) return answer;
    if (std::chrono::steady_clock::now() >= until) return ETIMEDOUT;
    (void)::usleep(100);
  }
#else
  const struct timespec time = timespec_of(until.time_since_epoch());
  return ::pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &time);
#endif
}

RobustMutex::Taken taken(int answer) noexcept {
  if (answer == 0) return RobustMutex::Taken::yes;
  return answer == EOWNERDEAD ? RobustMutex::Taken::from_the_dead : RobustMutex::Taken::no;
}

}  // namespace

Result<SharedMapping> SharedMapping::of_file(int fd, std::size_t bytes) {
  void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data != MAP_FAILED) return SharedMapping(data, bytes);
  const int error = errno;
  if (error == ENODEV || error == EINVAL)
    return Status(Code::unsupported, "the file system cannot map " + path_of(fd) + " into memory");
  return errno_status(error, "map", path_of(fd));
}

Result<SharedMapping> SharedMapping::anonymous(std::size_t bytes) {
  void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return errno_status(errno, "map", "memory");
  return SharedMapping(data, bytes);
}

SharedMapping::SharedMapping(SharedMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

SharedMapping& SharedMapping::operator=(SharedMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedMapping::~SharedMapping() {
  if (data_ != nullptr) (void)::munmap(data_, bytes_);
}

Status RobustMutex::initialize() noexcept {
  pthread_mutexattr_t attributes;
  int answer = ::pthread_mutexattr_init(&attributes);
  if (answer == 0) answer = ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (answer == 0) answer = ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (answer == 0) answer = ::pthread_mutex_init(&mutex_, &attributes);
  (void)::pthread_mutexattr_destroy(&attributes);
  return answer == 0 ? Status() : errno_status(answer, "make", "a lock that processes share");
}

RobustMutex::Taken RobustMutex::lock_until(std::chrono::steady_clock::time_point until) noexcept {
  return taken(restante::os::lock_until(mutex_, until));
}

bool TimedMutex::try_lock_until(std::chrono::steady_clock::time_point until) noexcept {
  return restante::os::lock_until(mutex_, until) == 0;
}

RobustMutex::Taken RobustMutex::try_lock() noexcept { return taken(::pthread_mutex_trylock(&mutex_)); }

void SharedEvent::change(int wakes) noexcept {
  count_.fetch_add(1, std::memory_order_seq_cst);
  if (waiters_.load(std::memory_order_seq_cst) == 0) return;
  (void)::syscall(SYS_futex, &count_, FUTEX_WAKE, wakes, nullptr, nullptr, 0);
}

void SharedEvent::wait(std::uint32_t seen, std::chrono::nanoseconds timeout) const noexcept {
  // A waiter that is killed leaves the count too high: then `signal` makes a call that wakes nobody.
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  if (count_.load(std::memory_order_seq_cst) == seen) {
    const struct timespec time = timespec_of(timeout);
    (void)::syscall(SYS_futex, &count_, FUTEX_WAIT, seen, &time, nullptr, 0);
  }
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace restante::os

// Durability without waiting for it.

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "os/errors.hpp"
#include "os/fd.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {

/// Shared with the task that waits.
struct RedoLog::Completions::State {
  explicit State(std::shared_ptr<Impl> open_log, Executor* given)
      : log(std::move(open_log)), executor(given) {}

  [[nodiscard]] bool is_due() const { return failure.ok() && log->durable_lsn() < requested; }
  /// With the mutex: whoever waits at the descriptor has something to hear.
  void tell() const noexcept;
  void wait_for_disk();

  std::shared_ptr<Impl> log;
  Executor* const executor;
  os::Fd event;
  std::mutex mutex;
  std::condition_variable idle;
  // Guarded by the mutex:
  Lsn requested = 0;
  Status failure;
  bool is_running = false;
};

void RedoLog::Completions::State::tell() const noexcept {
  if (!event.is_open()) return;
  const std::uint64_t one = 1;
  // It fails only when it is readable already.
  (void)!::write(event.get(), &one, sizeof one);
}

void RedoLog::Completions::State::wait_for_disk() {
  std::unique_lock lock(mutex);
  while (is_due()) {
    const Lsn lsn = requested;
    lock.unlock();
    const Status durable = log->wait_durable(lsn);
    lock.lock();
    if (!durable.ok()) failure = durable;
    tell();
  }
  is_running = false;
  idle.notify_all();
}

RedoLog::Completions::Completions(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
RedoLog::Completions::Completions(Completions&&) noexcept = default;
RedoLog::Completions& RedoLog::Completions::operator=(Completions&& other) noexcept {
  if (this != &other) {
    const Completions old(std::move(state_));
    state_ = std::move(other.state_);
  }
  return *this;
}
RedoLog::Completions::~Completions() {
  if (state_ == nullptr || !state_->log->check_process().ok()) return;
  std::unique_lock lock(state_->mutex);
  state_->requested = 0;
  state_->idle.wait(lock, [&] { return !state_->is_running; });
}

int RedoLog::Completions::fd() const noexcept { return state_->event.get(); }

Status RedoLog::Completions::request(Lsn lsn) {
  State& state = *state_;
  if (Status usable = state.log->check_usable(); !usable.ok()) return usable;
  if (lsn > state.log->control_->page().writer.load().end)
    return Status(Code::invalid_argument, "what is not written yet cannot become durable");
  std::unique_lock lock(state.mutex);
  state.requested = std::max(state.requested, lsn);
  if (state.executor == nullptr) return {};
  // It was faster than the request.
  if (!state.is_due()) {
    state.tell();
    return {};
  }
  if (std::exchange(state.is_running, true)) return {};
  lock.unlock();
  state.executor->execute([shared = state_] { shared->wait_for_disk(); });
  return {};
}

Result<Lsn> RedoLog::Completions::poll() {
  State& state = *state_;
  if (Status process = state.log->check_process(); !process.ok()) return process;
  if (state.event.is_open()) {
    std::uint64_t told = 0;
    (void)!::read(state.event.get(), &told, sizeof told);
  } else {
    state.wait_for_disk();
  }
  const std::lock_guard lock(state.mutex);
  if (state.failure.ok()) return state.log->durable_lsn();
  // Whoever syncs may go on: only a log that failed does not.
  const bool is_final = state.failure.code() != Code::timed_out;
  return is_final ? state.failure : std::exchange(state.failure, Status());
}

Result<RedoLog::Completions> RedoLog::completions(Executor* executor) const {
  if (Status usable = impl_->check_usable(); !usable.ok()) return usable;
  auto state = std::make_shared<Completions::State>(impl_, executor);
  if (executor != nullptr) {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return os::errno_status(errno, "make", "an eventfd");
    state->event = os::Fd(fd);
  }
  return Completions(std::move(state));
}

}  // namespace v0
}  // namespace restante

#pragma once
// Who is running something, and whether that process still lives.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace restante::os {

/// A process as long as its machine runs: a pid alone may name another process later.
struct ProcessIdentity {
  std::string host;
  /// Of the kernel's run; empty where the system does not tell.
  std::string boot_id;
  /// Names the space in which `pid` counts.
  std::uint64_t pid_namespace = 0;
  std::uint64_t pid = 0;
  /// Clock ticks between boot and the start of the process.
  std::uint64_t start_ticks = 0;

  bool operator==(const ProcessIdentity&) const = default;
};

[[nodiscard]] ProcessIdentity this_process();

/// Nothing if it cannot be told from here: another machine, or another space of pids.
[[nodiscard]] std::optional<bool> is_alive(const ProcessIdentity& process);

/// Tells the process that made it from those forked from it, without a call of the system where the system
/// can wipe memory at a fork.
class ForkMark {
 public:
  ForkMark() noexcept;
  ~ForkMark();
  ForkMark(const ForkMark&) = delete;
  ForkMark& operator=(const ForkMark&) = delete;

  [[nodiscard]] bool is_mine() const noexcept {
    return page_ != nullptr ? page_->load(std::memory_order_relaxed) != 0 : is_pid_mine();
  }

 private:
  [[nodiscard]] bool is_pid_mine() const noexcept;

  std::atomic<std::uint32_t>* page_ = nullptr;
  int pid_;
};

}  // namespace restante::os

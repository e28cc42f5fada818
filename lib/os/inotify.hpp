#pragma once
// What the kernel tells of directories: inotify(7).

#include <restante/status.hpp>

#include <sys/inotify.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

#include "os/fd.hpp"

namespace restante::os {

/// Whether everything that happens on the file system of an open directory happens through this kernel, as
/// far as is known: no for network file systems and for those of a kind that is not known.
[[nodiscard]] bool tells_all(int dirfd) noexcept;

/// One thread reads; any thread adds.
class Inotify {
 public:
  struct Event {
    /// -1 with IN_Q_OVERFLOW.
    int watch = -1;
    /// IN_… bits.
    std::uint32_t mask = 0;
    /// Of an entry of the directory; empty if it is about the directory itself.
    std::string_view name;
  };
  using EventFunction = std::function<void(const Event&)>;

  /// `no_space` if the user has too many already: the text names the limit.
  [[nodiscard]] static Result<Inotify> open();

  /// Watches the open directory; the answer is the one given before if it is watched already, with the new
  /// mask. `no_space` if the user's watches are used up: the text names the limit.
  [[nodiscard]] Result<int> add(int dirfd, std::uint32_t mask);
  void remove(int watch) noexcept;

  /// Waits until there are events, `stop` is readable, or the time is over, and hands over what is there.
  [[nodiscard]] Status read(int stop, std::chrono::milliseconds timeout, const EventFunction& each);

 private:
  explicit Inotify(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace restante::os

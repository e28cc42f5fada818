#pragma once
// Who lives: a POSIX write lock on one byte of a file.
//
// Such a lock belongs to the process. It goes when the process dies in whatever way, a forked child does
// not inherit it, and it works over a shared mount; therefore it tells whether an owner is alive (R7).
// It has two traps, and callers must keep clear of both:
//   - Closing *any* descriptor of the same file in the process drops all of the process's locks on it. Keep
//     one descriptor of a locked file in a process, and never open it by its name beside that.
//   - Two locks of one process never meet. Exclude threads by other means.

#include <restante/status.hpp>

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "os/fd.hpp"

namespace restante::os {

class FileLock {
 public:
  FileLock() noexcept = default;
  /// Locks the byte at `offset` of `fd`, which need not exist but must be open for writing and stay open
  /// for as long as the lock. Never waits: `busy` names the process that holds it.
  [[nodiscard]] static Result<FileLock> acquire(int fd, std::uint64_t offset);
  /// The process that holds a lock on that byte, 0 if none does. A lock of the calling process counts as
  /// none, and so does a holder in a pid namespace that this process cannot see into: it answers -1.
  [[nodiscard]] static Result<pid_t> holder_pid(int fd, std::uint64_t offset) {
    return holder_pid_in(fd, offset, 1);
  }
  /// Of the first locked byte of `count`.
  [[nodiscard]] static Result<pid_t> holder_pid_in(int fd, std::uint64_t offset, std::uint64_t count);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  /// Unlocks, unless a fork has happened since: the child never held it.
  ~FileLock() { release(); }

  [[nodiscard]] bool is_held() const noexcept { return fd_ >= 0; }
  void release() noexcept;

 private:
  FileLock(int fd, std::uint64_t offset) noexcept : fd_(fd), offset_(offset) {}

  int fd_ = -1;
  std::uint64_t offset_ = 0;
};

/// Opens the file `name` in a directory, made if need be, and takes it for whoever holds the answer: another
/// opening of it, in this process or another one, is `busy` with what `holder` said. A forked child holds it
/// too until it ends or executes another program.
[[nodiscard]] Result<Fd> take_file(int dirfd, const std::string& name, std::string_view holder);

}  // namespace restante::os

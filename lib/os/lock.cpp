#include "os/lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"

namespace restante::os {
namespace {

struct flock one_byte(short type, std::uint64_t offset) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = 1;
  return lock;
}

int lock_call(int fd, int command, struct flock* lock) noexcept {
  int answer = ::fcntl(fd, command, lock);
  while (answer != 0 && errno == EINTR) answer = ::fcntl(fd, command, lock);
  return answer;
}

}  // namespace

Result<FileLock> FileLock::acquire(int fd, std::uint64_t offset) {
  struct flock lock = one_byte(F_WRLCK, offset);
  if (lock_call(fd, F_SETLK, &lock) == 0) return FileLock(fd, offset);
  const int error = errno;
  if (error != EACCES && error != EAGAIN) return errno_status(error, "lock", path_of(fd));

  const std::string what = base::cat("cannot lock byte ", offset, " of ", base::escape(path_of(fd)), ": ");
  const Result<pid_t> holder = holder_pid(fd, offset);
  if (!holder.ok()) return holder.status();
  if (*holder > 0) return Status(Code::busy, base::cat(what, "process ", *holder, " holds it"));
  return Status(Code::busy, base::cat(what, "another process held it"));
}

Result<pid_t> FileLock::holder_pid_in(int fd, std::uint64_t offset, std::uint64_t count) {
  struct flock lock = one_byte(F_WRLCK, offset);
  lock.l_len = static_cast<off_t>(count);
  if (lock_call(fd, F_GETLK, &lock) != 0) {
    const int error = errno;
    return errno_status(error, "read the lock of", path_of(fd));
  }
  if (lock.l_type == F_UNLCK) return pid_t{0};
  return lock.l_pid > 0 ? lock.l_pid : pid_t{-1};
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)), offset_(other.offset_) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  if (this != &other) {
    release();
    fd_ = std::exchange(other.fd_, -1);
    offset_ = other.offset_;
  }
  return *this;
}

void FileLock::release() noexcept {
  if (fd_ < 0) return;
  struct flock lock = one_byte(F_UNLCK, offset_);
  (void)lock_call(fd_, F_SETLK, &lock);  // in a forked child this unlocks what the child never held: nothing
  fd_ = -1;
}

Result<Fd> take_file(int dirfd, const std::string& name, std::string_view holder) {
  Io& io = real_io();
  Result<Fd> fd = io.open_at(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd;
  int answer = ::flock(fd->get(), LOCK_EX | LOCK_NB);
  while (answer != 0 && errno == EINTR) answer = ::flock(fd->get(), LOCK_EX | LOCK_NB);
  if (answer != 0 && errno == EWOULDBLOCK) {
    Bytes said(256);
    const Result<std::size_t> size = io.pread(fd->get(), said, 0);
    said.resize(size.ok() ? *size : 0);
    return Status(Code::busy, base::cat(base::escape(path_of(dirfd)), " is in use by ",
                                        said.empty() ? "another process" : base::escape(as_text(said))));
  }
  if (answer != 0) return errno_status(errno, "lock", path_of(fd->get()));
  const std::string text = base::cat("process ", ::getpid(), " (", holder, ")");
  // Who takes it again and again has said so already, and some file systems write out at once what was made
  // anew.
  Bytes said(text.size() + 1);
  const Result<std::size_t> size = io.pread(fd->get(), said, 0);
  if (size.ok() && as_text(ByteView(said).first(*size)) == text) return fd;
  Status noted = io.truncate(fd->get(), 0);
  if (noted.ok()) noted = write_all_at(io, fd->get(), as_bytes(text), 0);
  // Who it is is for messages only.
  if (!noted.ok() && noted.code() != Code::no_space) return noted;
  return fd;
}

}  // namespace restante::os

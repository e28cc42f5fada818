#include "restore_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "failure.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Code;
using restante::Status;

std::string path_of(const std::string& state_directory) { return state_directory + "/restore.lock"; }

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

int open_lock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    fail(Status(Code::io, fmt::format("cannot write {}: {}", printable(path), std::strerror(errno)),
                "'restante init' makes the state directory"));
  return fd;
}

}  // namespace

RestoreLock::RestoreLock(const std::string& state_directory) {
  fd_ = open_lock(path_of(state_directory));
  struct flock lock = whole_file();
  if (fcntl(fd_, F_SETLK, &lock) == 0) return;
  close(fd_);
  const std::optional<int> other = holder(state_directory);
  fail(Status(Code::busy,
              other ? fmt::format("process {} is restoring", *other) : "another process is restoring",
              "wait for it, or stop it with 'restante abort --restore'"));
}

RestoreLock::~RestoreLock() { close(fd_); }

std::optional<int> RestoreLock::holder(const std::string& state_directory) {
  const int fd = open(path_of(state_directory).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::nullopt;
  struct flock lock = whole_file();
  const bool asked = fcntl(fd, F_GETLK, &lock) == 0;
  close(fd);
  if (!asked || lock.l_type == F_UNLCK || lock.l_pid <= 0) return std::nullopt;
  return lock.l_pid;
}

// Not by process: the session in the background is begun in another one.
MailboxesLock::MailboxesLock(const std::string& state_directory, Use use) {
  fd_ = open_lock(state_directory + "/mailboxes.lock");
  if (flock(fd_, (use == Use::backup ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return;
  close(fd_);
  if (use == Use::restore)
    fail(Status(Code::busy, "a backup is running, or another command changes mailboxes",
                "'restante query' shows sessions that run; wait, or end it with 'restante abort'"));
  const std::optional<int> other = RestoreLock::holder(state_directory);
  fail(Status(Code::busy,
              other ? fmt::format("process {} is restoring", *other) : "another process changes mailboxes",
              "wait until it has ended, then try again"));
}

MailboxesLock::~MailboxesLock() { close(fd_); }

}  // namespace cli

#include "restore_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
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

}  // namespace

RestoreLock::RestoreLock(const std::string& state_directory) {
  const std::string path = path_of(state_directory);
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0)
    fail(Status(Code::io, fmt::format("cannot write {}: {}", printable(path), std::strerror(errno)),
                "'restante init' makes the state directory"));
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

}  // namespace cli

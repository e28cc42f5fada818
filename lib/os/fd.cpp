#include "os/fd.hpp"

#include <unistd.h>

#include <cerrno>

namespace restante::os {

void Fd::reset(int fd) noexcept {
  const int kept_errno = errno;
  // Not repeated after EINTR: Linux has closed it by then, and the number may be another file's already.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  errno = kept_errno;
}

}  // namespace restante::os

#pragma once
// The store's lock.

#include <restante/status.hpp>

#include <errno.h>
#include <sys/file.h>

#include <cstring>
#include <string>

namespace tinystore {

/// Orders the changes of all processes. SQLite's own lock cannot do that: it ends with SQLite's commit, and
/// the log's commit comes behind that and before anybody else's change. Killing the process unlocks it.
class Lock {
 public:
  explicit Lock(int fd) : fd_(fd) {
    int code = 0;
    do code = ::flock(fd, LOCK_EX);
    while (code != 0 && errno == EINTR);
    if (code != 0)
      status_ =
          restante::Status(restante::Code::io, std::string("the store's lock: ") + std::strerror(errno));
  }
  ~Lock() {
    if (status_.ok()) ::flock(fd_, LOCK_UN);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  [[nodiscard]] const restante::Status& status() const { return status_; }

 private:
  int fd_;
  restante::Status status_;
};

}  // namespace tinystore

#pragma once
// Forked children, and what they say.

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "support/catch.hpp"

namespace restante::test {

/// Runs `work` in a forked child, which ends with what it returns.
class Child {
 public:
  explicit Child(const std::function<int()>& work) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(work());
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill() { ::kill(pid_, SIGKILL); }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

struct Pipe {
  Pipe() { REQUIRE(::pipe(ends) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  void close_writer() {
    ::close(ends[1]);
    ends[1] = -1;
  }
  std::string read_to_end() {
    std::string all;
    char buffer[4096];
    for (;;) {
      const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
      if (got <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }
  int ends[2];
};

/// By a child: a line.
inline void say(const Pipe& pipe, const std::string& text) {
  const std::string line = text + "\n";
  if (::write(pipe.ends[1], line.data(), line.size()) < 0) ::_exit(9);
}

/// Waits until something was said.
inline void hear(const Pipe& pipe) {
  char buffer[256];
  while (::read(pipe.ends[0], buffer, sizeof buffer) < 0 && errno == EINTR) {
  }
}

}  // namespace restante::test

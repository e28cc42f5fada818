#pragma once
// How one process asks the watcher of another one what is in the log. The watcher holds `watch/lock` below
// the scanner's state directory, and the kernel tells it of a file `ask-…` there in one line with all that
// happened in the store: what comes before it is known when it is seen. The answer is a file `answer-…`.
// Nothing of it outlives a crash: whoever watches next begins with an empty directory.

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <restante/status.hpp>

#include "os/io.hpp"

namespace restante::stores {

// The side of the watcher.
class WatchRequests {
 public:
  // Takes the place of the watcher; `busy` while another one has it.
  [[nodiscard]] static Result<WatchRequests> open(os::Io& io, int state_dirfd);

  [[nodiscard]] int dirfd() const { return dir_.get(); }
  // The question that a file of this name is; empty if it is none.
  [[nodiscard]] static std::string_view question_of(std::string_view file_name);
  // Nobody reads it any more if the one who asked has gone.
  [[nodiscard]] Status answer(const std::string& question, const std::set<std::string>& accounts) const;

 private:
  WatchRequests(os::Io& io, os::Fd dir, os::Fd lock)
      : io_(&io), dir_(std::move(dir)), lock_(std::move(lock)) {}
  os::Io* io_;
  os::Fd dir_;
  os::Fd lock_;
};

// Accounts of which everything that had happened at the call is in the log, durably; empty if nobody watches
// or nobody answers in time.
[[nodiscard]] Result<std::set<std::string>> ask_watcher(os::Io& io, int state_dirfd,
                                                        std::chrono::milliseconds deadline);

}  // namespace restante::stores

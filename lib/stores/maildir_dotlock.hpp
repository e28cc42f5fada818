#pragma once
// The lock files by which mail servers exclude each other: <name>.lock, made by whoever holds it.

#include <chrono>
#include <string>

#include <restante/status.hpp>

#include "os/io.hpp"

namespace restante::stores {

class Dotlock {
 public:
  /// Waits until nobody has `name` + ".lock" in the directory; `busy` after `deadline`. A lock file older
  /// than two minutes was left by a crash, as Dovecot has it, and is removed.
  [[nodiscard]] static Result<Dotlock> acquire(os::Io& io, int dirfd, const std::string& name,
                                               std::chrono::milliseconds deadline);
  Dotlock(Dotlock&& other) noexcept : io_(other.io_), dir_(std::move(other.dir_)), file_(other.file_) {}
  Dotlock& operator=(Dotlock&&) = delete;
  ~Dotlock();

 private:
  Dotlock(os::Io& io, os::Fd dir, std::string file) : io_(io), dir_(std::move(dir)), file_(std::move(file)) {}

  os::Io& io_;
  os::Fd dir_;
  std::string file_;
};

}  // namespace restante::stores

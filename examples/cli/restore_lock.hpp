#pragma once
// Says which process of this machine restores, so that `restante abort --restore` can stop it.

#include <optional>
#include <string>

namespace cli {

/// Held by this process from making it to its end. Kept by the system, so a killed process leaves nothing.
class RestoreLock {
 public:
  /// Throws a `Failure` that names the process that restores already.
  explicit RestoreLock(const std::string& state_directory);
  ~RestoreLock();
  RestoreLock(const RestoreLock&) = delete;
  RestoreLock& operator=(const RestoreLock&) = delete;

  /// The process that holds it now, nothing if none does.
  [[nodiscard]] static std::optional<int> holder(const std::string& state_directory);

 private:
  int fd_ = -1;
};

}  // namespace cli

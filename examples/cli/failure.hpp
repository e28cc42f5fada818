#pragma once
// How a command of the program ends early, and the exit codes that it promises.

#include <restante/status.hpp>

#include <string>
#include <utility>

namespace cli {

enum Exit : int {
  kDone = 0,
  /// It failed; nothing was changed.
  kFailed = 1,
  /// The command line or the configuration is wrong.
  kUsage = 2,
  /// Some of it was done, and the output names what was not; or all was, and the output could not tell.
  kPartial = 3,
};

/// The exit code of a command whose output could, or could not, be written.
[[nodiscard]] constexpr Exit exit_of(Exit exit, bool written) {
  return exit == kDone && !written ? kPartial : exit;
}

/// Thrown by the commands, caught once in main.
struct Failure {
  Exit exit = kFailed;
  restante::Status status;
};

[[noreturn]] inline void fail(const restante::Status& status) { throw Failure{kFailed, status}; }
[[noreturn]] inline void fail_usage(std::string message, std::string hint = {}) {
  throw Failure{kUsage,
                restante::Status(restante::Code::invalid_argument, std::move(message), std::move(hint))};
}

/// The value, or the end of the command with what kept it from being made.
template <class T>
[[nodiscard]] T require(restante::Result<T> result) {
  if (!result.ok()) fail(result.status());
  return std::move(result).value();
}
inline void require(const restante::Status& status) {
  if (!status.ok()) fail(status);
}

}  // namespace cli

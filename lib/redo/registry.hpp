#pragma once
// The logs that this process has open: the only process-wide state of the library.
//
// POSIX locks belong to the process and do not exclude its own threads, and closing any descriptor of a
// locked file drops them. Therefore one process opens a log's files once, and everybody else in it shares.

#include <restante/redo_log.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace restante::redo {

/// A directory by what it is, not by its name.
struct DirectoryId {
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  auto operator<=>(const DirectoryId&) const = default;
};

using SharedLog = std::shared_ptr<RedoLog::Impl>;

/// The log of this directory if it is open, else what `open` returns, entered. While another thread opens or
/// closes the log of this directory it waits, at most `deadline`, then `timed_out`.
[[nodiscard]] Result<SharedLog> find_or_open(const DirectoryId& id, std::chrono::milliseconds deadline,
                                             const std::function<Result<SharedLog>()>& open);

/// For whoever closes the log that `find_or_open` entered, when everything is closed.
void forget(const DirectoryId& id) noexcept;

}  // namespace restante::redo

#pragma once
// `redo.control`: who has the log, and what a failed sync leaves to the next opener (R7).
//
// A page of 4 KiB, rewritten in place under the lock; its file is made once, is never replaced and carries
// the POSIX locks. It is no part of the log's history: rebuilt when it is missing or of another machine.

#include <restante/redo_log.hpp>

#include <memory>
#include <optional>
#include <string>

#include "os/fd.hpp"
#include "os/io.hpp"
#include "os/lock.hpp"

namespace restante::redo {

inline constexpr std::string_view kControlName = "redo.control";
inline constexpr std::size_t kControlBytes = 4096;
/// Held by the process that has the log open. The bytes behind it are kept for sharing processes, one each.
inline constexpr std::uint64_t kLockByte = 1u << 30;

/// Where the log was last known to be on the disk when a write or sync failed.
struct Watermark {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  Lsn lsn = 0;
};

struct ControlPage {
  Id128 boot_id;
  std::uint32_t library_version = 0;
  std::uint32_t pid = 0;
  std::string holder;
  Time attached;
  /// Counts failures; `poison` is set after one until the next opener has ended the segment there.
  std::uint64_t poison_generation = 0;
  std::optional<Watermark> poison;
};

[[nodiscard]] Bytes encode_control(const ControlPage& page);
/// Nothing if it is not a page of this layout and kind of machine.
[[nodiscard]] std::optional<ControlPage> decode_control(ByteView bytes);

/// The machine's boot, all zero if it does not say.
[[nodiscard]] Id128 current_boot_id(os::Io& io);

/// Open and locked. One thread at a time.
class ControlFile {
 public:
  /// `busy` names the holder if another process has it.
  [[nodiscard]] static Result<std::unique_ptr<ControlFile>> attach(os::Io& io, int directory,
                                                                   const std::string& path,
                                                                   const std::string& holder, Time now);
  /// What a failed sync of this boot left; see `Watermark`.
  [[nodiscard]] const std::optional<Watermark>& poison() const noexcept { return page_.poison; }
  [[nodiscard]] Status set_poison(const Watermark& watermark);
  [[nodiscard]] Status clear_poison();

 private:
  ControlFile(os::Io& io, os::Fd fd, os::FileLock lock)
      : io_(io), fd_(std::move(fd)), lock_(std::move(lock)) {}
  [[nodiscard]] Status write();

  os::Io& io_;
  os::Fd fd_;  // before the lock: it is unlocked while the file is open
  os::FileLock lock_;
  ControlPage page_;
};

}  // namespace restante::redo

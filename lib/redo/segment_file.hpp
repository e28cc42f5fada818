#pragma once
// The file of a raw segment: its name, opening it, and reading it through a window.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <memory>
#include <mutex>
#include <string>

#include "os/fd.hpp"
#include "os/io.hpp"

namespace restante::redo {

/// Opens a file when it is needed and shares the descriptor among those that read it at the moment, so that
/// a log of a thousand segments does not hold a thousand descriptors. Callable from any thread.
class SegmentFile {
 public:
  SegmentFile(os::Io& io, std::shared_ptr<const os::Fd> directory, std::string name)
      : io_(io), directory_(std::move(directory)), name_(std::move(name)) {}

  [[nodiscard]] Result<std::shared_ptr<const os::Fd>> open() const;
  [[nodiscard]] os::Io& io() const noexcept { return io_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  os::Io& io_;
  /// Null: `name_` is relative to the process's directory or absolute, and links are followed.
  std::shared_ptr<const os::Fd> directory_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::weak_ptr<const os::Fd> opened_;
};

/// Reads a file forward through a buffer. One thread at a time.
class FileWindow {
 public:
  /// Bytes at `limit` and behind are as if the file ended there.
  FileWindow(os::Io& io, std::shared_ptr<const os::Fd> fd, std::uint64_t limit, std::size_t read_ahead)
      : io_(io), fd_(std::move(fd)), limit_(limit), read_ahead_(read_ahead) {}

  /// `size` bytes at `offset`, fewer only where the file ends. Valid until the next call.
  [[nodiscard]] Result<ByteView> at(std::uint64_t offset, std::size_t size);

 private:
  os::Io& io_;
  std::shared_ptr<const os::Fd> fd_;
  std::uint64_t limit_;
  std::size_t read_ahead_;
  std::uint64_t begin_ = 0;
  Bytes buffer_;
};

/// For reading on, and for reading here and there.
inline constexpr std::size_t kScanReadAhead = 256u << 10;
inline constexpr std::size_t kPointReadAhead = 4u << 10;

}  // namespace restante::redo

#pragma once
// The one gate between the library and the file system.
//
// Everything that touches a file takes an `Io&`, so that a test can make the n-th call fail, cut a write
// short or forget what was not synced. `real_io()` is the operating system. Names are relative to a
// directory descriptor (AT_FDCWD for the process's own); messages state the path as the system knows it.
// A call that a signal interrupted is made again.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "os/fd.hpp"

namespace restante::os {

enum class FileType : std::uint8_t { regular, directory, symlink, other };

struct FileInfo {
  FileType type = FileType::other;
  std::uint64_t size = 0;
  std::uint32_t mode = 0;  // permission bits, 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime_ns = 0;  // since 1970, UTC
  std::int64_t ctime_ns = 0;
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  std::uint64_t nlink = 0;
};

struct DirEntry {
  std::string name;  // bytes, never "." or ".."
  FileType type = FileType::other;
};

/// Callable from any thread. Failures carry the code of `code_of_errno`; what a method adds to that is
/// stated with it.
class Io {
 public:
  virtual ~Io() = default;

  /// `flags` as in open(2); O_CLOEXEC is added. With O_NOFOLLOW a link as the last part is `io`.
  [[nodiscard]] virtual Result<Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) = 0;
  /// Says what the destructor of `Fd` cannot: that the last writes failed. The descriptor is gone either way.
  [[nodiscard]] virtual Status close(Fd fd) = 0;

  /// Reads some bytes; 0 at the end of the file only.
  [[nodiscard]] virtual Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) = 0;
  /// Writes some bytes, maybe fewer than given.
  [[nodiscard]] virtual Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) = 0;
  /// After a failure nothing is known about what reached the disk; a second sync may lie (R7).
  [[nodiscard]] virtual Status fsync(int fd) = 0;
  [[nodiscard]] virtual Status fdatasync(int fd) = 0;
  /// All of the file system that `fd` is on.
  [[nodiscard]] virtual Status sync_fs(int fd) = 0;
  [[nodiscard]] virtual Status truncate(int fd, std::uint64_t size) = 0;
  /// Reserves the range; it reads as zeros, and the file grows to hold it. `unsupported` where the file
  /// system cannot: nothing was written then, and a later write may find the disk full.
  [[nodiscard]] virtual Status allocate(int fd, std::uint64_t offset, std::uint64_t length) = 0;

  /// Replaces what is at the new name.
  [[nodiscard]] virtual Status rename_at(int from_dirfd, const std::string& from, int to_dirfd,
                                         const std::string& to) = 0;
  /// `already_exists` if the new name is taken. Where the file system lacks this a file is linked and
  /// unlinked, so that a crash may leave both names; a directory is `unsupported` there.
  [[nodiscard]] virtual Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                                                    const std::string& to) = 0;
  [[nodiscard]] virtual Status unlink_at(int dirfd, const std::string& name) = 0;
  [[nodiscard]] virtual Status rmdir_at(int dirfd, const std::string& name) = 0;
  [[nodiscard]] virtual Status mkdir_at(int dirfd, const std::string& name, mode_t mode) = 0;
  /// A second name of a file; `already_exists` if it is taken. Links are not followed.
  [[nodiscard]] virtual Status link_at(int from_dirfd, const std::string& from, int to_dirfd,
                                       const std::string& to) = 0;

  /// Links are not followed.
  [[nodiscard]] virtual Result<FileInfo> stat_at(int dirfd, const std::string& name) = 0;
  [[nodiscard]] virtual Result<FileInfo> fstat(int fd) = 0;
  /// Everything in the directory, in no order. What is renamed while this reads may be missed or doubled:
  /// a listing is not a snapshot. A local file system keeps renames out of one system call, and this makes
  /// only one where 64 MiB hold the directory; a network file system does not.
  [[nodiscard]] virtual Result<std::vector<DirEntry>> list(int dirfd) = 0;
  [[nodiscard]] virtual Result<std::string> readlink_at(int dirfd, const std::string& name) = 0;
  /// Makes a link that says `target`, which need not exist; `already_exists` if the name is taken.
  [[nodiscard]] virtual Status symlink_at(const std::string& target, int dirfd, const std::string& name);

  /// Sets the modification time and leaves the access time.
  [[nodiscard]] virtual Status set_times(int fd, std::int64_t mtime_ns) = 0;
  [[nodiscard]] virtual Status chmod(int fd, mode_t mode) = 0;
  [[nodiscard]] virtual Status chown(int fd, uid_t uid, gid_t gid) = 0;
};

/// The operating system. Lives for ever.
[[nodiscard]] Io& real_io() noexcept;

}  // namespace restante::os

#pragma once
// The operating system, but the n-th call fails.

#include <cerrno>
#include <cstdint>
#include <optional>

#include "os/errors.hpp"
#include "os/io.hpp"

namespace restante::test {

class FaultyIo final : public os::Io {
 public:
  /// Makes call number `n` from now on fail with `error`; 1 is the next.
  void fail_at(std::uint64_t n, int error) {
    failing_ = calls_ + n;
    error_ = error;
  }
  /// Makes every sync of a file system fail from now on.
  void fail_syncs(bool fail) { fail_syncs_ = fail; }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }

  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    if (Status fault = next("open"); !fault.ok()) return fault;
    return real().open_at(dirfd, name, flags, mode);
  }
  Status close(os::Fd fd) override {
    if (Status fault = next("close"); !fault.ok()) return fault;
    return real().close(std::move(fd));
  }
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    if (Status fault = next("read"); !fault.ok()) return fault;
    // Short reads and writes are a matter of course.
    return real().pread(fd, buffer.first(std::min<std::size_t>(buffer.size(), 7000)), offset);
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    const ByteView some = bytes.first(std::min<std::size_t>(bytes.size(), 7000));
    if (Status fault = next("write"); !fault.ok()) {
      // A write that fails may have written a part all the same.
      (void)real().pwrite(fd, some.first(some.size() / 2), offset);
      return fault;
    }
    return real().pwrite(fd, some, offset);
  }
  Status fsync(int fd) override {
    if (Status fault = next("sync"); !fault.ok()) return fault;
    return real().fsync(fd);
  }
  Status fdatasync(int fd) override {
    if (Status fault = next("sync"); !fault.ok()) return fault;
    return real().fdatasync(fd);
  }
  Status sync_fs(int fd) override {
    ++syncs_;
    if (fail_syncs_) return os::errno_status(EIO, "sync", "test");
    if (Status fault = next("sync"); !fault.ok()) return fault;
    return real().sync_fs(fd);
  }
  Status truncate(int fd, std::uint64_t size) override { return real().truncate(fd, size); }
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    return real().allocate(fd, offset, length);
  }
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    if (Status fault = next("rename"); !fault.ok()) return fault;
    return real().rename_at(from_dirfd, from, to_dirfd, to);
  }
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    if (Status fault = next("rename"); !fault.ok()) return fault;
    return real().rename_no_replace_at(from_dirfd, from, to_dirfd, to);
  }
  Status unlink_at(int dirfd, const std::string& name) override {
    if (Status fault = next("unlink"); !fault.ok()) return fault;
    return real().unlink_at(dirfd, name);
  }
  Status rmdir_at(int dirfd, const std::string& name) override {
    if (Status fault = next("rmdir"); !fault.ok()) return fault;
    return real().rmdir_at(dirfd, name);
  }
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    if (Status fault = next("mkdir"); !fault.ok()) return fault;
    return real().mkdir_at(dirfd, name, mode);
  }
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    if (Status fault = next("link"); !fault.ok()) return fault;
    return real().link_at(from_dirfd, from, to_dirfd, to);
  }
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override {
    if (Status fault = next("stat"); !fault.ok()) return fault;
    return real().stat_at(dirfd, name);
  }
  Result<os::FileInfo> fstat(int fd) override {
    if (Status fault = next("stat"); !fault.ok()) return fault;
    return real().fstat(fd);
  }
  Result<std::vector<os::DirEntry>> list(int dirfd) override {
    if (Status fault = next("list"); !fault.ok()) return fault;
    return real().list(dirfd);
  }
  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    return real().readlink_at(dirfd, name);
  }
  Status set_times(int fd, std::int64_t mtime_ns) override { return real().set_times(fd, mtime_ns); }
  Status chmod(int fd, mode_t mode) override { return real().chmod(fd, mode); }
  Status chown(int fd, uid_t uid, gid_t gid) override { return real().chown(fd, uid, gid); }

 private:
  static os::Io& real() { return os::real_io(); }
  Status next(const char* verb) {
    if (++calls_ != failing_) return {};
    return os::errno_status(error_, verb, "test");
  }

  std::uint64_t calls_ = 0;
  std::uint64_t failing_ = 0;
  std::uint64_t syncs_ = 0;
  int error_ = 0;
  bool fail_syncs_ = false;
};

}  // namespace restante::test

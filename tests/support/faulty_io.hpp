#pragma once
// An `os::Io` that passes everything on and fails where a test says so.
//
//     FaultyIo io;
//     for (std::uint64_t n = 0;; ++n) {              // the n-th call fails, for every n
//       io.fail_call(n, Status(Code::no_space, "full"));
//       Status status = thing_under_test(io);
//       if (!io.has_failed()) break;                 // n is past the last call
//       REQUIRE_CODE(status, no_space);
//     }

#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/io.hpp"

namespace restante::test {

class FaultyIo final : public os::Io {
 public:
  explicit FaultyIo(os::Io& below = os::real_io()) : below_(below) {}

  /// From here on calls are counted from 0, and the n-th fails with `failure` instead of being made.
  void fail_call(std::uint64_t n, Status failure) {
    const std::lock_guard lock(mutex_);
    fail_at_ = n, failure_ = std::move(failure), only_ = {}, made_.clear(), failed_ = false;
  }
  /// The same for the n-th call of one method, say "fsync".
  void fail_call_of(std::string_view method, std::uint64_t n, Status failure) {
    fail_call(n, std::move(failure));
    only_ = method;
  }
  /// No call fails.
  void pass() { fail_call(std::numeric_limits<std::uint64_t>::max(), Status()); }
  /// No read or write moves more than this at once.
  void limit_transfers(std::size_t bytes) { most_bytes_ = bytes; }

  [[nodiscard]] bool has_failed() const {
    const std::lock_guard lock(mutex_);
    return failed_;
  }
  /// The methods called since the last `fail_call` or `pass`, in order.
  [[nodiscard]] std::vector<std::string> made() const {
    const std::lock_guard lock(mutex_);
    return made_;
  }

  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    return call("open_at", [&] { return below_.open_at(dirfd, name, flags, mode); });
  }
  Status close(os::Fd fd) override {
    return call("close", [&] { return below_.close(std::move(fd)); });
  }
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    return call("pread", [&] { return below_.pread(fd, cut(buffer), offset); });
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    return call("pwrite", [&] { return below_.pwrite(fd, cut(bytes), offset); });
  }
  Status fsync(int fd) override {
    return call("fsync", [&] { return below_.fsync(fd); });
  }
  Status fdatasync(int fd) override {
    return call("fdatasync", [&] { return below_.fdatasync(fd); });
  }
  Status sync_fs(int fd) override {
    return call("sync_fs", [&] { return below_.sync_fs(fd); });
  }
  Status truncate(int fd, std::uint64_t size) override {
    return call("truncate", [&] { return below_.truncate(fd, size); });
  }
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    return call("allocate", [&] { return below_.allocate(fd, offset, length); });
  }
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return call("rename_at", [&] { return below_.rename_at(from_dirfd, from, to_dirfd, to); });
  }
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    return call("rename_no_replace_at",
                [&] { return below_.rename_no_replace_at(from_dirfd, from, to_dirfd, to); });
  }
  Status unlink_at(int dirfd, const std::string& name) override {
    return call("unlink_at", [&] { return below_.unlink_at(dirfd, name); });
  }
  Status rmdir_at(int dirfd, const std::string& name) override {
    return call("rmdir_at", [&] { return below_.rmdir_at(dirfd, name); });
  }
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    return call("mkdir_at", [&] { return below_.mkdir_at(dirfd, name, mode); });
  }
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return call("link_at", [&] { return below_.link_at(from_dirfd, from, to_dirfd, to); });
  }
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override {
    return call("stat_at", [&] { return below_.stat_at(dirfd, name); });
  }
  Result<os::FileInfo> fstat(int fd) override {
    return call("fstat", [&] { return below_.fstat(fd); });
  }
  Result<std::vector<os::DirEntry>> list(int dirfd) override {
    return call("list", [&] { return below_.list(dirfd); });
  }
  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    return call("readlink_at", [&] { return below_.readlink_at(dirfd, name); });
  }
  Status symlink_at(const std::string& target, int dirfd, const std::string& name) override {
    return call("symlink_at", [&] { return below_.symlink_at(target, dirfd, name); });
  }
  Status set_times(int fd, std::int64_t mtime_ns) override {
    return call("set_times", [&] { return below_.set_times(fd, mtime_ns); });
  }
  Status chmod(int fd, mode_t mode) override {
    return call("chmod", [&] { return below_.chmod(fd, mode); });
  }
  Status chown(int fd, uid_t uid, gid_t gid) override {
    return call("chown", [&] { return below_.chown(fd, uid, gid); });
  }

 private:
  template <class Make>
  auto call(std::string_view method, Make make) -> decltype(make()) {
    if (std::optional<Status> failure = count(method)) return *std::move(failure);
    return make();
  }

  std::optional<Status> count(std::string_view method) {
    const std::lock_guard lock(mutex_);
    made_.emplace_back(method);
    if (!only_.empty() && only_ != method) return std::nullopt;
    if (fail_at_-- != 0) return std::nullopt;
    failed_ = true;
    return failure_;
  }

  template <class View>
  View cut(View view) const {
    return view.first(std::min(view.size(), most_bytes_));
  }

  os::Io& below_;
  mutable std::mutex mutex_;
  std::uint64_t fail_at_ = std::numeric_limits<std::uint64_t>::max();
  Status failure_;
  std::string only_;
  std::size_t most_bytes_ = std::numeric_limits<std::size_t>::max();
  std::vector<std::string> made_;
  bool failed_ = false;
};

}  // namespace restante::test

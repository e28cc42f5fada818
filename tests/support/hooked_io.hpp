#pragma once
// An `os::Io` that tells a test of every call before it is made, so that the test can change the world at
// exactly that moment.
//
//     HookedIo io([&](std::string_view method, const std::string& name) {
//       if (method == "open_at" && name == "victim:2,") fs::remove(path);
//     });

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "os/io.hpp"

namespace restante::test {

class HookedIo final : public os::Io {
 public:
  /// Calls by descriptor have no name.
  using Hook = std::function<void(std::string_view method, const std::string& name)>;
  explicit HookedIo(Hook hook, os::Io& below = os::real_io()) : hook_(std::move(hook)), below_(below) {}

  /// From here on a sync is told of and not made: for tests that are about something else, and repeat much.
  void skip_syncs() { skip_syncs_ = true; }

  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    hook_("open_at", name);
    return below_.open_at(dirfd, name, flags, mode);
  }
  Status close(os::Fd fd) override {
    hook_("close", {});
    return below_.close(std::move(fd));
  }
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    hook_("pread", {});
    return below_.pread(fd, buffer, offset);
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    hook_("pwrite", {});
    return below_.pwrite(fd, bytes, offset);
  }
  Status fsync(int fd) override {
    hook_("fsync", {});
    return skip_syncs_ ? Status() : below_.fsync(fd);
  }
  Status fdatasync(int fd) override {
    hook_("fdatasync", {});
    return skip_syncs_ ? Status() : below_.fdatasync(fd);
  }
  Status sync_fs(int fd) override {
    hook_("sync_fs", {});
    return skip_syncs_ ? Status() : below_.sync_fs(fd);
  }
  Status truncate(int fd, std::uint64_t size) override {
    hook_("truncate", {});
    return below_.truncate(fd, size);
  }
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    hook_("allocate", {});
    return below_.allocate(fd, offset, length);
  }
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    hook_("rename_at", to);
    return below_.rename_at(from_dirfd, from, to_dirfd, to);
  }
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    hook_("rename_no_replace_at", to);
    return below_.rename_no_replace_at(from_dirfd, from, to_dirfd, to);
  }
  Status unlink_at(int dirfd, const std::string& name) override {
    hook_("unlink_at", name);
    return below_.unlink_at(dirfd, name);
  }
  Status rmdir_at(int dirfd, const std::string& name) override {
    hook_("rmdir_at", name);
    return below_.rmdir_at(dirfd, name);
  }
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    hook_("mkdir_at", name);
    return below_.mkdir_at(dirfd, name, mode);
  }
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    hook_("link_at", to);
    return below_.link_at(from_dirfd, from, to_dirfd, to);
  }
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override {
    hook_("stat_at", name);
    return below_.stat_at(dirfd, name);
  }
  Result<os::FileInfo> fstat(int fd) override {
    hook_("fstat", {});
    return below_.fstat(fd);
  }
  Result<std::vector<os::DirEntry>> list(int dirfd) override {
    hook_("list", {});
    return below_.list(dirfd);
  }
  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    hook_("readlink_at", name);
    return below_.readlink_at(dirfd, name);
  }
  Status symlink_at(const std::string& target, int dirfd, const std::string& name) override {
    hook_("symlink_at", name);
    return below_.symlink_at(target, dirfd, name);
  }
  Status set_times(int fd, std::int64_t mtime_ns) override {
    hook_("set_times", {});
    return below_.set_times(fd, mtime_ns);
  }
  Status chmod(int fd, mode_t mode) override {
    hook_("chmod", {});
    return below_.chmod(fd, mode);
  }
  Status chown(int fd, uid_t uid, gid_t gid) override {
    hook_("chown", {});
    return below_.chown(fd, uid, gid);
  }

 private:
  Hook hook_;
  os::Io& below_;
  bool skip_syncs_ = false;
};

}  // namespace restante::test

#pragma once
// An `os::Io` on top of another, with one gate that every call passes.

#include <fcntl.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "os/errors.hpp"
#include "os/io.hpp"

namespace restante::test {

/// What a call is about. `create` opens a file that may be new, `make` makes directories and links,
/// `attribute` sets times, mode and owner.
enum class Call {
  open,
  create,
  close,
  read,
  write,
  sync,
  truncate,
  allocate,
  rename,
  unlink,
  make,
  list,
  stat,
  attribute,
};

/// One call: the method of `os::Io`, and the file that it is about.
struct CallSite {
  Call call;
  const char* method;
  int fd;
  /// Below `fd`; null if the file is `fd` itself.
  const std::string* name = nullptr;

  [[nodiscard]] std::string path() const { return name ? os::path_of(fd, *name) : os::path_of(fd); }
};

class GatedIo : public os::Io {
 public:
  explicit GatedIo(os::Io& below = os::real_io()) : below_(below) {}

  Result<os::Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    return pass({(flags & O_CREAT) != 0 ? Call::create : Call::open, "open_at", dirfd, &name},
                [&] { return below_.open_at(dirfd, name, flags, mode); });
  }
  Status close(os::Fd fd) override {
    return pass({Call::close, "close", fd.get()}, [&] { return below_.close(std::move(fd)); });
  }
  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    return pass({Call::read, "pread", fd}, [&] { return below_.pread(fd, buffer, offset); });
  }
  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    return pass({Call::write, "pwrite", fd}, [&] { return below_.pwrite(fd, bytes, offset); });
  }
  Status fsync(int fd) override {
    return pass({Call::sync, "fsync", fd}, [&] { return below_.fsync(fd); });
  }
  Status fdatasync(int fd) override {
    return pass({Call::sync, "fdatasync", fd}, [&] { return below_.fdatasync(fd); });
  }
  Status sync_fs(int fd) override {
    return pass({Call::sync, "sync_fs", fd}, [&] { return below_.sync_fs(fd); });
  }
  Status truncate(int fd, std::uint64_t size) override {
    return pass({Call::truncate, "truncate", fd}, [&] { return below_.truncate(fd, size); });
  }
  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    return pass({Call::allocate, "allocate", fd}, [&] { return below_.allocate(fd, offset, length); });
  }
  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return pass({Call::rename, "rename_at", from_dirfd, &from},
                [&] { return below_.rename_at(from_dirfd, from, to_dirfd, to); });
  }
  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    return pass({Call::rename, "rename_no_replace_at", from_dirfd, &from},
                [&] { return below_.rename_no_replace_at(from_dirfd, from, to_dirfd, to); });
  }
  Status unlink_at(int dirfd, const std::string& name) override {
    return pass({Call::unlink, "unlink_at", dirfd, &name}, [&] { return below_.unlink_at(dirfd, name); });
  }
  Status rmdir_at(int dirfd, const std::string& name) override {
    return pass({Call::unlink, "rmdir_at", dirfd, &name}, [&] { return below_.rmdir_at(dirfd, name); });
  }
  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    return pass({Call::make, "mkdir_at", dirfd, &name}, [&] { return below_.mkdir_at(dirfd, name, mode); });
  }
  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    return pass({Call::make, "link_at", from_dirfd, &from},
                [&] { return below_.link_at(from_dirfd, from, to_dirfd, to); });
  }
  Status symlink_at(const std::string& target, int dirfd, const std::string& name) override {
    return pass({Call::make, "symlink_at", dirfd, &name},
                [&] { return below_.symlink_at(target, dirfd, name); });
  }
  Result<os::FileInfo> stat_at(int dirfd, const std::string& name) override {
    return pass({Call::stat, "stat_at", dirfd, &name}, [&] { return below_.stat_at(dirfd, name); });
  }
  Result<os::FileInfo> fstat(int fd) override {
    return pass({Call::stat, "fstat", fd}, [&] { return below_.fstat(fd); });
  }
  Result<std::vector<os::DirEntry>> list(int dirfd) override {
    return pass({Call::list, "list", dirfd}, [&] { return below_.list(dirfd); });
  }
  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    return pass({Call::stat, "readlink_at", dirfd, &name}, [&] { return below_.readlink_at(dirfd, name); });
  }
  Status set_times(int fd, std::int64_t mtime_ns) override {
    return pass({Call::attribute, "set_times", fd}, [&] { return below_.set_times(fd, mtime_ns); });
  }
  Status chmod(int fd, mode_t mode) override {
    return pass({Call::attribute, "chmod", fd}, [&] { return below_.chmod(fd, mode); });
  }
  Status chown(int fd, uid_t uid, gid_t gid) override {
    return pass({Call::attribute, "chown", fd}, [&] { return below_.chown(fd, uid, gid); });
  }

 protected:
  /// The gate: what fails here is not passed on.
  [[nodiscard]] virtual Status before(const CallSite& site) = 0;
  /// Behind a call that was passed on.
  virtual void after(const CallSite& /*site*/) {}

  [[nodiscard]] os::Io& below() { return below_; }

 private:
  template <class Make>
  auto pass(const CallSite& site, Make make) -> decltype(make()) {
    if (Status failure = before(site); !failure.ok()) return failure;
    auto answer = make();
    after(site);
    return answer;
  }

  os::Io& below_;
};

}  // namespace restante::test

#include "os/inotify.hpp"

#include <linux/magic.h>
#include <poll.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"

namespace restante::os {
namespace {

// statfs(2); linux/magic.h lacks them.
constexpr long kZfsMagic = 0x2fc12fc1;
constexpr long kJfsMagic = 0x3153464a;

Status limit_reached(const char* what, const char* name) {
  std::ifstream file(std::string("/proc/sys/fs/inotify/") + name);
  std::string value;
  file >> value;
  return Status(Code::no_space,
                base::cat("the kernel gives this user no more ", what, ": fs.inotify.", name, " is ",
                          value.empty() ? "reached" : value),
                base::cat("raise it: sysctl fs.inotify.", name, "=N"));
}

}  // namespace

bool tells_all(int dirfd) noexcept {
  constexpr std::array<long, 8> kLocal{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                       F2FS_SUPER_MAGIC, TMPFS_MAGIC,     OVERLAYFS_SUPER_MAGIC,
                                       kZfsMagic,        kJfsMagic};
  struct statfs about {};
  if (::fstatfs(dirfd, &about) != 0) return false;
  return std::find(kLocal.begin(), kLocal.end(), about.f_type) != kLocal.end();
}

Result<Inotify> Inotify::open() {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd.is_open()) return Inotify(std::move(fd));
  if (errno == EMFILE) return limit_reached("inotify instances", "max_user_instances");
  if (errno == ENOSYS) return Status(Code::unsupported, "this kernel has no inotify");
  return errno_status(errno, "open", "inotify");
}

Result<int> Inotify::add(int dirfd, std::uint32_t mask) {
  // By the descriptor: a path might lead elsewhere by now.
  const std::string path = base::cat("/proc/self/fd/", dirfd);
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), mask | IN_ONLYDIR);
  if (watch >= 0) return watch;
  if (errno == ENOSPC) return limit_reached("watches of directories", "max_user_watches");
  // A directory that has been removed is there for as long as it is open.
  if (errno == ENOENT) return Status(Code::unsupported, "watching directories needs /proc");
  return errno_status(errno, "watch", path_of(dirfd));
}

void Inotify::remove(int watch) noexcept { (void)::inotify_rm_watch(fd_.get(), watch); }

Status Inotify::read(int stop, std::chrono::milliseconds timeout, const EventFunction& each) {
  std::array<pollfd, 2> waited{pollfd{fd_.get(), POLLIN, 0}, pollfd{stop, POLLIN, 0}};
  const int ready = ::poll(waited.data(), waited.size(), static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) return errno_status(errno, "wait for", "inotify");
  alignas(inotify_event) std::array<char, 64u << 10> buffer;
  for (;;) {
    const ssize_t size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return {};
    if (size <= 0) return errno_status(size < 0 ? errno : EIO, "read", "inotify");
    for (const char* at = buffer.data(); at < buffer.data() + size;) {
      inotify_event event;
      std::memcpy(&event, at, sizeof event);
      const char* const name = at + sizeof event;
      each({event.wd, event.mask, std::string_view(name, ::strnlen(name, event.len))});
      at = name + event.len;
    }
  }
}

}  // namespace restante::os

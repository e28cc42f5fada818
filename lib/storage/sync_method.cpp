#include "storage/sync_method.hpp"

#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cstdio>

namespace restante::storage {
namespace {

constexpr long kFuseMagic = 0x65735546;  // FUSE_SUPER_MAGIC of statfs(2)

bool is_kernel_at_least(int wanted_major, int wanted_minor) {
  struct utsname name;
  int major = 0;
  int minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > wanted_major || (major == wanted_major && minor >= wanted_minor);
}

}  // namespace

SyncMethod choose_sync_method(int directory_fd) {
  struct statfs place;
  if (::fstatfs(directory_fd, &place) != 0 || static_cast<long>(place.f_type) == kFuseMagic) {
    return SyncMethod::each_write;
  }
  return is_kernel_at_least(5, 8) ? SyncMethod::file_system : SyncMethod::each_write;
}

}  // namespace restante::storage

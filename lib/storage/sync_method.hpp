#pragma once
// How the local driver makes objects durable.

#include <restante/status.hpp>

namespace restante::storage {

enum class SyncMethod {
  /// Nothing at a put, one syncfs(2) at `sync`: many small files cost one pass over the disk. It also takes
  /// along the directories.
  file_system,
  /// Every file and every directory entry at its put, nothing at `sync`.
  each_write,
};

/// `file_system` where syncfs does what its name says: Linux before 5.8 hides the errors of earlier writes
/// from it, and a FUSE file system need not hear of it. Elsewhere `each_write`.
[[nodiscard]] SyncMethod choose_sync_method(int directory_fd);

}  // namespace restante::storage

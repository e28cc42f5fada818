#pragma once
// Files that are being written.
//
// They stand in one directory at the root of the storage, whose name no key can have, below names that
// begin with the id of the handle that writes them:
//
//     .restante-tmp~/<id>.lock     locked (flock) as long as the handle lives
//     .restante-tmp~/<id>-<n>
//
// So a later opener knows which writers are dead, on this machine or another, without comparing clocks, and
// takes away what they left. It costs as much as there is to take away, however large the storage is.

#include <restante/status.hpp>

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <string>

#include "os/io.hpp"

namespace restante::storage {

/// Thread-safe.
class Temporaries {
 public:
  /// `root_fd` outlives this.
  Temporaries(os::Io& io, int root_fd) : io_(io), root_fd_(root_fd) {}
  Temporaries(const Temporaries&) = delete;
  Temporaries& operator=(const Temporaries&) = delete;
  ~Temporaries();

  /// Removes what dead writers left. Best effort: what cannot be removed is in nobody's way.
  void remove_leftovers();

  struct File {
    os::Fd fd;
    int dirfd = -1;
    std::string name;
  };
  /// A new empty file of mode 0600, to be renamed away or handed to `remove`.
  [[nodiscard]] Result<File> create();
  void remove(const File& file);

 private:
  [[nodiscard]] Result<os::Fd> open_directory();
  [[nodiscard]] Status begin();
  [[nodiscard]] Status lock_new_id();
  [[nodiscard]] bool remove_files_of(int dirfd, const std::vector<os::DirEntry>& entries,
                                     std::string_view id);
  [[nodiscard]] Result<File> create_once();

  os::Io& io_;
  const int root_fd_;
  std::mutex mutex_;
  os::Fd directory_;
  os::Fd lock_;
  std::string id_;
  pid_t owner_ = 0;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> left_some_{false};
};

}  // namespace restante::storage

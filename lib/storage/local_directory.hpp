#pragma once
// What the local driver and its publications share: the directory, who writes there, what was synced.

#include <restante/storage.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "os/io.hpp"
#include "storage/local_tree.hpp"
#include "storage/temporaries.hpp"

namespace restante::storage {

enum class Replace { yes, no };

/// Thread-safe.
class LocalDirectory {
 public:
  LocalDirectory(os::Io& io, os::Fd root, std::string path, SyncMethod method);

  /// Puts one object into `tree`, which is this directory or lies in it.
  [[nodiscard]] Status write(const LocalTree& tree, std::string_view key, ByteView bytes, Replace replace);
  /// Makes durable what was written.
  [[nodiscard]] Status sync();
  /// For `each_write`: the entries of a directory. After a failure the directory counts as `poisoned`.
  [[nodiscard]] Status sync_entries(int dirfd);
  /// `poisoned` after a failed sync.
  [[nodiscard]] Status usable() const;

  os::Io& io;
  const os::Fd root;
  const std::string path;
  const SyncMethod method;
  const LocalTree tree;
  Temporaries temporaries;

 private:
  [[nodiscard]] Result<Temporaries::File> write_temporary(ByteView bytes);
  [[nodiscard]] Status move_into_place(const LocalTree& tree, const Temporaries::File& file,
                                       std::string_view key, Replace replace);

  std::mutex sync_mutex_;
  std::atomic<bool> poisoned_{false};
};

[[nodiscard]] Result<std::unique_ptr<Publication>> make_local_publication(
    std::shared_ptr<LocalDirectory> directory, std::string_view final_prefix,
    std::string_view staging_prefix);

}  // namespace restante::storage

#pragma once
// A directory and the names below it. Every step of a path is opened relative to the one before and links
// are not followed, so no name leads out.

#include <restante/storage.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "os/io.hpp"
#include "storage/sync_method.hpp"

namespace restante::storage {

enum class Missing { fail, make };

/// Thread-safe; as good as the descriptor it was made with.
class LocalTree {
 public:
  LocalTree(os::Io& io, int root_fd, SyncMethod method) : io_(io), root_fd_(root_fd), method_(method) {}

  /// The directory that holds the last component of `key`.
  struct Place {
    os::Fd opened;
    int dirfd = -1;
    std::string leaf;
  };
  /// With `Missing::fail` `not_found` when a directory is not there. Directories are made with mode 0700,
  /// durable at once when the method is `each_write`.
  [[nodiscard]] Result<Place> find(std::string_view key, Missing missing) const;

  /// A descriptor of the object for reading, and what it is.
  struct Object {
    os::Fd fd;
    os::FileInfo info;
  };
  [[nodiscard]] Result<Object> open(std::string_view key) const;
  [[nodiscard]] Result<Bytes> read(std::string_view key, std::uint64_t limit) const;
  [[nodiscard]] Result<ObjectInfo> info(std::string_view key) const;

  /// As Storage::list; what vanishes meanwhile is left out.
  [[nodiscard]] Status list(std::string_view prefix,
                            const std::function<Status(const ObjectInfo&)>& each) const;

  /// Success too if there is none. Directories that become empty go as well.
  [[nodiscard]] Status remove(std::string_view key) const;
  /// Removes the directories above `key` as long as they are empty.
  void remove_empty_parents(std::string_view key) const;
  /// Removes a directory that holds nothing but directories, which are no objects: what was cut off left
  /// them. True if it is gone.
  [[nodiscard]] bool remove_empty_tree(const Place& place) const;

 private:
  [[nodiscard]] Result<os::Fd> enter(int dirfd, const std::string& name, Missing missing) const;
  [[nodiscard]] Status explain(int dirfd, const std::string& name, Missing missing, Status failure) const;
  [[nodiscard]] Status list_directory(int dirfd, const std::string& prefix, int depth,
                                      const std::function<Status(const ObjectInfo&)>& each) const;
  [[nodiscard]] Status list_entry(int dirfd, const os::DirEntry& entry, const std::string& prefix, int depth,
                                  const std::function<Status(const ObjectInfo&)>& each) const;

  [[nodiscard]] bool remove_empty_tree(int dirfd, const std::string& name, int depth) const;

  os::Io& io_;
  const int root_fd_;
  const SyncMethod method_;
};

}  // namespace restante::storage

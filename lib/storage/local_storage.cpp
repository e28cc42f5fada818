#include "storage/local_storage.hpp"

#include <fcntl.h>

#include "base/text.hpp"
#include "os/file.hpp"
#include "storage/local_directory.hpp"

namespace restante {
namespace storage {
namespace {

class LocalStorage final : public Storage {
 public:
  explicit LocalStorage(std::shared_ptr<LocalDirectory> directory) : directory_(std::move(directory)) {}

  std::string describe() const override { return directory_->path; }

  Status put(std::string_view key, ByteView bytes) override {
    return directory_->write(directory_->tree, key, bytes, Replace::yes);
  }
  Status put_if_absent(std::string_view key, ByteView bytes) override {
    return directory_->write(directory_->tree, key, bytes, Replace::no);
  }

  Result<Bytes> get_range(std::string_view key, std::uint64_t offset, std::uint64_t length) override {
    const Result<LocalTree::Object> object = directory_->tree.open(key);
    if (!object.ok()) return object.status();
    const std::uint64_t size = object->info.size;
    if (offset > size || length > size - offset) {
      return Status(Code::damaged,
                    base::cat(key, " has ", size, " bytes, wanted were ", length, " from ", offset));
    }
    Bytes bytes(length);
    const Status read = os::read_exactly_at(directory_->io, object->fd.get(), bytes, offset);
    if (!read.ok()) return read;
    return bytes;
  }

  Result<Bytes> get(std::string_view key, std::uint64_t limit) override {
    return directory_->tree.read(key, limit);
  }
  Result<ObjectInfo> info(std::string_view key) override { return directory_->tree.info(key); }
  Status list(std::string_view prefix, const std::function<Status(const ObjectInfo&)>& each) override {
    return directory_->tree.list(prefix, each);
  }
  Status remove(std::string_view key) override { return directory_->tree.remove(key); }
  Status sync() override { return directory_->sync(); }

  Result<std::unique_ptr<Publication>> publication(std::string_view final_prefix,
                                                   std::string_view staging_prefix) override {
    return make_local_publication(directory_, final_prefix, staging_prefix);
  }

 private:
  // Publications hold it too and may outlive the storage.
  const std::shared_ptr<LocalDirectory> directory_;
};

Result<os::Fd> open_root(os::Io& io, const std::string& path, bool create) {
  Result<os::Fd> root = os::open_dir(io, path);
  if (!root.ok() && root.status().code() == Code::not_found && create) {
    return os::make_dirs(io, AT_FDCWD, path, 0700);
  }
  return root;
}

bool is_directory(os::Io& io, const LocalTree::Place& place) {
  const Result<os::FileInfo> info = io.stat_at(place.dirfd, place.leaf);
  return info.ok() && info->type == os::FileType::directory;
}

}  // namespace

LocalDirectory::LocalDirectory(os::Io& the_io, os::Fd the_root, std::string the_path, SyncMethod the_method)
    : io(the_io),
      root(std::move(the_root)),
      path(std::move(the_path)),
      method(the_method),
      tree(io, root.get(), method),
      temporaries(io, root.get()) {}

Status LocalDirectory::usable() const {
  if (!poisoned_) return {};
  return Status(Code::poisoned, base::cat("an earlier sync of ", base::escape(path), " failed"),
                "open it again; what was put since the last good sync may be lost");
}

Status LocalDirectory::write(const LocalTree& tree, std::string_view key, ByteView bytes, Replace replace) {
  if (Status checked = check_key(key); !checked.ok()) return checked;
  if (Status healthy = usable(); !healthy.ok()) return healthy;
  const Result<Temporaries::File> file = write_temporary(bytes);
  if (!file.ok()) return file.status();
  const Status moved = move_into_place(tree, *file, key, replace);
  if (!moved.ok()) temporaries.remove(*file);
  return moved;
}

Result<Temporaries::File> LocalDirectory::write_temporary(ByteView bytes) {
  Result<Temporaries::File> file = temporaries.create();
  if (!file.ok()) return file;
  Status written = os::write_all_at(io, file->fd.get(), bytes, 0);
  if (written.ok() && method == SyncMethod::each_write) written = io.fsync(file->fd.get());
  if (written.ok()) written = io.close(std::move(file->fd));
  if (written.ok()) return file;
  temporaries.remove(*file);
  return written;
}

Status LocalDirectory::move_into_place(const LocalTree& where, const Temporaries::File& file,
                                       std::string_view key, Replace replace) {
  constexpr int kAttempts = 16;  // each is lost only to a removal that took an empty directory away
  Status moved;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Result<LocalTree::Place> place = where.find(key, Missing::make);
    if (!place.ok() && place.status().code() == Code::not_found) continue;
    if (!place.ok()) return place.status();
    moved = replace == Replace::yes
                ? io.rename_at(file.dirfd, file.name, place->dirfd, place->leaf)
                : io.rename_no_replace_at(file.dirfd, file.name, place->dirfd, place->leaf);
    if (moved.ok()) return method == SyncMethod::each_write ? sync_entries(place->dirfd) : moved;
    if (is_directory(io, *place)) {
      // One that holds no object is what something that was cut off left behind.
      if (where.remove_empty_tree(*place)) continue;
      return Status(Code::invalid_argument, base::cat("there are objects below ", key, ", it cannot be one"));
    }
    if (moved.code() != Code::not_found) return moved;
  }
  return moved.ok() ? Status(Code::busy, base::cat("the directories of ", key, " vanish again and again"))
                    : moved;
}

// The kernel tells an error of earlier writes once. Whoever syncs next hears nothing of it, so that syncs
// wait for each other and none succeeds after one that failed.
Status LocalDirectory::sync() {
  const std::scoped_lock lock(sync_mutex_);
  if (Status healthy = usable(); !healthy.ok()) return healthy;
  if (method == SyncMethod::each_write) return {};
  const Status synced = io.sync_fs(root.get());
  if (!synced.ok()) poisoned_ = true;
  return synced;
}

Status LocalDirectory::sync_entries(int dirfd) {
  const Status synced = io.fsync(dirfd);
  if (!synced.ok()) poisoned_ = true;
  return synced;
}

Result<std::unique_ptr<Storage>> open_local_driver(os::Io& io, const std::string& path,
                                                   const LocalDriverOptions& options) {
  Result<os::Fd> root = open_root(io, path, options.create);
  if (!root.ok()) return root.status();
  const SyncMethod method = options.sync_method.value_or(choose_sync_method(root->get()));
  auto directory = std::make_shared<LocalDirectory>(io, std::move(*root), path, method);
  directory->temporaries.remove_leftovers();
  return std::unique_ptr<Storage>(std::make_unique<LocalStorage>(std::move(directory)));
}

}  // namespace storage

inline namespace v0 {

Result<std::unique_ptr<Storage>> open_local_storage(const std::string& directory,
                                                    const LocalStorageOptions& options) {
  return storage::open_local_driver(os::real_io(), directory, {.create = options.create, .sync_method = {}});
}

}  // namespace v0
}  // namespace restante

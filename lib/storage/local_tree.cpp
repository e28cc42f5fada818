#include "storage/local_tree.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "storage/key.hpp"

namespace restante::storage {
namespace {

Status no_object(std::string_view key) {
  return Status(Code::not_found, base::cat("there is no object ", base::escape(key)));
}

// Objects are sorted by their whole keys, and "a-b" < "a/b": a directory sorts as if its name ended in "/".
std::string sort_name(const os::DirEntry& entry) {
  return entry.type == os::FileType::directory ? entry.name + '/' : entry.name;
}

}  // namespace

Result<LocalTree::Place> LocalTree::find(std::string_view key, Missing missing) const {
  if (Status checked = check_key(key); !checked.ok()) return checked;
  Place place;
  place.dirfd = root_fd_;
  for (std::size_t slash = key.find('/'); slash != std::string_view::npos; slash = key.find('/')) {
    Result<os::Fd> child = enter(place.dirfd, std::string(key.substr(0, slash)), missing);
    if (!child.ok()) return child.status();
    place.opened = std::move(*child);
    place.dirfd = place.opened.get();
    key.remove_prefix(slash + 1);
  }
  place.leaf = key;
  return place;
}

Result<os::Fd> LocalTree::enter(int dirfd, const std::string& name, Missing missing) const {
  Result<os::Fd> child = os::open_dir_at(io_, dirfd, name);
  if (!child.ok() && os::is_absent(child.status()) && missing == Missing::make) {
    const Status made = io_.mkdir_at(dirfd, name, 0700);
    if (!made.ok() && made.code() != Code::already_exists) return made;
    child = os::open_dir_at(io_, dirfd, name);
    if (child.ok() && method_ == SyncMethod::each_write) {
      if (Status synced = io_.fsync(dirfd); !synced.ok()) return synced;
    }
  }
  if (!child.ok()) return explain(dirfd, name, missing, child.status());
  return child;
}

// The system's answer to a file or link in the place of a directory does not say which it was.
Status LocalTree::explain(int dirfd, const std::string& name, Missing missing, Status failure) const {
  if (failure.code() != Code::io) return failure;
  const Result<os::FileInfo> info = io_.stat_at(dirfd, name);
  if (!info.ok()) return failure;
  if (info->type == os::FileType::symlink) {
    return Status(Code::permission, base::cat(base::escape(os::path_of(dirfd, name)),
                                              " is a symbolic link, and none is followed here"));
  }
  if (info->type == os::FileType::directory) return failure;
  if (missing == Missing::fail) return no_object(os::path_of(dirfd, name));
  return Status(Code::invalid_argument, base::cat(base::escape(os::path_of(dirfd, name)),
                                                  " is an object, so nothing can be below it"));
}

Result<LocalTree::Object> LocalTree::open(std::string_view key) const {
  const Result<Place> place = find(key, Missing::fail);
  if (!place.ok()) return place.status();
  // A fifo in the place of an object must not block.
  Result<os::Fd> fd = io_.open_at(place->dirfd, place->leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (!fd.ok() && os::is_absent(fd.status())) return no_object(key);
  if (!fd.ok()) {
    // An object that is there and cannot be opened, for want of descriptors say, is not absent.
    const Result<os::FileInfo> there = io_.stat_at(place->dirfd, place->leaf);
    if (there.ok() && there->type == os::FileType::regular) return fd.status();
    return explain(place->dirfd, place->leaf, Missing::fail, fd.status());
  }
  const Result<os::FileInfo> info = io_.fstat(fd->get());
  if (!info.ok()) return info.status();
  if (info->type != os::FileType::regular) return no_object(key);
  return Object{std::move(*fd), *info};
}

Result<Bytes> LocalTree::read(std::string_view key, std::uint64_t limit) const {
  const Result<Object> object = open(key);
  if (!object.ok()) return object.status();
  if (object->info.size > limit) {
    return Status(Code::no_space, base::cat(key, " is larger than the limit of ", limit, " bytes"));
  }
  Bytes bytes(object->info.size);
  if (Status read = os::read_exactly_at(io_, object->fd.get(), bytes, 0); !read.ok()) return read;
  return bytes;
}

Result<ObjectInfo> LocalTree::info(std::string_view key) const {
  const Result<Place> place = find(key, Missing::fail);
  if (!place.ok()) return place.status();
  const Result<os::FileInfo> info = io_.stat_at(place->dirfd, place->leaf);
  if (!info.ok() && !os::is_absent(info.status())) return info.status();
  if (!info.ok() || info->type != os::FileType::regular) return no_object(key);
  return ObjectInfo{std::string(key), info->size};
}

Status LocalTree::list(std::string_view prefix, const std::function<Status(const ObjectInfo&)>& each) const {
  if (Status checked = check_prefix(prefix); !checked.ok()) return checked;
  if (prefix.empty()) return list_directory(root_fd_, "", 0, each);
  if (prefix.size() >= kMaxKeyBytes) return {};
  // The directory itself is wanted, so one more component is looked for below it.
  const Result<Place> place = find(base::cat(prefix, 'x'), Missing::fail);
  if (!place.ok()) return os::is_absent(place.status()) ? Status() : place.status();
  return list_directory(place->dirfd, std::string(prefix), 0, each);
}

Status LocalTree::list_directory(int dirfd, const std::string& prefix, int depth,
                                 const std::function<Status(const ObjectInfo&)>& each) const {
  if (depth >= base::kMaxTreeDepth) {
    return Status(Code::unsupported, base::cat(prefix, " is deeper than ", base::kMaxTreeDepth, " levels"));
  }
  Result<std::vector<os::DirEntry>> entries = io_.list(dirfd);
  if (!entries.ok()) return os::is_absent(entries.status()) ? Status() : entries.status();
  std::erase_if(*entries, [](const os::DirEntry& entry) { return !is_component(entry.name); });
  std::sort(entries->begin(), entries->end(),
            [](const os::DirEntry& a, const os::DirEntry& b) { return sort_name(a) < sort_name(b); });
  for (const os::DirEntry& entry : *entries) {
    const Status listed = list_entry(dirfd, entry, prefix, depth, each);
    if (!listed.ok()) return listed;
  }
  return {};
}

Status LocalTree::list_entry(int dirfd, const os::DirEntry& entry, const std::string& prefix, int depth,
                             const std::function<Status(const ObjectInfo&)>& each) const {
  if (entry.type == os::FileType::directory) {
    const Result<os::Fd> child = os::open_dir_at(io_, dirfd, entry.name);
    if (!child.ok()) return os::is_absent(child.status()) ? Status() : child.status();
    return list_directory(child->get(), base::cat(prefix, entry.name, '/'), depth + 1, each);
  }
  if (entry.type != os::FileType::regular) return {};
  const Result<os::FileInfo> info = io_.stat_at(dirfd, entry.name);
  if (!info.ok()) return os::is_absent(info.status()) ? Status() : info.status();
  if (info->type != os::FileType::regular) return {};
  return each({base::cat(prefix, entry.name), info->size});
}

Status LocalTree::remove(std::string_view key) const {
  const Result<Place> place = find(key, Missing::fail);
  if (!place.ok()) return os::is_absent(place.status()) ? Status() : place.status();
  const Result<os::FileInfo> info = io_.stat_at(place->dirfd, place->leaf);
  if (!info.ok()) return os::is_absent(info.status()) ? Status() : info.status();
  if (info->type != os::FileType::regular) return {};
  const Status removed = io_.unlink_at(place->dirfd, place->leaf);
  if (!removed.ok()) return os::is_absent(removed) ? Status() : removed;
  if (method_ == SyncMethod::each_write) {
    if (Status synced = io_.fsync(place->dirfd); !synced.ok()) return synced;
  }
  remove_empty_parents(key);
  return {};
}

void LocalTree::remove_empty_parents(std::string_view key) const {
  for (std::size_t slash = key.rfind('/'); slash != std::string_view::npos; slash = key.rfind('/')) {
    key = key.substr(0, slash);
    const Result<Place> place = find(key, Missing::fail);
    // Whatever stands against it, most likely that it is not empty: it stays.
    if (!place.ok() || !io_.rmdir_at(place->dirfd, place->leaf).ok()) return;
  }
}

bool LocalTree::remove_empty_tree(const Place& place) const {
  return remove_empty_tree(place.dirfd, place.leaf, 0);
}

bool LocalTree::remove_empty_tree(int dirfd, const std::string& name, int depth) const {
  if (depth >= base::kMaxTreeDepth) return false;
  const Result<os::Fd> dir = os::open_dir_at(io_, dirfd, name);
  if (!dir.ok()) return false;
  const auto entries = io_.list(dir->get());
  if (!entries.ok()) return false;
  for (const os::DirEntry& entry : *entries) {
    if (entry.type != os::FileType::directory) return false;
    if (!remove_empty_tree(dir->get(), entry.name, depth + 1)) return false;
  }
  return io_.rmdir_at(dirfd, name).ok();
}

}  // namespace restante::storage

#include "stores/maildir_stage.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"

namespace restante::stores {
namespace {

// Beyond so many files one sync of the file system costs less than one of each.
constexpr std::size_t kSingleSyncs = 16;
// Nearly every message is one write; a large one is a few.
constexpr std::size_t kWriteBytes = 256 * 1024;

}  // namespace

Status set_ownership(os::Io& io, int fd, const Ownership& wanted, bool& denied) {
  Result<os::FileInfo> info = io.fstat(fd);
  if (!info.ok()) return info.status();
  if (info->uid != wanted.uid || info->gid != wanted.gid) {
    const Status changed = io.chown(fd, wanted.uid, wanted.gid);
    if (changed.code() == Code::permission) {
      denied = true;
    } else if (!changed.ok()) {
      return changed;
    }
    // chown takes away set-id bits.
    info = io.fstat(fd);
  }
  if (info.ok() && info->mode == wanted.mode) return {};
  const Status changed = io.chmod(fd, wanted.mode);
  if (changed.code() != Code::permission) return changed;
  denied = true;
  return {};
}

Result<os::Fd> Stage::open_directory(const Ownership& of_account) {
  Result<os::Fd> tmp = os::open_dir_at(io_, account_fd_, "tmp");
  if (tmp.ok() || tmp.status().code() != Code::not_found) return tmp;
  if (Status made = io_.mkdir_at(account_fd_, "tmp", 0700); !made.ok()) return made;
  tmp = os::open_dir_at(io_, account_fd_, "tmp");
  if (!tmp.ok()) return tmp;
  bool denied = false;
  const Status owned = set_ownership(io_, tmp->get(), of_account, denied);
  if (denied) denied_ = true;
  if (!owned.ok()) return owned;
  return tmp;
}

Status Stage::open_tmp(const Ownership& of_account) {
  const std::scoped_lock lock(mutex_);
  if (tmp_.is_open()) return {};
  Result<os::Fd> tmp = open_directory(of_account);
  if (tmp.ok()) tmp_ = std::move(*tmp);
  return tmp.status();
}

Stage::Failure Stage::write(ContentReader& content, std::uint64_t size, const Ownership& ownership,
                            const std::int64_t* mtime_ns, File& out) {
  const Status opened = open_tmp(Ownership{0700, ownership.uid, ownership.gid});
  if (!opened.ok()) return {opened, false};
  out.name = names_.next(size);
  out.size = size;
  Result<os::Fd> fd = io_.open_at(tmp_.get(), out.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd.ok()) return {fd.status(), false};
  {
    const std::scoped_lock lock(mutex_);
    files_.insert(out.name);
    unsynced_.push_back(out.name);
  }

  bool content_failed = false;
  bool denied = false;
  Status status = fill(fd->get(), content, size, content_failed);
  if (status.ok()) status = set_ownership(io_, fd->get(), ownership, denied);
  if (status.ok() && mtime_ns != nullptr) status = io_.set_times(fd->get(), *mtime_ns);
  if (status.ok()) status = io_.close(std::move(*fd));
  if (denied) denied_ = true;
  if (!status.ok()) remove(out.name);
  return {status, content_failed};
}

// Content comes in pieces as it was stored; what fits is written at one go.
Status Stage::fill(int fd, ContentReader& content, std::uint64_t size, bool& content_failed) {
  Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(size + 1, kWriteBytes)));
  std::uint64_t offset = 0;
  for (bool ended = false; !ended;) {
    std::size_t filled = 0;
    while (!ended && filled < buffer.size()) {
      const Result<std::size_t> read = content.read(MutableByteView(buffer).subspan(filled));
      content_failed = !read.ok();
      if (!read.ok()) return read.status();
      ended = *read == 0;
      filled += *read;
    }
    if (Status written = os::write_all_at(io_, fd, ByteView(buffer).first(filled), offset); !written.ok()) {
      return written;
    }
    offset += filled;
  }
  if (offset == size) return {};
  content_failed = true;
  return Status(Code::damaged, base::cat("its content has ", offset, " bytes and not ", size));
}

Status Stage::own(const std::string& name, const Ownership& ownership) {
  const Result<os::Fd> fd = io_.open_at(tmp_.get(), name, O_RDONLY | O_NOFOLLOW, 0);
  if (!fd.ok()) return fd.status();
  bool denied = false;
  const Status owned = set_ownership(io_, fd->get(), ownership, denied);
  if (denied) denied_ = true;
  return owned;
}

void Stage::release(const std::string& name) {
  const std::scoped_lock lock(mutex_);
  files_.erase(name);
}

void Stage::remove(const std::string& name) {
  (void)io_.unlink_at(tmp_.get(), name);
  release(name);
}

Status Stage::sync() {
  if (unsynced_.size() > kSingleSyncs) {
    if (Status synced = io_.sync_fs(tmp_.get()); !synced.ok()) return synced;
  } else {
    for (const std::string& name : unsynced_) {
      if (!files_.contains(name)) continue;  // removed since
      const Result<os::Fd> fd = io_.open_at(tmp_.get(), name, O_RDONLY | O_NOFOLLOW, 0);
      if (!fd.ok()) return fd.status();
      if (Status synced = io_.fsync(fd->get()); !synced.ok()) return synced;
    }
  }
  unsynced_.clear();
  return {};
}

void Stage::discard() {
  for (const std::string& name : files_) (void)io_.unlink_at(tmp_.get(), name);
  files_.clear();
  unsynced_.clear();
}

}  // namespace restante::stores

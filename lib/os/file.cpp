#include "os/file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/random.hpp"

namespace restante::os {
namespace {

constexpr int kOpenDirFlags = O_RDONLY | O_DIRECTORY;

// The steps of publish_file up to the closed temporary file.
Status write_temporary(Io& io, int dirfd, const std::string& name, ByteView bytes, mode_t mode) {
  Result<Fd> fd = io.open_at(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd.status();
  if (Status written = write_all_at(io, fd->get(), bytes, 0); !written.ok()) return written;
  if (Status changed = io.chmod(fd->get(), mode); !changed.ok()) return changed;
  if (Status synced = io.fsync(fd->get()); !synced.ok()) return synced;
  return io.close(std::move(*fd));
}

Status remove_children(Io& io, int dirfd, const std::string& name, int depth);

Status remove_entry(Io& io, int dirfd, const std::string& name, FileType type, int depth) {
  if (type != FileType::directory) return io.unlink_at(dirfd, name);
  if (Status removed = remove_children(io, dirfd, name, depth); !removed.ok()) return removed;
  return io.rmdir_at(dirfd, name);
}

Status remove_children(Io& io, int dirfd, const std::string& name, int depth) {
  if (depth >= base::kMaxTreeDepth) {
    return Status(Code::unsupported, base::cat("cannot remove ", base::escape(path_of(dirfd, name)),
                                               ": it is deeper than ", base::kMaxTreeDepth, " levels"));
  }
  const Result<Fd> dir = open_dir_at(io, dirfd, name);
  if (!dir.ok()) return dir.status();
  const Result<std::vector<DirEntry>> entries = io.list(dir->get());
  if (!entries.ok()) return entries.status();
  for (const DirEntry& entry : *entries) {
    const Status removed = remove_entry(io, dir->get(), entry.name, entry.type, depth + 1);
    if (!removed.ok() && !is_absent(removed)) return removed;
  }
  return {};
}

}  // namespace

Result<std::string> temporary_name() {
  std::array<std::uint8_t, 8> random;
  if (Status filled = random_bytes(random); !filled.ok()) return filled;
  return base::cat(kTemporaryPrefix, to_hex(random));
}

Status read_exactly_at(Io& io, int fd, MutableByteView buffer, std::uint64_t offset) {
  while (!buffer.empty()) {
    const Result<std::size_t> size = io.pread(fd, buffer, offset);
    if (!size.ok()) return size.status();
    if (*size == 0) {
      return Status(Code::damaged, base::cat("cannot read ", base::escape(path_of(fd)), ": it ends at ",
                                             offset, ", ", buffer.size(), " bytes early"));
    }
    buffer = buffer.subspan(*size);
    offset += *size;
  }
  return {};
}

Status write_all_at(Io& io, int fd, ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const Result<std::size_t> size = io.pwrite(fd, bytes, offset);
    if (!size.ok()) return size.status();
    if (*size == 0) {
      return Status(Code::io, base::cat("cannot write ", base::escape(path_of(fd)),
                                        ": the system takes no more bytes at ", offset));
    }
    bytes = bytes.subspan(*size);
    offset += *size;
  }
  return {};
}

Status write_again(Io& io, int fd, std::uint64_t begin, std::uint64_t end) {
  Bytes bytes;
  for (; begin < end; begin += bytes.size()) {
    bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, base::kReadStepBytes)));
    if (Status read = read_exactly_at(io, fd, bytes, begin); !read.ok()) return read;
    if (Status written = write_all_at(io, fd, bytes, begin); !written.ok()) return written;
  }
  return {};
}

Result<Bytes> read_file(Io& io, int dirfd, const std::string& name, std::uint64_t limit) {
  const Result<Fd> fd = io.open_at(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (!fd.ok()) return fd.status();
  const Result<FileInfo> info = io.fstat(fd->get());
  if (!info.ok()) return info.status();
  const auto refuse = [&](Code code, std::string_view why) {
    return Status(code, base::cat("cannot read ", base::escape(path_of(dirfd, name)), ": ", why));
  };
  if (info->type != FileType::regular) return refuse(Code::invalid_argument, "it is not a regular file");

  // The size is a hint: the file may grow meanwhile, and files of /proc have none.
  Bytes bytes;
  std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(info->size, limit)) + 1;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + step);
    const Result<std::size_t> size = io.pread(fd->get(), MutableByteView(bytes).subspan(before), before);
    if (!size.ok()) return size.status();
    bytes.resize(before + *size);
    if (bytes.size() > limit) {
      return refuse(Code::no_space, base::cat("it is larger than the limit of ", limit, " bytes"));
    }
    if (*size == 0) return bytes;
    step = base::kReadStepBytes;
  }
}

Status publish_file(Io& io, int dirfd, const std::string& name, ByteView bytes, mode_t mode,
                    Replace replace) {
  if (const std::size_t slash = name.rfind('/'); slash != std::string::npos) {
    // The temporary file and the sync belong to the directory that holds the name.
    const Result<Fd> parent = open_dir_at(io, dirfd, slash == 0 ? "/" : name.substr(0, slash));
    if (!parent.ok()) return parent.status();
    return publish_file(io, parent->get(), name.substr(slash + 1), bytes, mode, replace);
  }
  const Result<std::string> temporary = temporary_name();
  if (!temporary.ok()) return temporary.status();
  Status published = write_temporary(io, dirfd, *temporary, bytes, mode);
  if (published.ok()) {
    published = replace == Replace::yes ? io.rename_at(dirfd, *temporary, dirfd, name)
                                        : io.rename_no_replace_at(dirfd, *temporary, dirfd, name);
  }
  if (!published.ok()) {
    (void)io.unlink_at(dirfd, *temporary);  // the first failure is the one to report
    return published;
  }
  if (dirfd != AT_FDCWD) return io.fsync(dirfd);
  const Result<Fd> current = open_dir(io, ".");
  if (!current.ok()) return current.status();
  return io.fsync(current->get());
}

Result<Fd> open_dir(Io& io, const std::string& path) { return io.open_at(AT_FDCWD, path, kOpenDirFlags, 0); }

Result<Fd> open_dir_at(Io& io, int dirfd, const std::string& name) {
  return io.open_at(dirfd, name, kOpenDirFlags | O_NOFOLLOW, 0);
}

Result<Fd> make_dirs(Io& io, int dirfd, std::string_view path, mode_t mode) {
  Result<Fd> dir = io.open_at(dirfd, path.starts_with('/') ? "/" : ".", kOpenDirFlags, 0);
  while (dir.ok() && !path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (name.empty() || name == ".") continue;

    Result<Fd> child = io.open_at(dir->get(), name, kOpenDirFlags, 0);
    if (!child.ok() && is_absent(child.status())) {
      const Status made = io.mkdir_at(dir->get(), name, mode);
      if (!made.ok() && made.code() != Code::already_exists) return made;
      if (Status synced = io.fsync(dir->get()); !synced.ok()) return synced;
      child = io.open_at(dir->get(), name, kOpenDirFlags, 0);
    }
    if (!child.ok()) return child.status();
    dir = std::move(child);
  }
  return dir;
}

Status remove_tree_at(Io& io, int dirfd, const std::string& name) {
  const Result<FileInfo> info = io.stat_at(dirfd, name);
  if (!info.ok()) return info.status();
  return remove_entry(io, dirfd, name, info->type, 0);
}

Status write_zeros(Io& io, int fd, std::uint64_t bytes) {
  const Bytes zeros(1u << 20, 0);
  for (std::uint64_t offset = 0; offset < bytes; offset += zeros.size()) {
    const std::uint64_t step = std::min<std::uint64_t>(zeros.size(), bytes - offset);
    const Status written =
        write_all_at(io, fd, ByteView(zeros).first(static_cast<std::size_t>(step)), offset);
    if (!written.ok()) return written;
  }
  return {};
}

Status allocate_whole(Io& io, int fd, std::uint64_t bytes) {
  const Status allocated = io.allocate(fd, 0, bytes);
  return allocated.code() == Code::unsupported ? write_zeros(io, fd, bytes) : allocated;
}

}  // namespace restante::os

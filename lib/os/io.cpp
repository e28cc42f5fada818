#include "os/io.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "base/text.hpp"
#include "os/errors.hpp"

namespace restante::os {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// Linux transfers at most this much a call and some systems refuse more.
constexpr std::size_t kMaxTransferBytes = 1 << 30;

template <class Call>
auto retry_interrupted(Call call) {
  auto answer = call();
  while (answer < 0 && errno == EINTR) answer = call();
  return answer;
}

Status status_of(int answer, std::string_view verb, int fd) {
  const int error = errno;
  return answer == 0 ? Status() : errno_status(error, verb, path_of(fd));
}

Status status_of(int answer, std::string_view verb, int dirfd, const std::string& name) {
  const int error = errno;
  return answer == 0 ? Status() : errno_status(error, verb, path_of(dirfd, name));
}

// A NUL would silently cut the name, and the call would act on another file.
Status check_name(std::string_view verb, const std::string& name) {
  if (name.find('\0') == std::string::npos) return {};
  return Status(Code::invalid_argument,
                base::cat("cannot ", verb, ' ', base::escape(name), ": the name holds a zero byte"));
}

Status check_offset(std::string_view verb, int fd, std::uint64_t offset, std::uint64_t length) {
  constexpr std::uint64_t kMaxOffset = INT64_MAX;
  if (offset <= kMaxOffset && length <= kMaxOffset - offset) return {};
  return errno_status(EFBIG, verb, path_of(fd));
}

FileType type_of_mode(mode_t mode) noexcept {
  if (S_ISREG(mode)) return FileType::regular;
  if (S_ISDIR(mode)) return FileType::directory;
  if (S_ISLNK(mode)) return FileType::symlink;
  return FileType::other;
}

std::int64_t nanoseconds(const struct timespec& time) noexcept {
  return static_cast<std::int64_t>(time.tv_sec) * kNsPerSecond + time.tv_nsec;
}

FileInfo info_of(const struct stat& st) noexcept {
  FileInfo info;
  info.type = type_of_mode(st.st_mode);
  info.size = static_cast<std::uint64_t>(st.st_size);
  info.mode = st.st_mode & 07777u;
  info.uid = st.st_uid;
  info.gid = st.st_gid;
  info.mtime_ns = nanoseconds(st.st_mtim);
  info.ctime_ns = nanoseconds(st.st_ctim);
  info.dev = st.st_dev;
  info.ino = st.st_ino;
  info.nlink = st.st_nlink;
  return info;
}

class RealIo final : public Io {
 public:
  Result<Fd> open_at(int dirfd, const std::string& name, int flags, mode_t mode) override {
    if (Status checked = check_name("open", name); !checked.ok()) return checked;
    const int fd = retry_interrupted([&] { return ::openat(dirfd, name.c_str(), flags | O_CLOEXEC, mode); });
    if (fd < 0) return status_of(-1, (flags & O_CREAT) != 0 ? "create" : "open", dirfd, name);
    return Fd(fd);
  }

  Status close(Fd fd) override {
    const std::string path = path_of(fd.get());
    if (::close(fd.release()) == 0 || errno == EINTR) return {};
    return errno_status(errno, "close", path);
  }

  Result<std::size_t> pread(int fd, MutableByteView buffer, std::uint64_t offset) override {
    if (Status checked = check_offset("read", fd, offset, buffer.size()); !checked.ok()) return checked;
    const ssize_t size = retry_interrupted([&] {
      return ::pread(fd, buffer.data(), std::min(buffer.size(), kMaxTransferBytes),
                     static_cast<off_t>(offset));
    });
    if (size < 0) return status_of(-1, "read", fd);
    return static_cast<std::size_t>(size);
  }

  Result<std::size_t> pwrite(int fd, ByteView bytes, std::uint64_t offset) override {
    if (Status checked = check_offset("write", fd, offset, bytes.size()); !checked.ok()) return checked;
    const ssize_t size = retry_interrupted([&] {
      return ::pwrite(fd, bytes.data(), std::min(bytes.size(), kMaxTransferBytes),
                      static_cast<off_t>(offset));
    });
    if (size < 0) return status_of(-1, "write", fd);
    return static_cast<std::size_t>(size);
  }

  Status fsync(int fd) override {
    return status_of(retry_interrupted([&] { return ::fsync(fd); }), "sync", fd);
  }

  Status fdatasync(int fd) override {
    return status_of(retry_interrupted([&] { return ::fdatasync(fd); }), "sync", fd);
  }

  Status sync_fs(int fd) override {
    return status_of(retry_interrupted([&] { return ::syncfs(fd); }), "sync the file system of", fd);
  }

  Status truncate(int fd, std::uint64_t size) override {
    if (Status checked = check_offset("resize", fd, size, 0); !checked.ok()) return checked;
    return status_of(retry_interrupted([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }), "resize",
                     fd);
  }

  Status allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    if (Status checked = check_offset("allocate", fd, offset, length); !checked.ok()) return checked;
    const int answer = retry_interrupted(
        [&] { return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(length)); });
    return status_of(answer, "allocate", fd);
  }

  Status rename_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    if (Status checked = check_names("rename", from, to); !checked.ok()) return checked;
    return renamed(::renameat(from_dirfd, from.c_str(), to_dirfd, to.c_str()), from_dirfd, from, to);
  }

  Status rename_no_replace_at(int from_dirfd, const std::string& from, int to_dirfd,
                              const std::string& to) override {
    if (Status checked = check_names("rename", from, to); !checked.ok()) return checked;
    constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE, which old C libraries do not define
    const auto answer = static_cast<int>(
        ::syscall(SYS_renameat2, from_dirfd, from.c_str(), to_dirfd, to.c_str(), kNoReplace));
    if (answer == 0 || (errno != EINVAL && errno != ENOSYS)) return renamed(answer, from_dirfd, from, to);

    const Result<FileInfo> info = stat_at(from_dirfd, from);
    if (!info.ok()) return info.status();
    if (info->type == FileType::directory) {
      return errno_status(ENOTSUP, "rename without replacing", path_of(from_dirfd, from));
    }
    if (Status linked = link_at(from_dirfd, from, to_dirfd, to); !linked.ok()) return linked;
    return unlink_at(from_dirfd, from);
  }

  Status unlink_at(int dirfd, const std::string& name) override {
    if (Status checked = check_name("remove", name); !checked.ok()) return checked;
    return status_of(::unlinkat(dirfd, name.c_str(), 0), "remove", dirfd, name);
  }

  Status rmdir_at(int dirfd, const std::string& name) override {
    if (Status checked = check_name("remove", name); !checked.ok()) return checked;
    return status_of(::unlinkat(dirfd, name.c_str(), AT_REMOVEDIR), "remove directory", dirfd, name);
  }

  Status mkdir_at(int dirfd, const std::string& name, mode_t mode) override {
    if (Status checked = check_name("create", name); !checked.ok()) return checked;
    return status_of(::mkdirat(dirfd, name.c_str(), mode), "create directory", dirfd, name);
  }

  Status link_at(int from_dirfd, const std::string& from, int to_dirfd, const std::string& to) override {
    if (Status checked = check_names("link", from, to); !checked.ok()) return checked;
    return status_of(::linkat(from_dirfd, from.c_str(), to_dirfd, to.c_str(), 0), "link", to_dirfd, to);
  }

  Result<FileInfo> stat_at(int dirfd, const std::string& name) override {
    if (Status checked = check_name("look at", name); !checked.ok()) return checked;
    struct stat st;
    if (::fstatat(dirfd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return status_of(-1, "look at", dirfd, name);
    }
    return info_of(st);
  }

  Result<FileInfo> fstat(int fd) override {
    struct stat st;
    if (::fstat(fd, &st) != 0) return status_of(-1, "look at", fd);
    return info_of(st);
  }

  Result<std::vector<DirEntry>> list(int dirfd) override {
    // A description of its own: reading moves a position that every copy of a descriptor shares.
    Result<Fd> own = open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (!own.ok()) return own.status();
    Result<std::vector<std::uint8_t>> raw = read_entries(own->get());
    if (!raw.ok()) return raw.status();

    std::vector<DirEntry> entries;
    for (std::size_t at = 0; at < raw->size();) {
      const std::uint8_t* const record = raw->data() + at;
      std::uint16_t size = 0;
      std::memcpy(&size, record + offsetof(RawEntry, size), sizeof size);
      at += size;
      DirEntry entry;
      entry.name = reinterpret_cast<const char*>(record + offsetof(RawEntry, name));
      if (entry.name == "." || entry.name == "..") continue;
      switch (record[offsetof(RawEntry, type)]) {
        case DT_REG: entry.type = FileType::regular; break;
        case DT_DIR: entry.type = FileType::directory; break;
        case DT_LNK: entry.type = FileType::symlink; break;
        case DT_UNKNOWN: {
          const Result<FileInfo> info = stat_at(dirfd, entry.name);
          if (!info.ok() && info.status().code() == Code::not_found) continue;  // removed meanwhile
          if (!info.ok()) return info.status();
          entry.type = info->type;
          break;
        }
        default: break;
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  Result<std::string> readlink_at(int dirfd, const std::string& name) override {
    if (Status checked = check_name("read link", name); !checked.ok()) return checked;
    std::string target(PATH_MAX, '\0');
    const ssize_t size = ::readlinkat(dirfd, name.c_str(), target.data(), target.size());
    if (size < 0) return status_of(-1, "read link", dirfd, name);
    target.resize(static_cast<std::size_t>(size));
    return target;
  }

  Status symlink_at(const std::string& target, int dirfd, const std::string& name) override {
    if (Status checked = check_names("link", target, name); !checked.ok()) return checked;
    return status_of(::symlinkat(target.c_str(), dirfd, name.c_str()), "link", dirfd, name);
  }

  Status set_times(int fd, std::int64_t mtime_ns) override {
    std::int64_t seconds = mtime_ns / kNsPerSecond;
    std::int64_t rest = mtime_ns % kNsPerSecond;
    if (rest < 0) {
      rest += kNsPerSecond;
      --seconds;
    }
    const struct timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(seconds), rest}};
    return status_of(::futimens(fd, times), "set the time of", fd);
  }

  Status chmod(int fd, mode_t mode) override {
    return status_of(retry_interrupted([&] { return ::fchmod(fd, mode); }), "change the mode of", fd);
  }

  Status chown(int fd, uid_t uid, gid_t gid) override {
    return status_of(retry_interrupted([&] { return ::fchown(fd, uid, gid); }), "change the owner of", fd);
  }

 private:
  // linux_dirent64, which C libraries do not declare.
  struct RawEntry {
    std::uint64_t inode;
    std::int64_t position;
    std::uint16_t size;
    std::uint8_t type;
    char name[1];
  };

  // All entries as the kernel writes them: from one call if the buffer may be made large enough for that.
  static Result<std::vector<std::uint8_t>> read_entries(int fd) {
    constexpr std::size_t kFirstBytes = 256 << 10;
    constexpr std::size_t kMostBytes = 64 << 20;
    // What one more entry may need: a buffer with less room left may not hold everything.
    constexpr std::size_t kEntryBytes = sizeof(RawEntry) + 256;
    std::vector<std::uint8_t> buffer;
    for (std::size_t room = kFirstBytes;; room *= 4) {
      buffer.resize(room);
      if (::lseek(fd, 0, SEEK_SET) != 0) return status_of(-1, "list", fd);
      std::size_t filled = 0;
      for (;;) {
        const long size = ::syscall(SYS_getdents64, fd, buffer.data() + filled, buffer.size() - filled);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return status_of(-1, "list", fd);
        if (size == 0) {
          buffer.resize(filled);
          return buffer;
        }
        filled += static_cast<std::size_t>(size);
        if (buffer.size() - filled >= kEntryBytes) continue;
        if (room < kMostBytes) break;  // again, with more room
        buffer.resize(buffer.size() + room);
      }
    }
  }

  static Status check_names(std::string_view verb, const std::string& from, const std::string& to) {
    if (Status checked = check_name(verb, from); !checked.ok()) return checked;
    return check_name(verb, to);
  }

  static Status renamed(int answer, int from_dirfd, const std::string& from, const std::string& to) {
    if (answer == 0) return {};
    const int error = errno;
    return errno_status(error, "rename", base::cat(path_of(from_dirfd, from), " to ", to));
  }
};

}  // namespace

Status Io::symlink_at(const std::string&, int dirfd, const std::string& name) {
  return errno_status(ENOTSUP, "link", path_of(dirfd, name));
}

Io& real_io() noexcept {
  // Never destroyed: threads of the host may still use it while the process ends.
  static Io& io = *new RealIo;
  return io;
}

}  // namespace restante::os

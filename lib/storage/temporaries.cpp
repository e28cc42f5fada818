#include "storage/temporaries.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

#include "base/text.hpp"
#include "os/file.hpp"
#include "os/random.hpp"

namespace restante::storage {
namespace {

const std::string kDirectory = ".restante-tmp~";
constexpr std::string_view kLockSuffix = ".lock";
constexpr int kLockFlags = O_RDWR | O_NOFOLLOW;

std::string lock_name(std::string_view id) { return base::cat(id, kLockSuffix); }

// A lock of the open file, not of the process: two handles of one process meet, and it goes with the last
// descriptor. A child that inherited it only makes leftovers wait for a later opener.
bool lock_now(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB) == 0; }

}  // namespace

Temporaries::~Temporaries() {
  if (!lock_.is_open() || owner_ != ::getpid()) return;
  // A lock file that stays marks files that stay: the next opener finds it unlocked.
  if (!left_some_) (void)io_.unlink_at(directory_.get(), lock_name(id_));
}

Result<os::Fd> Temporaries::open_directory() { return os::open_dir_at(io_, root_fd_, kDirectory); }

void Temporaries::remove_leftovers() {
  const Result<os::Fd> directory = open_directory();
  if (!directory.ok()) return;
  const auto entries = io_.list(directory->get());
  if (!entries.ok()) return;
  for (const os::DirEntry& entry : *entries) {
    if (!entry.name.ends_with(kLockSuffix) || entry.type != os::FileType::regular) continue;
    const Result<os::Fd> lock = io_.open_at(directory->get(), entry.name, kLockFlags, 0);
    if (!lock.ok() || !lock_now(lock->get())) continue;
    const std::string_view id =
        std::string_view(entry.name).substr(0, entry.name.size() - kLockSuffix.size());
    if (remove_files_of(directory->get(), *entries, id)) (void)io_.unlink_at(directory->get(), entry.name);
  }
}

bool Temporaries::remove_files_of(int dirfd, const std::vector<os::DirEntry>& entries, std::string_view id) {
  bool all = true;
  const std::string prefix = base::cat(id, '-');
  for (const os::DirEntry& entry : entries) {
    if (!entry.name.starts_with(prefix)) continue;
    const Status removed = io_.unlink_at(dirfd, entry.name);
    all = all && (removed.ok() || removed.code() == Code::not_found);
  }
  return all;
}

// The first file needs the directory and the lock; a handle that only reads makes neither.
Status Temporaries::begin() {
  const std::scoped_lock lock(mutex_);
  if (lock_.is_open()) return {};
  const Status made = io_.mkdir_at(root_fd_, kDirectory, 0700);
  if (!made.ok() && made.code() != Code::already_exists) return made;
  Result<os::Fd> directory = open_directory();
  if (!directory.ok()) return directory.status();
  directory_ = std::move(*directory);
  return lock_new_id();
}

Status Temporaries::lock_new_id() {
  constexpr int kAttempts = 16;  // each is lost only to an opener that looked between two system calls
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::array<std::uint8_t, 8> random;
    if (Status filled = os::random_bytes(random); !filled.ok()) return filled;
    const std::string id = to_hex(random);
    Result<os::Fd> fd = io_.open_at(directory_.get(), lock_name(id), kLockFlags | O_CREAT | O_EXCL, 0600);
    if (!fd.ok()) return fd.status();
    if (!lock_now(fd->get())) continue;
    const Result<os::FileInfo> info = io_.fstat(fd->get());
    if (!info.ok()) return info.status();
    if (info->nlink == 0) continue;
    id_ = id;
    owner_ = ::getpid();
    lock_ = std::move(*fd);
    return {};
  }
  return Status(Code::busy, "cannot lock a file for temporary names");
}

Result<Temporaries::File> Temporaries::create_once() {
  if (Status begun = begin(); !begun.ok()) return begun;
  File file;
  file.dirfd = directory_.get();
  file.name = base::cat(id_, '-', next_.fetch_add(1));
  Result<os::Fd> fd = io_.open_at(file.dirfd, file.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd.status();
  file.fd = std::move(*fd);
  return file;
}

Result<Temporaries::File> Temporaries::create() {
  Result<File> file = create_once();
  if (!file.ok() && file.status().code() == Code::not_found) {
    return Status(Code::not_found,
                  base::cat("the directory ", kDirectory, " was removed while it was in use"),
                  "open the storage again");
  }
  return file;
}

void Temporaries::remove(const File& file) {
  const Status removed = io_.unlink_at(file.dirfd, file.name);
  if (!removed.ok() && removed.code() != Code::not_found) left_some_ = true;
}

}  // namespace restante::storage

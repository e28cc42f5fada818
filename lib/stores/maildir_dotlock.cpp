#include "stores/maildir_dotlock.hpp"

#include <fcntl.h>

#include <thread>

#include <restante/time.hpp>

#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"

namespace restante::stores {
namespace {

constexpr std::int64_t kStaleNs = 120'000'000'000;
constexpr std::chrono::milliseconds kPause{20};

// True if the lock file is so old that its maker must be dead.
bool is_stale(os::Io& io, int dirfd, const std::string& file) {
  const Result<os::FileInfo> info = io.stat_at(dirfd, file);
  return info.ok() && info->type == os::FileType::regular &&
         info->mtime_ns + kStaleNs < system_clock().now().us * 1000;
}

}  // namespace

Result<Dotlock> Dotlock::acquire(os::Io& io, int dirfd, const std::string& name,
                                 std::chrono::milliseconds deadline) {
  const std::string file = name + ".lock";
  Result<os::Fd> dir = os::open_dir_at(io, dirfd, ".");
  if (!dir.ok()) return dir.status();
  for (std::chrono::milliseconds waited{0};; waited += kPause) {
    const Result<os::Fd> lock = io.open_at(dir->get(), file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (lock.ok()) return Dotlock(io, std::move(*dir), file);
    if (lock.status().code() != Code::already_exists) return lock.status();
    if (is_stale(io, dir->get(), file)) (void)io.unlink_at(dir->get(), file);
    if (waited >= deadline) {
      return Status(Code::busy, base::cat(base::escape(os::path_of(dir->get(), file)), " is held by another"),
                    "stop the mail server, or remove the file if none runs");
    }
    std::this_thread::sleep_for(kPause);
  }
}

Dotlock::~Dotlock() {
  if (dir_.is_open()) (void)io_.unlink_at(dir_.get(), file_);
}

}  // namespace restante::stores

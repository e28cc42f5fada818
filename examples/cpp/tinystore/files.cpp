#include "files.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tinystore {
namespace {

using restante::Code;
using restante::ContentReader;
using restante::ContentRef;
using restante::Result;
using restante::Status;

constexpr std::string_view kUnfinished = "tmp-";
constexpr std::time_t kAbandonedSeconds = 3600;

Status failure(const std::string& path) {
  const Code code = errno == ENOSPC ? Code::no_space : errno == EACCES ? Code::permission : Code::io;
  return Status(code, path + ": " + std::strerror(errno));
}

Status write_all(int fd, restante::ByteView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return failure(path);
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status copy(ContentReader& content, int fd, const std::string& path) {
  restante::Bytes buffer(64 << 10);
  for (;;) {
    const Result<std::size_t> count = content.read(buffer);
    if (!count.ok()) return count.status();
    if (*count == 0) break;
    if (Status written = write_all(fd, {buffer.data(), *count}, path); !written.ok()) return written;
  }
  return ::fsync(fd) == 0 ? Status() : failure(path);
}

}  // namespace

Status Files::prepare() {
  return ::mkdir(directory_.c_str(), 0700) == 0 || errno == EEXIST ? Status() : failure(directory_);
}

std::string Files::path_of(const ContentRef& content) const {
  return directory_ + "/" + content.digest.to_string();
}

Status Files::sync_directory() const {
  const int fd = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failure(directory_);
  Status synced = ::fsync(fd) == 0 ? Status() : failure(directory_);
  ::close(fd);
  return synced;
}

// Under its own name a file is whole and on the disk: it gets that name last.
Status Files::make(const std::string& path, ContentReader& content) {
  std::string unfinished = directory_ + "/" + std::string(kUnfinished) + "XXXXXX";
  const int fd = ::mkostemp(unfinished.data(), O_CLOEXEC);
  if (fd < 0) return failure(unfinished);
  Status made = copy(content, fd, unfinished);
  ::close(fd);
  if (made.ok() && ::rename(unfinished.c_str(), path.c_str()) != 0) made = failure(path);
  if (!made.ok()) {
    ::unlink(unfinished.c_str());
    return made;
  }
  return sync_directory();
}

bool Files::has(const ContentRef& content) const { return ::access(path_of(content).c_str(), F_OK) == 0; }

Status Files::ensure(const ContentRef& content, const restante::RedoLog& log) {
  // Whoever made it may have been killed before the directory was synced, or be about to sync it.
  if (has(content)) return sync_directory();
  const std::string path = path_of(content);
  const Result<std::unique_ptr<ContentReader>> reader = log.open_content(content);
  if (!reader.ok()) return reader.status().with_context(path + " is missing");
  return make(path, **reader);
}

Result<std::string> Files::read(const ContentRef& content) const {
  const std::string path = path_of(content);
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) return failure(path);
  if (bytes.size() != content.size) return Status(Code::damaged, path + " is not as long as it was");
  return bytes;
}

Status Files::sweep(const std::function<bool(const std::string& digest)>& is_needed) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename();
    struct stat found;
    if (name.starts_with(kUnfinished)) {
      if (::stat(entry.path().c_str(), &found) != 0 ||
          found.st_mtime + kAbandonedSeconds > std::time(nullptr))
        continue;
    } else if (is_needed(name)) {
      continue;
    }
    if (::unlink(entry.path().c_str()) != 0 && errno != ENOENT) return failure(entry.path());
  }
  return error ? Status(Code::io, directory_ + ": " + error.message()) : Status();
}

}  // namespace tinystore

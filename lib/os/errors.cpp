#include "os/errors.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace restante::os {
namespace {

// The GNU and the POSIX strerror_r differ in what they return.
[[maybe_unused]] std::string text_from(const char* gnu_answer, const char*) { return gnu_answer; }
[[maybe_unused]] std::string text_from(int posix_answer, const char* buffer) {
  return posix_answer == 0 ? buffer : "unknown error";
}

std::string text_of_errno(int error) {
  std::array<char, 256> buffer{};
  return text_from(::strerror_r(error, buffer.data(), buffer.size()), buffer.data());
}

}  // namespace

Code code_of_errno(int error) noexcept {
  if (error == EAGAIN || error == EWOULDBLOCK) return Code::busy;
  if (error == ENOTSUP || error == EOPNOTSUPP) return Code::unsupported;
  switch (error) {
    case ENOENT: return Code::not_found;
    case EEXIST: return Code::already_exists;
    case EACCES:
    case EPERM:
    case EROFS: return Code::permission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Code::no_space;
    case ENOSYS: return Code::unsupported;
    case EBUSY:
    case ETXTBSY: return Code::busy;
    case ENAMETOOLONG: return Code::invalid_argument;
    default: return Code::io;
  }
}

Status errno_status(int error, std::string_view verb, std::string_view path) {
  std::string hint;
  if (error == EMFILE) hint = "raise the limit of open files of this process";
  return Status(code_of_errno(error),
                base::cat("cannot ", verb, ' ', base::escape(path), ": ", text_of_errno(error)),
                std::move(hint));
}

std::string path_of(int fd) {
  std::array<char, 4096> path;
  const std::string link = base::cat("/proc/self/fd/", fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  if (size <= 0) return base::cat("descriptor ", fd);
  return std::string(path.data(), static_cast<std::size_t>(size));
}

std::string path_of(int dirfd, std::string_view name) {
  if (dirfd == AT_FDCWD || name.starts_with('/')) return std::string(name);
  return name == "." ? path_of(dirfd) : base::cat(path_of(dirfd), '/', name);
}

}  // namespace restante::os

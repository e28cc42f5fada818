#include "os/random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "os/errors.hpp"

namespace restante {
namespace os {

Status random_bytes(MutableByteView out) {
  while (!out.empty()) {
    const ssize_t size = ::getrandom(out.data(), out.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return Status(Code::io, errno_status(errno, "read", "the random source").message());
    out = out.subspan(static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace os

inline namespace v0 {

Result<Id128> Id128::random() {
  Id128 id;
  do {
    if (Status filled = os::random_bytes(id.bytes); !filled.ok()) return filled;
  } while (id.is_none());
  return id;
}

}  // namespace v0
}  // namespace restante

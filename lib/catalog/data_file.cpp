#include "catalog/data_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "base/wire.hpp"
#include "os/file.hpp"

namespace restante::catalog {
namespace {

// LMDB's first two pages, which its documentation calls meta pages (mdb.c: MDB_page, MDB_meta; 64-bit little
// endian machines, the only ones this library is built for).
constexpr std::size_t kPageHeaderBytes = 16;
constexpr std::size_t kRootBytes = 136;
constexpr std::uint16_t kRootPageFlag = 0x08;
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kDataVersion = 1;
constexpr std::size_t kTreeBytes = 48;  // MDB_db, twice

struct Root {
  std::uint32_t page_bytes = 0;
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;
};

Status damaged(const char* what) {
  return Status(Code::damaged, std::string("the catalog's data file ") + what);
}

Result<Root> read_root(os::Io& io, int fd, std::uint64_t offset, std::uint64_t page) {
  std::array<std::uint8_t, kPageHeaderBytes + kRootBytes> bytes;
  if (Status read = os::read_exactly_at(io, fd, bytes, offset); !read.ok()) return read;
  base::ByteReader reader(bytes);
  const std::uint64_t number = reader.u64();
  (void)reader.u16();
  const std::uint16_t flags = reader.u16();
  (void)reader.u32();
  const std::uint32_t magic = reader.u32();
  const std::uint32_t version = reader.u32();
  (void)reader.raw(16);  // fixed address and size of the mapping
  Root root;
  root.page_bytes = reader.u32();  // the first field of the tree of free pages
  (void)reader.raw(2 * kTreeBytes - 4);
  root.last_page = reader.u64();
  root.transaction = reader.u64();
  if (number != page || (flags & kRootPageFlag) == 0 || magic != kMagic) return damaged("has no sound root");
  if (version != kDataVersion) return damaged("is of another version of LMDB");
  return root;
}

Status check_open_file(os::Io& io, int fd) {
  const Result<os::FileInfo> info = io.fstat(fd);
  if (!info.ok()) return info.status();
  if (info->type != os::FileType::regular) return damaged("is not a regular file");
  if (info->size == 0) return {};
  const Result<Root> first = read_root(io, fd, 0, 0);
  if (!first.ok()) return first.status();
  const std::uint64_t page_bytes = first->page_bytes;
  if (page_bytes < 512 || page_bytes > 65536 || (page_bytes & (page_bytes - 1)) != 0) {
    return damaged("has pages of an impossible size");
  }
  const Result<Root> second = read_root(io, fd, page_bytes, 1);
  if (!second.ok()) return second.status();
  const Root& newer = first->transaction > second->transaction ? *first : *second;
  if (newer.last_page >= info->size / page_bytes) return damaged("is shorter than its root says");
  return {};
}

}  // namespace

Status check_data_file(os::Io& io, int dirfd) {
  // Another process may be writing a root at this moment; then the next look finds it whole.
  constexpr int kLooks = 3;
  Status checked;
  for (int look = 0; look < kLooks; ++look) {
    const Result<os::Fd> fd = io.open_at(dirfd, kDataFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (!fd.ok()) return fd.status().code() == Code::not_found ? Status() : fd.status();
    checked = check_open_file(io, fd->get());
    if (checked.code() != Code::damaged) return checked;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return checked;
}

}  // namespace restante::catalog

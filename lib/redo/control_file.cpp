#include "redo/control_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "os/file.hpp"
#include "redo/layout.hpp"

namespace restante::redo {
namespace {

constexpr std::array<std::uint8_t, 8> kControlMagic = {0x89, 'r', 'e', 'd', 'c', '\r', '\n', 0x1a};
constexpr std::uint32_t kLayoutVersion = 1;
// Byte order and width of a pointer: processes that share the page must agree about both.
constexpr std::uint32_t kAbi =
    (std::endian::native == std::endian::little ? 1u : 2u) << 16 | sizeof(void*) * 8;
constexpr std::uint32_t kLibraryVersion = 0 << 16 | 1 << 8 | 0;
constexpr std::size_t kCrcOffset = 12;

std::uint32_t crc_of(ByteView page) {
  static constexpr std::uint8_t kZero[4] = {};
  return base::crc32c(page.subspan(kCrcOffset + 4),
                      base::crc32c(kZero, base::crc32c(page.first(kCrcOffset))));
}

Bytes read_page(os::Io& io, int fd) {
  Bytes bytes(kControlBytes);
  if (!os::read_exactly_at(io, fd, bytes, 0).ok()) bytes.clear();
  return bytes;
}

Status held_by_another(os::Io& io, int fd, const std::string& path, const Status& why) {
  const std::optional<ControlPage> page = decode_control(read_page(io, fd));
  const Result<pid_t> locker = os::FileLock::holder_pid(fd, kLockByte);
  // The lock knows the pid as this process sees it; the page knows it as the holder sees it.
  std::string who = locker.ok() && *locker > 0 ? base::cat("process ", *locker)
                    : page                     ? base::cat("process ", page->pid)
                                               : std::string("another process");
  if (page && !page->holder.empty()) who += base::cat(" (", base::escape(page->holder), ")");
  if (why.code() != Code::busy) return why;
  return Status(Code::busy, base::cat("the redo log in ", base::escape(path), " is open in ", who),
                "one process at a time can have a redo log open");
}

}  // namespace

Bytes encode_control(const ControlPage& page) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.raw(ByteView(kControlMagic));
  writer.u32(kLayoutVersion);
  writer.u32(0);  // checksum, below
  writer.raw(page.boot_id);
  writer.u32(kAbi);
  writer.u32(page.library_version);
  writer.u32(page.pid);
  writer.u32(page.poison ? 1 : 0);
  writer.u64(page.poison_generation);
  const Watermark mark = page.poison.value_or(Watermark{});
  writer.u64(mark.sequence);
  writer.u64(mark.offset);
  writer.u64(mark.lsn);
  writer.i64(page.attached.us);
  writer.u32(static_cast<std::uint32_t>(page.holder.size()));
  writer.u32(0);
  writer.raw(as_bytes(page.holder));
  out.resize(kControlBytes, 0);
  const std::uint32_t crc = crc_of(out);
  for (std::size_t i = 0; i < 4; ++i) out[kCrcOffset + i] = static_cast<std::uint8_t>(crc >> (8 * i));
  return out;
}

std::optional<ControlPage> decode_control(ByteView bytes) {
  if (bytes.size() != kControlBytes || !std::equal(kControlMagic.begin(), kControlMagic.end(), bytes.begin()))
    return std::nullopt;
  base::ByteReader reader(bytes.subspan(kControlMagic.size()));
  const std::uint32_t layout = reader.u32();
  const std::uint32_t crc = reader.u32();
  if (layout != kLayoutVersion || crc != crc_of(bytes)) return std::nullopt;
  ControlPage page;
  page.boot_id = reader.id();
  const std::uint32_t abi = reader.u32();
  page.library_version = reader.u32();
  page.pid = reader.u32();
  const bool poisoned = reader.u32() != 0;
  page.poison_generation = reader.u64();
  Watermark mark;
  mark.sequence = reader.u64();
  mark.offset = reader.u64();
  mark.lsn = reader.u64();
  if (poisoned) page.poison = mark;
  page.attached.us = reader.i64();
  const std::size_t holder = reader.u32();
  (void)reader.u32();
  if (holder > kMaxHolderBytes) return std::nullopt;
  page.holder = as_text(reader.raw(holder));
  if (!reader.ok() || abi != kAbi) return std::nullopt;
  return page;
}

Id128 current_boot_id(os::Io& io) {
  const Result<Bytes> bytes = os::read_file(io, AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256);
  if (!bytes.ok()) return {};
  std::string digits(as_text(*bytes));
  std::erase_if(digits, [](char c) { return c == '-' || c == '\n'; });
  const Result<Id128> id = Id128::parse(digits);
  return id.ok() ? *id : Id128{};
}

Result<std::unique_ptr<ControlFile>> ControlFile::attach(os::Io& io, int directory, const std::string& path,
                                                         const std::string& holder, Time now) {
  Result<os::Fd> fd = io.open_at(directory, std::string(kControlName), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd.status();
  Result<os::FileLock> lock = os::FileLock::acquire(fd->get(), kLockByte);
  if (!lock.ok()) return held_by_another(io, fd->get(), path, lock.status());
  std::unique_ptr<ControlFile> control(new ControlFile(io, std::move(*fd), std::move(*lock)));
  if (Status allocated = io.allocate(control->fd_.get(), 0, kControlBytes);
      !allocated.ok() && allocated.code() != Code::unsupported) {
    return allocated;
  }

  const Id128 boot_id = current_boot_id(io);
  ControlPage& page = control->page_;
  if (std::optional<ControlPage> before = decode_control(read_page(io, control->fd_.get())))
    page = std::move(*before);
  // After a restart of the machine the cache is gone and the disk itself says what is there. Where the
  // machine does not say which boot this is, it counts as the same.
  if (page.boot_id != boot_id) page.poison.reset();
  page.boot_id = boot_id;
  page.library_version = kLibraryVersion;
  page.pid = static_cast<std::uint32_t>(::getpid());
  page.holder = holder;
  page.attached = now;
  if (Status written = control->write(); !written.ok()) return written;
  return control;
}

Status ControlFile::set_poison(const Watermark& watermark) {
  page_.poison = watermark;
  ++page_.poison_generation;
  return write();
}

Status ControlFile::clear_poison() {
  if (!page_.poison) return {};
  page_.poison.reset();
  return write();
}

// Not synced: who has the log and what the cache holds end with the machine's boot.
Status ControlFile::write() { return os::write_all_at(io_, fd_.get(), encode_control(page_), 0); }

}  // namespace restante::redo

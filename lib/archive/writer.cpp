#include "archive/writer.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>

#include "base/text.hpp"

namespace restante::archive {
namespace {

constexpr int kBlockBytes = 64 * 1024;
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

struct WriteEnd {
  void operator()(struct archive* handle) const noexcept {
    // What was not closed is not finished: no end is written.
    archive_write_fail(handle);
    archive_write_free(handle);
  }
};
struct EntryEnd {
  void operator()(struct archive_entry* entry) const noexcept { archive_entry_free(entry); }
};

}  // namespace

struct ArchiveWriter::Impl {
  explicit Impl(const ArchiveOutput& output) : out(output) {}

  const ArchiveOutput& out;
  Status out_status;
  std::uint64_t bytes_out = 0;
  std::unique_ptr<struct archive, WriteEnd> handle;
  std::string name;
  std::uint64_t missing = 0;

  static la_ssize_t take(struct archive* handle, void* self, const void* bytes, std::size_t size) {
    auto& impl = *static_cast<Impl*>(self);
    if (impl.out_status.ok())
      impl.out_status = impl.out(ByteView(static_cast<const std::uint8_t*>(bytes), size));
    if (!impl.out_status.ok()) {
      archive_set_error(handle, EIO, "the output failed");
      return -1;
    }
    impl.bytes_out += size;
    return static_cast<la_ssize_t>(size);
  }

  // A warning counts too: what was asked for was not done exactly.
  [[nodiscard]] Status check(int answer, std::string_view what) const {
    if (answer == ARCHIVE_OK) return {};
    if (!out_status.ok()) return out_status;
    const char* why = archive_error_string(handle.get());
    return Status(Code::io,
                  base::cat("cannot write ", what, ": ", why ? base::escape(why) : "no reason given"));
  }

  [[nodiscard]] Status begin(const std::string& entry_name, unsigned type, std::uint64_t size, mode_t mode,
                             std::int64_t time) {
    const std::unique_ptr<struct archive_entry, EntryEnd> entry(archive_entry_new());
    if (!entry) throw std::bad_alloc();
    archive_entry_set_pathname(entry.get(), entry_name.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), mode);
    archive_entry_set_mtime(entry.get(), time, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    name = entry_name;
    missing = size;
    return check(archive_write_header(handle.get(), entry.get()), entry_name);
  }
};

ArchiveWriter::ArchiveWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArchiveWriter::~ArchiveWriter() = default;

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::open(ArchiveFormat format, int compression_level,
                                                           const ArchiveOutput& out) {
  auto impl = std::make_unique<Impl>(out);
  impl->handle.reset(archive_write_new());
  struct archive* handle = impl->handle.get();
  if (!handle) throw std::bad_alloc();
  if (format == ArchiveFormat::zip) {
    if (Status s = impl->check(archive_write_set_format_zip(handle), "zip"); !s.ok()) return s;
  } else {
    if (Status s = impl->check(archive_write_set_format_pax_restricted(handle), "tar"); !s.ok()) return s;
  }
  if (format == ArchiveFormat::tar_zst) {
    // A libarchive without zstd would run a program of that name.
    if (archive_write_add_filter_zstd(handle) != ARCHIVE_OK)
      return Status(Code::unsupported, "the libarchive of this system cannot compress with zstd",
                    "choose zip, or tar without compression");
    const std::string level = base::cat(compression_level);
    if (Status s = impl->check(
            archive_write_set_filter_option(handle, "zstd", "compression-level", level.c_str()), "zstd");
        !s.ok())
      return Status(Code::invalid_argument, base::cat("there is no compression level ", level));
  }
  archive_write_set_bytes_per_block(handle, kBlockBytes);
  archive_write_set_bytes_in_last_block(handle, 1);
  if (Status s =
          impl->check(archive_write_open(handle, impl.get(), nullptr, Impl::take, nullptr), "the archive");
      !s.ok())
    return s;
  return std::unique_ptr<ArchiveWriter>(new ArchiveWriter(std::move(impl)));
}

Status ArchiveWriter::directory(const std::string& name, std::int64_t time) {
  return impl_->begin(name + "/", AE_IFDIR, 0, kDirectoryMode, time);
}

Status ArchiveWriter::begin_file(const std::string& name, std::uint64_t size, std::int64_t time) {
  return impl_->begin(name, AE_IFREG, size, kFileMode, time);
}

Status ArchiveWriter::write(ByteView bytes) {
  if (bytes.size() > impl_->missing)
    return Status(Code::damaged, base::cat("there is more of ", impl_->name, " than was announced"));
  while (!bytes.empty()) {
    const la_ssize_t took = archive_write_data(impl_->handle.get(), bytes.data(), bytes.size());
    if (took <= 0) return impl_->check(took == 0 ? ARCHIVE_FATAL : static_cast<int>(took), impl_->name);
    bytes = bytes.subspan(static_cast<std::size_t>(took));
    impl_->missing -= static_cast<std::uint64_t>(took);
  }
  return {};
}

Status ArchiveWriter::end_file() {
  if (impl_->missing > 0)
    return Status(Code::damaged, base::cat(impl_->name, " ends ", impl_->missing, " bytes too early"));
  return impl_->check(archive_write_finish_entry(impl_->handle.get()), impl_->name);
}

Status ArchiveWriter::file(const std::string& name, ByteView bytes, std::int64_t time) {
  if (Status s = begin_file(name, bytes.size(), time); !s.ok()) return s;
  if (Status s = write(bytes); !s.ok()) return s;
  return end_file();
}

Status ArchiveWriter::close() {
  return impl_->check(archive_write_close(impl_->handle.get()), "the end of the archive");
}

std::uint64_t ArchiveWriter::bytes_out() const noexcept { return impl_->bytes_out; }

}  // namespace restante::archive

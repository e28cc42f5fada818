// Making the next segment (R10): allocated, with its header, synced, then named.

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/log.hpp"

namespace restante {
inline namespace v0 {
namespace {

// Where the file system cannot allocate, zeros are written: later writes then find their blocks there.
Status allocate_or_write(os::Io& io, int fd, std::uint64_t bytes) {
  Status allocated = io.allocate(fd, 0, bytes);
  if (allocated.code() != Code::unsupported) return allocated;
  const Bytes zeros(1u << 20, 0);
  for (std::uint64_t offset = 0; offset < bytes; offset += zeros.size()) {
    const std::uint64_t step = std::min<std::uint64_t>(zeros.size(), bytes - offset);
    const Status written =
        os::write_all_at(io, fd, ByteView(zeros).first(static_cast<std::size_t>(step)), offset);
    if (!written.ok()) return written;
  }
  return {};
}

std::uint64_t in_blocks(std::uint64_t bytes) {
  return (bytes + redo::kHeaderBlock - 1) / redo::kHeaderBlock * redo::kHeaderBlock;
}

}  // namespace

Result<RedoLog::Impl::Spare> RedoLog::Impl::make_spare(std::uint64_t bytes) {
  Result<std::string> name = os::temporary_name();
  if (!name.ok()) return name.status();
  Result<os::Fd> fd = io_.open_at(directory_->get(), *name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd.status();
  Spare spare{std::move(*fd), std::move(*name), bytes};
  if (Status allocated = allocate_or_write(io_, spare.fd.get(), bytes); !allocated.ok()) {
    drop_spare(spare);
    return allocated;
  }
  return spare;
}

void RedoLog::Impl::drop_spare(Spare& spare) noexcept {
  // What cannot be removed now goes at the next opening.
  if (spare.fd.is_open()) (void)io_.unlink_at(directory_->get(), spare.name);
  spare.fd.reset();
}

Result<RedoLog::Impl::Spare> RedoLog::Impl::take_spare(std::uint64_t bytes) {
  std::optional<Spare> spare = std::exchange(spare_, std::nullopt);
  if (spare && spare->bytes >= bytes) return std::move(*spare);
  if (spare) drop_spare(*spare);
  return make_spare(bytes);
}

Result<RedoLog::Impl::Writer> RedoLog::Impl::create_segment(redo::SegmentHeader& header, std::uint64_t room,
                                                            bool may_be_small, bool* in_doubt) {
  *in_doubt = false;
  const Bytes encoded = redo::encode_header(header);
  const std::uint64_t least = in_blocks(encoded.size() + room);
  Result<Spare> made = take_spare(std::max(in_blocks(options_.segment_bytes), least));
  if (!made.ok() && made.status().code() == Code::no_space && may_be_small) made = make_spare(least);
  if (!made.ok()) return made.status();
  Spare spare = std::move(*made);

  Status step = os::write_all_at(io_, spare.fd.get(), encoded, 0);
  if (step.ok()) step = io_.fsync(spare.fd.get());
  if (step.ok()) {
    step = io_.rename_no_replace_at(directory_->get(), spare.name, directory_->get(),
                                    redo::segment_name(header.sequence));
    // A rename that failed for want of room did not happen; of any other failure that is not known.
    *in_doubt = !step.ok() && step.code() != Code::no_space;
  }
  if (!step.ok()) {
    drop_spare(spare);
    return step;
  }
  if (Status synced = io_.fsync(directory_->get()); !synced.ok()) {
    *in_doubt = true;
    return synced;
  }
  Writer writer;
  writer.capacity = spare.bytes;
  writer.fd = std::make_shared<const os::Fd>(std::move(spare.fd));
  writer.position = encoded.size();
  writer.index = std::make_unique<redo::IndexBuilder>(header.sequence);
  return writer;
}

}  // namespace v0
}  // namespace restante

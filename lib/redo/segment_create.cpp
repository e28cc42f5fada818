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

std::uint64_t in_blocks(std::uint64_t bytes) {
  return (bytes + redo::kHeaderBlock - 1) / redo::kHeaderBlock * redo::kHeaderBlock;
}

}  // namespace

Result<RedoLog::Impl::Spare> RedoLog::Impl::make_spare(std::uint64_t bytes) {
  Result<std::string> name = os::temporary_name();
  if (!name.ok()) return name.status();
  Result<os::Fd> fd = io_.open_at(directory_->get(), *name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd.ok()) return fd.status();
  Spare spare{std::move(*fd), std::move(*name), bytes, 0};
  if (Status allocated = os::allocate_whole(io_, spare.fd.get(), bytes); !allocated.ok()) {
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

Status RedoLog::Impl::keep_spare() {
  os::RobustMutex& lock = control_->page().spare_lock;
  const os::RobustMutex::Taken taken = lock.try_lock();
  if (taken == os::RobustMutex::Taken::no) return {};
  // What he left half made goes at the next opening.
  if (taken == os::RobustMutex::Taken::from_the_dead) lock.repaired();
  const Status kept = keep_only_spare();
  lock.unlock();
  return kept;
}

Status RedoLog::Impl::keep_only_spare() {
  const std::string name(redo::kSpareName);
  const Result<os::FileInfo> there = io_.stat_at(directory_->get(), name);
  if (there.ok() || there.status().code() != Code::not_found) return there.status();
  Result<Spare> spare = make_spare(in_blocks(options_.segment_bytes));
  if (!spare.ok()) return spare.status();
  Status step = os::write_zeros(io_, spare->fd.get(), spare->bytes);
  if (step.ok()) step = io_.fdatasync(spare->fd.get());
  if (step.ok()) step = io_.rename_no_replace_at(directory_->get(), spare->name, directory_->get(), name);
  if (!step.ok()) drop_spare(*spare);
  return step;
}

// With the lock. What is taken gets a name of its own first, so that nobody takes it twice.
Result<RedoLog::Impl::Spare> RedoLog::Impl::take_spare(std::uint64_t bytes) {
  Result<std::string> name = os::temporary_name();
  if (!name.ok()) return name.status();
  const Status taken =
      io_.rename_no_replace_at(directory_->get(), std::string(redo::kSpareName), directory_->get(), *name);
  if (!taken.ok()) return make_spare(bytes);
  Result<os::Fd> fd = io_.open_at(directory_->get(), *name, O_RDWR | O_NOFOLLOW, 0);
  if (!fd.ok()) return fd.status();
  const Result<os::FileInfo> info = io_.fstat(fd->get());
  if (!info.ok()) return info.status();
  Spare spare{std::move(*fd), std::move(*name), info->size, info->size};
  if (spare.bytes >= bytes) return spare;
  drop_spare(spare);
  return make_spare(bytes);
}

Result<RedoLog::Impl::Made> RedoLog::Impl::create_segment(redo::SegmentHeader& header, std::uint64_t room,
                                                          bool may_be_small, bool* in_doubt) {
  *in_doubt = false;
  const Bytes encoded = redo::encode_header(header);
  const std::uint64_t least = in_blocks(encoded.size() + room);
  // Where open transactions take most of a segment, it is larger: each record would have one of its own.
  const std::uint64_t spoken_for = encoded.size() + state_.reserved + redo::kTailRoom;
  const std::uint64_t usual = std::max(options_.segment_bytes, spoken_for + options_.segment_bytes / 2);
  Result<Spare> made = take_spare(std::max(in_blocks(usual), least));
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
  Made result;
  result.capacity = spare.bytes;
  result.position = encoded.size();
  result.filled = std::max(spare.filled, result.position);
  result.fd = std::make_shared<const os::Fd>(std::move(spare.fd));
  return result;
}

}  // namespace v0
}  // namespace restante

#include "redo/segment_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "redo/segment_view.hpp"

namespace restante::redo {
namespace {

constexpr std::string_view kNameBegin = "redo-";
constexpr std::string_view kNameEnd = ".log";
constexpr std::size_t kSequenceDigits = 10;

}  // namespace

std::string segment_name(std::uint64_t sequence) {
  return base::cat(kNameBegin, base::padded(sequence, kSequenceDigits), kNameEnd);
}

std::optional<std::uint64_t> sequence_of_name(std::string_view name) noexcept {
  if (!name.starts_with(kNameBegin) || !name.ends_with(kNameEnd)) return std::nullopt;
  if (name.size() < kNameBegin.size() + kSequenceDigits + kNameEnd.size()) return std::nullopt;
  name.remove_prefix(kNameBegin.size());
  name.remove_suffix(kNameEnd.size());
  // One name for one number: more than ten digits only where ten do not do.
  if (name.size() > kSequenceDigits && name.front() == '0') return std::nullopt;
  const std::optional<std::uint64_t> sequence = base::parse_decimal(name);
  if (!sequence || *sequence == 0) return std::nullopt;
  return sequence;
}

Result<std::shared_ptr<const os::Fd>> SegmentFile::open() const {
  const std::lock_guard lock(mutex_);
  if (std::shared_ptr<const os::Fd> opened = opened_.lock()) return opened;
  const int directory = directory_ ? directory_->get() : AT_FDCWD;
  // A path that somebody gave may be a link; what was found in a directory is none.
  const int follow = directory_ ? O_NOFOLLOW : 0;
  Result<os::Fd> fd = io_.open_at(directory, name_, O_RDONLY | O_NONBLOCK | follow, 0);
  if (!fd.ok()) return fd.status();
  auto shared = std::make_shared<const os::Fd>(std::move(*fd));
  opened_ = shared;
  return std::shared_ptr<const os::Fd>(std::move(shared));
}

Result<ByteView> FileWindow::at(std::uint64_t offset, std::size_t size) {
  if (offset >= limit_) return ByteView{};
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, limit_ - offset));
  if (offset >= begin_ && offset + size <= begin_ + buffer_.size()) {
    return ByteView(buffer_).subspan(static_cast<std::size_t>(offset - begin_), size);
  }
  const std::uint64_t wanted = std::min<std::uint64_t>(std::max(size, read_ahead_), limit_ - offset);
  buffer_.resize(static_cast<std::size_t>(wanted));
  begin_ = offset;
  std::size_t filled = 0;
  while (filled < buffer_.size()) {
    const Result<std::size_t> got =
        io_.pread(fd_->get(), MutableByteView(buffer_).subspan(filled), offset + filled);
    if (!got.ok()) {
      buffer_.clear();
      return got.status();
    }
    if (*got == 0) break;
    filled += *got;
    if (filled >= size) break;  // the rest was only read ahead
  }
  buffer_.resize(filled);
  return ByteView(buffer_).first(std::min(size, filled));
}

}  // namespace restante::redo

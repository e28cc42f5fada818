#include "archive/spool.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "archive/mbox.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"

namespace restante::archive {
namespace {

class PieceReader final : public ContentReader {
 public:
  PieceReader(const Spool& spool, Piece piece, bool quoted, std::uint64_t size)
      : spool_(spool), piece_(piece), quoted_(quoted), missing_(size) {}

  [[nodiscard]] Result<std::size_t> read(MutableByteView buffer) override {
    while (used_ == plain_.size() && !ended_)
      if (Status s = refill(); !s.ok()) return s;
    const std::size_t ready = plain_.size() - used_;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({buffer.size(), ready, missing_}));
    if (size > 0) std::memcpy(buffer.data(), plain_.data() + used_, size);
    used_ += size;
    missing_ -= size;
    return size;
  }

 private:
  [[nodiscard]] Status refill() {
    plain_.clear();
    used_ = 0;
    if (piece_.length == 0) {
      if (quoted_) quoting_.end(plain_);
      ended_ = true;
      return {};
    }
    raw_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece_.length, base::kReadStepBytes)));
    if (Status s = spool_.read(piece_.offset, raw_); !s.ok()) return s;
    piece_.offset += raw_.size();
    piece_.length -= raw_.size();
    if (quoted_) {
      quoting_.add(raw_, plain_);
    } else {
      plain_.swap(raw_);
    }
    return {};
  }

  const Spool& spool_;
  Piece piece_;
  bool quoted_;
  std::uint64_t missing_;
  MboxQuoting quoting_{MboxQuoting::Direction::unquote};
  Bytes raw_;
  Bytes plain_;
  std::size_t used_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<Spool> Spool::open(os::Io& io, const std::string& directory, std::uint64_t limit) {
  const Result<os::Fd> dir = os::open_dir(io, directory);
  if (!dir.ok()) return dir.status().with_context("the scratch directory");
  const Result<std::string> name = os::temporary_name();
  if (!name.ok()) return name.status();
  Result<os::Fd> file = io.open_at(dir->get(), *name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file.ok()) return file.status().with_context("the scratch file");
  if (Status s = io.unlink_at(dir->get(), *name); !s.ok()) return s;
  return Spool(io, std::move(*file), limit);
}

Status Spool::append(ByteView bytes) {
  if (bytes.size() > limit_ - size_)
    return Status(Code::no_space, base::cat("the archive decompresses to more than ", limit_, " bytes"));
  if (Status s = os::write_all_at(*io_, fd_.get(), bytes, size_); !s.ok())
    return s.with_context("the scratch file");
  size_ += bytes.size();
  return {};
}

Status Spool::read(std::uint64_t offset, MutableByteView buffer) const {
  return os::read_exactly_at(*io_, fd_.get(), buffer, offset);
}

Result<bool> SpoolLines::next(std::size_t limit) {
  line_.clear();
  whole_ = true;
  begin_ = at_;
  bool ended = false;
  while (!ended) {
    if (used_ == buffer_.size()) {
      if (Status s = fill(); !s.ok()) return s;
      if (buffer_.empty()) return at_ > begin_;
    }
    const auto first = buffer_.begin() + static_cast<std::ptrdiff_t>(used_);
    const auto last = std::find(first, buffer_.end(), '\n');
    ended = last != buffer_.end();
    const auto size = static_cast<std::size_t>(last - first);
    const std::size_t kept = std::min(size, limit - line_.size());
    line_.append(as_text(ByteView(buffer_).subspan(used_, kept)));
    whole_ = whole_ && kept == size;
    used_ += size + (ended ? 1 : 0);
    at_ += size + (ended ? 1 : 0);
  }
  return true;
}

Status SpoolLines::fill() {
  buffer_.resize(
      static_cast<std::size_t>(std::min<std::uint64_t>(piece_.length - read_, base::kReadStepBytes)));
  used_ = 0;
  if (buffer_.empty()) return {};
  if (Status s = spool_.read(piece_.offset + read_, buffer_); !s.ok()) return s;
  read_ += buffer_.size();
  return {};
}

std::unique_ptr<ContentReader> open_piece(const Spool& spool, Piece piece, bool quoted, std::uint64_t size) {
  return std::make_unique<PieceReader>(spool, piece, quoted, size);
}

Result<ContentRef> SpoolContents::add(Piece piece, bool quoted, std::uint64_t size) {
  PieceReader reader(spool_, piece, quoted, size);
  const Result<ContentRef> content = content_ref_of(reader);
  if (!content.ok()) return content;
  places_.try_emplace(content->digest, Where{piece, quoted, content->size});
  return content;
}

Result<std::unique_ptr<ContentReader>> SpoolContents::open(const ContentRef& content) {
  const auto place = places_.find(content.digest);
  if (place == places_.end())
    return Status(Code::not_found,
                  base::cat("content ", content.digest.to_string(), " is not in the archive"));
  return open_piece(spool_, place->second.piece, place->second.quoted, place->second.size);
}

}  // namespace restante::archive

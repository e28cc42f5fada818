#pragma once
// What was in an archive, in one scratch file without a name: read once in the order of the archive, then
// wherever it is needed.

#include <restante/archive.hpp>

#include <string>
#include <unordered_map>

#include "os/file.hpp"

namespace restante::archive {

// A part of the scratch file.
struct Piece {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class Spool {
 public:
  // Nothing is left in the directory, also after a crash. `limit` in bytes.
  [[nodiscard]] static Result<Spool> open(os::Io& io, const std::string& directory, std::uint64_t limit);

  [[nodiscard]] Status append(ByteView bytes);
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] Status read(std::uint64_t offset, MutableByteView buffer) const;

 private:
  Spool(os::Io& io, os::Fd fd, std::uint64_t limit) : io_(&io), fd_(std::move(fd)), limit_(limit) {}
  os::Io* io_;
  os::Fd fd_;
  std::uint64_t limit_;
  std::uint64_t size_ = 0;
};

// Hands out lines of a piece, without their ends.
class SpoolLines {
 public:
  SpoolLines(const Spool& spool, Piece piece) : spool_(spool), piece_(piece) {}
  // False at the end. A line beyond `limit` is cut there, `is_whole` tells. `offset` is where it begins in
  // the piece, `end` where the next one does.
  [[nodiscard]] Result<bool> next(std::size_t limit);
  [[nodiscard]] const std::string& line() const noexcept { return line_; }
  [[nodiscard]] bool is_whole() const noexcept { return whole_; }
  [[nodiscard]] std::uint64_t offset() const noexcept { return begin_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return at_; }

 private:
  [[nodiscard]] Status fill();
  const Spool& spool_;
  Piece piece_;
  Bytes buffer_;
  std::size_t used_ = 0;
  std::uint64_t read_ = 0;
  std::uint64_t begin_ = 0;
  std::uint64_t at_ = 0;
  std::string line_;
  bool whole_ = true;
};

// Reads a piece; `quoted`: as part of an mbox, of which the message is the first `size` bytes.
[[nodiscard]] std::unique_ptr<ContentReader> open_piece(const Spool& spool, Piece piece, bool quoted,
                                                        std::uint64_t size);

// Contents by their digests.
class SpoolContents final : public ContentOpener {
 public:
  explicit SpoolContents(const Spool& spool) : spool_(spool) {}

  // Notes a content that lies there; reads it for its digest. The message of a quoted piece is its first
  // `size` bytes, or all of it.
  [[nodiscard]] Result<ContentRef> add(Piece piece, bool quoted, std::uint64_t size = UINT64_MAX);
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override;

 private:
  struct Where {
    Piece piece;
    bool quoted = false;
    std::uint64_t size = 0;
  };
  const Spool& spool_;
  std::unordered_map<Digest, Where> places_;
};

}  // namespace restante::archive

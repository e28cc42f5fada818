#include <restante/content.hpp>

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"

namespace restante {
inline namespace v0 {
namespace {

class MemoryReader final : public ContentReader {
 public:
  explicit MemoryReader(ByteView bytes) : left_(bytes) {}
  explicit MemoryReader(Bytes bytes) : owned_(std::move(bytes)), left_(owned_) {}

  Result<std::size_t> read(MutableByteView buffer) override {
    const std::size_t size = std::min(buffer.size(), left_.size());
    std::copy_n(left_.begin(), size, buffer.begin());
    left_ = left_.subspan(size);
    return size;
  }

 private:
  Bytes owned_;
  ByteView left_;
};

}  // namespace

std::unique_ptr<ContentReader> read_from_memory(ByteView bytes) {
  return std::make_unique<MemoryReader>(bytes);
}

std::unique_ptr<ContentReader> read_from_memory(Bytes bytes) {
  return std::make_unique<MemoryReader>(std::move(bytes));
}

Result<Bytes> read_all(ContentReader& reader, std::uint64_t limit) {
  Bytes all;
  std::size_t used = 0;
  for (;;) {
    // The buffer doubles when it is full: a large message is not read in small steps, and one that comes in
    // many pieces is not moved with each.
    if (used == all.size()) all.resize(std::max(base::kReadStepBytes, 2 * used));
    const Result<std::size_t> size = reader.read(MutableByteView(all).subspan(used));
    if (!size.ok()) return size.status();
    used += *size;
    if (used > limit) {
      return Status(Code::no_space, base::cat("the content is larger than the limit of ", limit, " bytes"));
    }
    if (*size == 0) {
      all.resize(used);
      return all;
    }
  }
}

// content_ref_of takes a digest, so it is in crypto/crypto.cpp.

}  // namespace v0
}  // namespace restante

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
  for (;;) {
    const std::size_t before = all.size();
    // The buffer doubles with the vector, so that a large message is not read in small steps.
    all.resize(before + std::max(base::kReadStepBytes, before));
    const Result<std::size_t> size = reader.read(MutableByteView(all).subspan(before));
    if (!size.ok()) return size.status();
    all.resize(before + *size);
    if (all.size() > limit) {
      return Status(Code::no_space, base::cat("the content is larger than the limit of ", limit, " bytes"));
    }
    if (*size == 0) return all;
  }
}

// content_ref_of takes a digest, so it is in crypto/crypto.cpp.

}  // namespace v0
}  // namespace restante

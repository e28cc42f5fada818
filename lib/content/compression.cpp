#include "content/compression.hpp"

#include <zstd.h>

#include <algorithm>
#include <new>

#include "base/text.hpp"
#include "content/content_store.hpp"

namespace restante::content {

struct Compressor::State {
  explicit State(int level) : context(ZSTD_createCCtx()) {
    if (context == nullptr) throw std::bad_alloc();
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);  // clamps what is out of range
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ZSTD_freeCCtx(context); }

  ZSTD_CCtx* const context;
};

Compressor::Compressor(int level) : state_(std::make_unique<State>(level)) {}
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;
Compressor::~Compressor() = default;

Bytes Compressor::compress(ByteView bytes) {
  Bytes out(ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      ZSTD_compress2(state_->context, out.data(), out.size(), bytes.data(), bytes.size());
  // The output has room for anything, so that only memory can be short.
  if (ZSTD_isError(size) != 0) throw std::bad_alloc();
  out.resize(size);
  return out;
}

Bytes compress(ByteView bytes, int level) { return Compressor(level).compress(bytes); }

// The size stands in the frame, so nothing is allocated that is not asked for, and the output itself serves
// as the window.
Result<Bytes> decompress(ByteView bytes, std::uint64_t limit) {
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return Status(Code::damaged, "compressed data do not begin with a frame that says its size");
  }
  if (size > limit) {
    return Status(Code::no_space, base::cat("compressed data hold ", size, " bytes, the limit is ", limit));
  }
  const std::size_t stored = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(stored) != 0 || stored != bytes.size()) {
    return Status(Code::damaged, "compressed data are not one whole frame");
  }
  Bytes out(size);
  const std::size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0) {
    return Status(Code::damaged, base::cat("compressed data: ", ZSTD_getErrorName(got)));
  }
  if (got != size) return Status(Code::damaged, "compressed data hold less than they say");
  return out;
}

}  // namespace restante::content

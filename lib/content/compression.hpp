#pragma once
// zstd, one frame at a time, each with its decompressed size in its header and without dictionary.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <memory>

namespace restante::content {

/// Compresses many things one after the other with one set of tables. One thread at a time.
class Compressor {
 public:
  explicit Compressor(int level);
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;
  ~Compressor();

  [[nodiscard]] Bytes compress(ByteView bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// compress() and decompress() for one thing are in content_store.hpp.

}  // namespace restante::content

#pragma once
// Collects parts into the bytes of one frame. No I/O.

#include <restante/bytes.hpp>

#include <cstddef>
#include <vector>

#include "content/compression.hpp"
#include "content/pack_format.hpp"

namespace restante::content {

/// A frame that waits for its place in a pack.
struct ClosedFrame {
  std::vector<Part> parts;  // with their offsets; `frame` is not known yet
  std::uint32_t raw = 0;
  bool compressed = false;
  Bytes stored;
};

class FrameBuilder {
 public:
  [[nodiscard]] bool empty() const { return parts_.empty(); }
  /// Of the parts alone.
  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] std::size_t part_count() const { return parts_.size(); }

  /// At most base::kContentChunkBytes.
  void add(std::uint8_t kind, const Digest& id, ByteView bytes);
  /// Ends the frame; the next one begins empty.
  [[nodiscard]] ClosedFrame close(Compressor& compressor);

 private:
  Bytes data_;
  std::vector<FramePart> parts_;
};

}  // namespace restante::content

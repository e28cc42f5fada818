#pragma once
// Collects parts into the bytes of one pack. No I/O.

#include <restante/bytes.hpp>

#include "content/compression.hpp"
#include "content/pack_format.hpp"

namespace restante::content {

class PackBuilder {
 public:
  /// `compressor` outlives it. A frame is closed before a part would take it past `frame_bytes`; a part is
  /// never split.
  PackBuilder(const PackIdentity& identity, Compressor& compressor, std::size_t frame_bytes);

  /// At most base::kContentChunkBytes.
  void add(std::uint8_t kind, const Digest& id, ByteView bytes);

  [[nodiscard]] const PackIdentity& identity() const { return identity_; }
  [[nodiscard]] bool empty() const { return part_count() == 0; }
  [[nodiscard]] std::size_t part_count() const { return index_.parts.size() + open_parts_.size(); }
  /// At most this long is the pack if it ends now.
  [[nodiscard]] std::size_t size_bound() const;

  /// A state to return to: closes the open frame.
  struct Mark {
    std::size_t bytes = 0;
    std::size_t frames = 0;
    std::size_t parts = 0;
  };
  [[nodiscard]] Mark mark();
  /// Takes away what was added since, and answers its ids.
  [[nodiscard]] std::vector<Digest> roll_back(const Mark& mark);

  struct Finished {
    Bytes bytes;
    Index index;
  };
  /// Ends it; nothing may be added afterwards.
  [[nodiscard]] Finished finish();

 private:
  void close_frame();
  void append_block(BlockKind kind, std::uint32_t number, ByteView raw);

  const PackIdentity identity_;
  Compressor& compressor_;
  const std::size_t frame_bytes_;
  Bytes bytes_;
  Index index_;
  Bytes open_data_;  // of the frame that is not closed yet
  std::vector<FramePart> open_parts_;
};

}  // namespace restante::content

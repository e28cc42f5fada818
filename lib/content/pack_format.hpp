#pragma once
// Packs <-> bytes (docs/format/content.md). Pure.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.hpp"
#include "crypto/sealer.hpp"

namespace restante::content {

using catalog::Frame;
using catalog::Part;

inline constexpr std::uint16_t kPackVersion = 1;
inline constexpr std::size_t kPackHeaderBytes = 80;
inline constexpr std::size_t kBlockHeaderBytes = 24;
inline constexpr std::size_t kPackFooterBytes = 120;

/// Part kinds.
inline constexpr std::uint8_t kBytesPart = 0;
inline constexpr std::uint8_t kRecipePart = 1;

/// Frames of recipes are closed before they are larger: who looks whether content is there reads them alone.
inline constexpr std::size_t kRecipeFrameBytes = 64u << 10;

/// What a frame begins with.
inline constexpr std::string_view kFrameMagic = "RFRM";

[[nodiscard]] inline Status damaged(std::string_view what) {
  return Status(Code::damaged, std::string(what));
}

inline constexpr std::string_view kPackPrefix = "content/packs/";
/// "content/packs/ab/ab….pack"
[[nodiscard]] std::string pack_key(const Id128& pack);
/// The reverse; `invalid_argument` for a key that names no pack.
[[nodiscard]] Result<Id128> pack_of_key(std::string_view key);

/// Which pack of which target. Checksums cover it, so that nothing passes for a part of another pack.
struct PackIdentity {
  Id128 target;
  Id128 pack;
  bool operator==(const PackIdentity&) const = default;
};

struct PackHeader {
  PackIdentity identity;
  /// To whom its frames are sealed; none for a pack without encryption.
  Id128 key{};
  bool operator==(const PackHeader&) const = default;
  /// With the envelope that follows the header of a sealed pack: where the first frame begins.
  [[nodiscard]] std::size_t length() const {
    return kPackHeaderBytes + (key.is_none() ? 0 : crypto::kEnvelopeBytes);
  }
};
[[nodiscard]] Bytes encode_header(const PackHeader& header);
/// Whose pack it says it is. `damaged`, or `unsupported` for a later version or a required feature.
[[nodiscard]] Result<PackHeader> decode_header(ByteView header);

struct Footer {
  PackHeader header;
  std::uint32_t index_offset = 0;
  std::uint32_t index_length = 0;  // of the whole block
  std::uint32_t frames = 0;
  std::uint32_t parts = 0;
  std::uint64_t pack_length = 0;
};
[[nodiscard]] Bytes encode_footer(const Footer& footer);
[[nodiscard]] Result<Footer> decode_footer(ByteView bytes);

/// A frame or the index with its header: "stored" is what stands behind the header.
enum class BlockKind : std::uint8_t { frame, index };
struct Block {
  BlockKind kind = BlockKind::frame;
  std::uint32_t number = 0;
  std::uint32_t raw = 0;
  bool compressed = false;
  std::uint32_t crc = 0;
  ByteView stored;
};
/// Appends the block to the bytes of its pack and answers the checksum, which covers the place.
std::uint32_t append_block(Bytes& pack, const PackIdentity& identity, const Block& block);
/// What is authenticated with a sealed block: its place and what its header says before the checksum,
/// `stored` being the bytes that will stand behind that.
[[nodiscard]] Bytes seal_context(const PackIdentity& identity, std::uint64_t offset, const Block& block,
                                 std::size_t stored);
/// Reads the block that `bytes` begins with; `damaged` also for a wrong checksum.
[[nodiscard]] Result<Block> decode_block(const PackIdentity& identity, std::uint64_t offset, ByteView bytes);
/// What was stored in a block without a seal; `damaged` unless it is exactly as long as the block says, at
/// most `limit`.
[[nodiscard]] Result<Bytes> open_block(const Block& block, std::size_t limit);

/// A part as the table at the beginning of a frame tells it.
struct FramePart {
  std::uint8_t kind = kBytesPart;
  Digest id;  // in the table of kinds other than 0 only: of those the id does not follow from the bytes
  std::uint32_t length = 0;
};
[[nodiscard]] Bytes encode_frame_table(const std::vector<FramePart>& parts);
struct FrameTable {
  std::vector<FramePart> parts;
  std::uint32_t data_offset = 0;
};
[[nodiscard]] Result<FrameTable> decode_frame_table(ByteView raw);

struct Index {
  std::vector<Frame> frames;
  std::vector<Part> parts;
  /// Of the frames, once more: without it a sealed pack cannot be read. Empty for a pack that is not sealed.
  Bytes envelope;
  bool operator==(const Index&) const = default;
};
[[nodiscard]] Bytes encode_index(const Index& index);
/// Checks that the frames fill the pack up to `end` without gaps and that the parts lie in them.
[[nodiscard]] Result<Index> decode_index(ByteView raw, const Footer& footer);

}  // namespace restante::content

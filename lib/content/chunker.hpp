#pragma once
// Where large content is cut, chosen by what stands there. Pure.
//
// Two large files that differ in places, or hold the same bytes at different offsets, are cut alike where
// they are alike, so that most of their chunks are the same chunks. A cut is made behind the byte where a
// hash of the last 64 bytes has a pattern ("gear": one shift, one addition and one look-up a byte), at least
// 1 MiB and at most 4 MiB behind the one before; of bytes without structure chunks have about 2 MiB.
//
//     Chunker chunker;
//     while (… bytes …) {
//       while (const std::size_t cut = chunker.next_cut(bytes)) {
//         … bytes.first(cut) ends the open chunk …
//         bytes = bytes.subspan(cut);
//       }
//       … bytes belong to the open chunk, which is not ended …
//     }
//
// Where the cuts are does not depend on how the content is cut into calls. It is no part of the format: a
// reader takes chunks as they are; writers that cut differently share less.

#include <restante/bytes.hpp>

#include <cstddef>
#include <cstdint>

#include "base/limits.hpp"

namespace restante::content {

inline constexpr std::size_t kMinChunkBytes = 1u << 20;
inline constexpr std::size_t kTargetChunkBytes = 2u << 20;
inline constexpr std::size_t kMaxChunkBytes = base::kContentChunkBytes;

class Chunker {
 public:
  /// How many of these bytes, which follow those given before, complete the open chunk; the next call begins
  /// behind them. 0: all of them belong to it and it goes on.
  [[nodiscard]] std::size_t next_cut(ByteView bytes) noexcept;

 private:
  std::size_t open_bytes_ = 0;
  std::uint64_t hash_ = 0;
};

}  // namespace restante::content

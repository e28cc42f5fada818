#pragma once
// Keys and values of the catalog <-> bytes. Pure.
//
//   table    key                                  value
//   meta     "stamp"                              version u32, target id
//   meta     "next"                               number of the next pack, u64
//   meta     "dangling"                           entries of `parts` whose pack is forgotten, u64
//   packs    number (u64, big endian)             id, trust u8, parts u32
//   numbers  pack id                              number u64
//   frames   number (u64 BE), frame (u32 BE)      offset, stored, raw, crc (u32 each)
//   parts    part id                              several: varints number, frame, offset, length; kind u8
//
// Numbers stand for pack ids because they are short; none is used twice.

#include <optional>

#include "catalog/catalog.hpp"

namespace restante::catalog {

inline constexpr std::uint32_t kCatalogVersion = 1;

struct PartPlace {
  std::uint64_t pack = 0;
  std::uint32_t frame = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint8_t kind = 0;
};

[[nodiscard]] Bytes encode_stamp(const Id128& target_id);
[[nodiscard]] Bytes encode_u64(std::uint64_t value);
[[nodiscard]] Bytes encode_pack_key(std::uint64_t number);
[[nodiscard]] Bytes encode_pack(const KnownPack& pack);
[[nodiscard]] Bytes encode_frame_key(std::uint64_t number, std::uint32_t frame);
[[nodiscard]] Bytes encode_frame(const Frame& frame);
[[nodiscard]] Bytes encode_place(const PartPlace& place);

[[nodiscard]] std::optional<std::uint64_t> decode_u64(ByteView bytes);
[[nodiscard]] std::optional<std::uint64_t> decode_pack_key(ByteView bytes);
[[nodiscard]] std::optional<KnownPack> decode_pack(ByteView bytes);
[[nodiscard]] std::optional<Frame> decode_frame(ByteView bytes);
[[nodiscard]] std::optional<PartPlace> decode_place(ByteView bytes);

}  // namespace restante::catalog

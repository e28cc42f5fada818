#include "catalog/records.hpp"

#include "base/wire.hpp"

namespace restante::catalog {
namespace {

void big_endian(Bytes& out, std::uint64_t value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(value >> shift));
}

template <class T>
std::optional<T> if_whole(const base::ByteReader& reader, T value) {
  if (!reader.ok() || reader.remaining() != 0) return std::nullopt;
  return value;
}

std::uint32_t varint_u32(base::ByteReader& reader) {
  const std::uint64_t value = reader.varint();
  if (value > UINT32_MAX) reader.fail();
  return static_cast<std::uint32_t>(value);
}

}  // namespace

Bytes encode_stamp(const Id128& target_id) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.u32(kCatalogVersion);
  writer.raw(target_id);
  return out;
}

Bytes encode_u64(std::uint64_t value) {
  Bytes out;
  base::ByteWriter(out).u64(value);
  return out;
}

Bytes encode_pack_key(std::uint64_t number) {
  Bytes out;
  big_endian(out, number, 8);
  return out;
}

Bytes encode_pack(const KnownPack& pack) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.raw(pack.id);
  writer.u8(static_cast<std::uint8_t>(pack.trust));
  writer.u32(pack.parts);
  return out;
}

Bytes encode_frame_key(std::uint64_t number, std::uint32_t frame) {
  Bytes out;
  big_endian(out, number, 8);
  big_endian(out, frame, 4);
  return out;
}

Bytes encode_frame(const Frame& frame) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.u32(frame.offset);
  writer.u32(frame.stored);
  writer.u32(frame.raw);
  writer.u32(frame.crc);
  return out;
}

Bytes encode_place(const PartPlace& place) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.varint(place.pack);
  writer.varint(place.frame);
  writer.varint(place.offset);
  writer.varint(place.length);
  writer.u8(place.kind);
  return out;
}

std::optional<std::uint64_t> decode_u64(ByteView bytes) {
  base::ByteReader reader(bytes);
  const std::uint64_t value = reader.u64();
  return if_whole(reader, value);
}

std::optional<std::uint64_t> decode_pack_key(ByteView bytes) {
  if (bytes.size() != 8) return std::nullopt;
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

std::optional<KnownPack> decode_pack(ByteView bytes) {
  base::ByteReader reader(bytes);
  KnownPack pack;
  pack.id = reader.id();
  const std::uint8_t trust = reader.u8();
  if (trust > static_cast<std::uint8_t>(Trust::damaged)) reader.fail();
  pack.trust = static_cast<Trust>(trust);
  pack.parts = reader.u32();
  return if_whole(reader, pack);
}

std::optional<Frame> decode_frame(ByteView bytes) {
  base::ByteReader reader(bytes);
  Frame frame;
  frame.offset = reader.u32();
  frame.stored = reader.u32();
  frame.raw = reader.u32();
  frame.crc = reader.u32();
  return if_whole(reader, frame);
}

std::optional<PartPlace> decode_place(ByteView bytes) {
  base::ByteReader reader(bytes);
  PartPlace place;
  place.pack = reader.varint();
  place.frame = varint_u32(reader);
  place.offset = varint_u32(reader);
  place.length = varint_u32(reader);
  place.kind = reader.u8();
  return if_whole(reader, place);
}

}  // namespace restante::catalog

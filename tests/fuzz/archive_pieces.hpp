#pragma once
// An archived segment taken apart, so that a fuzzer changes what is inside the compressed frames and behind
// the checksums: `join` compresses, counts and sums again. docs/format/target.md, "Archived segments".

#include <algorithm>
#include <utility>

#include "base/crc32c.hpp"
#include "base/wire.hpp"
#include "content/content_store.hpp"
#include "fuzz.hpp"

namespace restante::fuzz {

struct ArchivePieces {
  /// The first copy of the raw segment's header.
  Bytes header;
  /// Of the index, what stands before the table of frames and behind it.
  Bytes index_head;
  Bytes index_tail;
  /// Raw.
  std::vector<Bytes> frames;
  Lsn first_lsn = 1;
  Lsn last_lsn = 1;

  [[nodiscard]] Bytes encode() const;
  [[nodiscard]] static ArchivePieces decode(ByteView bytes);
  /// `object` must be whole.
  [[nodiscard]] static ArchivePieces split(ByteView object);
  [[nodiscard]] Bytes join(const Id128& target) const;
};

// Compressing is what takes time.
inline constexpr std::size_t kMaxFrames = 6;
inline constexpr std::size_t kArchivePrefixBytes = 12;
inline constexpr std::size_t kArchiveFooterBytes = 28;

inline Bytes ArchivePieces::encode() const {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.u32(static_cast<std::uint32_t>(first_lsn));
  out.u32(static_cast<std::uint32_t>(last_lsn));
  const auto piece = [&](const Bytes& one) {
    out.u16(static_cast<std::uint16_t>(one.size()));
    out.raw(one);
  };
  Bytes short_header = header;
  while (!short_header.empty() && short_header.back() == 0) short_header.pop_back();
  for (const Bytes* one : {&std::as_const(short_header), &index_head, &index_tail}) piece(*one);
  for (const Bytes& frame : frames) piece(frame);
  return bytes;
}

inline ArchivePieces ArchivePieces::decode(ByteView bytes) {
  ArchivePieces pieces;
  base::ByteReader in(bytes);
  pieces.first_lsn = in.u32();
  pieces.last_lsn = in.u32();
  // The last piece may be cut off: what is there is taken.
  const auto piece = [&] {
    const ByteView one = in.raw(std::min<std::size_t>(in.u16(), in.remaining()));
    return Bytes(one.begin(), one.end());
  };
  for (Bytes* one : {&pieces.header, &pieces.index_head, &pieces.index_tail}) *one = piece();
  // As the header fuzzer has it: the zeros behind it and its checksum are made here.
  pieces.header.resize(std::max<std::size_t>(pieces.header.size(), 4096), 0);
  mend_header(pieces.header);
  while (in.ok() && in.remaining() > 0 && pieces.frames.size() < kMaxFrames) pieces.frames.push_back(piece());
  return pieces;
}

inline ArchivePieces ArchivePieces::split(ByteView object) {
  ArchivePieces pieces;
  base::ByteReader start(object.subspan(8));
  const std::uint32_t header_length = start.u32();
  base::ByteReader in(object.subspan(kArchivePrefixBytes, header_length - kArchivePrefixBytes - 4));
  (void)in.raw(2 + 2 + 16 + 16);
  const ByteView header = in.bytes();
  pieces.header.assign(header.begin(), header.end());

  base::ByteReader footer(object.last(kArchiveFooterBytes));
  const std::uint64_t index_at = footer.u64();
  const std::uint32_t index_raw = footer.u32();
  const Result<Bytes> index = content::decompress(
      object.subspan(index_at, object.size() - kArchiveFooterBytes - index_at), index_raw);
  MUST(index.ok());
  base::ByteReader fields(*index);
  (void)fields.varint();
  (void)fields.raw(16);
  (void)fields.varint();
  (void)fields.varint();
  (void)fields.digest();
  pieces.index_head.assign(index->begin(), index->end() - static_cast<std::ptrdiff_t>(fields.remaining()));
  const std::uint64_t count = fields.varint();
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t offset = fields.varint();
    const std::uint64_t stored = fields.varint();
    const std::uint64_t raw = fields.varint();
    const Lsn first = fields.varint();
    if (i == 0) pieces.first_lsn = first;
    pieces.last_lsn = fields.varint();
    const Result<Bytes> frame = content::decompress(object.subspan(offset + 4, stored - 4), raw);
    MUST(frame.ok());
    pieces.frames.push_back(*frame);
  }
  pieces.index_tail.assign(index->end() - static_cast<std::ptrdiff_t>(fields.remaining()), index->end());
  MUST(fields.ok());
  return pieces;
}

inline Bytes ArchivePieces::join(const Id128& target) const {
  Bytes rest;
  base::ByteWriter fields(rest);
  fields.u16(1);
  fields.u16(0);
  fields.raw(Id128{});
  fields.raw(target);
  fields.bytes(header);
  Bytes object;
  base::ByteWriter out(object);
  out.raw(as_bytes("RSTARCH1"));
  out.u32(static_cast<std::uint32_t>(kArchivePrefixBytes + rest.size() + 4));
  out.raw(rest);
  const std::uint32_t of_header = base::crc32c(object);
  out.u32(of_header);
  const auto checksum = [&](std::uint64_t number, ByteView stored) {
    Bytes place;
    base::ByteWriter(place).u64(number);
    return base::crc32c(stored, base::crc32c(place, of_header));
  };

  Bytes index = index_head;
  base::ByteWriter entries(index);
  entries.varint(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Bytes stored = content::compress(frames[i], 1);
    entries.varint(object.size());
    entries.varint(stored.size() + 4);
    entries.varint(frames[i].size());
    entries.varint(first_lsn);
    entries.varint(last_lsn);
    out.u32(checksum(i, stored));
    out.raw(stored);
  }
  entries.raw(index_tail);
  const Bytes stored = content::compress(index, 1);
  Bytes footer;
  base::ByteWriter end(footer);
  end.u64(object.size());
  end.u32(static_cast<std::uint32_t>(index.size()));
  end.u32(checksum(UINT64_MAX, stored));
  out.raw(stored);
  out.raw(footer);
  out.u32(base::crc32c(footer, of_header));
  out.raw(as_bytes("RSTAREND"));
  return object;
}

}  // namespace restante::fuzz

#include "content/pack_format.hpp"

#include <algorithm>
#include <array>

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "content/content_store.hpp"

namespace restante::content {
namespace {

constexpr std::string_view kMagic = "RSTP\r\n\x1a\n";
constexpr std::string_view kEndMagic = "RSTPEND\n";
constexpr std::string_view kIndexMagic = "RIDX";
constexpr std::string_view kPackSuffix = ".pack";
constexpr std::uint8_t kStoredCodec = 0;
constexpr std::uint8_t kZstdCodec = 1;
constexpr std::size_t kCheckedBlockHeaderBytes = 20;
constexpr std::uint32_t kSealedFeature = 1;
constexpr std::size_t kCheckedFooterBytes = 108;
constexpr std::size_t kFrameEntryBytes = 16;
constexpr std::size_t kPartEntryBytes = 48;

bool is_text(ByteView bytes, std::string_view text) { return as_text(bytes) == text; }

Bytes place_of(const PackIdentity& identity, std::uint64_t offset) {
  Bytes place;
  base::ByteWriter writer(place);
  writer.raw(identity.target);
  writer.raw(identity.pack);
  writer.u64(offset);
  return place;
}

std::uint32_t block_crc(const PackIdentity& identity, std::uint64_t offset, ByteView header,
                        ByteView stored) {
  return base::crc32c(stored, base::crc32c(header, base::crc32c(place_of(identity, offset))));
}

void write_block_fields(base::ByteWriter& writer, const Block& block, std::size_t stored) {
  writer.raw(as_bytes(block.kind == BlockKind::frame ? kFrameMagic : kIndexMagic));
  writer.u32(block.number);
  writer.u32(static_cast<std::uint32_t>(stored));
  writer.u32(block.raw);
  writer.u32(block.compressed ? kZstdCodec : kStoredCodec);
}

}  // namespace

std::string pack_key(const Id128& pack) {
  const std::string id = pack.to_string();
  return base::cat(kPackPrefix, id.substr(0, 2), '/', id, kPackSuffix);
}

Result<Id128> pack_of_key(std::string_view key) {
  constexpr std::size_t kIdOffset = kPackPrefix.size() + 3;
  Result<Id128> id = Id128::parse(key.substr(std::min(key.size(), kIdOffset), 32));
  if (id.ok() && pack_key(*id) == key) return id;
  return Status(Code::invalid_argument, base::cat(base::escape(key), " is not the key of a pack"));
}

Bytes encode_header(const PackHeader& header) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.raw(as_bytes(kMagic));
  writer.u16(kPackVersion);
  writer.u16(static_cast<std::uint16_t>(header.length()));
  writer.u32(header.key.is_none() ? 0 : kSealedFeature);
  writer.raw(header.identity.target);
  writer.raw(header.key);
  writer.raw(header.identity.pack);
  writer.u32(0);  // optional features
  writer.u64(0);
  writer.u32(base::crc32c(out));
  return out;
}

Result<PackHeader> decode_header(ByteView bytes) {
  base::ByteReader reader(bytes);
  const ByteView magic = reader.raw(kMagic.size());
  if (bytes.size() != kPackHeaderBytes || !is_text(magic, kMagic)) return damaged("the pack has no header");
  const ByteView crc = bytes.subspan(kPackHeaderBytes - 4);
  if (base::ByteReader(crc).u32() != base::crc32c(bytes.first(kPackHeaderBytes - 4))) {
    return damaged("the checksum of the pack's header is wrong");
  }
  const std::uint16_t version = reader.u16();
  const std::uint16_t length = reader.u16();
  const std::uint32_t required = reader.u32();
  if (version != kPackVersion || (required & ~kSealedFeature) != 0) {
    return Status(Code::unsupported,
                  base::cat("the pack has version ", version, " and required features ", required),
                  "a newer version of restante may read it");
  }
  PackHeader header;
  header.identity.target = reader.id();
  header.key = reader.id();
  header.identity.pack = reader.id();
  if (length != header.length() || header.key.is_none() != (required == 0))
    return damaged("the pack's header does not add up");
  return header;
}

Bytes encode_footer(const Footer& footer) {
  Bytes out = encode_header(footer.header);
  base::ByteWriter writer(out);
  writer.u32(footer.index_offset);
  writer.u32(footer.index_length);
  writer.u32(footer.frames);
  writer.u32(footer.parts);
  writer.u64(footer.pack_length);
  writer.u32(0);
  writer.u32(base::crc32c(out));
  writer.raw(as_bytes(kEndMagic));
  return out;
}

Result<Footer> decode_footer(ByteView bytes) {
  if (bytes.size() != kPackFooterBytes || !is_text(bytes.last(kEndMagic.size()), kEndMagic)) {
    return damaged("the pack has no footer");
  }
  base::ByteReader crc(bytes.subspan(kCheckedFooterBytes, 4));
  if (crc.u32() != base::crc32c(bytes.first(kCheckedFooterBytes))) {
    return damaged("the checksum of the pack's footer is wrong");
  }
  const Result<PackHeader> header = decode_header(bytes.first(kPackHeaderBytes));
  if (!header.ok()) return header.status();
  base::ByteReader reader(bytes.subspan(kPackHeaderBytes));
  Footer footer;
  footer.header = *header;
  footer.index_offset = reader.u32();
  footer.index_length = reader.u32();
  footer.frames = reader.u32();
  footer.parts = reader.u32();
  footer.pack_length = reader.u64();
  const std::uint64_t end = std::uint64_t{footer.index_offset} + footer.index_length + kPackFooterBytes;
  if (footer.index_offset < footer.header.length() || footer.index_length < kBlockHeaderBytes ||
      footer.pack_length > base::kMaxPackBytes || end != footer.pack_length ||
      footer.parts > base::kMaxPackParts || footer.frames > footer.parts) {
    return damaged("the pack's footer does not add up");
  }
  return footer;
}

std::uint32_t append_block(Bytes& pack, const PackIdentity& identity, const Block& block) {
  const std::size_t offset = pack.size();
  base::ByteWriter writer(pack);
  write_block_fields(writer, block, block.stored.size());
  const std::uint32_t crc = block_crc(identity, offset, ByteView(pack).subspan(offset), block.stored);
  writer.u32(crc);
  writer.raw(block.stored);
  return crc;
}

Bytes seal_context(const PackIdentity& identity, std::uint64_t offset, const Block& block,
                   std::size_t stored) {
  Bytes context = place_of(identity, offset);
  base::ByteWriter writer(context);
  write_block_fields(writer, block, stored);
  return context;
}

Result<Block> decode_block(const PackIdentity& identity, std::uint64_t offset, ByteView bytes) {
  base::ByteReader reader(bytes);
  const ByteView magic = reader.raw(kFrameMagic.size());
  Block block;
  if (is_text(magic, kIndexMagic)) {
    block.kind = BlockKind::index;
  } else if (!is_text(magic, kFrameMagic)) {
    return damaged("there is no frame where one should begin");
  }
  block.number = reader.u32();
  const std::uint32_t stored = reader.u32();
  block.raw = reader.u32();
  const std::uint32_t codec = reader.u32();
  block.crc = reader.u32();
  block.stored = reader.raw(stored);
  if (!reader.ok() || stored > base::kMaxContentFrameBytes) return damaged("a frame reaches past its end");
  const ByteView checked = bytes.first(kCheckedBlockHeaderBytes);
  if (block.crc != block_crc(identity, offset, checked, block.stored)) {
    return damaged("the checksum of a frame is wrong");
  }
  if (codec > kZstdCodec) return damaged("a frame has an unknown encoding");
  block.compressed = codec == kZstdCodec;
  return block;
}

Result<Bytes> open_block(const Block& block, std::size_t limit) {
  if (block.raw > limit) return damaged("a frame says it holds more than any may");
  if (!block.compressed) {
    if (block.stored.size() != block.raw) return damaged("a frame holds another length than it says");
    return Bytes(block.stored.begin(), block.stored.end());
  }
  Result<Bytes> raw = decompress(block.stored, block.raw);
  if (!raw.ok()) return damaged(raw.status().message());
  if (raw->size() != block.raw) return damaged("a frame holds another length than it says");
  return raw;
}

Bytes encode_frame_table(const std::vector<FramePart>& parts) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.varint(parts.size());
  for (const FramePart& part : parts) {
    writer.u8(part.kind);
    writer.varint(part.length);
    if (part.kind != kBytesPart) writer.raw(part.id);
  }
  return out;
}

Result<FrameTable> decode_frame_table(ByteView raw) {
  base::ByteReader reader(raw);
  FrameTable table;
  const std::uint64_t count = reader.varint();
  if (count > base::kMaxPackParts) reader.fail();
  std::uint64_t data = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    FramePart part;
    part.kind = reader.u8();
    const std::uint64_t length = reader.varint();
    if (part.kind != kBytesPart) part.id = reader.digest();
    if (length > raw.size()) reader.fail();
    part.length = static_cast<std::uint32_t>(length);
    data += length;
    if (reader.ok()) table.parts.push_back(part);
  }
  if (!reader.ok() || reader.remaining() != data) return damaged("the table of a frame does not add up");
  table.data_offset = static_cast<std::uint32_t>(raw.size() - data);
  return table;
}

Bytes encode_index(const Index& index) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(index.frames.size()));
  writer.u32(static_cast<std::uint32_t>(index.parts.size()));
  for (const Frame& frame : index.frames) {
    writer.u32(frame.offset);
    writer.u32(frame.stored);
    writer.u32(frame.raw);
    writer.u32(frame.crc);
  }
  for (const Part& part : index.parts) {
    writer.raw(part.id);
    writer.u32(part.frame);
    writer.u32(part.offset);
    writer.u32(part.length);
    writer.u32(part.kind);
  }
  writer.raw(index.envelope);
  return out;
}

Result<Index> decode_index(ByteView raw, const Footer& footer) {
  base::ByteReader reader(raw);
  const std::uint32_t frames = reader.u32();
  const std::uint32_t parts = reader.u32();
  const std::size_t envelope_bytes = footer.header.length() - kPackHeaderBytes;
  if (frames != footer.frames || parts != footer.parts ||
      reader.remaining() != frames * kFrameEntryBytes + parts * kPartEntryBytes + envelope_bytes) {
    return damaged("the pack's index has another length than its footer says");
  }
  Index index;
  std::uint64_t end = footer.header.length();
  for (std::uint32_t i = 0; i < frames; ++i) {
    const Frame frame{reader.u32(), reader.u32(), reader.u32(), reader.u32()};
    if (frame.offset != end || frame.raw > base::kMaxContentFrameBytes) {
      return damaged("the frames of the pack's index do not add up");
    }
    end += kBlockHeaderBytes + frame.stored;
    index.frames.push_back(frame);
  }
  if (end != footer.index_offset) return damaged("the frames of the pack's index do not add up");
  for (std::uint32_t i = 0; i < parts; ++i) {
    Part part;
    part.id = reader.digest();
    part.frame = reader.u32();
    part.offset = reader.u32();
    part.length = reader.u32();
    const std::uint32_t kind = reader.u32();
    part.kind = static_cast<std::uint8_t>(kind);
    if (kind > UINT8_MAX || part.frame >= frames ||
        std::uint64_t{part.offset} + part.length > index.frames[part.frame].raw) {
      return damaged("a part of the pack's index lies in no frame");
    }
    index.parts.push_back(part);
  }
  const ByteView envelope = reader.raw(envelope_bytes);
  index.envelope.assign(envelope.begin(), envelope.end());
  return index;
}

}  // namespace restante::content

#include "redo/segment_header.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::redo {
namespace {

using base::ByteReader;
using base::ByteWriter;

constexpr std::size_t kCrcOffset = 20;
constexpr std::size_t kOpenFixedBytes = 8 + 8 + 8 + 8 + 4 + 2 + 2;
constexpr std::uint16_t kOpenIsRewind = 1;

std::uint64_t copy_length_of(const SegmentHeader& header) {
  std::uint64_t length = kHeaderFixedBytes;
  for (const OpenTransaction& open : header.open) length += kOpenFixedBytes + open.account_id.size();
  return (length + kHeaderBlock - 1) / kHeaderBlock * kHeaderBlock;
}

std::uint32_t crc_of(ByteView copy) {
  static constexpr std::uint8_t kZero[4] = {};
  const std::uint32_t before = base::crc32c(copy.first(kCrcOffset));
  return base::crc32c(copy.subspan(kCrcOffset + 4), base::crc32c(kZero, before));
}

void put_open(ByteWriter& writer, const OpenTransaction& open) {
  writer.u64(open.begin_lsn);
  writer.u64(open.sequence);
  writer.u64(open.offset);
  writer.i64(open.begin_time.us);
  writer.u32(open.reserved_bytes);
  writer.u16(open.is_rewind ? kOpenIsRewind : 0);
  writer.u16(static_cast<std::uint16_t>(open.account_id.size()));
  writer.raw(as_bytes(open.account_id));
}

Bytes encode_copy(const SegmentHeader& header, std::uint32_t copy) {
  Bytes out;
  out.reserve(static_cast<std::size_t>(header.copy_length));
  ByteWriter writer(out);
  writer.raw(ByteView(kSegmentMagic));
  writer.u32(kFormatVersion);
  writer.u32(static_cast<std::uint32_t>(header.copy_length));
  writer.u32(copy);
  writer.u32(0);  // checksum, below
  writer.u32(0);  // required features
  writer.u32(0);  // optional features
  writer.raw(header.log);
  writer.raw(header.incarnation);
  writer.raw(header.server);
  writer.raw(header.parent.parent.log);
  writer.raw(header.parent.parent.incarnation);
  writer.u64(header.parent.parent.lsn);
  writer.u64(header.parent.parent_sequence);
  writer.u64(header.sequence);
  writer.u64(header.first_lsn);
  writer.u64(header.previous_end);
  writer.u32(header.previous_last_crc);
  writer.u32(static_cast<std::uint32_t>(header.open.size()));
  writer.i64(header.created_wall.us);
  writer.i64(header.created_commit.us);
  writer.u64(header.opened_sequence);
  writer.raw(header.key);
  out.resize(kHeaderFixedBytes, 0);
  for (const OpenTransaction& open : header.open) put_open(writer, open);
  out.resize(static_cast<std::size_t>(header.copy_length), 0);
  const std::uint32_t crc = crc_of(out);
  for (std::size_t i = 0; i < 4; ++i) out[kCrcOffset + i] = static_cast<std::uint8_t>(crc >> (8 * i));
  return out;
}

OpenTransaction get_open(ByteReader& reader) {
  OpenTransaction open;
  open.begin_lsn = reader.u64();
  open.sequence = reader.u64();
  open.offset = reader.u64();
  open.begin_time.us = reader.i64();
  open.reserved_bytes = reader.u32();
  open.is_rewind = (reader.u16() & kOpenIsRewind) != 0;
  const std::size_t length = reader.u16();
  open.account_id = as_text(reader.raw(length));
  return open;
}

Status damaged_header(std::string_view why) {
  return Status(Code::damaged, base::cat("the segment header ", why));
}

}  // namespace

Bytes encode_header(SegmentHeader& header) {
  header.copy_length = copy_length_of(header);
  Bytes both = encode_copy(header, 0);
  const Bytes second = encode_copy(header, 1);
  both.insert(both.end(), second.begin(), second.end());
  return both;
}

Result<SegmentHeader> decode_header_copy(ByteView bytes, std::uint32_t copy) {
  if (bytes.size() < kHeaderFixedBytes) return damaged_header("is cut short");
  if (!std::equal(kSegmentMagic.begin(), kSegmentMagic.end(), bytes.begin())) {
    return damaged_header("does not begin with the mark of a redo log segment");
  }
  ByteReader reader(bytes.subspan(kSegmentMagic.size()));
  const std::uint32_t version = reader.u32();
  SegmentHeader header;
  header.copy_length = reader.u32();
  const std::uint32_t number = reader.u32();
  const std::uint32_t crc = reader.u32();
  const std::uint32_t required = reader.u32();
  const bool length_is_possible = header.copy_length >= kHeaderFixedBytes &&
                                  header.copy_length % kHeaderBlock == 0 &&
                                  header.copy_length <= bytes.size();
  if (!length_is_possible) return damaged_header("has an impossible length or is cut short");
  if (crc_of(bytes.first(static_cast<std::size_t>(header.copy_length))) != crc) {
    return damaged_header("is not intact: its checksum is wrong");
  }
  // The meaning of the fields above is the same in every version, so that a newer one is told from damage.
  if (version != kFormatVersion || (required & ~kKnownFeatures) != 0) {
    return Status(Code::unsupported,
                  base::cat("the segment has format version ", version, " with required features ", required,
                            "; this library reads version ", kFormatVersion),
                  "use a newer version of restante");
  }
  if (number != copy) return damaged_header("is the other copy");

  (void)reader.u32();  // optional features
  header.log = reader.id();
  header.incarnation = reader.id();
  header.server = reader.id();
  header.parent.parent.log = reader.id();
  header.parent.parent.incarnation = reader.id();
  header.parent.parent.lsn = reader.u64();
  header.parent.parent_sequence = reader.u64();
  header.sequence = reader.u64();
  header.first_lsn = reader.u64();
  header.previous_end = reader.u64();
  header.previous_last_crc = reader.u32();
  const std::uint32_t open_count = reader.u32();
  header.created_wall.us = reader.i64();
  header.created_commit.us = reader.i64();
  header.opened_sequence = reader.u64();
  header.key = reader.id();
  if (!header.key.is_none()) {
    return Status(Code::unsupported, "the segment is encrypted", "use a newer version of restante");
  }
  if (header.first_lsn == 0 || header.sequence == 0) return damaged_header("has no first LSN or sequence");

  const std::size_t open_bytes = static_cast<std::size_t>(header.copy_length) - kHeaderFixedBytes;
  if (open_count > open_bytes / kOpenFixedBytes)
    return damaged_header("lists more open transactions than it has room for");
  base::ByteReader opens(bytes.subspan(kHeaderFixedBytes, open_bytes));
  for (std::uint32_t i = 0; i < open_count; ++i) header.open.push_back(get_open(opens));
  if (!reader.ok() || !opens.ok()) return damaged_header("is cut short");
  return header;
}

}  // namespace restante::redo

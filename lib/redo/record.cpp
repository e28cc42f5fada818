#include "redo/record.hpp"

#include <algorithm>
#include <array>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::redo {
namespace {

constexpr std::size_t kCrcOffset = 4;

/// Little-endian values one behind the other, in memory that has room for them.
class FixedWriter {
 public:
  explicit FixedWriter(std::uint8_t* out) noexcept : out_(out) {}
  void u8(std::uint8_t value) noexcept { put(value, 1); }
  void u16(std::uint16_t value) noexcept { put(value, 2); }
  void u32(std::uint32_t value) noexcept { put(value, 4); }
  void u64(std::uint64_t value) noexcept { put(value, 8); }
  void i64(std::int64_t value) noexcept { put(static_cast<std::uint64_t>(value), 8); }
  void raw(ByteView bytes) noexcept { out_ = std::copy(bytes.begin(), bytes.end(), out_); }

 private:
  void put(std::uint64_t value, std::size_t size) noexcept {
    for (std::size_t i = 0; i < size; ++i) *out_++ = static_cast<std::uint8_t>(value >> (8 * i));
  }
  std::uint8_t* out_;
};

std::uint32_t head_crc(ByteView head, const Place& place) noexcept {
  std::array<std::uint8_t, 48 + kHeadBytes - 4> covered;
  FixedWriter writer(covered.data());
  writer.raw(place.log.bytes);
  writer.raw(place.incarnation.bytes);
  writer.u64(place.sequence);
  writer.u64(place.offset);
  writer.raw(head.first(kCrcOffset));
  writer.raw(head.subspan(kCrcOffset + 4, kHeadBytes - kCrcOffset - 4));
  return base::crc32c(covered);
}

void append_origin(Bytes& out, const Origin& origin) {
  base::ByteWriter writer(out);
  for (const std::string* part : {&origin.client, &origin.session, &origin.address}) {
    writer.u8(static_cast<std::uint8_t>(part->size()));
    writer.raw(as_bytes(*part));
  }
}

std::size_t origin_length(const Origin& origin) {
  if (origin == Origin{}) return 0;
  return 3 + origin.client.size() + origin.session.size() + origin.address.size();
}

void put_head(std::uint8_t* out, const RecordHead& head) noexcept {
  FixedWriter writer(out);
  writer.u32(head.length);
  writer.u32(head.head_crc);
  writer.u32(head.body_crc);
  writer.u8(static_cast<std::uint8_t>(head.kind));
  writer.u8(head.flags);
  writer.u16(head.account_length);
  writer.u64(head.lsn);
  writer.u64(head.durable_lsn);
  writer.i64(head.wall_time.us);
  writer.i64(head.commit_time.us);
  writer.u64(head.transaction);
  writer.u16(head.origin_length);
  writer.u16(0);
  writer.u32(0);
}

Status not_a_record(const Place& place, std::string_view why) {
  return Status(Code::damaged, base::cat("the record at offset ", place.offset, " of segment ",
                                         place.sequence, " cannot be read: ", why));
}

}  // namespace

std::string_view name_of(RecordKind kind) noexcept {
  switch (kind) {
    case RecordKind::begin: return "begin";
    case RecordKind::commit: return "commit";
    case RecordKind::abort: return "abort";
    case RecordKind::append: return "append";
    case RecordKind::content: return "content";
    case RecordKind::touch: return "touch";
    case RecordKind::mark: return "mark";
    case RecordKind::clock_step: return "clock-step";
    case RecordKind::incarnation: return "incarnation";
  }
  return "unknown";
}

std::string_view Record::account_id() const noexcept {
  if (bytes.size() < kHeadBytes + head.account_length) return {};
  return as_text(ByteView(bytes).subspan(kHeadBytes, head.account_length));
}

ByteView Record::body() const noexcept {
  const std::size_t begin = kHeadBytes + head.account_length + head.origin_length;
  const std::size_t end = std::min<std::size_t>(bytes.size(), head.length);
  return begin <= end ? ByteView(bytes).subspan(begin, end - begin) : ByteView{};
}

Result<Origin> Record::origin() const {
  Origin origin;
  if (head.origin_length == 0) return origin;
  const std::size_t begin = kHeadBytes + head.account_length;
  if (bytes.size() < begin + head.origin_length) {
    return not_a_record({{}, {}, sequence, offset}, "its origin is cut short");
  }
  base::ByteReader reader(ByteView(bytes).subspan(begin, head.origin_length));
  for (std::string* part : {&origin.client, &origin.session, &origin.address}) {
    *part = as_text(reader.raw(reader.u8()));
  }
  if (!reader.ok()) return not_a_record({{}, {}, sequence, offset}, "its origin is cut short");
  return origin;
}

void begin_frame(Bytes& frame, std::string_view account_id, const Origin& origin) {
  frame.assign(kHeadBytes, 0);
  base::ByteWriter(frame).raw(as_bytes(account_id));
  if (origin_length(origin) != 0) append_origin(frame, origin);
}

void close_frame(Bytes& frame, RecordHead& head, std::string_view account_id, const Origin& origin) {
  head.length = static_cast<std::uint32_t>(frame.size());
  head.account_length = static_cast<std::uint16_t>(account_id.size());
  head.origin_length = static_cast<std::uint16_t>(origin_length(origin));
  frame.resize(static_cast<std::size_t>(padded_size(frame.size())), 0);
  head.body_crc = base::crc32c(ByteView(frame).subspan(kHeadBytes));
}

void finish_frame(Bytes& frame, RecordHead& head, const Place& place) {
  put_head(frame.data(), head);
  head.head_crc = head_crc(ByteView(frame).first(kHeadBytes), place);
  FixedWriter(frame.data() + kCrcOffset).u32(head.head_crc);
}

std::optional<RecordHead> decode_head(ByteView bytes, const Place& place) noexcept {
  if (bytes.size() < kHeadBytes) return std::nullopt;
  base::ByteReader reader(bytes.first(kHeadBytes));
  RecordHead head;
  head.length = reader.u32();
  head.head_crc = reader.u32();
  head.body_crc = reader.u32();
  head.kind = static_cast<RecordKind>(reader.u8());
  head.flags = reader.u8();
  head.account_length = reader.u16();
  head.lsn = reader.u64();
  head.durable_lsn = reader.u64();
  head.wall_time.us = reader.i64();
  head.commit_time.us = reader.i64();
  head.transaction = reader.u64();
  head.origin_length = reader.u16();
  // Cheap refusals first: a scan behind damage asks this at every eighth byte.
  const std::uint64_t variable = std::uint64_t{head.account_length} + head.origin_length;
  if (head.length < kHeadBytes + variable || head.length > kMaxRecordBytes || head.lsn == 0)
    return std::nullopt;
  if (head.durable_lsn >= head.lsn || reader.u16() != 0 || reader.u32() != 0) return std::nullopt;
  if (head.head_crc != head_crc(bytes.first(kHeadBytes), place)) return std::nullopt;
  return head;
}

bool body_is_intact(const RecordHead& head, ByteView bytes) noexcept {
  return bytes.size() == head.padded_length() && base::crc32c(bytes.subspan(kHeadBytes)) == head.body_crc;
}

Result<Record> decode_record(ByteView bytes, const Place& place) {
  const std::optional<RecordHead> head = decode_head(bytes, place);
  if (!head) return not_a_record(place, "its head is not intact");
  if (bytes.size() != head->padded_length()) return not_a_record(place, "it has another length");
  if (!body_is_intact(*head, bytes)) return not_a_record(place, "its body is not intact");
  return Record{*head, place.sequence, place.offset, Bytes(bytes.begin(), bytes.end())};
}

Result<Record> stub_of(const Record& record, const Place& place) {
  if (record.head.kind != RecordKind::content || (record.head.flags & kFlagStub) != 0) return record;
  const std::size_t kept =
      kHeadBytes + record.head.account_length + record.head.origin_length + kContentFixedBytes;
  if (record.bytes.size() < kept) return not_a_record(place, "the content piece is cut short");
  Record stub = record;
  stub.bytes.resize(kept);
  stub.head.flags |= kFlagStub;
  stub.head.length = static_cast<std::uint32_t>(kept);
  stub.bytes.resize(static_cast<std::size_t>(padded_size(kept)), 0);
  stub.head.body_crc = base::crc32c(ByteView(stub.bytes).subspan(kHeadBytes));
  finish_frame(stub.bytes, stub.head, place);
  return stub;
}

}  // namespace restante::redo

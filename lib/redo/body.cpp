#include "redo/body.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::redo {
namespace {

using base::ByteReader;
using base::ByteWriter;

constexpr std::size_t kContentPlaceBytes = 72;
// The shortest encoding of an operation is a kind and a length.
constexpr std::size_t kMinOperationBytes = 2;

Status damaged(const Record& record, std::string_view why) {
  return Status(Code::damaged,
                base::cat("the ", name_of(record.head.kind), " record in ", where(record), ": ", why));
}

void put_place(ByteWriter& writer, const ContentPlace& place) {
  writer.raw(place.content.digest);
  writer.u64(place.content.size);
  writer.u64(place.first_sequence);
  writer.u64(place.last_sequence);
  writer.u64(place.last_lsn);
  writer.u64(place.last_offset);
}

ContentPlace get_place(ByteReader& reader) {
  ContentPlace place;
  place.content.digest = reader.digest();
  place.content.size = reader.u64();
  place.first_sequence = reader.u64();
  place.last_sequence = reader.u64();
  place.last_lsn = reader.u64();
  place.last_offset = reader.u64();
  return place;
}

Assigned get_assigned(ByteReader& reader) {
  Assigned assigned;
  assigned.operation = reader.u32();
  assigned.element = reader.u32();
  assigned.refused = (reader.u8() & 1) != 0;
  (void)reader.u8();
  const std::size_t id_length = reader.u16();
  assigned.uidvalidity = reader.u32();
  assigned.uid = reader.u32();
  assigned.modseq = reader.u64();
  assigned.id = as_text(reader.raw(id_length));
  return assigned;
}

struct OperationsHead {
  std::uint32_t content_count = 0;
  std::uint32_t operation_count = 0;
  std::uint32_t operations_length = 0;
};

// Reads up to where the operations begin.
Result<OperationsHead> get_references(const Record& record, ByteReader& reader, OperationsBody& body) {
  OperationsHead head;
  body.reserved_bytes = reader.u32();
  head.content_count = reader.u32();
  head.operation_count = reader.u32();
  head.operations_length = reader.u32();
  if (!reader.ok() || head.content_count > reader.remaining() / kContentPlaceBytes) {
    return damaged(record, "the list of contents is cut short");
  }
  body.contents.reserve(head.content_count);
  for (std::uint32_t i = 0; i < head.content_count; ++i) body.contents.push_back(get_place(reader));
  return head;
}

}  // namespace

std::string where(const Record& record) {
  return base::cat("segment ", record.sequence, ", offset ", record.offset, " (LSN ", record.head.lsn, ")");
}

void encode_operations(Bytes& out, std::uint32_t reserved_bytes, const std::vector<ContentPlace>& contents,
                       std::uint32_t count, ByteView operations) {
  ByteWriter writer(out);
  writer.u32(reserved_bytes);
  writer.u32(static_cast<std::uint32_t>(contents.size()));
  writer.u32(count);
  writer.u32(static_cast<std::uint32_t>(operations.size()));
  for (const ContentPlace& place : contents) put_place(writer, place);
  writer.raw(operations);
}

Result<OperationsBody> decode_references(const Record& record) {
  OperationsBody body;
  ByteReader reader(record.body());
  const Result<OperationsHead> head = get_references(record, reader, body);
  if (!head.ok()) return head.status();
  return body;
}

Result<OperationsBody> decode_operations(const Record& record) {
  OperationsBody body;
  ByteReader reader(record.body());
  const Result<OperationsHead> head = get_references(record, reader, body);
  if (!head.ok()) return head.status();
  ByteView operations = reader.raw(head->operations_length);
  if (!reader.ok() || head->operation_count > operations.size() / kMinOperationBytes) {
    return damaged(record, "the operations are cut short");
  }
  for (std::uint32_t i = 0; i < head->operation_count; ++i) {
    Result<Operation> operation = decode(operations);
    if (!operation.ok()) {
      return operation.status().with_context(base::cat("operation ", i, " of the record in ", where(record)));
    }
    body.operations.push_back(std::move(*operation));
  }
  if (!operations.empty()) return damaged(record, "bytes follow its last operation");
  return body;
}

void encode_end(Bytes& out, const EndBody& body, bool with_assigned) {
  ByteWriter writer(out);
  writer.u64(body.begin_sequence);
  writer.u64(body.begin_offset);
  if (!with_assigned) return;
  writer.u32(static_cast<std::uint32_t>(body.assigned.size()));
  writer.u32(0);
  for (const Assigned& assigned : body.assigned) {
    writer.u32(assigned.operation);
    writer.u32(assigned.element);
    writer.u8(assigned.refused ? 1 : 0);
    writer.u8(0);
    writer.u16(static_cast<std::uint16_t>(assigned.id.size()));
    writer.u32(assigned.uidvalidity);
    writer.u32(assigned.uid);
    writer.u64(assigned.modseq);
    writer.raw(as_bytes(assigned.id));
  }
}

Result<EndBody> decode_end(const Record& record) {
  EndBody body;
  ByteReader reader(record.body());
  body.begin_sequence = reader.u64();
  body.begin_offset = reader.u64();
  if (record.head.kind == RecordKind::commit) {
    const std::uint32_t count = reader.u32();
    (void)reader.u32();
    if (!reader.ok() || count > reader.remaining() / kAssignedFixedBytes) {
      return damaged(record, "the list of what was assigned is cut short");
    }
    body.assigned.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) body.assigned.push_back(get_assigned(reader));
  }
  if (!reader.ok()) return damaged(record, "it is cut short");
  return body;
}

void encode_piece(Bytes& out, const PieceBody& body) {
  ByteWriter writer(out);
  writer.u64(body.stream);
  writer.u64(body.first_sequence);
  writer.u64(body.content_offset);
  writer.u64(body.previous_sequence);
  writer.u64(body.previous_offset);
  writer.u64(body.previous_lsn);
  writer.u32(body.data_length);
  writer.u8(body.last ? 1 : 0);
  writer.u8(0);
  writer.u16(0);
  writer.raw(body.content.digest);
  writer.u64(body.content.size);
}

Result<PieceBody> decode_piece(const Record& record) {
  PieceBody body;
  ByteReader reader(record.body());
  body.stream = reader.u64();
  body.first_sequence = reader.u64();
  body.content_offset = reader.u64();
  body.previous_sequence = reader.u64();
  body.previous_offset = reader.u64();
  body.previous_lsn = reader.u64();
  body.data_length = reader.u32();
  body.last = (reader.u8() & 1) != 0;
  (void)reader.raw(3);
  body.content.digest = reader.digest();
  body.content.size = reader.u64();
  if (!reader.ok()) return damaged(record, "it is cut short");
  if (body.previous_lsn == 0) {
    // The first piece is encoded before its place is known.
    body.stream = record.head.lsn;
    body.first_sequence = record.sequence;
  }
  if ((record.head.flags & kFlagStub) == 0) {
    const std::uint64_t whole = kHeadBytes + record.head.account_length + record.head.origin_length +
                                kContentFixedBytes + std::uint64_t{body.data_length};
    if (whole > record.head.length) return damaged(record, "its bytes are cut short");
  }
  return body;
}

ByteView piece_data(const Record& record, const PieceBody& piece) noexcept {
  const ByteView body = record.body();
  if ((record.head.flags & kFlagStub) != 0 || body.size() < kContentFixedBytes + piece.data_length) return {};
  return body.subspan(kContentFixedBytes, piece.data_length);
}

void encode_mark(Bytes& out, MarkReason reason) {
  ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(reason));
  writer.u32(0);
}

Result<MarkReason> decode_mark(const Record& record) {
  ByteReader reader(record.body());
  const auto reason = static_cast<MarkReason>(reader.u32());
  if (!reader.ok()) return damaged(record, "it is cut short");
  return reason;
}

void encode_clock_step(Bytes& out, const ClockStepBody& body) {
  ByteWriter writer(out);
  writer.i64(body.expected.us);
  writer.i64(body.found.us);
}

Result<ClockStepBody> decode_clock_step(const Record& record) {
  ByteReader reader(record.body());
  ClockStepBody body;
  body.expected.us = reader.i64();
  body.found.us = reader.i64();
  if (!reader.ok()) return damaged(record, "it is cut short");
  return body;
}

void encode_incarnation(Bytes& out, const IncarnationBody& body) {
  ByteWriter writer(out);
  writer.raw(body.server);
  writer.raw(body.parent.parent.log);
  writer.raw(body.parent.parent.incarnation);
  writer.u64(body.parent.parent.lsn);
  writer.u64(body.parent.parent_sequence);
}

Result<IncarnationBody> decode_incarnation(const Record& record) {
  ByteReader reader(record.body());
  IncarnationBody body;
  body.server = reader.id();
  body.parent.parent.log = reader.id();
  body.parent.parent.incarnation = reader.id();
  body.parent.parent.lsn = reader.u64();
  body.parent.parent_sequence = reader.u64();
  if (!reader.ok()) return damaged(record, "it is cut short");
  return body;
}

}  // namespace restante::redo

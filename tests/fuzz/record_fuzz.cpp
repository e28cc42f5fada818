// One record: its head and the body of its kind. The input is kind, flags, account length (2 bytes), origin
// length (2 bytes), and what stands behind the head; the checksums are made here.

#include <algorithm>

#include "fuzz.hpp"
#include "redo/body.hpp"
#include "redo/record_info.hpp"
#include "redo/segment_index.hpp"

using namespace restante;
using redo::Record;

namespace {

constexpr std::size_t kPrefix = 6;

Bytes framed(ByteView input, const redo::Place& place) {
  redo::RecordHead head;
  Bytes bytes(redo::kHeadBytes, 0);
  bytes.insert(bytes.end(), input.begin() + kPrefix, input.end());
  redo::close_frame(bytes, head, {}, {});
  head.kind = static_cast<redo::RecordKind>(input[0]);
  head.flags = input[1];
  head.account_length = static_cast<std::uint16_t>(input[2] | input[3] << 8);
  head.origin_length = static_cast<std::uint16_t>(input[4] | input[5] << 8);
  head.lsn = 9;
  head.durable_lsn = 8;
  redo::finish_frame(bytes, head, place);
  return bytes;
}

/// The same record with another body: decoded again it must say the same.
Record with_body(const Record& record, ByteView body) {
  Record other = record;
  other.bytes.assign(redo::kHeadBytes, 0);
  other.bytes.insert(other.bytes.end(), body.begin(), body.end());
  redo::close_frame(other.bytes, other.head, {}, {});
  other.head.account_length = other.head.origin_length = 0;
  return other;
}

void check_operations(const Record& record) {
  const Result<redo::OperationsBody> body = redo::decode_operations(record);
  const Result<redo::OperationsBody> references = redo::decode_references(record);
  if (!body.ok()) return;
  MUST(references.ok() && references->contents == body->contents);
  Bytes operations;
  for (const Operation& operation : body->operations) encode(operation, operations);
  Bytes out;
  redo::encode_operations(out, body->reserved_bytes, body->contents,
                          static_cast<std::uint32_t>(body->operations.size()), operations);
  const Result<redo::OperationsBody> again = redo::decode_operations(with_body(record, out));
  MUST(again.ok() && again->reserved_bytes == body->reserved_bytes && again->contents == body->contents);
  Bytes same;
  for (const Operation& operation : again->operations) encode(operation, same);
  MUST(same == operations);
}

void check_end(const Record& record, bool is_commit) {
  const Result<redo::EndBody> body = redo::decode_end(record);
  if (!body.ok()) return;
  Bytes out;
  redo::encode_end(out, *body, is_commit);
  const Result<redo::EndBody> again = redo::decode_end(with_body(record, out));
  MUST(again.ok() && again->begin_sequence == body->begin_sequence &&
       again->begin_offset == body->begin_offset);
  MUST(again->assigned == body->assigned);
}

void check_piece(const Record& record) {
  const Result<redo::PieceBody> body = redo::decode_piece(record);
  if (!body.ok()) return;
  const ByteView data = redo::piece_data(record, *body);
  MUST((record.head.flags & redo::kFlagStub) != 0 || data.size() == body->data_length);
  Bytes out;
  redo::encode_piece(out, *body);
  if ((record.head.flags & redo::kFlagStub) == 0) out.insert(out.end(), data.begin(), data.end());
  const Result<redo::PieceBody> again = redo::decode_piece(with_body(record, out));
  MUST(again.ok() && again->stream == body->stream && again->content_offset == body->content_offset);
  MUST(again->previous_lsn == body->previous_lsn && again->last == body->last &&
       again->content == body->content);
}

void check_small(const Record& record) {
  Bytes out;
  if (const Result<redo::MarkReason> mark = redo::decode_mark(record); mark.ok()) {
    redo::encode_mark(out, *mark);
    MUST(*redo::decode_mark(with_body(record, out)) == *mark);
  }
  out.clear();
  if (const Result<redo::ClockStepBody> step = redo::decode_clock_step(record); step.ok()) {
    redo::encode_clock_step(out, *step);
    MUST(redo::decode_clock_step(with_body(record, out))->found == step->found);
  }
  out.clear();
  if (const Result<redo::IncarnationBody> body = redo::decode_incarnation(record); body.ok()) {
    redo::encode_incarnation(out, *body);
    MUST(redo::decode_incarnation(with_body(record, out))->server == body->server);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const redo::Place place = fuzz::place_of(8192);
  (void)redo::decode_record(ByteView(data, size), place);
  if (size < kPrefix) return 0;
  const Bytes bytes = framed(ByteView(data, size), place);
  const Result<Record> record = redo::decode_record(bytes, place);
  if (!record.ok()) return 0;
  MUST(record->bytes == bytes);
  MUST(record->account_id().size() == record->head.account_length);
  (void)record->origin();
  (void)redo::describe(*record);
  redo::IndexBuilder index(place.sequence);
  (void)index.add(*record);
  switch (record->head.kind) {
    case redo::RecordKind::begin:
    case redo::RecordKind::append: check_operations(*record); break;
    case redo::RecordKind::commit:
    case redo::RecordKind::abort: check_end(*record, record->head.kind == redo::RecordKind::commit); break;
    case redo::RecordKind::content: check_piece(*record); break;
    default: check_small(*record); break;
  }
  // In another place it is no record.
  MUST(!redo::decode_record(bytes, fuzz::place_of(8200)).ok());
  return 0;
}

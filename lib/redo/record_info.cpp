#include "redo/record_info.hpp"

#include "redo/body.hpp"

namespace restante::redo {

Result<RecordInfo> describe(const Record& record) {
  RecordInfo info;
  info.lsn = record.head.lsn;
  info.sequence = record.sequence;
  info.offset = record.offset;
  info.bytes = record.head.padded_length();
  info.kind = name_of(record.head.kind);
  info.account_id = record.account_id();
  info.transaction = record.head.transaction;
  info.durable_lsn = record.head.durable_lsn;
  info.wall_time = record.head.wall_time;
  info.commit_time = record.head.commit_time;
  Result<Origin> origin = record.origin();
  if (!origin.ok()) return origin.status();
  info.origin = std::move(*origin);
  switch (record.head.kind) {
    case RecordKind::begin:
    case RecordKind::append: {
      Result<OperationsBody> body = decode_operations(record);
      if (!body.ok()) return body.status();
      info.operations = std::move(body->operations);
      break;
    }
    case RecordKind::commit: {
      Result<EndBody> body = decode_end(record);
      if (!body.ok()) return body.status();
      info.assigned = std::move(body->assigned);
      break;
    }
    case RecordKind::content: {
      const Result<PieceBody> piece = decode_piece(record);
      if (!piece.ok()) return piece.status();
      // The digest is known at the end only; before it a piece shows what it brings.
      info.content = piece->last ? piece->content : ContentRef{{}, piece->data_length};
      break;
    }
    default: break;
  }
  return info;
}

}  // namespace restante::redo

#pragma once
// What is inside the records of each kind: bytes <-> values. Pure; docs/format/redo.md, "Bodies".
//
// Decoders take any input: the answer is `damaged`, never a crash, and memory stays in proportion to the
// input. Bytes behind what a decoder knows are fields of a newer version and are left alone.

#include <restante/redo_log.hpp>

#include <vector>

#include "redo/record.hpp"

namespace restante::redo {

/// Where content lies in the log: from its first piece's segment to its last piece.
struct ContentPlace {
  ContentRef content;
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;
  Lsn last_lsn = 0;
  std::uint64_t last_offset = 0;
  bool operator==(const ContentPlace&) const = default;
};

/// Of begin and append.
struct OperationsBody {
  /// Room kept for the end record; 0 for append.
  std::uint32_t reserved_bytes = 0;
  /// The contents that lie in this log and that the operations name. Others are named without a place.
  std::vector<ContentPlace> contents;
  std::vector<Operation> operations;
};

/// Of commit and abort.
struct EndBody {
  std::uint64_t begin_sequence = 0;
  std::uint64_t begin_offset = 0;
  /// Commit only.
  std::vector<Assigned> assigned;
};

/// Of content, without its bytes. Pieces form a chain from the last to the first.
struct PieceBody {
  /// LSN of the first piece, the stream's name, and its segment. Zeros in the encoding of the first piece,
  /// which is made before its place is known; `decode_piece` fills them in.
  Lsn stream = 0;
  std::uint64_t first_sequence = 0;
  /// Where this piece's bytes go in the content.
  std::uint64_t content_offset = 0;
  /// The piece before; zeros in the first.
  std::uint64_t previous_sequence = 0;
  std::uint64_t previous_offset = 0;
  Lsn previous_lsn = 0;
  std::uint32_t data_length = 0;
  bool last = false;
  /// Of the whole content; only in the last piece.
  ContentRef content;
};

enum class MarkReason : std::uint32_t { close = 1, idle = 2 };

struct ClockStepBody {
  /// What the clock should have said, from the record before and the time that passed.
  Time expected;
  Time found;
};

struct IncarnationBody {
  Id128 server;
  /// All zero for a log that continues nothing.
  Continuation parent;
};

/// `operations` is their encoding, `count` how many.
void encode_operations(Bytes& out, std::uint32_t reserved_bytes, const std::vector<ContentPlace>& contents,
                       std::uint32_t count, ByteView operations);
void encode_end(Bytes& out, const EndBody& body, bool with_assigned);
/// The fixed part; the bytes follow.
void encode_piece(Bytes& out, const PieceBody& body);
void encode_mark(Bytes& out, MarkReason reason);
void encode_clock_step(Bytes& out, const ClockStepBody& body);
void encode_incarnation(Bytes& out, const IncarnationBody& body);

[[nodiscard]] Result<OperationsBody> decode_operations(const Record& record);
/// `reserved_bytes` and `contents` only: what an index needs.
[[nodiscard]] Result<OperationsBody> decode_references(const Record& record);
[[nodiscard]] Result<EndBody> decode_end(const Record& record);
[[nodiscard]] Result<PieceBody> decode_piece(const Record& record);
/// The bytes of a piece; empty for a stub and for one read without bytes.
[[nodiscard]] ByteView piece_data(const Record& record, const PieceBody& piece) noexcept;
[[nodiscard]] Result<MarkReason> decode_mark(const Record& record);
[[nodiscard]] Result<ClockStepBody> decode_clock_step(const Record& record);
[[nodiscard]] Result<IncarnationBody> decode_incarnation(const Record& record);

/// "segment 7, offset 8192 (LSN 12)", for messages.
[[nodiscard]] std::string where(const Record& record);

}  // namespace restante::redo

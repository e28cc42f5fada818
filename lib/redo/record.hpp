#pragma once
// One record of the redo log: bytes <-> values. Pure; specified in docs/format/redo.md, "Records".
//
// A record is a head of 64 bytes, an account id, an origin, a body and zeros up to a multiple of 8. The head
// has a checksum over itself and over its place (log, incarnation, sequence, offset), so that a copy of a
// record at any other place is no record. A second checksum covers the rest.

#include <restante/bytes.hpp>
#include <restante/redo_log.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "redo/layout.hpp"

namespace restante::redo {

enum class RecordKind : std::uint8_t {
  begin = 1,
  commit = 2,
  abort = 3,
  append = 4,
  content = 5,
  touch = 6,
  mark = 7,
  clock_step = 8,
  incarnation = 9,
};
/// As `RecordInfo::kind`; "unknown" for a kind of a newer version.
[[nodiscard]] std::string_view name_of(RecordKind kind) noexcept;

/// A set of kinds; kinds above 31 share the last bit.
using KindSet = std::uint32_t;
[[nodiscard]] constexpr KindSet kind_bit(RecordKind kind) noexcept {
  const auto value = static_cast<unsigned>(kind);
  return KindSet{1} << (value < 31 ? value : 31);
}
inline constexpr KindSet kAllKinds = ~KindSet{0};

/// A reader that does not know the kind of a record with this flag must stop there; without it, it skips.
inline constexpr std::uint8_t kFlagRequired = 1;
/// A content piece whose bytes are elsewhere: the content store of an archive (R10).
inline constexpr std::uint8_t kFlagStub = 2;

/// Where a record lies. Part of its checksum.
struct Place {
  Id128 log;
  Id128 incarnation;
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
};

struct RecordHead {
  /// Without the zeros behind it.
  std::uint32_t length = 0;
  std::uint32_t head_crc = 0;
  std::uint32_t body_crc = 0;
  RecordKind kind{};
  std::uint8_t flags = 0;
  std::uint16_t account_length = 0;
  std::uint16_t origin_length = 0;
  Lsn lsn = 0;
  /// The highest LSN known to be on the disk when this was encoded (R8).
  Lsn durable_lsn = 0;
  Time wall_time;
  Time commit_time;
  /// The begin LSN of the transaction that the record belongs to; its own for begin and append; else 0.
  Lsn transaction = 0;

  [[nodiscard]] std::uint64_t padded_length() const noexcept { return padded_size(length); }
};

/// A record as it was read: the decoded head and the exact bytes.
struct Record {
  RecordHead head;
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  /// Head to padding. Where a content piece was read without its bytes they end behind the fixed part of the
  /// body; see `RecordFilter::content_bytes`.
  Bytes bytes;

  [[nodiscard]] std::string_view account_id() const noexcept;
  [[nodiscard]] ByteView body() const noexcept;
  /// `damaged` if the three parts do not fit their length.
  [[nodiscard]] Result<Origin> origin() const;
};

/// Fills `frame` up to where the body goes: room for the head, account id and origin.
void begin_frame(Bytes& frame, std::string_view account_id, const Origin& origin);
/// Pads `frame` and computes the checksum of what follows the head; `head` needs kind, flags and transaction.
/// What depends on the place is filled in by `finish_frame`.
void close_frame(Bytes& frame, RecordHead& head, std::string_view account_id, const Origin& origin);
/// Writes `head` at the front of `frame` with the checksum for `place`; lsn and times must be set.
void finish_frame(Bytes& frame, RecordHead& head, const Place& place);

/// The head at the front of `bytes` if its checksum is right for `place`, else nothing.
[[nodiscard]] std::optional<RecordHead> decode_head(ByteView bytes, const Place& place) noexcept;
/// Whether what follows the head has the head's checksum; `bytes` is the whole record with its padding.
[[nodiscard]] bool body_is_intact(const RecordHead& head, ByteView bytes) noexcept;
/// Both; `damaged` if `bytes` is not one whole record of `place`.
[[nodiscard]] Result<Record> decode_record(ByteView bytes, const Place& place);

/// A content piece without its bytes, for an archive: same LSN, place, times, digest and size, `kFlagStub`.
/// Other records come back as they are. `place` must be the record's own.
[[nodiscard]] Result<Record> stub_of(const Record& record, const Place& place);

}  // namespace restante::redo

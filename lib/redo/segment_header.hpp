#pragma once
// The header of a segment: bytes <-> values. Pure; docs/format/redo.md, "Segment header".
//
// Written once, before the segment gets its name, in two copies behind each other. It says which log and
// which place in it this is, where the segment before ends, and which transactions were open.

#include <restante/redo_log.hpp>

#include <string>
#include <vector>

#include "redo/record.hpp"

namespace restante::redo {

struct OpenTransaction {
  std::string account_id;
  Lsn begin_lsn = 0;
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  std::uint32_t reserved_bytes = 0;
  bool is_rewind = false;
  Time begin_time;
  bool operator==(const OpenTransaction&) const = default;
};

struct SegmentHeader {
  Id128 log;
  Id128 incarnation;
  Id128 server;
  /// All zero for a log that continues nothing.
  Continuation parent;
  std::uint64_t sequence = 0;
  /// The LSN that the first record of this segment has.
  Lsn first_lsn = 0;
  /// Where the records of segment `sequence - 1` end, for ever; 0 in the first segment of an incarnation.
  std::uint64_t previous_end = 0;
  /// The head checksum of that segment's last record; 0 if it has none.
  std::uint32_t previous_last_crc = 0;
  /// Where the log was opened last after a clean close: what an unclean end puts in doubt begins there (R9).
  std::uint64_t opened_sequence = 0;
  Time created_wall;
  /// The commit time of the newest record before.
  Time created_commit;
  /// Zero: not encrypted. Nothing else is defined yet.
  Id128 key;
  std::vector<OpenTransaction> open;

  /// Bytes of one copy; only known of an encoded header.
  std::uint64_t copy_length = 0;

  [[nodiscard]] std::uint64_t records_begin() const noexcept { return 2 * copy_length; }
  [[nodiscard]] Place place(std::uint64_t offset) const noexcept {
    return {log, incarnation, sequence, offset};
  }
};

/// Both copies; sets `copy_length`.
[[nodiscard]] Bytes encode_header(SegmentHeader& header);

/// One copy at the front of `bytes`, which may be longer. `damaged` if its magic, number or checksum is
/// wrong, `unsupported` for a newer version or an unknown required feature.
[[nodiscard]] Result<SegmentHeader> decode_header_copy(ByteView bytes, std::uint32_t copy);

}  // namespace restante::redo

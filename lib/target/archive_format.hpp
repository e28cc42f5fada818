#pragma once
// Archived segments as bytes: their index, what is vouched for, and checksums. Specified in
// docs/format/target.md, "Archived segments". Pure.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/sealer.hpp"
#include "redo/segment_view.hpp"

namespace restante::target {

inline constexpr std::string_view kArchiveMagic = "RSTARCH1";
inline constexpr std::string_view kArchiveEndMagic = "RSTAREND";
inline constexpr std::uint16_t kArchiveVersion = 1;
inline constexpr std::size_t kArchivePrefixBytes = 12;  // magic, header length
inline constexpr std::size_t kArchiveFooterBytes = 28;
inline constexpr std::uint64_t kArchiveIndexBlock = UINT64_MAX;
inline constexpr std::size_t kArchiveVouchBytes = 8 + 32 + 8 + crypto::kSignatureBytes;

struct ArchiveFrame {
  std::uint64_t offset = 0;
  std::uint32_t stored_length = 0;
  std::uint32_t raw_length = 0;
  Lsn first_lsn = 0;
  Lsn last_lsn = 0;
};

struct ArchiveIndex {
  SegmentInfo info;
  std::uint64_t records = 0;
  // Of all frames' raw bytes: tells two histories apart.
  Digest records_digest;
  std::vector<ArchiveFrame> frames;
  std::map<std::string, std::vector<std::uint32_t>> accounts;  // -> frames, ascending
  std::vector<redo::ContentPlace> contents;
  std::vector<redo::HeldStretch> held;
};
[[nodiscard]] Bytes encode_archive_index(const ArchiveIndex& index);
[[nodiscard]] std::optional<ArchiveIndex> decode_archive_index(ByteView bytes);

// In a target with keys: what its writer says of a segment so that everybody can check it.
struct ArchiveVouch {
  Lsn last_lsn = 0;
  Digest records;               // the id of their digest
  std::uint64_t ids_bytes = 0;  // of the sealed ids of contents, which stand before it
  std::uint64_t ids_at = 0;
  crypto::SignatureOf signature;
};
// Without the signature.
[[nodiscard]] Bytes encode_statement(const ArchiveVouch& vouch);
// What is signed: all but frames, which open with nothing else than the envelope.
[[nodiscard]] Digest signed_digest(ByteView header, ByteView envelope, ByteView index_to_statement);

// Of a frame, or of the index with the number kArchiveIndexBlock. `head` is the header without its own
// checksum at its end: with it, all headers would give the same.
[[nodiscard]] std::uint32_t archive_checksum(ByteView head, std::uint64_t number, ByteView stored);

}  // namespace restante::target

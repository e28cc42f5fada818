#pragma once
// The numbers of the redo log's format (docs/format/redo.md) and the limits of its implementation, each with
// its reason.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace restante::redo {

/// Begins every segment. The first byte is not text, CR LF and SUB show what a text-mode copy has broken.
inline constexpr std::array<std::uint8_t, 8> kSegmentMagic = {0x89, 'r', 'e', 'd', 'o', '\r', '\n', 0x1a};
/// Begins the footer of a sealed segment.
inline constexpr std::array<std::uint8_t, 8> kFooterMagic = {0x89, 'r', 'e', 'd', 'x', '\r', '\n', 0x1a};

inline constexpr std::uint32_t kFormatVersion = 1;
/// Bits of `required features` that this version understands. None exist yet.
inline constexpr std::uint32_t kKnownFeatures = 0;

/// Headers come in these; a disk tears a write at a sector, never across the two copies of a header.
inline constexpr std::uint64_t kHeaderBlock = 4096;
inline constexpr std::size_t kHeaderFixedBytes = 256;
/// Room for a hundred thousand open transactions with long account ids; a log with more has another problem.
inline constexpr std::uint64_t kMaxHeaderBytes = 128u << 20;

inline constexpr std::size_t kHeadBytes = 64;
inline constexpr std::uint64_t kAlignment = 8;
/// A bulk operation on a million messages is some 150 MB; the length field has 32 bits.
inline constexpr std::uint64_t kMaxRecordBytes = 1u << 30;
inline constexpr std::size_t kContentFixedBytes = 96;
inline constexpr std::size_t kFooterBytes = 136;

/// Account ids and every id in an operation.
inline constexpr std::size_t kMaxIdBytes = 1024;
inline constexpr std::size_t kMaxOriginPartBytes = 255;
inline constexpr std::size_t kMaxHolderBytes = 64;
/// A segment that is allocated and not used yet.
inline constexpr std::string_view kSpareName = "redo.spare";

/// A content reference reaches at most this many segments back from the record that holds it (R10).
inline constexpr std::uint64_t kContentReach = 2;

/// Room kept at the end of a segment for records that need no permission: a mark at the end and a clock step.
inline constexpr std::uint64_t kTailRoom = 512;
/// What `begin` reserves for its end record: the record without `assigned`, with a clock step before it …
inline constexpr std::uint64_t kEndRecordRoom = 256;
/// … the fixed part of an `Assigned` and an id of usual length (a UUID has 36 characters) for each element …
inline constexpr std::uint64_t kAssignedFixedBytes = 28;
inline constexpr std::uint64_t kUsualIdBytes = 128;
/// … and ids of the greatest length for as many elements as this holds: small transactions are never refused,
/// and those with a million elements do not reserve a gigabyte.
inline constexpr std::uint64_t kLongIdRoom = 64u << 10;

/// A sparse table of the index has every so-many-th record: finding one reads at most so many heads.
inline constexpr std::uint64_t kSparseStep = 64;

/// R14: smaller steps are left to NTP.
inline constexpr std::int64_t kClockStepUs = 1'000'000;

/// Contents of the newest segments that a process finds again without reading: half a megabyte of places.
/// What is delivered to many comes within a few.
inline constexpr std::size_t kMaxRecent = 4096;
/// Contents handed out by `put_content` and not named by a record yet. Hosts name them at once.
inline constexpr std::size_t kMaxHandedOut = 65'536;
/// So many segments back they are kept, since a thread may be held up between the two while others roll. Not
/// for ever, because a host that never names what it put would keep all.
inline constexpr std::uint64_t kHandedOutReach = 16;

[[nodiscard]] constexpr std::uint64_t padded_size(std::uint64_t size) noexcept {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace restante::redo

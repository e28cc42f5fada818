#pragma once
// The index at the end of a sealed segment: bytes <-> values. Pure; docs/format/redo.md, "Index".
//
// It says what can be found by scanning the records, so that reading one account, one content or one LSN
// does not scan. Losing it costs time, never data.

#include <restante/redo_log.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.hpp"
#include "redo/body.hpp"
#include "redo/segment_view.hpp"

namespace restante::redo {

struct IndexEntry {
  std::uint64_t offset = 0;
  Lsn lsn = 0;
  RecordKind kind{};
};

/// What the index says of one account.
struct AccountEntry {
  std::string account_id;
  /// Its list: offset within the section of lists, length, checksum.
  std::uint64_t list_offset = 0;
  std::uint32_t list_length = 0;
  std::uint32_t list_crc = 0;
  std::uint32_t record_count = 0;
  KindSet kinds = 0;
  Lsn first_lsn = 0;
  Lsn last_lsn = 0;
  Time first_time;
  Time last_time;
};

/// A stretch of the section of accounts: one is found without reading all.
struct AccountPage {
  std::string first_account_id;
  /// Within the section of accounts, length, checksum.
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t crc = 0;
};

struct SparseEntry {
  Lsn lsn = 0;
  std::uint64_t offset = 0;
  Time commit_time;
};

/// A stretch of a segment that holds no readable record.
struct Gap {
  std::uint64_t offset = 0;
  /// Where reading goes on; the end of the records if nowhere.
  std::uint64_t next_offset = 0;
  Lsn from_lsn = 0;
  /// The first record behind it; 0 if there is none in this segment.
  Lsn next_lsn = 0;
  bool operator==(const Gap&) const = default;
};

/// The fixed end of a sealed segment.
struct SegmentFooter {
  std::uint64_t records_end = 0;
  std::uint64_t index_length = 0;
  std::uint64_t sequence = 0;
  Lsn first_lsn = 0;
  Lsn last_lsn = 0;
  Time first_time;
  Time last_time;
  std::uint64_t record_count = 0;
  /// The lowest sequence that a record of this segment refers to; its own if none is lower (R10).
  std::uint64_t lowest_sequence = 0;
  std::uint32_t gap_count = 0;
  /// The head checksum of the last record.
  std::uint32_t last_crc = 0;
  /// SHA-256 of the file from its beginning up to this field.
  Digest sha256;
};

enum class SectionType : std::uint32_t {
  accounts = 1,
  lists = 2,
  contents = 3,
  sparse = 4,
  gaps = 5,
  held = 6,
  account_pages = 7
};

struct Section {
  SectionType type{};
  std::uint32_t crc = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// Collects the index while records are written or scanned, in LSN order. One thread at a time.
class IndexBuilder {
 public:
  explicit IndexBuilder(std::uint64_t sequence) : sequence_(sequence), lowest_sequence_(sequence) {}

  /// `content` is set for a last piece; `lowest_sequence` is the lowest that the record refers to.
  void add(const RecordHead& head, std::uint64_t offset, std::string_view account_id,
           const std::optional<ContentPlace>& content, std::uint64_t lowest_sequence);
  /// The same from a record as it was read; content bytes are not needed. `damaged` if its body is not sound.
  [[nodiscard]] Status add(const Record& record);
  void add_gap(const Gap& gap) { gaps_.push_back(gap); }

  /// The index and, of the footer, all but `sha256`.
  [[nodiscard]] Bytes encode(std::uint64_t records_end, Lsn first_lsn, Lsn last_lsn,
                             SegmentFooter& footer) const;

  [[nodiscard]] std::uint64_t record_count() const noexcept { return record_count_; }
  [[nodiscard]] std::uint64_t lowest_sequence() const noexcept { return lowest_sequence_; }
  [[nodiscard]] Time first_time() const noexcept { return first_time_; }
  [[nodiscard]] Time last_time() const noexcept { return last_time_; }
  [[nodiscard]] std::uint32_t last_crc() const noexcept { return last_crc_; }
  [[nodiscard]] const std::vector<ContentPlace>& contents() const noexcept { return contents_; }
  [[nodiscard]] const std::vector<SparseEntry>& sparse() const noexcept { return sparse_; }
  [[nodiscard]] std::vector<HeldStretch> held() const;
  [[nodiscard]] const std::vector<Gap>& gaps() const noexcept { return gaps_; }

 private:
  struct AccountRecords {
    std::vector<IndexEntry> entries;
    KindSet kinds = 0;
    Time first_time;
    Time last_time;
  };
  void follow_clock(const RecordHead& head);

  std::uint64_t sequence_;
  std::uint64_t lowest_sequence_;
  std::uint64_t record_count_ = 0;
  Time first_time_;
  Time last_time_;
  std::uint32_t last_crc_ = 0;
  std::unordered_map<std::string, AccountRecords, base::TextHash, std::equal_to<>> accounts_;
  std::vector<ContentPlace> contents_;
  std::vector<SparseEntry> sparse_;
  std::vector<Gap> gaps_;
  std::vector<HeldStretch> held_;
  // A run of records whose wall time is behind their commit time; a stretch once that is by more than a step.
  std::optional<HeldStretch> run_;
  bool run_counts_ = false;
};

/// The footer's bytes; `covered` is the digest of the file before it, see `footer_prefix`.
[[nodiscard]] Bytes encode_footer(const SegmentFooter& footer);
/// The part of the footer that stands before its digest and is covered by it.
[[nodiscard]] Bytes footer_prefix(const SegmentFooter& footer);
[[nodiscard]] Result<SegmentFooter> decode_footer(ByteView bytes);

/// The table at the beginning of an index.
[[nodiscard]] Result<std::vector<Section>> decode_sections(ByteView bytes);
/// Bytes that the table needs at most, known before it is read: 24 a section.
inline constexpr std::size_t kMaxSectionTableBytes = 8 + 24 * 64;

[[nodiscard]] Result<std::vector<AccountEntry>> decode_accounts(ByteView bytes);
[[nodiscard]] Result<std::vector<AccountPage>> decode_account_pages(ByteView bytes);
/// Null if no page can hold the account.
[[nodiscard]] const AccountPage* page_with(const std::vector<AccountPage>& pages,
                                           std::string_view account_id) noexcept;
/// `bytes` are those that `page` names.
[[nodiscard]] Result<std::optional<AccountEntry>> find_in_page(ByteView bytes, const AccountPage& page,
                                                               std::string_view account_id);
[[nodiscard]] Result<std::vector<IndexEntry>> decode_list(ByteView bytes, const AccountEntry& account);
[[nodiscard]] Result<std::vector<ContentPlace>> decode_contents(ByteView bytes);
[[nodiscard]] Result<std::vector<SparseEntry>> decode_sparse(ByteView bytes);
[[nodiscard]] Result<std::vector<Gap>> decode_gaps(ByteView bytes);
[[nodiscard]] Result<std::vector<HeldStretch>> decode_held(ByteView bytes);

}  // namespace restante::redo

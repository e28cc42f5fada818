#pragma once
// A segment as the server writes it, seen by its readers.

#include <restante/redo_log.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "redo/record_scan.hpp"
#include "redo/segment_file.hpp"
#include "redo/segment_index.hpp"
#include "redo/segment_view.hpp"

namespace restante::redo {

/// Where every so-many-th record of the segment being written lies. Callable from any thread.
class SparseTable {
 public:
  void add(const SparseEntry& entry);
  /// The last entry that is not behind `lsn`, if any.
  [[nodiscard]] std::optional<SparseEntry> before(Lsn lsn) const;

 private:
  mutable std::mutex mutex_;
  std::vector<SparseEntry> entries_;
};

/// What is known of a segment besides its file.
struct SegmentExtent {
  /// Where its readable records end.
  std::uint64_t end = 0;
  Lsn last_lsn = 0;
  bool is_complete = false;
  Time first_time;
  Time last_time;
  std::uint64_t file_bytes = 0;
  /// Set if it is sealed.
  std::optional<SegmentFooter> footer;
  std::vector<Section> sections;
  /// Set for the one being written.
  std::shared_ptr<const SparseTable> sparse;
};

class RawSegment final : public SegmentView, public std::enable_shared_from_this<RawSegment> {
 public:
  RawSegment(std::shared_ptr<const SegmentFile> file, std::shared_ptr<const SegmentHeader> header,
             SegmentExtent extent)
      : file_(std::move(file)), header_(std::move(header)), extent_(std::move(extent)) {}

  [[nodiscard]] const SegmentHeader& header() const noexcept override { return *header_; }
  [[nodiscard]] Lsn last_lsn() const noexcept override { return extent_.last_lsn; }
  [[nodiscard]] bool is_complete() const noexcept override { return extent_.is_complete; }
  [[nodiscard]] SegmentInfo info() const override;
  [[nodiscard]] Result<std::unique_ptr<RecordStream>> records(const RecordFilter& filter) const override;
  [[nodiscard]] Result<Record> record(Lsn lsn, std::uint64_t offset) const override;
  [[nodiscard]] Result<std::optional<ContentPlace>> find_content(const ContentRef& content) const override;
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(const ContentRef& content,
                                                                    const SegmentViews& all) const override;
  [[nodiscard]] Result<std::vector<HeldStretch>> held_stretches() const override;

  [[nodiscard]] const SegmentExtent& extent() const noexcept { return extent_; }
  [[nodiscard]] const SegmentFile& file() const noexcept { return *file_; }
  /// All contents whose last piece is here.
  [[nodiscard]] Result<std::vector<ContentPlace>> contents() const;
  /// Accounts with records of `kinds`.
  [[nodiscard]] Result<std::vector<std::string>> accounts(KindSet kinds) const;
  /// A section of the index with its checksum checked; `not_found` if the segment is not sealed.
  [[nodiscard]] Result<Bytes> section(SectionType type) const;
  /// One record; `content_bytes` as in `RecordFilter`.
  [[nodiscard]] Result<Record> read_at(std::uint64_t offset, Lsn lsn, bool content_bytes) const;

 private:
  [[nodiscard]] Result<std::unique_ptr<RecordStream>> scan(const RecordFilter& filter) const;
  [[nodiscard]] Result<std::unique_ptr<RecordStream>> look_up(const RecordFilter& filter) const;
  [[nodiscard]] std::optional<SparseEntry> sparse_before(Lsn lsn) const;
  [[nodiscard]] const Section* find_section(SectionType type) const noexcept;
  /// Of a section; what it holds is checked by checksums of its own.
  [[nodiscard]] Result<Bytes> part(SectionType type, std::uint64_t offset, std::uint64_t length) const;
  /// Of a sealed segment: what its index says of the account, nothing if it has no record of it.
  [[nodiscard]] Result<std::optional<AccountEntry>> find_account(std::string_view account_id) const;

  std::shared_ptr<const SegmentFile> file_;
  std::shared_ptr<const SegmentHeader> header_;
  SegmentExtent extent_;
};

/// Reads a header by its first copy that is intact; `first_copy_is_bad` tells when that is not copy 0.
[[nodiscard]] Result<SegmentHeader> read_header(const SegmentFile& file, bool* first_copy_is_bad = nullptr);

/// The footer and the table of sections, if the file ends in them and they fit; nothing otherwise.
struct Seal {
  SegmentFooter footer;
  std::vector<Section> sections;
};
[[nodiscard]] Result<std::optional<Seal>> read_seal(const SegmentFile& file, const SegmentHeader& header);

/// A sealed segment, or one whose end and last LSN are known from elsewhere.
[[nodiscard]] std::shared_ptr<const RawSegment> sealed_segment(std::shared_ptr<const SegmentFile> file,
                                                               std::shared_ptr<const SegmentHeader> header,
                                                               const Seal& seal);

/// "records 12 to 14 of segment 3, at offset 8192, cannot be read" as a failure.
[[nodiscard]] Status damage_status(const LogDamage& damage);
[[nodiscard]] LogDamage damage_of(std::uint64_t sequence, const Gap& gap);

}  // namespace restante::redo

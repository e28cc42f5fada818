#pragma once
// Reads the records of a raw segment one behind the other and finds the next one behind damage.

#include <restante/redo_log.hpp>

#include <memory>

#include "redo/record.hpp"
#include "redo/segment_file.hpp"
#include "redo/segment_index.hpp"

namespace restante::redo {

enum class ScanStep { record, gap, end };

/// One thread at a time.
class RecordScan {
 public:
  struct Bounds {
    /// Ids of the segment; its offset is where the scan begins.
    Place begin;
    /// The LSN of the record that lies there.
    Lsn first_lsn = 1;
    /// Records end here. If it is not known yet, the size of the file …
    std::uint64_t end = 0;
    /// … and false: what follows the last record that can be read is the end and no gap.
    bool end_is_known = true;
    /// The last record before a known end.
    Lsn last_lsn = 0;
    /// As in `RecordFilter`.
    bool content_bytes = true;
  };

  RecordScan(os::Io& io, std::shared_ptr<const os::Fd> fd, const Bounds& bounds);

  /// `record` is filled for `ScanStep::record`. Fails only if the file cannot be read.
  [[nodiscard]] Result<ScanStep> next(Record& record);
  /// Of the last `ScanStep::gap`.
  [[nodiscard]] const Gap& gap() const noexcept { return gap_; }
  /// Behind what has been read; after `ScanStep::end` the end of the records.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] Lsn expected_lsn() const noexcept { return expected_; }

 private:
  enum class Fit { no, head_only, whole };
  [[nodiscard]] Result<Fit> try_at(std::uint64_t offset, Record& record);
  [[nodiscard]] bool is_plausible(const RecordHead& head, std::uint64_t offset) const noexcept;
  [[nodiscard]] Result<ScanStep> resume_from(std::uint64_t offset);
  [[nodiscard]] Result<bool> find_from(std::uint64_t offset);

  FileWindow window_;
  Bounds bounds_;
  std::uint64_t offset_;
  Lsn expected_;
  Gap gap_;
  Record candidate_;
  bool ended_ = false;
};

}  // namespace restante::redo

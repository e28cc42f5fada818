#pragma once
// Segments of a redo log that lie somewhere, given by their files.

#include <restante/redo_log.hpp>

#include <set>
#include <string>
#include <vector>

namespace cli {

/// Copies of the files in a directory of their own, which goes with this object: opening a log may write to
/// it, and the files are left as they are.
class SegmentFiles {
 public:
  /// Throws a `Failure` for a file that is not there or is not named as a segment.
  explicit SegmentFiles(const std::vector<std::string>& files);
  ~SegmentFiles();
  SegmentFiles(const SegmentFiles&) = delete;
  SegmentFiles& operator=(const SegmentFiles&) = delete;

  [[nodiscard]] bool given() const noexcept { return !sequences_.empty(); }
  /// Whether it was given, and not made by opening the log.
  [[nodiscard]] bool has(std::uint64_t sequence) const { return sequences_.contains(sequence); }
  /// Must be closed before this object goes.
  [[nodiscard]] restante::RedoLog open() const;

 private:
  void add(const std::string& file);

  std::string directory_;
  std::set<std::uint64_t> sequences_;
};

}  // namespace cli

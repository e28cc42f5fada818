#pragma once
// What lies in a log's directory, and what its newest segment says.

#include <restante/redo_log.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "redo/open_segment.hpp"

namespace restante::redo {

/// `not_found` if there is no such segment.
[[nodiscard]] Result<FoundSegment> find_segment_file(os::Io& io,
                                                     const std::shared_ptr<const os::Fd>& directory,
                                                     std::uint64_t sequence);

struct FoundLog {
  /// By sequence.
  std::vector<FoundSegment> segments;
  /// A file that is none of the log's, if there is any.
  std::string foreign;
};

/// Reads the header and footer of every segment and removes temporary files. Requires the lock.
/// `damaged` or `unsupported` for a segment without a header that can be read; `diverged` if two logs or
/// incarnations are mixed.
[[nodiscard]] Result<FoundLog> find_log(os::Io& io, const std::shared_ptr<const os::Fd>& directory,
                                        const std::string& path);

struct Replayed {
  IndexBuilder index{0};
  /// Not ended where the segment ends.
  std::map<Lsn, OpenTransaction> open;
  /// Accounts with a touch or an append since the last close in this segment.
  std::set<std::string> touched;
  bool has_close_mark = false;
  std::optional<Time> last_wall;
};

/// Goes through the records of the segment that was being written.
[[nodiscard]] Result<Replayed> replay_segment(const SegmentFile& file, const SegmentHeader& header,
                                              std::uint64_t end, Lsn last_lsn);

}  // namespace restante::redo

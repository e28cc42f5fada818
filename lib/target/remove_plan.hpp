#pragma once
// What a deletion takes and what it must leave (R12). Pure: lists in, lists out.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <restante/backup_target.hpp>

namespace restante::target {

// What counts of an archived segment.
struct ArchivedRange {
  std::string key;
  Id128 server;
  Id128 incarnation;
  // Where the incarnation goes on from; none for the first.
  LogPosition parent;
  std::uint64_t sequence = 0;
  Lsn first_lsn = 0;
  // `first_lsn - 1` if it has no records.
  Lsn last_lsn = 0;
  Time last_time;
  // The lowest begin of the transactions that were open when the segment began; 0 if none was.
  Lsn lowest_open = 0;
};

// What another target has of a server's backups.
struct OtherTarget {
  std::vector<const SessionInfo*> sessions;
  // Keys of its archived segments.
  std::set<std::string> segments;
  // Something there cannot be read: nobody knows what it needs.
  bool is_unreadable = false;
};

struct RemovalInput {
  // Published sessions, oldest first, and the labels of those that cannot be read.
  std::vector<const SessionInfo*> sessions;
  std::vector<std::string> unreadable;
  // Sessions that may yet be published.
  std::vector<const SessionInfo*> running;
  std::vector<ArchivedRange> segments;
  std::vector<OtherTarget> others{};
};

struct RemovalPlan {
  // Labels, oldest first.
  std::vector<std::string> sessions;
  std::vector<std::pair<std::string, std::string>> kept;
  // Keys, oldest first: taking them in this order leaves no hole when it ends early.
  std::vector<std::string> segments;
};

// `invalid_argument`, `not_found` as `BackupTarget::remove`.
[[nodiscard]] Result<RemovalPlan> plan_removal(const RemovalInput& input,
                                               const BackupTarget::RemoveOptions& options);

}  // namespace restante::target

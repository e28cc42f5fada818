#pragma once
// What the layers above may do with a redo log beyond its public interface.

#include <restante/redo_log.hpp>
#include <restante/redo_segments.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "os/io.hpp"
#include "redo/segment_view.hpp"

namespace restante::redo {

/// Every segment that is there, oldest first; the last is the one being written, up to its durable end.
/// Views stay usable when the segment is rolled; when its file was removed they answer `not_found`.
[[nodiscard]] Result<SegmentViews> views(const RedoLog& log);

/// A raw segment by its file, for segments copied elsewhere. `next` is the header of the segment behind it if
/// that is known: it fixes where an unsealed one ends.
[[nodiscard]] Result<std::shared_ptr<const SegmentView>> open_raw_segment(
    os::Io& io, const std::string& path, const SegmentHeader* next = nullptr);

/// `RedoSegments::open` on another system.
[[nodiscard]] Result<RedoSegments> open_segments(os::Io& io, const std::vector<std::string>& paths);

/// Lowers the first sequence that must be kept: `remove_consumed` spares it and everything behind it while
/// the returned pin lives. For an archiver that is at work.
class SegmentPin {
 public:
  virtual ~SegmentPin() = default;
};
[[nodiscard]] std::shared_ptr<SegmentPin> pin_segments(const RedoLog& log, std::uint64_t from_sequence);

/// What tests replace.
struct OpenHooks {
  os::Io* io = nullptr;
  /// Microseconds that never go back; empty: the machine's boot-time clock when the log uses the system
  /// clock, else none, and then only steps back are noticed.
  std::function<std::int64_t()> monotonic_us;
  /// Ids of a log that is made; random if none.
  std::optional<Id128> log_id;
  std::optional<Id128> incarnation;
};
[[nodiscard]] Result<RedoLog> open_log(const std::string& directory, const RedoLog::Options& options,
                                       const OpenHooks& hooks);

}  // namespace restante::redo

#pragma once
// Handles that several files of the C API look into.

#include <restante/backup_target.hpp>
#include <restante/mail_source.hpp>
#include <restante/redo_log.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "boundary.hpp"
#include "ops.hpp"

struct restante_redo {
  /// Empty when it was closed.
  std::optional<restante::RedoLog> log;
};

struct restante_target {
  restante::BackupTarget target;
};

struct restante_source {
  /// Shared with the sessions that use it.
  std::shared_ptr<restante::MailSource> source;
};

struct restante_session_list {
  std::vector<restante::SessionInfo> sessions;
};

namespace restante::capi {

/// `invalid_argument` for a null or closed handle.
[[nodiscard]] Status open_log(restante_redo* redo, RedoLog*& out);

[[nodiscard]] Status range_from_c(const restante_read_range* given, ReadRange& out);

/// Reads content through a callback.
class CallbackReader final : public ContentReader {
 public:
  CallbackReader(restante_read_function read, void* user_data, restante_release_function release) noexcept
      : read_(read), user_data_(user_data), release_(release) {}
  ~CallbackReader() override;
  CallbackReader(const CallbackReader&) = delete;
  CallbackReader& operator=(const CallbackReader&) = delete;

  [[nodiscard]] Result<std::size_t> read(MutableByteView buffer) override;

 private:
  restante_read_function read_;
  void* user_data_;
  restante_release_function release_;
  bool at_end_ = false;
  /// The failure it ended with; the callback is not asked again.
  Status failure_;
};

[[nodiscard]] inline restante_position c_position(const LogPosition& position) noexcept {
  return {c_id(position.log), c_id(position.incarnation), position.lsn};
}

[[nodiscard]] inline restante_continuation c_continuation(const Continuation& continuation) noexcept {
  return {c_position(continuation.parent), continuation.parent_sequence};
}

}  // namespace restante::capi

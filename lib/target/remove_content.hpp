#pragma once
// Content that nothing names any more: what names some, and when it may go (R12).

#include <restante/backup_target.hpp>

#include "target/target_impl.hpp"

namespace restante::target {

// Sessions that may yet be published: of those under sessions_tmp all whose process is not known to be gone.
[[nodiscard]] Result<std::vector<RecordPointer>> live_sessions(BackupTarget::Impl& target);

// Gives back packs that nothing names, as far as sessions that run allow it. What stands in the way is
// `removal.pending` and no failure. `log` may be null.
[[nodiscard]] Status remove_content(BackupTarget::Impl& target, const RedoLog* log,
                                    BackupTarget::Removal& removal);

}  // namespace restante::target

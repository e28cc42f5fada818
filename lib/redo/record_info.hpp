#pragma once
// A record for people.

#include <restante/redo_log.hpp>

#include "redo/record.hpp"

namespace restante::redo {

/// As `redo dump` shows it. `damaged` if its body cannot be understood.
[[nodiscard]] Result<RecordInfo> describe(const Record& record);

}  // namespace restante::redo

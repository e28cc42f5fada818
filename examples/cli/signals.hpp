#pragma once
// SIGINT and SIGTERM, for commands that can be asked to end.

namespace cli {

/// From now on the first SIGINT or SIGTERM only sets a flag; a second one ends the program.
void watch_for_stop();
[[nodiscard]] bool stop_requested() noexcept;

}  // namespace cli

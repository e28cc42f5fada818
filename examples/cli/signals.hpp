#pragma once
// SIGINT and SIGTERM, for commands that can be asked to end.

namespace cli {

/// From now on the first SIGINT or SIGTERM only sets a flag; a second one ends the program. Called when a
/// command begins.
void watch_for_stop();
[[nodiscard]] bool stop_requested() noexcept;
/// Ends a command that has not changed anything yet, if it was asked to end: a `Failure` that says so.
void end_if_stopped();

}  // namespace cli

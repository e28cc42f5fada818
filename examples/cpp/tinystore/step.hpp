#pragma once
// An aid for tests: a process that dies by itself, at a place that no timing would hit.

#include <signal.h>
#include <stdlib.h>
#include <string.h>

namespace tinystore {

/// With TINYSTORE_KILL=NAME:N in the environment, the N-th time that a step of this name is reached kills
/// the process as `kill -9` does. The steps of a change are, in order:
///
///     put        the content is in the log
///     written    a recipient's begin is written; it may not be on the disk
///     begun      the begin is on the disk
///     stored     the store has changed
///     committed  the log has the commit; nothing is acknowledged yet
///
/// and `replayed` comes when what may have been lost is made again, before SQLite's commit of that.
inline void step(const char* name) {
  static const char* const order = getenv("TINYSTORE_KILL");
  if (order == nullptr) return;
  static long reached = 0;
  const size_t length = strlen(name);
  if (strncmp(order, name, length) != 0 || order[length] != ':') return;
  if (++reached == strtol(order + length + 1, nullptr, 10)) raise(SIGKILL);
}

}  // namespace tinystore

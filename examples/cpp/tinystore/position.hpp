#pragma once
// What the database knows of the redo log. It is written in the same SQLite transaction as the changes that
// it speaks of, so however much of the database's tail is lost, it is true of what is left.

#include <restante/redo_log.hpp>

#include <vector>

#include "sqlite.hpp"

namespace tinystore {

/// A transaction of the log whose change is in the database.
struct Applied {
  restante::Lsn begin_lsn = 0;
  /// What was assigned to the message that it puts, 0 if it puts none.
  std::uint32_t uid = 0;
};

class Position {
 public:
  explicit Position(Database& db) : db_(db) {}

  Status make_tables();
  /// `diverged` if the database went with another log, or with more of this one than there is.
  Status check(const restante::RedoLog& log);

  /// Everything that the log committed up to here is in the database.
  [[nodiscard]] Result<restante::Lsn> as_of() const;
  /// Applied transactions whose commit may not be on the log's disk, in the order of their application.
  [[nodiscard]] Result<std::vector<Applied>> applied() const;

  /// With a change: it is made, and the log does not know that yet.
  Status note(const Applied& change, const restante::RedoLog& log);
  /// `as_of` is on the log's disk, and so is the commit of all that was noted.
  Status set_as_of(restante::Lsn as_of);

 private:
  Database& db_;
};

}  // namespace tinystore

#include "position.hpp"

namespace tinystore {
namespace {

using restante::Lsn;
using restante::RedoLog;

constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), log TEXT, as_of INTEGER)",
    // done_by: the commit is there when the log is on the disk up to this LSN; NULL for the newest.
    "CREATE TABLE IF NOT EXISTS applied (begin_lsn INTEGER PRIMARY KEY, uid INTEGER, done_by INTEGER)",
};

}  // namespace

Status Position::make_tables() {
  for (const char* table : kTables) {
    if (Status made = db_.run(table); !made.ok()) return made;
  }
  return {};
}

Status Position::check(const RedoLog& log) {
  const std::string name = log.id().to_string() + "/" + log.incarnation().to_string();
  if (Status put = db_.run("INSERT OR IGNORE INTO position VALUES (1, ?, 0)", name); !put.ok()) return put;
  Query query(db_.get(), "SELECT log, as_of FROM position");
  const bool is_same =
      query.next() && query.text(0) == name && static_cast<Lsn>(query.number(1)) <= log.end();
  if (!query.status().ok() || is_same) return query.status();
  return Status(restante::Code::diverged, "the database and the redo log do not belong together",
                "restore one of them, or make a new store out of a backup");
}

Result<Lsn> Position::as_of() const {
  Query query(db_.get(), "SELECT as_of FROM position");
  const Lsn as_of = query.next() ? static_cast<Lsn>(query.number(0)) : 0;
  if (!query.status().ok()) return query.status();
  return as_of;
}

Result<std::vector<Applied>> Position::applied() const {
  Query query(db_.get(), "SELECT begin_lsn, uid FROM applied ORDER BY done_by NULLS LAST");
  std::vector<Applied> all;
  while (query.next())
    all.push_back({static_cast<Lsn>(query.number(0)), static_cast<std::uint32_t>(query.number(1))});
  if (!query.status().ok()) return query.status();
  return all;
}

// Called with the lock, when everything that was applied before has its commit in the log. So all commits up
// to log.end() are of changes that are in the database. Of these, `as_of` takes those that are on the disk:
// an LSN that is not may be used again after a power loss, for a change that the database has never seen.
Status Position::note(const Applied& change, const RedoLog& log) {
  const Lsn durable = log.durable_end();
  Status done = db_.run("UPDATE applied SET done_by = ? WHERE done_by IS NULL", log.end());
  if (done.ok()) done = db_.run("DELETE FROM applied WHERE done_by <= ?", durable);
  if (done.ok()) done = db_.run("INSERT INTO applied VALUES (?, ?, NULL)", change.begin_lsn, change.uid);
  if (done.ok()) done = db_.run("UPDATE position SET as_of = max(as_of, ?)", durable);
  return done;
}

Status Position::set_as_of(Lsn as_of) {
  Status done = db_.run("DELETE FROM applied");
  return done.ok() ? db_.run("UPDATE position SET as_of = max(as_of, ?)", as_of) : done;
}

}  // namespace tinystore

#include "sqlite.hpp"

namespace tinystore {
namespace {

using restante::Code;

Status failure(sqlite3* db, int code) {
  const Code kind = code == SQLITE_BUSY ? Code::busy : code == SQLITE_FULL ? Code::no_space : Code::io;
  return Status(kind, std::string("the database: ") + (db == nullptr ? "no memory" : sqlite3_errmsg(db)));
}

}  // namespace

void Query::keep(int code) {
  if (status_.ok()) status_ = failure(db_, code);
}

void Query::prepare(const char* sql) {
  const int code = sqlite3_prepare_v2(db_, sql, -1, &statement_, nullptr);
  if (code != SQLITE_OK) keep(code);
}

void Query::bind(std::string_view text) {
  if (!status_.ok()) return;
  const int code =
      sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) keep(code);
}

void Query::bind(std::int64_t number) {
  if (!status_.ok()) return;
  const int code = sqlite3_bind_int64(statement_, ++bound_, number);
  if (code != SQLITE_OK) keep(code);
}

bool Query::next() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) keep(code);
  return code == SQLITE_ROW;
}

std::string Query::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string() : std::string(bytes, size);
}

Result<Database> Database::open(const std::string& path) {
  Database database;
  sqlite3* db = nullptr;
  const int code = sqlite3_open(path.c_str(), &db);
  database.db_.reset(db);
  if (code != SQLITE_OK) return failure(db, code).with_context(path);
  sqlite3_busy_timeout(db, 30'000);
  return database;
}

// NORMAL: a commit does not wait for the disk. Killing the process loses nothing then; a power loss may take
// the newest commits, never the database's integrity. Their changes are in the redo log, which is on the disk
// before they are made, and Store::settle makes them again. FULL would pay for a second sync of each change
// and gain nothing; OFF could leave a database that cannot be read.
Status Database::configure() {
  Status set = run("PRAGMA journal_mode = WAL");
  return set.ok() ? run("PRAGMA synchronous = NORMAL") : set;
}

Change::~Change() {
  if (begun_.ok() && !committed_) (void)db_.run("ROLLBACK");
}

Status Change::commit() {
  Status done = db_.run("COMMIT");
  committed_ = done.ok();
  return done;
}

}  // namespace tinystore

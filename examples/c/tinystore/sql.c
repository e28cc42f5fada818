#include "sql.h"

#include <stdio.h>

static int32_t fail(sqlite3 *db, int failure, restante_error **out_error) {
  char message[256];
  int32_t code = RESTANTE_ERROR_IO;
  if (failure == SQLITE_BUSY) code = RESTANTE_ERROR_BUSY;
  if (failure == SQLITE_FULL) code = RESTANTE_ERROR_NO_SPACE;
  snprintf(message, sizeof message, "the database: %s", db == NULL ? "no memory" : sqlite3_errmsg(db));
  if (out_error != NULL) *out_error = restante_error_new(code, message, NULL);
  return code;
}

void query_open(query *self, sqlite3 *db, const char *sql) {
  self->db = db;
  self->statement = NULL;
  self->bound = 0;
  self->failure = sqlite3_prepare_v2(db, sql, -1, &self->statement, NULL);
}

void query_text(query *self, restante_view text) {
  const char *data = text.data == NULL ? "" : text.data;
  if (self->failure != SQLITE_OK) return;
  self->failure = sqlite3_bind_text(self->statement, ++self->bound, data, (int)text.size, SQLITE_TRANSIENT);
}

void query_number(query *self, int64_t number) {
  if (self->failure != SQLITE_OK) return;
  self->failure = sqlite3_bind_int64(self->statement, ++self->bound, number);
}

int query_next(query *self) {
  int code;
  if (self->failure != SQLITE_OK) return 0;
  code = sqlite3_step(self->statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE) self->failure = code;
  return code == SQLITE_ROW;
}

int64_t query_number_at(const query *self, int column) {
  return sqlite3_column_int64(self->statement, column);
}

restante_view query_text_at(const query *self, int column) {
  restante_view text;
  text.data = (const char *)sqlite3_column_text(self->statement, column);
  text.size = (size_t)sqlite3_column_bytes(self->statement, column);
  return text;
}

int32_t query_close(query *self, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  if (self->failure != SQLITE_OK) code = fail(self->db, self->failure, out_error);
  sqlite3_finalize(self->statement);
  self->statement = NULL;
  return code;
}

int32_t sql_run(sqlite3 *db, const char *sql, restante_error **out_error) {
  query statement;
  query_open(&statement, db, sql);
  while (query_next(&statement)) continue;
  return query_close(&statement, out_error);
}

int32_t sql_open(const char *path, sqlite3 **out_db, restante_error **out_error) {
  const int failure = sqlite3_open(path, out_db);
  if (failure != SQLITE_OK) return fail(*out_db, failure, out_error);
  sqlite3_busy_timeout(*out_db, 30000);
  return RESTANTE_OK;
}

/*
 * NORMAL: a commit does not wait for the disk. Killing the process loses nothing then; a power loss may take
 * the newest commits, never the database's integrity. Their changes are in the redo log, which is on the
 * disk before they are made, and `store_settle` makes them again. FULL would pay for a second sync of each
 * change and gain nothing; OFF could leave a database that cannot be read.
 */
int32_t sql_configure(sqlite3 *db, restante_error **out_error) {
  const int32_t code = sql_run(db, "PRAGMA journal_mode = WAL", out_error);
  return code == RESTANTE_OK ? sql_run(db, "PRAGMA synchronous = NORMAL", out_error) : code;
}

int32_t sql_begin(sqlite3 *db, restante_error **out_error) {
  return sql_run(db, "BEGIN IMMEDIATE", out_error);
}

int32_t sql_end(sqlite3 *db, int32_t code, restante_error **out_error) {
  if (code == RESTANTE_OK) code = sql_run(db, "COMMIT", out_error);
  if (code != RESTANTE_OK) sql_run(db, "ROLLBACK", NULL);
  return code;
}

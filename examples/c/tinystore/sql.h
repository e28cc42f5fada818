#ifndef TINYSTORE_SQL_H
#define TINYSTORE_SQL_H
/* SQLite, as little of it as the store needs. */

#include <restante.h>
#include <sqlite3.h>

/*
 * A statement with its values, and its rows. The first failure is kept, and `query_close` answers it: until
 * then nothing has to be asked.
 *
 *     query find;
 *     query_open(&find, db, "SELECT uid FROM messages WHERE id = ?");
 *     query_text(&find, id);
 *     while (query_next(&find)) use(query_number_at(&find, 0));
 *     return query_close(&find, out_error);
 */
typedef struct query {
  sqlite3 *db;
  sqlite3_stmt *statement;
  int bound;
  int failure;
} query;

void query_open(query *self, sqlite3 *db, const char *sql);
void query_text(query *self, restante_view text);
void query_number(query *self, int64_t number);
int query_next(query *self);
int64_t query_number_at(const query *self, int column);
/* Valid until the next row. */
restante_view query_text_at(const query *self, int column);
int32_t query_close(query *self, restante_error **out_error);

/* Opens or makes a database. Nothing is in it yet when it is new. */
int32_t sql_open(const char *path, sqlite3 **out_db, restante_error **out_error);
/* How it is written. With the store's lock: a database is made what it is by one at a time. */
int32_t sql_configure(sqlite3 *db, restante_error **out_error);
/* A statement without values. */
int32_t sql_run(sqlite3 *db, const char *sql, restante_error **out_error);

/* What is changed in between is changed together: `sql_end` commits if `code` is RESTANTE_OK, and otherwise
 * changes nothing and answers `code`. */
int32_t sql_begin(sqlite3 *db, restante_error **out_error);
int32_t sql_end(sqlite3 *db, int32_t code, restante_error **out_error);

#endif

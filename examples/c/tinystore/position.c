#include "position.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailboxes.h"
#include "sql.h"

enum { LOG_NAME = 66 };

int32_t position_make_tables(sqlite3 *db, restante_error **out_error) {
  int32_t code = sql_run(db,
                         "CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1),"
                         " log TEXT, as_of INTEGER)",
                         out_error);
  /* done_by: the commit is there when the log is on the disk up to this LSN; NULL for the newest. */
  if (code == RESTANTE_OK)
    code = sql_run(db,
                   "CREATE TABLE IF NOT EXISTS applied (begin_lsn INTEGER PRIMARY KEY, uid INTEGER,"
                   " done_by INTEGER)",
                   out_error);
  return code;
}

static void name_of(const restante_position *end, char *out_name) {
  size_t i;
  for (i = 0; i < 16; i++) {
    sprintf(out_name + 2 * i, "%02x", end->log.bytes[i]);
    sprintf(out_name + 33 + 2 * i, "%02x", end->incarnation.bytes[i]);
  }
  out_name[32] = '/';
}

int32_t position_check(sqlite3 *db, const restante_redo *redo, restante_error **out_error) {
  const restante_position end = restante_redo_end(redo);
  char name[LOG_NAME] = {0};
  int is_same;
  int32_t code;
  query put, find;
  name_of(&end, name);
  query_open(&put, db, "INSERT OR IGNORE INTO position VALUES (1, ?, 0)");
  query_text(&put, restante_view_of(name));
  query_next(&put);
  code = query_close(&put, out_error);
  if (code != RESTANTE_OK) return code;
  query_open(&find, db, "SELECT log, as_of FROM position");
  is_same = query_next(&find) && strcmp(query_text_at(&find, 0).data, name) == 0 &&
            (uint64_t)query_number_at(&find, 1) <= end.lsn;
  code = query_close(&find, out_error);
  if (code != RESTANTE_OK || is_same) return code;
  return mailboxes_fail(RESTANTE_ERROR_DIVERGED, "the database and the redo log do not belong together",
                        out_error);
}

int32_t position_as_of(sqlite3 *db, uint64_t *out_as_of, restante_error **out_error) {
  query find;
  query_open(&find, db, "SELECT as_of FROM position");
  *out_as_of = query_next(&find) ? (uint64_t)query_number_at(&find, 0) : 0;
  return query_close(&find, out_error);
}

int32_t position_applied(sqlite3 *db, applied_list *out_list, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  query find;
  out_list->all = NULL;
  out_list->count = 0;
  query_open(&find, db, "SELECT begin_lsn, uid FROM applied ORDER BY done_by NULLS LAST");
  while (code == RESTANTE_OK && query_next(&find)) {
    applied *longer = realloc(out_list->all, (out_list->count + 1) * sizeof *longer);
    if (longer == NULL) {
      code = RESTANTE_ERROR_NO_MEMORY;
    } else {
      out_list->all = longer;
      longer[out_list->count].begin_lsn = (uint64_t)query_number_at(&find, 0);
      longer[out_list->count++].uid = (uint32_t)query_number_at(&find, 1);
    }
  }
  if (code == RESTANTE_OK) return query_close(&find, out_error);
  query_close(&find, NULL);
  return mailboxes_fail(code, "no memory is left", out_error);
}

void applied_list_free(applied_list *list) { free(list->all); }

int applied_list_has(const applied_list *list, uint64_t begin_lsn) {
  size_t i;
  for (i = 0; i < list->count; i++) {
    if (list->all[i].begin_lsn == begin_lsn) return 1;
  }
  return 0;
}

static int32_t run_with(sqlite3 *db, const char *sql, uint64_t number, restante_error **out_error) {
  query statement;
  query_open(&statement, db, sql);
  query_number(&statement, (int64_t)number);
  query_next(&statement);
  return query_close(&statement, out_error);
}

/*
 * Called with the lock, when everything that was applied before has its commit in the log. So all commits up
 * to its end are of changes that are in the database. Of these, `as_of` takes those that are on the disk: an
 * LSN that is not may be used again after a power loss, for a change that the database has never seen.
 */
int32_t position_note(sqlite3 *db, const applied *change, const restante_redo *redo,
                      restante_error **out_error) {
  const uint64_t durable = restante_redo_durable_end(redo);
  query put;
  int32_t code = run_with(db, "UPDATE applied SET done_by = ? WHERE done_by IS NULL",
                          restante_redo_end(redo).lsn, out_error);
  if (code == RESTANTE_OK) code = run_with(db, "DELETE FROM applied WHERE done_by <= ?", durable, out_error);
  if (code == RESTANTE_OK)
    code = run_with(db, "UPDATE position SET as_of = max(as_of, ?)", durable, out_error);
  if (code != RESTANTE_OK) return code;
  query_open(&put, db, "INSERT INTO applied VALUES (?, ?, NULL)");
  query_number(&put, (int64_t)change->begin_lsn);
  query_number(&put, change->uid);
  query_next(&put);
  return query_close(&put, out_error);
}

int32_t position_set_as_of(sqlite3 *db, uint64_t as_of, restante_error **out_error) {
  const int32_t code = sql_run(db, "DELETE FROM applied", out_error);
  if (code != RESTANTE_OK) return code;
  return run_with(db, "UPDATE position SET as_of = max(as_of, ?)", as_of, out_error);
}

#ifndef TINYSTORE_POSITION_H
#define TINYSTORE_POSITION_H
/*
 * What the database knows of the redo log. It is written in the same SQLite transaction as the changes that
 * it speaks of, so however much of the database's tail is lost, it is true of what is left.
 */

#include <restante.h>
#include <sqlite3.h>

/* A transaction of the log whose change is in the database. */
typedef struct applied {
  uint64_t begin_lsn;
  /* What was assigned to the message that it puts, 0 if it puts none. */
  uint32_t uid;
} applied;

typedef struct applied_list {
  applied *all;
  size_t count;
} applied_list;

int32_t position_make_tables(sqlite3 *db, restante_error **out_error);
/* RESTANTE_ERROR_DIVERGED if the database went with another log, or with more of this one than there is. */
int32_t position_check(sqlite3 *db, const restante_redo *redo, restante_error **out_error);

/* Everything that the log committed up to here is in the database. */
int32_t position_as_of(sqlite3 *db, uint64_t *out_as_of, restante_error **out_error);
/* Applied transactions whose commit may not be on the log's disk, in the order of their application. */
int32_t position_applied(sqlite3 *db, applied_list *out_list, restante_error **out_error);
void applied_list_free(applied_list *list);
int applied_list_has(const applied_list *list, uint64_t begin_lsn);

/* With a change: it is made, and the log does not know that yet. */
int32_t position_note(sqlite3 *db, const applied *change, const restante_redo *redo,
                      restante_error **out_error);
/* `as_of` is on the log's disk, and so is the commit of all that was noted. */
int32_t position_set_as_of(sqlite3 *db, uint64_t as_of, restante_error **out_error);

#endif

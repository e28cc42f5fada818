#ifndef TINYSTORE_MAILBOXES_H
#define TINYSTORE_MAILBOXES_H
/* The tables of accounts, folders and messages, and what operations do to them. */

#include <restante.h>
#include <sqlite3.h>

typedef struct message_row {
  uint32_t uid;
  uint32_t flags;
  uint32_t uidvalidity;
  restante_content content;
  int64_t date;
} message_row;

typedef struct folder_row {
  uint32_t uidvalidity;
  uint32_t uidnext;
} folder_row;

/* What operations are done to, and with. */
typedef struct mailboxes {
  sqlite3 *db;
  restante_redo *redo;
  const char *content_directory;
} mailboxes;

/* What the store says to operations that were begun: why it will not do them, or what it assigns. */
typedef struct decision {
  /* Owned; NULL if they are to be done. */
  restante_error *refusal;
  /* Of the message that is put, in operation `put_index`; 0 if none is. A transaction puts one at most. */
  uint32_t uid;
  uint32_t put_index;
} decision;

int32_t mailboxes_make_tables(sqlite3 *db, restante_error **out_error);

int32_t mailboxes_has_account(sqlite3 *db, restante_view account, int *out_found, restante_error **out_error);
int32_t mailboxes_find_folder(sqlite3 *db, restante_view account, restante_view id, folder_row *out_folder,
                              int *out_found, restante_error **out_error);
int32_t mailboxes_find_message(sqlite3 *db, restante_view account, restante_view folder, restante_view id,
                               message_row *out_message, int *out_found, restante_error **out_error);
/* Told one message at a time, by folder and UID. */
typedef void (*mailboxes_each)(void *user_data, restante_view folder, restante_view id,
                               const message_row *message);
int32_t mailboxes_list(sqlite3 *db, restante_view account, mailboxes_each each, void *user_data,
                       restante_error **out_error);
int32_t mailboxes_uses(sqlite3 *db, const char *digest, int *out_used, restante_error **out_error);

/* Looks whether the store will do operations that it has not done before, and assigns the UID. */
int32_t mailboxes_decide(sqlite3 *db, restante_view account, const restante_ops *ops, decision *out_decision,
                         restante_error **out_error);
/*
 * Does operations as the log tells them: the store has the last word in `mailboxes_decide`, never here. Doing
 * them again changes nothing. `uid` is what was assigned, 0 if the operations have it.
 */
int32_t mailboxes_apply(const mailboxes *self, restante_view account, const restante_ops *ops, uint32_t uid,
                        restante_error **out_error);

/* An error of the store's own. */
int32_t mailboxes_fail(int32_t code, const char *message, restante_error **out_error);

#endif

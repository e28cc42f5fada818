#ifndef TINYSTORE_STORE_H
#define TINYSTORE_STORE_H
/*
 * The store: a directory of message files, a SQLite database that says what they mean, and the redo log.
 *
 *     DIR/content/   message files, named by their digest
 *     DIR/mail.db    accounts, folders, messages, and the position in the log
 *     DIR/redo/      the redo log
 *     DIR/lock       held while the store changes
 *
 * Every change goes the same way (see examples/cpp/tinystore/README.md for why):
 *
 *     restante_redo_put_content                a delivery's bytes
 *     restante_redo_begin          <- durable  from here on the change survives anything
 *     lock                                     the order of changes
 *       SQLite transaction                     the change, and the position in the log
 *       restante_transaction_commit  <- lazy   with the UID that was assigned
 *     unlock
 *     answer
 *
 * Any number of processes may use a store at once, of this program and of its twin in C++; a handle is used
 * by one thread.
 */

#include <restante.h>
#include <stdio.h>

#include "mailboxes.h"

enum { STORE_ID = 33 };

typedef struct store store;

/* What opening made good. The newest transactions are replayed each time, to be sure of them. */
typedef struct store_recovered {
  uint64_t replayed;
  uint64_t finished;
} store_recovered;

/* Opens the store, or makes it, and makes good what a crash left. */
int32_t store_open(const char *directory, store **out_store, restante_error **out_error);
void store_free(store *self);
store_recovered store_what_was_recovered(const store *self);

int32_t store_create(store *self, const char *account, restante_error **out_error);
/* Into the INBOX of every account, of which there is at least one. `out_id` gets the new message's id: 32
 * digits and a NUL. */
int32_t store_deliver(store *self, const char *const *accounts, size_t account_count, const void *bytes,
                      size_t size, char *out_id, restante_error **out_error);
/* `mode` is RESTANTE_FLAGS_ADD or _REMOVE. */
int32_t store_flag(store *self, const char *account, const char *folder, const char *id, uint32_t mode,
                   uint32_t flags, restante_error **out_error);
int32_t store_move(store *self, const char *account, const char *folder, const char *id, const char *to,
                   restante_error **out_error);
int32_t store_expunge(store *self, const char *account, const char *folder, const char *id,
                      restante_error **out_error);
int32_t store_list(store *self, const char *account, mailboxes_each each, void *user_data,
                   restante_error **out_error);
int32_t store_show(store *self, const char *account, const char *folder, const char *id, FILE *out,
                   restante_error **out_error);
/* To be called every minute or so by one process: keeps log and files from growing for ever. */
int32_t store_tidy(store *self, restante_error **out_error);

#endif

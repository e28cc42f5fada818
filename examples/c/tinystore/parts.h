#ifndef TINYSTORE_PARTS_H
#define TINYSTORE_PARTS_H
/* What the files of the store share: store.c (opening, and the way of a change), settle.c (making good what
 * others left), commands.c (what the store is asked to do). */

#include "files.h"
#include "position.h"
#include "sql.h"
#include "step.h"
#include "store.h"

/* The consumer of the log that keeps the segments that a replay would need. */
#define STORE_CONSUMER "tinystore"

struct store {
  restante_redo *redo;
  sqlite3 *db;
  char content[FILES_PATH];
  int lock;
  int is_replayed;
  store_recovered recovered;
};

typedef struct transaction_list {
  restante_transaction **all;
  size_t count;
} transaction_list;

void transaction_list_free(transaction_list *list);

mailboxes store_mailboxes(store *self);
int32_t store_set_consumer(store *self, uint64_t position, restante_error **out_error);

/* Takes the lock, with everything settled that others left; unlocked after a failure. */
int32_t store_lock_settled(store *self, restante_error **out_error);
void store_unlock(store *self);
/* With the lock. */
int32_t store_settle(store *self, restante_error **out_error);

/* Begins a transaction, after settling what keeps the account from that. */
int32_t store_begin(store *self, const char *account, const restante_ops *ops, uint32_t sync,
                    restante_transaction **out_transaction, restante_error **out_error);
/* With the lock, and everything settled: does what was begun and ends it, or refuses it and aborts. */
int32_t store_perform(store *self, restante_transaction *transaction, restante_error **out_refusal,
                      restante_error **out_error);
/* Ends a transaction as done; `uid` is that of the message that operation `put_index` puts, 0 for none. */
int32_t store_commit(restante_transaction *transaction, uint32_t put_index, uint32_t uid,
                     restante_error **out_error);
/* Makes a refusal the failure of a command. */
int32_t store_answer(int32_t code, restante_error *refusal, restante_error **out_error);
/* All of it, for a change of one account. */
int32_t store_change(store *self, const char *account, const restante_ops *ops, restante_error **out_error);

#endif

#define _DEFAULT_SOURCE

#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

/* Whoever opens a log that nobody has open reads the rest of its newest segment. */
static const uint64_t segment_bytes = 8u << 20;

store_recovered store_what_was_recovered(const store *self) { return self->recovered; }

mailboxes store_mailboxes(store *self) {
  mailboxes all;
  all.db = self->db;
  all.redo = self->redo;
  all.content_directory = self->content;
  return all;
}

void transaction_list_free(transaction_list *left) {
  size_t i;
  for (i = 0; i < left->count; i++) restante_transaction_free(left->all[i]);
  free(left->all);
}

/* --- The lock ------------------------------------------------------------------------------------------- */

/*
 * Orders the changes of all processes. SQLite's own lock cannot do that: it ends with SQLite's commit, and
 * the log's commit comes behind that and before anybody else's change. Killing the process unlocks it.
 */
static int32_t lock_store(store *self, restante_error **out_error) {
  int code;
  do code = flock(self->lock, LOCK_EX);
  while (code != 0 && errno == EINTR);
  return code == 0 ? RESTANTE_OK : files_fail("the store's lock", out_error);
}

void store_unlock(store *self) { flock(self->lock, LOCK_UN); }

int32_t store_lock_settled(store *self, restante_error **out_error) {
  int32_t code = lock_store(self, out_error);
  if (code != RESTANTE_OK) return code;
  code = store_settle(self, out_error);
  if (code != RESTANTE_OK) store_unlock(self);
  return code;
}

/* --- Opening -------------------------------------------------------------------------------------------- */

int32_t store_set_consumer(store *self, uint64_t position, restante_error **out_error) {
  return restante_redo_set_consumer(self->redo, restante_view_of(STORE_CONSUMER), position, out_error);
}

typedef struct registered {
  int is_there;
  uint64_t position;
} registered;

static int32_t look_for_ours(void *user_data, const restante_consumer *consumer, restante_error **out_error) {
  registered *ours = user_data;
  (void)out_error;
  if (strcmp(consumer->name.data, STORE_CONSUMER) != 0) return RESTANTE_OK;
  ours->is_there = 1;
  ours->position = consumer->position;
  return RESTANTE_OK;
}

/*
 * The log keeps what the consumer is not past, and the consumer is never past what the database has on its
 * disk. So a database behind it is no power loss: somebody put an old one in the place of the newer.
 */
static int32_t check_consumer(store *self, restante_error **out_error) {
  registered ours = {0, 0};
  uint64_t as_of = 0;
  int32_t code = position_as_of(self->db, &as_of, out_error);
  if (code == RESTANTE_OK) code = restante_redo_consumers(self->redo, look_for_ours, &ours, out_error);
  if (code != RESTANTE_OK) return code;
  if (!ours.is_there) return store_set_consumer(self, 0, out_error);
  if (ours.position <= as_of) return RESTANTE_OK;
  return mailboxes_fail(RESTANTE_ERROR_DIVERGED,
                        "the database is older than what the redo log was told that it has", out_error);
}

static int32_t prepare(store *self, restante_error **out_error) {
  int32_t code = files_prepare(self->content, out_error);
  if (code == RESTANTE_OK) code = sql_configure(self->db, out_error);
  if (code == RESTANTE_OK) code = sql_begin(self->db, out_error);
  if (code != RESTANTE_OK) return code;
  code = mailboxes_make_tables(self->db, out_error);
  if (code == RESTANTE_OK) code = position_make_tables(self->db, out_error);
  if (code == RESTANTE_OK) code = position_check(self->db, self->redo, out_error);
  code = sql_end(self->db, code, out_error);
  return code == RESTANTE_OK ? check_consumer(self, out_error) : code;
}

static int32_t open_parts(store *self, const char *directory, restante_error **out_error) {
  restante_redo_options options = {0};
  char path[FILES_PATH];
  int32_t code;
  if (strlen(directory) > FILES_PATH - 128)
    return mailboxes_fail(RESTANTE_ERROR_INVALID_ARGUMENT, "the directory's name is too long", out_error);
  if (mkdir(directory, 0700) != 0 && errno != EEXIST) return files_fail(directory, out_error);
  snprintf(self->content, sizeof self->content, "%s/content", directory);
  options.struct_size = sizeof options;
  options.create = 1;
  options.holder = "tinystore-c";
  options.segment_bytes = segment_bytes;
  snprintf(path, sizeof path, "%s/redo", directory);
  code = restante_redo_open(path, &options, &self->redo, out_error);
  snprintf(path, sizeof path, "%s/mail.db", directory);
  if (code == RESTANTE_OK) code = sql_open(path, &self->db, out_error);
  snprintf(path, sizeof path, "%s/lock", directory);
  if (code != RESTANTE_OK) return code;
  self->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return self->lock >= 0 ? RESTANTE_OK : files_fail(path, out_error);
}

int32_t store_open(const char *directory, store **out_store, restante_error **out_error) {
  store *self = calloc(1, sizeof *self);
  int32_t code;
  if (self == NULL) return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  self->lock = -1;
  code = open_parts(self, directory, out_error);
  if (code == RESTANTE_OK) code = lock_store(self, out_error);
  if (code == RESTANTE_OK) {
    code = prepare(self, out_error);
    if (code == RESTANTE_OK) code = store_settle(self, out_error);
    store_unlock(self);
  }
  if (code == RESTANTE_OK) {
    *out_store = self;
  } else {
    store_free(self);
  }
  return code;
}

void store_free(store *self) {
  if (self == NULL) return;
  sqlite3_close_v2(self->db);
  restante_redo_free(self->redo);
  if (self->lock >= 0) close(self->lock);
  free(self);
}

/* --- A change ------------------------------------------------------------------------------------------- */

static int32_t do_and_note(store *self, restante_transaction *transaction, const decision *decided,
                           restante_error **out_error) {
  const mailboxes all = store_mailboxes(self);
  applied change;
  int32_t code = mailboxes_apply(&all, restante_transaction_account(transaction),
                                 restante_transaction_ops(transaction), decided->uid, out_error);
  change.begin_lsn = restante_transaction_begin_lsn(transaction);
  change.uid = decided->uid;
  if (code == RESTANTE_OK) code = position_note(self->db, &change, self->redo, out_error);
  return code;
}

int32_t store_commit(restante_transaction *transaction, uint32_t put_index, uint32_t uid,
                     restante_error **out_error) {
  restante_assigned assigned = {0};
  assigned.struct_size = sizeof assigned;
  assigned.operation = put_index;
  assigned.uid = uid;
  return restante_transaction_commit(transaction, uid != 0 ? &assigned : NULL, uid != 0 ? 1 : 0,
                                     RESTANTE_SYNC_DEFAULT, NULL, out_error);
}

/*
 * With the lock, and everything settled. A refusal ends the transaction as not done, and is `*out_refusal`,
 * which the caller frees. A failure leaves it in doubt, which is what it is: whoever takes the lock next will
 * see what became of it.
 */
int32_t store_perform(store *self, restante_transaction *transaction, restante_error **out_refusal,
                      restante_error **out_error) {
  decision decided = {0};
  int32_t code = sql_begin(self->db, out_error);
  *out_refusal = NULL;
  if (code != RESTANTE_OK) return code;
  code = mailboxes_decide(self->db, restante_transaction_account(transaction),
                          restante_transaction_ops(transaction), &decided, out_error);
  if (code == RESTANTE_OK && decided.refusal == NULL)
    code = do_and_note(self, transaction, &decided, out_error);
  code = sql_end(self->db, code, out_error);
  if (code == RESTANTE_OK && decided.refusal == NULL) {
    step("stored");
    code = store_commit(transaction, decided.put_index, decided.uid, out_error);
    if (code == RESTANTE_OK) step("committed");
  } else if (code == RESTANTE_OK) {
    code = restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, out_error);
  }
  if (code == RESTANTE_OK) {
    *out_refusal = decided.refusal;
  } else {
    restante_error_free(decided.refusal);
  }
  return code;
}

int32_t store_begin(store *self, const char *account, const restante_ops *ops, uint32_t sync,
                    restante_transaction **out_transaction, restante_error **out_error) {
  restante_begin_options options = {0};
  int32_t code;
  options.struct_size = sizeof options;
  options.sync = sync;
  options.origin_client = "tinystore-c";
  for (;;) {
    code =
        restante_redo_begin(self->redo, restante_view_of(account), ops, &options, out_transaction, out_error);
    if (code != RESTANTE_ERROR_NEEDS_RECOVERY) return code;
    restante_error_free(*out_error);
    code = store_lock_settled(self, out_error);
    if (code != RESTANTE_OK) return code;
    store_unlock(self);
  }
}

int32_t store_answer(int32_t code, restante_error *refusal, restante_error **out_error) {
  if (refusal == NULL) return code;
  if (code == RESTANTE_OK) {
    *out_error = refusal;
    return restante_error_code(refusal);
  }
  restante_error_free(refusal);
  return code;
}

/*
 * A change of something that others may be changing too. It is answered when the log's commit is on the disk:
 * if a power loss took that, recovery would do the change again behind another one that was begun before it,
 * and might have to refuse what was acknowledged.
 */
int32_t store_change(store *self, const char *account, const restante_ops *ops, restante_error **out_error) {
  restante_transaction *transaction = NULL;
  restante_error *refusal = NULL;
  int32_t code = store_begin(self, account, ops, RESTANTE_SYNC_DURABLE, &transaction, out_error);
  if (code != RESTANTE_OK) return code;
  step("begun");
  code = store_lock_settled(self, out_error);
  if (code == RESTANTE_OK) {
    code = store_perform(self, transaction, &refusal, out_error);
    store_unlock(self);
  }
  restante_transaction_free(transaction);
  if (code == RESTANTE_OK) code = restante_redo_sync(self->redo, out_error);
  return store_answer(code, refusal, out_error);
}

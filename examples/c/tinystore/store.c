#define _DEFAULT_SOURCE

#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "position.h"
#include "sql.h"
#include "step.h"

static const char inbox[] = "INBOX";
static const char *const folders[] = {inbox, "Archive", "Trash"};
/* Keeps the segments that a replay would need. */
static const char consumer_name[] = "tinystore";
/* Whoever opens a log that nobody has open reads the rest of its newest segment. */
static const uint64_t segment_bytes = 8u << 20;
/* A process that let go of the lock and has not ended its transaction is about to die, or to let it go. */
enum { DYING_SECONDS = 30 };

struct store {
  restante_redo *redo;
  sqlite3 *db;
  char content[FILES_PATH];
  int lock;
  int is_replayed;
  store_recovered recovered;
};

store_recovered store_what_was_recovered(const store *self) { return self->recovered; }

static mailboxes mailboxes_of(store *self) {
  mailboxes all;
  all.db = self->db;
  all.redo = self->redo;
  all.content_directory = self->content;
  return all;
}

static int32_t settle(store *self, restante_error **out_error);

/* --- The lock ------------------------------------------------------------------------------------------- */

/*
 * Orders the changes of all processes. SQLite's own lock cannot do that: it ends with SQLite's commit, and the
 * log's commit comes behind that and before anybody else's change. Killing the process unlocks it.
 */
static int32_t lock_store(store *self, restante_error **out_error) {
  int code;
  do code = flock(self->lock, LOCK_EX);
  while (code != 0 && errno == EINTR);
  return code == 0 ? RESTANTE_OK : files_fail("the store's lock", out_error);
}

static void unlock_store(store *self) { flock(self->lock, LOCK_UN); }

/* Takes the lock, with everything settled that others left; unlocked after a failure. */
static int32_t lock_settled(store *self, restante_error **out_error) {
  int32_t code = lock_store(self, out_error);
  if (code != RESTANTE_OK) return code;
  code = settle(self, out_error);
  if (code != RESTANTE_OK) unlock_store(self);
  return code;
}

/* --- Opening -------------------------------------------------------------------------------------------- */

typedef struct registered {
  int is_there;
  uint64_t position;
} registered;

static int32_t look_for_ours(void *user_data, const restante_consumer *consumer, restante_error **out_error) {
  registered *ours = user_data;
  (void)out_error;
  if (strcmp(consumer->name.data, consumer_name) != 0) return RESTANTE_OK;
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
  if (code == RESTANTE_OK)
    code = restante_redo_consumers(self->redo, look_for_ours, &ours, out_error);
  if (code != RESTANTE_OK) return code;
  if (!ours.is_there) return restante_redo_set_consumer(self->redo, consumer_name, 0, 0, out_error);
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
    if (code == RESTANTE_OK) code = settle(self, out_error);
    unlock_store(self);
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
  const mailboxes all = mailboxes_of(self);
  applied change;
  int32_t code = mailboxes_apply(&all, restante_transaction_account(transaction),
                                 restante_transaction_ops(transaction), decided->uid, out_error);
  change.begin_lsn = restante_transaction_begin_lsn(transaction);
  change.uid = decided->uid;
  if (code == RESTANTE_OK) code = position_note(self->db, &change, self->redo, out_error);
  return code;
}

static int32_t commit(restante_transaction *transaction, uint32_t put_index, uint32_t uid,
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
static int32_t perform(store *self, restante_transaction *transaction, restante_error **out_refusal,
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
    code = commit(transaction, decided.put_index, decided.uid, out_error);
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

static int32_t begin(store *self, const char *account, const restante_ops *ops, uint32_t sync,
                     restante_transaction **out_transaction, restante_error **out_error) {
  restante_begin_options options = {0};
  int32_t code;
  options.struct_size = sizeof options;
  options.sync = sync;
  options.origin_client = "tinystore-c";
  for (;;) {
    code = restante_redo_begin(self->redo, restante_view_of(account), ops, &options, out_transaction,
                               out_error);
    if (code != RESTANTE_ERROR_NEEDS_RECOVERY) return code;
    restante_error_free(*out_error);
    code = lock_settled(self, out_error);
    if (code != RESTANTE_OK) return code;
    unlock_store(self);
  }
}

/* Makes a refusal the failure of a command. */
static int32_t answer(int32_t code, restante_error *refusal, restante_error **out_error) {
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
static int32_t change(store *self, const char *account, const restante_ops *ops, restante_error **out_error) {
  restante_transaction *transaction = NULL;
  restante_error *refusal = NULL;
  int32_t code = begin(self, account, ops, RESTANTE_SYNC_DURABLE, &transaction, out_error);
  if (code != RESTANTE_OK) return code;
  step("begun");
  code = lock_settled(self, out_error);
  if (code == RESTANTE_OK) {
    code = perform(self, transaction, &refusal, out_error);
    unlock_store(self);
  }
  restante_transaction_free(transaction);
  if (code == RESTANTE_OK) code = restante_redo_sync(self->redo, out_error);
  return answer(code, refusal, out_error);
}

/* --- Making good what others left ----------------------------------------------------------------------- */

typedef struct left_list {
  restante_transaction **all;
  size_t count;
} left_list;

static void left_list_free(left_list *left) {
  size_t i;
  for (i = 0; i < left->count; i++) restante_transaction_free(left->all[i]);
  free(left->all);
}

typedef struct looked {
  const applied_list *done;
  int is_any;
  int is_dying;
} looked;

static int32_t look(void *user_data, const restante_unfinished *unfinished, restante_error **out_error) {
  looked *seen = user_data;
  (void)out_error;
  if (unfinished->claimable) seen->is_any = 1;
  if (!unfinished->claimable && applied_list_has(seen->done, unfinished->begin_lsn)) seen->is_dying = 1;
  return RESTANTE_OK;
}

static int32_t take_all(restante_recovery *recovery, left_list *out_left, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  out_left->all = calloc(restante_recovery_count(recovery) + 1, sizeof *out_left->all);
  if (out_left->all == NULL)
    return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  while (code == RESTANTE_OK && restante_recovery_count(recovery) > 0) {
    code = restante_recovery_next(recovery, &out_left->all[out_left->count], out_error);
    if (code == RESTANTE_OK) out_left->count++;
  }
  return code;
}

/* Takes over what dead processes began and did not end; nearly always nothing. */
static int32_t claim(store *self, const applied_list *done, left_list *out_left, restante_error **out_error) {
  const struct timespec moment = {0, 1000000};
  const time_t deadline = time(NULL) + DYING_SECONDS;
  restante_recovery *recovery = NULL;
  looked seen = {0};
  int32_t code;
  seen.done = done;
  for (;;) {
    seen.is_any = seen.is_dying = 0;
    code = restante_redo_unfinished(self->redo, look, &seen, out_error);
    if (code != RESTANTE_OK || !seen.is_dying) break;
    if (time(NULL) > deadline)
      return mailboxes_fail(RESTANTE_ERROR_BUSY, "an applied transaction does not end", out_error);
    nanosleep(&moment, NULL);
  }
  if (code != RESTANTE_OK || !seen.is_any) return code;
  code = restante_redo_recover(self->redo, restante_view_of(""), &recovery, out_error);
  if (code == RESTANTE_OK) code = take_all(recovery, out_left, out_error);
  restante_recovery_free(recovery);
  return code;
}

/* Ends an applied transaction with what was assigned to it. */
static int32_t finish(restante_transaction *transaction, uint32_t uid, restante_error **out_error) {
  const restante_ops *ops = restante_transaction_ops(transaction);
  uint32_t put_index = 0;
  while (put_index < restante_ops_count(ops) &&
         restante_ops_kind(ops, put_index) != RESTANTE_OP_MESSAGE_PUT)
    put_index++;
  return commit(transaction, put_index, uid, out_error);
}

/* Ends those that are applied, and takes them out of `left`. */
static int32_t finish_applied(store *self, left_list *left, const applied_list *done,
                              restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i, k;
  for (i = 0; i < done->count; i++) {
    for (k = 0; code == RESTANTE_OK && k < left->count; k++) {
      if (left->all[k] == NULL || restante_transaction_begin_lsn(left->all[k]) != done->all[i].begin_lsn)
        continue;
      code = finish(left->all[k], done->all[i].uid, out_error);
      restante_transaction_free(left->all[k]);
      left->all[k] = NULL;
      self->recovered.finished++;
    }
  }
  return code;
}

static int32_t replay_range(store *self, uint64_t as_of, uint64_t end, restante_error **out_error) {
  const mailboxes all = mailboxes_of(self);
  restante_read_range range = {0};
  restante_logged logged = {0};
  restante_cursor *cursor = NULL;
  uint32_t more = 1;
  int32_t code;
  range.struct_size = sizeof range;
  range.after = as_of;
  range.until = end;
  logged.struct_size = sizeof logged;
  code = restante_redo_read(self->redo, &range, &cursor, out_error);
  while (code == RESTANTE_OK && more) {
    code = restante_cursor_next(cursor, &logged, &more, out_error);
    if (code == RESTANTE_OK && more) {
      code = mailboxes_apply(&all, logged.account_id, logged.ops, 0, out_error);
      self->recovered.replayed++;
    }
  }
  restante_cursor_free(cursor);
  if (code == RESTANTE_OK) code = position_set_as_of(self->db, end, out_error);
  step("replayed");
  return code;
}

static int32_t replay(store *self, restante_error **out_error) {
  const uint64_t end = restante_redo_end(self->redo).lsn;
  uint64_t as_of = 0;
  int32_t code = position_as_of(self->db, &as_of, out_error);
  if (code == RESTANTE_OK) code = sql_begin(self->db, out_error);
  if (code != RESTANTE_OK) return code;
  code = sql_end(self->db, replay_range(self, as_of, end, out_error), out_error);
  if (code == RESTANTE_OK) self->is_replayed = 1;
  return code;
}

static int32_t make_files(store *self, const restante_ops *ops, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i, k;
  for (i = 0; i < restante_ops_count(ops); i++) {
    for (k = 0; code == RESTANTE_OK && k < restante_ops_message_count(ops, i); k++) {
      restante_message message = {0};
      message.struct_size = sizeof message;
      code = restante_ops_get_message(ops, i, k, &message, out_error);
      if (code == RESTANTE_OK && message.present & RESTANTE_HAS_CONTENT)
        code = files_ensure(self->content, &message.content, self->redo, out_error);
    }
  }
  return code;
}

static int32_t perform_all(store *self, const left_list *left, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < left->count; i++) {
    restante_error *refusal = NULL;
    if (left->all[i] == NULL) continue;
    code = make_files(self, restante_transaction_ops(left->all[i]), out_error);
    if (code == RESTANTE_OK) code = perform(self, left->all[i], &refusal, out_error);
    restante_error_free(refusal);
    self->recovered.finished++;
  }
  return code;
}

/*
 * With the lock, before anything is read or changed. Three things can be left, and each is made good by the
 * part that knows enough:
 *
 * 1. A process died between SQLite's commit and the log's. The change is there, and `applied` has its UID: the
 *    log gets the commit, before anybody builds on the change, so both have the same order.
 * 2. A power loss took SQLite's newest commits. The log tells what was committed behind `as_of`; all of it is
 *    done again, in order, which changes nothing where it was not lost. This happens to nobody who lives, so
 *    it is looked for once, at opening.
 * 3. A process died between begin and SQLite's commit. The change is done now, as if it had just been begun.
 */
static int32_t settle(store *self, restante_error **out_error) {
  applied_list done = {0};
  left_list left = {0};
  int32_t code = position_applied(self->db, &done, out_error);
  if (code == RESTANTE_OK) code = claim(self, &done, &left, out_error);
  if (code == RESTANTE_OK) code = finish_applied(self, &left, &done, out_error);
  if (code == RESTANTE_OK && !self->is_replayed) code = replay(self, out_error);
  if (code == RESTANTE_OK) code = perform_all(self, &left, out_error);
  left_list_free(&left);
  applied_list_free(&done);
  return code;
}

/* --- The commands --------------------------------------------------------------------------------------- */

static int32_t add_folders(restante_ops *ops, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < sizeof folders / sizeof folders[0]; i++) {
    restante_folder folder = {0};
    folder.struct_size = sizeof folder;
    folder.present = RESTANTE_HAS_UIDNEXT;
    folder.id = folder.name = restante_view_of(folders[i]);
    folder.uidvalidity = (uint32_t)time(NULL);
    folder.uidnext = 1;
    code = restante_ops_folder_put(ops, &folder, out_error);
  }
  return code;
}

int32_t store_create(store *self, const char *account, restante_error **out_error) {
  restante_account put = {0};
  restante_ops *ops = NULL;
  int32_t code = restante_ops_new(&ops, out_error);
  put.struct_size = sizeof put;
  put.id = put.address = restante_view_of(account);
  if (code == RESTANTE_OK) code = restante_ops_account_put(ops, &put, out_error);
  if (code == RESTANTE_OK) code = add_folders(ops, out_error);
  if (code == RESTANTE_OK) code = change(self, account, ops, out_error);
  restante_ops_free(ops);
  return code;
}

static int32_t make_id(char *out_id, restante_error **out_error) {
  unsigned char bytes[16];
  size_t i;
  FILE *source = fopen("/dev/urandom", "rb");
  const int got = source != NULL && fread(bytes, sizeof bytes, 1, source) == 1;
  if (source != NULL) fclose(source);
  if (!got) return files_fail("/dev/urandom", out_error);
  for (i = 0; i < sizeof bytes; i++) sprintf(out_id + 2 * i, "%02x", bytes[i]);
  return RESTANTE_OK;
}

/* What a delivery has in hand: the message, and one begun transaction a recipient. */
typedef struct delivery {
  restante_message message;
  left_list begun;
} delivery;

static int32_t begin_for(store *self, const char *account, delivery *mail, restante_error **out_error) {
  folder_row into;
  restante_ops *ops = NULL;
  int found = 0;
  int32_t code = mailboxes_find_folder(self->db, restante_view_of(account), restante_view_of(inbox), &into,
                                       &found, out_error);
  if (code == RESTANTE_OK && !found)
    code = mailboxes_fail(RESTANTE_ERROR_NOT_FOUND, "there is no such account", out_error);
  if (code != RESTANTE_OK) return code;
  mail->message.uidvalidity = into.uidvalidity;
  code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = restante_ops_message_put(ops, &mail->message, 1, out_error);
  if (code == RESTANTE_OK) {
    restante_transaction **next = &mail->begun.all[mail->begun.count];
    code = begin(self, account, ops, RESTANTE_SYNC_LAZY, next, out_error);
    if (code == RESTANTE_OK) mail->begun.count++;
    if (code == RESTANTE_OK) step("written");
  }
  restante_ops_free(ops);
  return code;
}

/*
 * The content is in the log once, whatever the number of recipients. Each has a transaction of its own, and one
 * sync makes all of them durable.
 */
static int32_t begin_delivery(store *self, const char *const *accounts, size_t count, delivery *mail,
                              restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < count; i++) code = begin_for(self, accounts[i], mail, out_error);
  if (code == RESTANTE_OK) code = restante_redo_sync(self->redo, out_error);
  if (code == RESTANTE_OK) {
    step("begun");
    code = files_ensure(self->content, &mail->message.content, self->redo, out_error);
  }
  if (code == RESTANTE_OK) return code;
  /* Nothing is done yet; what cannot be aborted is in doubt. */
  for (i = 0; i < mail->begun.count; i++)
    restante_transaction_abort(mail->begun.all[i], RESTANTE_SYNC_DEFAULT, NULL);
  return code;
}

static int32_t perform_delivery(store *self, const delivery *mail, restante_error **out_error) {
  restante_error *refusal = NULL;
  int32_t code = lock_settled(self, out_error);
  size_t i;
  if (code != RESTANTE_OK) return code;
  for (i = 0; code == RESTANTE_OK && refusal == NULL && i < mail->begun.count; i++)
    code = perform(self, mail->begun.all[i], &refusal, out_error);
  unlock_store(self);
  return answer(code, refusal, out_error);
}

/*
 * A delivery collides with nothing: done again after a power loss, it is never refused. So it costs the log one
 * sync, and the commits are lazy.
 */
int32_t store_deliver(store *self, const char *const *accounts, size_t account_count, const void *bytes,
                      size_t size, char *out_id, restante_error **out_error) {
  delivery mail = {0};
  int32_t code = make_id(out_id, out_error);
  if (code == RESTANTE_OK)
    code = restante_redo_put_content(self->redo, restante_view_of(accounts[0]), bytes, size,
                                     &mail.message.content, out_error);
  if (code != RESTANTE_OK) return code;
  step("put");
  mail.message.struct_size = sizeof mail.message;
  mail.message.present = RESTANTE_HAS_CONTENT | RESTANTE_HAS_INTERNAL_DATE;
  mail.message.id = restante_view_of(out_id);
  mail.message.folder_id = restante_view_of(inbox);
  mail.message.internal_date = (int64_t)time(NULL) * 1000000;
  mail.begun.all = calloc(account_count + 1, sizeof *mail.begun.all);
  if (mail.begun.all == NULL)
    return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  code = begin_delivery(self, accounts, account_count, &mail, out_error);
  if (code == RESTANTE_OK) code = perform_delivery(self, &mail, out_error);
  left_list_free(&mail.begun);
  return code;
}

static int32_t find(store *self, const char *account, const char *folder, const char *id,
                    message_row *out_message, restante_error **out_error) {
  int found = 0;
  const int32_t code =
      mailboxes_find_message(self->db, restante_view_of(account), restante_view_of(folder),
                             restante_view_of(id), out_message, &found, out_error);
  if (code != RESTANTE_OK || found) return code;
  return mailboxes_fail(RESTANTE_ERROR_NOT_FOUND, "there is no such message", out_error);
}

static restante_message_set set_of(const restante_view *id) {
  restante_message_set set = {0};
  set.struct_size = sizeof set;
  set.message_ids = id;
  set.message_id_count = 1;
  return set;
}

int32_t store_flag(store *self, const char *account, const char *folder, const char *id, uint32_t mode,
                   uint32_t flags, restante_error **out_error) {
  const restante_view id_view = restante_view_of(id);
  const restante_message_set set = set_of(&id_view);
  restante_flags_change update = {0};
  restante_ops *ops = NULL;
  message_row message;
  int32_t code = find(self, account, folder, id, &message, out_error);
  if (code == RESTANTE_OK) code = restante_ops_new(&ops, out_error);
  if (code != RESTANTE_OK) return code;
  update.struct_size = sizeof update;
  update.folder_id = restante_view_of(folder);
  update.uidvalidity = message.uidvalidity;
  update.messages = &set;
  update.mode = mode;
  update.flags = flags;
  code = restante_ops_flags_update(ops, &update, out_error);
  if (code == RESTANTE_OK) code = change(self, account, ops, out_error);
  restante_ops_free(ops);
  return code;
}

static int32_t add_expunge(restante_ops *ops, const char *folder, const char *id, uint32_t uidvalidity,
                           restante_error **out_error) {
  const restante_view id_view = restante_view_of(id);
  const restante_message_set set = set_of(&id_view);
  restante_expunge expunge = {0};
  expunge.struct_size = sizeof expunge;
  expunge.folder_id = restante_view_of(folder);
  expunge.uidvalidity = uidvalidity;
  expunge.messages = &set;
  return restante_ops_message_expunge(ops, &expunge, out_error);
}

int32_t store_expunge(store *self, const char *account, const char *folder, const char *id,
                      restante_error **out_error) {
  restante_ops *ops = NULL;
  message_row message;
  int32_t code = find(self, account, folder, id, &message, out_error);
  if (code == RESTANTE_OK) code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = add_expunge(ops, folder, id, message.uidvalidity, out_error);
  if (code == RESTANTE_OK) code = change(self, account, ops, out_error);
  restante_ops_free(ops);
  return code;
}

static int32_t add_put(restante_ops *ops, const message_row *message, const char *id, const char *to,
                       uint32_t uidvalidity, restante_error **out_error) {
  restante_message put = {0};
  put.struct_size = sizeof put;
  put.present = RESTANTE_HAS_CONTENT | RESTANTE_HAS_INTERNAL_DATE;
  put.id = restante_view_of(id);
  put.folder_id = restante_view_of(to);
  put.uidvalidity = uidvalidity;
  put.content = message->content;
  put.internal_date = message->date;
  put.flags = message->flags;
  return restante_ops_message_put(ops, &put, 1, out_error);
}

int32_t store_move(store *self, const char *account, const char *folder, const char *id, const char *to,
                   restante_error **out_error) {
  restante_ops *ops = NULL;
  message_row message;
  folder_row into;
  int found = 0;
  int32_t code = find(self, account, folder, id, &message, out_error);
  if (code == RESTANTE_OK)
    code = mailboxes_find_folder(self->db, restante_view_of(account), restante_view_of(to), &into, &found,
                                 out_error);
  if (code == RESTANTE_OK && !found)
    code = mailboxes_fail(RESTANTE_ERROR_NOT_FOUND, "there is no such folder", out_error);
  if (code == RESTANTE_OK) code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = add_put(ops, &message, id, to, into.uidvalidity, out_error);
  if (code == RESTANTE_OK) code = add_expunge(ops, folder, id, message.uidvalidity, out_error);
  if (code == RESTANTE_OK) code = change(self, account, ops, out_error);
  restante_ops_free(ops);
  return code;
}

/*
 * A UID that somebody has seen must never be another message's: the commit that assigned it is on the disk
 * before the list is answered.
 */
int32_t store_list(store *self, const char *account, mailboxes_each each, void *user_data,
                   restante_error **out_error) {
  int found = 0;
  int32_t code = lock_settled(self, out_error);
  if (code != RESTANTE_OK) return code;
  code = mailboxes_has_account(self->db, restante_view_of(account), &found, out_error);
  if (code == RESTANTE_OK && !found)
    code = mailboxes_fail(RESTANTE_ERROR_NOT_FOUND, "there is no such account", out_error);
  if (code == RESTANTE_OK)
    code = mailboxes_list(self->db, restante_view_of(account), each, user_data, out_error);
  unlock_store(self);
  return code == RESTANTE_OK ? restante_redo_sync(self->redo, out_error) : code;
}

int32_t store_show(store *self, const char *account, const char *folder, const char *id, FILE *out,
                   restante_error **out_error) {
  message_row message;
  const int32_t code = find(self, account, folder, id, &message, out_error);
  return code == RESTANTE_OK ? files_write_to(self->content, &message.content, out, out_error) : code;
}

static int is_needed(void *user_data, const char *digest) {
  int used = 0;
  return mailboxes_uses(user_data, digest, &used, NULL) != RESTANTE_OK || used;
}

static int32_t checkpoint(store *self, int *out_is_busy, restante_error **out_error) {
  query all;
  query_open(&all, self->db, "PRAGMA wal_checkpoint(TRUNCATE)");
  *out_is_busy = query_next(&all) && query_number_at(&all, 0) != 0;
  return query_close(&all, out_error);
}

static int32_t tidy_settled(store *self, restante_error **out_error) {
  int is_busy = 0;
  const uint64_t end = restante_redo_end(self->redo).lsn;
  int32_t code = restante_redo_sync(self->redo, out_error);
  if (code == RESTANTE_OK) code = sql_begin(self->db, out_error);
  if (code == RESTANTE_OK)
    code = sql_end(self->db, position_set_as_of(self->db, end, out_error), out_error);
  if (code == RESTANTE_OK) code = checkpoint(self, &is_busy, out_error);
  if (code != RESTANTE_OK || is_busy) return code;
  code = files_sweep(self->content, is_needed, self->db, out_error);
  return code == RESTANTE_OK ? restante_redo_set_consumer(self->redo, consumer_name, end, 0, out_error) : code;
}

/*
 * Files are removed here and not by an expunge: as long as a replay may have to do an old put again, it must
 * find the file. So first everything is moved behind `as_of`, and that to the disk.
 */
int32_t store_tidy(store *self, restante_error **out_error) {
  int32_t code = lock_settled(self, out_error);
  if (code != RESTANTE_OK) return code;
  code = tidy_settled(self, out_error);
  unlock_store(self);
  if (code == RESTANTE_OK) code = restante_redo_remove_consumed(self->redo, 3600, NULL, out_error);
  return code == RESTANTE_OK ? restante_redo_maintain(self->redo, out_error) : code;
}

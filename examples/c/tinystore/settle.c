/* Making good what others left: dead processes, and a power loss. */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>
#include <time.h>

#include "parts.h"

/* A process that let go of the lock and has not ended its transaction is about to die, or to let it go. */
enum { DYING_SECONDS = 30 };

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

static int32_t take_all(restante_recovery *recovery, transaction_list *out_left, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  out_left->all = calloc(restante_recovery_count(recovery) + 1, sizeof *out_left->all);
  if (out_left->all == NULL) return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  while (code == RESTANTE_OK && restante_recovery_count(recovery) > 0) {
    code = restante_recovery_next(recovery, &out_left->all[out_left->count], out_error);
    if (code == RESTANTE_OK) out_left->count++;
  }
  return code;
}

/* Takes over what dead processes began and did not end; nearly always nothing. */
static int32_t claim(store *self, const applied_list *done, transaction_list *out_left,
                     restante_error **out_error) {
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
  while (put_index < restante_ops_count(ops) && restante_ops_kind(ops, put_index) != RESTANTE_OP_MESSAGE_PUT)
    put_index++;
  return store_commit(transaction, put_index, uid, out_error);
}

/* Ends those that are applied, and takes them out of `left`. */
static int32_t finish_applied(store *self, transaction_list *left, const applied_list *done,
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
  const mailboxes all = store_mailboxes(self);
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

static int32_t perform_all(store *self, const transaction_list *left, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < left->count; i++) {
    restante_error *refusal = NULL;
    if (left->all[i] == NULL) continue;
    code = make_files(self, restante_transaction_ops(left->all[i]), out_error);
    if (code == RESTANTE_OK) code = store_perform(self, left->all[i], &refusal, out_error);
    restante_error_free(refusal);
    self->recovered.finished++;
  }
  return code;
}

/*
 * With the lock, before anything is read or changed. Three things can be left, and each is made good by the
 * part that knows enough:
 *
 * 1. A process died between SQLite's commit and the log's. The change is there, and `applied` has its UID:
 * the log gets the commit, before anybody builds on the change, so both have the same order.
 * 2. A power loss took SQLite's newest commits. The log tells what was committed behind `as_of`; all of it is
 *    done again, in order, which changes nothing where it was not lost. This happens to nobody who lives, so
 *    it is looked for once, at opening.
 * 3. A process died between begin and SQLite's commit. The change is done now, as if it had just been begun.
 */
int32_t store_settle(store *self, restante_error **out_error) {
  applied_list done = {0};
  transaction_list left = {0};
  int32_t code = position_applied(self->db, &done, out_error);
  if (code == RESTANTE_OK) code = claim(self, &done, &left, out_error);
  if (code == RESTANTE_OK) code = finish_applied(self, &left, &done, out_error);
  if (code == RESTANTE_OK && !self->is_replayed) code = replay(self, out_error);
  if (code == RESTANTE_OK) code = perform_all(self, &left, out_error);
  transaction_list_free(&left);
  applied_list_free(&done);
  return code;
}

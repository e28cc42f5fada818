/* What the store is asked to do. */

#include <stdlib.h>
#include <time.h>

#include "parts.h"

static const char inbox[] = "INBOX";
static const char *const folders[] = {inbox, "Archive", "Trash"};

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
  if (code == RESTANTE_OK) code = store_change(self, account, ops, out_error);
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
  transaction_list begun;
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
    code = store_begin(self, account, ops, RESTANTE_SYNC_LAZY, next, out_error);
    if (code == RESTANTE_OK) mail->begun.count++;
    if (code == RESTANTE_OK) step("written");
  }
  restante_ops_free(ops);
  return code;
}

/*
 * The content is in the log once, whatever the number of recipients. Each has a transaction of its own, and
 * one sync makes all of them durable.
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
  int32_t code = store_lock_settled(self, out_error);
  size_t i;
  if (code != RESTANTE_OK) return code;
  for (i = 0; code == RESTANTE_OK && refusal == NULL && i < mail->begun.count; i++)
    code = store_perform(self, mail->begun.all[i], &refusal, out_error);
  store_unlock(self);
  return store_answer(code, refusal, out_error);
}

/*
 * A delivery collides with nothing: done again after a power loss, it is never refused. So it costs the log
 * one sync, and the commits are lazy.
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
  if (mail.begun.all == NULL) return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  code = begin_delivery(self, accounts, account_count, &mail, out_error);
  if (code == RESTANTE_OK) code = perform_delivery(self, &mail, out_error);
  transaction_list_free(&mail.begun);
  return code;
}

static int32_t find(store *self, const char *account, const char *folder, const char *id,
                    message_row *out_message, restante_error **out_error) {
  int found = 0;
  const int32_t code = mailboxes_find_message(self->db, restante_view_of(account), restante_view_of(folder),
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
  if (code == RESTANTE_OK) code = store_change(self, account, ops, out_error);
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
  if (code == RESTANTE_OK) code = store_change(self, account, ops, out_error);
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
  if (code == RESTANTE_OK) code = store_change(self, account, ops, out_error);
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
  int32_t code = store_lock_settled(self, out_error);
  if (code != RESTANTE_OK) return code;
  code = mailboxes_has_account(self->db, restante_view_of(account), &found, out_error);
  if (code == RESTANTE_OK && !found)
    code = mailboxes_fail(RESTANTE_ERROR_NOT_FOUND, "there is no such account", out_error);
  if (code == RESTANTE_OK)
    code = mailboxes_list(self->db, restante_view_of(account), each, user_data, out_error);
  store_unlock(self);
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
  if (code == RESTANTE_OK) code = sql_end(self->db, position_set_as_of(self->db, end, out_error), out_error);
  if (code == RESTANTE_OK) code = checkpoint(self, &is_busy, out_error);
  if (code != RESTANTE_OK || is_busy) return code;
  code = files_sweep(self->content, is_needed, self->db, out_error);
  return code == RESTANTE_OK ? store_set_consumer(self, end, out_error) : code;
}

/*
 * Files are removed here and not by an expunge: as long as a replay may have to do an old put again, it must
 * find the file. So first everything is moved behind `as_of`, and that to the disk.
 */
int32_t store_tidy(store *self, restante_error **out_error) {
  int32_t code = store_lock_settled(self, out_error);
  if (code != RESTANTE_OK) return code;
  code = tidy_settled(self, out_error);
  store_unlock(self);
  if (code == RESTANTE_OK) code = restante_redo_remove_consumed(self->redo, 3600, NULL, out_error);
  return code == RESTANTE_OK ? restante_redo_maintain(self->redo, out_error) : code;
}

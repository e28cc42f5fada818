#include "tiny_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tiny_init(tiny_store *store) { memset(store, 0, sizeof *store); }

tiny_account *tiny_add_account(tiny_store *store, const char *id) {
  tiny_account *account = &store->accounts[store->account_count++];
  memset(account, 0, sizeof *account);
  snprintf(account->id, sizeof account->id, "%s", id);
  snprintf(account->address, sizeof account->address, "%s@example.com", id);
  account->uidnext = 1;
  return account;
}

tiny_message *tiny_put(tiny_account *account, const char *id, const char *text) {
  tiny_message *message = &account->messages[account->message_count++];
  memset(message, 0, sizeof *message);
  snprintf(message->id, sizeof message->id, "%s", id);
  snprintf(message->text, sizeof message->text, "%s", text);
  message->uid = account->uidnext++;
  return message;
}

static tiny_account *find_account(tiny_store *store, const restante_view *id) {
  int i;
  for (i = 0; i < store->account_count; i++) {
    tiny_account *account = &store->accounts[i];
    if (strlen(account->id) == id->size && memcmp(account->id, id->data, id->size) == 0) return account;
  }
  return NULL;
}

static tiny_message *find_message(tiny_account *account, const restante_view *id) {
  int i;
  for (i = 0; i < account->message_count; i++) {
    tiny_message *message = &account->messages[i];
    if (strlen(message->id) == id->size && memcmp(message->id, id->data, id->size) == 0) return message;
  }
  return NULL;
}

/* --- Records -------------------------------------------------------------------------------------------- */

restante_account tiny_account_record(const tiny_account *account) {
  restante_account record = {0};
  record.struct_size = sizeof record;
  record.id = restante_view_of(account->id);
  record.address = restante_view_of(account->address);
  return record;
}

restante_folder tiny_folder_record(const tiny_account *account) {
  restante_folder record = {0};
  record.struct_size = sizeof record;
  record.present = RESTANTE_HAS_UIDNEXT;
  record.id = restante_view_of("inbox");
  record.name = restante_view_of("INBOX");
  record.uidvalidity = TINY_UIDVALIDITY;
  record.uidnext = account->uidnext;
  return record;
}

restante_message tiny_message_record(const tiny_message *message) {
  restante_message record = {0};
  record.struct_size = sizeof record;
  record.id = restante_view_of(message->id);
  record.folder_id = restante_view_of("inbox");
  record.uidvalidity = TINY_UIDVALIDITY;
  record.uid = message->uid;
  record.flags = message->flags;
  return record;
}

/* --- Being read ----------------------------------------------------------------------------------------- */

static int32_t gone(const restante_view *account_id, restante_error **out_error) {
  char text[100];
  snprintf(text, sizeof text, "no account %.40s", account_id->data);
  *out_error = restante_error_new(RESTANTE_ERROR_NOT_FOUND, text, NULL);
  return RESTANTE_ERROR_NOT_FOUND;
}

/* Whether the fault that names `account` is this account's, and what to answer then. */
static int fails_for(const tiny_store *store, const char *account, const restante_view *id, int32_t *out_code,
                     restante_error **out_error) {
  if (account == NULL || strlen(account) != id->size || memcmp(account, id->data, id->size) != 0) return 0;
  *out_code = store->faults.without_reason;
  if (*out_code == RESTANTE_OK) {
    *out_code = RESTANTE_ERROR_IO;
    *out_error = restante_error_new(RESTANTE_ERROR_IO, "the tiny disk is broken", "buy a larger one");
  }
  return 1;
}

static int32_t list_accounts(void *user_data, restante_account_sink *accounts, restante_error **out_error) {
  const tiny_store *store = user_data;
  int i;
  if (store->faults.listing_fails) {
    *out_error = restante_error_new(RESTANTE_ERROR_PERMISSION, "the tiny directory is locked", NULL);
    return RESTANTE_ERROR_PERMISSION;
  }
  for (i = 0; i < store->account_count; i++) {
    const restante_account record = tiny_account_record(&store->accounts[i]);
    const int32_t code = restante_account_sink_put(accounts, &record, out_error);
    if (code != RESTANTE_OK) return code;
  }
  return RESTANTE_OK;
}

static int32_t put_mailbox(const tiny_account *account, restante_op_sink *sink, restante_ops *ops,
                           restante_error **out_error) {
  const restante_account account_record = tiny_account_record(account);
  const restante_folder folder_record = tiny_folder_record(account);
  int32_t code = restante_ops_account_put(ops, &account_record, out_error);
  int i;
  if (code == RESTANTE_OK) code = restante_ops_folder_put(ops, &folder_record, out_error);
  /* One list, used again and again: a large mailbox needs no large list. */
  for (i = 0; code == RESTANTE_OK && i < account->message_count; i++) {
    const restante_message message = tiny_message_record(&account->messages[i]);
    code = restante_ops_message_put(ops, &message, 1, out_error);
    if (code == RESTANTE_OK) code = restante_op_sink_put(sink, ops, out_error);
  }
  return code == RESTANTE_OK ? restante_op_sink_put(sink, ops, out_error) : code;
}

static int32_t snapshot(void *user_data, const restante_view *account_id, restante_op_sink *sink,
                        restante_error **out_error) {
  tiny_store *store = user_data;
  const tiny_account *account = find_account(store, account_id);
  restante_ops *ops = NULL;
  int32_t code;
  if (account == NULL) return gone(account_id, out_error);
  if (fails_for(store, store->faults.snapshot_of, account_id, &code, out_error)) return code;
  code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = put_mailbox(account, sink, ops, out_error);
  restante_ops_free(ops);
  return code;
}

typedef struct text_reader {
  tiny_store *store;
  const char *next;
} text_reader;

/* A few bytes at a time, as a slow disk would. */
static int32_t read_text(void *user_data, void *buffer, size_t size, size_t *out_read,
                         restante_error **out_error) {
  text_reader *reader = user_data;
  size_t count = strlen(reader->next);
  (void)out_error;
  if (count > 5) count = 5;
  if (count > size) count = size;
  memcpy(buffer, reader->next, count);
  reader->next += count;
  *out_read = count;
  return RESTANTE_OK;
}

static void release_reader(void *user_data) {
  text_reader *reader = user_data;
  reader->store->readers_released++;
  free(reader);
}

static int32_t stream_text(tiny_store *store, const tiny_message *message, restante_content_reply *reply,
                           restante_error **out_error) {
  text_reader *reader = malloc(sizeof *reader);
  int32_t code;
  if (reader == NULL) return RESTANTE_ERROR_NO_MEMORY;
  reader->store = store;
  reader->next = message->text;
  code = restante_content_reply_reader(reply, read_text, reader, release_reader, out_error);
  if (code == RESTANTE_OK) store->readers_opened++;
  else free(reader);
  return code;
}

static int32_t open_content(void *user_data, const restante_view *account_id,
                            const restante_content_place *place, restante_content_reply *reply,
                            restante_error **out_error) {
  tiny_store *store = user_data;
  tiny_account *account = find_account(store, account_id);
  const tiny_message *message;
  int32_t code;
  if (account == NULL) return gone(account_id, out_error);
  if (fails_for(store, store->faults.content_of, account_id, &code, out_error)) return code;
  if (store->faults.no_reply) return RESTANTE_OK;
  message = find_message(account, &place->message_id);
  if (message == NULL) return RESTANTE_ERROR_NOT_FOUND;
  if (store->streams_content) return stream_text(store, message, reply, out_error);
  return restante_content_reply_bytes(reply, message->text, strlen(message->text), out_error);
}

static int32_t barrier(void *user_data, const restante_view *account_id, restante_error **out_error) {
  tiny_store *store = user_data;
  int32_t code;
  if (fails_for(store, store->faults.barrier_of, account_id, &code, out_error)) return code;
  store->barriers++;
  return RESTANTE_OK;
}

static void release_store(void *user_data) {
  tiny_store *store = user_data;
  store->released++;
}

restante_source_vtable tiny_vtable(tiny_store *store) {
  restante_source_vtable table = {0};
  table.struct_size = sizeof table;
  table.fields = RESTANTE_FIELD_UID | RESTANTE_FIELD_UIDNEXT | RESTANTE_FIELD_MESSAGE_ID;
  table.user_data = store;
  table.release = release_store;
  table.list_accounts = list_accounts;
  table.snapshot = snapshot;
  table.open_content = open_content;
  table.barrier = barrier;
  return table;
}

/* --- Feeding the log ------------------------------------------------------------------------------------ */

static int32_t begin_delivery(const tiny_account *account, restante_redo *redo, const char *id,
                              const char *text, restante_ops *ops, restante_transaction **out_transaction,
                              restante_error **out_error) {
  const restante_view account_id = restante_view_of(account->id);
  restante_message message = {0};
  int32_t code;
  message.struct_size = sizeof message;
  message.present = RESTANTE_HAS_CONTENT;
  message.id = restante_view_of(id);
  message.folder_id = restante_view_of("inbox");
  message.uidvalidity = TINY_UIDVALIDITY;
  code = restante_redo_put_content(redo, account_id, text, strlen(text), &message.content, out_error);
  if (code == RESTANTE_OK) code = restante_ops_message_put(ops, &message, 1, out_error);
  if (code == RESTANTE_OK) {
    code = restante_redo_begin(redo, account_id, ops, NULL, out_transaction, out_error);
  }
  return code;
}

int32_t tiny_deliver(tiny_account *account, restante_redo *redo, const char *id, const char *text,
                     restante_error **out_error) {
  restante_ops *ops = NULL;
  restante_transaction *transaction = NULL;
  int32_t code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = begin_delivery(account, redo, id, text, ops, &transaction, out_error);
  if (code == RESTANTE_OK) {
    restante_assigned assigned = {0};
    assigned.struct_size = sizeof assigned;
    assigned.uid = tiny_put(account, id, text)->uid;
    code = restante_transaction_commit(transaction, &assigned, 1, RESTANTE_SYNC_DEFAULT, NULL, out_error);
  }
  restante_transaction_free(transaction);
  restante_ops_free(ops);
  return code;
}

int32_t tiny_log_account(const tiny_account *account, restante_redo *redo, restante_error **out_error) {
  const restante_account account_record = tiny_account_record(account);
  const restante_folder folder_record = tiny_folder_record(account);
  restante_ops *ops = NULL;
  int32_t code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = restante_ops_account_put(ops, &account_record, out_error);
  if (code == RESTANTE_OK) code = restante_ops_folder_put(ops, &folder_record, out_error);
  if (code == RESTANTE_OK) {
    code = restante_redo_append(redo, account_record.id, ops, NULL, NULL, out_error);
  }
  restante_ops_free(ops);
  return code;
}

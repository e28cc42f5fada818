#include "mailboxes.h"

#include <stdio.h>
#include <string.h>

#include "files.h"
#include "sql.h"

static const char *const tables[] = {
    "CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS folders (account TEXT, id TEXT, name TEXT, uidvalidity INTEGER,"
    " uidnext INTEGER, PRIMARY KEY (account, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS messages (account TEXT, folder TEXT, id TEXT, uid INTEGER, flags INTEGER,"
    " digest TEXT, size INTEGER, date INTEGER, PRIMARY KEY (account, folder, id),"
    " UNIQUE (account, folder, uid)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS messages_by_digest ON messages (digest)",
};

static const char find_message[] =
    "SELECT m.folder, m.id, m.uid, m.flags, m.digest, m.size, m.date, f.uidvalidity"
    " FROM messages m JOIN folders f ON f.account = m.account AND f.id = m.folder"
    " WHERE m.account = ? AND m.folder = ? AND m.id = ?";
static const char list_messages[] =
    "SELECT m.folder, m.id, m.uid, m.flags, m.digest, m.size, m.date, f.uidvalidity"
    " FROM messages m JOIN folders f ON f.account = m.account AND f.id = m.folder"
    " WHERE m.account = ? ORDER BY m.folder, m.uid";

int32_t mailboxes_fail(int32_t code, const char *message, restante_error **out_error) {
  if (out_error != NULL) *out_error = restante_error_new(code, message, NULL);
  return code;
}

int32_t mailboxes_make_tables(sqlite3 *db, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < sizeof tables / sizeof tables[0]; i++)
    code = sql_run(db, tables[i], out_error);
  return code;
}

/* --- Looking -------------------------------------------------------------------------------------------- */

static message_row message_of(const query *row) {
  message_row message = {0};
  const char *digest = query_text_at(row, 4).data;
  size_t i;
  message.uid = (uint32_t)query_number_at(row, 2);
  message.flags = (uint32_t)query_number_at(row, 3);
  for (i = 0; digest != NULL && i < sizeof message.content.digest && strlen(digest) == 64; i++) {
    unsigned byte = 0;
    sscanf(digest + 2 * i, "%2x", &byte);
    message.content.digest[i] = (uint8_t)byte;
  }
  message.content.size = (uint64_t)query_number_at(row, 5);
  message.date = query_number_at(row, 6);
  message.uidvalidity = (uint32_t)query_number_at(row, 7);
  return message;
}

int32_t mailboxes_has_account(sqlite3 *db, restante_view account, int *out_found,
                              restante_error **out_error) {
  query find;
  query_open(&find, db, "SELECT 1 FROM accounts WHERE id = ?");
  query_text(&find, account);
  *out_found = query_next(&find);
  return query_close(&find, out_error);
}

int32_t mailboxes_find_folder(sqlite3 *db, restante_view account, restante_view id, folder_row *out_folder,
                              int *out_found, restante_error **out_error) {
  query find;
  query_open(&find, db, "SELECT uidvalidity, uidnext FROM folders WHERE account = ? AND id = ?");
  query_text(&find, account);
  query_text(&find, id);
  *out_found = query_next(&find);
  if (*out_found) {
    out_folder->uidvalidity = (uint32_t)query_number_at(&find, 0);
    out_folder->uidnext = (uint32_t)query_number_at(&find, 1);
  }
  return query_close(&find, out_error);
}

int32_t mailboxes_find_message(sqlite3 *db, restante_view account, restante_view folder, restante_view id,
                               message_row *out_message, int *out_found, restante_error **out_error) {
  query find;
  query_open(&find, db, find_message);
  query_text(&find, account);
  query_text(&find, folder);
  query_text(&find, id);
  *out_found = query_next(&find);
  if (*out_found) *out_message = message_of(&find);
  return query_close(&find, out_error);
}

int32_t mailboxes_list(sqlite3 *db, restante_view account, mailboxes_each each, void *user_data,
                       restante_error **out_error) {
  query list;
  query_open(&list, db, list_messages);
  query_text(&list, account);
  while (query_next(&list)) {
    const message_row message = message_of(&list);
    each(user_data, query_text_at(&list, 0), query_text_at(&list, 1), &message);
  }
  return query_close(&list, out_error);
}

int32_t mailboxes_uses(sqlite3 *db, const char *digest, int *out_used, restante_error **out_error) {
  query find;
  query_open(&find, db, "SELECT 1 FROM messages WHERE digest = ?");
  query_text(&find, restante_view_of(digest));
  *out_used = query_next(&find);
  return query_close(&find, out_error);
}

/* --- Deciding ------------------------------------------------------------------------------------------- */

static void refuse(decision *out_decision, int32_t code, const char *why) {
  if (out_decision->refusal == NULL) out_decision->refusal = restante_error_new(code, why, NULL);
}

static int is_equal(restante_view one, restante_view other) {
  return one.size == other.size && (one.size == 0 || memcmp(one.data, other.data, one.size) == 0);
}

static restante_message empty_message(void) {
  restante_message message = {0};
  message.struct_size = sizeof message;
  return message;
}

static int32_t decide_put(sqlite3 *db, restante_view account, const restante_ops *ops, size_t index,
                          decision *out_decision, restante_error **out_error) {
  restante_message message = empty_message();
  message_row there;
  folder_row into = {0, 0};
  int found = 0;
  int32_t code;
  if (restante_ops_message_count(ops, index) != 1 || out_decision->uid != 0) {
    return mailboxes_fail(RESTANTE_ERROR_UNSUPPORTED, "this store puts one message at a time", out_error);
  }
  code = restante_ops_get_message(ops, index, 0, &message, out_error);
  if (code == RESTANTE_OK)
    code = mailboxes_find_folder(db, account, message.folder_id, &into, &found, out_error);
  if (code != RESTANTE_OK) return code;
  if (!found || into.uidvalidity != message.uidvalidity)
    refuse(out_decision, RESTANTE_ERROR_NOT_FOUND, "there is no such folder");
  code = mailboxes_find_message(db, account, message.folder_id, message.id, &there, &found, out_error);
  if (code == RESTANTE_OK && found)
    refuse(out_decision, RESTANTE_ERROR_ALREADY_EXISTS, "the folder has that message");
  out_decision->uid = into.uidnext;
  out_decision->put_index = (uint32_t)index;
  return code;
}

/* A move carries the message as it was when the move was begun, which is without the lock. */
static int32_t check_moved(const restante_ops *ops, restante_view id, uint32_t flags, decision *out_decision,
                           restante_error **out_error) {
  restante_message moved = empty_message();
  int32_t code = RESTANTE_OK;
  if (out_decision->uid == 0) return RESTANTE_OK;
  code = restante_ops_get_message(ops, out_decision->put_index, 0, &moved, out_error);
  if (code == RESTANTE_OK && is_equal(moved.id, id) && moved.flags != flags)
    refuse(out_decision, RESTANTE_ERROR_BUSY, "the message was changed meanwhile");
  return code;
}

static int32_t decide_members(sqlite3 *db, restante_view account, restante_view folder,
                              const restante_message_set *messages, const restante_ops *ops,
                              decision *out_decision, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < messages->message_id_count; i++) {
    const restante_view id = messages->message_ids[i];
    message_row there;
    int found = 0;
    code = mailboxes_find_message(db, account, folder, id, &there, &found, out_error);
    if (code == RESTANTE_OK && !found)
      refuse(out_decision, RESTANTE_ERROR_NOT_FOUND, "there is no such message");
    if (code == RESTANTE_OK && found) code = check_moved(ops, id, there.flags, out_decision, out_error);
  }
  return code;
}

static int32_t decide_one(sqlite3 *db, restante_view account, const restante_ops *ops, size_t index,
                          decision *out_decision, restante_error **out_error) {
  restante_expunge expunge = {0};
  restante_flags_change change = {0};
  int32_t code;
  int found = 0;
  expunge.struct_size = sizeof expunge;
  change.struct_size = sizeof change;
  switch (restante_ops_kind(ops, index)) {
    case RESTANTE_OP_ACCOUNT_PUT:
      code = mailboxes_has_account(db, account, &found, out_error);
      if (found) refuse(out_decision, RESTANTE_ERROR_ALREADY_EXISTS, "there is such an account");
      return code;
    case RESTANTE_OP_MESSAGE_PUT: return decide_put(db, account, ops, index, out_decision, out_error);
    case RESTANTE_OP_MESSAGE_EXPUNGE:
      code = restante_ops_get_expunge(ops, index, &expunge, out_error);
      if (code != RESTANTE_OK) return code;
      return decide_members(db, account, expunge.folder_id, expunge.messages, ops, out_decision, out_error);
    case RESTANTE_OP_FLAGS_UPDATE:
      code = restante_ops_get_flags_change(ops, index, &change, out_error);
      if (code != RESTANTE_OK) return code;
      return decide_members(db, account, change.folder_id, change.messages, ops, out_decision, out_error);
    default: return RESTANTE_OK;
  }
}

int32_t mailboxes_decide(sqlite3 *db, restante_view account, const restante_ops *ops, decision *out_decision,
                         restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  memset(out_decision, 0, sizeof *out_decision);
  for (i = 0; code == RESTANTE_OK && out_decision->refusal == NULL && i < restante_ops_count(ops); i++)
    code = decide_one(db, account, ops, i, out_decision, out_error);
  return code;
}

/* --- Doing ---------------------------------------------------------------------------------------------- */

static int32_t is_void(sqlite3 *db, restante_view account, restante_view folder, uint32_t uidvalidity,
                       int *out_void, restante_error **out_error) {
  folder_row row = {0, 0};
  int found = 0;
  const int32_t code = mailboxes_find_folder(db, account, folder, &row, &found, out_error);
  *out_void = !found || row.uidvalidity != uidvalidity;
  return code;
}

static int32_t put_account(sqlite3 *db, restante_view account, restante_error **out_error) {
  query put;
  query_open(&put, db, "INSERT OR IGNORE INTO accounts (id) VALUES (?)");
  query_text(&put, account);
  query_next(&put);
  return query_close(&put, out_error);
}

static int32_t forget_folder(sqlite3 *db, restante_view account, restante_view id,
                             restante_error **out_error) {
  static const char *const both[] = {"DELETE FROM messages WHERE account = ? AND folder = ?",
                                     "DELETE FROM folders WHERE account = ? AND id = ?"};
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < 2; i++) {
    query gone;
    query_open(&gone, db, both[i]);
    query_text(&gone, account);
    query_text(&gone, id);
    query_next(&gone);
    code = query_close(&gone, out_error);
  }
  return code;
}

static int32_t put_folder(sqlite3 *db, restante_view account, const restante_folder *folder,
                          restante_error **out_error) {
  query put;
  int is_another = 0;
  int32_t code = is_void(db, account, folder->id, folder->uidvalidity, &is_another, out_error);
  if (code == RESTANTE_OK && is_another) code = forget_folder(db, account, folder->id, out_error);
  if (code != RESTANTE_OK) return code;
  query_open(&put, db,
             "INSERT INTO folders (account, id, name, uidvalidity, uidnext) VALUES (?, ?, ?, ?, ?)"
             " ON CONFLICT DO UPDATE SET name = excluded.name, uidnext = max(uidnext, excluded.uidnext)");
  query_text(&put, account);
  query_text(&put, folder->id);
  query_text(&put, folder->name);
  query_number(&put, folder->uidvalidity);
  query_number(&put, folder->present & RESTANTE_HAS_UIDNEXT ? folder->uidnext : 1);
  query_next(&put);
  return query_close(&put, out_error);
}

static int32_t insert_message(sqlite3 *db, restante_view account, const restante_message *message,
                              uint32_t uid, restante_error **out_error) {
  char digest[FILES_DIGEST];
  query put;
  files_digest_text(&message->content, digest);
  query_open(&put, db,
             "INSERT OR REPLACE INTO messages (account, folder, id, uid, flags, digest, size, date)"
             " VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  query_text(&put, account);
  query_text(&put, message->folder_id);
  query_text(&put, message->id);
  query_number(&put, uid);
  query_number(&put, message->flags);
  query_text(&put, restante_view_of(digest));
  query_number(&put, (int64_t)message->content.size);
  query_number(&put, message->present & RESTANTE_HAS_INTERNAL_DATE ? message->internal_date : 0);
  query_next(&put);
  return query_close(&put, out_error);
}

static int32_t put_message(const mailboxes *self, restante_view account, const restante_message *message,
                           uint32_t uid, restante_error **out_error) {
  query raise;
  int skip = 0;
  int32_t code = is_void(self->db, account, message->folder_id, message->uidvalidity, &skip, out_error);
  if (code != RESTANTE_OK || skip) return code;
  if ((message->present & RESTANTE_HAS_CONTENT) == 0)
    return mailboxes_fail(RESTANTE_ERROR_UNSUPPORTED, "a message without content", out_error);
  /* It was made before the lock was taken. A sweep may have found nobody who needs it since. */
  if (!files_have(self->content_directory, &message->content))
    code = files_ensure(self->content_directory, &message->content, self->redo, out_error);
  if (code == RESTANTE_OK) code = insert_message(self->db, account, message, uid, out_error);
  if (code != RESTANTE_OK) return code;
  query_open(&raise, self->db, "UPDATE folders SET uidnext = max(uidnext, ?) WHERE account = ? AND id = ?");
  query_number(&raise, (int64_t)uid + 1);
  query_text(&raise, account);
  query_text(&raise, message->folder_id);
  query_next(&raise);
  return query_close(&raise, out_error);
}

static int32_t put_messages(const mailboxes *self, restante_view account, const restante_ops *ops,
                            size_t index, uint32_t uid, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < restante_ops_message_count(ops, index); i++) {
    restante_message message = empty_message();
    code = restante_ops_get_message(ops, index, i, &message, out_error);
    if (code == RESTANTE_OK)
      code = put_message(self, account, &message, uid != 0 ? uid : message.uid, out_error);
  }
  return code;
}

static int32_t change_flags(sqlite3 *db, restante_view account, const restante_flags_change *change,
                            restante_error **out_error) {
  const uint32_t all = RESTANTE_FLAG_SEEN | RESTANTE_FLAG_ANSWERED | RESTANTE_FLAG_FLAGGED |
                       RESTANTE_FLAG_DELETED | RESTANTE_FLAG_DRAFT;
  const int removes = change->mode == RESTANTE_FLAGS_REMOVE;
  int skip = 0;
  int32_t code = is_void(db, account, change->folder_id, change->uidvalidity, &skip, out_error);
  size_t i;
  for (i = 0; code == RESTANTE_OK && !skip && i < change->messages->message_id_count; i++) {
    query update;
    query_open(
        &update, db,
        "UPDATE messages SET flags = (flags & ? & ~?) | ? WHERE account = ? AND folder = ? AND id = ?");
    query_number(&update, change->mode == RESTANTE_FLAGS_REPLACE ? 0 : all);
    query_number(&update, removes ? change->flags : 0);
    query_number(&update, removes ? 0 : change->flags);
    query_text(&update, account);
    query_text(&update, change->folder_id);
    query_text(&update, change->messages->message_ids[i]);
    query_next(&update);
    code = query_close(&update, out_error);
  }
  return code;
}

static int32_t expunge_messages(sqlite3 *db, restante_view account, const restante_expunge *expunge,
                                restante_error **out_error) {
  int skip = 0;
  int32_t code = is_void(db, account, expunge->folder_id, expunge->uidvalidity, &skip, out_error);
  size_t i;
  for (i = 0; code == RESTANTE_OK && !skip && i < expunge->messages->message_id_count; i++) {
    query gone;
    query_open(&gone, db, "DELETE FROM messages WHERE account = ? AND folder = ? AND id = ?");
    query_text(&gone, account);
    query_text(&gone, expunge->folder_id);
    query_text(&gone, expunge->messages->message_ids[i]);
    query_next(&gone);
    code = query_close(&gone, out_error);
  }
  return code;
}

static int32_t check_by_id(const restante_message_set *messages, restante_error **out_error) {
  if (messages->uid_count == 0) return RESTANTE_OK;
  return mailboxes_fail(RESTANTE_ERROR_UNSUPPORTED, "this store's messages are addressed by their ids",
                        out_error);
}

static int32_t apply_one(const mailboxes *self, restante_view account, const restante_ops *ops, size_t index,
                         uint32_t uid, restante_error **out_error) {
  restante_folder folder = {0};
  restante_expunge expunge = {0};
  restante_flags_change change = {0};
  int32_t code;
  folder.struct_size = sizeof folder;
  expunge.struct_size = sizeof expunge;
  change.struct_size = sizeof change;
  switch (restante_ops_kind(ops, index)) {
    case RESTANTE_OP_ACCOUNT_PUT: return put_account(self->db, account, out_error);
    case RESTANTE_OP_FOLDER_PUT:
      code = restante_ops_get_folder(ops, index, &folder, out_error);
      return code == RESTANTE_OK ? put_folder(self->db, account, &folder, out_error) : code;
    case RESTANTE_OP_MESSAGE_PUT: return put_messages(self, account, ops, index, uid, out_error);
    case RESTANTE_OP_MESSAGE_EXPUNGE:
      code = restante_ops_get_expunge(ops, index, &expunge, out_error);
      if (code == RESTANTE_OK) code = check_by_id(expunge.messages, out_error);
      return code == RESTANTE_OK ? expunge_messages(self->db, account, &expunge, out_error) : code;
    case RESTANTE_OP_FLAGS_UPDATE:
      code = restante_ops_get_flags_change(ops, index, &change, out_error);
      if (code == RESTANTE_OK) code = check_by_id(change.messages, out_error);
      return code == RESTANTE_OK ? change_flags(self->db, account, &change, out_error) : code;
    default:
      return mailboxes_fail(RESTANTE_ERROR_UNSUPPORTED, "an operation that this store does not do",
                            out_error);
  }
}

int32_t mailboxes_apply(const mailboxes *self, restante_view account, const restante_ops *ops, uint32_t uid,
                        restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < restante_ops_count(ops); i++)
    code = apply_one(self, account, ops, i, uid, out_error);
  return code;
}

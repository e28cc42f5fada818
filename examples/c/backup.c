/*
 * The C API in one page: a mail store with one mailbox, backed up.
 *
 *     example-c DIRECTORY
 *
 * makes redo, target and state in that (existing) directory, takes a full backup, delivers a message through
 * the redo log, takes an incremental backup, and lists the sessions.
 */

#include <restante.h>

#include <stdio.h>
#include <string.h>

/* --- The host's own store: one account, one folder, messages with UIDs 1, 2, … ------------------------- */

enum { MAX_MESSAGES = 8, UIDVALIDITY = 1 };

typedef struct store {
  const char *texts[MAX_MESSAGES];
  uint32_t count;
} store;

static restante_message message_record(const char *id, uint32_t uid) {
  restante_message message = {0};
  message.struct_size = sizeof message;
  message.id = restante_view_of(id);
  message.folder_id = restante_view_of("inbox");
  message.uidvalidity = UIDVALIDITY;
  message.uid = uid;
  return message;
}

/* --- What restante reads it through --------------------------------------------------------------------- */

static int32_t list_accounts(void *user_data, restante_account_sink *accounts, restante_error **out_error) {
  restante_account alice = {0};
  (void)user_data;
  alice.struct_size = sizeof alice;
  alice.id = restante_view_of("alice");
  alice.address = restante_view_of("alice@example.com");
  return restante_account_sink_put(accounts, &alice, out_error);
}

static int32_t put_messages(const store *mail, restante_ops *ops, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  uint32_t uid;
  for (uid = 1; code == RESTANTE_OK && uid <= mail->count; uid++) {
    char id[16];
    restante_message message;
    snprintf(id, sizeof id, "m%u", (unsigned)uid);
    message = message_record(id, uid);
    code = restante_ops_message_put(ops, &message, 1, out_error);
  }
  return code;
}

static int32_t snapshot(void *user_data, const restante_view *account_id, restante_op_sink *sink,
                        restante_error **out_error) {
  const store *mail = user_data;
  restante_folder inbox = {0};
  restante_ops *ops = NULL;
  int32_t code;
  (void)account_id; /* there is only one */
  inbox.struct_size = sizeof inbox;
  inbox.present = RESTANTE_HAS_UIDNEXT;
  inbox.id = restante_view_of("inbox");
  inbox.name = restante_view_of("INBOX");
  inbox.uidvalidity = UIDVALIDITY;
  inbox.uidnext = mail->count + 1;
  code = restante_ops_new(&ops, out_error);
  if (code == RESTANTE_OK) code = restante_ops_folder_put(ops, &inbox, out_error);
  if (code == RESTANTE_OK) code = put_messages(mail, ops, out_error);
  if (code == RESTANTE_OK) code = restante_op_sink_put(sink, ops, out_error);
  restante_ops_free(ops);
  return code;
}

static int32_t open_content(void *user_data, const restante_view *account_id,
                            const restante_content_place *place, restante_content_reply *reply,
                            restante_error **out_error) {
  const store *mail = user_data;
  const char *text;
  (void)account_id;
  if (place->uid == 0 || place->uid > mail->count) return RESTANTE_ERROR_NOT_FOUND;
  text = mail->texts[place->uid - 1];
  return restante_content_reply_bytes(reply, text, strlen(text), out_error);
}

static int32_t make_source(store *mail, restante_source **out_source, restante_error **out_error) {
  restante_source_vtable table = {0};
  table.struct_size = sizeof table;
  table.fields = RESTANTE_FIELD_UID | RESTANTE_FIELD_UIDNEXT | RESTANTE_FIELD_MESSAGE_ID;
  table.user_data = mail;
  table.list_accounts = list_accounts;
  table.snapshot = snapshot;
  table.open_content = open_content;
  return restante_source_new(&table, out_source, out_error);
}

/* --- What the host does --------------------------------------------------------------------------------- */

/* Log before, change, commit after: whatever crashes in between, no acknowledged message is lost. */
static int32_t deliver(store *mail, restante_redo *redo, const char *id, const char *text,
                       restante_error **out_error) {
  const restante_view alice = restante_view_of("alice");
  restante_message message = message_record(id, 0);
  restante_assigned assigned = {0};
  restante_transaction *transaction = NULL;
  restante_ops *ops = NULL;
  int32_t code = restante_ops_new(&ops, out_error);
  message.present = RESTANTE_HAS_CONTENT;
  if (code == RESTANTE_OK) {
    code = restante_redo_put_content(redo, alice, text, strlen(text), &message.content, out_error);
  }
  if (code == RESTANTE_OK) code = restante_ops_message_put(ops, &message, 1, out_error);
  if (code == RESTANTE_OK) code = restante_redo_begin(redo, alice, ops, NULL, &transaction, out_error);
  if (code == RESTANTE_OK) {
    mail->texts[mail->count++] = text;
    assigned.struct_size = sizeof assigned;
    assigned.uid = mail->count;
    code = restante_transaction_commit(transaction, &assigned, 1, RESTANTE_SYNC_DEFAULT, NULL, out_error);
  }
  restante_transaction_free(transaction);
  restante_ops_free(ops);
  return code;
}

static int32_t back_up(restante_target *target, restante_source *source, restante_redo *redo, uint32_t kind,
                       restante_error **out_error) {
  restante_session_options options = {0};
  restante_session *session = NULL;
  restante_session_list *result = NULL;
  int32_t code;
  options.struct_size = sizeof options;
  options.kind = kind;
  options.source = source;
  options.redo = redo;
  code = restante_session_begin(target, &options, &session, out_error);
  if (code == RESTANTE_OK) code = restante_session_run(session, &result, out_error);
  restante_session_list_free(result);
  restante_session_free(session);
  return code;
}

static int32_t show_sessions(const restante_target *target, restante_error **out_error) {
  restante_session_list *sessions = NULL;
  int32_t code = restante_target_sessions(target, NULL, &sessions, out_error);
  size_t i;
  for (i = 0; code == RESTANTE_OK && i < restante_session_list_count(sessions); i++) {
    restante_session_info info = {0};
    info.struct_size = sizeof info;
    code = restante_session_list_get(sessions, i, &info, out_error);
    if (code == RESTANTE_OK) printf("%s  %s\n", info.label, restante_session_status_name(info.status));
  }
  restante_session_list_free(sessions);
  return code;
}

typedef struct parts {
  store mail;
  restante_redo *redo;
  restante_target *target;
  restante_source *source;
} parts;

static int32_t open_parts(const char *directory, parts *all, restante_error **out_error) {
  char path[1024];
  char state[1024];
  restante_redo_options redo_options = {0};
  restante_target_options target_options = {0};
  int32_t code;
  redo_options.struct_size = sizeof redo_options;
  redo_options.create = 1;
  snprintf(path, sizeof path, "%s/redo", directory);
  code = restante_redo_open(path, &redo_options, &all->redo, out_error);
  target_options.struct_size = sizeof target_options;
  snprintf(state, sizeof state, "%s/state", directory);
  target_options.state_directory = state;
  snprintf(path, sizeof path, "%s/target", directory);
  if (code == RESTANTE_OK) {
    code = restante_target_create(path, &target_options, &all->target, out_error);
  }
  return code == RESTANTE_OK ? make_source(&all->mail, &all->source, out_error) : code;
}

static int32_t play(const char *directory, parts *all, restante_error **out_error) {
  int32_t code = open_parts(directory, all, out_error);
  if (code == RESTANTE_OK) {
    code = back_up(all->target, all->source, all->redo, RESTANTE_SESSION_FULL, out_error);
  }
  if (code == RESTANTE_OK) {
    code = deliver(&all->mail, all->redo, "m2", "Subject: again\r\n\r\nThe second.\r\n", out_error);
  }
  if (code == RESTANTE_OK) {
    code = back_up(all->target, all->source, all->redo, RESTANTE_SESSION_INCREMENTAL, out_error);
  }
  if (code == RESTANTE_OK) code = show_sessions(all->target, out_error);
  if (code == RESTANTE_OK) code = restante_redo_close(all->redo, out_error);
  return code;
}

int main(int argc, char **argv) {
  parts all = {{{"Subject: hello\r\n\r\nThe first message.\r\n"}, 1}, NULL, NULL, NULL};
  restante_error *error = NULL;
  int32_t code;
  if (argc != 2) {
    fprintf(stderr, "usage: example-c DIRECTORY\n");
    return 2;
  }
  code = play(argv[1], &all, &error);
  if (code != RESTANTE_OK) {
    fprintf(stderr, "%s\n", restante_error_message(error));
    if (*restante_error_hint(error)) fprintf(stderr, "hint: %s\n", restante_error_hint(error));
  }
  restante_source_free(all.source);
  restante_target_free(all.target);
  restante_redo_free(all.redo);
  restante_error_free(error);
  return code == RESTANTE_OK ? 0 : 1;
}

/* Errors, structures of other versions, operations there and back. */

#include "check.h"
#include "tiny_store.h"

#include <stdlib.h>

static void version_is_that_of_the_header(const char *scratch) {
  char expected[32];
  (void)scratch;
  snprintf(expected, sizeof expected, "%d.%d.%d", RESTANTE_VERSION_MAJOR, RESTANTE_VERSION_MINOR,
           RESTANTE_VERSION_PATCH);
  CHECK_TEXT(expected, restante_version());
}

static void codes_have_names(const char *scratch) {
  (void)scratch;
  CHECK_TEXT("ok", restante_code_name(RESTANTE_OK));
  CHECK_TEXT("not_found", restante_code_name(RESTANTE_ERROR_NOT_FOUND));
  CHECK_TEXT("no_memory", restante_code_name(RESTANTE_ERROR_NO_MEMORY));
  CHECK_TEXT("unknown", restante_code_name(1));
  CHECK_TEXT("unknown", restante_code_name(-1000));
  CHECK_TEXT("unknown", restante_code_name(INT32_MIN));
  CHECK(restante_code_advice(RESTANTE_ERROR_BUSY) == RESTANTE_ADVICE_RETRY_CALL);
  CHECK(restante_code_advice(RESTANTE_OK) == RESTANTE_ADVICE_NONE);
  CHECK(restante_code_advice(12345) == RESTANTE_ADVICE_CALL_PERSON);
  CHECK_TEXT("full", restante_session_type_name(RESTANTE_SESSION_FULL));
  CHECK_TEXT("partial", restante_session_status_name(RESTANTE_STATUS_PARTIAL));
  CHECK_TEXT("unknown", restante_account_status_name(99));
}

static void errors_can_be_made_and_freed(const char *scratch) {
  restante_error *error = restante_error_new(RESTANTE_ERROR_BUSY, "the door is locked", "knock");
  (void)scratch;
  CHECK(restante_error_code(error) == RESTANTE_ERROR_BUSY);
  CHECK_TEXT("the door is locked", restante_error_message(error));
  CHECK_TEXT("knock", restante_error_hint(error));
  restante_error_free(error);
  error = restante_error_new(17, NULL, NULL);
  CHECK(restante_error_code(error) == RESTANTE_ERROR_INTERNAL);
  CHECK_TEXT("", restante_error_message(error));
  restante_error_free(error);
  CHECK(restante_error_code(NULL) == RESTANTE_OK);
  CHECK_TEXT("", restante_error_message(NULL));
  CHECK_TEXT("", restante_error_hint(NULL));
  restante_error_free(NULL);
}

static void null_arguments_are_refused(const char *scratch) {
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  restante_redo *redo = NULL;
  restante_target *target = NULL;
  restante_session *session = NULL;
  restante_source *source = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "out_ops is NULL", restante_ops_new(NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_account_put(NULL, NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_open(NULL, NULL, &redo, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_open(scratch, NULL, NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_sync(NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_target_create(NULL, NULL, &target, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_target_sessions(NULL, NULL, NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_session_begin(NULL, NULL, &session, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_session_run(NULL, NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_source_new(NULL, &source, &error));
  CHECK(restante_ops_clear(NULL, NULL) == RESTANTE_ERROR_INVALID_ARGUMENT);
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "restante_folder is NULL",
              restante_ops_folder_put(ops, NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_message_put(ops, NULL, 1, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_folder(ops, 0, NULL, &error));
  restante_ops_free(ops);
  CHECK(redo == NULL && target == NULL && session == NULL && source == NULL);
}

static void null_handles_are_harmless(const char *scratch) {
  (void)scratch;
  restante_ops_free(NULL);
  restante_reader_free(NULL);
  restante_redo_free(NULL);
  restante_transaction_free(NULL);
  restante_recovery_free(NULL);
  restante_source_free(NULL);
  restante_target_free(NULL);
  restante_session_list_free(NULL);
  restante_account_list_free(NULL);
  restante_session_free(NULL);
  restante_session_abort(NULL);
  CHECK_U64(0, restante_ops_count(NULL));
  CHECK_U64(0, restante_ops_message_count(NULL, 0));
  CHECK_U64(0, restante_session_list_count(NULL));
  CHECK_U64(0, restante_account_list_count(NULL));
  CHECK_U64(0, restante_recovery_count(NULL));
  CHECK_U64(0, restante_redo_end(NULL).lsn);
  CHECK_TEXT("", restante_session_label(NULL));
}

static void structures_of_other_versions(const char *scratch) {
  struct {
    restante_account account;
    uint64_t newer[2];
  } longer = {{0}, {0, 0}};
  restante_account *account = &longer.account;
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  CHECK_OK(restante_ops_new(&ops, &error));
  account->id = restante_view_of("alice");
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "restante_account.struct_size is 0",
              restante_ops_account_put(ops, account, &error));
  account->struct_size = 1u << 30;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_account_put(ops, account, &error));
  account->struct_size = sizeof longer;
  CHECK_OK(restante_ops_account_put(ops, account, &error));
  longer.newer[1] = 1;
  CHECK_FAILS(RESTANTE_ERROR_UNSUPPORTED, "members that restante",
              restante_ops_account_put(ops, account, &error));
  CHECK_U64(1, restante_ops_count(ops));
  /* The library clears what it does not know in what it fills. */
  CHECK_OK(restante_ops_get_account(ops, 0, account, &error));
  CHECK_U64(0, longer.newer[1]);
  CHECK_U64(sizeof longer, account->struct_size);
  CHECK_VIEW("alice", account->id);
  account->struct_size = sizeof *account - 1;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_account(ops, 0, account, &error));
  restante_ops_free(ops);
}

/* Arrays of structures have their own stride. */
static void arrays_of_longer_structures(const char *scratch) {
  struct {
    restante_message message;
    uint64_t newer;
  } longer[2];
  restante_message read = {0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  int i;
  (void)scratch;
  memset(longer, 0, sizeof longer);
  for (i = 0; i < 2; i++) {
    longer[i].message.struct_size = sizeof longer[i];
    longer[i].message.id = restante_view_of(i == 0 ? "first" : "second");
    longer[i].message.folder_id = restante_view_of("inbox");
  }
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_message_put(ops, &longer[0].message, 2, &error));
  CHECK_U64(2, restante_ops_message_count(ops, 0));
  read.struct_size = sizeof read;
  CHECK_OK(restante_ops_get_message(ops, 0, 1, &read, &error));
  CHECK_VIEW("second", read.id);
  longer[1].message.struct_size = sizeof(restante_message);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "different struct_size",
              restante_ops_message_put(ops, &longer[0].message, 2, &error));
  restante_ops_free(ops);
}

static restante_message full_message(void) {
  static const restante_view keywords[] = {{"zeta", 4}, {"alpha", 5}, {"zeta", 4}};
  static const restante_view tags[] = {{"blue", 4}};
  static const restante_viewer_flags viewers[] = {{{"bob", 3}, RESTANTE_FLAG_SEEN, 0}};
  static const restante_attribute attributes[] = {{{"mode", 4}, {"06\0000", 4}}};
  restante_message message = {0};
  message.struct_size = sizeof message;
  message.present = RESTANTE_HAS_CONTENT | RESTANTE_HAS_INTERNAL_DATE | RESTANTE_HAS_MODSEQ;
  message.id = restante_view_of("m1");
  message.folder_id = restante_view_of("inbox");
  message.uidvalidity = 7;
  message.uid = 42;
  message.email_id = restante_view_of("e1");
  message.content.digest[0] = 0xab;
  message.content.size = 1234;
  message.internal_date = -1;
  message.modseq = 99;
  message.flags = RESTANTE_FLAG_SEEN | RESTANTE_FLAG_DRAFT;
  message.keywords = keywords;
  message.keyword_count = 3;
  message.tags = tags;
  message.tag_count = 1;
  message.viewer_flags = viewers;
  message.viewer_flag_count = 1;
  message.attributes = attributes;
  message.attribute_count = 1;
  return message;
}

static void check_message(const restante_message *message) {
  CHECK_U64(RESTANTE_HAS_CONTENT | RESTANTE_HAS_INTERNAL_DATE | RESTANTE_HAS_MODSEQ, message->present);
  CHECK_VIEW("m1", message->id);
  CHECK_VIEW("e1", message->email_id);
  CHECK_VIEW("", message->thread_id);
  CHECK_U64(42, message->uid);
  CHECK_U64(0xab, message->content.digest[0]);
  CHECK_U64(1234, message->content.size);
  CHECK(message->internal_date == -1);
  CHECK_U64(99, message->modseq);
  CHECK_U64(RESTANTE_FLAG_SEEN | RESTANTE_FLAG_DRAFT, message->flags);
  CHECK_U64(2, message->keyword_count);
  CHECK_VIEW("alpha", message->keywords[0]);
  CHECK_VIEW("zeta", message->keywords[1]);
  CHECK_VIEW("blue", message->tags[0]);
  CHECK_VIEW("bob", message->viewer_flags[0].account_id);
  CHECK_U64(1, message->attribute_count);
  CHECK_U64(4, message->attributes[0].value.size);
  CHECK(memcmp(message->attributes[0].value.data, "06\0000", 5) == 0);
}

static void messages_there_and_back(const char *scratch) {
  restante_message message = full_message();
  restante_message read = {0};
  restante_message again = {0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  const char *text = NULL;
  (void)scratch;
  read.struct_size = again.struct_size = sizeof read;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_message_put(ops, &message, 1, &error));
  CHECK_U64(RESTANTE_OP_MESSAGE_PUT, restante_ops_kind(ops, 0));
  CHECK_OK(restante_ops_get_message(ops, 0, 0, &read, &error));
  /* Reading again does not void what was read. */
  CHECK_OK(restante_ops_get_message(ops, 0, 0, &again, &error));
  check_message(&read);
  check_message(&again);
  CHECK_OK(restante_ops_describe(ops, 0, &text, &error));
  CHECK(text != NULL && strstr(text, "inbox") != NULL);
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_message(ops, 0, 1, &read, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_message(ops, 1, 0, &read, &error));
  restante_ops_free(ops);
}

static void invalid_messages_are_refused(const char *scratch) {
  restante_message message = full_message();
  restante_attribute twice[2] = {{{"a", 1}, {"1", 1}}, {{"a", 1}, {"2", 1}}};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_message_put(ops, &message, 0, &error));
  message.attributes = twice;
  message.attribute_count = 2;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "a name twice",
              restante_ops_message_put(ops, &message, 1, &error));
  message = full_message();
  message.present |= RESTANTE_HAS_MOUNTPOINT;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "present", restante_ops_message_put(ops, &message, 1, &error));
  message = full_message();
  message.reserved = 1;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "reserved is not 0",
              restante_ops_message_put(ops, &message, 1, &error));
  message = full_message();
  message.keywords = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "keywords has a count and no elements",
              restante_ops_message_put(ops, &message, 1, &error));
  message = full_message();
  message.id.data = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "id has a size and no bytes",
              restante_ops_message_put(ops, &message, 1, &error));
  message = full_message();
  message.id = restante_view_of("");
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_message_put(ops, &message, 1, &error));
  message = full_message();
  message.flags = 1u << 20;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_message_put(ops, &message, 1, &error));
  CHECK_U64(0, restante_ops_count(ops));
  restante_ops_free(ops);
}

static void folders_there_and_back(const char *scratch) {
  restante_folder folder = {0};
  restante_folder read = {0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  folder.struct_size = read.struct_size = sizeof folder;
  folder.present = RESTANTE_HAS_UIDNEXT | RESTANTE_HAS_MOUNTPOINT;
  folder.id = restante_view_of("f2");
  folder.parent_id = restante_view_of("f1");
  folder.name = restante_view_of("Sent");
  folder.uidvalidity = 8;
  folder.uidnext = 0;
  folder.special_use = restante_view_of("\\Sent");
  folder.mountpoint_owner = restante_view_of("bob");
  folder.mountpoint_remote_id = restante_view_of("17");
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_folder_put(ops, &folder, &error));
  CHECK_OK(restante_ops_get_folder(ops, 0, &read, &error));
  CHECK_U64(RESTANTE_HAS_UIDNEXT | RESTANTE_HAS_MOUNTPOINT, read.present);
  CHECK_VIEW("f1", read.parent_id);
  CHECK_VIEW("\\Sent", read.special_use);
  CHECK_VIEW("17", read.mountpoint_remote_id);
  CHECK_U64(8, read.uidvalidity);
  CHECK_U64(0, read.uidnext);
  restante_ops_free(ops);
}

static void items_there_and_back(const char *scratch) {
  const restante_view tags[] = {{"b", 1}, {"a", 1}};
  restante_item item = {0};
  restante_item read = {0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  item.struct_size = read.struct_size = sizeof item;
  item.present = RESTANTE_HAS_REVISION;
  item.kind = restante_view_of("contact");
  item.id = restante_view_of("c1");
  item.revision = 5;
  item.tags = tags;
  item.tag_count = 2;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_item_put(ops, &item, &error));
  CHECK_OK(restante_ops_get_item(ops, 0, &read, &error));
  CHECK_U64(RESTANTE_HAS_REVISION, read.present);
  CHECK_U64(5, read.revision);
  CHECK_VIEW("contact", read.kind);
  CHECK_VIEW("a", read.tags[0]);
  CHECK_VIEW("b", read.tags[1]);
  restante_ops_free(ops);
}

static void check_set(const restante_message_set *set) {
  CHECK(set != NULL && set->struct_size == sizeof *set);
  CHECK_U64(2, set->uid_count);
  CHECK_U64(3, set->uids[0]);
  CHECK_U64(9, set->uids[1]);
  CHECK_U64(1, set->message_id_count);
  CHECK_VIEW("m1", set->message_ids[0]);
}

static void sets_there_and_back(const char *scratch) {
  const uint32_t uids[] = {3, 9};
  const restante_view ids[] = {{"m1", 2}};
  restante_message_set set = {0};
  restante_expunge expunge = {0};
  restante_flags_change change = {0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  set.struct_size = sizeof set;
  set.uids = uids;
  set.uid_count = 2;
  set.message_ids = ids;
  set.message_id_count = 1;
  expunge.struct_size = sizeof expunge;
  expunge.folder_id = restante_view_of("inbox");
  expunge.uidvalidity = 7;
  expunge.messages = &set;
  change.struct_size = sizeof change;
  change.folder_id = restante_view_of("inbox");
  change.uidvalidity = 7;
  change.messages = &set;
  change.mode = RESTANTE_FLAGS_REMOVE;
  change.flags = RESTANTE_FLAG_FLAGGED;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_message_expunge(ops, &expunge, &error));
  CHECK_OK(restante_ops_flags_update(ops, &change, &error));
  expunge.messages = change.messages = NULL;
  CHECK_OK(restante_ops_get_expunge(ops, 0, &expunge, &error));
  check_set(expunge.messages);
  CHECK_OK(restante_ops_get_flags_change(ops, 1, &change, &error));
  check_set(change.messages);
  CHECK_U64(RESTANTE_FLAGS_REMOVE, change.mode);
  CHECK_U64(RESTANTE_FLAG_FLAGGED, change.flags);
  change.mode = 3;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_flags_update(ops, &change, &error));
  change.mode = RESTANTE_FLAGS_ADD;
  change.messages = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "messages is NULL",
              restante_ops_flags_update(ops, &change, &error));
  restante_ops_free(ops);
}

static void deletions_and_host_operations(const char *scratch) {
  restante_host_op host_op = {0};
  restante_folder folder = {0};
  restante_view kind = {NULL, 0};
  restante_view id = {NULL, 0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  host_op.struct_size = sizeof host_op;
  host_op.host = restante_view_of("tiny");
  host_op.name = restante_view_of("repaint");
  host_op.data.data = "\0\1";
  host_op.data.size = 2;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_account_delete(ops, restante_view_of("alice"), &error));
  CHECK_OK(restante_ops_folder_delete(ops, restante_view_of("inbox"), &error));
  CHECK_OK(restante_ops_item_delete(ops, restante_view_of("contact"), restante_view_of("c1"), &error));
  CHECK_OK(restante_ops_host_op(ops, &host_op, &error));
  CHECK_U64(RESTANTE_OP_ACCOUNT_DELETE, restante_ops_kind(ops, 0));
  CHECK_U64(RESTANTE_OP_FOLDER_DELETE, restante_ops_kind(ops, 1));
  CHECK_U64(RESTANTE_OP_ITEM_DELETE, restante_ops_kind(ops, 2));
  CHECK_U64(RESTANTE_OP_HOST_OP, restante_ops_kind(ops, 3));
  CHECK_U64(RESTANTE_OP_UNKNOWN, restante_ops_kind(ops, 4));
  CHECK_OK(restante_ops_get_deleted(ops, 0, &kind, &id, &error));
  CHECK_VIEW("", kind);
  CHECK_VIEW("alice", id);
  CHECK_OK(restante_ops_get_deleted(ops, 2, &kind, NULL, &error));
  CHECK_VIEW("contact", kind);
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_deleted(ops, 3, &kind, &id, &error));
  CHECK_OK(restante_ops_get_host_op(ops, 3, &host_op, &error));
  CHECK_U64(2, host_op.data.size);
  CHECK(host_op.data.data[1] == 1);
  folder.struct_size = sizeof folder;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "another kind",
              restante_ops_get_folder(ops, 3, &folder, &error));
  CHECK_OK(restante_ops_clear(ops, &error));
  CHECK_U64(0, restante_ops_count(ops));
  restante_ops_free(ops);
}

static void a_rewind(const char *scratch) {
  restante_rewind rewind = {0};
  restante_rewind found = {0};
  restante_error *error = NULL;
  restante_ops *ops = NULL;
  (void)scratch;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size", restante_ops_rewind(ops, &rewind, &error));
  rewind.struct_size = sizeof rewind;
  rewind.present = 1;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "present", restante_ops_rewind(ops, &rewind, &error));
  rewind.present = 0;
  rewind.log.bytes[0] = 1;
  rewind.incarnation.bytes[15] = 2;
  rewind.lsn = 77;
  rewind.label = restante_view_of("full-1");
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_rewind(NULL, &rewind, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_rewind(ops, NULL, &error));
  CHECK_U64(0, restante_ops_count(ops));
  CHECK_OK(restante_ops_rewind(ops, &rewind, &error));
  CHECK_U64(RESTANTE_OP_REWIND, restante_ops_kind(ops, 0));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_ops_get_rewind(ops, 0, &found, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_rewind(ops, 0, NULL, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_rewind(NULL, 0, &found, &error));
  found.struct_size = sizeof found;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_get_rewind(ops, 1, &found, &error));
  CHECK_OK(restante_ops_get_rewind(ops, 0, &found, &error));
  CHECK(memcmp(&found.log, &rewind.log, sizeof found.log) == 0);
  CHECK(memcmp(&found.incarnation, &rewind.incarnation, sizeof found.incarnation) == 0);
  CHECK_U64(77, found.lsn);
  CHECK_VIEW("full-1", found.label);
  restante_ops_free(ops);
}

static void sources_need_their_callbacks(const char *scratch) {
  tiny_store store;
  restante_source_vtable table;
  restante_error *error = NULL;
  restante_source *source = NULL;
  (void)scratch;
  tiny_init(&store);
  table = tiny_vtable(&store);
  table.snapshot = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "snapshot is NULL",
              restante_source_new(&table, &source, &error));
  table = tiny_vtable(&store);
  table.suspend = table.barrier;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "suspend and resume",
              restante_source_new(&table, &source, &error));
  table = tiny_vtable(&store);
  table.fields = 1u << 31;
  CHECK_CODE(RESTANTE_ERROR_UNSUPPORTED, restante_source_new(&table, &source, &error));
  CHECK_U64(0, store.released);
  table = tiny_vtable(&store);
  CHECK_OK(restante_source_new(&table, &source, &error));
  CHECK_U64(0, store.released);
  restante_source_free(source);
  CHECK_U64(1, store.released);
}

int main(void) {
  static const check_case cases[] = {
      {"C: the version is that of the header", version_is_that_of_the_header},
      {"C: codes have names", codes_have_names},
      {"C: errors can be made and freed", errors_can_be_made_and_freed},
      {"C: null arguments are refused", null_arguments_are_refused},
      {"C: null handles are harmless", null_handles_are_harmless},
      {"C: structures of other versions", structures_of_other_versions},
      {"C: arrays of longer structures", arrays_of_longer_structures},
      {"C: messages there and back", messages_there_and_back},
      {"C: invalid messages are refused", invalid_messages_are_refused},
      {"C: folders there and back", folders_there_and_back},
      {"C: items there and back", items_there_and_back},
      {"C: message sets there and back", sets_there_and_back},
      {"C: deletions and host operations", deletions_and_host_operations},
      {"C: a rewind", a_rewind},
      {"C: sources need their callbacks", sources_need_their_callbacks},
  };
  return check_run(cases, sizeof cases / sizeof cases[0]);
}

/* Targets and sessions through the C API, over a store in plain C. */

#include "check.h"
#include "tiny_store.h"

typedef struct world {
  tiny_store store;
  restante_source *source;
  restante_redo *redo;
  restante_target *target;
} world;

static restante_view view(const char *text) { return restante_view_of(text); }

static void target_options(const char *scratch, char *state, restante_target_options *options) {
  memset(options, 0, sizeof *options);
  options->struct_size = sizeof *options;
  options->state_directory = check_path(state, scratch, "state");
}

static restante_redo *create_log(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_redo_options options = {0};
  restante_redo *redo = NULL;
  restante_error *error = NULL;
  options.struct_size = sizeof options;
  options.create = 1;
  CHECK_OK(restante_redo_open(check_path(path, scratch, "redo"), &options, &redo, &error));
  return redo;
}

/* A store with alice and bob, who have a message each, a log that knows of both, and an empty target. */
static void open_world(world *all, const char *scratch) {
  char path[CHECK_PATH_SIZE];
  char state[CHECK_PATH_SIZE];
  restante_target_options options;
  restante_source_vtable table;
  restante_error *error = NULL;
  memset(all, 0, sizeof *all);
  tiny_init(&all->store);
  tiny_put(tiny_add_account(&all->store, "alice"), "a1", "Subject: one\r\n\r\nfirst of alice\r\n");
  tiny_put(tiny_add_account(&all->store, "bob"), "b1", "Subject: one\r\n\r\nfirst of bob\r\n");
  table = tiny_vtable(&all->store);
  CHECK_OK(restante_source_new(&table, &all->source, &error));
  all->redo = create_log(scratch);
  target_options(scratch, state, &options);
  CHECK_OK(restante_target_create(check_path(path, scratch, "target"), &options, &all->target, &error));
}

static void close_world(world *all) {
  restante_error *error = NULL;
  restante_target_free(all->target);
  restante_source_free(all->source);
  CHECK_OK(restante_redo_close(all->redo, &error));
  restante_redo_free(all->redo);
  CHECK_U64(1, all->store.released);
  CHECK_U64(all->store.readers_opened, all->store.readers_released);
}

static restante_session_options session_options(const world *all, uint32_t kind) {
  restante_session_options options = {0};
  options.struct_size = sizeof options;
  options.kind = kind;
  options.source = all->source;
  options.redo = all->redo;
  options.server_name = "tiny.example.com";
  return options;
}

/* Begins and runs a session and reads its result; `*out_list` is the caller's. */
static restante_session_info run_session(const world *all, const restante_session_options *options,
                                         restante_session_list **out_list) {
  restante_session_info info = {0};
  restante_session *session = NULL;
  restante_error *error = NULL;
  info.struct_size = sizeof info;
  *out_list = NULL;
  info.label = "";
  if (!CHECK_OK(restante_session_begin(all->target, options, &session, &error))) return info;
  if (CHECK_OK(restante_session_run(session, out_list, &error))) {
    CHECK_U64(1, restante_session_list_count(*out_list));
    CHECK_OK(restante_session_list_get(*out_list, 0, &info, &error));
    CHECK_TEXT(restante_session_label(session), info.label);
  }
  restante_session_free(session);
  return info;
}

static restante_session_account account_of(const restante_session_list *list, size_t index) {
  restante_session_account account = {0};
  restante_error *error = NULL;
  account.struct_size = sizeof account;
  CHECK_OK(restante_session_list_get_account(list, 0, index, &account, &error));
  return account;
}

static void run_full(const world *all) {
  const restante_session_options options = session_options(all, RESTANTE_SESSION_FULL);
  restante_session_list *list;
  const restante_session_info info = run_session(all, &options, &list);
  CHECK_U64(RESTANTE_STATUS_COMPLETED, info.status);
  restante_session_list_free(list);
}

/* --- Targets -------------------------------------------------------------------------------------------- */

static void creating_and_opening(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  char state[CHECK_PATH_SIZE];
  restante_target_options options;
  restante_target *target = NULL;
  restante_target *again = NULL;
  restante_session_list *sessions = NULL;
  restante_account_list *accounts = NULL;
  restante_id id;
  restante_id id_again;
  restante_error *error = NULL;
  target_options(scratch, state, &options);
  check_path(path, scratch, "target");
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_target_open(path, &options, &target, &error));
  CHECK_OK(restante_target_create(path, &options, &target, &error));
  CHECK_CODE(RESTANTE_ERROR_ALREADY_EXISTS, restante_target_create(path, &options, &again, &error));
  id = restante_target_id(target);
  restante_target_free(target);
  CHECK_OK(restante_target_open(path, &options, &target, &error));
  id_again = restante_target_id(target);
  CHECK(memcmp(&id, &id_again, sizeof id) == 0);
  CHECK_OK(restante_target_sessions(target, NULL, &sessions, &error));
  CHECK_U64(0, restante_session_list_count(sessions));
  restante_session_list_free(sessions);
  CHECK_OK(restante_target_accounts(target, &accounts, &error));
  CHECK_U64(0, restante_account_list_count(accounts));
  restante_account_list_free(accounts);
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND,
             restante_target_session(target, "full-20200101.000000.000", &sessions, &error));
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND,
             restante_target_request_abort(target, "full-20200101.000000.000", &error));
  restante_target_free(target);
}

static void positions_in_a_target(const char *scratch) {
  world all;
  restante_continuation position;
  restante_id server;
  restante_error *error = NULL;
  open_world(&all, scratch);
  server = restante_redo_server(all.redo);
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND,
             restante_target_newest_position(all.target, &server, &position, &error));
  run_full(&all);
  CHECK_OK(restante_target_newest_position(all.target, &server, &position, &error));
  CHECK(position.parent_sequence > 0 && position.parent_sequence < restante_redo_sequence(all.redo));
  close_world(&all);
}

/* --- Sessions ------------------------------------------------------------------------------------------- */

typedef struct progress_seen {
  restante_session *session;
  uint64_t calls;
  uint64_t messages_done;
  uint64_t accounts_total;
  int abort_at_message;
} progress_seen;

static void see_progress(void *user_data, const restante_progress *progress) {
  progress_seen *seen = user_data;
  seen->calls++;
  seen->messages_done = progress->messages_done;
  seen->accounts_total = progress->accounts_total;
  if (seen->abort_at_message != 0 && progress->messages_done >= (uint64_t)seen->abort_at_message) {
    restante_session_abort(seen->session);
  }
}

static void a_full_session(const char *scratch) {
  world all;
  progress_seen seen = {0};
  restante_session_options options;
  restante_session_list *list;
  restante_session_info info;
  restante_session_account account;
  open_world(&all, scratch);
  all.store.streams_content = 1;
  options = session_options(&all, RESTANTE_SESSION_FULL);
  options.progress = see_progress;
  options.progress_user_data = &seen;
  info = run_session(&all, &options, &list);
  CHECK_U64(RESTANTE_SESSION_FULL, info.type);
  CHECK_U64(RESTANTE_STATUS_COMPLETED, info.status);
  CHECK_TEXT("", info.error);
  CHECK_TEXT("tiny.example.com", info.server_name);
  CHECK(strncmp(info.label, "full-", 5) == 0);
  CHECK(info.ended >= info.began && info.began > 0);
  CHECK_U64(restante_redo_sequence(all.redo) - 1, info.last_sequence);
  CHECK_U64(2, info.account_count);
  account = account_of(list, 0);
  CHECK_VIEW("alice", account.id);
  CHECK_VIEW("alice@example.com", account.address);
  CHECK_U64(RESTANTE_ACCOUNT_COMPLETED, account.status);
  CHECK_U64(1, account.full);
  CHECK_U64(1, account.messages);
  CHECK_U64(strlen(all.store.accounts[0].messages[0].text), account.bytes);
  CHECK_U64(RESTANTE_FIELD_UID | RESTANTE_FIELD_UIDNEXT | RESTANTE_FIELD_MESSAGE_ID, account.fields);
  CHECK_VIEW("bob", account_of(list, 1).id);
  CHECK_U64(2, all.store.readers_opened);
  CHECK_U64(2, seen.messages_done);
  CHECK_U64(2, seen.accounts_total);
  restante_session_list_free(list);
  close_world(&all);
}

static void check_sessions_of_target(const world *all, const char *full_label) {
  restante_session_query query = {0};
  restante_session_info info = {0};
  restante_target_account account = {0};
  restante_session_list *sessions = NULL;
  restante_account_list *accounts = NULL;
  restante_error *error = NULL;
  query.struct_size = sizeof query;
  info.struct_size = sizeof info;
  account.struct_size = sizeof account;
  CHECK_OK(restante_target_sessions(all->target, NULL, &sessions, &error));
  CHECK_U64(2, restante_session_list_count(sessions));
  CHECK_OK(restante_session_list_get(sessions, 0, &info, &error));
  CHECK_U64(RESTANTE_SESSION_INCREMENTAL, info.type);
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_session_list_get(sessions, 2, &info, &error));
  restante_session_list_free(sessions);
  query.type = RESTANTE_SESSION_FULL;
  query.account = view("bob@example.com");
  CHECK_OK(restante_target_sessions(all->target, &query, &sessions, &error));
  CHECK_U64(1, restante_session_list_count(sessions));
  CHECK_OK(restante_session_list_get(sessions, 0, &info, &error));
  CHECK_TEXT(full_label, info.label);
  restante_session_list_free(sessions);
  CHECK_OK(restante_target_accounts(all->target, &accounts, &error));
  CHECK_U64(2, restante_account_list_count(accounts));
  CHECK_OK(restante_account_list_get(accounts, 1, &account, &error));
  CHECK_VIEW("bob", account.id);
  CHECK_VIEW("bob@example.com", account.address);
  CHECK_TEXT(full_label, account.full_label);
  restante_account_list_free(accounts);
}

/* The whole round of a host: log, full, deliveries, incremental, and what the target then tells. */
static void full_then_incremental(const char *scratch) {
  world all;
  restante_session_options options;
  restante_session_list *full;
  restante_session_list *incremental;
  restante_session_info first;
  restante_session_info second;
  restante_error *error = NULL;
  open_world(&all, scratch);
  CHECK_OK(tiny_log_account(&all.store.accounts[0], all.redo, &error));
  options = session_options(&all, RESTANTE_SESSION_FULL);
  first = run_session(&all, &options, &full);
  CHECK_U64(RESTANTE_STATUS_COMPLETED, first.status);
  CHECK_OK(tiny_deliver(&all.store.accounts[0], all.redo, "a2", "Subject: two\r\n\r\nsecond\r\n", &error));
  CHECK_OK(tiny_deliver(&all.store.accounts[0], all.redo, "a3", "Subject: three\r\n\r\nthird\r\n", &error));
  options = session_options(&all, RESTANTE_SESSION_INCREMENTAL);
  second = run_session(&all, &options, &incremental);
  CHECK_U64(RESTANTE_SESSION_INCREMENTAL, second.type);
  CHECK_U64(RESTANTE_STATUS_COMPLETED, second.status);
  CHECK(second.position.lsn > first.position.lsn);
  CHECK(memcmp(&second.position.log, &first.position.log, sizeof first.position.log) == 0);
  CHECK(second.first_sequence == first.last_sequence + 1 && second.last_sequence >= second.first_sequence);
  CHECK_U64(1, second.account_count);
  CHECK_VIEW("alice", account_of(incremental, 0).id);
  CHECK_U64(0, account_of(incremental, 0).full);
  CHECK(all.store.barriers >= 2);
  check_sessions_of_target(&all, first.label);
  restante_session_list_free(full);
  restante_session_list_free(incremental);
  close_world(&all);
}

static void an_incremental_makes_missing_fulls(const char *scratch) {
  world all;
  restante_session_options options;
  restante_session_list *list;
  restante_session_info info;
  const restante_view only_alice = {"alice@example.com", 17};
  open_world(&all, scratch);
  options = session_options(&all, RESTANTE_SESSION_FULL);
  options.accounts = &only_alice;
  options.account_count = 1;
  info = run_session(&all, &options, &list);
  CHECK_U64(1, info.account_count);
  restante_session_list_free(list);
  options = session_options(&all, RESTANTE_SESSION_INCREMENTAL);
  info = run_session(&all, &options, &list);
  CHECK_U64(RESTANTE_STATUS_COMPLETED, info.status);
  CHECK_U64(1, info.account_count);
  CHECK_VIEW("bob", account_of(list, 0).id);
  CHECK_U64(1, account_of(list, 0).full);
  restante_session_list_free(list);
  close_world(&all);
}

static void a_session_without_a_log(const char *scratch) {
  world all;
  restante_session_options options;
  restante_session_list *list;
  restante_session_info info;
  restante_session *session = NULL;
  restante_error *error = NULL;
  open_world(&all, scratch);
  options = session_options(&all, 0);
  options.redo = NULL;
  info = run_session(&all, &options, &list);
  CHECK_U64(RESTANTE_SESSION_FULL, info.type);
  CHECK_U64(RESTANTE_STATUS_COMPLETED, info.status);
  CHECK_U64(0, info.position.lsn);
  restante_session_list_free(list);
  options.kind = RESTANTE_SESSION_INCREMENTAL;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_session_begin(all.target, &options, &session, &error));
  close_world(&all);
}

/* --- Failures ------------------------------------------------------------------------------------------- */

static void sessions_that_cannot_begin(const char *scratch) {
  world all;
  restante_session_options options;
  restante_session *session = NULL;
  restante_session_list *sessions = NULL;
  restante_view nobody = {"nobody", 6};
  restante_error *error = NULL;
  open_world(&all, scratch);
  options = session_options(&all, 9);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "kind",
              restante_session_begin(all.target, &options, &session, &error));
  options = session_options(&all, RESTANTE_SESSION_FULL);
  options.source = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "source is NULL",
              restante_session_begin(all.target, &options, &session, &error));
  options = session_options(&all, RESTANTE_SESSION_FULL);
  options.accounts = &nobody;
  options.account_count = 1;
  CHECK_FAILS(RESTANTE_ERROR_NOT_FOUND, "nobody",
              restante_session_begin(all.target, &options, &session, &error));
  options = session_options(&all, RESTANTE_SESSION_FULL);
  all.store.faults.listing_fails = 1;
  CHECK_FAILS(RESTANTE_ERROR_PERMISSION, "the tiny directory is locked",
              restante_session_begin(all.target, &options, &session, &error));
  CHECK(session == NULL);
  CHECK_OK(restante_target_sessions(all.target, NULL, &sessions, &error));
  CHECK_U64(0, restante_session_list_count(sessions));
  restante_session_list_free(sessions);
  close_world(&all);
}

/* Runs a full in which only bob fails, with an error that contains `part`. */
static void run_failing_for_bob(const world *all, const char *part) {
  const restante_session_options options = session_options(all, RESTANTE_SESSION_FULL);
  restante_session_list *list;
  const restante_session_info info = run_session(all, &options, &list);
  CHECK_U64(RESTANTE_STATUS_PARTIAL, info.status);
  CHECK_U64(2, info.account_count);
  CHECK_U64(RESTANTE_ACCOUNT_COMPLETED, account_of(list, 0).status);
  CHECK_VIEW("bob", account_of(list, 1).id);
  CHECK_U64(RESTANTE_ACCOUNT_ERROR, account_of(list, 1).status);
  if (strstr(account_of(list, 1).error, part) == NULL) CHECK_TEXT(part, account_of(list, 1).error);
  restante_session_list_free(list);
}

static void callbacks_that_fail(const char *scratch) {
  world all;
  open_world(&all, scratch);
  all.store.faults.snapshot_of = "bob";
  run_failing_for_bob(&all, "the tiny disk is broken");
  all.store.faults.without_reason = RESTANTE_ERROR_IO;
  run_failing_for_bob(&all, "snapshot callback failed with io");
  all.store.faults.without_reason = 12345;
  run_failing_for_bob(&all, "snapshot callback answered 12345");
  all.store.faults.without_reason = RESTANTE_OK;
  all.store.faults.snapshot_of = NULL;
  all.store.faults.content_of = "bob";
  run_failing_for_bob(&all, "the tiny disk is broken");
  all.store.faults.content_of = NULL;
  all.store.faults.barrier_of = "bob";
  run_failing_for_bob(&all, "the tiny disk is broken");
  close_world(&all);
}

static void no_account_completed(const char *scratch) {
  world all;
  restante_session_options options;
  restante_session_list *list;
  restante_session_info info;
  open_world(&all, scratch);
  all.store.faults.no_reply = 1;
  options = session_options(&all, RESTANTE_SESSION_FULL);
  info = run_session(&all, &options, &list);
  CHECK_U64(RESTANTE_STATUS_FAILED, info.status);
  CHECK(strstr(account_of(list, 0).error, "without a reply") != NULL);
  restante_session_list_free(list);
  close_world(&all);
}

static void abort_from_the_progress_callback(const char *scratch) {
  world all;
  progress_seen seen = {0};
  restante_session_options options;
  restante_progress progress = {0};
  restante_session_info info = {0};
  restante_session_list *list = NULL;
  restante_error *error = NULL;
  open_world(&all, scratch);
  options = session_options(&all, RESTANTE_SESSION_FULL);
  options.progress = see_progress;
  options.progress_user_data = &seen;
  seen.abort_at_message = 2;
  CHECK_OK(restante_session_begin(all.target, &options, &seen.session, &error));
  CHECK_OK(restante_session_run(seen.session, &list, &error));
  info.struct_size = sizeof info;
  CHECK_OK(restante_session_list_get(list, 0, &info, &error));
  CHECK_U64(RESTANTE_STATUS_PARTIAL, info.status);
  CHECK(strstr(info.error, "aborted") != NULL);
  CHECK_U64(RESTANTE_ACCOUNT_COMPLETED, account_of(list, 0).status);
  CHECK_U64(RESTANTE_ACCOUNT_ERROR, account_of(list, 1).status);
  restante_session_list_free(list);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "run already",
              restante_session_run(seen.session, &list, &error));
  progress.struct_size = sizeof progress;
  CHECK_OK(restante_session_progress(seen.session, &progress, &error));
  CHECK_U64(2, progress.messages_done);
  restante_session_free(seen.session);
  close_world(&all);
}

/* A session keeps what it needs, and one that never ran leaves nothing. */
static void lifetimes(const char *scratch) {
  world all;
  char path[CHECK_PATH_SIZE];
  char state[CHECK_PATH_SIZE];
  restante_target_options target;
  restante_session_options options;
  restante_session *session = NULL;
  restante_session_list *list = NULL;
  restante_error *error = NULL;
  open_world(&all, scratch);
  options = session_options(&all, RESTANTE_SESSION_FULL);
  CHECK_OK(restante_session_begin(all.target, &options, &session, &error));
  restante_session_free(session);
  CHECK_OK(restante_target_sessions(all.target, NULL, &list, &error));
  CHECK_U64(0, restante_session_list_count(list));
  restante_session_list_free(list);

  CHECK_OK(restante_session_begin(all.target, &options, &session, &error));
  restante_target_free(all.target);
  restante_source_free(all.source);
  restante_redo_free(all.redo);
  CHECK_U64(0, all.store.released);
  CHECK_OK(restante_session_run(session, &list, &error));
  restante_session_list_free(list);
  restante_session_free(session);
  CHECK_U64(1, all.store.released);
  target_options(scratch, state, &target);
  CHECK_OK(restante_target_open(check_path(path, scratch, "target"), &target, &all.target, &error));
  CHECK_OK(restante_target_sessions(all.target, NULL, &list, &error));
  CHECK_U64(1, restante_session_list_count(list));
  restante_session_list_free(list);
  restante_target_free(all.target);
}

int main(void) {
  static const check_case cases[] = {
      {"C: creating and opening a target", creating_and_opening},
      {"C: positions in a target", positions_in_a_target},
      {"C: a full session", a_full_session},
      {"C: full, deliveries, incremental", full_then_incremental},
      {"C: an incremental makes missing fulls", an_incremental_makes_missing_fulls},
      {"C: a session without a redo log", a_session_without_a_log},
      {"C: sessions that cannot begin", sessions_that_cannot_begin},
      {"C: callbacks that fail", callbacks_that_fail},
      {"C: no account completed", no_account_completed},
      {"C: abort from the progress callback", abort_from_the_progress_callback},
      {"C: lifetimes", lifetimes},
  };
  return check_run(cases, sizeof cases / sizeof cases[0]);
}

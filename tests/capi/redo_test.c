/* The redo log through the C API. */

#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "redo_support.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void opening(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_redo_options options = {0};
  restante_redo *redo = NULL;
  restante_redo *second = NULL;
  restante_error *error = NULL;
  check_path(path, scratch, "redo");
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_open(path, NULL, &redo, &error));
  CHECK(redo == NULL);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_open(path, &options, &redo, &error));
  options.struct_size = sizeof options;
  options.create = 2;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "create", restante_redo_open(path, &options, &redo, &error));
  options.create = 1;
  options.segment_bytes = 1;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_open(path, &options, &redo, &error));
  options.segment_bytes = 0;
  options.server.bytes[0] = 0x5e;
  CHECK_OK(restante_redo_open(path, &options, &redo, &error));
  CHECK(restante_redo_server(redo).bytes[0] == 0x5e);
  /* Another handle on the same log. */
  CHECK_OK(restante_redo_open(path, NULL, &second, &error));
  CHECK(restante_redo_server(second).bytes[0] == 0x5e);
  close_log(second);
  close_log(redo);
}

static void a_closed_handle(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  CHECK(restante_redo_sequence(redo) > 0);
  CHECK_OK(restante_redo_close(redo, &error));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "closed", restante_redo_sync(redo, &error));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "closed", restante_redo_close(redo, &error));
  CHECK_U64(0, restante_redo_sequence(redo));
  CHECK_U64(0, restante_redo_end(redo).lsn);
  CHECK_U64(0, restante_redo_durable_end(redo));
  restante_redo_free(redo);
}

typedef struct piecewise {
  size_t left;
  size_t calls;
  int fails;
} piecewise;

/* 'x' again and again, 1000 bytes at a time. */
static int32_t read_piecewise(void *user_data, void *buffer, size_t size, size_t *out_read,
                              restante_error **out_error) {
  piecewise *source = user_data;
  size_t count = source->left < 1000 ? source->left : 1000;
  source->calls++;
  if (source->fails && source->calls == 3) {
    *out_error = restante_error_new(RESTANTE_ERROR_IO, "the line went dead", "call again");
    return RESTANTE_ERROR_IO;
  }
  if (count > size) count = size;
  memset(buffer, 'x', count);
  source->left -= count;
  *out_read = count;
  return RESTANTE_OK;
}

static int32_t read_too_much(void *user_data, void *buffer, size_t size, size_t *out_read,
                             restante_error **out_error) {
  (void)user_data;
  (void)buffer;
  (void)out_error;
  *out_read = size + 1;
  return RESTANTE_OK;
}

static int32_t read_oddly(void *user_data, void *buffer, size_t size, size_t *out_read,
                          restante_error **out_error) {
  (void)buffer;
  (void)size;
  (void)out_read;
  (void)out_error;
  return *(const int32_t *)user_data;
}

static void content(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  restante_content from_memory = {{0}, 0};
  restante_content from_callback = {{0}, 0};
  restante_content unwanted = {{0}, 0};
  piecewise source = {10500, 0, 0};
  char *bytes = malloc(10500);
  memset(bytes, 'x', 10500);
  CHECK_OK(restante_redo_put_content(redo, view("alice"), bytes, 10500, &from_memory, &error));
  CHECK_OK(restante_redo_put_content_from(redo, view("alice"), read_piecewise, &source, &from_callback,
                                          &error));
  CHECK_U64(10500, from_callback.size);
  CHECK(memcmp(&from_memory, &from_callback, sizeof from_memory) == 0);
  source.left = 5000;
  source.calls = 0;
  source.fails = 1;
  CHECK_FAILS(RESTANTE_ERROR_IO, "the line went dead",
              restante_redo_put_content_from(redo, view("alice"), read_piecewise, &source, &unwanted,
                                             &error));
  CHECK_FAILS(RESTANTE_ERROR_INTERNAL, "read callback",
              restante_redo_put_content_from(redo, view("alice"), read_too_much, NULL, &unwanted, &error));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "read is NULL",
              restante_redo_put_content_from(redo, view("alice"), NULL, NULL, &unwanted, &error));
  CHECK_OK(restante_redo_put_content(redo, view("alice"), NULL, 0, &from_memory, &error));
  CHECK_U64(0, from_memory.size);
  free(bytes);
  close_log(redo);
}

/* What callbacks may answer without saying more. */
static void answers_of_callbacks(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  restante_content unwanted;
  int32_t code = RESTANTE_ERROR_PERMISSION;
  CHECK_FAILS(RESTANTE_ERROR_PERMISSION, "gave no reason",
              restante_redo_put_content_from(redo, view("alice"), read_oddly, &code, &unwanted, &error));
  code = 42;
  CHECK_FAILS(RESTANTE_ERROR_INTERNAL, "answered 42",
              restante_redo_put_content_from(redo, view("alice"), read_oddly, &code, &unwanted, &error));
  code = -42;
  CHECK_FAILS(RESTANTE_ERROR_INTERNAL, "answered -42",
              restante_redo_put_content_from(redo, view("alice"), read_oddly, &code, &unwanted, &error));
  close_log(redo);
}

static void a_transaction(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_ops *ops = one_message("m1");
  restante_transaction *transaction = NULL;
  restante_assigned assigned = {0};
  restante_begin_options options = {0};
  restante_error *error = NULL;
  uint64_t lsn = 0;
  options.struct_size = sizeof options;
  options.origin_client = "capi test";
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, &options, &transaction, &error));
  restante_ops_free(ops);
  CHECK_VIEW("alice", restante_transaction_account(transaction));
  CHECK_U64(restante_redo_end(redo).lsn, restante_transaction_begin_lsn(transaction));
  CHECK(restante_redo_durable_end(redo) >= restante_transaction_begin_lsn(transaction));
  CHECK_U64(1, restante_ops_count(restante_transaction_ops(transaction)));
  assigned.struct_size = sizeof assigned;
  assigned.operation = 1;
  assigned.uid = 42;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_transaction_commit(transaction, &assigned, 1, RESTANTE_SYNC_DEFAULT, &lsn, &error));
  CHECK_U64(0, lsn);
  assigned.operation = 0;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_transaction_commit(transaction, &assigned, 1, 4, &lsn, &error));
  CHECK_OK(restante_transaction_commit(transaction, &assigned, 1, RESTANTE_SYNC_DURABLE, &lsn, &error));
  CHECK_U64(restante_redo_durable_end(redo), lsn);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "has ended",
              restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, &error));
  CHECK_U64(1, restante_ops_count(restante_transaction_ops(transaction)));
  restante_transaction_free(transaction);
  close_log(redo);
}

static void abort_append_sync_and_roll(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_ops *ops = one_message("m1");
  restante_transaction *transaction = NULL;
  restante_begin_options options = {0};
  restante_error *error = NULL;
  const uint64_t sequence = restante_redo_sequence(redo);
  uint64_t lsn = 0;
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, NULL, &transaction, &error));
  CHECK_OK(restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_transaction_commit(transaction, NULL, 0, RESTANTE_SYNC_DEFAULT, &lsn, &error));
  restante_transaction_free(transaction);
  options.struct_size = sizeof options;
  options.sync = RESTANTE_SYNC_LAZY;
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, &options, &lsn, &error));
  CHECK_U64(restante_redo_end(redo).lsn, lsn);
  CHECK_OK(restante_redo_sync(redo, &error));
  CHECK(restante_redo_durable_end(redo) >= lsn);
  CHECK_OK(restante_redo_roll(redo, &error));
  CHECK_U64(sequence + 1, restante_redo_sequence(redo));
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, NULL, NULL, &error));
  options.sync = 7;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_append(redo, view("alice"), ops, &options, &lsn, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_append(redo, view("alice"), NULL, NULL, &lsn, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_append(redo, view(""), ops, NULL, &lsn, &error));
  restante_ops_free(ops);
  close_log(redo);
}

static void begin_two_and_die(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_ops *ops = NULL;
  restante_transaction *transaction = NULL;
  restante_content text = {{0}, 0};
  restante_error *error = NULL;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_redo_put_content(redo, view("alice"), "Subject: hello\n", 15, &text, &error));
  put_message(ops, "m1", &text);
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, NULL, &transaction, &error));
  CHECK_OK(restante_redo_begin(redo, view("bob"), ops, NULL, &transaction, &error));
}

static void check_recovered(restante_redo *redo, const restante_transaction *transaction) {
  char buffer[100] = {0};
  restante_message message = {0};
  restante_reader *reader = NULL;
  restante_error *error = NULL;
  size_t count = 0;
  message.struct_size = sizeof message;
  CHECK_OK(restante_ops_get_message(restante_transaction_ops(transaction), 0, 0, &message, &error));
  CHECK_VIEW("m1", message.id);
  CHECK_U64(0, message.uid);
  CHECK_OK(restante_redo_open_content(redo, &message.content, &reader, &error));
  CHECK_OK(restante_reader_read(reader, buffer, sizeof buffer, &count, &error));
  CHECK_U64(15, count);
  CHECK_TEXT("Subject: hello\n", buffer);
  CHECK_OK(restante_reader_read(reader, buffer, sizeof buffer, &count, &error));
  CHECK_U64(0, count);
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_reader_read(reader, buffer, 0, &count, &error));
  restante_reader_free(reader);
}

static void recovery(const char *scratch) {
  restante_redo *redo;
  restante_ops *ops = one_message("m2");
  restante_recovery *recovered = NULL;
  restante_transaction *transaction = NULL;
  restante_error *error = NULL;
  in_a_process_that_dies(begin_two_and_die, scratch);
  redo = open_log(scratch, 0);
  CHECK_CODE(RESTANTE_ERROR_NEEDS_RECOVERY,
             restante_redo_begin(redo, view("alice"), ops, NULL, &transaction, &error));
  CHECK_OK(restante_redo_recover(redo, view("alice"), &recovered, &error));
  CHECK_U64(1, restante_recovery_count(recovered));
  CHECK_OK(restante_recovery_next(recovered, &transaction, &error));
  CHECK_VIEW("alice", restante_transaction_account(transaction));
  check_recovered(redo, transaction);
  CHECK_OK(restante_transaction_commit(transaction, NULL, 0, RESTANTE_SYNC_DURABLE, NULL, &error));
  restante_transaction_free(transaction);
  CHECK_U64(0, restante_recovery_count(recovered));
  CHECK_OK(restante_recovery_next(recovered, &transaction, &error));
  CHECK(transaction == NULL);
  restante_recovery_free(recovered);

  /* What is not taken stays in doubt. */
  CHECK_OK(restante_redo_recover(redo, view(""), &recovered, &error));
  CHECK_U64(1, restante_recovery_count(recovered));
  restante_recovery_free(recovered);
  CHECK_OK(restante_redo_recover(redo, view(""), &recovered, &error));
  CHECK_OK(restante_recovery_next(recovered, &transaction, &error));
  CHECK_VIEW("bob", restante_transaction_account(transaction));
  CHECK_OK(restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, &error));
  restante_transaction_free(transaction);
  restante_recovery_free(recovered);
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, NULL, NULL, &error));
  restante_ops_free(ops);
  close_log(redo);
}

static void touch_and_die(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  CHECK_OK(restante_redo_touch(redo, view("carol"), &error));
}

typedef struct heard {
  int count;
  char last[32];
  int32_t answer;
} heard;

static int32_t hear(void *user_data, const restante_view *account_id, restante_error **out_error) {
  heard *accounts = user_data;
  (void)out_error;
  accounts->count++;
  snprintf(accounts->last, sizeof accounts->last, "%s", account_id->data);
  return accounts->answer;
}

static void reconciliation(const char *scratch) {
  restante_redo *redo;
  restante_error *error = NULL;
  heard accounts = {0, "", RESTANTE_OK};
  in_a_process_that_dies(touch_and_die, scratch);
  redo = open_log(scratch, 0);
  CHECK_OK(restante_redo_reconcile(redo, hear, &accounts, &error));
  CHECK_U64(1, accounts.count);
  CHECK_TEXT("carol", accounts.last);
  accounts.answer = RESTANTE_ERROR_BUSY;
  CHECK_CODE(RESTANTE_ERROR_BUSY, restante_redo_reconcile(redo, hear, &accounts, &error));
  close_log(redo);
  redo = open_log(scratch, 0);
  accounts.count = 0;
  CHECK_OK(restante_redo_reconcile(redo, hear, &accounts, &error));
  CHECK_U64(0, accounts.count);
  close_log(redo);
}

static int32_t count_claimable(void *user_data, const restante_unfinished *unfinished,
                               restante_error **out_error) {
  heard *open = user_data;
  (void)out_error;
  CHECK_U64(sizeof *unfinished, unfinished->struct_size);
  CHECK_U64(0, unfinished->is_rewind);
  if (unfinished->claimable) open->count++;
  snprintf(open->last, sizeof open->last, "%s", unfinished->account_id.data);
  return open->answer;
}

static void unfinished_transactions(const char *scratch) {
  restante_redo *redo;
  restante_ops *ops = one_message("m3");
  restante_transaction *transaction = NULL;
  restante_error *error = NULL;
  heard open = {0, "", RESTANTE_OK};
  in_a_process_that_dies(begin_two_and_die, scratch);
  redo = open_log(scratch, 0);
  CHECK_OK(restante_redo_begin(redo, view("carol"), ops, NULL, &transaction, &error));
  CHECK_OK(restante_redo_unfinished(redo, count_claimable, &open, &error));
  CHECK_U64(2, open.count);
  CHECK_TEXT("carol", open.last);
  open.answer = RESTANTE_ERROR_BUSY;
  CHECK_CODE(RESTANTE_ERROR_BUSY, restante_redo_unfinished(redo, count_claimable, &open, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_unfinished(redo, NULL, &open, &error));
  CHECK_OK(restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, &error));
  restante_transaction_free(transaction);
  restante_ops_free(ops);
  close_log(redo);
}

static void check_first_logged(const restante_logged *logged, uint64_t commit_lsn) {
  restante_message message = {0};
  restante_error *error = NULL;
  message.struct_size = sizeof message;
  CHECK_U64(sizeof *logged, logged->struct_size);
  CHECK_VIEW("alice", logged->account_id);
  CHECK_VIEW("capi test", logged->origin_client);
  CHECK_VIEW("", logged->origin_session);
  CHECK_U64(commit_lsn, logged->commit_lsn);
  CHECK(logged->begin_lsn < commit_lsn && logged->sequence == 1);
  CHECK(logged->wall_time > 0 && logged->commit_time >= logged->wall_time);
  CHECK_U64(1, restante_ops_count(logged->ops));
  CHECK_OK(restante_ops_get_message(logged->ops, 0, 0, &message, &error));
  CHECK_VIEW("m1", message.id);
  CHECK_U64(7, message.uid);
}

static int count_logged(restante_redo *redo, const restante_read_range *range) {
  restante_cursor *cursor = NULL;
  restante_logged logged = {0};
  restante_error *error = NULL;
  uint32_t more = 1;
  int count = -1;
  logged.struct_size = sizeof logged;
  CHECK_OK(restante_redo_read(redo, range, &cursor, &error));
  for (; more; count++) CHECK_OK(restante_cursor_next(cursor, &logged, &more, &error));
  restante_cursor_free(cursor);
  return count;
}

static void reading(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  const uint64_t lsn = write_four(redo);
  restante_cursor *cursor = NULL;
  restante_read_range range = {0};
  restante_logged logged = {0};
  restante_error *error = NULL;
  uint32_t more = 0;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_read(redo, &range, &cursor, &error));
  range.struct_size = sizeof range;
  CHECK_OK(restante_redo_read(redo, &range, &cursor, &error));
  /* What could not be handed out is not lost. */
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_cursor_next(cursor, &logged, &more, &error));
  logged.struct_size = sizeof logged;
  CHECK_OK(restante_cursor_next(cursor, &logged, &more, &error));
  CHECK_U64(1, more);
  check_first_logged(&logged, lsn);
  restante_cursor_free(cursor);
  CHECK_U64(3, count_logged(redo, NULL));
  range.account_id = view("alice");
  CHECK_U64(2, count_logged(redo, &range));
  range.after = lsn;
  CHECK_U64(1, count_logged(redo, &range));
  range.after = 0;
  range.until = lsn;
  CHECK_U64(1, count_logged(redo, &range));
  range.present = 1;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_read(redo, &range, &cursor, &error));
  restante_cursor_free(NULL);
  close_log(redo);
}

static int32_t hear_consumer(void *user_data, const restante_consumer *consumer, restante_error **out_error) {
  heard *consumers = user_data;
  (void)out_error;
  consumers->count++;
  CHECK_U64(0, consumer->lost);
  CHECK_U64(86400, consumer->max_age_seconds);
  CHECK_U64(1u << 30, consumer->max_bytes);
  snprintf(consumers->last, sizeof consumers->last, "%s", consumer->name.data);
  return consumers->answer;
}

static void keeping_segments(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  const uint64_t lsn = write_four(redo);
  restante_read_range range = {0};
  restante_cursor *cursor = NULL;
  restante_error *error = NULL;
  heard consumers = {0, "", RESTANTE_OK};
  uint64_t count = 9;
  range.struct_size = sizeof range;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_set_consumer(redo, view(""), lsn, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_set_consumer(NULL, view("host"), lsn, &error));
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_limit_consumer(redo, view("host"), 1, 1, &error));
  CHECK_OK(restante_redo_set_consumer(redo, view("host"), lsn, &error));
  CHECK_OK(restante_redo_limit_consumer(redo, view("host"), 1u << 30, 86400, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_limit_consumer(NULL, view("host"), 0, 0, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_set_consumer(redo, view("host"), lsn - 1, &error));
  CHECK_OK(restante_redo_consumers(redo, hear_consumer, &consumers, &error));
  CHECK_U64(1, consumers.count);
  CHECK_TEXT("host", consumers.last);
  CHECK_OK(restante_redo_roll(redo, &error));
  CHECK_OK(restante_redo_maintain(redo, &error));
  CHECK_OK(restante_redo_remove_consumed(redo, 0, &count, &error));
  CHECK_U64(0, count);
  CHECK_OK(restante_redo_set_consumer(redo, view("host"), restante_redo_end(redo).lsn, &error));
  CHECK_OK(restante_redo_remove_consumed(redo, UINT64_MAX, &count, &error));
  CHECK_U64(0, count);
  CHECK_OK(restante_redo_remove_consumed(redo, 0, &count, &error));
  CHECK_U64(1, count);
  range.after = lsn;
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_read(redo, &range, &cursor, &error));
  CHECK_OK(restante_redo_remove_consumer(redo, view("host"), &error));
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_remove_consumer(redo, view("host"), &error));
  close_log(redo);
}

/* Keeps work until the test runs it, as a host's pool of threads would. */
typedef struct held_work {
  void (*work)(void *work_data);
  void *work_data;
  int count;
} held_work;

static void hold_work(void *user_data, void (*work)(void *work_data), void *work_data) {
  held_work *held = user_data;
  held->work = work;
  held->work_data = work_data;
  held->count++;
}

static int is_readable(int fd) {
  struct pollfd entry = {fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

static void completions_of_an_executor(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_ops *ops = one_message("m1");
  restante_begin_options lazy = {0};
  held_work held = {NULL, NULL, 0};
  restante_executor executor = {0};
  restante_completions *completions = NULL;
  restante_error *error = NULL;
  uint64_t lsn = 0;
  uint64_t durable = 0;
  lazy.struct_size = sizeof lazy;
  lazy.sync = RESTANTE_SYNC_LAZY;
  executor.struct_size = sizeof executor;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "execute",
              restante_redo_completions(redo, &executor, &completions, &error));
  executor.user_data = &held;
  executor.execute = hold_work;
  CHECK_OK(restante_redo_completions(redo, &executor, &completions, &error));
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, &lazy, &lsn, &error));
  CHECK_OK(restante_completions_request(completions, lsn, &error));
  CHECK_OK(restante_completions_request(completions, lsn, &error));
  CHECK_U64(1, (uint64_t)held.count);
  CHECK_U64(0, (uint64_t)is_readable(restante_completions_fd(completions)));
  CHECK_OK(restante_completions_poll(completions, &durable, &error));
  CHECK_U64(lsn - 1, durable);
  held.work(held.work_data);
  CHECK_U64(1, (uint64_t)is_readable(restante_completions_fd(completions)));
  CHECK_OK(restante_completions_poll(completions, &durable, &error));
  CHECK_U64(lsn, durable);
  CHECK_U64(0, (uint64_t)is_readable(restante_completions_fd(completions)));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_completions_request(completions, lsn + 1, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_completions_poll(completions, NULL, &error));
  restante_completions_free(completions);
  restante_completions_free(NULL);

  CHECK_OK(restante_redo_completions(redo, NULL, &completions, &error));
  CHECK_U64(1, restante_completions_fd(completions) == -1);
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, &lazy, &lsn, &error));
  CHECK_OK(restante_completions_request(completions, lsn, &error));
  CHECK_OK(restante_completions_poll(completions, &durable, &error));
  CHECK_U64(lsn, durable);
  restante_completions_free(completions);
  restante_ops_free(ops);
  close_log(redo);
}

static void syncs_by_interval(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_redo_options options = {0};
  restante_begin_options interval = {0};
  restante_redo *redo = NULL;
  restante_ops *ops = one_message("m1");
  restante_error *error = NULL;
  uint64_t lsn = 0;
  options.struct_size = sizeof options;
  options.create = 1;
  options.sync_interval_ms = 3600 * 1000 + 1;
  check_path(path, scratch, "redo");
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_open(path, &options, &redo, &error));
  options.sync_interval_ms = 3600 * 1000;
  options.segment_age_seconds = 86400;
  CHECK_OK(restante_redo_open(path, &options, &redo, &error));
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, NULL, &lsn, &error));
  interval.struct_size = sizeof interval;
  interval.sync = RESTANTE_SYNC_INTERVAL;
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, &interval, &lsn, &error));
  CHECK_U64(lsn - 1, restante_redo_durable_end(redo));
  interval.sync = 4;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_append(redo, view("alice"), ops, &interval, NULL, &error));
  restante_ops_free(ops);
  close_log(redo);
}

static void write_from_another(const char *scratch) {
  restante_redo *redo = open_log(scratch, 0);
  restante_ops *ops = one_message("theirs");
  restante_error *error = NULL;
  CHECK_OK(restante_redo_append(redo, view("bob"), ops, NULL, NULL, &error));
  restante_ops_free(ops);
  close_log(redo);
}

/* The child is begun before the log is opened, so it inherits nothing. */
static void another_process(const char *scratch) {
  int go[2];
  int status = 0;
  char byte = 0;
  pid_t child;
  restante_redo *redo;
  uint64_t before = 0;
  CHECK(pipe(go) == 0);
  fflush(stderr);
  child = fork();
  if (child == 0) {
    if (read(go[0], &byte, 1) != 1) _exit(2);
    write_from_another(scratch);
    _exit(check_failures == 0 ? 0 : 1);
  }
  redo = open_log(scratch, 1);
  before = restante_redo_end(redo).lsn;
  CHECK(write(go[1], &byte, 1) == 1);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_U64(before + 1, restante_redo_end(redo).lsn);
  CHECK(restante_redo_durable_end(redo) > before);
  close(go[0]);
  close(go[1]);
  close_log(redo);
}

int main(void) {
  static const check_case cases[] = {
      {"C: opening a redo log", opening},
      {"C: a closed redo log handle", a_closed_handle},
      {"C: content of a redo log", content},
      {"C: answers of callbacks", answers_of_callbacks},
      {"C: a transaction", a_transaction},
      {"C: abort, append, sync and roll", abort_append_sync_and_roll},
      {"C: recovery after a crash", recovery},
      {"C: accounts to reconcile after a crash", reconciliation},
      {"C: unfinished transactions", unfinished_transactions},
      {"C: reading a redo log", reading},
      {"C: consumers keep segments", keeping_segments},
      {"C: completions of an executor", completions_of_an_executor},
      {"C: syncs by interval", syncs_by_interval},
      {"C: a redo log that another process writes to", another_process},
  };
  return check_run(cases, sizeof cases / sizeof cases[0]);
}

/* The redo log through the C API: following, records, times, verification, segments, open transactions. */

#define _DEFAULT_SOURCE /* syscall */
#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "redo_support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- Clocks --- */

/* What this program adds to its wall clock, in seconds. */
static long clock_shift;

/* Stands before the one of the C library, for the library that is tested too. */
int clock_gettime(clockid_t clock, struct timespec *now) {
  const int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += clock_shift;
  return result;
}

static int64_t microseconds_of(clockid_t clock) {
  struct timespec now = {0, 0};
  CHECK(clock_gettime(clock, &now) == 0);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t milliseconds_since(int64_t began) {
  return (microseconds_of(CLOCK_MONOTONIC) - began) / 1000;
}

static void sleep_ms(long ms) {
  const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

/* So long after a wait began somebody writes; what is woken goes on before so much time has passed. */
enum { WRITES_AFTER_MS = 200, SOON_MS = 15000 };

/* --- Helpers --- */

static uint64_t append(restante_redo *redo, const char *account, const char *id, uint32_t sync) {
  restante_ops *ops = one_message(id);
  restante_begin_options options = {0};
  restante_error *error = NULL;
  uint64_t lsn = 0;
  options.struct_size = sizeof options;
  options.sync = sync;
  CHECK_OK(restante_redo_append(redo, view(account), ops, &options, &lsn, &error));
  restante_ops_free(ops);
  return lsn;
}

static restante_transaction *begin(restante_redo *redo, const char *account) {
  restante_ops *ops = one_message("begun");
  restante_transaction *transaction = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_redo_begin(redo, view(account), ops, NULL, &transaction, &error));
  restante_ops_free(ops);
  return transaction;
}

static void commit(restante_transaction *transaction) {
  restante_error *error = NULL;
  CHECK_OK(restante_transaction_commit(transaction, NULL, 0, RESTANTE_SYNC_DURABLE, NULL, &error));
  restante_transaction_free(transaction);
}

static void abort_it(restante_transaction *transaction) {
  restante_error *error = NULL;
  CHECK_OK(restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, &error));
  restante_transaction_free(transaction);
}

static restante_follower *follow(restante_redo *redo, const restante_read_range *range) {
  restante_follower *follower = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_redo_follow(redo, range, &follower, &error));
  return follower;
}

/* Whether there was one. */
static uint32_t next_of(restante_follower *follower, restante_logged *logged) {
  restante_error *error = NULL;
  uint32_t more = 7;
  logged->struct_size = sizeof *logged;
  CHECK_OK(restante_follower_next(follower, logged, &more, &error));
  return more;
}

static uint32_t wait_for(restante_follower *follower, uint64_t timeout_ms) {
  restante_error *error = NULL;
  uint32_t more = 7;
  CHECK_OK(restante_follower_wait(follower, timeout_ms, &more, &error));
  return more;
}

static void check_one_message(const restante_ops *ops, const char *id, uint32_t uid) {
  restante_message message = {0};
  restante_error *error = NULL;
  const char *text = NULL;
  char with_uid[40];
  snprintf(with_uid, sizeof with_uid, "uid %lu", (unsigned long)uid);
  message.struct_size = sizeof message;
  CHECK_U64(1, restante_ops_count(ops));
  CHECK_OK(restante_ops_get_message(ops, 0, 0, &message, &error));
  CHECK_VIEW(id, message.id);
  CHECK_U64(uid, message.uid);
  CHECK_OK(restante_ops_describe(ops, 0, &text, &error));
  CHECK((strstr(text, uid == 0 ? "uid " : with_uid) != NULL) == (uid != 0));
}

/* Registers a consumer that is past everything, and removes what lies before the segment being written. */
static void remove_old_segments(restante_redo *redo) {
  restante_error *error = NULL;
  uint64_t removed = 0;
  CHECK_OK(restante_redo_roll(redo, &error));
  CHECK_OK(restante_redo_set_consumer(redo, view("host"), restante_redo_end(redo).lsn, &error));
  CHECK_OK(restante_redo_remove_consumed(redo, 0, &removed, &error));
  CHECK_U64(1, removed);
}

/* --- Following --- */

static void following(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  const uint64_t lsn = write_four(redo);
  restante_follower *follower = follow(redo, NULL);
  restante_logged logged = {0};
  restante_error *error = NULL;
  int64_t began;
  CHECK_U64(1, wait_for(follower, 0));
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_U64(lsn, logged.commit_lsn);
  CHECK_U64(lsn - 1, logged.begin_lsn);
  CHECK_VIEW("alice", logged.account_id);
  CHECK_VIEW("capi test", logged.origin_client);
  check_one_message(logged.ops, "m1", 7);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_VIEW("bob", logged.account_id);
  check_one_message(logged.ops, "m2", 0);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_U64(restante_redo_end(redo).lsn, logged.commit_lsn);
  CHECK_U64(0, next_of(follower, &logged));
  CHECK_U64(0, wait_for(follower, 0));
  /* What is not durable is not told. */
  append(redo, "carol", "m3", RESTANTE_SYNC_LAZY);
  began = microseconds_of(CLOCK_MONOTONIC);
  CHECK_U64(0, wait_for(follower, 30));
  CHECK(milliseconds_since(began) >= 30 && milliseconds_since(began) < SOON_MS);
  CHECK_U64(0, next_of(follower, &logged));
  CHECK_OK(restante_redo_sync(redo, &error));
  CHECK_U64(1, wait_for(follower, UINT64_MAX));
  CHECK_U64(1, next_of(follower, &logged));
  check_one_message(logged.ops, "m3", 0);
  restante_follower_free(follower);
  restante_follower_free(NULL);
  close_log(redo);
}

static void following_a_part(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  const uint64_t lsn = write_four(redo);
  restante_read_range range = {0};
  restante_follower *follower;
  restante_follower *unwanted = NULL;
  restante_logged logged = {0};
  restante_error *error = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_follow(redo, &range, &unwanted, &error));
  range.struct_size = sizeof range;
  range.until = lsn;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "until",
              restante_redo_follow(redo, &range, &unwanted, &error));
  range.until = 0;
  range.account_id = view("bob");
  follower = follow(redo, &range);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_VIEW("bob", logged.account_id);
  CHECK_U64(0, next_of(follower, &logged));
  /* Another account's transaction wakes it and is not told. */
  append(redo, "alice", "m3", RESTANTE_SYNC_DURABLE);
  CHECK_U64(1, wait_for(follower, 0));
  CHECK_U64(0, next_of(follower, &logged));
  CHECK_U64(0, wait_for(follower, 0));
  append(redo, "bob", "m4", RESTANTE_SYNC_DURABLE);
  CHECK_U64(1, next_of(follower, &logged));
  check_one_message(logged.ops, "m4", 0);
  restante_follower_free(follower);
  range.account_id = view("alice");
  range.after = lsn;
  follower = follow(redo, &range);
  CHECK_U64(1, next_of(follower, &logged));
  check_one_message(logged.ops, "m2", 0);
  restante_follower_free(follower);
  remove_old_segments(redo);
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_follow(redo, &range, &unwanted, &error));
  CHECK(unwanted == NULL);
  close_log(redo);
}

static void a_follower_that_could_not_hand_out(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_follower *follower = follow(redo, NULL);
  restante_logged logged = {0};
  restante_error *error = NULL;
  uint32_t more = 7;
  append(redo, "alice", "m1", RESTANTE_SYNC_DURABLE);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_follower_next(follower, &logged, &more, &error));
  CHECK_U64(7, more);
  CHECK_U64(1, wait_for(follower, 0));
  /* It works on when the handle that it came from is closed. */
  close_log(redo);
  CHECK_U64(1, next_of(follower, &logged));
  check_one_message(logged.ops, "m1", 0);
  CHECK_U64(0, next_of(follower, &logged));
  restante_follower_free(follower);
}

static void check_that_it_is_woken(restante_follower *follower, const char *id, uint64_t timeout_ms) {
  const int64_t began = microseconds_of(CLOCK_MONOTONIC);
  restante_logged logged = {0};
  int64_t took;
  while (next_of(follower, &logged) == 0) {
    CHECK_U64(1, wait_for(follower, timeout_ms));
    took = milliseconds_since(began);
    CHECK(took >= WRITES_AFTER_MS / 2);
    if (took >= SOON_MS) {
      check_failed(__FILE__, __LINE__, "nobody woke it");
      return;
    }
  }
  check_one_message(logged.ops, id, 0);
}

static void *append_after_a_while(void *redo) {
  sleep_ms(WRITES_AFTER_MS);
  append(redo, "alice", "from a thread", RESTANTE_SYNC_DURABLE);
  return NULL;
}

static void woken_by_a_thread(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_follower *follower = follow(redo, NULL);
  restante_logged logged = {0};
  pthread_t thread;
  CHECK_U64(0, next_of(follower, &logged));
  CHECK(pthread_create(&thread, NULL, append_after_a_while, redo) == 0);
  check_that_it_is_woken(follower, "from a thread", UINT64_MAX);
  pthread_join(thread, NULL);
  restante_follower_free(follower);
  close_log(redo);
}

/* A child that opens the log when it is told to, and writes a while after. Told by a byte in `*out_go`. */
static pid_t child_that_appends(const char *scratch, int *out_go) {
  int go[2];
  char byte = 0;
  pid_t child;
  CHECK(pipe(go) == 0);
  fflush(stdout);
  fflush(stderr);
  child = fork();
  if (child == 0) {
    restante_redo *redo;
    if (read(go[0], &byte, 1) != 1) _exit(2);
    redo = open_log(scratch, 0);
    if (read(go[0], &byte, 1) != 1) _exit(2);
    sleep_ms(WRITES_AFTER_MS);
    append(redo, "alice", "from a process", RESTANTE_SYNC_DURABLE);
    close_log(redo);
    _exit(check_failures == 0 ? 0 : 1);
  }
  close(go[0]);
  *out_go = go[1];
  return child;
}

static void woken_by_a_process(const char *scratch) {
  int go = -1;
  int status = 0;
  const pid_t child = child_that_appends(scratch, &go);
  restante_redo *redo = open_log(scratch, 1);
  restante_follower *follower = follow(redo, NULL);
  restante_logged logged = {0};
  CHECK_U64(0, next_of(follower, &logged));
  CHECK(write(go, "12", 2) == 2);
  check_that_it_is_woken(follower, "from a process", 2 * SOON_MS);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close(go);
  restante_follower_free(follower);
  close_log(redo);
}

/* --- Records --- */

enum { RECORD_KINDS = 10 };

static restante_record_cursor *records_of(restante_redo *redo, const restante_read_range *range) {
  restante_record_cursor *cursor = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_redo_records(redo, range, &cursor, &error));
  return cursor;
}

static uint32_t next_record(restante_record_cursor *cursor, restante_record *record) {
  restante_error *error = NULL;
  uint32_t more = 7;
  record->struct_size = sizeof *record;
  CHECK_OK(restante_record_cursor_next(cursor, record, &more, &error));
  return more;
}

static uint64_t count_records(restante_redo *redo, const restante_read_range *range) {
  restante_record_cursor *cursor = records_of(redo, range);
  restante_record record = {0};
  uint64_t count = 0;
  while (next_record(cursor, &record) == 1) count++;
  restante_record_cursor_free(cursor);
  return count;
}

static restante_redo *open_log_of_small_pieces(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_redo_options options = {0};
  restante_redo *redo = NULL;
  restante_error *error = NULL;
  options.struct_size = sizeof options;
  options.create = 1;
  options.piece_bytes = 4096;
  CHECK_OK(restante_redo_open(check_path(path, scratch, "redo"), &options, &redo, &error));
  return redo;
}

/* Puts "kept" and "refused" as one operation. */
static void put_two(restante_ops *ops, const restante_content *content) {
  restante_message messages[2] = {{0}, {0}};
  restante_error *error = NULL;
  messages[0].struct_size = sizeof messages[0];
  messages[0].id = view("kept");
  messages[0].folder_id = view("inbox");
  messages[0].present = RESTANTE_HAS_CONTENT;
  messages[0].content = *content;
  messages[1].struct_size = sizeof messages[1];
  messages[1].id = view("refused");
  messages[1].folder_id = view("inbox");
  CHECK_OK(restante_ops_message_put(ops, messages, 2, &error));
}

/* Begins alice's put of "kept", with content of 5000 bytes, "refused" and "other"; ends it so. */
static restante_content write_assigned(restante_redo *redo) {
  restante_ops *ops = NULL;
  restante_transaction *transaction = NULL;
  restante_begin_options options = {0};
  restante_assigned assigned[3] = {{0}, {0}, {0}};
  restante_content text = {{0}, 0};
  restante_error *error = NULL;
  char *bytes = calloc(1, 5000);
  CHECK_OK(restante_redo_put_content(redo, view("alice"), bytes, 5000, &text, &error));
  free(bytes);
  CHECK_OK(restante_ops_new(&ops, &error));
  put_two(ops, &text);
  put_message(ops, "other", NULL);
  options.struct_size = sizeof options;
  options.origin_client = "client";
  options.origin_session = "session";
  options.origin_address = "address";
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, &options, &transaction, &error));
  restante_ops_free(ops);
  assigned[0].struct_size = sizeof assigned[0];
  assigned[0].uidvalidity = 11;
  assigned[0].uid = 7;
  assigned[0].modseq = 9;
  assigned[0].id = view("given");
  assigned[1].struct_size = sizeof assigned[1];
  assigned[1].element = 1;
  assigned[1].refused = 1;
  assigned[2].struct_size = sizeof assigned[2];
  assigned[2].operation = 1;
  assigned[2].uid = 8;
  CHECK_OK(restante_transaction_commit(transaction, assigned, 3, RESTANTE_SYNC_DURABLE, NULL, &error));
  restante_transaction_free(transaction);
  return text;
}

/* Records of every kind there is. The clock goes back an hour before the last append. */
static void write_every_kind(const char *scratch) {
  restante_redo *redo = open_log_of_small_pieces(scratch);
  restante_error *error = NULL;
  CHECK_OK(restante_redo_touch(redo, view("carol"), &error));
  write_assigned(redo);
  abort_it(begin(redo, "bob"));
  append(redo, "bob", "m2", RESTANTE_SYNC_DURABLE);
  clock_shift = -3600;
  append(redo, "bob", "m3", RESTANTE_SYNC_DURABLE);
  close_log(redo);
}

static void check_places(const restante_record *before, const restante_record *record) {
  CHECK_U64(before->lsn + 1, record->lsn);
  CHECK(record->durable_lsn < record->lsn && record->durable_lsn >= before->durable_lsn);
  CHECK(record->commit_time >= before->commit_time && record->commit_time >= record->wall_time);
  CHECK(record->bytes >= 64);
  if (record->sequence == before->sequence) CHECK_U64(before->offset + before->bytes, record->offset);
  else CHECK_U64(before->sequence + 1, record->sequence);
}

static void every_kind_of_record(const char *scratch) {
  const int64_t began = microseconds_of(CLOCK_REALTIME);
  restante_record_cursor *cursor;
  restante_record record = {0};
  restante_record before = {0};
  restante_redo *redo;
  uint64_t counts[RECORD_KINDS] = {0};
  int64_t since = 0;
  int64_t held = 0;
  write_every_kind(scratch);
  clock_shift = 0;
  redo = open_log(scratch, 0);
  cursor = records_of(redo, NULL);
  while (next_record(cursor, &record) == 1) {
    CHECK_U64(sizeof record, record.struct_size);
    CHECK(record.kind != RESTANTE_RECORD_UNKNOWN && record.kind < RECORD_KINDS);
    CHECK_U64(record.kind == RESTANTE_RECORD_CONTENT ? RESTANTE_HAS_CONTENT : 0, record.present);
    counts[record.kind]++;
    if (before.lsn != 0) check_places(&before, &record);
    else CHECK_U64(RESTANTE_RECORD_INCARNATION, record.kind);
    since = record.commit_time - began;
    CHECK(since >= 0 && since < 600 * (int64_t)1000000);
    if (record.kind == RESTANTE_RECORD_APPEND) held = record.commit_time - record.wall_time;
    before = record;
  }
  restante_record_cursor_free(cursor);
  CHECK_U64(restante_redo_end(redo).lsn, before.lsn);
  CHECK(held > 3000 * (int64_t)1000000);
  CHECK_U64(1, counts[RESTANTE_RECORD_INCARNATION]);
  CHECK_U64(2, counts[RESTANTE_RECORD_BEGIN]);
  CHECK_U64(1, counts[RESTANTE_RECORD_COMMIT]);
  CHECK_U64(1, counts[RESTANTE_RECORD_ABORT]);
  CHECK_U64(2, counts[RESTANTE_RECORD_APPEND]);
  CHECK_U64(2, counts[RESTANTE_RECORD_CONTENT]);
  CHECK(counts[RESTANTE_RECORD_TOUCH] >= 1);
  CHECK(counts[RESTANTE_RECORD_MARK] >= 1);
  CHECK(counts[RESTANTE_RECORD_CLOCK_STEP] >= 1);
  close_log(redo);
}

static void check_assigned(const restante_record_cursor *cursor) {
  restante_assigned entry = {0};
  restante_error *error = NULL;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_record_cursor_get_assigned(cursor, 0, &entry, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_record_cursor_get_assigned(cursor, 0, NULL, &error));
  entry.struct_size = sizeof entry;
  CHECK_OK(restante_record_cursor_get_assigned(cursor, 0, &entry, &error));
  CHECK(entry.operation == 0 && entry.element == 0 && entry.refused == 0);
  CHECK_U64(11, entry.uidvalidity);
  CHECK_U64(7, entry.uid);
  CHECK_U64(9, entry.modseq);
  CHECK_VIEW("given", entry.id);
  CHECK_OK(restante_record_cursor_get_assigned(cursor, 1, &entry, &error));
  CHECK(entry.operation == 0 && entry.element == 1 && entry.refused == 1 && entry.uid == 0);
  CHECK_VIEW("", entry.id);
  CHECK_OK(restante_record_cursor_get_assigned(cursor, 2, &entry, &error));
  CHECK(entry.operation == 1 && entry.element == 0 && entry.refused == 0 && entry.uid == 8);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "entry 3",
              restante_record_cursor_get_assigned(cursor, 3, &entry, &error));
}

/* The records of `write_assigned`: two pieces, begin, commit. */
static void what_records_hold(const char *scratch) {
  restante_redo *redo = open_log_of_small_pieces(scratch);
  const restante_content text = write_assigned(redo);
  const restante_content none = {{0}, 0};
  restante_read_range range = {0};
  restante_record_cursor *cursor;
  restante_record record = {0};
  restante_error *error = NULL;
  uint64_t begin_lsn;
  uint64_t piece_size;
  uint32_t more = 7;
  range.struct_size = sizeof range;
  range.account_id = view("alice");
  cursor = records_of(redo, &range);
  record.struct_size = 3;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_record_cursor_next(cursor, &record, &more, &error));
  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(RESTANTE_RECORD_CONTENT, record.kind);
  CHECK(memcmp(record.content.digest, none.digest, sizeof none.digest) == 0);
  CHECK(record.content.size > 0 && record.content.size < 5000 && record.bytes >= record.content.size);
  CHECK_U64(0, record.transaction);
  CHECK_U64(0, restante_ops_count(record.ops));
  piece_size = record.content.size;
  CHECK_U64(1, next_record(cursor, &record));
  CHECK(memcmp(&record.content, &text, sizeof text) == 0);
  CHECK(record.bytes >= 5000 - piece_size);

  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(RESTANTE_RECORD_BEGIN, record.kind);
  CHECK_VIEW("alice", record.account_id);
  CHECK_VIEW("client", record.origin_client);
  CHECK_VIEW("session", record.origin_session);
  CHECK_VIEW("address", record.origin_address);
  CHECK_U64(2, restante_ops_count(record.ops));
  CHECK_U64(0, record.assigned_count);
  CHECK_U64(record.lsn, record.transaction);
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_record_cursor_get_assigned(cursor, 0, NULL, &error));
  begin_lsn = record.lsn;

  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(RESTANTE_RECORD_COMMIT, record.kind);
  CHECK_U64(begin_lsn, record.transaction);
  CHECK_U64(0, restante_ops_count(record.ops));
  CHECK_U64(3, record.assigned_count);
  check_assigned(cursor);
  CHECK_U64(0, next_record(cursor, &record));
  restante_record_cursor_free(cursor);
  restante_record_cursor_free(NULL);
  close_log(redo);
}

/* A record says in which segment it lies, and what was on the disk when it was written. */
static void records_of_lazy_calls(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_read_range range = {0};
  restante_record_cursor *cursor;
  restante_record record = {0};
  restante_error *error = NULL;
  uint64_t durable;
  uint64_t lazy;
  write_four(redo);
  CHECK_OK(restante_redo_roll(redo, &error));
  durable = append(redo, "alice", "m3", RESTANTE_SYNC_DURABLE);
  append(redo, "alice", "m4", RESTANTE_SYNC_LAZY);
  lazy = append(redo, "alice", "m5", RESTANTE_SYNC_LAZY);
  CHECK_U64(durable + 2, lazy);
  range.struct_size = sizeof range;
  range.after = lazy - 1;
  range.until = lazy;
  cursor = records_of(redo, &range);
  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(lazy, record.lsn);
  CHECK_U64(durable, record.durable_lsn);
  CHECK_U64(2, record.sequence);
  restante_record_cursor_free(cursor);
  close_log(redo);
}

static void records_of_a_range(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  const uint64_t lsn = write_four(redo);
  restante_read_range range = {0};
  restante_record_cursor *cursor = NULL;
  restante_record record = {0};
  restante_error *error = NULL;
  uint64_t lazy;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_records(redo, &range, &cursor, &error));
  CHECK(cursor == NULL);
  range.struct_size = sizeof range;
  CHECK_U64(restante_redo_end(redo).lsn, count_records(redo, &range));
  range.account_id = view("bob");
  CHECK_U64(1, count_records(redo, &range));
  range.account_id = view("");
  range.after = lsn;
  CHECK_U64(restante_redo_end(redo).lsn - lsn, count_records(redo, &range));
  range.until = lsn + 1;
  CHECK_U64(1, count_records(redo, &range));
  /* What is lazy is made durable for an end that was given, and is not seen without. */
  lazy = append(redo, "bob", "m3", RESTANTE_SYNC_LAZY);
  range.after = lazy - 1;
  range.until = 0;
  CHECK_U64(0, count_records(redo, &range));
  range.until = lazy;
  CHECK_U64(1, count_records(redo, &range));
  /* It works on when the handle that it came from is closed. */
  cursor = records_of(redo, &range);
  close_log(redo);
  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(RESTANTE_RECORD_APPEND, record.kind);
  check_one_message(record.ops, "m3", 0);
  restante_record_cursor_free(cursor);
}

static void names_of_kinds(const char *scratch) {
  (void)scratch;
  CHECK_TEXT("unknown", restante_record_kind_name(RESTANTE_RECORD_UNKNOWN));
  CHECK_TEXT("begin", restante_record_kind_name(RESTANTE_RECORD_BEGIN));
  CHECK_TEXT("commit", restante_record_kind_name(RESTANTE_RECORD_COMMIT));
  CHECK_TEXT("abort", restante_record_kind_name(RESTANTE_RECORD_ABORT));
  CHECK_TEXT("append", restante_record_kind_name(RESTANTE_RECORD_APPEND));
  CHECK_TEXT("content", restante_record_kind_name(RESTANTE_RECORD_CONTENT));
  CHECK_TEXT("touch", restante_record_kind_name(RESTANTE_RECORD_TOUCH));
  CHECK_TEXT("mark", restante_record_kind_name(RESTANTE_RECORD_MARK));
  CHECK_TEXT("clock-step", restante_record_kind_name(RESTANTE_RECORD_CLOCK_STEP));
  CHECK_TEXT("incarnation", restante_record_kind_name(RESTANTE_RECORD_INCARNATION));
  CHECK_TEXT("unknown", restante_record_kind_name(RECORD_KINDS));
  CHECK_TEXT("unknown", restante_record_kind_name(UINT32_MAX));
}

static int64_t commit_time_of(restante_redo *redo, uint64_t lsn) {
  restante_read_range range = {0};
  restante_record_cursor *cursor;
  restante_record record = {0};
  range.struct_size = sizeof range;
  range.after = lsn - 1;
  range.until = lsn;
  cursor = records_of(redo, &range);
  CHECK_U64(1, next_record(cursor, &record));
  restante_record_cursor_free(cursor);
  return record.commit_time;
}

/* A part of a log by its members that came later. */
static void records_of_times_and_kinds(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_read_range range = {0};
  restante_cursor *transactions = NULL;
  restante_logged logged = {0};
  restante_error *error = NULL;
  const uint32_t begins_and_aborts[2] = {RESTANTE_RECORD_BEGIN, RESTANTE_RECORD_ABORT};
  const uint32_t no_kinds[2] = {RESTANTE_RECORD_UNKNOWN, RECORD_KINDS};
  uint64_t lsns[3];
  int64_t times[3];
  uint32_t more = 7;
  int i;
  write_four(redo);
  for (i = 0; i < 3; i++) {
    sleep_ms(2);
    lsns[i] = append(redo, "carol", "m", RESTANTE_SYNC_DURABLE);
    times[i] = commit_time_of(redo, lsns[i]);
  }
  CHECK(times[0] < times[1] && times[1] < times[2]);
  range.struct_size = sizeof range;
  range.account_id = view("carol");
  range.from = range.to = times[1];
  /* Without their bits they are nothing. */
  CHECK_U64(3, count_records(redo, &range));
  range.present = RESTANTE_HAS_FROM;
  CHECK_U64(2, count_records(redo, &range));
  range.present = RESTANTE_HAS_TO;
  CHECK_U64(2, count_records(redo, &range));
  range.present = RESTANTE_HAS_FROM | RESTANTE_HAS_TO;
  CHECK_U64(1, count_records(redo, &range));
  CHECK_OK(restante_redo_read(redo, &range, &transactions, &error));
  logged.struct_size = sizeof logged;
  CHECK_OK(restante_cursor_next(transactions, &logged, &more, &error));
  CHECK_U64(1, more);
  CHECK_U64(lsns[1], logged.commit_lsn);
  CHECK_OK(restante_cursor_next(transactions, &logged, &more, &error));
  CHECK_U64(0, more);
  restante_cursor_free(transactions);
  /* 0 is an instant. */
  range.from = range.to = 0;
  CHECK_U64(0, count_records(redo, &range));

  memset(&range, 0, sizeof range);
  range.struct_size = sizeof range;
  range.kinds = begins_and_aborts;
  range.kind_count = 2;
  CHECK_U64(3, count_records(redo, &range));
  range.kind_count = 1;
  CHECK_U64(2, count_records(redo, &range));
  /* A program that was compiled before they were there. */
  range.struct_size = offsetof(restante_read_range, from);
  CHECK_U64(restante_redo_end(redo).lsn, count_records(redo, &range));
  range.struct_size--;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_read(redo, &range, &transactions, &error));
  range.struct_size = sizeof range;
  range.kinds = no_kinds;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "0 is no kind",
              restante_redo_read(redo, &range, &transactions, &error));
  range.kinds = no_kinds + 1;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "10 is no kind",
              restante_redo_read(redo, &range, &transactions, &error));
  close_log(redo);
}

static void ranges_that_are_none(const char *scratch) {
  const int32_t wrong = RESTANTE_ERROR_INVALID_ARGUMENT;
  restante_redo *redo = open_log(scratch, 1);
  restante_read_range range = {0};
  restante_cursor *cursor = (restante_cursor *)&range;
  restante_record_cursor *records = (restante_record_cursor *)&range;
  restante_follower *follower = (restante_follower *)&range;
  restante_error *error = NULL;
  const uint32_t kind = RESTANTE_RECORD_BEGIN;
  range.struct_size = sizeof range;
  range.present = RESTANTE_HAS_CONTENT;
  CHECK_FAILS(wrong, "present", restante_redo_read(redo, &range, &cursor, &error));
  CHECK_FAILS(wrong, "present", restante_redo_records(redo, &range, &records, &error));
  CHECK_FAILS(wrong, "present", restante_redo_follow(redo, &range, &follower, &error));
  range.present = RESTANTE_HAS_FROM;
  CHECK_FAILS(wrong, "follower", restante_redo_follow(redo, &range, &follower, &error));
  range.present = RESTANTE_HAS_TO;
  CHECK_FAILS(wrong, "follower", restante_redo_follow(redo, &range, &follower, &error));
  range.present = 0;
  range.kind_count = 1;
  CHECK_FAILS(wrong, "kinds", restante_redo_records(redo, &range, &records, &error));
  range.kinds = &kind;
  CHECK_FAILS(wrong, "follower", restante_redo_follow(redo, &range, &follower, &error));
  /* A transaction is of no kind. */
  CHECK_CODE(wrong, restante_redo_read(redo, &range, &cursor, &error));
  CHECK(cursor == (void *)&range && records == (void *)&range && follower == (void *)&range);
  close_log(redo);
}

/* --- Times --- */

static void times(const char *scratch) {
  const int64_t day = (int64_t)86400 * 1000000;
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  uint64_t first;
  uint64_t second;
  uint64_t third;
  uint64_t found = 77;
  int64_t time;
  restante_read_range range = {0};
  restante_follower *follower;
  restante_logged logged = {0};
  first = append(redo, "alice", "m1", RESTANTE_SYNC_DURABLE);
  clock_shift = 100;
  second = append(redo, "alice", "m2", RESTANTE_SYNC_DURABLE);
  time = commit_time_of(redo, second);
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_lsn_at(redo, 0, &found, &error));
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_redo_lsn_at(redo, time - day, &found, &error));
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "future",
              restante_redo_lsn_at(redo, time + day, &found, &error));
  CHECK_U64(77, found);
  CHECK_OK(restante_redo_lsn_at(redo, time - 1, &found, &error));
  CHECK_U64(first, found);
  CHECK_OK(restante_redo_lsn_at(redo, time, &found, &error));
  CHECK_U64(second, found);
  clock_shift = 0;
  third = append(redo, "alice", "m3", RESTANTE_SYNC_DURABLE);
  CHECK_CODE(RESTANTE_ERROR_AMBIGUOUS, restante_redo_lsn_at(redo, time - 1, &found, &error));
  CHECK_U64(second, found);
  /* What was committed while the clock was behind has both times too. */
  range.struct_size = sizeof range;
  range.after = second;
  follower = follow(redo, &range);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_U64(commit_time_of(redo, third), logged.commit_time);
  CHECK(logged.wall_time > time - 150 * (int64_t)1000000 && logged.wall_time < time - 50 * (int64_t)1000000);
  restante_follower_free(follower);
  close_log(redo);
}

/* --- Verifying --- */

/* A segment that is sealed, with `write_four`, and one that is written. */
static restante_redo *open_two_segments(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  write_four(redo);
  CHECK_OK(restante_redo_roll(redo, &error));
  append(redo, "alice", "m3", RESTANTE_SYNC_DURABLE);
  return redo;
}

static restante_redo_verification *verify(restante_redo *redo, restante_redo_totals *totals) {
  restante_redo_verification *verification = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_redo_verify(redo, NULL, &verification, &error));
  totals->struct_size = sizeof *totals;
  CHECK_OK(restante_redo_verification_totals(verification, totals, &error));
  return verification;
}

static uint64_t first_segment_path(const char *scratch, char *path) {
  struct stat info;
  check_path(path, scratch, "redo/redo-0000000001.log");
  CHECK(stat(path, &info) == 0);
  return (uint64_t)info.st_size;
}

static restante_segment_verification segment_of(const restante_redo_verification *verification,
                                                size_t index) {
  restante_segment_verification segment = {0};
  restante_error *error = NULL;
  segment.struct_size = sizeof segment;
  CHECK_OK(restante_redo_verification_get_segment(verification, index, &segment, &error));
  return segment;
}

/* Of `open_two_segments`, whose log ends at `end`. */
static void check_sound_segments(const restante_redo_verification *verification, uint64_t end) {
  restante_segment_verification segment;
  restante_error *error = NULL;
  size_t i;
  CHECK_U64(2, restante_redo_verification_segment_count(verification));
  for (i = 0; i < 2; i++) {
    segment = segment_of(verification, i);
    CHECK_U64(sizeof segment, segment.struct_size);
    CHECK_U64(0, segment.is_damaged);
    CHECK_U64(0, segment.torn_bytes);
    CHECK_U64(sizeof *segment.info, segment.info->struct_size);
    CHECK_U64(i + 1, segment.info->sequence);
    CHECK_U64(i == 0, segment.info->sealed);
    CHECK_U64(1, segment.readable_count);
    CHECK_U64(segment.info->first_lsn, segment.readable[0].first);
    CHECK_U64(segment.info->last_lsn, segment.readable[0].last);
    CHECK_TEXT(i == 0 ? "redo-0000000001.log" : "redo-0000000002.log", segment.file);
  }
  CHECK_U64(end, segment.info->last_lsn);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "segment 2",
              restante_redo_verification_get_segment(verification, 2, &segment, &error));
  segment.struct_size = 0;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_verification_get_segment(verification, 0, &segment, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_verification_get_segment(verification, 0, NULL, &error));
}

static void verifying_a_sound_log(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_redo *redo = open_two_segments(scratch);
  restante_redo_totals totals = {0};
  restante_redo_damage damage = {0};
  restante_error *error = NULL;
  restante_redo_verification *verification = verify(redo, &totals);
  CHECK_U64(2, totals.segments);
  CHECK_U64(restante_redo_end(redo).lsn, totals.records);
  CHECK_U64(4, totals.transactions);
  CHECK(totals.bytes > first_segment_path(scratch, path));
  CHECK_U64(0, restante_redo_verification_damage_count(verification));
  check_sound_segments(verification, restante_redo_end(redo).lsn);
  damage.struct_size = sizeof damage;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "damage 0",
              restante_redo_verification_get_damage(verification, 0, &damage, &error));
  totals.struct_size = 0;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_verification_totals(verification, &totals, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_redo_verification_totals(verification, NULL, &error));
  /* It outlives the log. */
  close_log(redo);
  totals.struct_size = sizeof totals;
  CHECK_OK(restante_redo_verification_totals(verification, &totals, &error));
  CHECK_U64(2, totals.segments);
  restante_redo_verification_free(verification);
  restante_redo_verification_free(NULL);
}

static void break_byte(const char *path, uint64_t offset) {
  const int fd = open(path, O_RDWR);
  unsigned char byte = 0;
  CHECK(fd >= 0);
  CHECK(pread(fd, &byte, 1, (off_t)offset) == 1);
  byte ^= 0x10;
  CHECK(pwrite(fd, &byte, 1, (off_t)offset) == 1);
  close(fd);
}

/* Breaks the one record of an account, which lies in the sealed segment; where it lay. */
static restante_record break_record_of(const char *scratch, restante_redo *redo, const char *account) {
  char path[CHECK_PATH_SIZE];
  restante_read_range range = {0};
  restante_record_cursor *cursor;
  restante_record record = {0};
  range.struct_size = sizeof range;
  range.account_id = view(account);
  cursor = records_of(redo, &range);
  CHECK_U64(1, next_record(cursor, &record));
  restante_record_cursor_free(cursor);
  first_segment_path(scratch, path);
  break_byte(path, record.offset + record.bytes / 2);
  return record;
}

static void verifying_a_damaged_segment(const char *scratch) {
  restante_redo *redo = open_two_segments(scratch);
  const restante_record broken = break_record_of(scratch, redo, "bob");
  restante_redo_totals totals = {0};
  restante_redo_damage damage = {0};
  restante_segment_verification segment;
  restante_error *error = NULL;
  restante_redo_verification *verification = verify(redo, &totals);
  CHECK_U64(restante_redo_end(redo).lsn - 1, totals.records);
  CHECK_U64(3, totals.transactions);
  CHECK(restante_redo_verification_damage_count(verification) >= 1);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_verification_get_damage(verification, 0, &damage, &error));
  damage.struct_size = sizeof damage;
  CHECK_OK(restante_redo_verification_get_damage(verification, 0, &damage, &error));
  CHECK_U64(1, damage.sequence);
  CHECK_U64(broken.offset, damage.offset);
  CHECK_U64(broken.lsn, damage.from_lsn);
  CHECK_U64(broken.lsn + 1, damage.next_lsn);
  CHECK(strlen(damage.what) > 5);
  CHECK_TEXT("redo-0000000001.log", damage.file);
  segment = segment_of(verification, 0);
  CHECK_U64(1, segment.is_damaged);
  CHECK_U64(2, segment.readable_count);
  CHECK_U64(1, segment.readable[0].first);
  CHECK_U64(broken.lsn - 1, segment.readable[0].last);
  CHECK_U64(broken.lsn + 1, segment.readable[1].first);
  CHECK_U64(segment.info->last_lsn, segment.readable[1].last);
  CHECK_U64(0, segment_of(verification, 1).is_damaged);
  /* A program that was compiled before files were told. */
  damage.file = damage.what;
  damage.struct_size = offsetof(restante_redo_damage, file);
  CHECK_OK(restante_redo_verification_get_damage(verification, 0, &damage, &error));
  CHECK_U64(broken.lsn, damage.from_lsn);
  CHECK_U64(offsetof(restante_redo_damage, file), damage.struct_size);
  CHECK(damage.file == damage.what);
  damage.struct_size = sizeof damage;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_verification_get_damage(
                 verification, restante_redo_verification_damage_count(verification), &damage, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT,
             restante_redo_verification_get_damage(verification, 0, NULL, &error));
  restante_redo_verification_free(verification);
  close_log(redo);
}

/* A host that watches a verification, and ends it or not. */
static void watching_a_verification(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_redo_verification *verification = NULL;
  restante_verify_options options = {0};
  restante_error *error = NULL;
  watched watch = {0, 0, 0, RESTANTE_OK};
  put_megabytes(redo, 3);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "struct_size",
              restante_redo_verify(redo, &options, &verification, &error));
  options.struct_size = sizeof options;
  options.reserved = 1;
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "reserved",
              restante_redo_verify(redo, &options, &verification, &error));
  options.reserved = 0;
  options.progress = watch_progress;
  options.progress_user_data = &watch;
  CHECK_OK(restante_redo_verify(redo, &options, &verification, &error));
  CHECK(watch.calls >= 2 && watch.bytes_done >= 2u << 20 && watch.went_back == 0);
  CHECK_U64(0, restante_redo_verification_damage_count(verification));
  restante_redo_verification_free(verification);
  verification = NULL;
  watch.calls = 0;
  watch.bytes_done = 0;
  watch.answer = RESTANTE_ERROR_CANCELLED;
  CHECK_FAILS(RESTANTE_ERROR_CANCELLED, "seen enough",
              restante_redo_verify(redo, &options, &verification, &error));
  CHECK_U64(1, watch.calls);
  watch.answer = RESTANTE_ERROR_BUSY;
  CHECK_FAILS(RESTANTE_ERROR_BUSY, "seen enough",
              restante_redo_verify(redo, &options, &verification, &error));
  CHECK(verification == NULL);
  options.progress = NULL;
  CHECK_OK(restante_redo_verify(redo, &options, &verification, &error));
  restante_redo_verification_free(verification);
  close_log(redo);
}

/* Each goes on behind what it cannot read. */
static void reading_behind_damage(const char *scratch) {
  restante_redo *redo = open_two_segments(scratch);
  const restante_record broken = break_record_of(scratch, redo, "bob");
  restante_follower *follower = follow(redo, NULL);
  restante_record_cursor *cursor = records_of(redo, NULL);
  restante_logged logged = {0};
  restante_record record = {0};
  restante_error *error = NULL;
  uint32_t more = 7;
  while (record.lsn + 1 < broken.lsn && next_record(cursor, &record) == 1) continue;
  CHECK_CODE(RESTANTE_ERROR_DAMAGED, restante_record_cursor_next(cursor, &record, &more, &error));
  CHECK_U64(7, more);
  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(broken.lsn + 1, record.lsn);
  restante_record_cursor_free(cursor);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_CODE(RESTANTE_ERROR_DAMAGED, restante_follower_next(follower, &logged, &more, &error));
  CHECK_U64(7, more);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_U64(broken.lsn + 1, logged.commit_lsn);
  restante_follower_free(follower);
  close_log(redo);
}

/* --- Segments --- */

typedef struct seen_segments {
  int count;
  restante_segment last[2];
  int32_t answer;
} seen_segments;

static int32_t see_segment(void *user_data, const restante_segment *segment, restante_error **out_error) {
  seen_segments *seen = user_data;
  CHECK_U64(sizeof *segment, segment->struct_size);
  seen->last[0] = seen->last[1];
  seen->last[1] = *segment;
  seen->count++;
  if (seen->answer != RESTANTE_OK) *out_error = restante_error_new(seen->answer, "seen enough", NULL);
  return seen->answer;
}

static void segments(const char *scratch) {
  const int64_t began = microseconds_of(CLOCK_REALTIME);
  restante_redo *redo = open_log(scratch, 1);
  const restante_position first = restante_redo_end(redo);
  restante_position end;
  seen_segments seen = {0, {{0}, {0}}, RESTANTE_OK};
  restante_error *error = NULL;
  write_four(redo);
  end = restante_redo_end(redo);
  CHECK_OK(restante_redo_roll(redo, &error));
  append(redo, "alice", "m3", RESTANTE_SYNC_DURABLE);
  CHECK_OK(restante_redo_segments(redo, see_segment, &seen, &error));
  CHECK_U64(2, seen.count);
  CHECK_U64(1, seen.last[0].sealed);
  CHECK_U64(1, seen.last[0].sequence);
  CHECK_U64(1, seen.last[0].first_lsn);
  CHECK_U64(end.lsn, seen.last[0].last_lsn);
  CHECK(memcmp(&seen.last[0].incarnation, &first.incarnation, sizeof first.incarnation) == 0);
  CHECK(seen.last[0].first_time >= began && seen.last[0].last_time > seen.last[0].first_time);
  CHECK(seen.last[0].bytes > 4096);
  CHECK_U64(0, seen.last[1].sealed);
  CHECK_U64(2, seen.last[1].sequence);
  CHECK_U64(end.lsn + 1, seen.last[1].first_lsn);
  CHECK_U64(restante_redo_end(redo).lsn, seen.last[1].last_lsn);
  CHECK(seen.last[1].first_time >= seen.last[0].last_time);
  seen.count = 0;
  seen.answer = RESTANTE_ERROR_BUSY;
  CHECK_FAILS(RESTANTE_ERROR_BUSY, "seen enough", restante_redo_segments(redo, see_segment, &seen, &error));
  CHECK_U64(1, seen.count);
  CHECK_FAILS(RESTANTE_ERROR_INVALID_ARGUMENT, "each", restante_redo_segments(redo, NULL, &seen, &error));
  close_log(redo);
}

/* Segments that cannot be listed are a failure, not none. */
static void segments_of_an_inherited_handle(const char *scratch) {
  restante_redo *redo = open_two_segments(scratch);
  seen_segments seen = {0, {{0}, {0}}, RESTANTE_OK};
  restante_error *error = NULL;
  int status = 0;
  pid_t child;
  fflush(stdout);
  fflush(stderr);
  child = fork();
  if (child == 0) {
    CHECK_CODE(RESTANTE_ERROR_BUSY, restante_redo_segments(redo, see_segment, &seen, &error));
    CHECK_U64(0, seen.count);
    _exit(check_failures == 0 ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close_log(redo);
}

static void what_a_log_continues(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  const restante_continuation nothing = {{{{0}}, {{0}}, 0}, 0};
  restante_continuation parent = nothing;
  restante_continuation found;
  restante_redo_options options = {0};
  restante_redo *redo = open_log(scratch, 1);
  restante_error *error = NULL;
  found = restante_redo_continues(redo);
  CHECK(memcmp(&found, &nothing, sizeof found) == 0);
  parent.parent = restante_redo_end(redo);
  parent.parent.lsn = 1000;
  parent.parent_sequence = 12;
  CHECK_OK(restante_redo_close(redo, &error));
  found = restante_redo_continues(redo);
  CHECK(memcmp(&found, &nothing, sizeof found) == 0);
  restante_redo_free(redo);
  options.struct_size = sizeof options;
  options.create = 1;
  options.continues = &parent;
  CHECK_OK(restante_redo_open(check_path(path, scratch, "other"), &options, &redo, &error));
  found = restante_redo_continues(redo);
  CHECK(memcmp(&found, &parent, sizeof found) == 0);
  CHECK_U64(13, restante_redo_sequence(redo));
  close_log(redo);
  found = restante_redo_continues(NULL);
  CHECK(memcmp(&found, &nothing, sizeof found) == 0);
}

/* --- Open transactions --- */

static uint64_t oldest_open(restante_redo *redo, const char *account) {
  restante_error *error = NULL;
  uint64_t lsn = 77;
  CHECK_OK(restante_redo_oldest_open(redo, view(account), &lsn, &error));
  return lsn;
}

static uint32_t aborted_since(restante_redo *redo, const char *account, uint64_t after) {
  restante_error *error = NULL;
  uint32_t aborted = 7;
  CHECK_OK(restante_redo_aborted_since(redo, view(account), after, &aborted, &error));
  return aborted;
}

static void open_transactions(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_transaction *first = begin(redo, "alice");
  restante_transaction *second = begin(redo, "alice");
  const uint64_t first_lsn = restante_transaction_begin_lsn(first);
  const uint64_t second_lsn = restante_transaction_begin_lsn(second);
  const int64_t began = microseconds_of(CLOCK_MONOTONIC);
  restante_error *error = NULL;
  uint64_t end;
  CHECK_U64(first_lsn, oldest_open(redo, "alice"));
  CHECK_U64(0, oldest_open(redo, "bob"));
  CHECK_CODE(RESTANTE_ERROR_TIMED_OUT, restante_redo_wait_for_open(redo, view("alice"), 0, &error));
  CHECK_CODE(RESTANTE_ERROR_TIMED_OUT, restante_redo_wait_for_open(redo, view("alice"), 30, &error));
  CHECK(milliseconds_since(began) >= 30 && milliseconds_since(began) < SOON_MS);
  CHECK_OK(restante_redo_wait_for_open(redo, view("bob"), UINT64_MAX, &error));
  commit(first);
  CHECK_U64(second_lsn, oldest_open(redo, "alice"));
  CHECK_U64(0, aborted_since(redo, "alice", 0));
  abort_it(second);
  CHECK_U64(0, oldest_open(redo, "alice"));
  CHECK_OK(restante_redo_wait_for_open(redo, view("alice"), UINT64_MAX, &error));
  end = restante_redo_end(redo).lsn;
  CHECK_U64(1, aborted_since(redo, "alice", 0));
  CHECK_U64(1, aborted_since(redo, "alice", end - 1));
  CHECK_U64(0, aborted_since(redo, "alice", end));
  CHECK_U64(0, aborted_since(redo, "bob", 0));
  close_log(redo);
}

static int32_t see_a_restore(void *user_data, const restante_unfinished *unfinished,
                             restante_error **out_error) {
  uint64_t *begin_lsn = user_data;
  (void)out_error;
  CHECK_U64(1, unfinished->is_rewind);
  *begin_lsn = unfinished->begin_lsn;
  return RESTANTE_OK;
}

static void a_restore_of_the_hosts_own(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  const restante_position position = restante_redo_end(redo);
  restante_follower *follower = follow(redo, NULL);
  restante_ops *ops = NULL;
  restante_rewind rewind = {0};
  restante_transaction *transaction = NULL;
  restante_logged logged = {0};
  restante_error *error = NULL;
  uint64_t begin_lsn = 0;
  rewind.struct_size = sizeof rewind;
  rewind.log = position.log;
  rewind.incarnation = position.incarnation;
  rewind.lsn = position.lsn;
  CHECK_OK(restante_ops_new(&ops, &error));
  CHECK_OK(restante_ops_rewind(ops, &rewind, &error));
  put_message(ops, "m1", NULL);
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, NULL, &transaction, &error));
  restante_ops_free(ops);
  CHECK_OK(restante_redo_unfinished(redo, see_a_restore, &begin_lsn, &error));
  CHECK_U64(restante_transaction_begin_lsn(transaction), begin_lsn);
  commit(transaction);
  CHECK_U64(1, next_of(follower, &logged));
  CHECK_U64(2, restante_ops_count(logged.ops));
  memset(&rewind, 0, sizeof rewind);
  rewind.struct_size = sizeof rewind;
  CHECK_OK(restante_ops_get_rewind(logged.ops, 0, &rewind, &error));
  CHECK(memcmp(&rewind.incarnation, &position.incarnation, sizeof rewind.incarnation) == 0);
  CHECK_U64(position.lsn, rewind.lsn);
  restante_follower_free(follower);
  close_log(redo);
}

static void *commit_after_a_while(void *transaction) {
  sleep_ms(WRITES_AFTER_MS);
  commit(transaction);
  return NULL;
}

static void waiting_for_open_transactions(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_transaction *transaction = begin(redo, "alice");
  const int64_t began = microseconds_of(CLOCK_MONOTONIC);
  restante_error *error = NULL;
  pthread_t thread;
  int64_t took;
  CHECK(pthread_create(&thread, NULL, commit_after_a_while, transaction) == 0);
  CHECK_OK(restante_redo_wait_for_open(redo, view("alice"), UINT64_MAX, &error));
  took = milliseconds_since(began);
  CHECK(took >= WRITES_AFTER_MS / 2 && took < SOON_MS);
  pthread_join(thread, NULL);
  CHECK_U64(0, oldest_open(redo, "alice"));
  close_log(redo);
}

static void operations_with_what_was_assigned(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_transaction *transaction;
  restante_ops *ops = one_message("m1");
  restante_ops *done = NULL;
  restante_assigned assigned[2] = {{0}, {0}};
  restante_error *error = NULL;
  put_message(ops, "m2", NULL);
  assigned[0].struct_size = sizeof assigned[0];
  assigned[0].operation = 2;
  assigned[0].uid = 7;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_with_assigned(ops, assigned, 1, &done, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_with_assigned(NULL, assigned, 1, &done, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_with_assigned(ops, NULL, 1, &done, &error));
  CHECK(done == NULL);
  assigned[0].operation = 0;
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_ops_with_assigned(ops, assigned, 1, NULL, &error));
  assigned[1].struct_size = sizeof assigned[1];
  assigned[1].operation = 1;
  assigned[1].refused = 1;
  CHECK_OK(restante_ops_with_assigned(ops, assigned, 2, &done, &error));
  check_one_message(done, "m1", 7);
  /* It is a list like others, and the one it was made of is as it was. */
  put_message(done, "m3", NULL);
  CHECK_U64(2, restante_ops_count(done));
  CHECK_U64(2, restante_ops_count(ops));
  restante_ops_free(done);
  CHECK_OK(restante_ops_with_assigned(ops, NULL, 0, &done, &error));
  CHECK_U64(2, restante_ops_count(done));
  restante_ops_free(done);
  restante_ops_free(ops);
  /* A list that is lent can be taken too, and the new one outlives it. */
  transaction = begin(redo, "alice");
  CHECK_OK(restante_ops_with_assigned(restante_transaction_ops(transaction), assigned, 1, &done, &error));
  commit(transaction);
  check_one_message(done, "begun", 7);
  restante_ops_free(done);
  close_log(redo);
}

/* --- Misuse --- */

/* Every function that takes a log, with one that cannot be used. */
static void check_refused(restante_redo *redo, const char *why) {
  const int32_t wrong = RESTANTE_ERROR_INVALID_ARGUMENT;
  restante_follower *follower = NULL;
  restante_record_cursor *cursor = NULL;
  restante_redo_verification *verification = NULL;
  seen_segments seen = {0, {{0}, {0}}, RESTANTE_OK};
  restante_error *error = NULL;
  uint64_t lsn = 77;
  uint32_t answer = 77;
  CHECK_FAILS(wrong, why, restante_redo_follow(redo, NULL, &follower, &error));
  CHECK_FAILS(wrong, why, restante_redo_records(redo, NULL, &cursor, &error));
  CHECK_FAILS(wrong, why, restante_redo_lsn_at(redo, 1, &lsn, &error));
  CHECK_FAILS(wrong, why, restante_redo_verify(redo, NULL, &verification, &error));
  CHECK_FAILS(wrong, why, restante_redo_segments(redo, see_segment, &seen, &error));
  CHECK_FAILS(wrong, why, restante_redo_oldest_open(redo, view("alice"), &lsn, &error));
  CHECK_FAILS(wrong, why, restante_redo_wait_for_open(redo, view("alice"), 0, &error));
  CHECK_FAILS(wrong, why, restante_redo_aborted_since(redo, view("alice"), 0, &answer, &error));
  CHECK(follower == NULL && cursor == NULL && verification == NULL);
  CHECK(lsn == 77 && answer == 77 && seen.count == 0);
}

/* Every function of a handle, without one, and without a place for what it answers. */
static void null_pointers(const char *scratch) {
  const int32_t wrong = RESTANTE_ERROR_INVALID_ARGUMENT;
  const restante_view no_bytes = {NULL, 1};
  restante_redo *redo = open_log(scratch, 1);
  restante_follower *follower = follow(redo, NULL);
  restante_record_cursor *cursor = records_of(redo, NULL);
  restante_logged logged = {0};
  restante_record record = {0};
  restante_assigned assigned = {0};
  restante_redo_totals totals = {0};
  restante_redo_damage damage = {0};
  restante_segment_verification segment = {0};
  restante_error *error = NULL;
  uint64_t lsn = 77;
  uint32_t answer = 77;
  check_refused(NULL, "redo is NULL");
  CHECK_FAILS(wrong, "out_follower", restante_redo_follow(redo, NULL, NULL, &error));
  CHECK_FAILS(wrong, "follower is", restante_follower_next(NULL, &logged, &answer, &error));
  CHECK_FAILS(wrong, "restante_logged is", restante_follower_next(follower, NULL, &answer, &error));
  CHECK_FAILS(wrong, "out_more", restante_follower_next(follower, &logged, NULL, &error));
  CHECK_FAILS(wrong, "follower is", restante_follower_wait(NULL, 0, &answer, &error));
  CHECK_FAILS(wrong, "out_more", restante_follower_wait(follower, 0, NULL, &error));
  CHECK_FAILS(wrong, "out_cursor", restante_redo_records(redo, NULL, NULL, &error));
  CHECK_FAILS(wrong, "cursor is", restante_record_cursor_next(NULL, &record, &answer, &error));
  CHECK_FAILS(wrong, "restante_record is", restante_record_cursor_next(cursor, NULL, &answer, &error));
  CHECK_FAILS(wrong, "out_more", restante_record_cursor_next(cursor, &record, NULL, &error));
  CHECK_FAILS(wrong, "cursor is", restante_record_cursor_get_assigned(NULL, 0, &assigned, &error));
  CHECK_FAILS(wrong, "out_lsn", restante_redo_lsn_at(redo, 1, NULL, &error));
  CHECK_FAILS(wrong, "out_verification", restante_redo_verify(redo, NULL, NULL, &error));
  CHECK_FAILS(wrong, "verification is", restante_redo_verification_totals(NULL, &totals, &error));
  CHECK_FAILS(wrong, "verification is", restante_redo_verification_get_damage(NULL, 0, &damage, &error));
  CHECK_FAILS(wrong, "verification is", restante_redo_verification_get_segment(NULL, 0, &segment, &error));
  CHECK_U64(0, restante_redo_verification_damage_count(NULL));
  CHECK_U64(0, restante_redo_verification_segment_count(NULL));
  CHECK_FAILS(wrong, "out_begin_lsn", restante_redo_oldest_open(redo, view("alice"), NULL, &error));
  CHECK_FAILS(wrong, "account_id", restante_redo_oldest_open(redo, no_bytes, &lsn, &error));
  CHECK_FAILS(wrong, "account_id", restante_redo_wait_for_open(redo, no_bytes, 0, &error));
  CHECK_FAILS(wrong, "out_aborted", restante_redo_aborted_since(redo, view("alice"), 0, NULL, &error));
  CHECK_FAILS(wrong, "account_id", restante_redo_aborted_since(redo, no_bytes, 0, &answer, &error));
  CHECK(lsn == 77 && answer == 77);
  /* Nothing was consumed by what was refused. */
  CHECK_U64(1, next_record(cursor, &record));
  CHECK_U64(1, record.lsn);
  restante_record_cursor_free(cursor);
  restante_follower_free(follower);
  CHECK_OK(restante_redo_close(redo, &error));
  check_refused(redo, "closed");
  restante_redo_free(redo);
}

/* Without a place for the error, the code still tells. */
static void no_place_for_an_error(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  uint64_t lsn = 77;
  CHECK(restante_redo_lsn_at(redo, 0, &lsn, NULL) == RESTANTE_ERROR_NOT_FOUND);
  CHECK(restante_follower_next(NULL, NULL, NULL, NULL) == RESTANTE_ERROR_INVALID_ARGUMENT);
  CHECK(restante_redo_records(NULL, NULL, NULL, NULL) == RESTANTE_ERROR_INVALID_ARGUMENT);
  close_log(redo);
}

int main(void) {
  static const check_case cases[] = {
      {"C: following a redo log", following},
      {"C: following an account, from a place that is still kept", following_a_part},
      {"C: a follower keeps what it could not hand out", a_follower_that_could_not_hand_out},
      {"C: a follower is woken by a thread", woken_by_a_thread},
      {"C: a follower is woken by another process", woken_by_a_process},
      {"C: records of every kind", every_kind_of_record},
      {"C: what records hold", what_records_hold},
      {"C: records of lazy calls", records_of_lazy_calls},
      {"C: records of a range", records_of_a_range},
      {"C: records of times and kinds", records_of_times_and_kinds},
      {"C: ranges that are none", ranges_that_are_none},
      {"C: names of kinds of records", names_of_kinds},
      {"C: the LSN of a time", times},
      {"C: verifying a sound redo log", verifying_a_sound_log},
      {"C: verifying a damaged segment", verifying_a_damaged_segment},
      {"C: a host watches a verification and ends it", watching_a_verification},
      {"C: followers and records go on behind damage", reading_behind_damage},
      {"C: segments", segments},
      {"C: segments of an inherited handle", segments_of_an_inherited_handle},
      {"C: what a redo log continues", what_a_log_continues},
      {"C: open transactions", open_transactions},
      {"C: a restore of the host's own", a_restore_of_the_hosts_own},
      {"C: waiting for open transactions", waiting_for_open_transactions},
      {"C: operations with what was assigned", operations_with_what_was_assigned},
      {"C: what reads a redo log refuses null pointers and closed logs", null_pointers},
      {"C: what reads a redo log needs no place for an error", no_place_for_an_error},
  };
  return check_run(cases, sizeof cases / sizeof cases[0]);
}

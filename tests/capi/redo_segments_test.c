/* Segments of a redo log as files, through the C API. */

#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "redo_support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Helpers --- */

static uint64_t append(restante_redo *redo, const char *account, const char *id) {
  restante_ops *ops = one_message(id);
  restante_error *error = NULL;
  uint64_t lsn = 0;
  CHECK_OK(restante_redo_append(redo, view(account), ops, NULL, &lsn, &error));
  restante_ops_free(ops);
  return lsn;
}

static void roll(restante_redo *redo) {
  restante_error *error = NULL;
  CHECK_OK(restante_redo_roll(redo, &error));
}

/* Sealed segments 1 (`write_four`), 2 (alice's m3), 3 (bob's m4), 4 (alice's m5), and one without changes. */
static restante_position write_segments(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_position end;
  write_four(redo);
  roll(redo);
  append(redo, "alice", "m3");
  roll(redo);
  append(redo, "bob", "m4");
  roll(redo);
  append(redo, "alice", "m5");
  roll(redo);
  end = restante_redo_end(redo);
  close_log(redo);
  return end;
}

/* The path of a segment in the log of `scratch`. */
static const char *segment_path(char *buffer, const char *scratch, int sequence) {
  char name[64];
  snprintf(name, sizeof name, "redo/redo-%010d.log", sequence);
  return check_path(buffer, scratch, name);
}

/* Puts another log's first segment, and the first bytes of segment 3, in the place of this log's. */
static void spoil_segments_1_and_3(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  char other[CHECK_PATH_SIZE];
  char foreign[CHECK_PATH_SIZE];
  restante_redo *redo;
  check_path(other, scratch, "other");
  CHECK(mkdir(other, 0700) == 0);
  redo = open_log(other, 1);
  append(redo, "mallory", "m1");
  roll(redo);
  close_log(redo);
  CHECK(rename(segment_path(foreign, other, 1), segment_path(path, scratch, 1)) == 0);
  CHECK(truncate(segment_path(path, scratch, 3), 100) == 0);
}

static restante_segments *open_directory(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_segments *segments = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_segments_open_directory(check_path(path, scratch, "redo"), &segments, &error));
  return segments;
}

/* Opens two segments of the log by their paths. */
static restante_segments *open_two(const char *scratch, int one, int other) {
  char first[CHECK_PATH_SIZE];
  char second[CHECK_PATH_SIZE];
  const char *paths[2];
  restante_segments *segments = NULL;
  restante_error *error = NULL;
  paths[0] = segment_path(first, scratch, one);
  paths[1] = segment_path(second, scratch, other);
  CHECK_OK(restante_segments_open(paths, 2, &segments, &error));
  return segments;
}

static restante_segment segment_at(const restante_segments *segments, size_t index) {
  restante_segment segment = {0};
  restante_error *error = NULL;
  segment.struct_size = sizeof segment;
  CHECK_OK(restante_segments_get(segments, index, &segment, &error));
  return segment;
}

static restante_left_out left_out_at(const restante_segments *segments, size_t index) {
  restante_left_out left = {0};
  restante_error *error = NULL;
  left.struct_size = sizeof left;
  CHECK_OK(restante_segments_get_left_out(segments, index, &left, &error));
  return left;
}

static restante_cursor *read_all(const restante_segments *segments, const restante_read_range *range) {
  restante_cursor *cursor = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_segments_read(segments, range, &cursor, &error));
  return cursor;
}

static restante_record_cursor *records_of(const restante_segments *segments,
                                          const restante_read_range *range) {
  restante_record_cursor *cursor = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_segments_records(segments, range, &cursor, &error));
  return cursor;
}

/* That the next transaction puts message `id` into `account`. */
static void check_next(restante_cursor *cursor, const char *account, const char *id) {
  restante_logged logged = {0};
  restante_message message = {0};
  restante_error *error = NULL;
  uint32_t more = 7;
  logged.struct_size = sizeof logged;
  message.struct_size = sizeof message;
  CHECK_OK(restante_cursor_next(cursor, &logged, &more, &error));
  CHECK_U64(1, more);
  if (more != 1) return;
  CHECK_VIEW(account, logged.account_id);
  CHECK_OK(restante_ops_get_message(logged.ops, 0, 0, &message, &error));
  CHECK_VIEW(id, message.id);
}

/* That the cursor answers `code` and says `part`, before it goes on. */
static void check_complains(restante_cursor *cursor, int32_t code, const char *part) {
  restante_logged logged = {0};
  restante_error *error = NULL;
  uint32_t more = 7;
  logged.struct_size = sizeof logged;
  CHECK_FAILS(code, part, restante_cursor_next(cursor, &logged, &more, &error));
  CHECK_U64(7, more);
}

static void check_end(restante_cursor *cursor) {
  restante_logged logged = {0};
  restante_error *error = NULL;
  uint32_t more = 7;
  logged.struct_size = sizeof logged;
  CHECK_OK(restante_cursor_next(cursor, &logged, &more, &error));
  CHECK_U64(0, more);
}

static restante_redo_verification *verify(const restante_segments *segments) {
  restante_redo_verification *verification = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_segments_verify(segments, NULL, &verification, &error));
  return verification;
}

static restante_redo_damage damage_at(const restante_redo_verification *verification, size_t index) {
  restante_redo_damage damage = {0};
  restante_error *error = NULL;
  damage.struct_size = sizeof damage;
  CHECK_OK(restante_redo_verification_get_damage(verification, index, &damage, &error));
  return damage;
}

static restante_segment_verification verified_at(const restante_redo_verification *verification,
                                                 size_t index) {
  restante_segment_verification segment = {0};
  restante_error *error = NULL;
  segment.struct_size = sizeof segment;
  CHECK_OK(restante_redo_verification_get_segment(verification, index, &segment, &error));
  return segment;
}

/* --- Whole segments --- */

static void a_whole_directory(const char *scratch) {
  const restante_position end = write_segments(scratch);
  restante_redo *redo = open_log(scratch, 0);
  const restante_id server = restante_redo_server(redo);
  restante_segments *segments;
  restante_position found;
  restante_id found_server;
  restante_cursor *cursor;
  uint64_t next = 1;
  size_t i;
  close_log(redo);
  segments = open_directory(scratch);
  found = restante_segments_end(segments);
  found_server = restante_segments_server(segments);
  CHECK(memcmp(&found_server, &server, sizeof server) == 0);
  CHECK(memcmp(&found.log, &end.log, sizeof end.log) == 0);
  CHECK(memcmp(&found.incarnation, &end.incarnation, sizeof end.incarnation) == 0);
  /* Closing writes a mark. */
  CHECK(found.lsn >= end.lsn);
  CHECK_U64(0, restante_segments_left_out_count(segments));
  CHECK(restante_segments_count(segments) >= 5);
  for (i = 0; i < 4; i++) {
    const restante_segment segment = segment_at(segments, i);
    CHECK_U64(sizeof segment, segment.struct_size);
    CHECK_U64(i + 1, segment.sequence);
    CHECK_U64(1, segment.sealed);
    CHECK_U64(next, segment.first_lsn);
    CHECK(segment.bytes > 4096 && segment.first_time <= segment.last_time && segment.first_time > 0);
    next = segment.last_lsn + 1;
  }
  cursor = read_all(segments, NULL);
  restante_segments_free(segments);
  check_next(cursor, "alice", "m1");
  check_next(cursor, "bob", "m2");
  check_next(cursor, "alice", "m2");
  check_next(cursor, "alice", "m3");
  check_next(cursor, "bob", "m4");
  check_next(cursor, "alice", "m5");
  check_end(cursor);
  restante_cursor_free(cursor);
}

/* Files in any order, and a part of what is in them. */
static void a_part_of_some_files(const char *scratch) {
  restante_segments *segments;
  restante_read_range range = {0};
  restante_cursor *cursor;
  restante_record_cursor *records;
  restante_record record = {0};
  restante_error *error = NULL;
  const uint32_t appends = RESTANTE_RECORD_APPEND;
  uint64_t count = 0;
  uint32_t more = 1;
  write_segments(scratch);
  segments = open_two(scratch, 3, 2);
  CHECK_U64(2, restante_segments_count(segments));
  CHECK_U64(2, segment_at(segments, 0).sequence);
  CHECK_U64(3, segment_at(segments, 1).sequence);
  range.struct_size = sizeof range;
  range.account_id = view("bob");
  cursor = read_all(segments, &range);
  check_next(cursor, "bob", "m4");
  check_end(cursor);
  restante_cursor_free(cursor);
  range.account_id = view("");
  range.present = RESTANTE_HAS_TO;
  range.to = segment_at(segments, 0).last_time;
  cursor = read_all(segments, &range);
  check_next(cursor, "alice", "m3");
  check_end(cursor);
  restante_cursor_free(cursor);
  range.present = RESTANTE_HAS_FROM;
  range.from = segment_at(segments, 1).first_time;
  range.kinds = &appends;
  range.kind_count = 1;
  records = records_of(segments, &range);
  restante_segments_free(segments);
  record.struct_size = sizeof record;
  for (; more == 1; count += more) {
    CHECK_OK(restante_record_cursor_next(records, &record, &more, &error));
    if (more == 1) CHECK_VIEW("bob", record.account_id);
    if (more == 1) CHECK_U64(3, record.sequence);
  }
  CHECK_U64(1, count);
  restante_record_cursor_free(records);
}

static int32_t read_from(void *user_data, void *buffer, size_t size, size_t *out_read,
                         restante_error **out_error) {
  return restante_reader_read(user_data, buffer, size, out_read, out_error);
}

static void contents(const char *scratch) {
  char other[CHECK_PATH_SIZE];
  restante_redo *redo = open_log(scratch, 1);
  const restante_content content = put_megabytes(redo, 1);
  restante_segments *segments;
  restante_reader *reader = NULL;
  restante_reader *none = NULL;
  restante_content again = {{0}, 0};
  restante_error *error = NULL;
  roll(redo);
  append(redo, "alice", "m1");
  roll(redo);
  close_log(redo);
  segments = open_two(scratch, 2, 3);
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_segments_open_content(segments, &content, &none, &error));
  CHECK(none == NULL);
  restante_segments_free(segments);
  segments = open_two(scratch, 1, 2);
  CHECK_OK(restante_segments_open_content(segments, &content, &reader, &error));
  restante_segments_free(segments);
  /* Another log finds that it is the same. */
  CHECK(mkdir(check_path(other, scratch, "other"), 0700) == 0);
  redo = open_log(other, 1);
  CHECK_OK(restante_redo_put_content_from(redo, view("alice"), read_from, reader, &again, &error));
  CHECK_U64(1u << 20, again.size);
  CHECK(memcmp(&content, &again, sizeof content) == 0);
  restante_reader_free(reader);
  close_log(redo);
}

/* --- Segments that are not whole --- */

static void a_hole(const char *scratch) {
  restante_segments *segments;
  restante_cursor *cursor;
  restante_record_cursor *records;
  restante_record record = {0};
  restante_redo_verification *verification;
  restante_redo_damage damage;
  restante_error *error = NULL;
  uint64_t before;
  uint32_t more = 7;
  write_segments(scratch);
  segments = open_two(scratch, 4, 2);
  CHECK_U64(0, restante_segments_left_out_count(segments));
  cursor = read_all(segments, NULL);
  check_next(cursor, "alice", "m3");
  check_complains(cursor, RESTANTE_ERROR_NOT_FOUND, "3");
  check_next(cursor, "alice", "m5");
  check_end(cursor);
  restante_cursor_free(cursor);

  before = segment_at(segments, 0).last_lsn;
  records = records_of(segments, NULL);
  record.struct_size = sizeof record;
  while (record.lsn < before) CHECK_OK(restante_record_cursor_next(records, &record, &more, &error));
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_record_cursor_next(records, &record, &more, &error));
  CHECK_OK(restante_record_cursor_next(records, &record, &more, &error));
  CHECK_U64(segment_at(segments, 1).first_lsn, record.lsn);
  restante_record_cursor_free(records);

  verification = verify(segments);
  restante_segments_free(segments);
  CHECK_U64(1, restante_redo_verification_damage_count(verification));
  damage = damage_at(verification, 0);
  CHECK_U64(3, damage.sequence);
  CHECK_TEXT("", damage.file);
  CHECK_U64(before + 1, damage.from_lsn);
  CHECK_U64(2, restante_redo_verification_segment_count(verification));
  CHECK_U64(0, verified_at(verification, 0).is_damaged);
  CHECK_U64(4, verified_at(verification, 1).info->sequence);
  CHECK(strstr(verified_at(verification, 1).file, scratch) != NULL);
  restante_redo_verification_free(verification);
}

/* A transaction that began in a segment which is not here, and one behind it. */
static void half_a_transaction(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_ops *ops = one_message("m1");
  restante_transaction *transaction = NULL;
  restante_segments *segments;
  restante_cursor *cursor;
  restante_error *error = NULL;
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, NULL, &transaction, &error));
  restante_ops_free(ops);
  roll(redo);
  CHECK_OK(restante_transaction_commit(transaction, NULL, 0, RESTANTE_SYNC_DURABLE, NULL, &error));
  restante_transaction_free(transaction);
  append(redo, "bob", "m2");
  roll(redo);
  close_log(redo);
  segments = open_two(scratch, 1, 2);
  cursor = read_all(segments, NULL);
  check_next(cursor, "alice", "m1");
  check_next(cursor, "bob", "m2");
  check_end(cursor);
  restante_cursor_free(cursor);
  restante_segments_free(segments);
  segments = open_two(scratch, 2, 3);
  cursor = read_all(segments, NULL);
  check_complains(cursor, RESTANTE_ERROR_NOT_FOUND, "");
  check_next(cursor, "bob", "m2");
  check_end(cursor);
  restante_cursor_free(cursor);
  restante_segments_free(segments);
}

/* Of a directory with a foreign file, a whole one, one cut off, a whole one. */
static void a_foreign_and_a_cut_off_file(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  restante_segments *segments;
  restante_left_out left[2];
  restante_cursor *cursor;
  int foreign;
  write_segments(scratch);
  spoil_segments_1_and_3(scratch);
  CHECK(unlink(segment_path(path, scratch, 5)) == 0);
  unlink(segment_path(path, scratch, 6));
  segments = open_directory(scratch);
  CHECK_U64(2, restante_segments_count(segments));
  CHECK_U64(2, restante_segments_left_out_count(segments));
  left[0] = left_out_at(segments, 0);
  left[1] = left_out_at(segments, 1);
  foreign = left[0].sequence == 1 ? 0 : 1;
  CHECK_U64(sizeof left[0], left[0].struct_size);
  CHECK_U64(1, left[foreign].sequence);
  CHECK(left[foreign].code == RESTANTE_ERROR_DIVERGED);
  CHECK_TEXT("redo-0000000001.log", left[foreign].path);
  CHECK(strstr(left[foreign].message, "another redo log") != NULL && left[foreign].hint != NULL);
  CHECK(left[foreign].bytes > 4096);
  CHECK_U64(3, left[1 - foreign].sequence);
  CHECK(left[1 - foreign].code == RESTANTE_ERROR_DAMAGED);
  CHECK_TEXT("redo-0000000003.log", left[1 - foreign].path);
  CHECK(strlen(left[1 - foreign].message) > 5 && left[1 - foreign].hint != NULL);
  CHECK_U64(100, left[1 - foreign].bytes);
  cursor = read_all(segments, NULL);
  check_complains(cursor, RESTANTE_ERROR_DAMAGED, left[0].path);
  check_complains(cursor, RESTANTE_ERROR_DAMAGED, left[1].path);
  check_next(cursor, "alice", "m3");
  check_complains(cursor, RESTANTE_ERROR_NOT_FOUND, "3");
  check_next(cursor, "alice", "m5");
  check_end(cursor);
  restante_cursor_free(cursor);
  restante_segments_free(segments);
}

static void verifying_spoiled_files(const char *scratch) {
  restante_segments *segments;
  restante_redo_verification *verification;
  restante_segment_verification segment;
  restante_redo_damage damage;
  int told[4] = {0, 0, 0, 0};
  size_t i;
  write_segments(scratch);
  spoil_segments_1_and_3(scratch);
  segments = open_directory(scratch);
  verification = verify(segments);
  restante_segments_free(segments);
  for (i = 0; i < 4; i++) {
    segment = verified_at(verification, i);
    CHECK_U64(i + 1, segment.info->sequence);
    CHECK_U64(i % 2 == 0, segment.is_damaged);
    CHECK_U64(i % 2, segment.readable_count);
    CHECK((segment.readable == NULL) == (i % 2 == 0));
  }
  CHECK_U64(100, verified_at(verification, 2).info->bytes);
  for (i = 0; i < restante_redo_verification_damage_count(verification); i++) {
    damage = damage_at(verification, i);
    if (strcmp(damage.file, "redo-0000000001.log") == 0 && damage.sequence == 1) told[0]++;
    else if (strcmp(damage.file, "redo-0000000003.log") == 0 && damage.sequence == 3) told[1]++;
    else if (strcmp(damage.file, "") == 0 && damage.sequence == 3) told[2]++;
    else told[3]++;
  }
  CHECK(told[0] == 1 && told[1] == 1 && told[2] == 1 && told[3] == 0);
  restante_redo_verification_free(verification);
}

static void write_and_die(const char *scratch) { write_four(open_log(scratch, 1)); }

/* The segment that a process was writing when it died; a byte of what it wrote last is there. */
static void a_torn_tail(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  const char *paths[1];
  restante_segments *segments = NULL;
  restante_record_cursor *records;
  restante_record record = {0};
  restante_redo_verification *verification;
  restante_error *error = NULL;
  uint64_t end = 0;
  uint32_t more = 1;
  int fd;
  in_a_process_that_dies(write_and_die, scratch);
  paths[0] = segment_path(path, scratch, 1);
  CHECK_OK(restante_segments_open(paths, 1, &segments, &error));
  CHECK_U64(0, segment_at(segments, 0).sealed);
  records = records_of(segments, NULL);
  record.struct_size = sizeof record;
  while (more == 1) {
    end = record.offset + record.bytes;
    CHECK_OK(restante_record_cursor_next(records, &record, &more, &error));
  }
  restante_record_cursor_free(records);
  restante_segments_free(segments);
  fd = open(path, O_WRONLY);
  CHECK(fd >= 0 && pwrite(fd, "x", 1, (off_t)(end + 99)) == 1);
  close(fd);
  CHECK_OK(restante_segments_open(paths, 1, &segments, &error));
  verification = verify(segments);
  CHECK_U64(0, restante_redo_verification_damage_count(verification));
  CHECK_U64(100, verified_at(verification, 0).torn_bytes);
  CHECK_TEXT(path, verified_at(verification, 0).file);
  restante_redo_verification_free(verification);
  restante_segments_free(segments);
}

static void watching_a_verification(const char *scratch) {
  restante_redo *redo = open_log(scratch, 1);
  restante_segments *segments;
  restante_redo_verification *verification = NULL;
  restante_verify_options options = {0};
  restante_error *error = NULL;
  watched watch = {0, 0, 0, RESTANTE_OK};
  put_megabytes(redo, 3);
  close_log(redo);
  segments = open_directory(scratch);
  options.struct_size = sizeof options;
  options.progress = watch_progress;
  options.progress_user_data = &watch;
  CHECK_OK(restante_segments_verify(segments, &options, &verification, &error));
  CHECK(watch.calls >= 2 && watch.bytes_done >= 2u << 20 && watch.went_back == 0);
  restante_redo_verification_free(verification);
  verification = NULL;
  watch.calls = 0;
  watch.bytes_done = 0;
  watch.answer = RESTANTE_ERROR_CANCELLED;
  CHECK_FAILS(RESTANTE_ERROR_CANCELLED, "seen enough",
              restante_segments_verify(segments, &options, &verification, &error));
  CHECK_U64(1, watch.calls);
  CHECK(verification == NULL);
  restante_segments_free(segments);
}

/* --- Failures and misuse --- */

static void nothing_to_open(const char *scratch) {
  char path[CHECK_PATH_SIZE];
  const restante_id none = {{0}};
  restante_segments *segments = NULL;
  restante_cursor *cursor;
  restante_position end;
  restante_id server;
  restante_error *error = NULL;
  const char *paths[1];
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_segments_open_directory(scratch, &segments, &error));
  paths[0] = check_path(path, scratch, "absent");
  CHECK_CODE(RESTANTE_ERROR_NOT_FOUND, restante_segments_open_directory(path, &segments, &error));
  CHECK_CODE(RESTANTE_ERROR_INVALID_ARGUMENT, restante_segments_open(NULL, 0, &segments, &error));
  CHECK(segments == NULL);
  /* Whatever the files hold, it opens. */
  CHECK_OK(restante_segments_open(paths, 1, &segments, &error));
  CHECK_U64(0, restante_segments_count(segments));
  CHECK_U64(1, restante_segments_left_out_count(segments));
  CHECK(left_out_at(segments, 0).code == RESTANTE_ERROR_NOT_FOUND);
  CHECK_TEXT(path, left_out_at(segments, 0).path);
  CHECK_U64(0, left_out_at(segments, 0).bytes);
  end = restante_segments_end(segments);
  server = restante_segments_server(segments);
  CHECK(memcmp(&server, &none, sizeof none) == 0 && memcmp(&end.log, &none, sizeof none) == 0);
  CHECK_U64(0, end.lsn);
  cursor = read_all(segments, NULL);
  check_complains(cursor, RESTANTE_ERROR_DAMAGED, "absent");
  check_end(cursor);
  restante_cursor_free(cursor);
  restante_segments_free(segments);
}

static void null_pointers(const char *scratch) {
  const int32_t wrong = RESTANTE_ERROR_INVALID_ARGUMENT;
  char path[CHECK_PATH_SIZE];
  const char *paths[1] = {NULL};
  const restante_content content = {{0}, 0};
  restante_segments *none = NULL;
  restante_cursor *cursor = NULL;
  restante_record_cursor *records = NULL;
  restante_reader *reader = NULL;
  restante_redo_verification *verification = NULL;
  restante_error *error = NULL;
  CHECK_FAILS(wrong, "paths", restante_segments_open(NULL, 1, &none, &error));
  CHECK_FAILS(wrong, "path is", restante_segments_open(paths, 1, &none, &error));
  paths[0] = check_path(path, scratch, "absent");
  CHECK_FAILS(wrong, "out_segments", restante_segments_open(paths, 1, NULL, &error));
  CHECK_FAILS(wrong, "directory", restante_segments_open_directory(NULL, &none, &error));
  CHECK_FAILS(wrong, "out_segments", restante_segments_open_directory(scratch, NULL, &error));
  CHECK_FAILS(wrong, "segments is", restante_segments_get(NULL, 0, NULL, &error));
  CHECK_FAILS(wrong, "segments is", restante_segments_get_left_out(NULL, 0, NULL, &error));
  CHECK_FAILS(wrong, "segments is", restante_segments_read(NULL, NULL, &cursor, &error));
  CHECK_FAILS(wrong, "segments is", restante_segments_records(NULL, NULL, &records, &error));
  CHECK_FAILS(wrong, "segments is", restante_segments_open_content(NULL, &content, &reader, &error));
  CHECK_FAILS(wrong, "segments is", restante_segments_verify(NULL, NULL, &verification, &error));
  CHECK(none == NULL && cursor == NULL && records == NULL && reader == NULL && verification == NULL);
  CHECK_U64(0, restante_segments_count(NULL));
  CHECK_U64(0, restante_segments_left_out_count(NULL));
  CHECK_U64(0, restante_segments_end(NULL).lsn);
  CHECK_U64(0, restante_segments_server(NULL).bytes[0]);
  restante_segments_free(NULL);
  CHECK(restante_segments_open_directory(path, &none, NULL) == RESTANTE_ERROR_NOT_FOUND);
}

static void wrong_arguments(const char *scratch) {
  const int32_t wrong = RESTANTE_ERROR_INVALID_ARGUMENT;
  const restante_content content = {{0}, 0};
  const uint32_t kind = RESTANTE_RECORD_APPEND;
  restante_segments *segments;
  restante_segment segment = {0};
  restante_left_out left = {0};
  restante_read_range range = {0};
  restante_verify_options options = {0};
  restante_cursor *cursor = NULL;
  restante_record_cursor *records = NULL;
  restante_redo_verification *verification = NULL;
  restante_error *error = NULL;
  write_segments(scratch);
  spoil_segments_1_and_3(scratch);
  segments = open_directory(scratch);
  CHECK_FAILS(wrong, "struct_size", restante_segments_get(segments, 0, &segment, &error));
  CHECK_FAILS(wrong, "restante_segment is", restante_segments_get(segments, 0, NULL, &error));
  CHECK_FAILS(wrong, "struct_size", restante_segments_get_left_out(segments, 0, &left, &error));
  CHECK_FAILS(wrong, "restante_left_out is", restante_segments_get_left_out(segments, 0, NULL, &error));
  segment.struct_size = sizeof segment;
  left.struct_size = sizeof left;
  CHECK_FAILS(wrong, "no segment",
              restante_segments_get(segments, restante_segments_count(segments), &segment, &error));
  CHECK_FAILS(wrong, "no file 2", restante_segments_get_left_out(segments, 2, &left, &error));
  CHECK_FAILS(wrong, "struct_size", restante_segments_read(segments, &range, &cursor, &error));
  CHECK_FAILS(wrong, "struct_size", restante_segments_records(segments, &range, &records, &error));
  range.struct_size = sizeof range;
  range.kinds = &kind;
  range.kind_count = 1;
  CHECK_CODE(wrong, restante_segments_read(segments, &range, &cursor, &error));
  CHECK_FAILS(wrong, "struct_size", restante_segments_verify(segments, &options, &verification, &error));
  CHECK_FAILS(wrong, "out_cursor", restante_segments_read(segments, NULL, NULL, &error));
  CHECK_FAILS(wrong, "out_cursor", restante_segments_records(segments, NULL, NULL, &error));
  CHECK_FAILS(wrong, "content", restante_segments_open_content(segments, NULL, NULL, &error));
  CHECK_FAILS(wrong, "out_reader", restante_segments_open_content(segments, &content, NULL, &error));
  CHECK_FAILS(wrong, "out_verification", restante_segments_verify(segments, NULL, NULL, &error));
  CHECK(cursor == NULL && records == NULL && verification == NULL);
  restante_segments_free(segments);
}

int main(void) {
  static const check_case cases[] = {
      {"C: segments as files: a whole directory", a_whole_directory},
      {"C: segments as files: a part of some files", a_part_of_some_files},
      {"C: segments as files: contents", contents},
      {"C: segments as files: a hole is told and read over", a_hole},
      {"C: segments as files: a transaction that began elsewhere", half_a_transaction},
      {"C: segments as files: a foreign and a cut-off file are left out", a_foreign_and_a_cut_off_file},
      {"C: segments as files: verifying tells what is wrong with each file", verifying_spoiled_files},
      {"C: segments as files: a torn tail", a_torn_tail},
      {"C: segments as files: a host watches a verification and ends it", watching_a_verification},
      {"C: segments as files: nothing to open", nothing_to_open},
      {"C: segments as files refuse null pointers", null_pointers},
      {"C: segments as files refuse wrong arguments", wrong_arguments},
  };
  return check_run(cases, sizeof cases / sizeof cases[0]);
}

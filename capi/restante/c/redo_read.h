#ifndef RESTANTE_C_REDO_READ_H
#define RESTANTE_C_REDO_READ_H
/**
 * Redo log: reading it, and keeping what is to be read
 *
 * A *cursor* gives the committed transactions of a range, a *follower* those and whatever is committed after
 * them, in this process or another. A *record cursor* gives the log's records as they lie there, for tools.
 *
 *     restante_logged logged = {.struct_size = sizeof logged};
 *     uint32_t more = 0;
 *     int32_t code = restante_redo_follow(redo, &range, &follower, &error);
 *     while (code == RESTANTE_OK && !my_server_stops()) {
 *       code = restante_follower_next(follower, &logged, &more, &error);
 *       if (code == RESTANTE_OK && more) my_apply(&logged);
 *       else if (code == RESTANTE_OK) code = restante_follower_wait(follower, 1000, &more, &error);
 *     }
 *
 * Threads: a cursor, follower or record cursor is used by one thread at a time, different ones by any. They
 * keep the log open until they are freed, and see only what is on the disk.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "redo.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_cursor restante_cursor;
typedef struct restante_follower restante_follower;
typedef struct restante_record_cursor restante_record_cursor;
typedef struct restante_redo_verification restante_redo_verification;

/** More bits of `present`. */
enum {
  RESTANTE_HAS_FROM = 256,
  RESTANTE_HAS_TO = 512
};

typedef struct restante_read_range {
  uint32_t struct_size;
  /** RESTANTE_HAS_FROM, _TO. */
  uint32_t present;
  /** Transactions that end, or records that lie, behind this LSN … */
  uint64_t after;
  /** … and not behind this one; 0: no limit. */
  uint64_t until;
  /** Only this account's; empty for all. */
  restante_view account_id;
  /**
   * Only what has a commit time from the one to the other, both included. Segments that hold no such time are
   * not read, nor is what is damaged in them told.
   */
  int64_t from;
  int64_t to;
  /** For records only: those of these kinds, RESTANTE_RECORD_; all if the count is 0. */
  const uint32_t *kinds;
  size_t kind_count;
} restante_read_range;

/** A committed transaction. Its operations have what was assigned; refused elements are left out. */
typedef struct restante_logged {
  uint32_t struct_size;
  /** Always 0. */
  uint32_t reserved;
  restante_view account_id;
  /** Of the begin record; the commit's for what was appended. */
  uint64_t begin_lsn;
  /** The transaction takes effect here. */
  uint64_t commit_lsn;
  /** The segment with the commit. */
  uint64_t sequence;
  /** The host's clock when it committed, and the same forced to be monotonic. */
  int64_t wall_time;
  int64_t commit_time;
  restante_view origin_client;
  restante_view origin_session;
  restante_view origin_address;
  const restante_ops *ops;
} restante_logged;

/**
 * Reads committed transactions in the order of their commits; `range` may be NULL for all that are kept. With
 * an `until` up to the log's end, everything up to there is made durable first; otherwise what is durable
 * when `restante_cursor_next` is called is there. RESTANTE_ERROR_NOT_FOUND if the range begins before what is
 * kept.
 */
RESTANTE_API int32_t restante_redo_read(restante_redo *redo, const restante_read_range *range,
                                        restante_cursor **out_cursor, restante_error **out_error);
/**
 * The next transaction: `*out_more` is 1 and `*out_logged` is filled, valid until the next call; at the end
 * `*out_more` is 0. RESTANTE_ERROR_DAMAGED names a place that cannot be read; calling again goes on behind
 * it. One thread at a time.
 */
RESTANTE_API int32_t restante_cursor_next(restante_cursor *cursor, restante_logged *out_logged,
                                          uint32_t *out_more, restante_error **out_error);
RESTANTE_API void restante_cursor_free(restante_cursor *cursor);

/* --- Following ------------------------------------------------------------------------------------------ */

/**
 * Like `restante_redo_read` without end: `range` may be NULL for all that is kept and comes, and has nothing
 * but `after` and `account_id`. RESTANTE_ERROR_NOT_FOUND if the range begins before what is kept; a follower
 * that is not to miss anything while it is away is also a consumer, `restante_redo_set_consumer`.
 */
RESTANTE_API int32_t restante_redo_follow(restante_redo *redo, const restante_read_range *range,
                                          restante_follower **out_follower, restante_error **out_error);
/** As `restante_cursor_next`; `*out_more` is 0 when it has caught up with what is durable. */
RESTANTE_API int32_t restante_follower_next(restante_follower *follower, restante_logged *out_logged,
                                            uint32_t *out_more, restante_error **out_error);
/**
 * Waits until something was made durable behind what was read, by any process, at most `timeout_ms`:
 * `*out_more` is 1 if so, 0 if the time has passed. It may be nothing for this follower: of another account,
 * or not a commit. RESTANTE_ERROR_POISONED if nothing will come any more.
 */
RESTANTE_API int32_t restante_follower_wait(restante_follower *follower, uint64_t timeout_ms,
                                            uint32_t *out_more, restante_error **out_error);
RESTANTE_API void restante_follower_free(restante_follower *follower);

/* --- Records -------------------------------------------------------------------------------------------- */

/** Kinds of record; the numbers are pinned. */
enum {
  /** Of a newer version of restante. */
  RESTANTE_RECORD_UNKNOWN = 0,
  RESTANTE_RECORD_BEGIN = 1,
  RESTANTE_RECORD_COMMIT = 2,
  RESTANTE_RECORD_ABORT = 3,
  /** Begin and commit in one. */
  RESTANTE_RECORD_APPEND = 4,
  /** A piece of content. */
  RESTANTE_RECORD_CONTENT = 5,
  RESTANTE_RECORD_TOUCH = 6,
  /** The log was closed here, or idle. */
  RESTANTE_RECORD_MARK = 7,
  /** The host's clock went back, or far ahead. */
  RESTANTE_RECORD_CLOCK_STEP = 8,
  /** The log, or a part of its history, begins. */
  RESTANTE_RECORD_INCARNATION = 9
};

/** "begin", "clock-step" …; "unknown" for other numbers. Static. */
RESTANTE_API const char *restante_record_kind_name(uint32_t kind);

/** One record. What does not apply to its kind is 0 or empty. */
typedef struct restante_record {
  uint32_t struct_size;
  /** RESTANTE_HAS_CONTENT. */
  uint32_t present;
  /** RESTANTE_RECORD_. */
  uint32_t kind;
  /** Always 0. */
  uint32_t reserved;
  uint64_t lsn;
  /** The segment that it lies in, where in its file, and how long it is there. */
  uint64_t sequence;
  uint64_t offset;
  uint64_t bytes;
  /** The begin LSN of the transaction that it belongs to. */
  uint64_t transaction;
  /** The newest LSN known to be on the disk when it was written. */
  uint64_t durable_lsn;
  /** The host's clock when it was written, and the same forced to be monotonic. */
  int64_t wall_time;
  int64_t commit_time;
  restante_view account_id;
  restante_view origin_client;
  restante_view origin_session;
  restante_view origin_address;
  /** As begun or appended. Never NULL. */
  const restante_ops *ops;
  /** Of a commit: how many entries `restante_record_cursor_get_assigned` gives. */
  size_t assigned_count;
  /** Of the last piece of content: its name. Of another piece: 32 zeros, and how long the piece is. */
  restante_content content;
} restante_record;

/**
 * Opens the records of a range as they lie, without the bytes of content; `range` may be NULL for all that
 * are kept. Those that come later are not seen. With an `until` up to the log's end, everything up to there
 * is made durable first.
 */
RESTANTE_API int32_t restante_redo_records(restante_redo *redo, const restante_read_range *range,
                                           restante_record_cursor **out_cursor, restante_error **out_error);
/**
 * The next record: `*out_more` is 1 and `*out_record` is filled, valid until the next call; at the end
 * `*out_more` is 0. RESTANTE_ERROR_DAMAGED names a place that cannot be read; calling again goes on behind
 * it.
 */
RESTANTE_API int32_t restante_record_cursor_next(restante_record_cursor *cursor, restante_record *out_record,
                                                 uint32_t *out_more, restante_error **out_error);
/**
 * Entry `index` of what the commit that was read last tells as assigned; valid until the next record is read.
 * RESTANTE_ERROR_INVALID_ARGUMENT past the end.
 */
RESTANTE_API int32_t restante_record_cursor_get_assigned(const restante_record_cursor *cursor, size_t index,
                                                         restante_assigned *out_assigned,
                                                         restante_error **out_error);
RESTANTE_API void restante_record_cursor_free(restante_record_cursor *cursor);

/* --- Times ---------------------------------------------------------------------------------------------- */

/**
 * The LSN of the last transaction that had committed at `time`, microseconds UTC: what "restore to that time"
 * means. RESTANTE_ERROR_NOT_FOUND before the first record that is kept, RESTANTE_ERROR_INVALID_ARGUMENT in
 * the future, RESTANTE_ERROR_AMBIGUOUS where the clock went back and passed the time twice; the hint offers
 * the LSNs.
 */
RESTANTE_API int32_t restante_redo_lsn_at(restante_redo *redo, int64_t time, uint64_t *out_lsn,
                                          restante_error **out_error);

/* --- Verifying ------------------------------------------------------------------------------------------ */

/** One place where the log is not what was written. */
typedef struct restante_redo_damage {
  uint32_t struct_size;
  /** Always 0. */
  uint32_t reserved;
  /** The segment, 0 if it is not known, and where in its file. */
  uint64_t sequence;
  uint64_t offset;
  /** The first LSN that cannot be read, and the next that can; 0: none, or none in this segment. */
  uint64_t from_lsn;
  uint64_t next_lsn;
  /** What is wrong. Never NULL; lives as long as the verification. */
  const char *what;
  /**
   * The segment's file: its name in a directory, or the path by which it was given. "" where segments are
   * missing; `sequence` is then the first that is. Lives as long as the verification.
   */
  const char *file;
} restante_redo_damage;

/** What was read. */
typedef struct restante_redo_totals {
  uint32_t struct_size;
  /** Always 0. */
  uint32_t reserved;
  uint64_t segments;
  uint64_t records;
  /** Those that committed. */
  uint64_t transactions;
  uint64_t bytes;
} restante_redo_totals;

/**
 * Told how much has been read, about every MiB, on the thread that verifies. A failure ends the verification
 * and is passed on; RESTANTE_ERROR_CANCELLED is the one for "the host does not want it any more".
 */
typedef int32_t (*restante_verify_progress_function)(void *user_data, uint64_t bytes_done,
                                                     restante_error **out_error);

typedef struct restante_verify_options {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t reserved;
  /** May be NULL. */
  restante_verify_progress_function progress;
  void *progress_user_data;
} restante_verify_options;

/**
 * Reads everything that is kept: headers, the chain of segments, records, checksums, indexes. Damage is in
 * the answer, not a failure of this call; so is a segment that cannot be read. It takes as long as reading
 * the files does; `options` may be NULL.
 */
RESTANTE_API int32_t restante_redo_verify(restante_redo *redo, const restante_verify_options *options,
                                          restante_redo_verification **out_verification,
                                          restante_error **out_error);
RESTANTE_API int32_t restante_redo_verification_totals(const restante_redo_verification *verification,
                                                       restante_redo_totals *out_totals,
                                                       restante_error **out_error);
/** How many places are damaged; 0 for NULL. Verifications are immutable; any thread may read them. */
RESTANTE_API size_t
restante_redo_verification_damage_count(const restante_redo_verification *verification);
/** Damage `index`, in the order of the log. RESTANTE_ERROR_INVALID_ARGUMENT past the end. */
RESTANTE_API int32_t restante_redo_verification_get_damage(const restante_redo_verification *verification,
                                                           size_t index, restante_redo_damage *out_damage,
                                                           restante_error **out_error);

/** One file of the log. */
typedef struct restante_segment {
  uint32_t struct_size;
  /** 1: it has its index and is not written any more. */
  uint32_t sealed;
  restante_id incarnation;
  uint64_t sequence;
  uint64_t first_lsn;
  /** 0 while it is empty. */
  uint64_t last_lsn;
  /** Commit times of its first and last record, microseconds UTC. */
  int64_t first_time;
  int64_t last_time;
  uint64_t bytes;
} restante_segment;

/** LSNs, both ends included. */
typedef struct restante_lsn_range {
  uint64_t first;
  uint64_t last;
} restante_lsn_range;

/** What was found of one segment. What it points to lives as long as the verification. */
typedef struct restante_segment_verification {
  uint32_t struct_size;
  /** 1: some damage is of this file. */
  uint32_t is_damaged;
  /** Of a file that cannot be used it has the sequence, if that is known, and the size. Never NULL. */
  const restante_segment *info;
  /** As in `restante_redo_damage`. Never NULL. */
  const char *file;
  /** The records that can be read, in order; NULL without any. */
  const restante_lsn_range *readable;
  size_t readable_count;
  /**
   * Only of files without a log, of a segment that was being written: from its last record to the last byte
   * that is not zero. A torn tail, never acknowledged; or the newest records are damaged, which nothing can
   * tell.
   */
  uint64_t torn_bytes;
} restante_segment_verification;

/** How many segments there are, damaged ones too; 0 for NULL. */
RESTANTE_API size_t
restante_redo_verification_segment_count(const restante_redo_verification *verification);
/** What was found of segment `index`, oldest first. RESTANTE_ERROR_INVALID_ARGUMENT past the end. */
RESTANTE_API int32_t restante_redo_verification_get_segment(const restante_redo_verification *verification,
                                                            size_t index,
                                                            restante_segment_verification *out_segment,
                                                            restante_error **out_error);
RESTANTE_API void restante_redo_verification_free(restante_redo_verification *verification);

/* --- Keeping segments ----------------------------------------------------------------------------------- */

/** Told one segment at a time; a failure ends the listing and is passed on. */
typedef int32_t (*restante_segment_function)(void *user_data, const restante_segment *segment,
                                             restante_error **out_error);
/** Calls `each` for every segment that is kept, oldest first; the last one is being written. */
RESTANTE_API int32_t restante_redo_segments(restante_redo *redo, restante_segment_function each,
                                            void *user_data, restante_error **out_error);

/** A named reader whose position keeps segments. */
typedef struct restante_consumer {
  uint32_t struct_size;
  /** 1: it fell behind by more than it was allowed to, and keeps nothing any more. */
  uint32_t lost;
  /** 1 to 255 bytes. */
  restante_view name;
  /** Everything up to this LSN may go as far as it is concerned. */
  uint64_t position;
  /** How far it may be behind the end, in bytes and in seconds; 0: no limit. */
  uint64_t max_bytes;
  uint64_t max_age_seconds;
} restante_consumer;

/** Told one consumer at a time; a failure ends the listing and is passed on. */
typedef int32_t (*restante_consumer_function)(void *user_data, const restante_consumer *consumer,
                                              restante_error **out_error);
RESTANTE_API int32_t restante_redo_consumers(restante_redo *redo, restante_consumer_function each,
                                             void *user_data, restante_error **out_error);
/**
 * Registers a consumer (a name of 1 to 255 bytes), without limits, or moves it; positions only grow. Durable
 * when it returns. A target of sessions has one itself; a host that replays the log at its start has another,
 * with the position that its store has on the disk.
 */
RESTANTE_API int32_t restante_redo_set_consumer(restante_redo *redo, restante_view name, uint64_t position,
                                                restante_error **out_error);
/**
 * How far a consumer may be behind the end, in bytes and in seconds (0: no limit); it stays so when it moves.
 * Durable when it returns. RESTANTE_ERROR_NOT_FOUND if there is none of that name.
 */
RESTANTE_API int32_t restante_redo_limit_consumer(restante_redo *redo, restante_view name, uint64_t max_bytes,
                                                  uint64_t max_age_seconds, restante_error **out_error);
/** RESTANTE_ERROR_NOT_FOUND if there is none of that name. */
RESTANTE_API int32_t restante_redo_remove_consumer(restante_redo *redo, restante_view name,
                                                   restante_error **out_error);
/**
 * Removes segments older than `min_age_seconds` that all consumers are past; with none registered, nothing.
 * `out_count` may be NULL.
 */
RESTANTE_API int32_t restante_redo_remove_consumed(restante_redo *redo, uint64_t min_age_seconds,
                                                   uint64_t *out_count, restante_error **out_error);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_REDO_READ_H */

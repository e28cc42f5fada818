#ifndef RESTANTE_C_REDO_READ_H
#define RESTANTE_C_REDO_READ_H
/**
 * Redo log: reading it, and keeping what is to be read
 *
 * Part of restante.h, which tells the conventions.
 */

#include "redo.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_cursor restante_cursor;

typedef struct restante_read_range {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t reserved;
  /** Transactions that end behind this LSN … */
  uint64_t after;
  /** … and not behind this one; 0: no limit. */
  uint64_t until;
  /** Only this account's; empty for all. */
  restante_view account_id;
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

/* --- Keeping segments ----------------------------------------------------------------------------------- */

/** A named reader whose position keeps segments. */
typedef struct restante_consumer {
  uint32_t struct_size;
  /** 1: it fell behind by more than it was allowed to, and keeps nothing any more. Ignored when it is set. */
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
 * Registers a consumer, or moves it; positions only grow. Durable when it returns. A target of sessions has
 * one itself; a host that replays the log at its start has another, with the position that its store has on
 * the disk.
 */
RESTANTE_API int32_t restante_redo_set_consumer(restante_redo *redo, const restante_consumer *consumer,
                                                restante_error **out_error);
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

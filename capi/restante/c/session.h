#ifndef RESTANTE_C_SESSION_H
#define RESTANTE_C_SESSION_H
/**
 * Session: one run of a backup, and the backup set that it makes
 *
 * Threads: one thread calls `run`; label, progress and abort may be called by any while it runs. What a
 * crash leaves is unpublished; published sessions are whole, always.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "redo.h"
#include "source.h"
#include "target.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_session restante_session;

/** How far a session is. Totals are 0 while they are not known. */
typedef struct restante_progress {
  uint32_t struct_size;
  uint32_t reserved;
  /** The account being worked on; empty between accounts. */
  restante_view account_id;
  uint64_t accounts_done;
  uint64_t accounts_total;
  uint64_t messages_done;
  uint64_t messages_total;
  /** Content read, before compression, and how much of it the target did not have. */
  uint64_t bytes_done;
  uint64_t bytes_new;
  /** Microseconds UTC. */
  int64_t began;
  int64_t now;
} restante_progress;

/**
 * Told how far the session is, now and then, on a thread that runs it. May call `restante_session_abort`,
 * not `restante_session_run` or `restante_session_free`. Must return soon.
 */
typedef void (*restante_progress_function)(void *user_data, const restante_progress *progress);

/** Severity of what an operator is told. */
enum {
  RESTANTE_LOG_DEBUG = 0,
  RESTANTE_LOG_INFO = 1,
  RESTANTE_LOG_WARNING = 2,
  RESTANTE_LOG_ERROR = 3
};

/**
 * Told what an operator should know, one line at a time, on any thread of the session, several at once. Must
 * not call restante and must return soon.
 */
typedef void (*restante_log_function)(void *user_data, uint32_t level, const char *message);

typedef struct restante_session_options {
  uint32_t struct_size;
  /** RESTANTE_SESSION_; 0: full. */
  uint32_t kind;
  /** Ids or addresses; all accounts if the count is 0. */
  const restante_view *accounts;
  size_t account_count;
  /** The store. Required. */
  restante_source *source;
  /** NULL for a host without a redo log, which can make fulls only. */
  restante_redo *redo;
  /** For people, for example the host's name; may be NULL. */
  const char *server_name;
  /** Shown to other processes; NULL: host, pid and program. */
  const char *owner;
  /** How long transactions of an account may stay open while it is read. Milliseconds; 0: 60,000. */
  uint64_t settle_deadline_ms;
  /** Archived segments younger than this stay in the log's directory too. Seconds; 0: 3600; -1: none do. */
  int64_t keep_segments_seconds;
  /** Auto-grouped: seconds between sessions (0: a day), and sessions of a whole round (0: 7). */
  uint64_t group_interval_seconds;
  uint32_t groups;
  /** Must be 0. */
  uint32_t reserved;
  /** May be NULL. */
  restante_progress_function progress;
  void *progress_user_data;
  /** May be NULL. */
  restante_log_function log;
  void *log_user_data;
} restante_session_options;

/**
 * Gives the session its label and its place in the target. The session keeps source, redo log and target
 * alive until it is freed. RESTANTE_ERROR_BUSY with the holder's name if a session of the same server works
 * on one of the accounts, RESTANTE_ERROR_NOT_FOUND for an unknown account; nothing is then left behind.
 */
RESTANTE_API int32_t restante_session_begin(restante_target *target, const restante_session_options *options,
                                            restante_session **out_session, restante_error **out_error);
/** Known at once. Valid as long as the session; "" for NULL. */
RESTANTE_API const char *restante_session_label(const restante_session *session);

/**
 * Runs to the end on this thread and publishes; once a session. `*out_result` is a list with the one
 * session, whose status tells how it went: RESTANTE_STATUS_PARTIAL and RESTANTE_STATUS_FAILED are answers,
 * not failures of this call. A failure of this call means that nothing was published.
 */
RESTANTE_API int32_t restante_session_run(restante_session *session, restante_session_list **out_result,
                                          restante_error **out_error);
/**
 * How far it is. Any thread. `out_progress->account_id` is empty here, because the session goes on; the
 * callback has it.
 */
RESTANTE_API int32_t restante_session_progress(const restante_session *session,
                                               restante_progress *out_progress, restante_error **out_error);
/** Ends it soon as partial: accounts that are done are published. Any thread, callbacks included. */
RESTANTE_API void restante_session_abort(restante_session *session);
/** A session that was never run is discarded. Not while it runs. */
RESTANTE_API void restante_session_free(restante_session *session);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_SESSION_H */

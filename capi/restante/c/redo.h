#ifndef RESTANTE_C_REDO_H
#define RESTANTE_C_REDO_H
/**
 * Redo log
 *
 * Every change of a server's mailboxes, durable, in one order. A host feeds it in one of two ways.
 *
 * *Before the fact*: put the content, begin a transaction (durable when it returns), change the store,
 * commit with the UIDs that the store assigned, release the mailbox lock, acknowledge. After a crash
 * `restante_redo_recover` hands back what was begun and not ended; the host performs it again, looking for
 * the message id first, and ends it.
 *
 * *After the fact*: touch the account, change the store, append. After a crash the host compares the
 * accounts of `restante_redo_reconcile` with the log and appends what is missing; its source has a
 * `barrier`.
 *
 * Threads: every function on a `restante_redo` may be called by many threads at once, `close` and `free`
 * apart, which come last; appends of several threads share one disk sync. A `restante_transaction` is used
 * by one thread at a time. Calls that write may block for I/O.
 *
 * Processes: any number of them may have a log open and write to it. Opening the same directory again
 * within the process gives another handle on the same log. A forked child opens its own.
 *
 * Failures: after a failed write or sync every call answers RESTANTE_ERROR_POISONED; only closing is left.
 * RESTANTE_ERROR_NO_SPACE comes only from put_content, begin, append and touch; nothing is then changed.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "content.h"
#include "operations.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_redo restante_redo;
typedef struct restante_transaction restante_transaction;
typedef struct restante_recovery restante_recovery;

/** A place in the history of a log that is unambiguous even after a disaster. LSNs are dense, from 1. */
typedef struct restante_position {
  restante_id log;
  restante_id incarnation;
  uint64_t lsn;
} restante_position;

/** What a log that starts without its newest segment goes on from; `restante_target_newest_position`. */
typedef struct restante_continuation {
  restante_position parent;
  uint64_t parent_sequence;
} restante_continuation;

typedef struct restante_redo_options {
  uint32_t struct_size;
  /** 1: make the directory and the log if they do not exist. */
  uint32_t create;
  /** Shown to others that are refused; 64 bytes at most. NULL: "restante". */
  const char *holder;
  /** Only when a log is made: the server that it belongs to; all zero: a random id. */
  restante_id server;
  /** Only when a log is made: what it continues, or NULL. */
  const restante_continuation *continues;
  /** A segment ends when it would grow beyond this, 64 KiB to 16 GiB. 0: 100 MiB. */
  uint64_t segment_bytes;
  /** Content pieces are at most this long, 4 KiB to 4 MiB. 0: 256 KiB. */
  uint32_t piece_bytes;
  /** Waits end with RESTANTE_ERROR_TIMED_OUT after this many milliseconds. 0: 30,000. */
  uint32_t deadline_ms;
  /** For RESTANTE_SYNC_INTERVAL; at most an hour. 0: 1,000. */
  uint32_t sync_interval_ms;
  /** A segment also ends when its first record is older than this. 0: never. */
  uint32_t segment_age_seconds;
} restante_redo_options;

/**
 * Opens the log in a directory; `options` may be NULL. RESTANTE_ERROR_NOT_FOUND without `create`,
 * RESTANTE_ERROR_BUSY if another process is opening it and does not finish, or cannot share it,
 * RESTANTE_ERROR_POISONED if it failed and others have not closed it yet, RESTANTE_ERROR_DAMAGED if what
 * decides where the log ends cannot be read, RESTANTE_ERROR_DIVERGED if files of two logs lie there,
 * RESTANTE_ERROR_UNSUPPORTED for a newer format.
 */
RESTANTE_API int32_t restante_redo_open(const char *directory, const restante_redo_options *options,
                                        restante_redo **out_redo, restante_error **out_error);
/**
 * Makes everything durable and ends the use of this handle; `restante_redo_free` is all that may follow. The
 * log's files are closed when every handle on it is closed or freed, and everything that came from one is
 * freed: transactions, recoveries, completions, cursors, followers, readers and sessions. These go on working
 * until then. A failure means that lazy commits may be lost; transactions whose begin was durable come back
 * with recovery.
 */
RESTANTE_API int32_t restante_redo_close(restante_redo *redo, restante_error **out_error);
/** Closes too, if that has not happened, and says nothing about failures. */
RESTANTE_API void restante_redo_free(restante_redo *redo);

/** The server that the log belongs to; all zero for NULL or a closed handle. */
RESTANTE_API restante_id restante_redo_server(const restante_redo *redo);
/** What the log went on from when it was made; all zero if nothing, for NULL or a closed handle. */
RESTANTE_API restante_continuation restante_redo_continues(const restante_redo *redo);
/** The newest record written; all zero for NULL or a closed handle. */
RESTANTE_API restante_position restante_redo_end(const restante_redo *redo);
/** The LSN of the newest record known to be on the disk; 0 for NULL or a closed handle. */
RESTANTE_API uint64_t restante_redo_durable_end(const restante_redo *redo);
/** The number of the segment being written; 0 for NULL or a closed handle. */
RESTANTE_API uint64_t restante_redo_sequence(const restante_redo *redo);

/**
 * Writes content into the log and sets `*out_content` to its name. Content that a recent segment has is not
 * written again. It costs no sync: the begin or append that names it makes it durable.
 */
RESTANTE_API int32_t restante_redo_put_content(restante_redo *redo, restante_view account_id,
                                               const void *data, size_t size, restante_content *out_content,
                                               restante_error **out_error);
/** The same for content that comes from `read`, which is called with `user_data` until its end. */
RESTANTE_API int32_t restante_redo_put_content_from(restante_redo *redo, restante_view account_id,
                                                    restante_read_function read, void *user_data,
                                                    restante_content *out_content,
                                                    restante_error **out_error);
/**
 * Opens content that the log still has, for example to perform a recovered delivery again.
 * RESTANTE_ERROR_NOT_FOUND if its segment is gone.
 */
RESTANTE_API int32_t restante_redo_open_content(restante_redo *redo, const restante_content *content,
                                                restante_reader **out_reader, restante_error **out_error);

/** When a call is acknowledged. */
enum {
  /** begin and append: durable; commit and abort: lazy. */
  RESTANTE_SYNC_DEFAULT = 0,
  /** When it is on the disk. */
  RESTANTE_SYNC_DURABLE = 1,
  /** When it is written, which outlives the process; on the disk with the next durable call, sync or roll. */
  RESTANTE_SYNC_LAZY = 2,
  /** When it is written, or after a sync if the last one of the log is `sync_interval_ms` ago. */
  RESTANTE_SYNC_INTERVAL = 3
};

typedef struct restante_begin_options {
  uint32_t struct_size;
  /** RESTANTE_SYNC_. */
  uint32_t sync;
  /** 1: go on although a dead owner left the account unfinished (hosts that append after the fact). */
  uint32_t ignore_unrecovered;
  /** Must be 0. */
  uint32_t reserved;
  /** Where the change came from, for reports; each may be NULL, 255 bytes at most. */
  const char *origin_client;
  const char *origin_session;
  const char *origin_address;
} restante_begin_options;

/**
 * Declares that the host is about to perform `ops` on the account; UIDs, MODSEQs and ids may be unset. When
 * it returns it is durable, unless the options say otherwise; `options` may be NULL. The list is copied.
 * RESTANTE_ERROR_NEEDS_RECOVERY if a dead owner left the account unfinished.
 */
RESTANTE_API int32_t restante_redo_begin(restante_redo *redo, restante_view account_id,
                                         const restante_ops *ops, const restante_begin_options *options,
                                         restante_transaction **out_transaction, restante_error **out_error);

/**
 * Records what has already happened, as one committed transaction. `out_lsn` may be NULL. Failures as with
 * `restante_redo_begin`.
 */
RESTANTE_API int32_t restante_redo_append(restante_redo *redo, restante_view account_id,
                                          const restante_ops *ops, const restante_begin_options *options,
                                          uint64_t *out_lsn, restante_error **out_error);

/**
 * Durably notes, once an account and segment, that the account is about to be changed by a host that appends
 * after the fact. Cheap when it is already noted.
 */
RESTANTE_API int32_t restante_redo_touch(restante_redo *redo, restante_view account_id,
                                         restante_error **out_error);

/** Told one account id at a time; a failure ends the listing and is passed on. */
typedef int32_t (*restante_account_id_function)(void *user_data, const restante_view *account_id,
                                                restante_error **out_error);
/**
 * Calls `each` for every account that was touched or appended to before the log was opened, if the log was
 * not closed cleanly; for none if it was.
 */
RESTANTE_API int32_t restante_redo_reconcile(restante_redo *redo, restante_account_id_function each,
                                             void *user_data, restante_error **out_error);

/** Makes durable what has been written so far. */
RESTANTE_API int32_t restante_redo_sync(restante_redo *redo, restante_error **out_error);
/** Ends the current segment, sealed with its index, and starts the next. */
RESTANTE_API int32_t restante_redo_roll(restante_redo *redo, restante_error **out_error);
/**
 * For a host's housekeeping, every minute or so, on a thread that may wait: makes durable what is written,
 * ends a segment that is too old, keeps the next one ready, seals what was rolled, and marks the end of an
 * idle log.
 */
RESTANTE_API int32_t restante_redo_maintain(restante_redo *redo, restante_error **out_error);

/* --- Durability without waiting, for hosts with an event loop ------------------------------------------- */
/*                                                                                                          */
/* Call begin, commit or append with RESTANTE_SYNC_LAZY, request the LSN, and answer the client when a poll */
/* says that it is durable. Every function of this part may be called from any thread.                      */

/** Calls `work(work_data)` once, at some time, on some thread; may do so before it returns. */
typedef struct restante_executor {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t reserved;
  void *user_data;
  void (*execute)(void *user_data, void (*work)(void *work_data), void *work_data);
} restante_executor;

typedef struct restante_completions restante_completions;

/**
 * `executor` runs what waits for the disk, one piece at a time; what its `user_data` points to must live until
 * the completions are freed. NULL: `restante_completions_poll` waits itself. Counts as a handle of the log.
 */
RESTANTE_API int32_t restante_redo_completions(restante_redo *redo, const restante_executor *executor,
                                               restante_completions **out_completions,
                                               restante_error **out_error);
/** Readable when a poll has something new to say; -1 without an executor. It belongs to `completions`. */
RESTANTE_API int restante_completions_fd(const restante_completions *completions);
/** Asks that everything up to `lsn`, which was written, becomes durable. */
RESTANTE_API int32_t restante_completions_request(restante_completions *completions, uint64_t lsn,
                                                  restante_error **out_error);
/**
 * The newest LSN that is durable, at once. RESTANTE_ERROR_NOT_DURABLE when what is missing never will be;
 * RESTANTE_ERROR_TIMED_OUT once when whoever syncs did not go on: request again.
 */
RESTANTE_API int32_t restante_completions_poll(restante_completions *completions, uint64_t *out_durable_lsn,
                                               restante_error **out_error);
/** Waits for the work that is under way. */
RESTANTE_API void restante_completions_free(restante_completions *completions);

/* --- Transactions --------------------------------------------------------------------------------------- */

/** What the store assigned to an element that was begun without it, or that it refused the element. */
typedef struct restante_assigned {
  uint32_t struct_size;
  /** Index of the operation in the list. */
  uint32_t operation;
  /** Index of the message in a message put, otherwise 0. */
  uint32_t element;
  /** 1: the store did not perform this element. */
  uint32_t refused;
  /** 0 or empty: as begun. */
  uint32_t uidvalidity;
  uint32_t uid;
  uint64_t modseq;
  /** The id that the store gave instead of the one begun with. */
  restante_view id;
} restante_assigned;

/**
 * A new list with `ops` as they were done: what was assigned is filled in and what was refused is left out,
 * as `restante_cursor_next` hands operations out. Where a folder was given another id or UIDVALIDITY, the
 * operations that name it as it was begun follow. For hosts that read records themselves.
 * RESTANTE_ERROR_INVALID_ARGUMENT if an entry names no element, or assigns what such an element has not.
 */
RESTANTE_API int32_t restante_ops_with_assigned(const restante_ops *ops, const restante_assigned *assigned,
                                                size_t assigned_count, restante_ops **out_ops,
                                                restante_error **out_error);

/** The account, as begun. Valid as long as the transaction. */
RESTANTE_API restante_view restante_transaction_account(const restante_transaction *transaction);
/** The LSN of the begin record. */
RESTANTE_API uint64_t restante_transaction_begin_lsn(const restante_transaction *transaction);
/** The operations, as begun. Valid as long as the transaction; read by one thread at a time. */
RESTANTE_API const restante_ops *restante_transaction_ops(const restante_transaction *transaction);

/**
 * Ends it as done; `assigned` may be NULL with a count of 0, `out_lsn` may be NULL. `sync` is a
 * RESTANTE_SYNC_ number; lazy is enough, because begin was durable. Never RESTANTE_ERROR_NO_SPACE.
 * RESTANTE_ERROR_INVALID_ARGUMENT if it has ended, or if `assigned` names no element of it; it is then as
 * before.
 */
RESTANTE_API int32_t restante_transaction_commit(restante_transaction *transaction,
                                                 const restante_assigned *assigned, size_t assigned_count,
                                                 uint32_t sync, uint64_t *out_lsn,
                                                 restante_error **out_error);
/** Ends it as not done. */
RESTANTE_API int32_t restante_transaction_abort(restante_transaction *transaction, uint32_t sync,
                                                restante_error **out_error);
/** One that has not ended stays in doubt: recovery hands it out again. */
RESTANTE_API void restante_transaction_free(restante_transaction *transaction);

/**
 * Claims the transactions that dead owners left unfinished, of one account, or of all if `account_id` is
 * empty.
 */
RESTANTE_API int32_t restante_redo_recover(restante_redo *redo, restante_view account_id,
                                           restante_recovery **out_recovery, restante_error **out_error);
/** How many are left to take. */
RESTANTE_API size_t restante_recovery_count(const restante_recovery *recovery);
/**
 * Takes the next one, in the order of their beginnings, and makes it the caller's; `*out_transaction` is
 * NULL when none is left.
 */
RESTANTE_API int32_t restante_recovery_next(restante_recovery *recovery,
                                            restante_transaction **out_transaction,
                                            restante_error **out_error);
/** Those not taken stay in doubt; recovering again hands them out. */
RESTANTE_API void restante_recovery_free(restante_recovery *recovery);

/** A transaction that was begun and has not ended. */
typedef struct restante_unfinished {
  uint32_t struct_size;
  /** 0 while somebody who lives has it in hand; 1: `restante_redo_recover` hands it out. */
  uint32_t claimable;
  restante_view account_id;
  uint64_t begin_lsn;
  int64_t begin_time;
  /** 1: a restore that did not end. */
  uint32_t is_rewind;
  /** Always 0. */
  uint32_t reserved;
} restante_unfinished;

/** Told one transaction at a time; a failure ends the listing and is passed on. */
typedef int32_t (*restante_unfinished_function)(void *user_data, const restante_unfinished *unfinished,
                                                restante_error **out_error);
/** Calls `each` for every transaction that is open, by its beginning. Cheap, and no disk is waited for. */
RESTANTE_API int32_t restante_redo_unfinished(restante_redo *redo, restante_unfinished_function each,
                                              void *user_data, restante_error **out_error);

/*
 * For hosts that take a copy of a mailbox themselves while it is being changed: the changes that may be half
 * in it are those of transactions that were open when it began, and a copy that shows something of a
 * transaction that was then aborted must be taken again.
 */

/** The lowest begin LSN of the account's transactions that are open; 0 if none is. */
RESTANTE_API int32_t restante_redo_oldest_open(restante_redo *redo, restante_view account_id,
                                               uint64_t *out_begin_lsn, restante_error **out_error);
/**
 * Waits until every transaction of the account that is open now has ended, at most `deadline_ms`:
 * RESTANTE_ERROR_TIMED_OUT names the oldest that has not. With 0 it does not wait.
 */
RESTANTE_API int32_t restante_redo_wait_for_open(restante_redo *redo, restante_view account_id,
                                                 uint64_t deadline_ms, restante_error **out_error);
/** `*out_aborted` is 1 if a transaction of the account was aborted behind the LSN `after`, else 0. */
RESTANTE_API int32_t restante_redo_aborted_since(restante_redo *redo, restante_view account_id,
                                                 uint64_t after, uint32_t *out_aborted,
                                                 restante_error **out_error);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_REDO_H */

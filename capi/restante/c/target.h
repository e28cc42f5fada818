#ifndef RESTANTE_C_TARGET_H
#define RESTANTE_C_TARGET_H
/**
 * Backup target
 *
 * Where sessions, archived redo logs and content are kept. Several processes may have one target open.
 * Threads: every function may be called by several threads at once, `free` apart.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "redo.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_target restante_target;
typedef struct restante_session_list restante_session_list;
typedef struct restante_account_list restante_account_list;

typedef struct restante_target_options {
  uint32_t struct_size;
  /** Only for create: zstd level, 1 to 19. 0: 3. */
  int32_t compression_level;
  /**
   * Where this machine keeps its index of the target; never on a network file system. A directory for each
   * target is made below it. NULL: "/var/lib/restante".
   */
  const char *state_directory;
  /**
   * What this process holds of an encrypted target: a key file, or a passphrase; NULL for neither. A target is
   * encrypted if it is created with one; opening it needs one, and one that is not encrypted is refused with
   * one. `authority` is needed with a key that was added by its public keys alone; else NULL.
   */
  const char *key_file;
  const char *passphrase;
  const char *authority;
} restante_target_options;

/**
 * Makes an empty target in a local directory, which is made if needed; `options` may be NULL.
 * RESTANTE_ERROR_ALREADY_EXISTS if there is one.
 */
RESTANTE_API int32_t restante_target_create(const char *directory, const restante_target_options *options,
                                            restante_target **out_target, restante_error **out_error);
/**
 * RESTANTE_ERROR_NOT_FOUND where there is none, RESTANTE_ERROR_UNSUPPORTED for one of a newer format,
 * RESTANTE_ERROR_PERMISSION for an encrypted one without a key or with one that was removed,
 * RESTANTE_ERROR_INVALID_ARGUMENT with a wrong one, RESTANTE_ERROR_DIVERGED if it was rolled back behind what
 * this machine has seen.
 */
RESTANTE_API int32_t restante_target_open(const char *directory, const restante_target_options *options,
                                          restante_target **out_target, restante_error **out_error);
/** Sessions that were begun on it keep what they need. */
RESTANTE_API void restante_target_free(restante_target *target);
/** All zero for NULL. */
RESTANTE_API restante_id restante_target_id(const restante_target *target);

/** Kinds of session; the numbers are pinned. Published sessions are of the first two types. */
enum {
  /** Everything of each account. */
  RESTANTE_SESSION_FULL = 1,
  /** The redo log since the last session; a full of accounts that have none. */
  RESTANTE_SESSION_INCREMENTAL = 2,
  /** New accounts, those due, and the oldest fulls until one group is reached. */
  RESTANTE_SESSION_AUTO_GROUPED = 3,
  /** A full folded from the last full and the log, without reading the store. */
  RESTANTE_SESSION_SYNTHETIC = 4
};

/** How a session stands or ended; the numbers are pinned. */
enum {
  RESTANTE_STATUS_RUNNING = 1,
  RESTANTE_STATUS_COMPLETED = 2,
  /** Some accounts failed, or it was aborted; its completed accounts are usable. */
  RESTANTE_STATUS_PARTIAL = 3,
  /** No account was completed. */
  RESTANTE_STATUS_FAILED = 4,
  /** Its owner is gone and it was not published. */
  RESTANTE_STATUS_INTERRUPTED = 5
};

/** How an account stands in a session; the numbers are pinned. */
enum {
  RESTANTE_ACCOUNT_NOT_STARTED = 1,
  RESTANTE_ACCOUNT_IN_PROGRESS = 2,
  RESTANTE_ACCOUNT_COMPLETED = 3,
  RESTANTE_ACCOUNT_ERROR = 4
};

/** "full", "incremental"; "unknown" for other numbers. Static. */
RESTANTE_API const char *restante_session_type_name(uint32_t type);
/** "completed", "partial" …; "unknown" for other numbers. Static. */
RESTANTE_API const char *restante_session_status_name(uint32_t status);
/** "completed", "error" …; "unknown" for other numbers. Static. */
RESTANTE_API const char *restante_account_status_name(uint32_t status);

/** Which sessions are wanted. Members that are 0, empty or NULL do not restrict. */
typedef struct restante_session_query {
  uint32_t struct_size;
  /** RESTANTE_SESSION_FULL or RESTANTE_SESSION_INCREMENTAL. */
  uint32_t type;
  const char *label;
  /** Only sessions that have this account, by id or address. */
  restante_view account;
  /** Begun at or after, at or before. Microseconds UTC. */
  int64_t from;
  int64_t to;
  /** 1: leave out running and interrupted ones. */
  uint32_t published_only;
  /** Must be 0. */
  uint32_t reserved;
} restante_session_query;

/** The sessions that match, newest first; `query` may be NULL for all. */
RESTANTE_API int32_t restante_target_sessions(const restante_target *target,
                                              const restante_session_query *query,
                                              restante_session_list **out_sessions,
                                              restante_error **out_error);
/** A list with the one session of this label. RESTANTE_ERROR_NOT_FOUND names the nearest labels. */
RESTANTE_API int32_t restante_target_session(const restante_target *target, const char *label,
                                             restante_session_list **out_sessions,
                                             restante_error **out_error);
/** Every account in all sessions, by id. */
RESTANTE_API int32_t restante_target_accounts(const restante_target *target,
                                              restante_account_list **out_accounts,
                                              restante_error **out_error);
/**
 * Asks the owner of a running session, in whatever process, to end it; it ends as partial.
 * RESTANTE_ERROR_NOT_FOUND if no such session is running.
 */
RESTANTE_API int32_t restante_target_request_abort(const restante_target *target, const char *label,
                                                   restante_error **out_error);
/** Takes away what an interrupted session left. RESTANTE_ERROR_BUSY while it is alive. */
RESTANTE_API int32_t restante_target_discard_interrupted(const restante_target *target, const char *label,
                                                         restante_error **out_error);
/**
 * The highest position in the archive of a server's logs, for `restante_redo_options.continues` when the
 * log's directory was lost. RESTANTE_ERROR_NOT_FOUND if nothing of that server is archived.
 */
RESTANTE_API int32_t restante_target_newest_position(const restante_target *target,
                                                     const restante_id *server,
                                                     restante_continuation *out_position,
                                                     restante_error **out_error);

/** One session. Strings are never NULL and live as long as the list. */
typedef struct restante_session_info {
  uint32_t struct_size;
  /** RESTANTE_SESSION_FULL or RESTANTE_SESSION_INCREMENTAL. */
  uint32_t type;
  /** RESTANTE_STATUS_. */
  uint32_t status;
  uint32_t reserved;
  /** "full-20070712.155951.123": type and GMT time of the beginning. */
  const char *label;
  const char *server_name;
  /** While it runs: who runs it. */
  const char *owner;
  /** Why the session as a whole ended early; "" if it did not. */
  const char *error;
  restante_id server;
  /** What "restore to this label" means; all zero without a redo log. */
  restante_position position;
  /** Microseconds UTC. `ended` is the last sign of life of one that runs. */
  int64_t began;
  int64_t ended;
  /** Archived segments that it added; 0 and 0 for none. */
  uint64_t first_sequence;
  uint64_t last_sequence;
  uint64_t bytes_read;
  uint64_t bytes_stored;
  /** How many accounts `restante_session_list_get_account` gives. */
  uint64_t account_count;
} restante_session_info;

/** One account in one session. Views live as long as the list. */
typedef struct restante_session_account {
  uint32_t struct_size;
  /** RESTANTE_ACCOUNT_. */
  uint32_t status;
  /** 1: the session holds a full of this account. */
  uint32_t full;
  /** 1: the account did not exist any more when the session ran. */
  uint32_t deleted;
  restante_view id;
  restante_view address;
  /** Why it failed; "" if it did not. Never NULL. */
  const char *error;
  /**
   * LSNs. States exist for stops at or behind `consistent_at`; replay needs the log from `redo_start`. 0
   * without a redo log.
   */
  uint64_t snapshot_at;
  uint64_t redo_start;
  uint64_t consistent_at;
  uint64_t messages;
  uint64_t bytes;
  /** RESTANTE_FIELD_ bits that the source kept. */
  uint32_t fields;
  uint32_t reserved;
} restante_session_account;

/** How many sessions the list holds; 0 for NULL. Lists are immutable; any thread may read them. */
RESTANTE_API size_t restante_session_list_count(const restante_session_list *sessions);
/** Session `index`. RESTANTE_ERROR_INVALID_ARGUMENT past the end. */
RESTANTE_API int32_t restante_session_list_get(const restante_session_list *sessions, size_t index,
                                               restante_session_info *out_info, restante_error **out_error);
/**
 * Account `account_index` of session `index`, sorted by id; an incremental lists those that it touched.
 * RESTANTE_ERROR_INVALID_ARGUMENT past the end.
 */
RESTANTE_API int32_t restante_session_list_get_account(const restante_session_list *sessions, size_t index,
                                                       size_t account_index,
                                                       restante_session_account *out_account,
                                                       restante_error **out_error);
RESTANTE_API void restante_session_list_free(restante_session_list *sessions);

/** One account in all sessions together. Views live as long as the list. */
typedef struct restante_target_account {
  uint32_t struct_size;
  uint32_t reserved;
  restante_view id;
  restante_view address;
  /** Label of the session with its latest full; "" if there is none. Never NULL. */
  const char *full_label;
  /** Of that full; an LSN, 0 without a redo log. */
  uint64_t consistent_at;
} restante_target_account;

/** How many accounts the list holds; 0 for NULL. Lists are immutable; any thread may read them. */
RESTANTE_API size_t restante_account_list_count(const restante_account_list *accounts);
/** Account `index`. RESTANTE_ERROR_INVALID_ARGUMENT past the end. */
RESTANTE_API int32_t restante_account_list_get(const restante_account_list *accounts, size_t index,
                                               restante_target_account *out_account,
                                               restante_error **out_error);
RESTANTE_API void restante_account_list_free(restante_account_list *accounts);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_TARGET_H */

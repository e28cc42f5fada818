#ifndef RESTANTE_C_SOURCE_H
#define RESTANTE_C_SOURCE_H
/**
 * Source: how a mail store is read
 *
 * Threads: a session calls the table from the threads that run it. Calls for one account never overlap;
 * calls for different accounts may. From inside a callback the host may call everything that works on
 * other objects, the redo log and `restante_session_abort` included; not the running session's `_run` or
 * `_free`.
 *
 * Failures: what a callback answers for an account becomes that account's error in the session, message
 * included, and the session goes on with the others. A listing that fails keeps it from beginning.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "content.h"
#include "operations.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The fields that a store keeps; a comparison of two states looks at what both keep. */
enum {
  RESTANTE_FIELD_UID = 1 << 0,
  RESTANTE_FIELD_UIDNEXT = 1 << 1,
  RESTANTE_FIELD_MODSEQ = 1 << 2,
  RESTANTE_FIELD_EMAIL_ID = 1 << 3,
  RESTANTE_FIELD_THREAD_ID = 1 << 4,
  RESTANTE_FIELD_INTERNAL_DATE = 1 << 5,
  RESTANTE_FIELD_SAVE_DATE = 1 << 6,
  RESTANTE_FIELD_KEYWORDS = 1 << 7,
  RESTANTE_FIELD_TAGS = 1 << 8,
  RESTANTE_FIELD_VIEWER_FLAGS = 1 << 9,
  RESTANTE_FIELD_ATTRIBUTES = 1 << 10,
  RESTANTE_FIELD_SPECIAL_USE = 1 << 11,
  RESTANTE_FIELD_ITEMS = 1 << 12,
  /** The message id survives the message's removal and return. */
  RESTANTE_FIELD_MESSAGE_ID = 1 << 13
};

/** Takes accounts during `list_accounts`; belongs to the library. */
typedef struct restante_account_sink restante_account_sink;
/** Takes operations during `snapshot` and `server_data`; belongs to the library. */
typedef struct restante_op_sink restante_op_sink;
/** Takes the answer of `open_content`; belongs to the library. */
typedef struct restante_content_reply restante_content_reply;

/** Names the content of a message, or of an item if `item_kind` is not empty. */
typedef struct restante_content_place {
  uint32_t struct_size;
  /** RESTANTE_HAS_CONTENT. */
  uint32_t present;
  restante_view folder_id;
  restante_view message_id;
  restante_view item_kind;
  restante_view item_id;
  /** As the snapshot or the log told it, if it did. */
  restante_content content;
  uint32_t uid;
  uint32_t reserved;
} restante_content_place;

/** The callbacks of a store. Those marked optional may be NULL. `user_data` is given to each. */
typedef struct restante_source_vtable {
  uint32_t struct_size;
  /** RESTANTE_FIELD_ bits that the store keeps. */
  uint32_t fields;
  void *user_data;

  /** Optional. Called once, when no session uses the source any more and it was freed. */
  restante_release_function release;

  /**
   * Puts every account of the store into `accounts`, in any order, each once. Called by
   * `restante_session_begin`; the others are called by `restante_session_run`.
   */
  int32_t (*list_accounts)(void *user_data, restante_account_sink *accounts, restante_error **out_error);

  /**
   * Puts into `ops` the operations that recreate the mailbox from nothing: account, folders, messages, items,
   * in any order but folders before their messages. It reads committed changes only and may run while they
   * go on. RESTANTE_ERROR_NOT_FOUND when the account is gone.
   */
  int32_t (*snapshot)(void *user_data, const restante_view *account_id, restante_op_sink *ops,
                      restante_error **out_error);

  /**
   * Answers with one `restante_content_reply_` call. RESTANTE_ERROR_NOT_FOUND when the message or item has
   * gone since; that is no failure if the redo log says so too. RESTANTE_ERROR_UNSUPPORTED for an item that
   * has no content at all: items whose snapshot names none are asked for.
   */
  int32_t (*open_content)(void *user_data, const restante_view *account_id,
                          const restante_content_place *place, restante_content_reply *reply,
                          restante_error **out_error);

  /**
   * Optional; for hosts that append after the fact. Returns when every change of the account that had
   * happened at the call is in the redo log.
   */
  int32_t (*barrier)(void *user_data, const restante_view *account_id, restante_error **out_error);

  /**
   * Optional. Puts item operations for the server itself: directory, system tables, configuration. Their
   * content is opened with the account RESTANTE_SERVER_ACCOUNT.
   */
  int32_t (*server_data)(void *user_data, restante_op_sink *ops, restante_error **out_error);

  /**
   * Optional, both or none; for hosts without a redo log. Between the two calls the mailbox does not change.
   */
  int32_t (*suspend)(void *user_data, const restante_view *account_id, restante_error **out_error);
  int32_t (*resume)(void *user_data, const restante_view *account_id, restante_error **out_error);
} restante_source_vtable;

/** A store that sessions can read. Any thread; any number of sessions at once. */
typedef struct restante_source restante_source;

/** Copies the table. If it fails, `release` is not called. */
RESTANTE_API int32_t restante_source_new(const restante_source_vtable *vtable, restante_source **out_source,
                                         restante_error **out_error);
/** `release` is called now, or when the last session that uses the source is freed. */
RESTANTE_API void restante_source_free(restante_source *source);

/** Only inside `list_accounts`. A failure is to be answered by the callback as it is. */
RESTANTE_API int32_t restante_account_sink_put(restante_account_sink *sink, const restante_account *account,
                                               restante_error **out_error);

/**
 * Moves the operations of the list into the sink; the list is empty afterwards and can be filled again, so
 * that a large mailbox needs no large list. Only inside the callback that got the sink, on its thread. A
 * failure is to be answered by the callback as it is; the session ends with it in any case.
 */
RESTANTE_API int32_t restante_op_sink_put(restante_op_sink *sink, restante_ops *ops,
                                          restante_error **out_error);
/**
 * For a store that keeps its last applied LSN with its data: the snapshot is exactly the state at that
 * position of the log. Only inside `snapshot`.
 */
RESTANTE_API int32_t restante_op_sink_set_as_of(restante_op_sink *sink, uint64_t lsn,
                                                restante_error **out_error);

/** Answers with bytes, which are copied. Only inside `open_content`, once. */
RESTANTE_API int32_t restante_content_reply_bytes(restante_content_reply *reply, const void *data,
                                                  size_t size, restante_error **out_error);
/**
 * Answers with a function that reads the content, called with `user_data` after `open_content` has returned,
 * on any thread of the session, one at a time. `release` may be NULL; it is called once, at the end of the
 * content or before, also if `open_content` fails after this call. Only inside `open_content`, once. If this
 * call fails, `release` is not called.
 */
RESTANTE_API int32_t restante_content_reply_reader(restante_content_reply *reply, restante_read_function read,
                                                   void *user_data, restante_release_function release,
                                                   restante_error **out_error);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_SOURCE_H */

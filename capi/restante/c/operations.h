#ifndef RESTANTE_C_OPERATIONS_H
#define RESTANTE_C_OPERATIONS_H
/**
 * Operations
 *
 * A snapshot is the operations that make a mailbox from nothing; a redo log is the operations since. Every
 * operation is idempotent, and one on something that is not there succeeds and does nothing.
 *
 * A `restante_ops` is a list of operations. It is built with the functions that end in a verb, handed to
 * the log or to a sink, and can be filled again. One thread at a time uses it.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "mailbox.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_ops restante_ops;

/** An empty list. */
RESTANTE_API int32_t restante_ops_new(restante_ops **out_ops, restante_error **out_error);
RESTANTE_API void restante_ops_free(restante_ops *ops);
/** Empties the list. */
RESTANTE_API int32_t restante_ops_clear(restante_ops *ops, restante_error **out_error);

/*
 * Each of the following appends one operation, copying everything, and fails with
 * RESTANTE_ERROR_INVALID_ARGUMENT if the operation is not valid; the list is then as it was.
 */

/** Creates the account or replaces its record. Folders, messages and items stay. */
RESTANTE_API int32_t restante_ops_account_put(restante_ops *ops, const restante_account *account,
                                              restante_error **out_error);
/** Removes the account and all that it owns. */
RESTANTE_API int32_t restante_ops_account_delete(restante_ops *ops, restante_view account_id,
                                                 restante_error **out_error);
/**
 * Creates the folder or replaces its record; another parent or name renames the whole subtree. Another
 * UIDVALIDITY drops the folder's messages: the host puts them again. UIDNEXT and HIGHESTMODSEQ only grow.
 */
RESTANTE_API int32_t restante_ops_folder_put(restante_ops *ops, const restante_folder *folder,
                                             restante_error **out_error);
/** Removes the folder with its messages and the items that name it. Children are not touched. */
RESTANTE_API int32_t restante_ops_folder_delete(restante_ops *ops, restante_view folder_id,
                                                restante_error **out_error);
/**
 * Creates messages or replaces their records, as one operation (a bulk copy, a delivery). Each is void if
 * its folder is absent or has another UIDVALIDITY. Content comes first: `restante_redo_put_content`.
 */
RESTANTE_API int32_t restante_ops_message_put(restante_ops *ops, const restante_message *messages,
                                              size_t message_count, restante_error **out_error);
/** Removes messages of one folder. Void if the folder has another UIDVALIDITY. */
RESTANTE_API int32_t restante_ops_message_expunge(restante_ops *ops, const restante_expunge *expunge,
                                                  restante_error **out_error);
/** Changes flags, keywords and tags. Void if the folder has another UIDVALIDITY. */
RESTANTE_API int32_t restante_ops_flags_update(restante_ops *ops, const restante_flags_change *change,
                                               restante_error **out_error);
/** Creates the item or replaces its record. */
RESTANTE_API int32_t restante_ops_item_put(restante_ops *ops, const restante_item *item,
                                           restante_error **out_error);
RESTANTE_API int32_t restante_ops_item_delete(restante_ops *ops, restante_view kind, restante_view id,
                                              restante_error **out_error);
RESTANTE_API int32_t restante_ops_host_op(restante_ops *ops, const restante_host_op *host_op,
                                          restante_error **out_error);
/** For a host that restores by itself: the first operation of the transaction that logs it. */
RESTANTE_API int32_t restante_ops_rewind(restante_ops *ops, const restante_rewind *rewind,
                                         restante_error **out_error);

/** What kind of operation one is; the numbers are pinned. */
enum {
  /** Of a newer version of restante. */
  RESTANTE_OP_UNKNOWN = 0,
  RESTANTE_OP_ACCOUNT_PUT = 1,
  RESTANTE_OP_ACCOUNT_DELETE = 2,
  RESTANTE_OP_FOLDER_PUT = 3,
  RESTANTE_OP_FOLDER_DELETE = 4,
  RESTANTE_OP_MESSAGE_PUT = 5,
  RESTANTE_OP_MESSAGE_EXPUNGE = 6,
  RESTANTE_OP_FLAGS_UPDATE = 7,
  RESTANTE_OP_ITEM_PUT = 8,
  RESTANTE_OP_ITEM_DELETE = 9,
  RESTANTE_OP_HOST_OP = 10,
  /** Marks what follows in the same transaction as what a restore changed. */
  RESTANTE_OP_REWIND = 11
};

/** How many operations the list holds; 0 for NULL. */
RESTANTE_API size_t restante_ops_count(const restante_ops *ops);
/** A RESTANTE_OP_ number; RESTANTE_OP_UNKNOWN past the end. */
RESTANTE_API uint32_t restante_ops_kind(const restante_ops *ops, size_t index);

/*
 * Each of the following reads operation `index`. What it fills in is borrowed and valid until the list is
 * changed or freed. RESTANTE_ERROR_INVALID_ARGUMENT if the operation is of another kind or `index` is past
 * the end; RESTANTE_ERROR_UNSUPPORTED if it holds something of a newer version that must not be ignored.
 */

/** One line for people, "MessagePut inbox: 1 message, uid 42". Any kind. */
RESTANTE_API int32_t restante_ops_describe(const restante_ops *ops, size_t index, const char **out_text,
                                           restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_account(const restante_ops *ops, size_t index,
                                              restante_account *out_account, restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_folder(const restante_ops *ops, size_t index,
                                             restante_folder *out_folder, restante_error **out_error);
/** How many messages operation `index` puts; 0 if it is no RESTANTE_OP_MESSAGE_PUT. */
RESTANTE_API size_t restante_ops_message_count(const restante_ops *ops, size_t index);
/** Message `element` of a RESTANTE_OP_MESSAGE_PUT. */
RESTANTE_API int32_t restante_ops_get_message(const restante_ops *ops, size_t index, size_t element,
                                              restante_message *out_message, restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_expunge(const restante_ops *ops, size_t index,
                                              restante_expunge *out_expunge, restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_flags_change(const restante_ops *ops, size_t index,
                                                   restante_flags_change *out_change,
                                                   restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_item(const restante_ops *ops, size_t index, restante_item *out_item,
                                           restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_host_op(const restante_ops *ops, size_t index,
                                              restante_host_op *out_host_op, restante_error **out_error);
RESTANTE_API int32_t restante_ops_get_rewind(const restante_ops *ops, size_t index,
                                             restante_rewind *out_rewind, restante_error **out_error);
/**
 * What a RESTANTE_OP_ACCOUNT_DELETE, RESTANTE_OP_FOLDER_DELETE or RESTANTE_OP_ITEM_DELETE removes.
 * `*out_kind` is empty but for items; either pointer may be NULL.
 */
RESTANTE_API int32_t restante_ops_get_deleted(const restante_ops *ops, size_t index, restante_view *out_kind,
                                              restante_view *out_id, restante_error **out_error);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_OPERATIONS_H */

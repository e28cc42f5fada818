#ifndef RESTANTE_H
#define RESTANTE_H
/**
 * restante: backup and point-in-time restore of mail, inside the mail server's own process. The C API.
 *
 * This header is the manual. It speaks of three things: a *backup target* that keeps backup sessions, a
 * *source* through which the host's mail store is read, and a *redo log* that takes every change that the
 * host makes. A session reads the source, or archives the log, and puts the result into the target.
 *
 *     restante_error *error = NULL;
 *     restante_target *target = NULL;
 *     restante_session *session = NULL;
 *     restante_session_list *result = NULL;
 *     restante_session_options options = {.struct_size = sizeof options, .source = my_source};
 *
 *     if (restante_target_open("/var/backup/restante", NULL, &target, &error) != RESTANTE_OK ||
 *         restante_session_begin(target, &options, &session, &error) != RESTANTE_OK ||
 *         restante_session_run(session, &result, &error) != RESTANTE_OK)
 *       fprintf(stderr, "%s\n", restante_error_message(error));
 *     restante_session_list_free(result);
 *     restante_session_free(session);
 *     restante_target_free(target);
 *     restante_error_free(error);
 *
 * The same with a store behind it: examples/c. How the parts fit together: docs/guides/c-api.md.
 *
 *
 * Conventions
 * -----------
 *
 * **Answers.** A function that can fail returns RESTANTE_OK (0) or one of the negative RESTANTE_ERROR_
 * codes, whose numbers never change. Its last parameter `out_error` may be NULL; otherwise `*out_error` is
 * set by every call, to NULL upon success and to an error upon failure, which the caller frees. (So an error
 * that is still wanted must not be given to another call.) Nothing is kept per thread, nothing is printed,
 * no exception leaves the library and no signal, locale, directory or environment variable is touched.
 * Every function may fail with RESTANTE_ERROR_INVALID_ARGUMENT (a required pointer is NULL, a structure is
 * not what it says), RESTANTE_ERROR_NO_MEMORY or RESTANTE_ERROR_INTERNAL; the comments below name the other
 * reasons. After any failure the other `out_` parameters are as they were.
 *
 * **Ownership.** What is passed in is borrowed for the call and copied where it is needed longer. A handle
 * that comes out (`restante_x **out_x`) belongs to the caller, who ends it with `restante_x_free`. The
 * `_free` functions accept NULL and never fail; where an ending can fail, it is a function of its own
 * (`restante_redo_close`, `restante_transaction_commit`), and `_free` comes after it. A pointer inside what
 * a getter answers is borrowed; the getter says until when.
 *
 * **Text and bytes.** Ids and names of mailboxes are bytes that the host chose (`restante_view`); they may
 * contain any byte. Bytes that the library hands out are always followed by a NUL that their size does not
 * count, so they can be printed where they are known to be text. Paths, labels and messages are C strings.
 *
 * **Structures.** Most begin with `uint32_t struct_size`, which the caller sets to `sizeof` the structure.
 * They grow only at the end, and zero means "default" or "none" in every member: clear a structure before
 * filling it (`= {0}`), and programs compiled against an older or newer header go on working. A structure
 * longer than this library knows is accepted if its tail is all zero, else RESTANTE_ERROR_UNSUPPORTED.
 * Arrays of such structures must have one `struct_size` throughout, which is their stride. Structures
 * without `struct_size` are plain values that never change. Structures that the library fills are read up
 * to their `struct_size`, which the caller sets too; what this library does not know is cleared.
 *
 * **Instants** are microseconds since 1970-01-01T00:00:00Z, without leap seconds.
 *
 * **Threads.** Functions of one handle may be called from any thread; each section says which handles may
 * be used by several at once. The library starts no thread. A handle that a forked child inherits must not
 * be used there.
 *
 * **Callbacks** come on a thread that is inside a call of the library, never later. Pointers that a callback
 * gets are valid until it returns, unless said otherwise. A callback must return: neither longjmp nor an
 * exception of another language may pass through the library. A callback that can fail answers like the
 * library does: RESTANTE_OK, or a RESTANTE_ERROR_ code and, if it has more to say, an error made with
 * `restante_error_new` (or one that the library gave it) in `*out_error`, which the library then owns.
 * Any other number counts as RESTANTE_ERROR_INTERNAL.
 */

#include <stddef.h>
#include <stdint.h>

#define RESTANTE_VERSION_MAJOR 0
#define RESTANTE_VERSION_MINOR 1
#define RESTANTE_VERSION_PATCH 0

#if defined(__GNUC__)
#define RESTANTE_API __attribute__((visibility("default")))
#else
#define RESTANTE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ====================================================================================================== */
/* Version, bytes, errors                                                                                   */
/* ====================================================================================================== */

/** The version of the library that runs, "0.1.0". Static. */
RESTANTE_API const char *restante_version(void);

/** Bytes that somebody else owns. `data` may be NULL if `size` is 0. */
typedef struct restante_view {
  const char *data;
  size_t size;
} restante_view;

/** A C string as a view, without its NUL; an empty view for NULL. */
RESTANTE_API restante_view restante_view_of(const char *text);

/** A 128-bit id of a target, a server, a log or an incarnation. All zero means "none". */
typedef struct restante_id {
  uint8_t bytes[16];
} restante_id;

/** What functions answer; the numbers are pinned. */
enum {
  RESTANTE_OK = 0,
  /** An argument, option or configuration is wrong. Nothing was changed. */
  RESTANTE_ERROR_INVALID_ARGUMENT = -1,
  /** The named account, label, file, segment … does not exist. */
  RESTANTE_ERROR_NOT_FOUND = -2,
  /** It is there already and must not be replaced. */
  RESTANTE_ERROR_ALREADY_EXISTS = -3,
  /** Somebody else holds it; the message names the holder. Retry the call later. */
  RESTANTE_ERROR_BUSY = -4,
  /** The account has transactions whose owner died: call `restante_redo_recover` first. */
  RESTANTE_ERROR_NEEDS_RECOVERY = -5,
  /** The request has more than one answer; the message offers the candidates. */
  RESTANTE_ERROR_AMBIGUOUS = -6,
  /** No room on the device or below a configured limit. */
  RESTANTE_ERROR_NO_SPACE = -7,
  /** The operating system or the peer forbids it. */
  RESTANTE_ERROR_PERMISSION = -8,
  /** Reading or writing failed for another reason. */
  RESTANTE_ERROR_IO = -9,
  /** Bytes are not what was written: checksum, digest or structure is wrong. */
  RESTANTE_ERROR_DAMAGED = -10,
  /** Two histories share a name, for example another segment with the same sequence. */
  RESTANTE_ERROR_DIVERGED = -11,
  /** A newer format, an option of a newer version, or something this build cannot do. */
  RESTANTE_ERROR_UNSUPPORTED = -12,
  /** The call was not made durable: it failed, or was cut off by recovery. */
  RESTANTE_ERROR_NOT_DURABLE = -13,
  /** An earlier write or sync failed; only closing is left. */
  RESTANTE_ERROR_POISONED = -14,
  /** A deadline passed. */
  RESTANTE_ERROR_TIMED_OUT = -15,
  /** Ended on request. */
  RESTANTE_ERROR_CANCELLED = -16,
  /** Some objects were done and others were not; the report names them. */
  RESTANTE_ERROR_PARTIAL = -17,
  /** A restore of this account began and did not end. */
  RESTANTE_ERROR_RESTORE_UNFINISHED = -18,
  /** A defect of restante, or of a callback. Please report it. */
  RESTANTE_ERROR_INTERNAL = -19,
  /** The process has no memory left. */
  RESTANTE_ERROR_NO_MEMORY = -20
};

/** The name of a code without its prefix, "not_found"; "ok" for 0, "unknown" for other numbers. Static. */
RESTANTE_API const char *restante_code_name(int32_t code);

/** What a caller should do about a failure. */
enum {
  RESTANTE_ADVICE_NONE = 0,
  RESTANTE_ADVICE_RETRY_CALL = 1,
  RESTANTE_ADVICE_RETRY_SESSION = 2,
  RESTANTE_ADVICE_FIX_ARGUMENT = 3,
  RESTANTE_ADVICE_CALL_PERSON = 4
};

/** A RESTANTE_ADVICE_ number for a code; RESTANTE_ADVICE_CALL_PERSON for numbers that are no code. */
RESTANTE_API uint32_t restante_code_advice(int32_t code);

/** Why a call failed. Immutable; any thread may read it. */
typedef struct restante_error restante_error;

/**
 * Makes an error, for a callback to answer with. `message` is one line in lower case that says what failed
 * and where; `hint` says what to do next and may be NULL. Never NULL; without memory it is the error
 * RESTANTE_ERROR_NO_MEMORY. A `code` that is none becomes RESTANTE_ERROR_INTERNAL.
 */
RESTANTE_API restante_error *restante_error_new(int32_t code, const char *message, const char *hint);
/** The code of the failure; RESTANTE_OK for NULL. */
RESTANTE_API int32_t restante_error_code(const restante_error *error);
/** One line, lower case, without full stop. Valid as long as the error; "" for NULL. */
RESTANTE_API const char *restante_error_message(const restante_error *error);
/** What to do next, "" if there is nothing to say. Valid as long as the error; "" for NULL. */
RESTANTE_API const char *restante_error_hint(const restante_error *error);
RESTANTE_API void restante_error_free(restante_error *error);

/* ====================================================================================================== */
/* Mailboxes: accounts, folders, messages, items                                                            */
/*                                                                                                          */
/* Terms of IMAP (RFC 9051), OBJECTID (RFC 8474) and CONDSTORE (RFC 7162). The same structures go in when   */
/* a host builds operations and come out when it reads them. Ids are 1 to 1024 bytes.                       */
/* ====================================================================================================== */

/** A host-defined property, for example "mode" = "0600". Names are 1 to 255 bytes, each at most once. */
typedef struct restante_attribute {
  restante_view name;
  restante_view value;
} restante_attribute;

/** Names content: SHA-256 of the exact bytes, or a keyed digest, and their number. */
typedef struct restante_content {
  uint8_t digest[32];
  uint64_t size;
} restante_content;

/**
 * Optional members: a bit in `present` says that the member holds a value. Without it the member is ignored
 * and means "this store does not keep it", which is different from zero.
 */
enum {
  RESTANTE_HAS_CONTENT = 1,
  RESTANTE_HAS_INTERNAL_DATE = 2,
  RESTANTE_HAS_SAVE_DATE = 4,
  RESTANTE_HAS_MODSEQ = 8,
  RESTANTE_HAS_UIDNEXT = 16,
  RESTANTE_HAS_HIGHEST_MODSEQ = 32,
  RESTANTE_HAS_MOUNTPOINT = 64,
  RESTANTE_HAS_REVISION = 128
};

/** System flags of RFC 9051; \Recent is not kept. */
enum {
  RESTANTE_FLAG_SEEN = 1,
  RESTANTE_FLAG_ANSWERED = 2,
  RESTANTE_FLAG_FLAGGED = 4,
  RESTANTE_FLAG_DELETED = 8,
  RESTANTE_FLAG_DRAFT = 16
};

/** The reserved account that stands for the server: directory, system tables, local configuration. */
#define RESTANTE_SERVER_ACCOUNT "\001server"

/** A person or role with one mailbox. */
typedef struct restante_account {
  uint32_t struct_size;
  /** RESTANTE_HAS_ bits; none are defined here. */
  uint32_t present;
  /** Stable for the life of the account. */
  restante_view id;
  /** "user1@example.com"; may change. */
  restante_view address;
  /** For people; may be empty. */
  restante_view name;
  const restante_attribute *attributes;
  size_t attribute_count;
} restante_account;

/** A folder. Its path follows from `parent_id` and `name`. */
typedef struct restante_folder {
  uint32_t struct_size;
  /** RESTANTE_HAS_UIDNEXT, _HIGHEST_MODSEQ, _MOUNTPOINT. */
  uint32_t present;
  /** Never used again for another folder of the account. */
  restante_view id;
  /** Empty at the top. */
  restante_view parent_id;
  /** Bytes as the host keeps them; one level, not a path. */
  restante_view name;
  /** 0 while no server has assigned one. */
  uint32_t uidvalidity;
  uint32_t uidnext;
  uint64_t highest_modseq;
  /** RFC 6154, for example "\\Sent"; empty for none. */
  restante_view special_use;
  /** Host-defined, for example "dumpster"; empty for none. */
  restante_view role;
  /** A folder that shows another account's folder. */
  restante_view mountpoint_owner;
  restante_view mountpoint_remote_id;
  const restante_attribute *attributes;
  size_t attribute_count;
} restante_folder;

/** Flags of a viewer other than the owner, for example \Seen in a shared folder. */
typedef struct restante_viewer_flags {
  restante_view account_id;
  /** RESTANTE_FLAG_ bits. */
  uint32_t flags;
  /** Must be 0. */
  uint32_t reserved;
} restante_viewer_flags;

/** One membership of one email in one folder. */
typedef struct restante_message {
  uint32_t struct_size;
  /** RESTANTE_HAS_CONTENT, _INTERNAL_DATE, _SAVE_DATE, _MODSEQ. */
  uint32_t present;
  /** Unique within the folder, stable as long as the message stays there. */
  restante_view id;
  restante_view folder_id;
  /** Of the folder; the message is void if the folder has another. */
  uint32_t uidvalidity;
  /** 0 while unassigned. */
  uint32_t uid;
  /** RFC 8474: the same for copies of one email; empty if not kept. */
  restante_view email_id;
  restante_view thread_id;
  /** Absent in a snapshot: the session reads the content and fills it in. */
  restante_content content;
  /** RFC 9051. Microseconds UTC. */
  int64_t internal_date;
  /** RFC 8514. Microseconds UTC. */
  int64_t save_date;
  uint64_t modseq;
  /** Keywords in any order. */
  const restante_view *keywords;
  size_t keyword_count;
  /** Host tags that are no IMAP keywords, in any order. */
  const restante_view *tags;
  size_t tag_count;
  const restante_viewer_flags *viewer_flags;
  size_t viewer_flag_count;
  const restante_attribute *attributes;
  size_t attribute_count;
  /** RESTANTE_FLAG_ bits. */
  uint32_t flags;
  /** Must be 0. */
  uint32_t reserved;
} restante_message;

/** Everything else that a mailbox owns, by (kind, id): contact, calendar, subscription, Sieve script … */
typedef struct restante_item {
  uint32_t struct_size;
  /** RESTANTE_HAS_CONTENT, _MODSEQ, _REVISION. */
  uint32_t present;
  /** A short host-defined word; restante's own stores use "subscription" and "file". */
  restante_view kind;
  restante_view id;
  /** The folder that it goes away with; empty for none. */
  restante_view folder_id;
  /** The item that contains it; empty for none. */
  restante_view parent;
  uint32_t uid;
  uint32_t flags;
  uint64_t modseq;
  uint64_t revision;
  restante_content content;
  /** In any order. */
  const restante_view *tags;
  size_t tag_count;
  const restante_attribute *attributes;
  size_t attribute_count;
} restante_item;

/** Addresses messages of one folder, by UID or by message id; either list may be empty, not both. */
typedef struct restante_message_set {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t reserved;
  const uint32_t *uids;
  size_t uid_count;
  const restante_view *message_ids;
  size_t message_id_count;
} restante_message_set;

/** Removal of messages of one folder. */
typedef struct restante_expunge {
  uint32_t struct_size;
  /** RESTANTE_HAS_MODSEQ. */
  uint32_t present;
  restante_view folder_id;
  uint64_t modseq;
  const restante_message_set *messages;
  uint32_t uidvalidity;
  /** Must be 0. */
  uint32_t reserved;
} restante_expunge;

/** What a change of flags does with those that are there. */
enum {
  /** Flags, keywords and tags become what is given. */
  RESTANTE_FLAGS_REPLACE = 0,
  RESTANTE_FLAGS_ADD = 1,
  RESTANTE_FLAGS_REMOVE = 2
};

/** Change of flags, keywords and tags of messages of one folder. */
typedef struct restante_flags_change {
  uint32_t struct_size;
  /** RESTANTE_HAS_MODSEQ. */
  uint32_t present;
  restante_view folder_id;
  const restante_message_set *messages;
  uint32_t uidvalidity;
  /** RESTANTE_FLAGS_REPLACE, _ADD or _REMOVE. */
  uint32_t mode;
  uint64_t modseq;
  const restante_view *keywords;
  size_t keyword_count;
  const restante_view *tags;
  size_t tag_count;
  /** If not empty, `flags` are those of this viewer, and keywords and tags are none. */
  restante_view viewer_account;
  /** RESTANTE_FLAG_ bits. */
  uint32_t flags;
  /** Must be 0. */
  uint32_t reserved;
} restante_flags_change;

/** Something that only the host understands, kept in order. */
typedef struct restante_host_op {
  uint32_t struct_size;
  /** Must be 0. */
  uint32_t present;
  /** Which host it is for, and what it is called there. */
  restante_view host;
  restante_view name;
  /** The item that it changes; a later put of that item supersedes it. May be empty. */
  restante_view item_kind;
  restante_view item_id;
  restante_view data;
} restante_host_op;

/* ====================================================================================================== */
/* Operations                                                                                               */
/*                                                                                                          */
/* A snapshot is the operations that make a mailbox from nothing; a redo log is the operations since. Every */
/* operation is idempotent, and one on something that is not there succeeds and does nothing.               */
/*                                                                                                          */
/* A `restante_ops` is a list of operations. It is built with the functions that end in a verb, handed to   */
/* the log or to a sink, and can be filled again. One thread at a time uses it.                             */
/* ====================================================================================================== */

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
/**
 * What a RESTANTE_OP_ACCOUNT_DELETE, RESTANTE_OP_FOLDER_DELETE or RESTANTE_OP_ITEM_DELETE removes.
 * `*out_kind` is empty but for items; either pointer may be NULL.
 */
RESTANTE_API int32_t restante_ops_get_deleted(const restante_ops *ops, size_t index, restante_view *out_kind,
                                              restante_view *out_id, restante_error **out_error);

/* ====================================================================================================== */
/* Content                                                                                                  */
/* ====================================================================================================== */

/**
 * Reads the next bytes of some content: fills the beginning of `buffer` (`size` is at least 1) and sets
 * `*out_read` to how many bytes, 0 at the end only. Called by one thread at a time, not after it failed or
 * reached the end.
 */
typedef int32_t (*restante_read_function)(void *user_data, void *buffer, size_t size, size_t *out_read,
                                          restante_error **out_error);
/** Told once that `user_data` will not be used any more. */
typedef void (*restante_release_function)(void *user_data);

/** Content being read, from its beginning to its end, by one thread at a time. */
typedef struct restante_reader restante_reader;

/**
 * Fills the beginning of `buffer` and sets `*out_read`, 0 at the end only. RESTANTE_ERROR_DAMAGED instead of
 * the last bytes if they are not what was written; RESTANTE_ERROR_IO.
 */
RESTANTE_API int32_t restante_reader_read(restante_reader *reader, void *buffer, size_t size,
                                          size_t *out_read, restante_error **out_error);
/** May come before the end. */
RESTANTE_API void restante_reader_free(restante_reader *reader);

/* ====================================================================================================== */
/* Redo log                                                                                                 */
/*                                                                                                          */
/* Every change of a server's mailboxes, durable, in one order. A host feeds it in one of two ways.         */
/*                                                                                                          */
/* *Before the fact*: put the content, begin a transaction (durable when it returns), change the store,     */
/* commit with the UIDs that the store assigned, release the mailbox lock, acknowledge. After a crash       */
/* `restante_redo_recover` hands back what was begun and not ended; the host performs it again, looking for */
/* the message id first, and ends it.                                                                       */
/*                                                                                                          */
/* *After the fact*: touch the account, change the store, append. After a crash the host compares the       */
/* accounts of `restante_redo_reconcile` with the log and appends what is missing; its source has a         */
/* `barrier`.                                                                                               */
/*                                                                                                          */
/* Threads: every function on a `restante_redo` may be called by many threads at once, `close` and `free`   */
/* apart, which come last; appends of several threads share one disk sync. A `restante_transaction` is used */
/* by one thread at a time. Calls that write may block for I/O.                                             */
/*                                                                                                          */
/* Processes: any number of them may have a log open and write to it. Opening the same directory again      */
/* within the process gives another handle on the same log. A forked child opens its own.                   */
/*                                                                                                          */
/* Failures: after a failed write or sync every call answers RESTANTE_ERROR_POISONED; only closing is left. */
/* RESTANTE_ERROR_NO_SPACE comes only from put_content, begin, append and touch; nothing is then changed.   */
/* ====================================================================================================== */

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
 * RESTANTE_ERROR_BUSY if another process has it, RESTANTE_ERROR_DAMAGED if what decides where the log ends
 * cannot be read, RESTANTE_ERROR_DIVERGED if files of two logs lie there, RESTANTE_ERROR_UNSUPPORTED for a
 * newer format.
 */
RESTANTE_API int32_t restante_redo_open(const char *directory, const restante_redo_options *options,
                                        restante_redo **out_redo, restante_error **out_error);
/**
 * Makes everything durable and ends the use of this handle; `restante_redo_free` is all that may follow. The
 * log's files are closed when every handle on it is closed or freed, and every transaction, recovery, reader
 * and session that came from one is freed. A failure means that lazy commits may be lost;
 * transactions whose begin was durable come back with recovery.
 */
RESTANTE_API int32_t restante_redo_close(restante_redo *redo, restante_error **out_error);
/** Closes too, if that has not happened, and says nothing about failures. */
RESTANTE_API void restante_redo_free(restante_redo *redo);

/** The server that the log belongs to; all zero for NULL or a closed handle. */
RESTANTE_API restante_id restante_redo_server(const restante_redo *redo);
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
 * keeps the next segment ready, seals what was rolled, and marks the end of an idle log.
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

/* --- Reading -------------------------------------------------------------------------------------------- */

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

/* ====================================================================================================== */
/* Source: how a mail store is read                                                                         */
/*                                                                                                          */
/* Threads: a session calls the table from the threads that run it. Calls for one account never overlap;    */
/* calls for different accounts may. From inside a callback the host may call everything that works on      */
/* other objects, the redo log and `restante_session_abort` included; not the running session's `_run` or   */
/* `_free`.                                                                                                 */
/*                                                                                                          */
/* Failures: what a callback answers for an account becomes that account's error in the session, message    */
/* included, and the session goes on with the others. A listing that fails keeps it from beginning.         */
/* ====================================================================================================== */

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

/* ====================================================================================================== */
/* Backup target                                                                                            */
/*                                                                                                          */
/* Where sessions, archived redo logs and content are kept. Several processes may have one target open.     */
/* Threads: every function may be called by several threads at once, `free` apart.                          */
/* ====================================================================================================== */

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
} restante_target_options;

/**
 * Makes an empty target in a local directory, which is made if needed; `options` may be NULL.
 * RESTANTE_ERROR_ALREADY_EXISTS if there is one.
 */
RESTANTE_API int32_t restante_target_create(const char *directory, const restante_target_options *options,
                                            restante_target **out_target, restante_error **out_error);
/** RESTANTE_ERROR_NOT_FOUND where there is none, RESTANTE_ERROR_UNSUPPORTED for one of a newer format. */
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

/* ====================================================================================================== */
/* Session: one run of a backup, and the backup set that it makes                                           */
/*                                                                                                          */
/* Threads: one thread calls `run`; label, progress and abort may be called by any while it runs. What a    */
/* crash leaves is unpublished; published sessions are whole, always.                                       */
/* ====================================================================================================== */

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

#endif /* RESTANTE_H */

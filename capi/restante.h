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
 * The same with a store behind it: examples/c. How the parts fit together: docs/guides/c-api.md. This header
 * is the one to include; its parts, each of which also stands alone, are
 *
 *     restante/c/base.h           version, bytes, errors
 *     restante/c/mailbox.h        accounts, folders, messages, items
 *     restante/c/operations.h     lists of operations
 *     restante/c/content.h        reading content
 *     restante/c/redo.h           the redo log: opening, writing, transactions, recovery
 *     restante/c/redo_read.h      the redo log: reading, following, verifying, keeping
 *     restante/c/redo_segments.h  the redo log: segments that lie somewhere as files
 *     restante/c/source.h         how a mail store is read
 *     restante/c/target.h         where backups are kept, and what is there
 *     restante/c/session.h        running a backup
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

#include "restante/c/base.h"
#include "restante/c/mailbox.h"
#include "restante/c/operations.h"
#include "restante/c/content.h"
#include "restante/c/redo.h"
#include "restante/c/redo_read.h"
#include "restante/c/redo_segments.h"
#include "restante/c/source.h"
#include "restante/c/target.h"
#include "restante/c/session.h"

#endif /* RESTANTE_H */

#ifndef RESTANTE_C_BASE_H
#define RESTANTE_C_BASE_H
/**
 * Version, bytes, errors
 *
 * Part of restante.h, which tells the conventions.
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

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_BASE_H */

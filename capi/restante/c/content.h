#ifndef RESTANTE_C_CONTENT_H
#define RESTANTE_C_CONTENT_H
/**
 * Content
 *
 * Part of restante.h, which tells the conventions.
 */

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_CONTENT_H */

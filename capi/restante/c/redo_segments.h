#ifndef RESTANTE_C_REDO_SEGMENTS_H
#define RESTANTE_C_REDO_SEGMENTS_H
/**
 * Segments of a redo log that lie somewhere as files: copies, what was saved from a disk, a log that does not
 * open any more
 *
 *     restante_logged logged = {.struct_size = sizeof logged};
 *     uint32_t more = 1;
 *     int32_t code = restante_segments_open_directory("/srv/old", &segments, &error);
 *     if (code == RESTANTE_OK) code = restante_segments_read(segments, NULL, &cursor, &error);
 *     while (code == RESTANTE_OK && more) {
 *       code = restante_cursor_next(cursor, &logged, &more, &error);
 *       if (code == RESTANTE_OK && more) my_apply(&logged);
 *       if (code == RESTANTE_ERROR_DAMAGED || code == RESTANTE_ERROR_NOT_FOUND) code = my_complain(&error);
 *     }
 *
 * Nothing is written, no lock is taken, and nothing is left behind by a crash. Any subset of the segments of
 * one incarnation will do, in any order. What opening found is what is seen: records that come later are not,
 * and a file that is removed, changed or cut short afterwards is damage. The segment that a living log writes
 * can be read up to what is in its file; the log itself sees more.
 *
 * Threads: every function on a `restante_segments` may be called by many threads at once. A cursor that comes
 * from one is used by one thread at a time, and outlives it; so do readers and verifications.
 *
 * Part of restante.h, which tells the conventions.
 */

#include "redo_read.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct restante_segments restante_segments;

/**
 * Opens raw segments by their files, wherever they lie; links are followed. It reads headers and footers, and
 * all of a segment that was not sealed. It succeeds whatever the files hold: see
 * `restante_segments_get_left_out`. RESTANTE_ERROR_INVALID_ARGUMENT without any path.
 */
RESTANTE_API int32_t restante_segments_open(const char *const *paths, size_t path_count,
                                            restante_segments **out_segments, restante_error **out_error);
/**
 * Opens all files of a directory that are named as segments. RESTANTE_ERROR_NOT_FOUND if there is no such
 * directory, or no such file in it.
 */
RESTANTE_API int32_t restante_segments_open_directory(const char *directory, restante_segments **out_segments,
                                                      restante_error **out_error);
RESTANTE_API void restante_segments_free(restante_segments *segments);

/** The server that the segments belong to; all zero if every file was left out, or for NULL. */
RESTANTE_API restante_id restante_segments_server(const restante_segments *segments);
/** The log and the incarnation that they belong to, and the newest LSN in them; all zero likewise. */
RESTANTE_API restante_position restante_segments_end(const restante_segments *segments);
/** How many segments there are, those left out apart; 0 for NULL. */
RESTANTE_API size_t restante_segments_count(const restante_segments *segments);
/** Segment `index`, oldest first. RESTANTE_ERROR_INVALID_ARGUMENT past the end. */
RESTANTE_API int32_t restante_segments_get(const restante_segments *segments, size_t index,
                                           restante_segment *out_segment, restante_error **out_error);

/** A file that is not among the segments, and why. Its pointers are never NULL and live as long as those. */
typedef struct restante_left_out {
  uint32_t struct_size;
  /**
   * It cannot be opened (RESTANTE_ERROR_NOT_FOUND, _PERMISSION, _IO); it is no segment, is cut short, or
   * neither copy of its header is intact (_DAMAGED); it is of a newer version (_UNSUPPORTED); it is of
   * another log or incarnation than most of the files, has the sequence of a file before it, has another
   * sequence than its name says, or is not the one that the segment behind it continues (_DIVERGED).
   */
  int32_t code;
  /** As it was given, or its name in the directory. */
  const char *path;
  /** As of an error. */
  const char *message;
  const char *hint;
  /** From the header, else from the name; 0 if neither tells. */
  uint64_t sequence;
  uint64_t bytes;
} restante_left_out;

/** How many files are left out; 0 for NULL. */
RESTANTE_API size_t restante_segments_left_out_count(const restante_segments *segments);
/** File `index` that is left out. RESTANTE_ERROR_INVALID_ARGUMENT past the end. */
RESTANTE_API int32_t restante_segments_get_left_out(const restante_segments *segments, size_t index,
                                                    restante_left_out *out_left_out,
                                                    restante_error **out_error);

/**
 * As `restante_redo_read`, with this difference: the cursor first answers RESTANTE_ERROR_DAMAGED for each
 * file that was left out, and RESTANTE_ERROR_NOT_FOUND where segments are missing between two, or for a
 * transaction that began in a segment which is not here. Calling again goes on.
 */
RESTANTE_API int32_t restante_segments_read(const restante_segments *segments,
                                            const restante_read_range *range, restante_cursor **out_cursor,
                                            restante_error **out_error);
/** As `restante_redo_records`, with the same difference; transactions may be there in part. */
RESTANTE_API int32_t restante_segments_records(const restante_segments *segments,
                                               const restante_read_range *range,
                                               restante_record_cursor **out_cursor,
                                               restante_error **out_error);
/** RESTANTE_ERROR_NOT_FOUND for content that does not lie whole in these segments. */
RESTANTE_API int32_t restante_segments_open_content(const restante_segments *segments,
                                                    const restante_content *content,
                                                    restante_reader **out_reader, restante_error **out_error);
/**
 * As `restante_redo_verify`. Files that were left out and segments that are missing between two are damage;
 * whether something is missing in front or behind cannot be known.
 */
RESTANTE_API int32_t restante_segments_verify(const restante_segments *segments,
                                              const restante_verify_options *options,
                                              restante_redo_verification **out_verification,
                                              restante_error **out_error);

#ifdef __cplusplus
}
#endif

#endif /* RESTANTE_C_REDO_SEGMENTS_H */

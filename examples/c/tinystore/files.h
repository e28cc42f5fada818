#ifndef TINYSTORE_FILES_H
#define TINYSTORE_FILES_H
/* The messages' bytes: a file each, named by the digest, so that copies and recipients share it. */

#include <restante.h>
#include <stdio.h>

enum { FILES_PATH = 4096, FILES_DIGEST = 65 };

/* 64 digits and a NUL. */
void files_digest_text(const restante_content *content, char *out_text);

/* Makes the directory. */
int32_t files_prepare(const char *directory, restante_error **out_error);
int files_have(const char *directory, const restante_content *content);
/* Sees to it that the file is there, whole and on the disk; it is made from the redo log if it is not. */
int32_t files_ensure(const char *directory, const restante_content *content, restante_redo *redo,
                     restante_error **out_error);
/* Copies the file to `out`. */
int32_t files_write_to(const char *directory, const restante_content *content, FILE *out,
                       restante_error **out_error);
/* Removes the files that `is_needed` does not want, and what killed processes left half written. */
typedef int (*files_is_needed)(void *user_data, const char *digest);
int32_t files_sweep(const char *directory, files_is_needed is_needed, void *user_data,
                    restante_error **out_error);

/* An error that says what the system's call said. */
int32_t files_fail(const char *what, restante_error **out_error);

#endif

/* Redo logs and what is written to them, for the tests. */
#ifndef REDO_SUPPORT_H
#define REDO_SUPPORT_H

#include <restante.h>

restante_view view(const char *text);

/* The log in "redo" of `scratch`; `create` as in the options. */
restante_redo *open_log(const char *scratch, uint32_t create);
void close_log(restante_redo *redo);

/* Appends to `ops` the put of one message without a UID; `content` may be NULL. */
void put_message(restante_ops *ops, const char *id, const restante_content *content);
/* A list that puts one message without a UID and content. */
restante_ops *one_message(const char *id);

/* alice: m1 with UID 7, an aborted one, m2 appended; bob: m2. The LSN of alice's commit. */
uint64_t write_four(restante_redo *redo);

/* Puts content of so many MiB, which does not compress. Its name. */
restante_content put_megabytes(restante_redo *redo, size_t count);

/* What a progress callback of a verification saw, and what it answers. */
typedef struct watched {
  int calls;
  uint64_t bytes_done;
  int went_back;
  int32_t answer;
} watched;
int32_t watch_progress(void *user_data, uint64_t bytes_done, restante_error **out_error);

/* Runs `work` in a process that then dies without closing anything. */
void in_a_process_that_dies(void (*work)(const char *scratch), const char *scratch);

#endif

#include "redo_support.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tiny_store.h"

restante_view view(const char *text) { return restante_view_of(text); }

restante_redo *open_log(const char *scratch, uint32_t create) {
  char path[CHECK_PATH_SIZE];
  restante_redo_options options = {0};
  restante_redo *redo = NULL;
  restante_error *error = NULL;
  options.struct_size = sizeof options;
  options.create = create;
  options.holder = "capi test";
  CHECK_OK(restante_redo_open(check_path(path, scratch, "redo"), &options, &redo, &error));
  return redo;
}

void close_log(restante_redo *redo) {
  restante_error *error = NULL;
  CHECK_OK(restante_redo_close(redo, &error));
  restante_redo_free(redo);
}

void put_message(restante_ops *ops, const char *id, const restante_content *content) {
  restante_message message = {0};
  restante_error *error = NULL;
  message.struct_size = sizeof message;
  message.id = view(id);
  message.folder_id = view("inbox");
  message.uidvalidity = TINY_UIDVALIDITY;
  if (content != NULL) {
    message.present = RESTANTE_HAS_CONTENT;
    message.content = *content;
  }
  CHECK_OK(restante_ops_message_put(ops, &message, 1, &error));
}

restante_ops *one_message(const char *id) {
  restante_ops *ops = NULL;
  restante_error *error = NULL;
  CHECK_OK(restante_ops_new(&ops, &error));
  put_message(ops, id, NULL);
  return ops;
}

uint64_t write_four(restante_redo *redo) {
  restante_ops *ops = one_message("m1");
  restante_transaction *transaction = NULL;
  restante_assigned assigned = {0};
  restante_begin_options options = {0};
  restante_error *error = NULL;
  uint64_t lsn = 0;
  assigned.struct_size = sizeof assigned;
  assigned.uid = 7;
  options.struct_size = sizeof options;
  options.origin_client = "capi test";
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, &options, &transaction, &error));
  CHECK_OK(restante_transaction_commit(transaction, &assigned, 1, RESTANTE_SYNC_DEFAULT, &lsn, &error));
  restante_transaction_free(transaction);
  CHECK_OK(restante_redo_begin(redo, view("alice"), ops, NULL, &transaction, &error));
  CHECK_OK(restante_transaction_abort(transaction, RESTANTE_SYNC_DEFAULT, &error));
  restante_transaction_free(transaction);
  CHECK_OK(restante_ops_clear(ops, &error));
  put_message(ops, "m2", NULL);
  CHECK_OK(restante_redo_append(redo, view("bob"), ops, NULL, NULL, &error));
  CHECK_OK(restante_redo_append(redo, view("alice"), ops, NULL, NULL, &error));
  restante_ops_free(ops);
  return lsn;
}

restante_content put_megabytes(restante_redo *redo, size_t count) {
  const size_t size = count << 20;
  unsigned char *bytes = malloc(size);
  restante_content content = {{0}, 0};
  restante_error *error = NULL;
  uint32_t random = 1;
  size_t i;
  CHECK(bytes != NULL);
  for (i = 0; bytes != NULL && i < size; i++) {
    random = random * 1664525u + 1013904223u;
    bytes[i] = (unsigned char)(random >> 24);
  }
  CHECK_OK(restante_redo_put_content(redo, view("alice"), bytes, size, &content, &error));
  CHECK_OK(restante_redo_sync(redo, &error));
  free(bytes);
  return content;
}

int32_t watch_progress(void *user_data, uint64_t bytes_done, restante_error **out_error) {
  watched *watch = user_data;
  if (bytes_done < watch->bytes_done) watch->went_back++;
  watch->bytes_done = bytes_done;
  watch->calls++;
  if (watch->answer != RESTANTE_OK) *out_error = restante_error_new(watch->answer, "seen enough", NULL);
  return watch->answer;
}

void in_a_process_that_dies(void (*work)(const char *scratch), const char *scratch) {
  int status = 0;
  pid_t child;
  fflush(stdout);
  fflush(stderr);
  child = fork();
  if (child == 0) {
    work(scratch);
    _exit(check_failures == 0 ? 0 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

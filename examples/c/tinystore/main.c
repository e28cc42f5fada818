/*
 * tinystore-c: a mail store that is small enough to read, with a redo log. The twin of examples/cpp/tinystore
 * on the C API: the same commands, the same files, side by side on one store if you like. The story is told
 * in examples/cpp/tinystore/README.md.
 *
 *     tinystore-c DIR create ACCOUNT
 *     tinystore-c DIR deliver ACCOUNT... < message      answers with the message's id
 *     tinystore-c DIR list ACCOUNT
 *     tinystore-c DIR show ACCOUNT FOLDER ID
 *     tinystore-c DIR flag ACCOUNT FOLDER ID +FLAG|-FLAG
 *     tinystore-c DIR move ACCOUNT FOLDER ID TO-FOLDER
 *     tinystore-c DIR expunge ACCOUNT FOLDER ID
 *     tinystore-c DIR recover                           what every opening does
 *     tinystore-c DIR tidy
 *     tinystore-c DIR serve                             takes commands from standard input
 *
 * `serve` reads a command a line, `deliver SIZE ACCOUNT...` followed by SIZE bytes, and answers each, when it
 * is done, with a line `ok` or `ok ID`, or `no` and the reason. Lines of `list` come before, behind `* `.
 */

#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "store.h"

enum { MAX_WORDS = 256, MAX_LINE = 16384, MAX_MESSAGE = 8 << 20 };

typedef struct flag_name {
  const char *name;
  uint32_t bit;
} flag_name;

static const flag_name flag_names[] = {{"answered", RESTANTE_FLAG_ANSWERED},
                                       {"deleted", RESTANTE_FLAG_DELETED},
                                       {"draft", RESTANTE_FLAG_DRAFT},
                                       {"flagged", RESTANTE_FLAG_FLAGGED},
                                       {"seen", RESTANTE_FLAG_SEEN}};
enum { FLAG_COUNT = sizeof flag_names / sizeof flag_names[0] };

/* Text that grows. Without memory it stays as it is, and says so. */
typedef struct text {
  char *data;
  size_t size;
  size_t room;
  int is_cut;
} text;

static void append(text *all, const char *data, size_t size) {
  if (size == 0) return;
  if (all->size + size > all->room) {
    const size_t room = 2 * (all->size + size);
    char *longer = realloc(all->data, room);
    if (longer == NULL) {
      all->is_cut = 1;
      return;
    }
    all->data = longer;
    all->room = room;
  }
  memcpy(all->data + all->size, data, size);
  all->size += size;
}

static void append_text(text *all, const char *word) { append(all, word, strlen(word)); }

static void print_text(const text *all) {
  if (all->size > 0) fwrite(all->data, 1, all->size, stdout);
}

/* --- Commands ------------------------------------------------------------------------------------------- */

typedef struct words {
  char *all[MAX_WORDS];
  size_t count;
} words;

/* What a command answers: lines, an id, or neither. */
typedef struct answer {
  text lines;
  const char *line_prefix;
  char id[STORE_ID];
} answer;

static int is(const words *command, const char *name, size_t count) {
  return command->count == count && strcmp(command->all[0], name) == 0;
}

static int32_t usage(restante_error **out_error) {
  return mailboxes_fail(RESTANTE_ERROR_INVALID_ARGUMENT, "no such command, or not like this", out_error);
}

static void list_flags(text *out, uint32_t flags) {
  const char *separator = "";
  size_t i;
  for (i = 0; i < FLAG_COUNT; i++) {
    if ((flags & flag_names[i].bit) == 0) continue;
    append_text(out, separator);
    append_text(out, flag_names[i].name);
    separator = ",";
  }
  if (*separator == '\0') append_text(out, "-");
}

static void list_message(void *user_data, restante_view folder, restante_view id,
                         const message_row *message) {
  answer *out = user_data;
  char digest[FILES_DIGEST];
  char number[64];
  files_digest_text(&message->content, digest);
  append_text(&out->lines, out->line_prefix);
  append(&out->lines, folder.data, folder.size);
  snprintf(number, sizeof number, " %lu ", (unsigned long)message->uid);
  append_text(&out->lines, number);
  list_flags(&out->lines, message->flags);
  snprintf(number, sizeof number, " %llu ", (unsigned long long)message->content.size);
  append_text(&out->lines, number);
  append_text(&out->lines, digest);
  append_text(&out->lines, " ");
  append(&out->lines, id.data, id.size);
  append_text(&out->lines, "\n");
}

static int32_t run_list(store *mail, const char *account, answer *out, restante_error **out_error) {
  const int32_t code = store_list(mail, account, list_message, out, out_error);
  if (code != RESTANTE_OK || !out->lines.is_cut) return code;
  return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
}

static int32_t run_flag(store *mail, const words *command, restante_error **out_error) {
  const char *change = command->all[4];
  size_t i;
  if (change[0] != '+' && change[0] != '-') return usage(out_error);
  for (i = 0; i < FLAG_COUNT; i++) {
    if (strcmp(change + 1, flag_names[i].name) != 0) continue;
    return store_flag(mail, command->all[1], command->all[2], command->all[3],
                      change[0] == '+' ? RESTANTE_FLAGS_ADD : RESTANTE_FLAGS_REMOVE, flag_names[i].bit,
                      out_error);
  }
  return usage(out_error);
}

/* Commands that need nothing but their words. */
static int32_t run(store *mail, const words *command, answer *out, restante_error **out_error) {
  char *const *w = command->all;
  if (command->count == 0) return usage(out_error);
  if (is(command, "list", 2)) return run_list(mail, w[1], out, out_error);
  if (is(command, "flag", 5)) return run_flag(mail, command, out_error);
  if (is(command, "create", 2)) return store_create(mail, w[1], out_error);
  if (is(command, "move", 5)) return store_move(mail, w[1], w[2], w[3], w[4], out_error);
  if (is(command, "expunge", 4)) return store_expunge(mail, w[1], w[2], w[3], out_error);
  if (is(command, "tidy", 1)) return store_tidy(mail, out_error);
  return usage(out_error);
}

static int32_t deliver(store *mail, char *const *accounts, size_t count, const text *bytes, answer *out,
                       restante_error **out_error) {
  if (count == 0) return usage(out_error);
  return store_deliver(mail, (const char *const *)accounts, count, bytes->data, bytes->size, out->id,
                       out_error);
}

/* --- One command a line --------------------------------------------------------------------------------- */

static void split(char *line, words *out) {
  char *word = strtok(line, " \t\r\n");
  for (out->count = 0; word != NULL && out->count < MAX_WORDS; word = strtok(NULL, " \t\r\n"))
    out->all[out->count++] = word;
}

static int32_t serve_delivery(store *mail, const words *command, answer *out, restante_error **out_error) {
  text bytes = {0};
  const unsigned long size = command->count < 3 ? 0 : strtoul(command->all[1], NULL, 10);
  int32_t code;
  if (command->count < 3 || size > MAX_MESSAGE) return usage(out_error);
  bytes.data = malloc(size + 1);
  if (bytes.data == NULL) return mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  bytes.size = fread(bytes.data, 1, size, stdin);
  if (bytes.size == size) {
    code = deliver(mail, command->all + 2, command->count - 2, &bytes, out, out_error);
  } else {
    code = mailboxes_fail(RESTANTE_ERROR_INVALID_ARGUMENT, "the message is shorter than it should be",
                          out_error);
  }
  free(bytes.data);
  return code;
}

static void print_answer(int32_t code, const answer *out, const restante_error *error) {
  if (code != RESTANTE_OK) {
    printf("no %s\n", restante_error_message(error));
    return;
  }
  print_text(&out->lines);
  printf(*out->id == '\0' ? "ok\n" : "ok %s\n", out->id);
}

static int serve(store *mail) {
  static char line[MAX_LINE];
  static words command;
  while (fgets(line, sizeof line, stdin) != NULL) {
    restante_error *error = NULL;
    answer out = {{0}, "* ", ""};
    int32_t code;
    split(line, &command);
    if (command.count > 0 && strcmp(command.all[0], "deliver") == 0) {
      code = serve_delivery(mail, &command, &out, &error);
    } else {
      code = run(mail, &command, &out, &error);
    }
    print_answer(code, &out, error);
    restante_error_free(error);
    free(out.lines.data);
    if (fflush(stdout) != 0) return 1;
  }
  return 0;
}

/* --- One command ---------------------------------------------------------------------------------------- */

static int32_t deliver_input(store *mail, const words *command, answer *out, restante_error **out_error) {
  char buffer[BUFSIZ];
  text bytes = {0};
  size_t count;
  int32_t code;
  while ((count = fread(buffer, 1, sizeof buffer, stdin)) > 0) append(&bytes, buffer, count);
  if (bytes.is_cut) {
    code = mailboxes_fail(RESTANTE_ERROR_NO_MEMORY, "no memory is left", out_error);
  } else {
    code = deliver(mail, command->all + 1, command->count - 1, &bytes, out, out_error);
  }
  free(bytes.data);
  return code;
}

static int32_t run_once(store *mail, const words *command, answer *out, restante_error **out_error) {
  char *const *w = command->all;
  if (strcmp(w[0], "deliver") == 0) return deliver_input(mail, command, out, out_error);
  if (is(command, "show", 4)) return store_show(mail, w[1], w[2], w[3], stdout, out_error);
  if (is(command, "recover", 1)) {
    const store_recovered done = store_what_was_recovered(mail);
    printf("replayed %llu, finished %llu\n", (unsigned long long)done.replayed,
           (unsigned long long)done.finished);
    return RESTANTE_OK;
  }
  return run(mail, command, out, out_error);
}

static int32_t run_and_print(store *mail, const words *command, restante_error **out_error) {
  answer out = {{0}, "", ""};
  const int32_t code = run_once(mail, command, &out, out_error);
  if (code == RESTANTE_OK) {
    print_text(&out.lines);
    if (*out.id != '\0') printf("%s\n", out.id);
  }
  free(out.lines.data);
  return code;
}

int main(int argc, char **argv) {
  restante_error *error = NULL;
  store *mail = NULL;
  words command;
  int32_t code;
  int result = 0;
  if (argc < 3 || argc - 2 > MAX_WORDS) {
    fprintf(stderr, "usage: tinystore-c DIR COMMAND [ARGUMENT]...\n");
    return 2;
  }
  command.count = (size_t)argc - 2;
  memcpy(command.all, argv + 2, command.count * sizeof *argv);
  code = store_open(argv[1], &mail, &error);
  if (code == RESTANTE_OK && is(&command, "serve", 1)) {
    result = serve(mail);
  } else if (code == RESTANTE_OK) {
    code = run_and_print(mail, &command, &error);
  }
  store_free(mail);
  if (code != RESTANTE_OK) fprintf(stderr, "tinystore-c: %s\n", restante_error_message(error));
  restante_error_free(error);
  if (fflush(stdout) != 0) result = 1;
  return code == RESTANTE_OK ? result : 1;
}

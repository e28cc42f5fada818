/* Test cases in plain C that answer with RESULT lines (see CONTRIBUTING.md). */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include <restante.h>

/* Failures of the case that runs. */
extern int check_failures;

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition);         \
  } while (0)
/* That `call`, which uses `&error`, succeeds. */
#define CHECK_OK(call) check_code(__FILE__, __LINE__, #call, (call), RESTANTE_OK, &error)
/* That it fails with `code` and says so in `error`, which is then freed. */
#define CHECK_CODE(code, call) check_code(__FILE__, __LINE__, #call, (call), (code), &error)
/* … and with a message that contains `part`. */
#define CHECK_FAILS(code, part, call) check_fails(__FILE__, __LINE__, #call, (call), (code), (part), &error)
#define CHECK_TEXT(expected, actual) check_text(__FILE__, __LINE__, (expected), (actual))
#define CHECK_VIEW(expected, actual) check_view(__FILE__, __LINE__, (expected), (actual))
#define CHECK_U64(expected, actual) \
  check_u64(__FILE__, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))

void check_failed(const char *file, int line, const char *what);
int check_code(const char *file, int line, const char *what, int32_t actual, int32_t expected,
               restante_error **error);
int check_fails(const char *file, int line, const char *what, int32_t actual, int32_t expected,
                const char *part, restante_error **error);
void check_text(const char *file, int line, const char *expected, const char *actual);
void check_view(const char *file, int line, const char *expected, restante_view actual);
void check_u64(const char *file, int line, const char *what, uint64_t expected, uint64_t actual);

typedef struct check_case {
  const char *name;
  /* `scratch` is an empty directory of the case's own. */
  void (*run)(const char *scratch);
} check_case;

/* Runs every case and prints its RESULT line; the exit code of the program. */
int check_run(const check_case *cases, size_t count);

/* "directory/name" in a buffer of the caller's. */
enum { CHECK_PATH_SIZE = 4096 };
const char *check_path(char *buffer, const char *directory, const char *name);

#endif

#define _XOPEN_SOURCE 700

#include "check.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

int check_failures;

void check_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: %s\n", file, line, what);
  check_failures++;
}

int check_code(const char *file, int line, const char *what, int32_t actual, int32_t expected,
               restante_error **error) {
  const int right = actual == expected && restante_error_code(*error) == expected;
  if (!right) {
    fprintf(stderr, "%s:%d: %s answered %s (%s), not %s\n", file, line, what, restante_code_name(actual),
            restante_error_message(*error), restante_code_name(expected));
    check_failures++;
  }
  restante_error_free(*error);
  *error = NULL;
  return right;
}

int check_fails(const char *file, int line, const char *what, int32_t actual, int32_t expected,
                const char *part, restante_error **error) {
  if (strstr(restante_error_message(*error), part) == NULL) {
    fprintf(stderr, "%s:%d: %s says \"%s\", nothing of \"%s\"\n", file, line, what,
            restante_error_message(*error), part);
    check_failures++;
  }
  return check_code(file, line, what, actual, expected, error);
}

void check_text(const char *file, int line, const char *expected, const char *actual) {
  if (actual != NULL && strcmp(expected, actual) == 0) return;
  fprintf(stderr, "%s:%d: \"%s\", not \"%s\"\n", file, line, actual == NULL ? "(null)" : actual, expected);
  check_failures++;
}

void check_view(const char *file, int line, const char *expected, restante_view actual) {
  if (actual.size != strlen(expected)) {
    fprintf(stderr, "%s:%d: %lu bytes, not \"%s\"\n", file, line, (unsigned long)actual.size, expected);
    check_failures++;
    return;
  }
  /* What the library hands out ends in a NUL, so this compares all of it. */
  check_text(file, line, expected, actual.data == NULL ? "" : actual.data);
}

void check_u64(const char *file, int line, const char *what, uint64_t expected, uint64_t actual) {
  if (expected == actual) return;
  fprintf(stderr, "%s:%d: %s is %llu, not %llu\n", file, line, what, (unsigned long long)actual,
          (unsigned long long)expected);
  check_failures++;
}

const char *check_path(char *buffer, const char *directory, const char *name) {
  snprintf(buffer, CHECK_PATH_SIZE, "%s/%s", directory, name);
  return buffer;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
  (void)info;
  (void)kind;
  (void)where;
  return remove(path);
}

static int run_case(const check_case *one) {
  char scratch[CHECK_PATH_SIZE];
  const char *parent = getenv("TMPDIR");
  check_failures = 0;
  check_path(scratch, parent == NULL || *parent == '\0' ? "/tmp" : parent, "restante-capi-XXXXXX");
  if (mkdtemp(scratch) == NULL) check_failed(__FILE__, __LINE__, "no scratch directory");
  else one->run(scratch);
  if (getenv("RESTANTE_KEEP_SCRATCH") == NULL) nftw(scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  return check_failures == 0;
}

int check_run(const check_case *cases, size_t count) {
  int all_passed = 1;
  size_t i;
  for (i = 0; i < count; i++) {
    const int passed = run_case(&cases[i]);
    all_passed = all_passed && passed;
    printf("RESULT %s %s\n", passed ? "passed" : "failed", cases[i].name);
    fflush(stdout);
  }
  return all_passed ? 0 : 1;
}

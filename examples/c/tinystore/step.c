#define _POSIX_C_SOURCE 200809L

#include "step.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void step(const char *name) {
  static long reached;
  const char *order = getenv("TINYSTORE_KILL");
  const size_t length = strlen(name);
  if (order == NULL || strncmp(order, name, length) != 0 || order[length] != ':') return;
  if (++reached == strtol(order + length + 1, NULL, 10)) raise(SIGKILL);
}

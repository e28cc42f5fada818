#define _POSIX_C_SOURCE 200809L

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char unfinished_prefix[] = "tmp-";
enum { ABANDONED_SECONDS = 3600, BUFFER_SIZE = 64 << 10 };

int32_t files_fail(const char *what, restante_error **out_error) {
  char message[FILES_PATH + 128];
  int32_t code = RESTANTE_ERROR_IO;
  if (errno == ENOSPC) code = RESTANTE_ERROR_NO_SPACE;
  if (errno == EACCES) code = RESTANTE_ERROR_PERMISSION;
  snprintf(message, sizeof message, "%s: %s", what, strerror(errno));
  if (out_error != NULL) *out_error = restante_error_new(code, message, NULL);
  return code;
}

void files_digest_text(const restante_content *content, char *out_text) {
  size_t i;
  for (i = 0; i < sizeof content->digest; i++) sprintf(out_text + 2 * i, "%02x", content->digest[i]);
}

static void path_of(const char *directory, const restante_content *content, char *out_path) {
  char digest[FILES_DIGEST];
  files_digest_text(content, digest);
  snprintf(out_path, FILES_PATH, "%s/%s", directory, digest);
}

int32_t files_prepare(const char *directory, restante_error **out_error) {
  return mkdir(directory, 0700) == 0 || errno == EEXIST ? RESTANTE_OK : files_fail(directory, out_error);
}

int files_have(const char *directory, const restante_content *content) {
  char path[FILES_PATH];
  path_of(directory, content, path);
  return access(path, F_OK) == 0;
}

static int32_t sync_directory(const char *directory, restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return files_fail(directory, out_error);
  if (fsync(fd) != 0) code = files_fail(directory, out_error);
  close(fd);
  return code;
}

static int32_t write_all(int fd, const char *bytes, size_t size, const char *path,
                         restante_error **out_error) {
  while (size > 0) {
    const ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno != EINTR) return files_fail(path, out_error);
    if (written > 0) bytes += written, size -= (size_t)written;
  }
  return RESTANTE_OK;
}

static int32_t copy(restante_reader *content, int fd, const char *path, restante_error **out_error) {
  char *buffer = malloc(BUFFER_SIZE);
  int32_t code = RESTANTE_OK;
  size_t count = 1;
  if (buffer == NULL) return files_fail(path, out_error);
  while (code == RESTANTE_OK && count > 0) {
    code = restante_reader_read(content, buffer, BUFFER_SIZE, &count, out_error);
    if (code == RESTANTE_OK) code = write_all(fd, buffer, count, path, out_error);
  }
  free(buffer);
  if (code == RESTANTE_OK && fsync(fd) != 0) code = files_fail(path, out_error);
  return code;
}

/* Under its own name a file is whole and on the disk: it gets that name last. */
static int32_t make(const char *directory, const char *path, restante_reader *content,
                    restante_error **out_error) {
  char unfinished[FILES_PATH];
  int32_t code;
  int fd;
  snprintf(unfinished, sizeof unfinished, "%s/%sXXXXXX", directory, unfinished_prefix);
  fd = mkstemp(unfinished);
  if (fd < 0) return files_fail(unfinished, out_error);
  code = copy(content, fd, unfinished, out_error);
  close(fd);
  if (code == RESTANTE_OK && rename(unfinished, path) != 0) code = files_fail(path, out_error);
  if (code != RESTANTE_OK) {
    unlink(unfinished);
    return code;
  }
  return sync_directory(directory, out_error);
}

int32_t files_ensure(const char *directory, const restante_content *content, restante_redo *redo,
                     restante_error **out_error) {
  char path[FILES_PATH];
  restante_reader *reader = NULL;
  int32_t code;
  /* Whoever made it may have been killed before the directory was synced, or be about to sync it. */
  if (files_have(directory, content)) return sync_directory(directory, out_error);
  path_of(directory, content, path);
  code = restante_redo_open_content(redo, content, &reader, out_error);
  if (code == RESTANTE_OK) code = make(directory, path, reader, out_error);
  restante_reader_free(reader);
  return code;
}

int32_t files_write_to(const char *directory, const restante_content *content, FILE *out,
                       restante_error **out_error) {
  char path[FILES_PATH];
  char buffer[BUFSIZ];
  uint64_t left = content->size;
  size_t count;
  FILE *file;
  path_of(directory, content, path);
  file = fopen(path, "rb");
  if (file == NULL) return files_fail(path, out_error);
  while ((count = fread(buffer, 1, sizeof buffer, file)) > 0 && fwrite(buffer, 1, count, out) == count)
    left -= count;
  fclose(file);
  if (left == 0) return RESTANTE_OK;
  *out_error = restante_error_new(RESTANTE_ERROR_DAMAGED, "a message file is not as long as it was", NULL);
  return RESTANTE_ERROR_DAMAGED;
}

static int is_to_go(const char *path, const char *name, files_is_needed is_needed, void *user_data) {
  struct stat found;
  if (name[0] == '.') return 0;
  if (strncmp(name, unfinished_prefix, strlen(unfinished_prefix)) != 0) return !is_needed(user_data, name);
  return stat(path, &found) == 0 && found.st_mtime + ABANDONED_SECONDS < time(NULL);
}

int32_t files_sweep(const char *directory, files_is_needed is_needed, void *user_data,
                    restante_error **out_error) {
  int32_t code = RESTANTE_OK;
  struct dirent *entry;
  DIR *files = opendir(directory);
  if (files == NULL) return files_fail(directory, out_error);
  while (code == RESTANTE_OK && (entry = readdir(files)) != NULL) {
    char path[FILES_PATH];
    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    if (!is_to_go(path, entry->d_name, is_needed, user_data)) continue;
    if (unlink(path) != 0 && errno != ENOENT) code = files_fail(path, out_error);
  }
  closedir(files);
  return code;
}

#include "console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "text.hpp"

namespace cli {
namespace {

/// 0 if `fd` is no terminal.
std::size_t columns_of_terminal(int fd) {
  if (isatty(fd) == 0) return 0;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool is_plain_terminal() {
  const char* term = std::getenv("TERM");
  return term == nullptr || std::string_view(term).empty() || std::string_view(term) == "dumb";
}

bool has_colours(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(fd) != 0 && !is_plain_terminal() && (no_colour == nullptr || *no_colour == '\0');
}

void write_to(std::FILE* stream, std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stream);
}

}  // namespace

void Console::text(std::string_view text) {
  if (!json_) raw(text);
}

void Console::line(std::string_view line) { text(fmt::format("{}\n", line)); }

void Console::raw(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  clear_progress();
  write_to(stdout, bytes);
  if (std::fflush(stdout) != 0) failed_ = true;
}

void Console::error(const restante::Status& status) {
  const std::lock_guard lock(mutex_);
  clear_progress();
  std::fflush(stdout);
  const bool colours = has_colours(STDERR_FILENO);
  write_to(stderr, fmt::format("{}restante:{} {}\n", colours ? "\x1b[1;31m" : "", colours ? "\x1b[0m" : "",
                               printable(status.message())));
  if (!status.hint().empty()) write_to(stderr, fmt::format("hint: {}\n", printable(status.hint())));
}

void Console::warn(std::string_view message) {
  const std::lock_guard lock(mutex_);
  clear_progress();
  std::string shown = printable(message);
  write_to(stderr, fmt::format("restante: warning: {}\n", shown));
  warnings_.push_back(std::move(shown));
}

std::vector<std::string> Console::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

std::size_t Console::columns() const { return columns_of_terminal(STDOUT_FILENO); }

std::size_t Console::progress_columns() const {
  return is_plain_terminal() ? 0 : columns_of_terminal(STDERR_FILENO);
}

void Console::progress(std::string_view line) {
  const std::lock_guard lock(mutex_);
  clear_progress();
  if (line.empty()) return;
  write_to(stderr, line);
  drawn_ = true;
}

void Console::clear_progress() {
  if (drawn_) write_to(stderr, "\r\x1b[K");
  drawn_ = false;
}

bool Console::is_read() const {
  const std::lock_guard lock(mutex_);
  return !failed_;
}

bool Console::flush() {
  const std::lock_guard lock(mutex_);
  clear_progress();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) failed_ = true;
  return !failed_;
}

}  // namespace cli

#include "background.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "json.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Code;
using restante::Status;

[[noreturn]] void fail_system(const std::string& what) {
  fail(Status(Code::io, fmt::format("{}: {}", what, std::strerror(errno))));
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_to_end(int fd) {
  std::string out;
  std::array<char, 1024> buffer{};
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

/// The other end of the pipe to the program that waits.
class Messenger {
 public:
  explicit Messenger(int fd) : fd_(fd) {}
  void begun(const std::string& label) { send({{"label", label}, {"pid", getpid()}}); }
  void failed(const Failure& failure) {
    send({{"exit", static_cast<int>(failure.exit)},
          {"code", static_cast<int>(failure.status.code())},
          {"message", json_text(failure.status.message())},
          {"hint", json_text(failure.status.hint())}});
  }

 private:
  void send(const Json& message) {
    if (fd_ < 0) return;
    write_all(fd_, message.dump());
    close(fd_);
    fd_ = -1;
  }
  int fd_;
};

Exit run_and_tell(Console& console, Messenger& messenger, const std::function<Exit(const Announce&)>& work) {
  try {
    return work([&](const std::string& label) { messenger.begun(label); });
  } catch (const Failure& failure) {
    messenger.failed(failure);
    console.error(failure.status);
    return failure.exit;
  }
}

/// The second of the two children: session leader's child, so it can never get a terminal.
[[noreturn]] void be_the_background(Console& console, int log, int pipe,
                                    const std::function<Exit(const Announce&)>& work) {
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close(log);
  if (nothing > STDERR_FILENO) close(nothing);
  // The directory that the program was called in may be unmounted.
  if (chdir("/") != 0) _exit(kFailed);
  console.set_json(false);
  Messenger messenger(pipe);
  const Exit exit = run_and_tell(console, messenger, work);
  _exit(exit_of(exit, console.flush()));
}

Started answer_of(const std::string& message, const std::string& log_file) {
  const Json answer = Json::parse(message, nullptr, false);
  if (answer.is_discarded())
    fail(Status(Code::internal, "the background process ended before the backup began",
                fmt::format("{} may tell why", printable(log_file))));
  if (answer.contains("label")) return {answer["label"], answer["pid"]};
  throw Failure{static_cast<Exit>(answer["exit"].get<int>()),
                Status(static_cast<Code>(answer["code"].get<int>()), answer["message"], answer["hint"])};
}

}  // namespace

Started run_in_background(Console& console, const std::string& log_file,
                          const std::function<Exit(const Announce&)>& work) {
  const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (log < 0)
    fail(Status(Code::io, fmt::format("cannot write {}: {}", printable(log_file), std::strerror(errno)),
                "'restante init' makes the state directory"));
  std::array<int, 2> pipe{};
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) fail_system("cannot make a pipe");
  if (!console.flush()) fail(Status(Code::io, "cannot write the output"));
  const pid_t child = fork();
  if (child < 0) fail_system("cannot start a background process");
  if (child == 0) {
    close(pipe[0]);
    if (setsid() < 0) _exit(kFailed);
    const pid_t grandchild = fork();
    if (grandchild != 0) _exit(grandchild < 0 ? kFailed : kDone);
    be_the_background(console, log, pipe[1], work);
  }
  close(pipe[1]);
  close(log);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  const std::string message = read_to_end(pipe[0]);
  close(pipe[0]);
  return answer_of(message, log_file);
}

}  // namespace cli

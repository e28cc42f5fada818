// The reference program: mail backup and restore for a store of Maildirs, built on the public C++ API alone.

#include <fmt/format.h>
#include <malloc.h>

#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include "options.hpp"
#include "program.hpp"
#include "setup.hpp"

namespace cli {
namespace {

constexpr std::size_t kHelpColumns = 80;

restante::TimeZone zone_of(const CommandLine& line) {
  if (line.utc) return restante::TimeZone();
  auto zone = restante::TimeZone::of_machine();
  if (!zone.ok()) fail(with_hint(zone.status(), "--utc shows and reads times in UTC"));
  return std::move(zone).value();
}

Exit run(const std::vector<std::string>& words, Console& console, Answer& answer) {
  const std::size_t columns = console.columns();
  const CommandLine line = parse_command_line(words, columns == 0 ? kHelpColumns : columns);
  if (!line.help.empty()) {
    console.raw(line.help);
    console.set_json(false);
    return kDone;
  }
  const restante::TimeZone zone = zone_of(line);
  line.command->check(zone);
  Program program{console, answer, read_config(config_path(line.config)), zone};
  return line.command->run(program);
}

Exit run_and_answer(const std::vector<std::string>& words, Console& console) {
  Answer answer(console, command_name(words));
  Exit exit = kFailed;
  restante::Status status;
  try {
    exit = run(words, console, answer);
  } catch (const Failure& failure) {
    exit = failure.exit;
    status = with_program_hint(failure.status);
  } catch (const std::exception& error) {
    status = restante::Status(restante::Code::internal, error.what(),
                              "this is a defect of restante; please report it");
  }
  answer.finish(exit, status);
  if (!status.ok()) console.error(status);
  const bool written = console.flush();
  if (!written)
    console.error(restante::Status(restante::Code::io, fmt::format("{}the output could not be written",
                                                                   exit == kDone ? "done, but " : "")));
  return exit_of(exit, written);
}

}  // namespace
}  // namespace cli

int main(int argc, char** argv) {
  // Whoever reads the output may go; a backup does not end because of that.
  std::signal(SIGPIPE, SIG_IGN);
#ifdef M_ARENA_MAX
  // Frames and messages go from thread to thread: heaps of each thread would keep what others need. One heap
  // for all is slower.
  mallopt(M_ARENA_MAX, 2);
#endif
  const std::vector<std::string> words(argv + 1, argv + argc);
  cli::Console console;
  console.set_json(cli::wants_json(words));
  return cli::run_and_answer(words, console);
}

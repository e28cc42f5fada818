#include "options.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "help.hpp"
#include "text.hpp"

namespace cli {
namespace {

using Words = std::vector<std::string>;

/// Index of the first word from `from` on that is neither an option nor the value of one in front of the
/// command; `words.size()` if there is none.
std::size_t find_word(const Words& words, std::size_t from) {
  for (std::size_t i = from; i < words.size(); ++i) {
    if (words[i] == "--config") {
      ++i;
    } else if (words[i].empty() || words[i].front() != '-') {
      return i;
    }
  }
  return words.size();
}

std::string names_of(const std::vector<std::unique_ptr<Command>>& commands, std::string_view group) {
  std::vector<std::string> names;
  for (const std::unique_ptr<Command>& command : commands) {
    const std::string_view name = command->manual().name;
    if (group.empty() || name.substr(0, group.size()) == group) names.emplace_back(name);
  }
  return list_of(names, names.size());
}

bool has_word(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Takes the command's one or two words out of `words`.
std::unique_ptr<Command> take_command(Words& words) {
  std::vector<std::unique_ptr<Command>> commands = all_commands();
  const std::size_t at = find_word(words, 0);
  if (at == words.size()) {
    const auto unknown = std::find_if(words.begin(), words.end(), [](const std::string& word) {
      return word.rfind('-', 0) == 0 && word.rfind("--config", 0) != 0 && word != "--json" && word != "--utc";
    });
    if (unknown != words.end())
      fail_usage(fmt::format("Unrecognized option '{}'", printable(*unknown)),
                 "'restante --help' lists what there is");
    fail_usage("a command is missing", "commands are " + names_of(commands, ""));
  }
  std::string name = words[at];
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
  if (name == "redo") {
    const std::size_t second = find_word(words, at);
    if (second == words.size())
      fail_usage("redo: what to do is missing", "commands are " + names_of(commands, "redo "));
    name += " " + words[second];
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(second));
  }
  for (std::unique_ptr<Command>& command : commands)
    if (command->manual().name == name) return std::move(command);
  const bool redo = name.rfind("redo ", 0) == 0;
  fail_usage(fmt::format("Unrecognized command '{}'", printable(name)),
             "commands are " + names_of(commands, redo ? "redo " : ""));
}

void declare_common(CLI::App& app, CommandLine& line, bool& json, bool& help) {
  app.add_option("--config", line.config, "Read this configuration file.")
      ->type_name("FILE")
      ->group(kCommonGroup);
  app.add_flag("--json", json, "One JSON document on stdout instead of text.")->group(kCommonGroup);
  app.add_flag("--utc", line.utc, "Show and read times in UTC instead of the machine's zone.")
      ->group(kCommonGroup);
  app.add_flag("-h,--help", help, "This text.")->group(kCommonGroup);
}

/// What the option parser did not like, in the program's own words.
[[noreturn]] void fail_parse(const CLI::ParseError& error, const std::string& hint) {
  const std::string what = error.what();
  const std::string option = what.substr(0, what.find(':'));
  if (what.find("At Most") != std::string::npos)
    fail_usage(printable(option) + " is given more than once", hint);
  if (error.get_name() == "ArgumentMismatch") fail_usage(printable(option) + " needs a value", hint);
  fail_usage(printable(what), hint);
}

}  // namespace

bool wants_json(const Words& words) { return has_word(words, "--json"); }

std::string command_name(const Words& words) {
  Words rest = words;
  try {
    return std::string(take_command(rest)->manual().name);
  } catch (const Failure&) {
    return {};
  }
}

CommandLine parse_command_line(const Words& words, std::size_t columns) {
  CommandLine line;
  Words rest = words;
  if (find_word(rest, 0) == rest.size()) {
    if (has_word(rest, "--help") || has_word(rest, "-h")) {
      line.help = general_help(all_commands(), columns);
      return line;
    }
    if (has_word(rest, "--version")) {
      line.help = "restante " RESTANTE_VERSION "\n";
      return line;
    }
  }
  line.command = take_command(rest);
  const std::string name(line.command->manual().name);
  const std::string hint = fmt::format("'restante {} --help' lists what there is", name);

  CLI::App app;
  bool json = false;
  bool help = false;
  app.allow_extras();
  app.set_help_flag();
  line.command->declare(app);
  declare_common(app, line, json, help);
  std::reverse(rest.begin(), rest.end());
  try {
    app.parse(rest);
  } catch (const CLI::ParseError& error) {
    fail_parse(error, hint);
  }
  for (const std::string& word : app.remaining()) {
    const char* what = word.front() == '-' ? "option" : "argument";
    fail_usage(fmt::format("{}: Unrecognized {} '{}'", name, what, printable(word)), hint);
  }
  for (const CLI::Option* option : app.get_options())
    for (const std::string& value : option->results())
      // As if it were not there, it would widen what the command does.
      if (value.empty()) fail_usage(option->get_name() + ": the value is empty", hint);
  if (help) line.help = command_help(line.command->manual(), app, columns);
  return line;
}

}  // namespace cli

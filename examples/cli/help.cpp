#include "help.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "text.hpp"

namespace cli {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kTextIndent = 6;

template <class Each>
void for_each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string paragraphs(std::string_view text, std::size_t columns) {
  std::string out;
  for_each_line(text, [&](std::string_view line) {
    if (!out.empty()) out += '\n';
    out += wrapped(line, columns, kIndent);
  });
  return out;
}

/// "-a, --account ACCOUNT".
std::string head_of(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true) + option.get_type_name();
  std::string out;
  for (const std::string& name : option.get_snames()) out += "-" + name + ", ";
  for (const std::string& name : option.get_lnames()) out += "--" + name;
  if (option.get_items_expected_max() > 0) out += " " + option.get_type_name();
  if (option.get_items_expected_max() > 1) out += "...";
  return out;
}

std::string options_of(const CLI::App& app, bool common, std::size_t columns) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty() || (option->get_group() == kCommonGroup) != common) continue;
    out += std::string(kIndent, ' ') + head_of(*option) + "\n" +
           wrapped(option->get_description(), columns, kTextIndent);
  }
  return out;
}

std::string section(std::string_view title, const std::string& text) {
  return text.empty() ? std::string() : fmt::format("\n{}\n{}", title, text);
}

constexpr std::string_view kExits =
    "  0  done\n"
    "  1  failed; nothing was changed\n"
    "  2  the command line or the configuration is wrong\n"
    "  3  done in part, and the output names what was not; or done, but the\n"
    "     output could not be written\n";

}  // namespace

std::string command_help(const Manual& manual, const CLI::App& app, std::size_t columns) {
  std::string synopsis;
  for_each_line(manual.synopsis, [&](std::string_view line) {
    synopsis += synopsis.empty() ? fmt::format("  restante {} {}\n", manual.name, line)
                                 : fmt::format("  {}{}\n", std::string(10 + manual.name.size(), ' '), line);
  });
  if (synopsis.empty()) synopsis = fmt::format("  restante {}\n", manual.name);
  std::string examples;
  for_each_line(manual.examples, [&](std::string_view line) { examples += fmt::format("  {}\n", line); });
  return fmt::format("restante {} - {}\n", manual.name, manual.summary) + section("Usage", synopsis) +
         section("Description", paragraphs(manual.description, columns)) +
         section("Options", options_of(app, false, columns)) +
         section("Options of all commands", options_of(app, true, columns)) + section("Examples", examples) +
         section("Exit codes", std::string(kExits));
}

std::string general_help(const std::vector<std::unique_ptr<Command>>& commands, std::size_t columns) {
  std::string list;
  for (const std::unique_ptr<Command>& command : commands) {
    const Manual manual = command->manual();
    list += fmt::format("  {}{}\n", padded(manual.name, 14), manual.summary);
  }
  const std::string about = paragraphs(
      "Backs up the mailboxes of a mail server, and brings any of them back as it was at any moment since. A "
      "full session holds whole mailboxes; an incremental session holds the redo log written since; together "
      "they are every state in between.\n"
      "The configuration is the file named by --config, else by the variable RESTANTE_CONFIG, else "
      "/etc/restante.toml. 'restante COMMAND --help' tells all of a command. Options of all commands may "
      "stand before "
      "the command too.",
      columns);
  const std::string options =
      "  --config FILE   read this configuration\n"
      "  --json          one JSON document on stdout instead of text\n"
      "  --utc           show and read times in UTC instead of the machine's zone\n"
      "  --help          this text, or the command's\n"
      "  --version       the version\n";
  return "restante - mail backup and point-in-time restore\n" +
         section("Usage", "  restante COMMAND [OPTION]...\n") + section("Description", about) +
         section("Commands", list) + section("Options of all commands", options) +
         section("Exit codes", std::string(kExits));
}

}  // namespace cli

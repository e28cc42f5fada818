#include "config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include "failure.hpp"
#include "text.hpp"

namespace cli {
namespace {

/// One table of the file, read strictly.
class Section {
 public:
  Section(const std::string& file, std::string name, const toml::table& table)
      : file_(file), name_(std::move(name)), table_(table) {}

  [[noreturn]] void fail_at(const toml::node& node, const std::string& message,
                            const std::string& hint) const {
    fail_line(node.source().begin.line, message, hint);
  }

  void allow_only(std::initializer_list<std::string_view> keys) const {
    for (const auto& [key, node] : table_) {
      const std::string_view word = key.str();
      if (std::find(keys.begin(), keys.end(), word) != keys.end()) continue;
      std::vector<std::string> known(keys.begin(), keys.end());
      fail_at(node, fmt::format("unknown key '{}'", full(word)),
              fmt::format("{} are {}", name_.empty() ? "the keys" : "the keys of [" + name_ + "]",
                          list_of(known, known.size())));
    }
  }

  [[nodiscard]] std::optional<std::string> text(std::string_view key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    return text_of(*node, key);
  }

  [[nodiscard]] std::string required(std::string_view key, std::string_view example) const {
    if (std::optional<std::string> value = text(key)) return *value;
    fail_missing(key, example);
  }

  /// A path from "/", so that it means the same whatever directory the program is called in.
  [[nodiscard]] std::string path_of(const std::string& value, std::string_view key) const {
    if (value.front() == '/') return value;
    fail_at(*table_.get(key), fmt::format("{} = \"{}\" is not an absolute path", full(key), printable(value)),
            "write the whole path, beginning with \"/\"");
  }

  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> out;
    const toml::node* node = table_.get(key);
    if (node == nullptr) return out;
    const toml::array* array = node->as_array();
    if (array == nullptr) fail_type(*node, key, "a list of strings");
    for (const toml::node& element : *array) out.push_back(text_of(element, key));
    return out;
  }

  [[nodiscard]] const toml::node* node(std::string_view key) const { return table_.get(key); }

  [[noreturn]] void fail_type(const toml::node& node, std::string_view key, std::string_view wanted) const {
    fail_at(node, fmt::format("{} must be {}", full(key), wanted), "strings are written \"in quotes\"");
  }

  [[noreturn]] void fail_missing(std::string_view key, std::string_view example) const {
    fail_line(table_.source().begin.line, fmt::format("the key '{}' is missing", full(key)),
              name_.empty() ? fmt::format("add {} = {}", key, example)
                            : fmt::format("add {} = {} below [{}]", key, example, name_));
  }

  [[noreturn]] void fail_line(unsigned line, const std::string& message, const std::string& hint) const {
    fail_usage(fmt::format("{}:{}: {}", printable(file_), line == 0 ? 1 : line, message), hint);
  }

 private:
  [[nodiscard]] std::string full(std::string_view key) const {
    return name_.empty() ? printable(key) : fmt::format("{}.{}", name_, printable(key));
  }

  [[nodiscard]] std::string text_of(const toml::node& node, std::string_view key) const {
    const toml::value<std::string>* value = node.as_string();
    if (value == nullptr) fail_type(node, key, "a string");
    if (value->get().empty() || value->get().find('\0') != std::string::npos)
      fail_at(node, fmt::format("{} must not be empty", full(key)), "");
    return value->get();
  }

  const std::string& file_;
  std::string name_;
  const toml::table& table_;
};

std::optional<Section> section_of(const std::string& file, const Section& top, std::string_view name) {
  const toml::node* node = top.node(name);
  if (node == nullptr) return std::nullopt;
  if (node->as_table() == nullptr) top.fail_type(*node, name, fmt::format("a table, [{}]", name));
  return Section(file, std::string(name), *node->as_table());
}

Config::Mode mode_of(const Section& top) {
  const std::string mode = top.text("mode").value_or("standard");
  if (mode == "standard") return Config::Mode::standard;
  if (mode == "auto-grouped") return Config::Mode::auto_grouped;
  top.fail_at(*top.node("mode"), fmt::format("mode = \"{}\" is unknown", printable(mode)),
              "modes are standard and auto-grouped");
}

void read_store(const std::string& file, const Section& top, Config& config) {
  const std::optional<Section> store = section_of(file, top, "store");
  if (!store)
    top.fail_line(0, "the table [store] is missing", "add [store] with type = \"maildir\" and path");
  store->allow_only({"type", "path", "domain"});
  const std::string type = store->required("type", "\"maildir\"");
  if (type != "maildir")
    store->fail_at(*store->node("type"), fmt::format("store.type = \"{}\" is not available", printable(type)),
                   "this version has type = \"maildir\"");
  config.store.path = store->path_of(store->required("path", "\"/srv/mail\""), "path");
  config.store.domain = store->text("domain").value_or("");
  // Without a domain in the pattern, accounts would have addresses without one.
  if (config.store.domain.empty() && config.store.path.find("%d") == std::string::npos &&
      config.store.path.find("%u") == std::string::npos)
    store->fail_missing("domain", "\"example.com\"");
}

void read_targets(const std::string& file, const Section& top, Config& config) {
  const toml::node* node = top.node("target");
  if (node == nullptr)
    top.fail_line(0, "the table [target] is missing", "add [target] with path = \"/var/backup/restante\"");
  std::vector<const toml::table*> tables;
  if (const toml::table* table = node->as_table()) tables.push_back(table);
  if (const toml::array* array = node->as_array())
    for (const toml::node& element : *array) tables.push_back(element.as_table());
  if (tables.empty() || std::find(tables.begin(), tables.end(), nullptr) != tables.end())
    top.fail_type(*node, "target", "a table, [target] or several [[target]]");
  for (const toml::table* table : tables) {
    const Section target(file, "target", *table);
    target.allow_only({"path"});
    const std::string path = target.path_of(target.required("path", "\"/var/backup/restante\""), "path");
    if (std::find(config.targets.begin(), config.targets.end(), path) != config.targets.end())
      target.fail_at(*target.node("path"), fmt::format("target {} is given twice", printable(path)), "");
    config.targets.push_back(path);
  }
}

/// "1d", "2w".
unsigned days_of(const Section& section, std::string_view key) {
  const std::string value = section.text(key).value_or("1d");
  const std::size_t digits = value.find_first_not_of("0123456789");
  const bool well_formed = digits > 0 && digits <= 3 && digits + 1 == value.size();
  const unsigned count = well_formed ? static_cast<unsigned>(std::stoul(value)) : 0;
  if (count == 0 || (value.back() != 'd' && value.back() != 'w'))
    section.fail_at(*section.node(key),
                    fmt::format("auto_grouped.interval = \"{}\" is not an interval", printable(value)),
                    "write days or weeks, for example \"1d\" or \"1w\"");
  return value.back() == 'w' ? count * 7 : count;
}

void read_auto_grouped(const std::string& file, const Section& top, Config& config) {
  const std::optional<Section> section = section_of(file, top, "auto_grouped");
  if (!section) return;
  section->allow_only({"interval", "num_groups"});
  config.auto_grouped.interval_days = days_of(*section, "interval");
  if (const toml::node* node = section->node("num_groups")) {
    const std::int64_t groups = node->is_integer() ? node->as_integer()->get() : 0;
    if (groups < 1 || groups > 365)
      section->fail_at(*node, "auto_grouped.num_groups must be a number from 1 to 365", "the default is 7");
    config.auto_grouped.num_groups = static_cast<unsigned>(groups);
  }
}

void read_report(const std::string& file, const Section& top, Config& config) {
  const std::optional<Section> section = section_of(file, top, "report");
  if (!section) return;
  section->allow_only({"to"});
  config.report.to = section->texts("to");
}

std::string content_of(const std::string& path) {
  std::string text;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(path.c_str(), "rbe"), &std::fclose);
  std::array<char, 4096> buffer{};
  while (in != nullptr && std::feof(in.get()) == 0 && std::ferror(in.get()) == 0)
    text.append(buffer.data(), std::fread(buffer.data(), 1, buffer.size(), in.get()));
  if (in == nullptr || std::ferror(in.get()) != 0)
    fail_usage(fmt::format("cannot read the configuration {}: {}", printable(path), std::strerror(errno)),
               "name the file with --config or in RESTANTE_CONFIG");
  return text;
}

toml::table parsed(const std::string& path) {
  const std::string text = content_of(path);
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    fail_usage(
        fmt::format("{}:{}: {}", printable(path), error.source().begin.line, printable(error.description())),
        "the file is TOML: key = \"value\", tables in [brackets]");
  }
}

}  // namespace

std::string config_path(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("RESTANTE_CONFIG");
  return variable != nullptr && *variable != '\0' ? variable : "/etc/restante.toml";
}

Config read_config(const std::string& path) {
  const toml::table table = parsed(path);
  Config config;
  config.file = path;
  const Section top(config.file, "", table);
  top.allow_only({"server", "state", "mode", "store", "redo", "target", "auto_grouped", "report"});
  config.server = top.required("server", "\"server1.example.com\"");
  if (top.node("state") != nullptr) config.state = top.path_of(*top.text("state"), "state");
  config.mode = mode_of(top);
  read_store(config.file, top, config);
  config.redo.path = config.state + "/redo";
  if (const std::optional<Section> redo = section_of(config.file, top, "redo")) {
    redo->allow_only({"path"});
    if (redo->node("path") != nullptr) config.redo.path = redo->path_of(*redo->text("path"), "path");
  }
  read_targets(config.file, top, config);
  read_auto_grouped(config.file, top, config);
  read_report(config.file, top, config);
  return config;
}

}  // namespace cli

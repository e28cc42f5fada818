#include "config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include "failure.hpp"
#include "text.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;

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

  [[nodiscard]] std::string full(std::string_view key) const {
    return name_.empty() ? printable(key) : fmt::format("{}.{}", name_, printable(key));
  }

 private:
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

/// Whether it is "auto-grouped".
bool read_mode(const Section& top) {
  const std::string mode = top.text("mode").value_or("standard");
  if (mode != "standard" && mode != "auto-grouped")
    top.fail_at(*top.node("mode"), fmt::format("mode = \"{}\" is unknown", printable(mode)),
                "write mode = \"standard\" or mode = \"auto-grouped\"");
  return mode == "auto-grouped";
}

/// Each "%" of the store's path stands before one of "und", and the path tells accounts apart.
void check_pattern(const Section& store, const std::string& path) {
  bool tells_name = path.find('%') == std::string::npos;
  for (std::size_t at = path.find('%'); at != std::string::npos; at = path.find('%', at + 2)) {
    const std::string variable = path.substr(at, 2);
    if (variable != "%u" && variable != "%n" && variable != "%d")
      store.fail_at(*store.node("path"),
                    fmt::format("store.path has the unknown variable '{}'", printable(variable)),
                    "use %u (address), %n (local part) or %d (domain)");
    tells_name |= variable != "%d";
  }
  if (!tells_name)
    store.fail_at(*store.node("path"),
                  fmt::format("store.path = \"{}\" does not tell accounts apart", printable(path)),
                  "use %u (address) or %n (local part)");
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
  check_pattern(*store, config.store.path);
  config.store.domain = store->text("domain").value_or("");
  // Without a domain in the pattern, accounts would have addresses without one.
  if (config.store.domain.empty() && config.store.path.find("%d") == std::string::npos &&
      config.store.path.find("%u") == std::string::npos)
    store->fail_missing("domain", "\"example.com\"");
}

/// Without links, as far as the path is there.
fs::path real_path(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return (error ? path : real).lexically_normal();
}

std::vector<std::string> components_of(const fs::path& path) {
  std::vector<std::string> components;
  for (const fs::path& component : path)
    if (component != "" && component != "/") components.push_back(component.string());
  return components;
}

/// Whether what is written below `path` could be taken for mail: it is the directory that holds the
/// mailboxes, or lies in a place of the pattern where one may be.
bool is_among_mailboxes(const std::string& path, std::string pattern) {
  if (pattern.find('%') == std::string::npos) pattern += "/%n";
  const std::size_t root_size = pattern.rfind('/', pattern.find('%'));
  std::vector<std::string> wanted = components_of(real_path(pattern.substr(0, root_size) + "/"));
  const std::size_t root = wanted.size();
  for (const std::string& component : components_of(pattern.substr(root_size))) wanted.push_back(component);

  const std::vector<std::string> components = components_of(real_path(path));
  for (std::size_t i = 0; i < std::min(components.size(), wanted.size()); ++i) {
    const bool is_variable = i >= root && wanted[i].find('%') != std::string::npos;
    if (!is_variable && components[i] != wanted[i]) return false;
  }
  if (components.size() >= wanted.size()) return true;
  return components.size() >= root && wanted[components.size()].find('%') != std::string::npos;
}

/// What restante writes would be backed up as mail, and be more with every session. Without the key, `path`
/// is its default.
void check_apart(const Section& section, const char* key, const std::string& path, const Config& config) {
  if (!is_among_mailboxes(path, config.store.path)) return;
  const toml::node* node = section.node(key);
  section.fail_line(
      node == nullptr ? 0 : node->source().begin.line,
      fmt::format("{} = \"{}\" is among the mailboxes of the store", section.full(key), printable(path)),
      "name a directory outside of the store");
}

void read_keys(const Section& target, TargetConfig& one, const Config& config) {
  for (const auto& [key, value] :
       {std::pair("key_file", &one.key_file), {"passphrase_file", &one.passphrase_file}}) {
    if (target.node(key) == nullptr) continue;
    *value = target.path_of(*target.text(key), key);
    check_apart(target, key, *value, config);
    // Whoever has the target would have its key.
    if (is_among_mailboxes(*value, one.path))
      target.fail_at(*target.node(key),
                     fmt::format("{} = \"{}\" is in the target", target.full(key), printable(*value)),
                     "keep keys where the target is not");
  }
  if (!one.key_file.empty() && !one.passphrase_file.empty())
    target.fail_at(*target.node("passphrase_file"), "a target has either a key file or a passphrase here",
                   "remove one of the two; 'restante keys' adds others to the target");
  one.authority = target.text("authority").value_or("");
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
    target.allow_only({"path", "key_file", "passphrase_file", "authority"});
    TargetConfig one;
    one.path = target.path_of(target.required("path", "\"/var/backup/restante\""), "path");
    const auto is_same = [&](const TargetConfig& other) { return other.path == one.path; };
    if (std::any_of(config.targets.begin(), config.targets.end(), is_same))
      target.fail_at(*target.node("path"), fmt::format("target {} is given twice", printable(one.path)), "");
    check_apart(target, "path", one.path, config);
    read_keys(target, one, config);
    config.targets.push_back(std::move(one));
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

[[noreturn]] void fail_reading(const std::string& path, const char* why) {
  fail_usage(fmt::format("cannot read the configuration {}: {}", printable(path), why),
             "name the file with --config or in RESTANTE_CONFIG");
}

std::string content_of(const std::string& path) {
  // A pipe would keep the program waiting for whoever writes into it.
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail_reading(path, std::strerror(errno));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(fdopen(fd, "rb"), &std::fclose);
  struct stat info {};
  if (in == nullptr || fstat(fd, &info) != 0) fail_reading(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) fail_reading(path, "it is not a regular file");
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::feof(in.get()) == 0 && std::ferror(in.get()) == 0)
    text.append(buffer.data(), std::fread(buffer.data(), 1, buffer.size(), in.get()));
  if (std::ferror(in.get()) != 0) fail_reading(path, std::strerror(errno));
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
  config.auto_grouped.is_mode = read_mode(top);
  read_store(config.file, top, config);
  check_apart(top, "state", config.state, config);
  config.redo.path = config.state + "/redo";
  if (const std::optional<Section> redo = section_of(config.file, top, "redo")) {
    redo->allow_only({"path"});
    if (redo->node("path") != nullptr) config.redo.path = redo->path_of(*redo->text("path"), "path");
    check_apart(*redo, "path", config.redo.path, config);
  }
  read_targets(config.file, top, config);
  read_auto_grouped(config.file, top, config);
  read_report(config.file, top, config);
  return config;
}

}  // namespace cli

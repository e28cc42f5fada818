#pragma once
// The configuration file. Every key is described in docs/guides/commands.md.

#include <string>
#include <vector>

namespace cli {

/// A backup target, and what this machine holds of an encrypted one: a key file or a passphrase, or neither.
struct TargetConfig {
  std::string path;
  std::string key_file;
  std::string passphrase_file;
  /// The target's authority, for a key that was added by its public keys alone.
  std::string authority;

  [[nodiscard]] bool has_key() const { return !key_file.empty() || !passphrase_file.empty(); }
};

struct Config {
  /// Where it was read from.
  std::string file;

  std::string server;
  std::string state = "/var/lib/restante";

  struct {
    std::string path;
    std::string domain;
  } store;
  struct {
    /// `<state>/redo` if it is not given.
    std::string path;
  } redo;
  std::vector<TargetConfig> targets;
  struct {
    /// mode = "auto-grouped": what 'backup' does by default.
    bool is_mode = false;
    unsigned interval_days = 1;
    unsigned num_groups = 7;
  } auto_grouped;
  struct {
    std::vector<std::string> to;
  } report;
};

/// `option` if it is not empty, else RESTANTE_CONFIG, else /etc/restante.toml.
[[nodiscard]] std::string config_path(const std::string& option);

/// Reads it strictly: an unknown key, a wrong type, a missing key, or a directory of restante's own among the
/// mailboxes is a `Failure` of usage that names file and line.
[[nodiscard]] Config read_config(const std::string& path);

}  // namespace cli

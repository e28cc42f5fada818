#pragma once
// The moment that a command goes back to: the options of `restore` and `export`.

#include <restante/restore_plan.hpp>
#include <restante/time.hpp>

#include <CLI/CLI.hpp>

#include <string>

namespace cli {

class StopOptions {
 public:
  /// --label, the --to options, --backup-only, --full-only.
  void declare(CLI::App& app);
  /// Throws a usage failure for values that are none, and for two that exclude each other.
  void check(const restante::TimeZone& zone);

  /// Of the session to begin with; empty for the newest that fits.
  [[nodiscard]] const std::string& label() const { return label_; }
  [[nodiscard]] const restante::RestoreStop& stop() const { return stop_; }

 private:
  std::string label_;
  std::string to_time_;
  std::string to_sequence_;
  std::string to_lsn_;
  restante::RestoreStop stop_;
};

}  // namespace cli

#include "stop_options.hpp"

#include "program.hpp"

namespace cli {

void StopOptions::declare(CLI::App& app) {
  app.add_option("--label", label_, "Begin with the full in this session instead of the newest that fits.")
      ->type_name("LABEL");
  app.add_option("--to-time", to_time_, "The state at this time.")->type_name("TIME");
  app.add_option("--to-label", stop_.label, "The state at the end of this session.")->type_name("LABEL");
  app.add_option("--to-seq", to_sequence_, "The state at the end of this redo log sequence.")->type_name("N");
  app.add_option("--to-lsn", to_lsn_, "The state at this position of the redo log.")->type_name("N");
  app.add_flag("--backup-only", stop_.backup_only,
               "Replay archived redo logs only, not those still with the server.");
  app.add_flag("--full-only", stop_.full_only, "The full backup, and replay nothing.");
}

void StopOptions::check(const restante::TimeZone& zone) {
  if (stop_.backup_only && stop_.full_only)
    fail_usage("--backup-only and --full-only exclude each other", "--full-only replays no redo log at all");
  stop_.time = optional_time_of(zone, "--to-time", to_time_);
  stop_.sequence = optional_number_of("--to-seq", to_sequence_);
  stop_.lsn = optional_number_of("--to-lsn", to_lsn_);
}

}  // namespace cli

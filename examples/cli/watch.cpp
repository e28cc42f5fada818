// restante watch: logs what happens in the store, as it happens.

#include <restante/watcher.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <future>

#include "command.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Watcher;
using restante::WatchEvent;
using restante::WatchStats;

constexpr auto kLook = std::chrono::milliseconds(100);

double milliseconds_of(std::chrono::microseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Json json_of_watch(const WatchStats& stats) {
  return {{"accounts", stats.accounts},
          {"watches", stats.watches},
          {"messages_in_memory", stats.messages_in_memory},
          {"waiting", stats.waiting},
          {"events", stats.events},
          {"operations", stats.operations},
          {"scans", stats.scans},
          {"overflows", stats.overflows},
          {"lag_median_ms", milliseconds_of(stats.lag_median)},
          {"lag_p99_ms", milliseconds_of(stats.lag_p99)},
          {"lag_max_ms", milliseconds_of(stats.lag_max)}};
}

std::string line_of(const WatchStats& stats) {
  std::string line = fmt::format(
      "{}, {} directories: {} logged, {}; lag {:.0f} ms median, {:.0f} ms p99, {:.0f} ms worst",
      counted(stats.accounts, "account"), number(stats.watches), counted(stats.operations, "operation"),
      counted(stats.scans, "scan"), milliseconds_of(stats.lag_median), milliseconds_of(stats.lag_p99),
      milliseconds_of(stats.lag_max));
  if (stats.overflows > 0) line += fmt::format("; {}", counted(stats.overflows, "overflow"));
  if (stats.waiting > 0) line += fmt::format("; {} waiting", counted(stats.waiting, "account"));
  return line;
}

class Watch final : public Command {
 public:
  Manual manual() const override {
    return {"watch", "logs what happens in the store, as it happens",
            "[--settle MS] [--threads N] [--rescan MINUTES]\n[--report SECONDS] [--allow-empty] [-v]",
            "Runs until SIGINT or SIGTERM. Whatever programs do to the mailboxes is in the redo log a moment "
            "later, so that every second can be restored. When it starts it scans every account, and says "
            "'watching' when it has caught up.\n"
            "Backups, scans and restores go on beside it. A mailbox's folder takes three of the kernel's "
            "watches: 'sysctl fs.inotify.max_user_watches' tells how many there are.\n"
            "examples/systemd/restante-watch.service runs it as a service.",
            "restante watch\n"
            "restante watch -v --report 10    every change, and the lag now and then"};
  }

  void declare(CLI::App& app) override {
    app.add_option("--settle", settle_,
                   "Changes of an account are collected for so many milliseconds (default: 20).")
        ->type_name("MS");
    app.add_option("--threads", threads_, "Accounts that are worked on at a time (default: 4).")
        ->type_name("N");
    app.add_option("--rescan", rescan_, "Every account is scanned after so many minutes (default: 360).")
        ->type_name("MINUTES");
    app.add_option("--report", report_, "Show how it goes every so many seconds (default: never).")
        ->type_name("SECONDS");
    app.add_flag("--allow-empty", allow_empty_,
                 "Go on if the store has no account at all although some were known; they are then logged as "
                 "removed.");
    app.add_flag("-v,--verbose", verbose_, "A line for everything that is logged.");
  }

  void check(const restante::TimeZone&) override;
  Exit run(Program& program) override;

 private:
  static void show(Program& program, const WatchEvent& event, bool verbose);
  void look_after(Program& program, Watcher& watcher, std::future<restante::Status>& ended);

  std::string settle_;
  std::string threads_;
  std::string rescan_;
  std::string report_;
  bool allow_empty_ = false;
  bool verbose_ = false;
  Watcher::Options options_;
  std::chrono::seconds interval_{0};
};

void Watch::check(const restante::TimeZone&) {
  const auto positive = [](const char* option, const std::string& text, std::uint64_t most) {
    const std::optional<std::uint64_t> value = optional_number_of(option, text);
    if (value && (*value == 0 || *value > most)) fail_usage(fmt::format("{} is 1 to {}", option, most));
    return value;
  };
  if (const auto value = positive("--settle", settle_, 60'000))
    options_.settle = std::chrono::milliseconds(*value);
  if (const auto value = positive("--threads", threads_, 256))
    options_.threads = static_cast<unsigned>(*value);
  if (const auto value = positive("--rescan", rescan_, 1'000'000))
    options_.rescan = std::chrono::minutes(*value);
  if (const auto value = positive("--report", report_, 1'000'000)) interval_ = std::chrono::seconds(*value);
}

void Watch::show(Program& program, const WatchEvent& event, bool verbose) {
  const std::string account = printable(event.account_id);
  const std::string why = printable(with_program_hint(event.status).message());
  switch (event.kind) {
    case WatchEvent::Kind::delayed: program.console.warn(fmt::format("{}: {}", account, why)); break;
    case WatchEvent::Kind::trouble:
      program.console.warn(account.empty() ? why : fmt::format("{}: {}", account, why));
      break;
    case WatchEvent::Kind::overflow:
      program.console.warn("the kernel dropped events; every account is scanned");
      break;
    case WatchEvent::Kind::unmounted:
      program.console.warn(fmt::format("{}: its file system is not mounted any more", account));
      break;
    case WatchEvent::Kind::removed: program.console.line(account + " was removed"); break;
    case WatchEvent::Kind::scanned:
      if (verbose)
        program.console.line(fmt::format("{} scanned: {}", account, counted(event.operations, "change")));
      break;
    case WatchEvent::Kind::logged:
      if (verbose)
        program.console.line(fmt::format("{}: {} after {:.0f} ms", account,
                                         counted(event.operations, "operation"), milliseconds_of(event.lag)));
      break;
  }
}

// Until the watcher has ended.
void Watch::look_after(Program& program, Watcher& watcher, std::future<restante::Status>& ended) {
  bool stopping = false;
  bool caught_up = false;
  auto report_at = std::chrono::steady_clock::now() + interval_;
  while (ended.wait_for(kLook) != std::future_status::ready) {
    if (stop_requested() && !stopping) {
      stopping = true;
      watcher.stop();
    }
    if (!caught_up && watcher.stats().caught_up) {
      caught_up = true;
      program.console.line("watching");
    }
    if (interval_.count() == 0 || std::chrono::steady_clock::now() < report_at) continue;
    report_at += interval_;
    program.console.line(line_of(watcher.stats()));
  }
}

Exit Watch::run(Program& program) {
  watch_for_stop();
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, "restante watch");
  const std::vector<restante::BackupTarget> targets = open_targets(program);
  const auto scanner = open_scanner(program, "restante watch", *store, log, targets);
  if (!allow_empty_) refuse_lost_store(program, *scanner, targets);
  end_if_stopped();
  options_.on_event = [&program, verbose = verbose_](const WatchEvent& event) {
    show(program, event, verbose);
  };
  const auto watcher = require(Watcher::open(*store, *scanner, options_));
  std::future<restante::Status> ended = std::async(std::launch::async, [&] { return watcher->run(); });
  look_after(program, *watcher, ended);
  const WatchStats stats = watcher->stats();
  program.answer["watch"] = json_of_watch(stats);
  program.console.line(line_of(stats));
  require(ended.get());
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_watch() { return std::make_unique<Watch>(); }

}  // namespace cli

// restante scan: logs what changed in the store since it was last looked at.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>

#include "command.hpp"
#include "plan_text.hpp"
#include "progress.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "table.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Code;
using restante::MaildirStore;
using restante::Scanner;
using restante::ScanReport;
using restante::Status;

Json json_of_scan(const ScanReport& report) {
  return {{"account_id", json_text(report.account_id)},
          {"adopted", report.adopted},
          {"difference", json_of(report.difference)},
          {"as_of", report.as_of}};
}

struct Failed {
  std::string account;
  Status status;
};

class Scan final : public Command {
 public:
  Manual manual() const override {
    return {"scan", "logs what changed in the store", "[-a ACCOUNT...] [--allow-empty] [-v]",
            "Compares the store with its last known state and writes the difference to the redo log. Every "
            "scan is a "
            "point that a restore can go back to; 'restante backup' scans by itself.\n"
            "The first scan of an account takes it as it is; its next backup is a full one.",
            "restante scan\n"
            "restante scan -a user1@example.com -v"};
  }

  void declare(CLI::App& app) override {
    app.add_option("-a,--account", accounts_,
                   "Only these accounts, by address or id; 'all' for all (default).")
        ->type_name("ACCOUNT");
    app.add_flag("--allow-empty", allow_empty_,
                 "Go on if the store has no account at all although some were known; they are then logged as "
                 "removed.");
    app.add_flag("-v,--verbose", verbose_,
                 "Accounts without a change too, and the folders of those with one.");
  }

  void check(const restante::TimeZone&) override { accounts_ = accounts_of(accounts_); }
  Exit run(Program& program) override;

 private:
  std::vector<std::string> ids(Scanner& scanner, MaildirStore& store) const;
  void scan_all(Program& program, Scanner& scanner, const std::vector<std::string>& ids);
  void show(Program& program) const;
  Exit conclude() const;

  std::vector<std::string> accounts_;
  bool allow_empty_ = false;
  bool verbose_ = false;
  std::vector<ScanReport> reports_;
  std::vector<Failed> failed_;
  std::vector<std::string> not_done_;
};

std::vector<std::string> Scan::ids(Scanner& scanner, MaildirStore& store) const {
  const std::vector<std::string> known = require(scanner.accounts());
  if (accounts_.empty()) return known;
  std::vector<std::string> ids;
  for (const std::string& name : accounts_) {
    const auto id = store.find_account(name);
    if (id.ok()) {
      ids.push_back(*id);
    } else if (std::find(known.begin(), known.end(), name) != known.end()) {
      ids.push_back(name);
    } else {
      fail(
          Status(Code::not_found, fmt::format("there is no account '{}'", printable(name)),
                 known.empty() ? std::string("the store has no account") : "accounts are " + list_of(known)));
    }
  }
  return ids;
}

void Scan::scan_all(Program& program, Scanner& scanner, const std::vector<std::string>& ids) {
  std::atomic<std::size_t> done = 0;
  const auto work = [&] {
    for (const std::string& id : ids) {
      if (stop_requested()) {
        not_done_.push_back(id);
        continue;
      }
      auto report = scanner.scan(id);
      if (report.ok()) {
        reports_.push_back(std::move(report).value());
      } else {
        failed_.push_back({id, with_program_hint(report.status())});
      }
      ++done;
    }
  };
  const auto progress = [&] {
    restante::Progress now;
    now.accounts_done = done;
    now.accounts_total = ids.size();
    if (now.accounts_done < ids.size()) now.account_id = ids[now.accounts_done];
    return now;
  };
  run_long(program.console, {.work = work, .progress = progress, .stop = [] {}});
}

void Scan::show(Program& program) const {
  Table table({{"ACCOUNT"},
               {"ADDED", Table::Align::right},
               {"REMOVED", Table::Align::right},
               {"FLAGS", Table::Align::right},
               {"CHANGED", Table::Align::right},
               {"FOLDERS", Table::Align::right},
               {"ITEMS", Table::Align::right},
               {"LSN", Table::Align::right},
               {""}});
  std::size_t quiet = 0;
  for (const ScanReport& report : reports_) {
    const restante::DifferenceSummary& difference = report.difference;
    if (difference.none() && !report.adopted && !verbose_) {
      ++quiet;
      continue;
    }
    const restante::DifferenceCounts& items = difference.items;
    table.add({printable(report.account_id), number(difference.messages.added),
               number(difference.messages.removed), number(difference.messages.flags_changed),
               number(difference.messages.changed), number(difference.folders.size()),
               number(items.added + items.removed + items.changed), number(report.as_of),
               report.adopted ? "first scan" : ""});
  }
  if (!table.empty()) program.console.text(table.text(program.console.columns()));
  if (quiet > 0) program.console.line(fmt::format("{} without a change.", counted(quiet, "account")));
  if (reports_.empty() && failed_.empty()) program.console.line("There is no account to scan.");
  if (!verbose_) return;
  for (const ScanReport& report : reports_)
    if (!report.difference.folders.empty())
      program.console.text(fmt::format("\n{}\n{}", printable(report.account_id),
                                       folder_table(report.difference, program.console.columns(), 2)));
}

Exit Scan::conclude() const {
  if (failed_.empty() && not_done_.empty()) return kDone;
  const Exit exit = reports_.empty() ? kFailed : kPartial;
  if (failed_.size() == 1 && not_done_.empty())
    throw Failure{exit, failed_.front().status.with_context(printable(failed_.front().account))};
  std::vector<std::string> names = not_done_;
  for (const Failed& failed : failed_) names.push_back(failed.account);
  const Code code = failed_.empty()    ? Code::cancelled
                    : exit == kPartial ? Code::partial
                                       : failed_.front().status.code();
  throw Failure{exit, Status(code, "not scanned: " + list_of(names), "scan them again")};
}

Exit Scan::run(Program& program) {
  watch_for_stop();
  const auto store = open_store(program);
  restante::RedoLog log = open_log(program, "restante scan");
  const std::vector<restante::BackupTarget> targets = open_targets(program);
  const auto scanner = open_scanner(program, "restante scan", *store, log, targets);
  if (!allow_empty_) refuse_lost_store(program, *scanner, targets);
  end_if_stopped();
  scan_all(program, *scanner, ids(*scanner, *store));

  program.answer["accounts"] = Json::array();
  program.answer["failed"] = Json::array();
  program.answer["not_done"] = Json::array();
  for (const ScanReport& report : reports_) program.answer["accounts"].push_back(json_of_scan(report));
  for (const Failed& failed : failed_) {
    program.answer["failed"].push_back(
        {{"account_id", json_text(failed.account)}, {"failure", json_of(failed.status)}});
    program.console.line(
        fmt::format("{}: {}", printable(failed.account), printable(failed.status.message())));
  }
  for (const std::string& name : not_done_) program.answer["not_done"].push_back(json_text(name));
  show(program);
  return conclude();
}

}  // namespace

std::unique_ptr<Command> make_scan() { return std::make_unique<Scan>(); }

}  // namespace cli

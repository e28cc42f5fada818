// restante redo dump and verify: the redo log as it lies.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <map>
#include <optional>

#include "command.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::LogDamage;
using restante::LogVerification;
using restante::Operation;
using restante::RecordInfo;
using restante::RedoLog;
using restante::Result;
using restante::Status;
using restante::Time;

/// "2 MessagePut, 1 FlagsUpdate".
std::string operations_of(const RecordInfo& record) {
  std::map<std::string_view, std::size_t> counts;
  for (const Operation& operation : record.operations) ++counts[restante::name_of(operation)];
  std::string out;
  for (const auto& [name, count] : counts)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, name);
  return out;
}

std::string line_of(const RecordInfo& record, const restante::TimeZone& zone, bool verbose) {
  std::string out = fmt::format("{:>8}  {:>4}  {}  {:<11}", record.lsn, record.sequence,
                                zone.format(record.commit_time), record.kind);
  const auto add = [&](const std::string& part) {
    if (!part.empty()) out += "  " + part;
  };
  add(printable(record.account_id));
  if (record.transaction != 0 && record.transaction != record.lsn)
    add(fmt::format("of {}", record.transaction));
  add(operations_of(record));
  if (record.content) add(byte_size(record.content->size));
  if (!record.origin.client.empty()) add(fmt::format("[{}]", printable(record.origin.client)));
  if (verbose) {
    add(fmt::format("at {}+{}", record.offset, record.bytes));
    add(fmt::format("durable {}", record.durable_lsn));
    if (record.content) add(record.content->digest.to_string());
  }
  return out + "\n";
}

class RedoDump final : public Command {
 public:
  Manual manual() const override {
    return {"redo dump", "shows the records of the redo log",
            "[-a ACCOUNT] [--from TIME] [--to TIME] [--from-lsn N]\n[--to-lsn N] [--operations] [-v]",
            "One line a record: LSN, sequence, commit time, kind, account, operations, origin. Bounds are "
            "inclusive. "
            "Shows the log that is still with the server; archived segments are in the target.\n"
            "Damage is named on stderr where it lies; what is behind it is shown, and the exit code is 3.",
            "restante redo dump -a user1@example.com --operations\n"
            "restante redo dump --from '2026/07/12 15:00:00' --to '2026/07/12 16:00:00'"};
  }

  void declare(CLI::App& app) override {
    app.add_option("-a,--account", account_, "Only this account's, by id.")->type_name("ACCOUNT");
    app.add_option("--from", from_, "From this time on.")->type_name("TIME");
    app.add_option("--to", to_, "Up to this time.")->type_name("TIME");
    app.add_option("--from-lsn", from_lsn_, "From this record on.")->type_name("N");
    app.add_option("--to-lsn", to_lsn_, "Up to this record.")->type_name("N");
    app.add_flag("--operations", operations_, "Each operation on a line of its own below its record.");
    app.add_flag("-v,--verbose", verbose_, "Place in the segment, length, durable LSN and content ids too.");
  }

  void check(const restante::TimeZone& zone) override;
  Exit run(Program& program) override;

 private:
  void show(Program& program, const RecordInfo& record) const;
  /// Fails if neither the log nor the store knows the account.
  void check_account(Program& program, const RedoLog& log) const;

  std::string account_;
  std::string from_;
  std::string to_;
  std::string from_lsn_;
  std::string to_lsn_;
  bool operations_ = false;
  bool verbose_ = false;
  std::optional<Time> first_time_;
  std::optional<Time> last_time_;
  restante::ReadRange range_;
};

void RedoDump::check(const restante::TimeZone& zone) {
  first_time_ = optional_time_of(zone, "--from", from_);
  last_time_ = optional_time_of(zone, "--to", to_);
  const std::uint64_t from_lsn = optional_number_of("--from-lsn", from_lsn_).value_or(1);
  range_.after = from_lsn == 0 ? 0 : from_lsn - 1;
  range_.until = optional_number_of("--to-lsn", to_lsn_).value_or(range_.until);
  range_.account_id = account_of(account_);
}

void RedoDump::show(Program& program, const RecordInfo& record) const {
  if (program.console.json()) {
    program.answer.add(json_of(record, operations_));
    return;
  }
  std::string text = line_of(record, program.zone, verbose_);
  if (operations_)
    for (const Operation& operation : record.operations)
      text += fmt::format("{}{}\n", std::string(16, ' '), printable(restante::describe(operation)));
  program.console.text(text);
}

void RedoDump::check_account(Program& program, const RedoLog& log) const {
  restante::ReadRange all;
  all.account_id = range_.account_id;
  RecordInfo record;
  const Result<bool> any = require(log.records(all))->next(record);
  if (!any.ok() || *any) return;
  const auto in_store = open_store(program)->find_account(range_.account_id);
  if (in_store.status().code() != restante::Code::not_found) return;
  fail(
      Status(restante::Code::not_found,
             fmt::format("there is no account '{}' and no record of it in the redo log", printable(account_)),
             "'restante query -v' shows the accounts of the target"));
}

Exit RedoDump::run(Program& program) {
  RedoLog log = open_log(program, "restante redo dump");
  auto cursor = require(log.records(range_));
  program.answer.begin_list("records");
  program.answer["damages"] = Json::array();
  std::string last_damage;
  std::size_t shown = 0;
  for (RecordInfo record;;) {
    const Result<bool> more = cursor->next(record);
    if (!more.ok()) {
      // A cursor that stays where it is would never end.
      if (more.status().code() != restante::Code::damaged || more.status().message() == last_damage)
        fail(more.status());
      last_damage = more.status().message();
      program.console.error(more.status());
      program.answer["damages"].push_back(json_text(last_damage));
      continue;
    }
    if (!*more) break;
    if ((first_time_ && record.commit_time < *first_time_) ||
        (last_time_ && record.commit_time > *last_time_))
      continue;
    show(program, record);
    ++shown;
  }
  if (shown == 0 && !account_.empty()) check_account(program, log);
  if (shown == 0) program.console.line("No record matches.");
  if (!last_damage.empty())
    throw Failure{
        kPartial,
        Status(restante::Code::damaged, "the redo log is damaged",
               "'restante redo verify' tells what is lost; a full backup makes later states whole")};
  return kDone;
}

class RedoVerify final : public Command {
 public:
  Manual manual() const override {
    return {"redo verify", "checks that the redo log is whole", "",
            "Reads the whole redo log that is still with the server: headers, chain, records, checksums, "
            "indexes.\n"
            "Damage is listed with the records that it costs; the exit code is then 1.",
            "restante redo verify"};
  }
  void declare(CLI::App&) override {}
  Exit run(Program& program) override;
};

std::string damage_text(const LogDamage& damage) {
  std::string out =
      fmt::format("  sequence {}, offset {}: {}; ", damage.sequence, damage.offset, printable(damage.what));
  return out + (damage.next_lsn == 0
                    ? fmt::format("lost from LSN {} to the end of the segment\n", damage.from_lsn)
                    : fmt::format("lost LSN {} to {}\n", damage.from_lsn, damage.next_lsn - 1));
}

Exit RedoVerify::run(Program& program) {
  RedoLog log = open_log(program, "restante redo verify");
  const LogVerification found = require(log.verify());
  program.answer["path"] = json_text(program.config.redo.path);
  program.answer["segments"] = found.segments;
  program.answer["records"] = found.records;
  program.answer["transactions"] = found.transactions;
  program.answer["bytes"] = found.bytes;
  program.answer["damages"] = Json::array();
  program.console.line(fmt::format(
      "{}: {}, {}, {}, {}: {}", printable(program.config.redo.path), counted(found.segments, "segment"),
      counted(found.records, "record"), counted(found.transactions, "transaction"), byte_size(found.bytes),
      found.damages.empty() ? "no damage" : counted(found.damages.size(), "damage")));
  for (const LogDamage& damage : found.damages) {
    program.console.text(damage_text(damage));
    program.answer["damages"].push_back(
        {{"sequence", damage.sequence},
         {"offset", damage.offset},
         {"from_lsn", damage.from_lsn},
         {"next_lsn", damage.next_lsn == 0 ? Json(nullptr) : Json(damage.next_lsn)},
         {"what", json_text(damage.what)}});
  }
  if (found.damages.empty()) return kDone;
  fail(Status(restante::Code::damaged, fmt::format("damage in {}", printable(program.config.redo.path)),
              "run 'restante backup --full', so that later states do not need the damaged part"));
}

}  // namespace

std::unique_ptr<Command> make_redo_dump() { return std::make_unique<RedoDump>(); }
std::unique_ptr<Command> make_redo_verify() { return std::make_unique<RedoVerify>(); }

}  // namespace cli

// restante redo stat: how large the redo log is, what is in it, and how fast it grows.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "command.hpp"
#include "redo_counts.hpp"
#include "redo_range.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "table.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Consumer;
using restante::RecordInfo;
using restante::RedoLog;
using restante::SegmentInfo;
using restante::Status;

constexpr std::uint64_t kDefaultAccounts = 10;
constexpr double kHour = 3600;
constexpr double kDay = 24 * kHour;

std::uint64_t bytes_of(const std::vector<SegmentInfo>& segments) {
  std::uint64_t bytes = 0;
  for (const SegmentInfo& info : segments) bytes += info.bytes;
  return bytes;
}

/// What a consumer keeps from being removed.
struct Behind {
  std::uint64_t records = 0;
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;
};

Behind behind_of(const Consumer& consumer, const RedoLog& log, const std::vector<SegmentInfo>& segments) {
  Behind behind;
  behind.records = log.end() > consumer.position ? log.end() - consumer.position : 0;
  for (const SegmentInfo& info : segments) {
    if (info.last_lsn <= consumer.position) continue;
    ++behind.segments;
    behind.bytes += info.bytes;
  }
  return behind;
}

std::string decimal(double value) {
  return value < 10 ? fmt::format("{:.2f}", value) : number(static_cast<std::uint64_t>(value + 0.5));
}

Table right_table(std::vector<std::string> titles) {
  std::vector<Table::Column> columns;
  for (std::string& title : titles)
    columns.push_back({std::move(title), columns.empty() ? Table::Align::left : Table::Align::right});
  return Table(std::move(columns));
}

Json json_of_count(const Count& count) {
  return {{"records", count.records}, {"transactions", count.transactions}, {"bytes", count.bytes}};
}

class RedoStat final : public Command {
 public:
  Manual manual() const override {
    return {"redo stat", "shows size, rates and contents of the redo log",
            "[-a ACCOUNT...] [--from TIME] [--to TIME]\n[--from-lsn N] [--to-lsn N] [--from-seq N]\n"
            "[--to-seq N] [--accounts N]",
            "Adds up the redo log that is still with the server: segments, records and transactions, "
            "operations, bytes of content and of everything else, rates over all of it and over its last "
            "day and hour, the accounts with the most transactions, transactions that are open, and readers "
            "that keep segments from being removed.\n"
            "A range chooses what is counted; segments, open transactions and readers are always those of "
            "the whole log. A transaction counts where it committed.",
            "restante redo stat\nrestante redo stat --from '2026/07/12 00:00:00' --accounts 50"};
  }

  void declare(CLI::App& app) override {
    range_.declare(app, "records");
    app.add_option("--accounts", most_text_, "Show so many accounts (default 10).")->type_name("N");
  }
  void check(const restante::TimeZone& zone) override {
    range_.check(zone);
    most_ = optional_number_of("--accounts", most_text_).value_or(kDefaultAccounts);
  }
  Exit run(Program& program) override;

 private:
  void show_log(Program& program, const RedoLog& log, const std::vector<SegmentInfo>& segments) const;
  void show_counts(Program& program, const RedoCounts& counts) const;
  void show_rates(Program& program, const RedoCounts& counts) const;
  void show_accounts(Program& program, const RedoCounts& counts) const;
  void show_open(Program& program, const RedoLog& log) const;
  void show_consumers(Program& program, const RedoLog& log, const std::vector<SegmentInfo>& segments) const;

  RedoRange range_;
  std::string most_text_;
  std::uint64_t most_ = kDefaultAccounts;
};

void RedoStat::show_log(Program& program, const RedoLog& log,
                        const std::vector<SegmentInfo>& segments) const {
  program.answer["path"] = json_text(program.config.redo.path);
  program.answer["log"] = log.id().to_string();
  program.answer["incarnation"] = log.incarnation().to_string();
  program.answer["end"] = log.end();
  program.answer["durable_end"] = log.durable_end();
  program.answer["bytes"] = bytes_of(segments);
  program.answer["segments"] = Json::array();
  Table table = right_table({"SEQUENCE", "FIRST LSN", "LAST LSN", "SIZE", "FIRST", "LAST"});
  for (const SegmentInfo& info : segments) {
    const bool empty = info.last_lsn == 0;
    const auto time = [&](restante::Time at) { return empty ? std::string("-") : program.zone.format(at); };
    table.add({fmt::format("{}{}", info.sequence, info.sealed ? "" : " (written to)"), number(info.first_lsn),
               empty ? "-" : number(info.last_lsn), byte_size(info.bytes), time(info.first_time),
               time(info.last_time)});
    program.answer["segments"].push_back({{"sequence", info.sequence},
                                          {"first_lsn", info.first_lsn},
                                          {"last_lsn", empty ? Json(nullptr) : Json(info.last_lsn)},
                                          {"first_time", empty ? Json(nullptr) : json_time(info.first_time)},
                                          {"last_time", empty ? Json(nullptr) : json_time(info.last_time)},
                                          {"bytes", info.bytes},
                                          {"sealed", info.sealed}});
  }
  program.console.line(fmt::format("{}: {}, {}, to LSN {}", printable(program.config.redo.path),
                                   counted(segments.size(), "segment"), byte_size(bytes_of(segments)),
                                   log.end()));
  program.console.text(table.text(program.console.columns(), 2));
}

void RedoStat::show_counts(Program& program, const RedoCounts& counts) const {
  const Count& all = counts.all();
  const bool any = all.records > 0;
  program.answer["counted"] = json_of_count(all);
  Json& counted_json = program.answer["counted"];
  counted_json["first_lsn"] = any ? Json(counts.first_lsn()) : Json(nullptr);
  counted_json["last_lsn"] = any ? Json(counts.last_lsn()) : Json(nullptr);
  counted_json["first_time"] = any ? json_time(counts.first_time()) : Json(nullptr);
  counted_json["last_time"] = any ? json_time(counts.last_time()) : Json(nullptr);
  counted_json["content_bytes"] = counts.content_bytes();
  counted_json["aborted"] = counts.aborted();
  program.answer["kinds"] = Json::object();
  program.answer["operations"] = Json::object();
  program.console.line(fmt::format("\n{}, {}, {} aborted; {}, {} of it content",
                                   counted(all.records, "record"), counted(all.transactions, "transaction"),
                                   number(counts.aborted()), byte_size(all.bytes),
                                   byte_size(counts.content_bytes())));
  Table kinds = right_table({"RECORDS", "COUNT", "SIZE"});
  for (const auto& [kind, count] : counts.kinds()) {
    kinds.add({kind, number(count.records), byte_size(count.bytes)});
    program.answer["kinds"][kind] = {{"records", count.records}, {"bytes", count.bytes}};
  }
  Table operations = right_table({"OPERATIONS", "COUNT"});
  for (const auto& [name, count] : counts.operations()) {
    operations.add({name, number(count)});
    program.answer["operations"][name] = count;
  }
  if (!kinds.empty()) program.console.text(kinds.text(program.console.columns(), 2));
  if (!operations.empty()) program.console.text("\n" + operations.text(program.console.columns(), 2));
}

void RedoStat::show_rates(Program& program, const RedoCounts& counts) const {
  program.answer["rates"] = Json::array();
  Table table = right_table(
      {"RATES", "TRANSACTIONS", "A SECOND", "AN HOUR", "A DAY", "BYTES A SECOND", "AN HOUR", "A DAY"});
  for (const RedoCounts::Rate& rate : counts.rates()) {
    const double transactions = rate.per_second(rate.count.transactions);
    const double bytes = rate.per_second(rate.count.bytes);
    const auto size = [](double value) { return byte_size(static_cast<std::uint64_t>(value + 0.5)); };
    table.add({std::string(rate.name), number(rate.count.transactions), decimal(transactions),
               decimal(transactions * kHour), decimal(transactions * kDay), size(bytes), size(bytes * kHour),
               size(bytes * kDay)});
    program.answer["rates"].push_back({{"of", rate.name},
                                       {"seconds", rate.seconds},
                                       {"transactions", rate.count.transactions},
                                       {"bytes", rate.count.bytes},
                                       {"transactions_per_second", transactions},
                                       {"bytes_per_second", bytes}});
  }
  program.console.text("\n" + table.text(program.console.columns(), 2));
}

void RedoStat::show_accounts(Program& program, const RedoCounts& counts) const {
  program.answer["account_count"] = counts.accounts();
  program.answer["accounts"] = Json::array();
  Table table = right_table({"ACCOUNT", "TRANSACTIONS", "RECORDS", "SIZE"});
  for (const auto& [account, count] : counts.top_accounts(most_)) {
    table.add(
        {printable(account), number(count.transactions), number(count.records), byte_size(count.bytes)});
    Json one{{"account_id", json_text(account)}};
    one.update(json_of_count(count));
    program.answer["accounts"].push_back(std::move(one));
  }
  if (table.empty()) return;
  program.console.text("\n" + table.text(program.console.columns(), 2));
  if (counts.accounts() > most_)
    program.console.line(fmt::format("  and {} more", counted(counts.accounts() - most_, "account")));
}

void RedoStat::show_open(Program& program, const RedoLog& log) const {
  program.answer["open"] = Json::array();
  Table table = right_table({"OPEN SINCE", "LSN", "ACCOUNT", "OWNER"});
  for (const RedoLog::Unfinished& open : log.unfinished()) {
    const std::string owner =
        std::string(open.claimable ? "gone" : "lives") + (open.is_rewind ? ", a restore" : "");
    table.add(
        {program.zone.format(open.begin_time), number(open.begin_lsn), printable(open.account_id), owner});
    program.answer["open"].push_back({{"account_id", json_text(open.account_id)},
                                      {"begin_lsn", open.begin_lsn},
                                      {"begin_time", json_time(open.begin_time)},
                                      {"is_restore", open.is_rewind},
                                      {"claimable", open.claimable}});
  }
  program.console.text(table.empty() ? "\nNo transaction is open.\n"
                                     : "\n" + table.text(program.console.columns(), 2));
}

void RedoStat::show_consumers(Program& program, const RedoLog& log,
                              const std::vector<SegmentInfo>& segments) const {
  program.answer["consumers"] = Json::array();
  Table table = right_table({"READER", "POSITION", "RECORDS BEHIND", "KEEPS", "SIZE", ""});
  for (const Consumer& consumer : require(log.consumers())) {
    const Behind behind = behind_of(consumer, log, segments);
    table.add({printable(consumer.name), number(consumer.position), number(behind.records),
               counted(behind.segments, "segment"), byte_size(behind.bytes), consumer.lost ? "lost" : ""});
    program.answer["consumers"].push_back(
        {{"name", json_text(consumer.name)},
         {"position", consumer.position},
         {"records_behind", behind.records},
         {"segments_kept", behind.segments},
         {"bytes_kept", behind.bytes},
         {"max_bytes", consumer.max_bytes == 0 ? Json(nullptr) : Json(consumer.max_bytes)},
         {"lost", consumer.lost}});
  }
  program.console.text(table.empty() ? "No reader keeps segments.\n"
                                     : "\n" + table.text(program.console.columns(), 2));
}

Exit RedoStat::run(Program& program) {
  watch_for_stop();
  RedoLog log = open_log(program, "restante redo stat");
  require_known(program, log, range_.accounts());
  const std::vector<SegmentInfo> segments = require(log.segments());
  RedoCounts counts(range_.newest(segments));
  DamageNotes damages(program);
  const Walked walked = for_each_record(program, RedoSource(log), range_, {}, damages,
                                        [&](const RecordInfo& record) { counts.add(record); });
  if (walked == Walked::stopped) end_if_stopped();
  show_log(program, log, segments);
  show_counts(program, counts);
  if (counts.all().records > 0) show_rates(program, counts);
  show_accounts(program, counts);
  show_open(program, log);
  show_consumers(program, log, segments);
  program.answer["damages"] = damages.json();
  if (!damages.empty()) throw Failure{kPartial, damaged_log()};
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_redo_stat() { return std::make_unique<RedoStat>(); }

}  // namespace cli

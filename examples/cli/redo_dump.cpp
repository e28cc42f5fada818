// restante redo dump: the records of the redo log as they lie.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <map>

#include "command.hpp"
#include "redo_content.hpp"
#include "redo_filter.hpp"
#include "redo_range.hpp"
#include "redo_source.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Lsn;
using restante::Operation;
using restante::RecordInfo;
using restante::Status;

constexpr std::size_t kOperationIndent = 16;

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
    return {
        "redo dump", "shows the records of the redo log",
        "[-a ACCOUNT...] [--from TIME] [--to TIME]\n[--from-lsn N] [--to-lsn N] [--from-seq N]\n"
        "[--to-seq N] [--operation NAME...] [--operations]\n[--content] [-v] [FILE...]",
        "One line a record: LSN, sequence, commit time, kind, account, operations, origin. Bounds are "
        "inclusive. "
        "Shows the log that is still with the server, or any of its segments that lie elsewhere, by their "
        "files, which are not written to; archived segments are in the target.\n"
        "Damage is named on stderr where it lies; what is behind it is shown, and the exit code is 3.",
        "restante redo dump -a user1@example.com --operations\n"
        "restante redo dump --from '2026/07/12 15:00:00' --operation message-expunge\n"
        "restante redo dump --content /srv/old/redo-0000000007.log"};
  }

  void declare(CLI::App& app) override {
    range_.declare(app, "records");
    app.add_option("--operation", names_,
                   "Only records with this operation (message-put, flags-update ...), with the ends of such "
                   "transactions, or of this kind (begin, commit, abort, append, content, touch, mark ...).")
        ->type_name("NAME");
    app.add_flag("--operations", operations_, "Each operation on a line of its own below its record.");
    app.add_flag("--content", content_,
                 "The bytes of contents too, with --operations; without it only size and digest.");
    app.add_flag("-v,--verbose", verbose_, "Place in the segment, length, durable LSN and content ids too.");
    app.add_option("FILE", files_, "Segments that lie elsewhere, instead of the server's redo log.")
        ->type_name("...");
  }

  void check(const restante::TimeZone& zone) override {
    range_.check(zone);
    filter_.set(names_);
    operations_ |= content_;
  }
  Exit run(Program& program) override;

 private:
  void show(Program& program, const RedoSource& source, const RecordInfo& record) const;
  void show_operations(Program& program, const RedoSource& source, const RecordInfo& record) const;
  void show_contents(Program& program, const RedoSource& source, const NamedContent& named) const;
  [[nodiscard]] Json json_with_operations(const RedoSource& source, const RecordInfo& record) const;

  RedoRange range_;
  std::vector<std::string> names_;
  RecordFilter filter_;
  bool operations_ = false;
  bool content_ = false;
  bool verbose_ = false;
  std::vector<std::string> files_;
};

void RedoDump::show(Program& program, const RedoSource& source, const RecordInfo& record) const {
  if (program.console.json()) {
    program.answer.add(operations_ ? json_with_operations(source, record) : json_of(record));
    return;
  }
  program.console.text(line_of(record, program.zone, verbose_));
  if (operations_) show_operations(program, source, record);
}

void RedoDump::show_operations(Program& program, const RedoSource& source, const RecordInfo& record) const {
  for (const Operation& operation : record.operations) {
    program.console.text(
        fmt::format("{}{}\n", std::string(kOperationIndent, ' '), printable(restante::describe(operation))));
    for (const NamedContent& named : contents_of(operation)) show_contents(program, source, named);
  }
}

void RedoDump::show_contents(Program& program, const RedoSource& source, const NamedContent& named) const {
  const std::string indent(kOperationIndent + 2, ' ');
  program.console.text(fmt::format("{}{}, {}, {}\n", indent, named.what, byte_size(named.content.size),
                                   named.content.digest.to_string()));
  if (!content_) return;
  show_content(source, named.content,
               [&](std::string_view line) { program.console.text(fmt::format("{}| {}\n", indent, line)); });
}

Json RedoDump::json_with_operations(const RedoSource& source, const RecordInfo& record) const {
  Json out = json_of(record);
  out["operations"] = Json::array();
  for (const Operation& operation : record.operations) {
    Json contents = Json::array();
    for (const NamedContent& named : contents_of(operation))
      contents.push_back(json_of(source, named, content_));
    out["operations"].push_back({{"name", restante::name_of(operation)},
                                 {"text", json_text(describe(operation))},
                                 {"contents", std::move(contents)}});
  }
  return out;
}

Exit RedoDump::run(Program& program) {
  watch_for_stop();
  const RedoSource source =
      files_.empty() ? RedoSource(open_log(program, "restante redo dump")) : RedoSource::of_files(files_);
  if (source.log() != nullptr) require_known(program, *source.log(), range_.accounts());
  program.answer.begin_list("records");
  DamageNotes damages(program);
  Lsn last = 0;
  const Walked walked =
      for_each_record(program, source, range_, filter_.kinds(), damages, [&](const RecordInfo& record) {
        if (!filter_.takes(record)) return;
        show(program, source, record);
        last = record.lsn;
      });
  program.answer["damages"] = damages.json();
  if (walked == Walked::stopped && stop_requested())
    throw Failure{kPartial, Status(restante::Code::cancelled,
                                   fmt::format("interrupted; records behind LSN {} are not shown", last))};
  if (last == 0) program.console.line("No record matches.");
  if (!damages.empty()) throw Failure{kPartial, damaged_log()};
  return kDone;
}

}  // namespace

std::unique_ptr<Command> make_redo_dump() { return std::make_unique<RedoDump>(); }

}  // namespace cli

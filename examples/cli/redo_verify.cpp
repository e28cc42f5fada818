// restante redo verify: what of the redo log is damaged, and what of it can still be read.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "command.hpp"
#include "progress.hpp"
#include "redo_source.hpp"
#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Code;
using restante::LogDamage;
using restante::LogVerification;
using restante::Lsn;
using restante::LsnRange;
using restante::RecordInfo;
using restante::RedoLog;
using restante::RedoSegments;
using restante::Result;
using restante::SegmentVerification;
using restante::Status;

/// A segment, what is wrong in it, and whom that may concern.
struct Checked {
  SegmentVerification found;
  std::vector<LogDamage> damages;
  /// Accounts with records in a damaged segment that can be read: what is lost may be theirs.
  std::set<std::string> accounts;
  /// Of these, those with a transaction whose begin is there and whose end is lost.
  std::set<std::string> unended;
};

std::string told(const std::vector<LsnRange>& ranges) {
  std::string out;
  for (const LsnRange& range : ranges)
    out += fmt::format("{}{}", out.empty() ? "" : ", ",
                       range.first == range.last ? fmt::format("{}", range.first)
                                                 : fmt::format("{} to {}", range.first, range.last));
  return out.empty() ? "nothing" : "LSN " + out;
}

/// What a damage costs of a segment of which something is left, or not.
std::string cost_of(const LogDamage& damage, bool is_readable) {
  if (damage.from_lsn == 0) return is_readable ? "; no record is lost" : "";
  if (damage.next_lsn == 0) return fmt::format("; lost from LSN {} to the end", damage.from_lsn);
  return fmt::format("; lost {}", told(std::vector<LsnRange>{{damage.from_lsn, damage.next_lsn - 1}}));
}

/// "sequence 7", with the file unless it has the name that a log gives it.
std::string segment_title(const SegmentVerification& found) {
  const std::uint64_t sequence = found.info.sequence;
  if (sequence == 0) return printable(found.file);
  if (found.file == fmt::format("redo-{:010}.log", sequence)) return fmt::format("sequence {}", sequence);
  return fmt::format("sequence {} ({})", sequence, printable(found.file));
}

std::string told(const Checked& checked) {
  std::string out = fmt::format("{}: damaged\n", segment_title(checked.found));
  for (const LogDamage& damage : checked.damages)
    out += fmt::format("  offset {}: {}{}\n", damage.offset, printable(damage.what),
                       cost_of(damage, !checked.found.readable.empty()));
  out += fmt::format("  still readable: {}\n", told(checked.found.readable));
  const auto add = [&](const char* what, const std::set<std::string>& names) {
    if (!names.empty()) out += fmt::format("  {}: {}\n", what, list_of({names.begin(), names.end()}));
  };
  add("accounts with records in it", checked.accounts);
  add("transactions without their end", checked.unended);
  return out;
}

Json json_texts(const std::set<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push_back(json_text(text));
  return out;
}

Json found_json(const LogDamage& damage) {
  return {{"sequence", damage.sequence},
          {"offset", damage.offset},
          {"from_lsn", damage.from_lsn},
          {"next_lsn", damage.next_lsn == 0 ? Json(nullptr) : Json(damage.next_lsn)},
          {"what", json_text(damage.what)},
          {"file", json_text_or_null(damage.file)}};
}

Json found_json(const Checked& checked) {
  const SegmentVerification& found = checked.found;
  const auto or_null = [](std::uint64_t value) { return value == 0 ? Json(nullptr) : Json(value); };
  Json readable = Json::array();
  for (const LsnRange& range : found.readable)
    readable.push_back({{"first_lsn", range.first}, {"last_lsn", range.last}});
  return {{"sequence", or_null(found.info.sequence)},
          {"first_lsn", or_null(found.info.first_lsn)},
          {"last_lsn", or_null(found.info.last_lsn)},
          {"bytes", found.info.bytes},
          {"sealed", found.info.sealed},
          {"damaged", found.is_damaged},
          {"readable", std::move(readable)},
          {"accounts", json_texts(checked.accounts)},
          {"unended", json_texts(checked.unended)},
          {"file", json_text(found.file)},
          {"torn_bytes", found.torn_bytes}};
}

/// Hands out what of a range can be read. What cannot is passed over: it is known already.
void for_each_readable(const RedoSource& source, const restante::ReadRange& range,
                       const std::function<bool(const RecordInfo&)>& each) {
  const auto cursor = source.records(range);
  if (!cursor.ok()) return;
  std::string last_failure;
  for (RecordInfo record; !stop_requested();) {
    const Result<bool> more = (*cursor)->next(record);
    if (!more.ok()) {
      if (more.status().message() == last_failure) return;
      last_failure = more.status().message();
      continue;
    }
    if (!*more || !each(record)) return;
  }
}

/// Whose records can be read in a damaged segment.
void find_accounts(const RedoSource& source, Checked& checked) {
  const restante::SegmentInfo& info = checked.found.info;
  if (info.last_lsn == 0) return;
  std::map<Lsn, std::string> open;
  for_each_readable(source, {.after = info.first_lsn - 1, .until = info.last_lsn},
                    [&](const RecordInfo& record) {
                      if (!record.account_id.empty()) checked.accounts.insert(record.account_id);
                      if (record.kind == "begin") open.emplace(record.lsn, record.account_id);
                      if (record.kind == "commit" || record.kind == "abort") open.erase(record.transaction);
                      return true;
                    });
  if (!open.empty())
    for_each_readable(source, {.after = info.last_lsn, .kinds = {"commit", "abort"}},
                      [&](const RecordInfo& record) {
                        open.erase(record.transaction);
                        return !open.empty();
                      });
  if (source.log() != nullptr)
    for (const RedoLog::Unfinished& unfinished : source.log()->unfinished())
      if (!unfinished.claimable) open.erase(unfinished.begin_lsn);  // its owner lives: it may end yet
  for (const auto& [lsn, account] : open) checked.unended.insert(account);
}

std::vector<Checked> examine_segments(const RedoSource& source, const LogVerification& found) {
  std::vector<Checked> out;
  for (const SegmentVerification& segment : found.by_segment) {
    Checked checked;
    checked.found = segment;
    std::copy_if(found.damages.begin(), found.damages.end(), std::back_inserter(checked.damages),
                 [&](const LogDamage& damage) { return damage.file == segment.file; });
    if (segment.is_damaged) find_accounts(source, checked);
    out.push_back(std::move(checked));
  }
  return out;
}

LogVerification verify_stoppably(Program& program, const RedoSource& source) {
  std::atomic<std::uint64_t> bytes = 0;
  RedoLog::VerifyOptions options;
  options.progress = [&](const restante::Progress& now) { bytes = now.bytes_done; };
  std::optional<Result<LogVerification>> result;
  run_long(program.console, {.work = [&] { result.emplace(source.verify(options)); },
                             .progress =
                                 [&] {
                                   restante::Progress now;
                                   now.bytes_done = bytes;
                                   return now;
                                 },
                             .stop = [&] { options.cancel.cancel(); }});
  end_if_stopped();
  return require(*std::move(result));
}

/// Whether the segments may be read although the log does not open.
bool is_about_files(const Status& refused) {
  switch (refused.code()) {
    case Code::damaged:
    case Code::diverged:
    case Code::unsupported:
    case Code::permission:
    case Code::io:
    case Code::no_space: return true;
    default: return false;
  }
}

class RedoVerify final : public Command {
 public:
  Manual manual() const override {
    return {
        "redo verify", "checks that the redo log is whole", "[-v] [FILE...]",
        "Reads the whole redo log that is still with the server, or segments that lie elsewhere, by their "
        "files: headers, chain, records, checksums, contents, indexes. Of a log that does not open, the "
        "segments are checked by their files, and the reason is named.\n"
        "Damage is listed by segment, with the records that it costs, those that can still be read, and "
        "the accounts whose records are about; the exit code is then 1. Between files that are given, some "
        "may be missing. Archived segments are checked by 'restante verify'.",
        "restante redo verify\nrestante redo verify -v /srv/old/redo-*.log"};
  }
  void declare(CLI::App& app) override {
    app.add_flag("-v,--verbose", verbose_, "Segments without damage too.");
    app.add_option("FILE", files_, "Segments that lie elsewhere, instead of the server's redo log.")
        ->type_name("...");
  }
  Exit run(Program& program) override;

 private:
  [[nodiscard]] static RedoSource open_what_is_there(const Program& program, Status& refused);
  void show(Program& program, const LogVerification& found, const std::vector<Checked>& segments) const;

  bool verbose_ = false;
  std::vector<std::string> files_;
};

/// The log, or its segments where it does not open; `refused` then says why.
RedoSource RedoVerify::open_what_is_there(const Program& program, Status& refused) {
  try {
    return RedoSource(open_log(program, "restante redo verify"));
  } catch (const Failure& failure) {
    refused = failure.status;
  }
  if (!is_about_files(refused)) fail(refused);
  Result<RedoSegments> segments = RedoSegments::open_directory(program.config.redo.path);
  if (!segments.ok()) fail(refused);
  return RedoSource(std::move(segments).value());
}

void RedoVerify::show(Program& program, const LogVerification& found,
                      const std::vector<Checked>& segments) const {
  program.answer["path"] = files_.empty() ? json_text(program.config.redo.path) : Json(nullptr);
  program.answer["segments"] = found.segments;
  program.answer["records"] = found.records;
  program.answer["transactions"] = found.transactions;
  program.answer["bytes"] = found.bytes;
  program.answer["damages"] = Json::array();
  for (const LogDamage& damage : found.damages) program.answer["damages"].push_back(found_json(damage));
  program.answer["checked"] = Json::array();
  for (const Checked& checked : segments) program.answer["checked"].push_back(found_json(checked));

  program.console.line(fmt::format(
      "{}: {}, {}, {}, {}: {}", files_.empty() ? printable(program.config.redo.path) : "these files",
      counted(found.segments, "segment"), counted(found.records, "record"),
      counted(found.transactions, "transaction"), byte_size(found.bytes),
      found.damages.empty() ? "no damage" : counted(found.damages.size(), "damage")));
  for (const LogDamage& damage : found.damages)
    if (damage.file.empty()) program.console.line(printable(damage.what) + cost_of(damage, true));
  for (const Checked& checked : segments) {
    const SegmentVerification& segment = checked.found;
    if (segment.is_damaged) {
      program.console.text(told(checked));
    } else if (verbose_ || segment.torn_bytes > 0) {
      program.console.line(fmt::format("{}: whole, {}, {}", segment_title(segment), told(segment.readable),
                                       byte_size(segment.info.bytes)));
    }
    if (segment.torn_bytes > 0)
      program.console.line(fmt::format(
          "  {} behind that are no record: never acknowledged, unless the newest records are damaged",
          byte_size(segment.torn_bytes)));
  }
}

Exit RedoVerify::run(Program& program) {
  watch_for_stop();
  Status refused;
  const RedoSource source =
      files_.empty() ? open_what_is_there(program, refused) : RedoSource(require(RedoSegments::open(files_)));
  const LogVerification found = verify_stoppably(program, source);
  const std::vector<Checked> segments = examine_segments(source, found);
  end_if_stopped();
  show(program, found, segments);
  program.answer["refused"] = refused.ok() ? Json(nullptr) : json_of(refused);
  if (!refused.ok())
    fail(Status(refused.code(), fmt::format("the redo log does not open: {}", refused.message()),
                refused.hint()));
  const bool is_damaged = std::any_of(segments.begin(), segments.end(),
                                      [](const Checked& checked) { return checked.found.is_damaged; });
  if (!files_.empty() && is_damaged)
    fail(Status(Code::damaged, "damage in these files",
                "'restante redo dump FILE...' shows what can be read"));
  if (!files_.empty() || found.damages.empty()) return kDone;
  fail(Status(Code::damaged, fmt::format("damage in {}", printable(program.config.redo.path)),
              "run 'restante backup --full', so that later states do not need the damaged part"));
}

}  // namespace

std::unique_ptr<Command> make_redo_verify() { return std::make_unique<RedoVerify>(); }

}  // namespace cli

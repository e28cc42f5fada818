// restante redo verify: what of the redo log is damaged, and what of it can still be read.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "command.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::LogDamage;
using restante::LogVerification;
using restante::Lsn;
using restante::RecordInfo;
using restante::RedoLog;
using restante::Result;
using restante::SegmentInfo;
using restante::Status;

/// Inclusive.
struct Stretch {
  Lsn first = 0;
  Lsn last = 0;
};

/// A segment, what is wrong in it, and what is left.
struct Checked {
  SegmentInfo info;
  std::vector<LogDamage> damages;
  std::vector<Stretch> readable;
  /// Accounts with records in a damaged segment that can be read: what is lost may be theirs.
  std::set<std::string> accounts;
  /// Of these, those with a transaction whose begin is there and whose end is lost.
  std::set<std::string> unended;
};

/// What is left of a segment between its damages.
std::vector<Stretch> readable_of(const SegmentInfo& info, const std::vector<LogDamage>& damages) {
  std::vector<Stretch> out;
  if (info.last_lsn == 0) return out;
  std::vector<LogDamage> sorted = damages;
  std::sort(sorted.begin(), sorted.end(),
            [](const LogDamage& a, const LogDamage& b) { return a.from_lsn < b.from_lsn; });
  Lsn next = info.first_lsn;
  for (const LogDamage& damage : sorted) {
    if (damage.from_lsn == 0) continue;  // of the header or the index: no record is lost
    if (damage.from_lsn > next) out.push_back({next, damage.from_lsn - 1});
    next = std::max(next, damage.next_lsn == 0 ? info.last_lsn + 1 : damage.next_lsn);
  }
  if (next <= info.last_lsn) out.push_back({next, info.last_lsn});
  return out;
}

std::string told(const std::vector<Stretch>& stretches) {
  std::string out;
  for (const Stretch& stretch : stretches)
    out += fmt::format("{}{}", out.empty() ? "" : ", ",
                       stretch.first == stretch.last ? fmt::format("{}", stretch.first)
                                                     : fmt::format("{} to {}", stretch.first, stretch.last));
  return out.empty() ? "nothing" : "LSN " + out;
}

std::string told(const LogDamage& damage) {
  std::string out = fmt::format("  offset {}: {}", damage.offset, printable(damage.what));
  if (damage.from_lsn == 0) return out + "; no record is lost\n";
  if (damage.next_lsn == 0) return out + fmt::format("; lost from LSN {} to the end\n", damage.from_lsn);
  return out + fmt::format("; lost {}\n", told(std::vector<Stretch>{{damage.from_lsn, damage.next_lsn - 1}}));
}

std::string told(const Checked& checked) {
  std::string out = fmt::format("sequence {}: damaged\n", checked.info.sequence);
  for (const LogDamage& damage : checked.damages) out += told(damage);
  out += fmt::format("  still readable: {}\n", told(checked.readable));
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
          {"what", json_text(damage.what)}};
}

Json found_json(const Checked& checked) {
  Json readable = Json::array();
  for (const Stretch& stretch : checked.readable)
    readable.push_back({{"first_lsn", stretch.first}, {"last_lsn", stretch.last}});
  return {{"sequence", checked.info.sequence},
          {"first_lsn", checked.info.first_lsn},
          {"last_lsn", checked.info.last_lsn == 0 ? Json(nullptr) : Json(checked.info.last_lsn)},
          {"bytes", checked.info.bytes},
          {"sealed", checked.info.sealed},
          {"damaged", !checked.damages.empty()},
          {"readable", std::move(readable)},
          {"accounts", json_texts(checked.accounts)},
          {"unended", json_texts(checked.unended)}};
}

/// Whose records can be read in a damaged segment. What cannot be read is passed over: it is known already.
void find_accounts(const RedoLog& log, Checked& checked) {
  if (checked.info.last_lsn == 0) return;
  const auto cursor = log.records({.after = checked.info.first_lsn - 1, .until = checked.info.last_lsn});
  if (!cursor.ok()) return;
  std::map<Lsn, std::string> open;
  std::string last_failure;
  for (RecordInfo record;;) {
    const Result<bool> more = (*cursor)->next(record);
    if (!more.ok()) {
      if (more.status().message() == last_failure) return;
      last_failure = more.status().message();
      continue;
    }
    if (!*more) break;
    if (!record.account_id.empty()) checked.accounts.insert(record.account_id);
    if (record.kind == "begin") open.emplace(record.lsn, record.account_id);
    if (record.kind == "commit" || record.kind == "abort") open.erase(record.transaction);
  }
  for (const RedoLog::Unfinished& unfinished : log.unfinished())
    if (!unfinished.claimable) open.erase(unfinished.begin_lsn);  // its owner lives: it may end yet
  for (const auto& [lsn, account] : open) checked.unended.insert(account);
}

class RedoVerify final : public Command {
 public:
  Manual manual() const override {
    return {"redo verify", "checks that the redo log is whole", "[-v]",
            "Reads the whole redo log that is still with the server: headers, chain, records, checksums, "
            "contents, indexes.\n"
            "Damage is listed by segment, with the records that it costs, those that can still be read, and "
            "the accounts whose records are about; the exit code is then 1. Archived segments are checked by "
            "'restante verify'.",
            "restante redo verify\nrestante redo verify -v"};
  }
  void declare(CLI::App& app) override {
    app.add_flag("-v,--verbose", verbose_, "Segments without damage too.");
  }
  Exit run(Program& program) override;

 private:
  [[nodiscard]] static std::vector<Checked> examine(const RedoLog& log, const LogVerification& found);
  void show(Program& program, const LogVerification& found, const std::vector<Checked>& segments) const;

  bool verbose_ = false;
};

std::vector<Checked> RedoVerify::examine(const RedoLog& log, const LogVerification& found) {
  std::vector<Checked> out;
  for (const SegmentInfo& info : log.segments()) {
    Checked checked;
    checked.info = info;
    std::copy_if(found.damages.begin(), found.damages.end(), std::back_inserter(checked.damages),
                 [&](const LogDamage& damage) { return damage.sequence == info.sequence; });
    checked.readable = readable_of(info, checked.damages);
    if (!checked.damages.empty()) find_accounts(log, checked);
    out.push_back(std::move(checked));
  }
  return out;
}

void RedoVerify::show(Program& program, const LogVerification& found,
                      const std::vector<Checked>& segments) const {
  const std::string path = printable(program.config.redo.path);
  program.answer["path"] = json_text(program.config.redo.path);
  program.answer["segments"] = found.segments;
  program.answer["records"] = found.records;
  program.answer["transactions"] = found.transactions;
  program.answer["bytes"] = found.bytes;
  program.answer["damages"] = Json::array();
  for (const LogDamage& damage : found.damages) program.answer["damages"].push_back(found_json(damage));
  program.answer["checked"] = Json::array();
  for (const Checked& checked : segments) program.answer["checked"].push_back(found_json(checked));

  program.console.line(fmt::format(
      "{}: {}, {}, {}, {}: {}", path, counted(found.segments, "segment"), counted(found.records, "record"),
      counted(found.transactions, "transaction"), byte_size(found.bytes),
      found.damages.empty() ? "no damage" : counted(found.damages.size(), "damage")));
  for (const Checked& checked : segments) {
    if (!checked.damages.empty()) {
      program.console.text(told(checked));
    } else if (verbose_) {
      program.console.line(fmt::format("sequence {}: whole, {}, {}", checked.info.sequence,
                                       told(checked.readable), byte_size(checked.info.bytes)));
    }
  }
}

Exit RedoVerify::run(Program& program) {
  RedoLog log = open_log(program, "restante redo verify");
  const LogVerification found = require(log.verify());
  show(program, found, examine(log, found));
  if (found.damages.empty()) return kDone;
  fail(Status(restante::Code::damaged, fmt::format("damage in {}", printable(program.config.redo.path)),
              "run 'restante backup --full', so that later states do not need the damaged part"));
}

}  // namespace

std::unique_ptr<Command> make_redo_verify() { return std::make_unique<RedoVerify>(); }

}  // namespace cli

#include "redo_range.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "setup.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::Code;
using restante::Lsn;
using restante::ReadRange;
using restante::RecordInfo;
using restante::RedoLog;
using restante::Result;
using restante::SegmentInfo;
using restante::Status;
using restante::Time;

/// LSNs and sequences begin at 1.
std::optional<std::uint64_t> position_of(const char* option, const std::string& text) {
  const std::optional<std::uint64_t> value = optional_number_of(option, text);
  if (value == std::uint64_t{0})
    fail_usage(fmt::format("{}: there is no 0, the first is 1", option),
               "'restante redo stat' shows where the redo log begins and ends");
  return value;
}

const SegmentInfo& segment_of(const std::vector<SegmentInfo>& segments, const char* option,
                              std::uint64_t sequence) {
  const auto found = std::find_if(segments.begin(), segments.end(),
                                  [&](const SegmentInfo& info) { return info.sequence == sequence; });
  if (found != segments.end()) return *found;
  fail(Status(Code::not_found,
              fmt::format("{}: the redo log here has no sequence {}", option, number(sequence)),
              segments.empty() ? "it has none"
                               : fmt::format("it has sequences {} to {}; older ones may be in the target",
                                             segments.front().sequence, segments.back().sequence)));
}

bool is_in_log(const RedoLog& log, const std::string& account) {
  ReadRange all;
  all.account_id = account;
  RecordInfo record;
  const Result<bool> any = require(log.records(all))->next(record);
  return !any.ok() || *any;
}

}  // namespace

void RedoRange::declare(CLI::App& app, const std::string& what) {
  app.add_option("-a,--account", accounts_,
                 fmt::format("Only {} of these accounts, by address or id; 'all' for all (default).", what))
      ->type_name("ACCOUNT");
  app.add_option("--from", from_, fmt::format("Only {} committed at this time or later.", what))
      ->type_name("TIME");
  app.add_option("--to", to_, fmt::format("Only {} committed at this time or earlier.", what))
      ->type_name("TIME");
  app.add_option("--from-lsn", from_lsn_, "From this position of the redo log on.")->type_name("N");
  app.add_option("--to-lsn", to_lsn_, "Up to this position.")->type_name("N");
  app.add_option("--from-seq", from_sequence_, "From the beginning of this redo log sequence on.")
      ->type_name("N");
  app.add_option("--to-seq", to_sequence_, "Up to the end of this redo log sequence.")->type_name("N");
}

void RedoRange::check(const restante::TimeZone& zone) {
  accounts_ = accounts_of(accounts_);
  first_time_ = optional_time_of(zone, "--from", from_);
  last_time_ = optional_time_of(zone, "--to", to_);
  first_lsn_ = position_of("--from-lsn", from_lsn_);
  last_lsn_ = position_of("--to-lsn", to_lsn_);
  first_sequence_ = position_of("--from-seq", from_sequence_);
  last_sequence_ = position_of("--to-seq", to_sequence_);
  check_order();
}

void RedoRange::check_order() const {
  const auto check = [](const auto& first, const auto& last, const char* options) {
    if (first && last && *last < *first)
      fail_usage(fmt::format("{}: the range ends before it begins", options), "bounds are inclusive");
  };
  check(first_time_, last_time_, "--from and --to");
  check(first_lsn_, last_lsn_, "--from-lsn and --to-lsn");
  check(first_sequence_, last_sequence_, "--from-seq and --to-seq");
}

bool RedoRange::has(const std::string& account) const {
  return accounts_.empty() || std::find(accounts_.begin(), accounts_.end(), account) != accounts_.end();
}

Time RedoRange::newest(const std::vector<SegmentInfo>& segments) const {
  Time newest;
  for (const SegmentInfo& info : segments)
    if (info.last_lsn != 0) newest = std::max(newest, info.last_time);
  return last_time_ ? std::min(newest, *last_time_) : newest;
}

ReadRange RedoRange::in(const RedoSource& source) const {
  ReadRange range;
  // The index of sealed segments finds the records of one account.
  if (accounts_.size() == 1) range.account_id = accounts_.front();
  range.from = first_time_;
  range.to = last_time_;
  range.until = last_lsn_.value_or(UINT64_MAX);
  if (source.log() != nullptr) range.until = std::min(range.until, source.log()->end());
  if (first_lsn_) range.after = *first_lsn_ - 1;
  const std::vector<SegmentInfo> segments = require(source.segments());
  if (first_sequence_)
    range.after = std::max(range.after, segment_of(segments, "--from-seq", *first_sequence_).first_lsn - 1);
  if (last_sequence_) {
    const SegmentInfo& last = segment_of(segments, "--to-seq", *last_sequence_);
    range.until = std::min(range.until, std::max(last.last_lsn, last.first_lsn - 1));
  }
  return range;
}

ReadRange RedoRange::in(const RedoLog& log) const {
  ReadRange range = in(RedoSource(log));
  if (!first_time_) return range;
  // Where it cannot be told, every time is looked at.
  const Result<Lsn> before = log.lsn_at(Time{first_time_->us - 1});
  if (before.ok()) range.after = std::max(range.after, *before);
  return range;
}

void require_known(Program& program, const RedoLog& log, const std::vector<std::string>& accounts) {
  for (const std::string& account : accounts) {
    if (is_in_log(log, account)) continue;
    const auto store = open_store(program);
    if (store->find_account(account).status().code() != Code::not_found) continue;
    std::vector<std::string> known;
    require(store->list_accounts([&](const restante::Account& one) {
      known.push_back(one.id);
      return Status();
    }));
    fail(Status(
        Code::not_found,
        fmt::format("there is no account '{}' and no record of it in the redo log", printable(account)),
        known.empty() ? "the store has no account" : "accounts are " + list_of(known)));
  }
}

// A cursor that stays where it is would never end.
void DamageNotes::refuse_again(const Status& failure) {
  if (last_ == failure.message()) fail(failure);
  last_ = failure.message();
}

void DamageNotes::note(const Status& failure) {
  if (failure.code() != Code::damaged) fail(failure);
  refuse_again(failure);
  texts_.push_back(failure.message());
  program_.console.error(failure);
}

void DamageNotes::note_hole(const Status& hole) {
  refuse_again(hole);
  program_.console.warn(hole.message());
}

Json DamageNotes::json() const {
  Json out = Json::array();
  for (const std::string& text : texts_) out.push_back(json_text(text));
  return out;
}

Walked for_each_record(Program& program, const RedoSource& source, const RedoRange& range,
                       const std::vector<std::string>& kinds, DamageNotes& damages,
                       const std::function<void(const RecordInfo&)>& each) {
  ReadRange wanted = range.in(source);
  wanted.kinds = kinds;
  const auto cursor = require(source.records(wanted));
  for (RecordInfo record;;) {
    if (stop_requested() || !program.console.is_read()) return Walked::stopped;
    const Result<bool> more = cursor->next(record);
    if (!more.ok()) {
      if (source.files() != nullptr && more.status().code() == Code::not_found) {
        damages.note_hole(more.status());
      } else {
        damages.note(more.status());
      }
      continue;
    }
    if (!*more) return Walked::to_its_end;
    if (range.has(record.account_id)) each(record);
  }
}

Status damaged_log() {
  return Status(Code::damaged, "the redo log is damaged",
                "'restante redo verify' tells what is lost; a full backup makes later states whole");
}

}  // namespace cli

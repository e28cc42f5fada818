#include "log_history.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

namespace restante::test {
namespace {

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

std::string id_of(const std::vector<Operation>& operations) {
  const auto* op = operations.empty() ? nullptr : std::get_if<HostOp>(&operations.front());
  return op == nullptr ? std::string() : op->name;
}

struct Found {
  std::string account;
  std::string id;
  Lsn begin_lsn = 0;
  Lsn lsn = 0;
  std::vector<Operation> operations;
};

/// Committed transactions; what went wrong while reading them is added to `problem`.
std::vector<Found> read_all(const RedoLog& log, Lsn after, const std::string& account, std::string& problem) {
  std::vector<Found> all;
  const Result<std::unique_ptr<TransactionCursor>> cursor = log.read({after, UINT64_MAX, account});
  if (!cursor.ok()) problem = cursor.status().to_string();
  while (problem.empty()) {
    LoggedTransaction transaction;
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok()) problem = "reading: " + more.status().to_string();
    if (!more.ok() || !*more) break;
    all.push_back({transaction.account_id, id_of(transaction.operations), transaction.begin_lsn,
                   transaction.commit_lsn, std::move(transaction.operations)});
  }
  return all;
}

std::string kind_of(const RedoLog& log, Lsn lsn) {
  const Result<std::unique_ptr<RedoLog::RecordCursor>> cursor = log.records({lsn - 1, lsn, {}});
  RecordInfo record;
  if (!cursor.ok()) return {};
  const Result<bool> found = (*cursor)->next(record);
  return found.ok() && *found ? std::string(record.kind) : std::string();
}

bool takes_effect(const LogHistory::Event& event) {
  return event.kind == LogHistory::Event::append || event.kind == LogHistory::Event::commit;
}

}  // namespace

void LogHistory::closed(Lsn end) {
  durable(end);
  opened_ = end + 1;
  is_closed_ = true;
}

std::map<Lsn, LogHistory::Event> LogHistory::open() const {
  std::map<Lsn, Event> open;
  for (const Event& event : events_) {
    if (event.kind == Event::begin) open[event.lsn] = event;
    if (event.kind == Event::commit || event.kind == Event::abort) open.erase(event.begin_lsn);
  }
  return open;
}

std::optional<Lsn> LogHistory::lowest_consumer() const {
  std::optional<Lsn> lowest;
  for (const auto& [name, position] : consumers_)
    lowest = std::min(lowest.value_or(position.at_most), position.at_most);
  return lowest;
}

Lsn LogHistory::first_kept(const RedoLog& log) { return log.segments()->front().first_lsn; }

// What somebody has not read is whole. What all have read is, unless it began in what is removed.
bool LogHistory::is_readable(const Event& event, const RedoLog& log) const {
  const Lsn first = first_kept(log);
  if (event.lsn < first || event.lsn > log.durable_end()) return false;
  const bool is_owed = first == 1 || event.lsn > lowest_consumer().value_or(0);
  return is_owed || event.kind != Event::commit || event.begin_lsn >= first;
}

std::string LogHistory::check_opened(RedoLog& log) {
  if (log.end() < durable_)
    return text("acknowledged up to LSN ", durable_, ", and the log ends at ", log.end());
  if (std::string wrong = settle(log); !wrong.empty()) return wrong;
  if (std::string wrong = check_reconcile(log); !wrong.empty()) return wrong;
  if (std::string wrong = check_consumers(log); !wrong.empty()) return wrong;
  durable_ = log.end();
  return check(log);
}

// How much of what was not acknowledged is there, and whether the call that was under way is.
std::string LogHistory::settle(const RedoLog& log) {
  std::erase_if(events_, [&](const Event& event) { return event.lsn > log.end(); });
  if (!doubtful_) return {};
  Event doubtful = *std::exchange(doubtful_, std::nullopt);
  std::string problem;
  const std::vector<Found> found = read_all(log, 0, {}, problem);
  if (!problem.empty()) return problem;
  const std::map<Lsn, Event> open = this->open();
  const std::vector<RedoLog::Unfinished> unfinished = log.unfinished();
  const auto is_unfinished = [&](Lsn lsn) {
    return std::any_of(unfinished.begin(), unfinished.end(),
                       [&](const RedoLog::Unfinished& each) { return each.begin_lsn == lsn; });
  };
  const Lsn last = events_.empty() ? 0 : events_.back().lsn;
  const bool has_new = !found.empty() && found.back().lsn > last && found.back().id == doubtful.id;
  switch (doubtful.kind) {
    case Event::append:
    case Event::commit:
      if (has_new) doubtful.lsn = found.back().lsn;
      break;
    case Event::abort:
      // Nothing but the record itself says so; where it lies does not matter to anybody.
      if (open.contains(doubtful.begin_lsn) && !is_unfinished(doubtful.begin_lsn)) doubtful.lsn = log.end();
      break;
    case Event::begin:
      for (const RedoLog::Unfinished& each : unfinished)
        if (each.begin_lsn > last && each.account_id == doubtful.account) doubtful.lsn = each.begin_lsn;
      break;
    case Event::touch: break;
  }
  if (doubtful.lsn != 0) events_.push_back(doubtful);
  return {};
}

std::string LogHistory::check(const RedoLog& log) const {
  for (const auto part :
       {&LogHistory::check_transactions, &LogHistory::check_accounts, &LogHistory::check_unfinished,
        &LogHistory::check_records, &LogHistory::check_contents}) {
    if (std::string wrong = (this->*part)(log); !wrong.empty()) return wrong;
  }
  return check_segments(log);
}

std::string LogHistory::check_transactions(const RedoLog& log) const {
  std::string problem;
  const std::vector<Found> found = read_all(log, 0, {}, problem);
  if (!problem.empty()) return problem;
  std::vector<Event> expected;
  for (const Event& event : events_)
    if (takes_effect(event) && is_readable(event, log)) expected.push_back(event);
  for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    if (i == expected.size())
      return text("transaction ", found[i].id, " at ", found[i].lsn, " is one too many");
    const Event& event = expected[i];
    if (i == found.size()) return text("transaction ", event.id, " at ", event.lsn, " is missing at the end");
    const bool is_same =
        found[i].id == event.id && found[i].account == event.account && found[i].lsn == event.lsn;
    if (!is_same)
      return text("expected ", event.id, " at ", event.lsn, ", found ", found[i].id, " at ", found[i].lsn);
  }
  return {};
}

std::string LogHistory::check_accounts(const RedoLog& log) const {
  std::map<std::string, std::vector<std::string>> expected;
  for (const Event& event : events_)
    if (takes_effect(event) && is_readable(event, log)) expected[event.account].push_back(event.id);
  for (const auto& [account, ids] : expected) {
    std::string problem;
    std::vector<std::string> found;
    for (const Found& each : read_all(log, 0, account, problem)) found.push_back(each.id);
    if (!problem.empty()) return problem;
    if (found != ids) return text("account ", account, " has other transactions when read alone");
  }
  return {};
}

std::string LogHistory::check_unfinished(const RedoLog& log) const {
  std::map<Lsn, Event> expected = open();
  for (const RedoLog::Unfinished& each : log.unfinished()) {
    const auto event = expected.find(each.begin_lsn);
    if (event == expected.end())
      return text("transaction ", each.begin_lsn, " is unfinished and should not be");
    if (event->second.account != each.account_id)
      return text("transaction ", each.begin_lsn, " is unfinished of another account");
    expected.erase(event);
  }
  if (!expected.empty()) return text("transaction ", expected.begin()->first, " should be unfinished");
  return {};
}

std::string LogHistory::check_records(const RedoLog& log) const {
  const Result<std::unique_ptr<RedoLog::RecordCursor>> cursor = log.records({});
  if (!cursor.ok()) return cursor.status().to_string();
  Lsn expected = log.segments()->front().first_lsn;
  for (;;) {
    RecordInfo record;
    const Result<bool> more = (*cursor)->next(record);
    if (!more.ok()) return "records: " + more.status().to_string();
    if (!*more) break;
    if (record.lsn != expected) return text("the record behind ", expected - 1, " is ", record.lsn);
    if (record.durable_lsn >= record.lsn) return text("record ", record.lsn, " says that it is durable");
    ++expected;
  }
  if (expected <= log.durable_end()) return text("record ", expected, " is missing");
  const Result<LogVerification> verification = log.verify();
  if (!verification.ok()) return verification.status().to_string();
  for (const LogDamage& damage : verification->damages)
    return text("damage in segment ", damage.sequence, " at ", damage.offset, ": ", damage.what);
  return {};
}

std::string LogHistory::check_contents(const RedoLog& log) const {
  const Lsn first = first_kept(log);
  const Lsn owed = first == 1 ? 0 : lowest_consumer().value_or(0);
  for (const Event& event : events_) {
    if (!event.content || event.lsn < first || event.lsn <= owed) continue;
    const Result<std::unique_ptr<ContentReader>> reader = log.open_content(*event.content);
    if (!reader.ok()) return text("content of ", event.id, ": ", reader.status().to_string());
    Bytes bytes;
    Bytes step(8192);
    for (;;) {
      const Result<std::size_t> got = (*reader)->read(step);
      if (!got.ok()) return text("content of ", event.id, ": ", got.status().to_string());
      if (*got == 0) break;
      bytes.insert(bytes.end(), step.begin(), step.begin() + static_cast<std::ptrdiff_t>(*got));
    }
    if (bytes != contents_.at(event.content->digest)) return text("content of ", event.id, " is another one");
  }
  return {};
}

std::string LogHistory::check_consumers(const RedoLog& log) {
  std::map<std::string, Position> found;
  for (const Consumer& consumer : *log.consumers())
    found[consumer.name] = {consumer.position, consumer.position};
  for (const auto& [name, position] : consumers_) {
    const auto each = found.find(name);
    if (each == found.end() && position.at_least == 0) continue;
    if (each == found.end()) return text("consumer ", name, " is gone");
    if (each->second.at_least < position.at_least || each->second.at_least > position.at_most)
      return text("consumer ", name, " is at ", each->second.at_least, " and should be at ",
                  position.at_least);
  }
  // What it is past must not be written again under the same LSN.
  for (const auto& [name, position] : found)
    if (position.at_most > log.end()) return text("consumer ", name, " is behind the end of the log");
  consumers_ = std::move(found);
  const Lsn first = log.segments()->front().first_lsn;
  if (first > 1 && first > lowest_consumer().value_or(0) + 1)
    return text("segments up to LSN ", first - 1, " were removed, and a consumer had not read them");
  return {};
}

// Whoever was touched or appended to since the log was last closed in order, as far as that is kept.
std::string LogHistory::check_reconcile(const RedoLog& log) {
  // The mark that closes is the only record that can have come since.
  const std::optional<Lsn> closing = std::exchange(closing_, std::nullopt);
  const bool has_mark = closing && log.end() > *closing && kind_of(log, log.end()) == "mark";
  if (has_mark) opened_ = log.end() + 1;
  const std::vector<std::string> listed = log.accounts_to_reconcile();
  const std::set<std::string> names(listed.begin(), listed.end());
  // A full disk may have kept the mark away.
  if (std::exchange(is_closed_, false) && has_mark && !names.empty())
    return text("the log was closed in order, and ", *names.begin(), " is to be reconciled");
  const Lsn kept = log.segments()->front().first_lsn;
  for (const Event& event : events_) {
    const bool counts = event.kind == Event::touch || event.kind == Event::append;
    if (counts && event.lsn >= std::max(opened_, kept) && !names.contains(event.account))
      return text("account ", event.account, " changed at ", event.lsn, " and is not to be reconciled");
  }
  return {};
}

std::string LogHistory::check_segments(const RedoLog& log) {
  const std::vector<SegmentInfo> segments = *log.segments();
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (segments[i].sequence + 1 != segments[i + 1].sequence)
      return text("segment ", segments[i].sequence + 1, " is missing");
    if (segments[i].last_lsn != 0 && segments[i].last_lsn + 1 != segments[i + 1].first_lsn)
      return text("segment ", segments[i].sequence, " does not end where the next one begins");
  }
  return {};
}

}  // namespace restante::test

#include "log_run.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

namespace restante::test {
namespace {

using Event = LogHistory::Event;

constexpr std::string_view kPath = "/redo";
constexpr std::array<const char*, 4> kAccounts = {"alice", "bob", "carol", "dave"};
constexpr std::array<const char*, 2> kConsumers = {"target", "shipper"};

}  // namespace

LogRun::LogRun(std::uint64_t seed, const Dangers& dangers)
    : engine_(seed), dangers_(dangers), disk_(seed ^ 0x9e3779b97f4a7c15, "redo.control") {}

template <class... Parts>
void LogRun::tell(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  story_ += out.str() + "\n";
}

void LogRun::wrong(const std::string& what) {
  if (wrong_.empty()) wrong_ = what;
}

std::string LogRun::play(int crashes) {
  for (int i = 0; i < crashes && wrong_.empty(); ++i) {
    // Many crashes hit the recovery from the one before.
    disk_.crash_at(below(one_in(3) ? 20 : 150));
    if (open()) live(60);
    if (log_ && !disk_.is_down() && one_in(3)) close();
    restart();
  }
  if (wrong_.empty()) {
    disk_.crash_at(UINT64_MAX);
    if (!open()) wrong("the log cannot be opened in the end");
    close();
  }
  return wrong_;
}

std::string LogRun::play_until(std::uint64_t n, const SimulatedDisk::Crash& crash, int steps, bool& is_over) {
  disk_.crash_at(n);
  if (open()) live(steps);
  close();
  is_over = !disk_.is_down();
  disk_.restart_machine(crash);
  if (wrong_.empty() && open()) live(3);
  close();
  return wrong_;
}

std::string LogRun::play_rolls(std::uint64_t n, const SimulatedDisk::Crash& crash, bool& is_over) {
  return play_script(
      {&LogRun::append, &LogRun::maintain, &LogRun::append_content, &LogRun::roll, &LogRun::append}, n, crash,
      is_over);
}

std::string LogRun::play_removals(std::uint64_t n, const SimulatedDisk::Crash& crash, bool& is_over) {
  return play_script({&LogRun::touch, &LogRun::append, &LogRun::append_content, &LogRun::roll,
                      &LogRun::append, &LogRun::consume_all, &LogRun::remove_consumed},
                     n, crash, is_over);
}

std::string LogRun::play_script(const Script& script, std::uint64_t n, const SimulatedDisk::Crash& crash,
                                bool& is_over) {
  if (!open()) return "the log cannot be opened";
  disk_.crash_at(n);
  follow(script);
  close();
  is_over = !disk_.is_down();
  disk_.restart_machine(crash);
  if (wrong_.empty() && open()) follow(script);
  if (log_ && wrong_.empty()) wrong(history_.check(*log_));
  close();
  return wrong_;
}

void LogRun::follow(const Script& script) {
  for (int i = 0; i < 2; ++i) {
    for (const auto step : script)
      if (wrong_.empty() && !disk_.is_down()) (this->*step)();
  }
}

bool LogRun::open() {
  RedoLog::Options options;
  options.create = true;
  options.segment_bytes = 64u << 10;
  options.piece_bytes = 4u << 10;
  options.clock = &clock_;
  redo::OpenHooks hooks;
  hooks.io = &disk_;
  const std::uint64_t failures = failures_before_ = disk_.failed_syncs();
  Result<RedoLog> opened = redo::open_log(std::string(kPath), options, hooks);
  if (!opened.ok()) {
    tell("open: ", opened.status().to_string());
    const bool is_full = opened.status().code() == Code::no_space && is_full_;
    const bool is_explained = disk_.is_down() || disk_.failed_syncs() != failures || is_full;
    fill(false);
    if (!is_explained) wrong("open: " + opened.status().to_string());
    return false;
  }
  log_ = std::move(*opened);
  tell("opened, end ", log_->end(), ", segment ", log_->sequence(), ":", disk_.describe(std::string(kPath)));
  const std::string problem = history_.check_opened(*log_);
  const bool is_explained = disk_.is_down() || disk_.failed_syncs() != failures;
  if (!problem.empty() && !is_explained) wrong("after recovery: " + problem);
  failed_ = disk_.failed_syncs() != failures;
  return true;
}

// In order, if nothing is in the way.
void LogRun::close() {
  held_.clear();
  if (!log_) return;
  const Lsn end = log_->end();
  log_.reset();
  // A sync may have failed in a call that did not depend on it.
  const bool is_closed = !failed_ && !disk_.is_down() && disk_.failed_syncs() == failures_before_;
  tell("closed", is_closed ? "" : ", with a failure", " at ", end);
  if (is_closed) {
    history_.closed(end);
  } else {
    history_.closing(end);
  }
}

void LogRun::restart() {
  const bool kills = std::exchange(dies_with_sync_, false) || (dangers_.kills && one_in(4));
  disk_.stop();
  held_.clear();
  log_.reset();
  failed_ = false;
  fill(false);
  if (kills) {
    tell("all processes killed");
    disk_.restart_processes();
  } else {
    const SimulatedDisk::Crash crash = disk_.random_crash();
    tell("machine restarted, bytes ", static_cast<int>(crash.bytes), ", metadata ",
         static_cast<int>(crash.metadata));
    disk_.restart_machine(crash);
  }
  tell("  there is", disk_.describe(std::string(kPath)));
}

void LogRun::live(int steps) {
  for (int i = 0; i < steps && wrong_.empty() && !disk_.is_down(); ++i) {
    if (failed_) {
      // Only closing is left; the next opener does not believe the cache.
      close();
      if (one_in(2)) return;
    }
    if (!log_ && !open()) return;
    step();
    note_durable();
    if (one_in(20) && wrong_.empty() && !disk_.is_down() && log_ && !failed_) {
      const std::string problem = history_.check(*log_);
      if (!problem.empty() && !disk_.is_down() && disk_.failed_syncs() == 0)
        wrong("while it is open: " + problem);
    }
  }
}

void LogRun::note_durable() {
  if (log_) history_.durable(log_->durable_end());
}

void LogRun::step() {
  switch (below(16)) {
    case 0:
    case 1:
    case 2:
    case 3: return append();
    case 4:
    case 5: return append_content();
    case 6:
    case 7: return begin();
    case 8:
    case 9: return end_one();
    case 10: return one_in(2) ? let_go() : recover();
    case 11: return touch();
    case 12: return consume();
    case 13: return trouble();
    default: return housekeeping();
  }
}

bool LogRun::failed(const Status& status, std::initializer_list<Code> allowed) {
  tell("  ", status.to_string());
  if (disk_.is_down()) return true;
  if (status.code() == Code::not_durable || status.code() == Code::poisoned || status.code() == Code::io) {
    if (disk_.failed_syncs() == 0) wrong("a call failed without a reason: " + status.to_string());
    failed_ = true;
    return true;
  }
  const bool is_allowed = std::find(allowed.begin(), allowed.end(), status.code()) != allowed.end();
  if (!is_allowed) wrong("a call failed without a reason: " + status.to_string());
  return false;
}

Event LogRun::new_event(Event::Kind kind) {
  Event event;
  event.kind = kind;
  event.account = kAccounts[static_cast<std::size_t>(below(kAccounts.size()))];
  event.id = std::to_string(++number_);
  return event;
}

std::vector<Operation> LogRun::operations_of(const Event& event) {
  const std::size_t size = static_cast<std::size_t>(one_in(8) ? below(30'000) : below(1500));
  std::vector<Operation> operations{HostOp{"test", event.id, "kind", "id", std::string(size, 'x')}};
  if (!event.content) return operations;
  MessagePut put;
  put.messages.emplace_back();
  put.messages.back().id = event.id;
  put.messages.back().folder_id = "inbox";
  put.messages.back().content = event.content;
  operations.emplace_back(std::move(put));
  return operations;
}

RedoLog::BeginOptions LogRun::options(Sync sync) const {
  RedoLog::BeginOptions options;
  options.sync = sync;
  return options;
}

void LogRun::append() {
  Event event = new_event(Event::append);
  RedoLog::BeginOptions options = this->options(one_in(2) ? Sync::durable : Sync::lazy);
  options.ignore_unrecovered = true;
  tell("append ", event.id, options.sync == Sync::lazy ? " lazily" : "");
  append(event, options);
}

void LogRun::append(Event& event, const RedoLog::BeginOptions& options) {
  const Result<Lsn> lsn = log_->append(event.account, operations_of(event), options);
  if (!lsn.ok()) {
    if (failed(lsn.status(), {Code::no_space})) history_.in_doubt(event);
    return;
  }
  event.lsn = *lsn;
  tell("  is ", event.lsn);
  history_.done(event);
  if (options.sync == Sync::durable) history_.durable(event.lsn);
}

void LogRun::append_content() {
  Event event = new_event(Event::append);
  Bytes bytes(static_cast<std::size_t>(below(14'000)));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
  // Some mail comes twice.
  if (last_content_ && one_in(3)) bytes = *last_content_;
  last_content_ = bytes;
  tell("content of ", bytes.size(), " bytes, append ", event.id);
  const auto reader = read_from_memory(ByteView(bytes));
  const Result<ContentRef> content = log_->put_content(event.account, *reader);
  if (!content.ok()) {
    (void)failed(content.status(), {Code::no_space});
    return;
  }
  history_.content(*content, std::move(bytes));
  event.content = *content;
  RedoLog::BeginOptions options = this->options(one_in(3) ? Sync::lazy : Sync::durable);
  options.ignore_unrecovered = true;
  append(event, options);
}

void LogRun::begin() {
  Event event = new_event(Event::begin);
  const RedoLog::BeginOptions options = this->options(one_in(4) ? Sync::lazy : Sync::durable);
  tell("begin ", event.id, " of ", event.account, options.sync == Sync::lazy ? " lazily" : "");
  Result<Transaction> transaction = log_->begin(event.account, operations_of(event), options);
  if (transaction.ok()) {
    event.lsn = transaction->begin_lsn();
    tell("  is ", event.lsn);
    history_.done(event);
    if (options.sync == Sync::durable) history_.durable(event.lsn);
    held_.push_back({std::move(*transaction), event});
    return;
  }
  if (transaction.status().code() == Code::needs_recovery) {
    const std::map<Lsn, Event> open = history_.open();
    const bool is_owed = std::any_of(open.begin(), open.end(), [&](const auto& each) {
      const bool is_held = std::any_of(held_.begin(), held_.end(),
                                       [&](const Held& held) { return held.begun.lsn == each.first; });
      return each.second.account == event.account && !is_held;
    });
    if (!is_owed) wrong("needs_recovery of an account with nothing to recover");
    return;
  }
  if (failed(transaction.status(), {Code::no_space})) history_.in_doubt(event);
}

void LogRun::end_one() {
  if (held_.empty()) return;
  const auto chosen = held_.begin() + static_cast<std::ptrdiff_t>(below(held_.size()));
  Held held = std::move(*chosen);
  held_.erase(chosen);
  Event event = held.begun;
  event.kind = one_in(3) ? Event::abort : Event::commit;
  event.begin_lsn = held.begun.lsn;
  event.lsn = 0;
  const Sync sync = one_in(2) ? Sync::lazy : Sync::durable;
  tell(event.kind == Event::abort ? "abort " : "commit ", event.id, sync == Sync::lazy ? " lazily" : "");
  Result<Lsn> lsn = Lsn{0};
  if (event.kind == Event::commit) {
    lsn = held.transaction.commit({}, sync);
  } else if (const Status aborted = held.transaction.abort(sync); aborted.ok()) {
    lsn = log_->end();
  } else {
    lsn = aborted;
  }
  if (!lsn.ok()) {
    // An end always finds room.
    if (failed(lsn.status(), {})) history_.in_doubt(event);
    return;
  }
  event.lsn = *lsn;
  tell("  is ", event.lsn);
  history_.done(event);
  if (sync == Sync::durable) history_.durable(event.lsn);
}

void LogRun::let_go() {
  if (held_.empty()) return;
  tell("let go of ", held_.back().begun.id);
  held_.pop_back();
}

void LogRun::recover() {
  tell("recover");
  Result<std::vector<Transaction>> claimed = log_->recover();
  if (!claimed.ok()) {
    (void)failed(claimed.status(), {});
    return;
  }
  std::map<Lsn, Event> expected = history_.open();
  for (const Held& held : held_) expected.erase(held.begun.lsn);
  Lsn before = 0;
  for (Transaction& transaction : *claimed) {
    const auto event = expected.find(transaction.begin_lsn());
    const auto* op = std::get_if<HostOp>(&transaction.operations().front());
    if (event == expected.end() || op == nullptr || op->name != event->second.id)
      return wrong("recover() hands out what was not begun, or has ended");
    if (transaction.begin_lsn() <= before) return wrong("recover() is not in begin order");
    before = transaction.begin_lsn();
    held_.push_back({std::move(transaction), event->second});
    expected.erase(event);
  }
  if (!expected.empty()) wrong("recover() does not hand out " + expected.begin()->second.id);
}

void LogRun::touch() {
  Event event = new_event(Event::touch);
  tell("touch ", event.account);
  const Status touched = log_->touch(event.account);
  if (!touched.ok()) {
    (void)failed(touched, {Code::no_space});
    return;
  }
  event.lsn = log_->durable_end();
  history_.done(event);
}

void LogRun::consume() {
  const std::string name = kConsumers[static_cast<std::size_t>(below(kConsumers.size()))];
  if (one_in(2)) return remove_consumed();
  Lsn position = log_->end();
  for (const Consumer& consumer : *log_->consumers())
    if (consumer.name == name) position = consumer.position + below(log_->end() - consumer.position + 1);
  move_consumer(name, position);
}

void LogRun::consume_all() {
  for (const char* const name : kConsumers)
    if (!disk_.is_down()) move_consumer(name, log_->end());
}

void LogRun::remove_consumed() {
  tell("remove what was consumed");
  const Result<std::uint64_t> removed = log_->remove_consumed(std::chrono::seconds(0));
  if (!removed.ok()) (void)failed(removed.status(), {Code::no_space});
  if (removed.ok()) tell("  ", *removed, " segments");
}

void LogRun::move_consumer(const std::string& name, Lsn position) {
  tell("consumer ", name, " at ", position);
  const Status moved = log_->set_consumer(name, position);
  if (moved.ok()) {
    history_.consumer(name, position);
  } else {
    (void)failed(moved, {Code::no_space});
    history_.consumer_in_doubt(name, position);
  }
}

void LogRun::housekeeping() {
  switch (below(5)) {
    case 0: {
      const Lsn end = log_->end();
      tell("sync to ", end);
      const Status synced = log_->sync();
      if (synced.ok()) history_.durable(end);
      if (!synced.ok()) (void)failed(synced, {});
      return;
    }
    case 1: return roll();
    case 2: return maintain();
    case 3:
      tell("time goes by");
      clock_.now_us += static_cast<std::int64_t>(below(5'000'000)) - (one_in(4) ? 4'000'000 : 0);
      return;
    default:
      tell("close and open");
      close();
      if (!disk_.is_down()) (void)open();
  }
}

void LogRun::roll() {
  const Lsn end = log_->end();
  tell("roll behind ", end);
  const Status rolled = log_->roll();
  if (rolled.ok()) history_.durable(end);
  if (!rolled.ok()) (void)failed(rolled, {Code::no_space});
}

void LogRun::maintain() {
  const Lsn end = log_->end();
  tell("maintain");
  const Status kept = log_->maintain();
  if (kept.ok()) history_.durable(end);
  if (!kept.ok()) (void)failed(kept, {Code::no_space});
}

void LogRun::fill(bool is_full) {
  is_full_ = is_full;
  disk_.fill(is_full);
}

void LogRun::trouble() {
  if (dangers_.full_disks && one_in(3)) {
    const bool is_full = one_in(2);
    tell(is_full ? "the disk is full" : "the disk has room");
    fill(is_full);
  } else if (dangers_.failing_syncs && one_in(4)) {
    dies_with_sync_ = dangers_.kills && one_in(2);
    tell("a sync will fail", dies_with_sync_ ? ", and all are killed then" : "");
    disk_.fail_sync(below(4), dies_with_sync_);
  }
}

}  // namespace restante::test

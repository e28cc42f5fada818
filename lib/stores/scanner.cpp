#include <restante/scanner.hpp>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "os/io.hpp"
#include "stores/scan_difference.hpp"
#include "stores/scan_sink.hpp"
#include "stores/scanner_impl.hpp"
#include "stores/watch_request.hpp"

namespace restante {
inline namespace v0 {
namespace {

// One transaction holds at most this much, and names at most this much new content, which must not fall
// behind in the log before it is named. What is larger is several transactions, and a crash between them
// leaves the rest to the next scan.
constexpr std::uint64_t kBytesPerTransaction = 8u << 20;
constexpr std::uint64_t kContentPerTransaction = 16u << 20;
constexpr std::chrono::seconds kWatcherDeadline{10};

// A restore that acts as a client makes a folder, and the server gives it a GUID when it finds it (R3).
void note_made(const std::vector<Operation>& operations, stores::ScanState& state) {
  if (operations.empty() || !std::holds_alternative<Rewind>(operations.front())) return;
  for (const Operation& operation : operations) {
    const auto* put = std::get_if<FolderPut>(&operation);
    if (put != nullptr && !state.state.folders().contains(put->folder.id)) state.made.insert(put->folder.id);
  }
}

// What belongs to folders that a transaction removed is not given to others.
void note_deleted(std::span<const Operation> operations, std::set<std::string>& retired) {
  for (const Operation& operation : operations) {
    if (const auto* folder = std::get_if<FolderDelete>(&operation)) retired.insert(folder->folder_id);
  }
}

}  // namespace

Scanner::Scanner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Scanner::~Scanner() = default;

Result<std::unique_ptr<Scanner>> Scanner::open(MailSource& store, const RedoLog& log,
                                               const Options& options) {
  return ScannerInternals::open(store, log, options, os::real_io());
}

Result<std::unique_ptr<Scanner>> ScannerInternals::open(MailSource& store, const RedoLog& log,
                                                        const Scanner::Options& options, os::Io& io) {
  if (options.state_directory.empty()) {
    return Status(Code::invalid_argument, "the scanner has no state directory");
  }
  Result<stores::ScanStates> states = stores::ScanStates::open(io, options.state_directory, options.holder);
  if (!states.ok()) return states.status();
  return std::unique_ptr<Scanner>(
      new Scanner(std::make_unique<Scanner::Impl>(store, log, options, std::move(*states))));
}

// --- What is known ------------------------------------------------------------------------------------

Result<Scanner::Impl::Known> Scanner::Impl::load(const std::string& account_id) {
  Result<Known> known = load_file(account_id);
  if (known.ok()) return known;
  switch (known.status().code()) {
    case Code::not_found:
    case Code::damaged:
    case Code::unsupported: return rebuild(account_id);
    default: return known;
  }
}

Result<Scanner::Impl::Known> Scanner::Impl::load_file(const std::string& account_id) {
  Result<stores::ScanState> state = states.load(account_id);
  if (!state.ok()) return state.status();
  const Result<bool> is_part = is_part_of_log(state->position);
  if (!is_part.ok()) return is_part.status();
  if (!*is_part) {
    return Status(Code::not_found, "the state is of another log, or of a history that was lost");
  }
  Known known;
  known.found = true;
  known.state = std::move(*state);
  const Lsn before = known.state.position.lsn;
  const Result<Replayed> replayed = replay(known.state, log.end());
  if (!replayed.ok()) return replayed.status();
  // The position alone is not worth a new file, but for one a segment: the log may drop what is behind it.
  const Result<std::vector<SegmentInfo>> segments = log.segments();
  if (!segments.ok()) return segments.status();
  known.replayed = *replayed;
  known.stale = *replayed != Replayed::nothing || before < segments->back().first_lsn;
  return known;
}

// Whether a state at `position` plus what this log holds behind it is the state at the log's end. A log that
// goes on after a disaster (R5) continues a history up to the fork; what a state saw behind that is void.
Result<bool> Scanner::Impl::is_part_of_log(const LogPosition& position) const {
  if (position.lsn > log.end()) return false;
  const Result<std::vector<SegmentInfo>> segments = log.segments();
  if (!segments.ok()) return segments.status();
  if (segments->front().first_lsn > position.lsn + 1) return false;
  if (position.log == log.id() && position.incarnation == log.incarnation()) return true;
  const std::optional<Continuation> continues = log.continues();
  return continues && position.log == continues->parent.log &&
         position.incarnation == continues->parent.incarnation && position.lsn <= continues->parent.lsn;
}

Result<Scanner::Impl::Replayed> Scanner::Impl::replay(stores::ScanState& state, Lsn until) {
  if (until > log.durable_end()) {
    if (Status synced = log.sync(); !synced.ok()) return synced;
  }
  ReadRange range;
  range.after = state.position.lsn;
  range.until = until;
  range.account_id = state.account_id;
  Result<std::unique_ptr<TransactionCursor>> cursor = log.read(range);
  if (!cursor.ok()) return cursor.status();
  LoggedTransaction transaction;
  Replayed replayed = Replayed::nothing;
  for (;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok()) return more.status();
    if (!*more) break;
    const bool is_own = transaction.origin.client == options.origin.client;
    replayed = std::max(replayed, is_own ? Replayed::own : Replayed::foreign);
    note_made(transaction.operations, state);
    if (Status applied = apply(transaction.operations, state); !applied.ok()) return applied;
  }
  state.position = {log.id(), log.incarnation(), until};
  return replayed;
}

Status Scanner::Impl::apply(std::span<const Operation> operations, stores::ScanState& state) {
  note_deleted(operations, state.retired);
  for (const Operation& operation : operations) {
    if (Status applied = state.state.apply(operation); !applied.ok()) return applied;
  }
  return {};
}

// Without a file: what the newest backup knows, else nothing.
Result<Scanner::Impl::Known> Scanner::Impl::rebuild(const std::string& account_id) {
  Known known;
  known.stale = true;
  known.state.account_id = account_id;
  known.state.position = {log.id(), log.incarnation(), log.end()};
  if (Status noted = note_deleted_in_log(known.state); !noted.ok()) return noted;
  if (!options.baseline) return known;
  const Result<std::vector<Operation>> baseline = options.baseline(account_id);
  if (!baseline.ok() && baseline.status().code() == Code::not_found) return known;
  if (!baseline.ok()) return baseline.status();
  for (const Operation& operation : *baseline) {
    if (Status applied = known.state.state.apply(operation); !applied.ok()) return applied;
  }
  known.found = true;
  return known;
}

Status Scanner::Impl::note_deleted_in_log(stores::ScanState& state) {
  ReadRange range;
  range.until = state.position.lsn;
  range.account_id = state.account_id;
  if (range.until > log.durable_end()) {
    if (Status synced = log.sync(); !synced.ok()) return synced;
  }
  Result<std::unique_ptr<TransactionCursor>> cursor = log.read(range);
  if (!cursor.ok()) return cursor.status();
  LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok() && more.status().code() == Code::damaged) continue;  // what can be read is enough
    if (!more.ok()) return more.status();
    if (!*more) return {};
    note_deleted(transaction.operations, state.retired);
  }
}

Status Scanner::Impl::check_unfinished(const std::string& account_id) const {
  for (const RedoLog::Unfinished& unfinished : log.unfinished()) {
    if (unfinished.account_id != account_id || !unfinished.is_rewind) continue;
    return Status(Code::restore_unfinished,
                  base::cat("a restore of ", base::escape(account_id), " began at lsn ", unfinished.begin_lsn,
                            " and did not end"),
                  "resume the restore or roll it back");
  }
  return {};
}

// --- Scanning -----------------------------------------------------------------------------------------

Result<ScanReport> Scanner::scan(std::string_view account_id) {
  const std::string id(account_id);
  const Result<Impl::Hold> hold = impl_->hold(id);
  if (!hold.ok()) return hold.status();
  stores::ScanState state;
  return impl_->scan(id, state);
}

Result<Scanner::Impl::Hold> Scanner::Impl::hold(const std::string& account_id) {
  Hold hold;
  {
    const std::lock_guard lock(mutex);
    std::shared_ptr<std::mutex>& own = locks[account_id];
    if (!own) own = std::make_shared<std::mutex>();
    hold.mutex = own;
  }
  hold.lock = std::unique_lock(*hold.mutex);
  Result<os::Fd> taken = states.take(account_id);
  if (!taken.ok()) return taken.status();
  hold.taken = std::move(*taken);
  return hold;
}

Result<ScanReport> Scanner::Impl::scan(const std::string& account_id, stores::ScanState& out) {
  if (Status unfinished = check_unfinished(account_id); !unfinished.ok()) return unfinished;
  Result<Known> known = load(account_id);
  if (!known.ok()) return known.status();

  ScanReport report;
  report.account_id = account_id;
  stores::ScanDifference difference(store, log, known->state);
  if (!known->found) {
    if (Status read = difference.read_to_adopt(); !read.ok()) return read;
    if (!difference.live().account()) {
      return Status(Code::not_found, base::cat("there is no account ", base::escape(account_id)));
    }
    report.adopted = true;
    known->state.state = difference.live();
  } else {
    if (Status read = difference.read(); !read.ok()) return read;
    std::vector<Operation> operations;
    Result<DifferenceSummary> summary = difference.operations(operations);
    if (!summary.ok()) return summary.status();
    report.difference = std::move(*summary);
    if (!operations.empty()) {
      const Result<Lsn> lsn = append(difference, std::move(operations), Sync::durable, nullptr);
      if (!lsn.ok()) return lsn.status();
      // Exactly what replay makes of the log, not what the store was seen to hold.
      const Result<Replayed> replayed = replay(known->state, *lsn);
      if (!replayed.ok()) return replayed.status();
      known->stale = true;
    } else if (!difference.live().account() && !known->state.state.account()) {
      return Status(Code::not_found, base::cat("there is no account ", base::escape(account_id)));
    }
  }
  report.as_of = known->state.position.lsn;
  stores::FolderIds ids = difference.store_ids();
  if (known->stale || !known->found || known->state.store_ids != ids) {
    known->state.store_ids = ids;
    if (Status stored = states.store(known->state); !stored.ok()) return stored;
  }
  {
    const std::lock_guard lock(mutex);
    store_ids[account_id] = std::move(ids);
  }
  out = std::move(known->state);
  return report;
}

Result<Lsn> Scanner::Impl::append(stores::ScanDifference& difference, std::vector<Operation> operations,
                                  Sync sync, const AppendedFunction& appended) {
  const std::string& account_id = difference.account_id();
  Lsn last = log.end();
  std::vector<Operation> part;
  std::uint64_t bytes = 0;
  std::uint64_t content_bytes = 0;
  const auto flush = [&]() -> Status {
    if (part.empty()) return {};
    const Result<Lsn> lsn = append_part(account_id, part, sync, appended);
    if (!lsn.ok()) return lsn.status();
    last = *lsn;
    part.clear();
    bytes = content_bytes = 0;
    return {};
  };
  for (Operation& operation : operations) {
    const Result<bool> there = difference.log_content(operation, content_bytes);
    if (!there.ok()) return there.status();
    if (!*there) continue;
    bytes += encode(operation).size();
    part.push_back(std::move(operation));
    if (bytes < kBytesPerTransaction && content_bytes < kContentPerTransaction) continue;
    if (Status flushed = flush(); !flushed.ok()) return flushed;
  }
  if (Status flushed = flush(); !flushed.ok()) return flushed;
  return last;
}

// Small segments hold less than a transaction may name.
Result<Lsn> Scanner::Impl::append_part(const std::string& account_id, std::span<const Operation> part,
                                       Sync sync, const AppendedFunction& appended) {
  RedoLog::BeginOptions begin;
  begin.sync = sync;
  begin.origin = options.origin;
  begin.ignore_unrecovered = true;
  Result<Lsn> lsn = log.append(account_id, part, begin);
  if (lsn.ok() && appended) {
    if (Status told = appended(part, *lsn); !told.ok()) return told;
  }
  if (lsn.ok() || lsn.status().code() != Code::invalid_argument || part.size() == 1) return lsn;
  const std::size_t half = part.size() / 2;
  lsn = append_part(account_id, part.first(half), sync, appended);
  return lsn.ok() ? append_part(account_id, part.subspan(half), sync, appended) : lsn;
}

Result<std::vector<std::string>> Scanner::accounts() {
  std::set<std::string> ids;
  const Result<std::vector<std::string>> known = impl_->states.accounts();
  if (!known.ok()) return known.status();
  for (const std::string& id : *known) {
    // A file may stand for an account that has gone, so that a new one of its name is told from it.
    const Result<stores::ScanState> state = impl_->states.load(id);
    if (!state.ok() || state->state.account()) ids.insert(id);
  }
  const Status listed = impl_->store.list_accounts([&](const Account& account) {
    ids.insert(account.id);
    return Status();
  });
  if (!listed.ok()) return listed;
  return std::vector<std::string>(ids.begin(), ids.end());
}

// --- As a source --------------------------------------------------------------------------------------

FieldSet Scanner::fields() const { return impl_->store.fields(); }

Status Scanner::list_accounts(const AccountFunction& each) { return impl_->store.list_accounts(each); }

Result<SnapshotInfo> Scanner::snapshot(std::string_view account_id, OpSink& out) {
  MailboxState state;
  Result<SnapshotInfo> info = snapshot_state(account_id, state);
  if (!info.ok()) return info;
  if (Status written = state.write(out); !written.ok()) return written;
  return info;
}

Result<SnapshotInfo> Scanner::snapshot_state(std::string_view account_id, MailboxState& out) {
  const std::string id(account_id);
  const Result<Impl::Hold> hold = impl_->hold(id);
  if (!hold.ok()) return hold.status();
  stores::ScanState state;
  const Result<ScanReport> report = impl_->scan(id, state);
  if (!report.ok()) return report.status();
  if (!state.state.account()) {
    return Status(Code::not_found, base::cat("account ", base::escape(account_id), " has gone"));
  }
  out = std::move(state.state);
  SnapshotInfo info;
  info.as_of = report->as_of;
  return info;
}

// Ids of the log -> ids of the store, as of the last scan.
std::map<std::string, std::string> Scanner::Impl::ids_in_store(const std::string& account_id) {
  {
    const std::lock_guard lock(mutex);
    const auto found = store_ids.find(account_id);
    if (found != store_ids.end()) return found->second;
  }
  Result<stores::ScanState> state = states.load(account_id);
  std::map<std::string, std::string> ids;
  if (state.ok()) ids = std::move(state->store_ids);
  const std::lock_guard lock(mutex);
  return store_ids.emplace(account_id, std::move(ids)).first->second;
}

Result<std::unique_ptr<ContentReader>> Scanner::open_content(std::string_view account_id,
                                                             const ContentPlace& place) {
  const auto from_log = [&] { return impl_->log.open_content(*place.content); };
  if (place.content && !place.item_kind.empty()) {
    // A file may have been written anew since; what the scan saw is in the log.
    Result<std::unique_ptr<ContentReader>> logged = from_log();
    if (logged.ok()) return logged;
  }
  ContentPlace in_store = place;
  const std::map<std::string, std::string> ids = impl_->ids_in_store(std::string(account_id));
  const auto store_id = ids.find(place.folder_id);
  if (store_id != ids.end()) in_store.folder_id = store_id->second;
  Result<std::unique_ptr<ContentReader>> reader = impl_->store.open_content(account_id, in_store);
  if (reader.ok() || reader.status().code() != Code::not_found || !place.content) return reader;
  // It has gone from the store, but the log may hold it still.
  Result<std::unique_ptr<ContentReader>> logged = from_log();
  return logged.ok() ? std::move(logged) : std::move(reader);
}

std::unique_ptr<MailSink> Scanner::sink_for(MailSink& store) {
  return stores::sink_with_ids(
      store, [this](const std::string& account_id) { return impl_->ids_in_store(account_id); });
}

Status Scanner::server_data(OpSink& out) { return impl_->store.server_data(out); }

Status Scanner::note_contents(std::string_view account_id, std::span<const Message> messages) {
  const std::string id(account_id);
  const Result<Impl::Hold> hold = impl_->hold(id);
  if (!hold.ok()) return hold.status();
  Result<stores::ScanState> known = impl_->states.load(id);
  if (!known.ok()) return known.status();
  bool learned = false;
  for (const Message& message : messages) {
    // Flags and place may be others by now; what was read is of the message, whatever became of it.
    const auto found = known->state.messages().find({message.folder_id, message.id});
    if (found == known->state.messages().end() || found->second.content || !message.content) continue;
    MessagePut put{{found->second}};
    put.messages.front().content = message.content;
    if (Status applied = known->state.apply(put); !applied.ok()) return applied;
    learned = true;
  }
  return learned ? impl_->states.store(*known) : Status();
}

Result<std::set<std::string>> Scanner::settled_accounts() {
  return stores::ask_watcher(impl_->states.io(), impl_->states.dirfd(), kWatcherDeadline);
}

Status Scanner::barrier(std::string_view account_id) {
  const Result<ScanReport> report = scan(account_id);
  return report.ok() ? Status() : report.status();
}

}  // namespace v0
}  // namespace restante

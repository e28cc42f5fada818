#include <restante/session.hpp>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "backup/account_backup.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "redo/log_access.hpp"
#include "target/label.hpp"
#include "target/segment_archive.hpp"
#include "target/target_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

using target::SessionRecord;

// Often enough that an administrator sees it move and that abort is prompt, rare enough to cost nothing.
constexpr std::chrono::milliseconds kHeartbeatInterval{1000};

std::string consumer_name(const Id128& target) { return "target-" + target.to_string(); }

// Sums up what a snapshot consists of while it is written.
class SnapshotTally final : public OpSink {
 public:
  SnapshotTally(target::SnapshotWriter& writer, const DigestKey& key, FieldSet fields,
                std::set<Digest>& contents)
      : writer_(writer), digester_(key, fields), contents_(contents) {}

  [[nodiscard]] Status put(Operation operation) override {
    if (Status s = digester_.add(operation); !s.ok()) return s;
    if (const auto* put = std::get_if<MessagePut>(&operation)) {
      for (const Message& message : put->messages) {
        ++messages;
        note(message.content);
      }
    } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
      note(item->item.content);
    }
    return writer_.put(operation);
  }
  [[nodiscard]] StateDigest digest() const { return digester_.account_digest(); }

  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;

 private:
  void note(const std::optional<ContentRef>& content) {
    if (!content) return;
    bytes += content->size;
    contents_.insert(content->digest);
  }

  target::SnapshotWriter& writer_;
  StateDigester digester_;
  std::set<Digest>& contents_;
};

// The reserved account has items only; the code for accounts reads it through this.
class ServerSource final : public MailSource {
 public:
  explicit ServerSource(MailSource& source) : source_(source) {}
  [[nodiscard]] FieldSet fields() const override { return source_.fields(); }
  [[nodiscard]] Status list_accounts(const AccountFunction&) override { return {}; }
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view, OpSink& out) override {
    if (Status s = source_.server_data(out); !s.ok()) return s;
    return SnapshotInfo{};
  }
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override {
    return source_.open_content(account_id, place);
  }

 private:
  MailSource& source_;
};

bool overlaps(const SessionInfo& running, const std::vector<Account>& accounts) {
  return std::any_of(accounts.begin(), accounts.end(),
                     [&](const Account& account) { return running.find(account.id) != nullptr; });
}

Result<std::vector<Account>> accounts_to_back_up(MailSource& source, const std::vector<std::string>& wanted) {
  std::vector<Account> all;
  const Status listed = source.list_accounts([&](const Account& account) -> Status {
    all.push_back(account);
    return {};
  });
  if (!listed.ok()) return listed.with_context("cannot list the accounts of the store");
  std::sort(all.begin(), all.end(), [](const Account& a, const Account& b) { return a.id < b.id; });
  if (wanted.empty()) return all;
  std::vector<Account> chosen;
  for (const std::string& name : wanted) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Account& account) {
      return account.id == name || account.address == name;
    });
    if (found == all.end())
      return Status(Code::not_found, base::cat("the store has no account ", base::escape(name)),
                    all.empty()
                        ? "the store has no accounts at all"
                        : base::cat("it has ", all.size(), ", for example ", base::escape(all[0].address)));
    const bool twice =
        std::any_of(chosen.begin(), chosen.end(), [&](const Account& a) { return a.id == found->id; });
    if (!twice) chosen.push_back(*found);
  }
  return chosen;
}

}  // namespace

struct Session::Impl {
  Impl(BackupTarget t, Options o)
      : handle(std::move(t)), target(TargetAccess::impl(handle)), options(std::move(o)) {}

  BackupTarget handle;
  BackupTarget::Impl& target;
  Options options;
  SessionRecord record;
  std::vector<Account> accounts;
  // Accounts that have a full in the target; those whose full the log still goes on from without a hole; and
  // those that the archived segments name.
  std::set<std::string> known_accounts;
  std::set<std::string> with_full;
  std::set<std::string> touched_accounts;
  // Segments that this session archived or found archived, and those of the log that it cannot read.
  std::set<std::string> archived_keys;
  std::set<std::string> unreadable_keys;
  Lsn readable_until = UINT64_MAX;  // where the first of those begins
  // Accounts that were read for content that the log has lost.
  std::set<std::string, std::less<>> read_for_content;
  std::unique_ptr<Publication> publication;
  std::unique_ptr<content::ContentWriter> content;
  std::unique_ptr<target::SnapshotWriter> snapshots;
  std::set<Digest> contents;
  std::chrono::steady_clock::time_point last_heartbeat{};
  CancelToken abort;

  mutable std::mutex mutex;
  std::condition_variable ended;
  enum class State { begun, running, over } state = State::begun;
  Progress progress;
  std::optional<Result<SessionInfo>> result;

  // --- Beginning ------------------------------------------------------------------------------------

  [[nodiscard]] Status prepare();
  [[nodiscard]] Status choose_label(SessionType type);
  [[nodiscard]] Status check_conflicts() const;
  [[nodiscard]] Status take_label(SessionType type);
  [[nodiscard]] std::string status_key() const;
  [[nodiscard]] Bytes encode_status();

  // --- Running --------------------------------------------------------------------------------------

  [[nodiscard]] Status claim_run();
  void run_to_the_end();
  [[nodiscard]] Result<SessionInfo> run();
  [[nodiscard]] Status back_up_everything();
  [[nodiscard]] Status check_packs() const;
  [[nodiscard]] Status register_consumer();
  [[nodiscard]] Status back_up_server_data();
  using Line = std::map<Id128, Lsn>;
  [[nodiscard]] Line line_of_log(const redo::SegmentViews& archived) const;
  [[nodiscard]] Result<Lsn> beginning_of_log(const redo::SegmentViews& archived, const Line& line) const;
  [[nodiscard]] Status find_fulls();
  [[nodiscard]] Status back_up_accounts();
  [[nodiscard]] Status back_up_account(const Account& account, SessionAccount& entry);
  [[nodiscard]] Status write_account(backup::AccountSnapshot& snapshot, SessionAccount& entry);
  void settle_incremental(const Account& account, SessionAccount& entry);
  void note_vanished_accounts();
  [[nodiscard]] Status archive();
  [[nodiscard]] Status archive_one(const redo::SegmentView& view, const redo::SegmentViews& all);
  [[nodiscard]] Status check_archived(const redo::SegmentView& view, const std::string& key) const;
  [[nodiscard]] Status store_lost_content(std::string_view account_id, const ContentRef& wanted,
                                          const Status& why);
  [[nodiscard]] Status check_gap(const redo::SegmentViews& views) const;
  [[nodiscard]] Status tick(std::uint64_t messages, std::uint64_t bytes);
  [[nodiscard]] bool refuses_account(const Account& account, SessionAccount& entry) const;

  // --- Ending ---------------------------------------------------------------------------------------

  void summarize();
  [[nodiscard]] Status publish();
  void tidy_up();
  void discard();
  void warn(std::string_view message) const {
    if (options.observer) options.observer->log(Observer::Level::warning, message);
  }
  void warn(const Status& status, std::string_view doing) const {
    if (!status.ok()) warn(base::cat(doing, ": ", status.message()));
  }
};

// --- Beginning ----------------------------------------------------------------------------------------

Status Session::Impl::prepare() {
  if (!options.source) return Status(Code::invalid_argument, "a session needs a source");
  if (options.kind == Kind::auto_grouped || options.kind == Kind::synthetic)
    return Status(Code::unsupported, "auto-grouped and synthetic sessions are not part of this version");
  if (options.kind == Kind::incremental && !options.log)
    return Status(Code::invalid_argument, "an incremental session needs a redo log",
                  "run a full session, or give the session the log of the server");
  Result<std::vector<Account>> chosen = accounts_to_back_up(*options.source, options.accounts);
  if (!chosen.ok()) return chosen.status();
  accounts = *std::move(chosen);
  if (Status s = check_conflicts(); !s.ok()) return s;
  record.info.status = SessionStatus::running;
  record.info.server_name = options.server_name;
  record.process = os::this_process();
  record.info.owner =
      options.owner.empty() ? base::cat(record.process->host, " pid ", record.process->pid) : options.owner;
  if (options.log) {
    record.info.server = options.log->server();
    record.info.position = {options.log->id(), options.log->incarnation(), 0};
  }
  for (const Account& account : accounts) {
    SessionAccount entry;
    entry.id = account.id;
    entry.address = account.address;
    record.info.accounts.push_back(std::move(entry));
  }
  return take_label(options.kind == Kind::full ? SessionType::full : SessionType::incremental);
}

// Of several that begin at one instant each gets a label of its own.
Status Session::Impl::take_label(SessionType type) {
  constexpr int kAttempts = 1000;  // each is lost only to another session that began
  Status taken;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (Status s = choose_label(type); !s.ok()) return s;
    taken = target.storage->put_if_absent(status_key(), encode_status());
    if (taken.code() != Code::already_exists) return taken;
  }
  return taken;
}

// Labels sort in the order of sessions even if the clock went back, and no two sessions share one.
Status Session::Impl::choose_label(SessionType type) {
  Result<std::vector<SessionInfo>> all = handle.sessions();
  if (!all.ok()) return all.status();
  constexpr std::int64_t kMillisecond = 1000;
  Time began = target.clock->now();
  for (const SessionInfo& info : *all) {
    const auto parsed = target::parse_label(info.label);
    if (parsed && parsed->began.us + kMillisecond > began.us) began.us = parsed->began.us + kMillisecond;
  }
  record.info.began = began;
  record.info.type = type;
  record.info.label = target::make_label(type, began);
  return {};
}

Status Session::Impl::check_conflicts() const {
  const Result<std::vector<target::RecordPointer>> running = target::unpublished_sessions(target);
  if (!running.ok()) return running.status();
  const Id128 server = options.log ? options.log->server() : Id128{};
  for (const target::RecordPointer& other : *running) {
    if (other->info.status != SessionStatus::running || other->info.label == record.info.label) continue;
    if (other->info.server != server || !overlaps(other->info, accounts)) continue;
    return Status(Code::busy,
                  base::cat("session ", other->info.label, " of ", base::escape(other->info.owner),
                            " is backing up the same accounts"),
                  "wait for it, or abort it");
  }
  return {};
}

std::string Session::Impl::status_key() const {
  return target::running_prefix(record.info.label) + std::string(target::kStatusFile);
}

Bytes Session::Impl::encode_status() {
  last_heartbeat = std::chrono::steady_clock::now();
  record.info.ended = target.clock->now();
  {
    const std::scoped_lock lock(mutex);
    record.info.progress = progress;
  }
  return target::encode_session(record);
}

// --- Running ------------------------------------------------------------------------------------------

Status Session::Impl::claim_run() {
  const std::scoped_lock lock(mutex);
  if (state != State::begun)
    return Status(Code::invalid_argument, base::cat("session ", record.info.label, " runs or ran already"));
  state = State::running;
  return {};
}

void Session::Impl::run_to_the_end() {
  Result<SessionInfo> outcome = run();
  const std::scoped_lock lock(mutex);
  result = std::move(outcome);
  state = State::over;
  ended.notify_all();
}

Result<SessionInfo> Session::Impl::run() {
  if (Status s = back_up_everything(); !s.ok()) {
    discard();
    return s.with_context(base::cat("session ", record.info.label));
  }
  if (Status s = publish(); !s.ok()) {
    discard();
    return s.with_context(base::cat("cannot publish session ", record.info.label));
  }
  tidy_up();
  return record.info;
}

Status Session::Impl::back_up_everything() {
  progress.began = record.info.began;
  progress.accounts_total = accounts.size();
  if (Status s = check_packs(); !s.ok()) return s;
  Result<std::unique_ptr<content::ContentWriter>> writer = target.content->writer();
  if (!writer.ok()) return writer.status();
  content = *std::move(writer);
  snapshots = std::make_unique<target::SnapshotWriter>(*publication, target.id, target.compression_level);
  if (options.log) {
    if (Status s = register_consumer(); !s.ok()) return s;
    // What the log has lost is known before accounts are chosen for a full.
    if (Status s = archive(); !s.ok()) return s;
  }
  if (Status s = back_up_server_data(); !s.ok()) return s;
  if (Status s = back_up_accounts(); !s.ok()) return s;
  if (options.log) {
    if (Status s = archive(); !s.ok()) return s;
  }
  summarize();
  return {};
}

// What is in a pack that is not whole is stored again if this session reads it.
Status Session::Impl::check_packs() const {
  const Result<std::vector<content::PackWarning>> warnings = target.content->check_ends();
  if (!warnings.ok()) return warnings.status();
  for (const content::PackWarning& pack : *warnings)
    warn(base::cat(pack.pack_key, " is damaged (", pack.what,
                   "): a full backup stores again what is lost with it, 'verify' tells what it costs now"));
  return {};
}

// Before anything is read, so that the log keeps all that this session will refer to.
Status Session::Impl::register_consumer() {
  const std::string name = consumer_name(target.id);
  const Result<std::vector<Consumer>> consumers = options.log->consumers();
  if (!consumers.ok()) return consumers.status();
  for (const Consumer& consumer : *consumers)
    if (consumer.name == name) return {};
  return options.log->set_consumer(name, 0);
}

Status Session::Impl::back_up_server_data() {
  backup::AccountFailure failure;
  ServerSource server(*options.source);
  const backup::AccountContext context{server, nullptr, *content, options.settle_deadline,
                                       [this](std::uint64_t, std::uint64_t bytes) { return tick(0, bytes); }};
  Account account;
  account.id = std::string(kServerAccount);
  std::optional<backup::AccountSnapshot> snapshot = backup::read_account(context, account, failure);
  if (!snapshot) {
    if (failure.of_target || failure.status.code() == Code::cancelled) return failure.status;
    record.info.error = base::cat("server data: ", failure.status.message());
    return {};
  }
  if (snapshot->state.items().empty()) return {};
  SessionAccount entry;
  entry.id = account.id;
  if (Status s = write_account(*snapshot, entry); !s.ok()) return s;
  record.server_data = std::move(record.snapshots.extract(account.id).mapped());
  return {};
}

// Incarnations of the log from the present one back to its oldest known ancestor, and up to where each
// counts.
Session::Impl::Line Session::Impl::line_of_log(const redo::SegmentViews& archived) const {
  Line line{{options.log->incarnation(), UINT64_MAX}};
  Lsn limit = UINT64_MAX;
  Continuation parent = options.log->continues().value_or(Continuation{});
  while (!parent.parent.incarnation.is_none()) {
    const Id128 incarnation = parent.parent.incarnation;
    limit = std::min(limit, parent.parent.lsn);
    if (!line.emplace(incarnation, limit).second) break;
    parent = {};
    for (const auto& view : archived)
      if (view->header().incarnation == incarnation) parent = view->header().parent;
  }
  return line;
}

// The LSN from which the log can be read to its end without a hole, from the target and its directory.
Result<Lsn> Session::Impl::beginning_of_log(const redo::SegmentViews& archived, const Line& line) const {
  std::vector<std::pair<Lsn, Lsn>> stretches;
  const auto add = [&](const redo::SegmentView& view) {
    const auto limit = line.find(view.header().incarnation);
    if (limit == line.end() || view.header().first_lsn > limit->second) return;
    stretches.emplace_back(view.header().first_lsn, std::min(view.last_lsn(), limit->second));
  };
  for (const auto& view : archived) add(*view);
  const Result<redo::SegmentViews> live = redo::views(*options.log);
  if (!live.ok()) return live.status();
  Lsn beginning = options.log->end() + 1;
  for (const auto& view : *live) {
    if (!view->is_complete()) beginning = std::min(beginning, view->header().first_lsn);
    if (view->is_complete() && !unreadable_keys.contains(target::segment_key(view->header()))) add(*view);
  }
  std::sort(stretches.rbegin(), stretches.rend());
  for (const auto& [first, last] : stretches)
    if (first < beginning && last + 1 >= beginning) beginning = first;
  return beginning;
}

// A full counts only if this log goes on from it; one of a log that was lost and not continued does not, nor
// one before a segment that nobody can read any more.
Status Session::Impl::find_fulls() {
  std::vector<target::UnreadableSession> unreadable;
  const Result<std::vector<target::RecordPointer>> sessions = target::published_sessions(target, &unreadable);
  if (!sessions.ok()) return sessions.status();
  for (const target::UnreadableSession& session : unreadable)
    warn(session.why, base::cat("session ", session.label, " cannot be read and is passed over"));
  Line line;
  Lsn beginning = 0;
  if (options.log) {
    std::vector<TargetDamage> damages;
    const Result<redo::SegmentViews> archived = target::archived_views(target, &damages);
    if (!archived.ok()) return archived.status();
    for (const TargetDamage& damage : damages)
      warn(base::cat(damage.what, "; the redo log cannot replace it, so it is left as it is"));
    line = line_of_log(*archived);
    const Result<Lsn> found = beginning_of_log(*archived, line);
    if (!found.ok()) return found.status();
    beginning = *found;
  }
  for (const target::RecordPointer& session : *sessions) {
    const auto limit = line.find(session->info.position.incarnation);
    if (options.log && limit == line.end()) continue;
    for (const SessionAccount& account : session->info.accounts) {
      if (!account.full || account.status != AccountStatus::completed) continue;
      known_accounts.insert(account.id);
      if (!options.log || (account.consistent_at + 1 >= beginning && account.consistent_at <= limit->second))
        with_full.insert(account.id);
    }
  }
  if (options.kind == Kind::incremental && with_full.size() < known_accounts.size())
    warn(base::cat("the redo log has a hole before LSN ", beginning,
                   "; accounts without a full behind it get one now"));
  return {};
}

Status Session::Impl::back_up_accounts() {
  if (Status s = find_fulls(); !s.ok()) return s;
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    SessionAccount& entry = record.info.accounts[i];
    {
      const std::scoped_lock lock(mutex);
      progress.account_id = accounts[i].id;
    }
    last_heartbeat = {};  // look for an abort before each account
    Status status = tick(0, 0);
    if (status.ok()) {
      entry.status = AccountStatus::in_progress;
      status = back_up_account(accounts[i], entry);
    }
    if (status.code() == Code::cancelled) {
      if (entry.status == AccountStatus::in_progress) {
        entry.status = AccountStatus::error;
        entry.error = "the session was aborted while this account was read";
      }
      return {};
    }
    if (!status.ok()) return status;
    const std::scoped_lock lock(mutex);
    ++progress.accounts_done;
  }
  if (options.accounts.empty()) note_vanished_accounts();
  return {};
}

bool Session::Impl::refuses_account(const Account& account, SessionAccount& entry) const {
  if (!options.log) return false;
  for (const RedoLog::Unfinished& open : options.log->unfinished()) {
    if (open.account_id != account.id || !open.is_rewind) continue;
    entry.status = AccountStatus::error;
    entry.error = "a restore of this account is under way or did not end";
    return true;
  }
  return false;
}

Status Session::Impl::back_up_account(const Account& account, SessionAccount& entry) {
  if (refuses_account(account, entry)) return {};
  if (options.kind == Kind::incremental && with_full.contains(account.id)) {
    settle_incremental(account, entry);
    return {};
  }
  backup::AccountContext context{
      *options.source, options.log, *content, options.settle_deadline,
      [this](std::uint64_t messages, std::uint64_t bytes) { return tick(messages, bytes); }};
  backup::AccountFailure failure;
  std::optional<backup::AccountSnapshot> snapshot = backup::read_account(context, account, failure);
  if (!snapshot) {
    if (failure.of_target || failure.status.code() == Code::cancelled) return failure.status;
    entry.status = AccountStatus::error;
    entry.error = failure.status.message();
    return {};
  }
  if (!snapshot->state.account()) {
    entry.status = AccountStatus::completed;
    entry.deleted = true;
    return {};
  }
  return write_account(*snapshot, entry);
}

Status Session::Impl::write_account(backup::AccountSnapshot& snapshot, SessionAccount& entry) {
  const FieldSet fields = options.source->fields();
  SnapshotTally tally(*snapshots, target.digest_key, fields, contents);
  snapshots->begin(entry.id);
  if (Status s = snapshot.state.write(tally); !s.ok()) return s;
  Result<target::SnapshotPlace> place = snapshots->end();
  if (!place.ok()) return place.status();
  record.snapshots[entry.id] = *std::move(place);
  entry.full = true;
  entry.fields = fields;
  entry.digest = tally.digest();
  entry.messages = tally.messages;
  entry.bytes = tally.bytes;
  entry.snapshot_at = snapshot.snapshot_at;
  entry.redo_start = snapshot.redo_start;
  entry.consistent_at = snapshot.consistent_at;
  if (!snapshot.state.account()->address.empty()) entry.address = snapshot.state.account()->address;
  entry.status = AccountStatus::completed;
  return {};
}

// The log has the account's changes; all that is left is that none of those that have happened is missing.
void Session::Impl::settle_incremental(const Account& account, SessionAccount& entry) {
  Status status = options.source->barrier(account.id);
  if (status.ok()) status = options.log->wait_for_open(account.id, options.settle_deadline);
  entry.status = status.ok() ? AccountStatus::completed : AccountStatus::error;
  entry.error = status.message();
  if (status.ok()) entry.consistent_at = options.log->end();
}

// Accounts of earlier sessions that the store does not list any more: their end must be in the log too.
void Session::Impl::note_vanished_accounts() {
  if (!options.log) return;
  for (const std::string& id : known_accounts) {
    const bool listed =
        std::any_of(accounts.begin(), accounts.end(), [&](const Account& a) { return a.id == id; });
    if (!listed) warn(options.source->barrier(id), base::cat("account ", base::escape(id)));
  }
}

Status Session::Impl::tick(std::uint64_t messages, std::uint64_t bytes) {
  Progress copy;
  {
    const std::scoped_lock lock(mutex);
    progress.messages_done += messages;
    progress.bytes_done += bytes;
    progress.bytes_new = content->stats().bytes_new;
    progress.now = target.clock->now();
    copy = progress;
  }
  if (options.progress) options.progress(copy);
  if (std::chrono::steady_clock::now() - last_heartbeat >= kHeartbeatInterval) {
    if (Status s = target.storage->put(status_key(), encode_status()); !s.ok()) return s;
    const std::string key = target::running_prefix(record.info.label) + std::string(target::kAbortFile);
    if (target.storage->info(key).ok()) abort.cancel();
  }
  return abort.cancelled() ? Status(Code::cancelled, "the session was aborted") : Status();
}

// --- The redo log -------------------------------------------------------------------------------------

Status Session::Impl::archive() {
  if (Status s = options.log->roll(); !s.ok()) return s;
  const Result<redo::SegmentViews> views = redo::views(*options.log);
  if (!views.ok()) return views.status();
  if (Status s = check_gap(*views); !s.ok()) return s;
  const std::shared_ptr<redo::SegmentPin> pin = redo::pin_segments(*options.log, 0);
  for (const auto& view : *views) {
    if (!view->is_complete()) continue;
    record.info.position.lsn = view->last_lsn();
    if (abort.cancelled()) continue;  // the next session archives them
    if (Status s = archive_one(*view, *views); !s.ok()) return s;
  }
  return {};
}

// Damage of one segment, here or there, is told and does not end the session: a full behind it is whole.
Status Session::Impl::archive_one(const redo::SegmentView& view, const redo::SegmentViews& all) {
  const redo::SegmentHeader& header = view.header();
  const std::string key = target::segment_key(header);
  if (archived_keys.contains(key) || unreadable_keys.contains(key)) return {};
  target::ArchiveInto into{*target.storage, *content, target.id, target.compression_level};
  into.unreadable = [this](std::string_view account_id, const ContentRef& wanted, const Status& why) {
    return store_lost_content(account_id, wanted, why);
  };
  Status there;
  if (target.storage->info(key).ok()) {
    there = check_archived(view, key);
    if (there.ok()) archived_keys.insert(key);
    if (there.code() != Code::damaged) return there;
    into.replace = true;
  }
  const Result<std::vector<std::string>> touched = target::accounts_in(view);
  if (touched.status().code() == Code::damaged) {
    unreadable_keys.insert(key);
    readable_until = std::min(readable_until, header.first_lsn - 1);
    warn(touched.status(), base::cat("segment ", header.sequence,
                                     " of the redo log is not archived and stays where it is, "
                                     "'redo verify' names what is lost"));
    return {};
  }
  if (!touched.ok()) return touched.status();
  if (Status s = target::archive_segment(view, all, into); !s.ok()) return s;
  archived_keys.insert(key);
  if (into.replace) {
    warn(there, "the damaged segment is archived again");
    const std::scoped_lock lock(target.mutex);
    target.archived.erase(key);
    return {};
  }
  if (record.info.first_sequence == 0) record.info.first_sequence = header.sequence;
  record.info.last_sequence = header.sequence;
  for (const std::string& id : *touched) {
    if (record.info.find(id) || !options.accounts.empty()) continue;
    SessionAccount entry;  // an account that is in the log and no more in the store
    entry.id = id;
    entry.address = id;
    entry.status = AccountStatus::completed;
    entry.deleted = true;
    record.info.accounts.push_back(std::move(entry));
  }
  touched_accounts.insert(touched->begin(), touched->end());
  return {};
}

// `damaged` if the archived form cannot be read throughout, `diverged` if it is another segment (R5).
Status Session::Impl::check_archived(const redo::SegmentView& view, const std::string& key) const {
  const auto archived = target::open_archived_segment(target.storage, key, target.id);
  if (!archived.ok()) return archived.status();
  if (Status s = target::accounts_in(**archived).status(); !s.ok()) return s;
  return target::check_same_segment(view, **archived, key);
}

// Content that is damaged in the log is mostly still where it was delivered to.
Status Session::Impl::store_lost_content(std::string_view account_id, const ContentRef& wanted,
                                         const Status& why) {
  if (read_for_content.emplace(account_id).second) {
    ServerSource server(*options.source);
    MailSource& source = account_id == kServerAccount ? server : *options.source;
    const backup::AccountContext context{
        source, options.log, *content, options.settle_deadline,
        [this](std::uint64_t, std::uint64_t bytes) { return tick(0, bytes); }};
    Account account;
    account.id = account_id;
    backup::AccountFailure failure;
    const bool read = backup::read_account(context, account, failure).has_value();
    if (!read && (failure.of_target || failure.status.code() == Code::cancelled)) return failure.status;
  }
  const Result<bool> has = content->has(wanted);
  if (!has.ok()) return has.status();
  warn(why, base::cat("content of account ", base::escape(account_id), " is damaged in the redo log",
                      *has ? " and was read from the store instead"
                           : " and not in the store; states that need it cannot be restored"));
  return {};
}

// Segments that are neither here nor archived would leave a hole that no later full can hide.
Status Session::Impl::check_gap(const redo::SegmentViews& views) const {
  if (views.empty() || options.kind == Kind::full) return {};
  const redo::SegmentHeader& oldest = views.front()->header();
  // By name: whether it can be read does not matter here.
  const std::string some_key = target::segment_key(oldest);
  const std::size_t directory = some_key.rfind('/') + 1;
  std::uint64_t newest = 0;
  const Status listed =
      target.storage->list(some_key.substr(0, directory), [&](const ObjectInfo& object) -> Status {
        newest = std::max(newest, redo::sequence_of_name(object.key.substr(directory)).value_or(0));
        return {};
      });
  if (!listed.ok()) return listed;
  if (newest == 0 || oldest.sequence <= newest + 1) return {};
  // A segment without records, which a crash leaves, may have gone before anybody archived it.
  const std::string newest_key = target::segment_key(oldest.log, oldest.incarnation, newest);
  const auto last = target::open_archived_segment(target.storage, newest_key, target.id);
  if (last.ok() && (*last)->last_lsn() + 1 >= oldest.first_lsn) return {};
  return Status(Code::damaged,
                base::cat("segments ", newest + 1, " to ", oldest.sequence - 1,
                          " of the redo log are neither in the log's directory nor in the target"),
                "run a full session; states between the last session and it cannot be restored");
}

// --- Ending -------------------------------------------------------------------------------------------

void Session::Impl::summarize() {
  std::vector<SessionAccount>& all = record.info.accounts;
  const auto counts = [](const SessionAccount& a) { return a.status == AccountStatus::completed; };
  const auto completed = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), counts));
  const bool whole = completed == all.size() && record.info.error.empty();
  record.info.status = whole           ? SessionStatus::completed
                       : completed > 0 ? SessionStatus::partial
                                       : SessionStatus::failed;
  if (abort.cancelled() && !whole) record.info.error = "the session was aborted";
  // An incremental lists only what it touched, so that it does not grow with the store (R13).
  if (options.kind == Kind::incremental)
    std::erase_if(all, [&](const SessionAccount& account) {
      return account.status == AccountStatus::completed && !account.full &&
             !touched_accounts.contains(account.id);
    });
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

Status Session::Impl::publish() {
  if (Status s = content->flush(); !s.ok()) return s;
  if (Status s = snapshots->finish(); !s.ok()) return s;
  const std::vector<Digest> sorted(contents.begin(), contents.end());
  const Bytes ids = target::encode_content_ids(sorted);
  if (Status s = publication->put(target::kContentIdsFile, ids); !s.ok()) return s;
  record.contents = sorted.size();
  record.contents_digest = crypto::sha256(ids);
  record.process.reset();
  record.info.owner.clear();
  record.info.progress.reset();
  record.info.ended = target.clock->now();
  record.info.bytes_read = content->stats().bytes_seen;
  record.info.bytes_stored = content->stats().bytes_stored;
  return publication->publish(target::kSessionFile, target::encode_session(record));
}

// The session is published; what fails here is mended by the next one and does not make it less true.
void Session::Impl::tidy_up() {
  warn(target::write_accounts(target), "accounts.xml");
  const std::string prefix = target::running_prefix(record.info.label);
  warn(target.storage->remove(prefix + std::string(target::kAbortFile)), "sessions_tmp");
  warn(target.storage->remove(status_key()), "sessions_tmp");
  if (!options.log || abort.cancelled()) return;
  const Lsn consumed = std::min(record.info.position.lsn, readable_until);
  warn(options.log->set_consumer(consumer_name(target.id), consumed), "redo log");
  const Result<std::uint64_t> removed = options.log->remove_consumed(options.keep_segments_for);
  warn(removed.status(), "redo log");
}

void Session::Impl::discard() {
  if (publication) warn(publication->discard(), "sessions_tmp");
  const std::string prefix = target::running_prefix(record.info.label);
  warn(target.storage->remove(prefix + std::string(target::kAbortFile)), "sessions_tmp");
  warn(target.storage->remove(status_key()), "sessions_tmp");
}

// --- The handle ---------------------------------------------------------------------------------------

Session::Session(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Session::~Session() {
  if (!impl_) return;
  std::unique_lock lock(impl_->mutex);
  if (impl_->state == Impl::State::running) {
    impl_->abort.cancel();
    impl_->ended.wait(lock, [&] { return impl_->state == Impl::State::over; });
  }
  const bool never_ran = impl_->state == Impl::State::begun;
  lock.unlock();
  if (never_ran) impl_->discard();
}

Result<Session> Session::begin(BackupTarget& target, const Options& options) {
  auto impl = std::make_unique<Impl>(target, options);
  if (Status s = impl->prepare(); !s.ok()) return s;
  const std::string& label = impl->record.info.label;
  Result<std::unique_ptr<Publication>> publication =
      impl->target.storage->publication(target::session_prefix(label), target::staging_prefix(label));
  if (!publication.ok()) {
    impl->discard();
    return publication.status();
  }
  impl->publication = *std::move(publication);
  // Two that began at once see each other here at the latest.
  if (Status s = impl->check_conflicts(); !s.ok()) {
    impl->discard();
    return s;
  }
  return Session(std::move(impl));
}

const std::string& Session::label() const noexcept { return impl_->record.info.label; }

Result<SessionInfo> Session::run() {
  if (Status s = impl_->claim_run(); !s.ok()) return s;
  impl_->run_to_the_end();
  return wait();
}

Status Session::start(Executor& executor) {
  if (Status s = impl_->claim_run(); !s.ok()) return s;
  executor.execute([impl = impl_.get()] { impl->run_to_the_end(); });
  return {};
}

Result<SessionInfo> Session::wait() {
  std::unique_lock lock(impl_->mutex);
  if (impl_->state == Impl::State::begun)
    return Status(Code::invalid_argument,
                  base::cat("session ", impl_->record.info.label, " was not started"));
  impl_->ended.wait(lock, [&] { return impl_->state == Impl::State::over; });
  return *impl_->result;
}

Progress Session::progress() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->progress;
}

void Session::abort() noexcept { impl_->abort.cancel(); }

}  // namespace v0
}  // namespace restante

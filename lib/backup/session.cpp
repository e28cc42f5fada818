// A session from its label to its publication.

#include "backup/session_impl.hpp"

#include <algorithm>
#include <thread>

#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "target/label.hpp"

namespace restante {
inline namespace v0 {
namespace {

// Often enough that an administrator sees it move and that abort is prompt, rare enough to cost nothing: a
// session that has just begun is looked at more than one that runs for hours.
constexpr std::chrono::milliseconds kLeastHeartbeat{10};
constexpr std::chrono::milliseconds kMostHeartbeat{1000};

std::chrono::steady_clock::duration heartbeat_interval(std::chrono::steady_clock::duration age) {
  return std::clamp<std::chrono::steady_clock::duration>(age / 20, kLeastHeartbeat, kMostHeartbeat);
}

bool overlaps(const SessionInfo& running, const std::vector<Account>& accounts) {
  return std::any_of(accounts.begin(), accounts.end(),
                     [&](const Account& account) { return running.find(account.id) != nullptr; });
}

// With its article.
std::string_view name_of(Session::Kind kind) {
  switch (kind) {
    case Session::Kind::full: return "a full";
    case Session::Kind::incremental: return "an incremental";
    case Session::Kind::auto_grouped: return "an auto-grouped";
    case Session::Kind::synthetic: return "a synthetic";
  }
  return "a";
}

}  // namespace

// --- Beginning ----------------------------------------------------------------------------------------

Status Session::Impl::check_options() const {
  if (!options.source && options.kind != Kind::synthetic)
    return Status(Code::invalid_argument, "a session needs a source");
  if (!options.log && options.kind != Kind::full)
    return Status(Code::invalid_argument, base::cat(name_of(options.kind), " session needs a redo log"),
                  "run a full session, or give the session the log of the server");
  if (Status s = check_rights(); !s.ok()) return s;
  if (options.kind != Kind::auto_grouped) return {};
  if (!options.accounts.empty())
    return Status(Code::invalid_argument, "an auto-grouped session chooses its accounts itself",
                  "run a full session of these accounts");
  if (options.groups == 0 || options.group_interval.count() <= 0)
    return Status(Code::invalid_argument, "there is no group, or no time between the sessions of groups");
  return {};
}

// Before the work, not behind it.
Status Session::Impl::check_rights() const {
  constexpr const char* kHint = "use another key, or have it given the right";
  if (!target.sealer->can_sign(crypto::ObjectKind::session))
    return Status(Code::permission, "the key that is here may not write to the target", kHint);
  if (target.keys && options.log) {
    const std::vector<KeyHolder> holders = target.keys->holders();
    const KeyHolder& me = holders[target.keys->holder() - 1];
    if (!me.server.is_none() && me.server != options.log->server())
      return Status(Code::permission,
                    base::cat("the key of '", base::escape(me.label), "' signs sessions of another server"),
                    kHint);
  }
  if (options.kind == Kind::synthetic && !target.sealer->can_open(crypto::Audience::metadata))
    return Status(Code::permission,
                  "a synthetic session reads the target, which the key that is here may not", kHint);
  return {};
}

Status Session::Impl::prepare() {
  // What is sealed for the keys of an old epoch can be read by holders that were removed since.
  if (target.keys)
    if (Status s = target.keys->refresh(); !s.ok()) return s;
  if (Status s = check_options(); !s.ok()) return s;
  Result<std::vector<Account>> all =
      options.kind == Kind::synthetic ? accounts_to_fold() : accounts_of_store();
  if (!all.ok()) return all.status();
  Result<std::vector<Account>> chosen = choose(*std::move(all));
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
  return take_label(options.kind == Kind::incremental ? SessionType::incremental : SessionType::full);
}

// Of several that begin at one instant each gets a label of its own.
Status Session::Impl::take_label(SessionType type) {
  constexpr int kAttempts = 1000;  // each is lost only to another session that began
  Status taken;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (Status s = choose_label(type); !s.ok()) return s;
    const Result<Bytes> status = encode_status();
    if (!status.ok()) return status.status();
    taken = target.storage->put_if_absent(status_key(), *status);
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

Result<Bytes> Session::Impl::encode_status() {
  const std::scoped_lock lock(record_mutex);
  record.info.ended = target.clock->now();
  record.info.progress = current_progress();
  const std::string key = status_key();
  return target::encode_session(record, target::status_place(target, key));
}

Status Session::Impl::put_status() {
  const Result<Bytes> status = encode_status();
  return status.ok() ? target.storage->put(status_key(), *status) : status.status();
}

Progress Session::Impl::current_progress() const {
  const std::scoped_lock lock(mutex);
  Progress now = progress;
  if (content) now.bytes_new = content->stats().bytes_new;
  now.now = target.clock->now();
  return now;
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
  if (Status s = take_lease(); !s.ok()) return s;
  Result<std::unique_ptr<content::ContentWriter>> writer = target.content->writer();
  if (!writer.ok()) return writer.status();
  {
    const std::scoped_lock lock(mutex);  // whoever asks how far it is reads it too
    content = *std::move(writer);
  }
  snapshot_objects = std::make_unique<target::SnapshotObjects>(*publication);
  if (options.log) {
    if (Status s = register_consumer(); !s.ok()) return s;
    pin = redo::pin_segments(*options.log, 0);
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

// From here on nothing goes that this session relies upon: whoever removes content sees that it runs, and of
// which removals it knows (R12).
Status Session::Impl::take_lease() {
  Result<content::Lease> taken = target.content->lease();
  if (!taken.ok()) return taken.status();
  lease = *std::move(taken);
  {
    const std::scoped_lock lock(record_mutex);
    record.known_lists = lease.lists;
  }
  return put_status();
}

Status Session::Impl::tick(std::uint64_t messages, std::uint64_t bytes) {
  {
    const std::scoped_lock lock(mutex);
    progress.messages_done += messages;
    progress.bytes_done += bytes;
  }
  if (options.progress) options.progress(current_progress());
  const std::unique_lock heartbeat(heartbeat_mutex, std::try_to_lock);
  const auto now = std::chrono::steady_clock::now();
  const bool mine = heartbeat.owns_lock();
  if (mine && first_heartbeat == std::chrono::steady_clock::time_point{}) first_heartbeat = now;
  if (mine && now - last_heartbeat >= heartbeat_interval(now - first_heartbeat)) {
    last_heartbeat = now;
    if (Status s = put_status(); !s.ok()) return s;
    look_for_abort();
  }
  return abort.cancelled() ? Status(Code::cancelled, "the session was aborted") : Status();
}

// Whoever waits goes on telling that the session lives, and listens.
Status Session::Impl::wait_for_pace(std::size_t bytes) {
  using Clock = base::Pace::Clock;
  constexpr Clock::duration kNap = std::chrono::milliseconds(50);
  const Clock::time_point until = pace.paid_at(bytes, Clock::now());
  for (Clock::time_point now = Clock::now(); now < until; now = Clock::now()) {
    std::this_thread::sleep_for(std::min(until - now, kNap));
    if (Status s = tick(0, 0); !s.ok()) return s;
  }
  return {};
}

backup::AccountContext Session::Impl::context_of(MailSource& source, RedoLog* log, bool counts_messages) {
  return {.source = source,
          .log = log,
          .content = *content,
          .settle_deadline = options.settle_deadline,
          .tick = [this, counts_messages](
                      std::uint64_t messages,
                      std::uint64_t bytes) { return tick(counts_messages ? messages : 0, bytes); },
          .pace = [this](std::size_t bytes) { return wait_for_pace(bytes); }};
}

void Session::Impl::look_for_abort() {
  const std::string key = target::running_prefix(record.info.label) + std::string(target::kAbortFile);
  if (target.storage->info(key).ok()) abort.cancel();
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
  // Only a full lists all; the others what they touched, so that they do not grow with the store (R13).
  if (options.kind != Kind::full)
    std::erase_if(all, [&](const SessionAccount& account) {
      return account.status == AccountStatus::completed && !account.full &&
             !touched_accounts.contains(account.id);
    });
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

Status Session::Impl::publish() {
  if (Status s = content->flush(); !s.ok()) return s;
  if (Status s = target.content->check_lease(lease, contents); !s.ok()) return s;
  for (const auto& writer : idle_writers)
    if (Status s = writer->finish(); !s.ok()) return s;
  if (Status s = target::put_content_ids(target, contents, *publication, record); !s.ok()) return s;
  record.process.reset();
  record.info.owner.clear();
  record.info.progress.reset();
  record.info.ended = target.clock->now();
  record.info.bytes_read = content->stats().bytes_seen;
  record.info.bytes_stored = content->stats().bytes_stored;
  return target::publish_session(target, record, *publication);
}

// The session is published; what fails here is mended by the next one and does not make it less true.
void Session::Impl::tidy_up() {
  warn(target::write_accounts(target), "accounts.xml");
  const std::string prefix = target::running_prefix(record.info.label);
  warn(target.storage->remove(prefix + std::string(target::kAbortFile)), "sessions_tmp");
  warn(target.storage->remove(status_key()), "sessions_tmp");
  if (!options.log || abort.cancelled()) return;
  pin.reset();
  const Lsn consumed = std::min(record.info.position.lsn, readable_until);
  warn(options.log->set_consumer(consumer_name(), consumed), "redo log");
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

Progress Session::progress() const { return impl_->current_progress(); }

void Session::abort() noexcept { impl_->abort.cancel(); }

}  // namespace v0
}  // namespace restante

#include "store.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <thread>

#include "step.hpp"

namespace tinystore {
namespace {

using restante::Code;
using restante::Lsn;
using restante::Message;
using restante::Operation;
using restante::RedoLog;
using restante::Sync;
using restante::Transaction;

constexpr const char* kInbox = "INBOX";
constexpr const char* kFolders[] = {kInbox, "Archive", "Trash"};
/// Keeps the segments that a replay would need.
constexpr const char* kConsumer = "tinystore";
/// A process that let go of the lock and has not ended its transaction is about to die, or to let it go.
constexpr std::chrono::seconds kDying{30};

Status failure(const std::string& what) {
  return Status(errno == EACCES ? Code::permission : Code::io, what + ": " + std::strerror(errno));
}

Status no_message() { return Status(Code::not_found, "there is no such message"); }

/// What was assigned to an applied transaction, as its commit says it. A transaction puts one message at
/// most.
std::vector<restante::Assigned> assigned_of(const Transaction& transaction, const Applied& applied) {
  std::vector<restante::Assigned> assigned;
  for (std::uint32_t i = 0; i < transaction.operations().size(); ++i) {
    if (std::holds_alternative<restante::MessagePut>(transaction.operations()[i]))
      assigned.push_back({.operation = i, .uid = applied.uid});
  }
  return assigned;
}

}  // namespace

/// Orders the changes of all processes. SQLite's own lock cannot do that: it ends with SQLite's commit, and
/// the log's commit comes behind that and before anybody else's change. Killing the process unlocks it.
class Store::Lock {
 public:
  explicit Lock(int fd) : fd_(fd) {
    int code = 0;
    do code = ::flock(fd, LOCK_EX);
    while (code != 0 && errno == EINTR);
    if (code != 0) status_ = failure("the store's lock");
  }
  ~Lock() {
    if (status_.ok()) ::flock(fd_, LOCK_UN);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  int fd_;
  Status status_;
};

// --- Opening -------------------------------------------------------------------------------------------

Store::Store(RedoLog log, Database db, const std::string& directory)
    : log_(std::move(log)),
      db_(std::move(db)),
      files_(directory + "/content"),
      mailboxes_(db_, files_),
      position_(db_) {}

Store::~Store() {
  if (lock_ >= 0) ::close(lock_);
}

Result<std::unique_ptr<Store>> Store::open(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return failure(directory);
  RedoLog::Options options;
  options.create = true;
  options.holder = "tinystore";
  // Whoever opens a log that nobody has open reads the rest of its newest segment.
  options.segment_bytes = 8u << 20;
  Result<RedoLog> log = RedoLog::open(directory + "/redo", options);
  if (!log.ok()) return log.status();
  Result<Database> db = Database::open(directory + "/mail.db");
  if (!db.ok()) return db.status();
  std::unique_ptr<Store> store(new Store(*std::move(log), *std::move(db), directory));
  const std::string lock_path = directory + "/lock";
  store->lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store->lock_ < 0) return failure(lock_path);
  const Lock lock(store->lock_);
  Status ready = lock.status();
  if (ready.ok()) ready = store->prepare();
  if (ready.ok()) ready = store->settle();
  if (!ready.ok()) return ready;
  return store;
}

Status Store::prepare() {
  if (Status made = files_.prepare(); !made.ok()) return made;
  if (Status set = db_.configure(); !set.ok()) return set;
  {
    Change change(db_);
    Status made = change.begun();
    if (made.ok()) made = mailboxes_.make_tables();
    if (made.ok()) made = position_.make_tables();
    if (made.ok()) made = position_.check(log_);
    if (made.ok()) made = change.commit();
    if (!made.ok()) return made;
  }
  return check_consumer();
}

/// The log keeps what the consumer is not past, and the consumer is never past what the database has on its
/// disk. So a database behind it is no power loss: somebody put an old one in the place of the newer.
Status Store::check_consumer() {
  const Result<Lsn> as_of = position_.as_of();
  if (!as_of.ok()) return as_of.status();
  for (const restante::Consumer& consumer : log_.consumers()) {
    if (consumer.name != kConsumer) continue;
    if (consumer.position <= *as_of) return {};
    return Status(Code::diverged, "the database is older than what the redo log was told that it has",
                  "restore the accounts from a backup");
  }
  return log_.set_consumer(kConsumer, 0);
}

// --- Making good what others left ----------------------------------------------------------------------

/// With the lock, before anything is read or changed. Three things can be left, and each is made good by the
/// part that knows enough:
///
/// 1. A process died between SQLite's commit and the log's. The change is there, and `applied` has its UID:
///    the log gets the commit, before anybody builds on the change, so both have the same order.
/// 2. A power loss took SQLite's newest commits. The log tells what was committed behind `as_of`; all of it
///    is done again, in order, which changes nothing where it was not lost. This happens to nobody who lives,
///    so it is looked for once, at opening.
/// 3. A process died between begin and SQLite's commit. The change is done now, as if it had just been begun.
Status Store::settle() {
  const Result<std::vector<Applied>> applied = position_.applied();
  if (!applied.ok()) return applied.status();
  Result<std::vector<Transaction>> left = claim(*applied);
  if (!left.ok()) return left.status();
  if (Status done = finish_applied(*left, *applied); !done.ok()) return done;
  if (!is_replayed_) {
    if (Status done = replay(); !done.ok()) return done;
  }
  for (Transaction& transaction : *left) {
    if (Status made = make_files(transaction.operations()); !made.ok()) return made;
    if (const Result<Decision> done = perform(transaction); !done.ok()) return done.status();
    ++recovered_.finished;
  }
  return {};
}

/// Takes over what dead processes began and did not end; nearly always nothing.
Result<std::vector<Transaction>> Store::claim(const std::vector<Applied>& applied) {
  const auto deadline = std::chrono::steady_clock::now() + kDying;
  for (;;) {
    bool is_any = false;
    const RedoLog::Unfinished* dying = nullptr;
    const std::vector<RedoLog::Unfinished> unfinished = log_.unfinished();
    for (const RedoLog::Unfinished& one : unfinished) {
      const bool is_applied = std::any_of(applied.begin(), applied.end(), [&](const Applied& change) {
        return change.begin_lsn == one.begin_lsn;
      });
      is_any = is_any || one.claimable;
      if (is_applied && !one.claimable) dying = &one;
    }
    if (dying == nullptr) return is_any ? log_.recover() : std::vector<Transaction>();
    if (std::chrono::steady_clock::now() > deadline)
      return Status(Code::busy, "transaction " + std::to_string(dying->begin_lsn) + " does not end");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Ends those that are applied, and takes them out of `left`.
Status Store::finish_applied(std::vector<Transaction>& left, const std::vector<Applied>& applied) {
  for (const Applied& change : applied) {
    const auto found = std::find_if(left.begin(), left.end(), [&](const Transaction& transaction) {
      return transaction.begin_lsn() == change.begin_lsn;
    });
    if (found == left.end()) continue;
    const Result<Lsn> committed = found->commit(assigned_of(*found, change));
    if (!committed.ok()) return committed.status();
    left.erase(found);
    ++recovered_.finished;
  }
  return {};
}

Status Store::replay() {
  const Result<Lsn> as_of = position_.as_of();
  if (!as_of.ok()) return as_of.status();
  const Lsn end = log_.end();
  const auto cursor = log_.read({.after = *as_of, .until = end, .account_id = {}});
  if (!cursor.ok()) return cursor.status();
  Change change(db_);
  if (!change.begun().ok()) return change.begun();
  restante::LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok()) return more.status();
    if (!*more) break;
    for (const Operation& operation : transaction.operations) {
      Status done = mailboxes_.apply(transaction.account_id, operation, log_);
      if (!done.ok()) return done.with_context("replay of LSN " + std::to_string(transaction.commit_lsn));
    }
    ++recovered_.replayed;
  }
  Status done = position_.set_as_of(end);
  step("replayed");
  if (done.ok()) done = change.commit();
  is_replayed_ = done.ok();
  return done;
}

// --- A change ------------------------------------------------------------------------------------------

Result<Transaction> Store::begin(std::string_view account, std::span<const Operation> operations, Sync sync) {
  RedoLog::BeginOptions options;
  options.sync = sync;
  options.origin.client = "tinystore";
  for (;;) {
    Result<Transaction> begun = log_.begin(account, operations, options);
    if (begun.ok() || begun.status().code() != Code::needs_recovery) return begun;
    const Lock lock(lock_);
    Status settled = lock.status();
    if (settled.ok()) settled = settle();
    if (!settled.ok()) return settled;
  }
}

/// Message files are slow to make: they are made without the lock, as soon as the content is in the log.
Status Store::make_files(std::span<const Operation> operations) {
  for (const Operation& operation : operations) {
    const auto* put = std::get_if<restante::MessagePut>(&operation);
    if (put == nullptr) continue;
    for (const Message& message : put->messages) {
      if (!message.content) continue;
      if (Status made = files_.ensure(*message.content, log_); !made.ok()) return made;
    }
  }
  return {};
}

/// With the lock, and everything settled. A refusal ends the transaction as not done. A failure leaves it in
/// doubt, which is what it is: whoever takes the lock next will see what became of it.
Result<Decision> Store::perform(Transaction& transaction) {
  Change change(db_);
  if (!change.begun().ok()) return change.begun();
  Result<Decision> decision = mailboxes_.decide(transaction.account_id(), transaction.operations());
  if (!decision.ok()) return decision;
  if (decision->refusal) {
    Status aborted = transaction.abort();
    return aborted.ok() ? decision : Result<Decision>(aborted);
  }
  const auto operations = restante::with_assigned(transaction.operations(), decision->assigned);
  if (!operations.ok()) return operations.status();
  for (const Operation& operation : *operations) {
    Status done = mailboxes_.apply(transaction.account_id(), operation, log_);
    if (!done.ok()) return done;
  }
  const std::uint32_t uid = decision->assigned.empty() ? 0 : decision->assigned.front().uid;
  Status done = position_.note({transaction.begin_lsn(), uid}, log_);
  if (done.ok()) done = change.commit();
  if (!done.ok()) return done;
  step("stored");
  const Result<Lsn> committed = transaction.commit(decision->assigned);
  if (!committed.ok()) return committed.status();
  step("committed");
  return decision;
}

/// A change of something that others may be changing too. It is answered when the log's commit is on the
/// disk: if a power loss took that, recovery would do the change again behind another one that was begun
/// before it, and might have to refuse what was acknowledged.
Status Store::change(std::string_view account, std::span<const Operation> operations) {
  Result<Transaction> begun = begin(account, operations, Sync::durable);
  if (!begun.ok()) return begun.status();
  step("begun");
  Decision decision;
  {
    const Lock lock(lock_);
    Status settled = lock.status();
    if (settled.ok()) settled = settle();
    if (!settled.ok()) return settled;
    Result<Decision> done = perform(*begun);
    if (!done.ok()) return done.status();
    decision = *std::move(done);
  }
  if (Status synced = log_.sync(); !synced.ok()) return synced;
  return decision.refusal.value_or(Status());
}

// --- The commands --------------------------------------------------------------------------------------

Status Store::create(const std::string& account) {
  std::vector<Operation> operations;
  restante::AccountPut put;
  put.account.id = account;
  put.account.address = account;
  operations.emplace_back(put);
  for (const char* name : kFolders) {
    restante::FolderPut folder;
    folder.folder.id = folder.folder.name = name;
    folder.folder.uidvalidity = static_cast<std::uint32_t>(std::time(nullptr));
    folder.folder.uidnext = 1;
    operations.emplace_back(folder);
  }
  return change(account, operations);
}

/// The content is in the log once, whatever the number of recipients. Each has a transaction of its own, and
/// one sync makes all of them durable.
Status Store::begin_delivery(const std::vector<std::string>& accounts, Message& message,
                             std::vector<Transaction>& begun) {
  for (const std::string& account : accounts) {
    const Result<std::optional<Folder>> inbox = mailboxes_.folder(account, kInbox);
    if (!inbox.ok()) return inbox.status();
    if (!*inbox) return Status(Code::not_found, "there is no account " + account);
    message.uidvalidity = (*inbox)->uidvalidity;
    const Operation put = restante::MessagePut{{message}, {}};
    Result<Transaction> one = begin(account, {&put, 1}, Sync::lazy);
    if (!one.ok()) return one.status();
    begun.push_back(*std::move(one));
    step("written");
  }
  if (Status synced = log_.sync(); !synced.ok()) return synced;
  step("begun");
  return files_.ensure(*message.content, log_);
}

/// A delivery collides with nothing: done again after a power loss, it is never refused. So it costs the log
/// one sync, and the commits are lazy.
Result<std::string> Store::deliver(const std::vector<std::string>& accounts, const std::string& bytes) {
  const Result<restante::Id128> id = restante::Id128::random();
  if (!id.ok()) return id.status();
  const auto reader = restante::read_from_memory(restante::as_bytes(bytes));
  const Result<restante::ContentRef> content = log_.put_content(accounts.front(), *reader);
  if (!content.ok()) return content.status();
  step("put");
  Message message;
  message.id = id->to_string();
  message.folder_id = kInbox;
  message.content = *content;
  message.internal_date = restante::Time::from_seconds(std::time(nullptr));
  std::vector<Transaction> begun;
  if (Status failed = begin_delivery(accounts, message, begun); !failed.ok()) {
    for (Transaction& one : begun) (void)one.abort();  // nothing is done; what cannot be aborted is in doubt
    return failed;
  }
  const Lock lock(lock_);
  Status done = lock.status();
  if (done.ok()) done = settle();
  for (Transaction& one : begun) {
    if (!done.ok()) break;
    const Result<Decision> decision = perform(one);
    done = decision.ok() ? decision->refusal.value_or(Status()) : decision.status();
  }
  if (!done.ok()) return done;
  return message.id;
}

Result<Message> Store::find(const std::string& account, const std::string& folder,
                            const std::string& id) const {
  const Result<std::optional<Message>> found = mailboxes_.message(account, folder, id);
  if (!found.ok()) return found.status();
  if (!*found) return no_message();
  return **found;
}

Status Store::flag(const std::string& account, const std::string& folder, const std::string& id,
                   restante::FlagsUpdate::Mode mode, std::uint32_t flags) {
  const Result<Message> message = find(account, folder, id);
  if (!message.ok()) return message.status();
  restante::FlagsUpdate update;
  update.folder_id = folder;
  update.uidvalidity = message->uidvalidity;
  update.messages.message_ids = {id};
  update.mode = mode;
  update.flags = flags;
  const Operation operation = update;
  return change(account, {&operation, 1});
}

Status Store::expunge(const std::string& account, const std::string& folder, const std::string& id) {
  const Result<Message> message = find(account, folder, id);
  if (!message.ok()) return message.status();
  restante::MessageExpunge expunge;
  expunge.folder_id = folder;
  expunge.uidvalidity = message->uidvalidity;
  expunge.messages.message_ids = {id};
  const Operation operation = expunge;
  return change(account, {&operation, 1});
}

Status Store::move(const std::string& account, const std::string& folder, const std::string& id,
                   const std::string& to) {
  const Result<Message> message = find(account, folder, id);
  if (!message.ok()) return message.status();
  const Result<std::optional<Folder>> into = mailboxes_.folder(account, to);
  if (!into.ok()) return into.status();
  if (!*into) return Status(Code::not_found, "there is no folder " + to);
  restante::MessageExpunge expunge;
  expunge.folder_id = folder;
  expunge.uidvalidity = message->uidvalidity;
  expunge.messages.message_ids = {id};
  Message moved = *message;
  moved.folder_id = to;
  moved.uidvalidity = (*into)->uidvalidity;
  moved.uid = 0;
  const Operation operations[] = {restante::MessagePut{{moved}, {}}, expunge};
  return change(account, operations);
}

/// A UID that somebody has seen must never be another message's: the commit that assigned it is on the disk
/// before it is shown.
Result<std::vector<Message>> Store::list(const std::string& account) {
  Result<std::vector<Message>> messages = std::vector<Message>();
  {
    const Lock lock(lock_);
    Status settled = lock.status();
    if (settled.ok()) settled = settle();
    if (!settled.ok()) return settled;
    const Result<bool> there = mailboxes_.has_account(account);
    if (!there.ok()) return there.status();
    if (!*there) return Status(Code::not_found, "there is no account " + account);
    messages = mailboxes_.messages(account);
  }
  if (Status synced = log_.sync(); !synced.ok()) return synced;
  return messages;
}

Result<std::string> Store::show(const std::string& account, const std::string& folder,
                                const std::string& id) {
  const Result<Message> message = find(account, folder, id);
  if (!message.ok()) return message.status();
  return files_.read(*message->content);
}

/// Files are removed here and not by an expunge: as long as a replay may have to do an old put again, it
/// must find the file. So first everything is moved behind `as_of`, and that to the disk.
Status Store::tidy() {
  {
    const Lock lock(lock_);
    Status done = lock.status();
    if (done.ok()) done = settle();
    const Lsn end = log_.end();
    if (done.ok()) done = log_.sync();
    if (done.ok()) done = position_.set_as_of(end);
    if (!done.ok()) return done;
    Query checkpoint(db_.get(), "PRAGMA wal_checkpoint(TRUNCATE)");
    const bool is_busy = checkpoint.next() && checkpoint.number(0) != 0;
    if (!checkpoint.status().ok()) return checkpoint.status();
    if (is_busy) return {};  // somebody reads the database; the next time, then
    Status unknown;
    done = files_.sweep([&](const std::string& digest) {
      const Result<bool> used = mailboxes_.uses(digest);
      if (!used.ok()) unknown = used.status();
      return !used.ok() || *used;
    });
    if (done.ok()) done = unknown;
    if (done.ok()) done = log_.set_consumer(kConsumer, end);
    if (!done.ok()) return done;
  }
  const Result<std::uint64_t> removed = log_.remove_consumed(std::chrono::hours(1));
  return removed.ok() ? log_.maintain() : removed.status();
}

}  // namespace tinystore

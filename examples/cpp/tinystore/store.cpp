#include "store.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "lock.hpp"
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

Status failure(const std::string& what) {
  return Status(errno == EACCES ? Code::permission : Code::io, what + ": " + std::strerror(errno));
}

}  // namespace

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
  const Result<std::vector<restante::Consumer>> consumers = log_.consumers();
  if (!consumers.ok()) return consumers.status();
  for (const restante::Consumer& consumer : *consumers) {
    if (consumer.name != kConsumer) continue;
    if (consumer.position <= *as_of) return {};
    return Status(Code::diverged, "the database is older than what the redo log was told that it has",
                  "restore the accounts from a backup");
  }
  return log_.set_consumer(kConsumer, 0);
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

}  // namespace tinystore

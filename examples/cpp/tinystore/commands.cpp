// What the store is asked to do.

#include <chrono>
#include <ctime>

#include "lock.hpp"
#include "step.hpp"
#include "store.hpp"

namespace tinystore {
namespace {

using restante::Code;
using restante::Lsn;
using restante::Message;
using restante::Operation;
using restante::Sync;
using restante::Transaction;

constexpr const char* kInbox = "INBOX";
constexpr const char* kFolders[] = {kInbox, "Archive", "Trash"};

Status no_message() { return Status(Code::not_found, "there is no such message"); }

}  // namespace

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

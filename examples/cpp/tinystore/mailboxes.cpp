#include "mailboxes.hpp"

#include <algorithm>

namespace tinystore {
namespace {

using restante::Code;
using restante::Message;
using restante::Operation;

constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS folders (account TEXT, id TEXT, name TEXT, uidvalidity INTEGER,"
    " uidnext INTEGER, PRIMARY KEY (account, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS messages (account TEXT, folder TEXT, id TEXT, uid INTEGER, flags INTEGER,"
    " digest TEXT, size INTEGER, date INTEGER, PRIMARY KEY (account, folder, id),"
    " UNIQUE (account, folder, uid)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS messages_by_digest ON messages (digest)",
};

constexpr const char* kFindMessage =
    "SELECT m.folder, m.id, m.uid, m.flags, m.digest, m.size, m.date, f.uidvalidity"
    " FROM messages m JOIN folders f ON f.account = m.account AND f.id = m.folder"
    " WHERE m.account = ? AND m.folder = ? AND m.id = ?";
constexpr const char* kListMessages =
    "SELECT m.folder, m.id, m.uid, m.flags, m.digest, m.size, m.date, f.uidvalidity"
    " FROM messages m JOIN folders f ON f.account = m.account AND f.id = m.folder"
    " WHERE m.account = ? ORDER BY m.folder, m.uid";

Result<Message> message_of(const Query& row) {
  const Result<restante::Digest> digest = restante::Digest::parse(row.text(4));
  if (!digest.ok()) return digest.status().with_context("the database, message " + row.text(1));
  Message message;
  message.folder_id = row.text(0);
  message.id = row.text(1);
  message.uid = static_cast<std::uint32_t>(row.number(2));
  message.flags = static_cast<std::uint32_t>(row.number(3));
  message.content = restante::ContentRef{*digest, static_cast<std::uint64_t>(row.number(5))};
  message.internal_date = restante::Time{row.number(6)};
  message.uidvalidity = static_cast<std::uint32_t>(row.number(7));
  return message;
}

Decision refuse(Code code, std::string why) { return {Status(code, std::move(why)), {}}; }

Status not_by_id() { return Status(Code::unsupported, "this store's messages are addressed by their ids"); }

/// What the transaction puts under the same id, which is where it moves the message to.
const Message* moved_by(std::span<const Operation> operations, const std::string& id) {
  for (const Operation& operation : operations) {
    const auto* put = std::get_if<restante::MessagePut>(&operation);
    if (put == nullptr) continue;
    for (const Message& message : put->messages) {
      if (message.id == id) return &message;
    }
  }
  return nullptr;
}

}  // namespace

Status Mailboxes::make_tables() {
  for (const char* table : kTables) {
    if (Status made = db_.run(table); !made.ok()) return made;
  }
  return {};
}

// --- Looking -------------------------------------------------------------------------------------------

Result<bool> Mailboxes::has_account(std::string_view account) const {
  Query query(db_.get(), "SELECT 1 FROM accounts WHERE id = ?", account);
  const bool found = query.next();
  if (!query.status().ok()) return query.status();
  return found;
}

Result<std::optional<Folder>> Mailboxes::folder(std::string_view account, std::string_view id) const {
  Query query(db_.get(), "SELECT uidvalidity, uidnext FROM folders WHERE account = ? AND id = ?", account,
              id);
  std::optional<Folder> found;
  if (query.next()) {
    found = Folder{std::string(id), static_cast<std::uint32_t>(query.number(0)),
                   static_cast<std::uint32_t>(query.number(1))};
  }
  if (!query.status().ok()) return query.status();
  return found;
}

Result<std::optional<Message>> Mailboxes::message(std::string_view account, std::string_view folder_id,
                                                  std::string_view id) const {
  Query query(db_.get(), kFindMessage, account, folder_id, id);
  const bool found = query.next();
  if (!query.status().ok()) return query.status();
  if (!found) return std::optional<Message>();
  Result<Message> message = message_of(query);
  if (!message.ok()) return message.status();
  return std::optional<Message>(*std::move(message));
}

Result<std::vector<Message>> Mailboxes::messages(std::string_view account) const {
  Query query(db_.get(), kListMessages, account);
  std::vector<Message> all;
  while (query.next()) {
    Result<Message> message = message_of(query);
    if (!message.ok()) return message.status();
    all.push_back(*std::move(message));
  }
  if (!query.status().ok()) return query.status();
  return all;
}

Result<bool> Mailboxes::uses(const std::string& digest) const {
  Query query(db_.get(), "SELECT 1 FROM messages WHERE digest = ?", digest);
  const bool found = query.next();
  if (!query.status().ok()) return query.status();
  return found;
}

// --- Deciding ------------------------------------------------------------------------------------------

Result<Decision> Mailboxes::decide_put(std::string_view account, const restante::MessagePut& put,
                                       std::uint32_t index) const {
  Decision decision;
  std::uint32_t uidnext = 0;
  for (std::uint32_t i = 0; i < put.messages.size(); ++i) {
    const Message& message = put.messages[i];
    const Result<std::optional<Folder>> into = folder(account, message.folder_id);
    if (!into.ok()) return into.status();
    if (!*into || (*into)->uidvalidity != message.uidvalidity)
      return refuse(Code::not_found, "there is no such folder");
    const Result<std::optional<Message>> there = this->message(account, message.folder_id, message.id);
    if (!there.ok()) return there.status();
    if (*there) return refuse(Code::already_exists, "the folder has that message");
    uidnext = std::max(uidnext, (*into)->uidnext);
    decision.assigned.push_back({.operation = index, .element = i, .uid = uidnext++});
  }
  return decision;
}

Result<Decision> Mailboxes::decide_expunge(std::string_view account, const restante::MessageExpunge& expunge,
                                           Begun all) const {
  for (const std::string& id : expunge.messages.message_ids) {
    const Result<std::optional<Message>> there = message(account, expunge.folder_id, id);
    if (!there.ok()) return there.status();
    if (!*there) return refuse(Code::not_found, "there is no such message");
    // A move carries the message as it was when the move was begun, which is without the lock.
    const Message* moved = moved_by(all, id);
    if (moved != nullptr && moved->flags != (*there)->flags)
      return refuse(Code::busy, "the message was changed meanwhile");
  }
  return Decision{};
}

Result<Decision> Mailboxes::decide(std::string_view account, std::span<const Operation> operations) const {
  Decision all;
  for (std::uint32_t i = 0; i < operations.size(); ++i) {
    Result<Decision> one = Decision{};
    if (std::holds_alternative<restante::AccountPut>(operations[i])) {
      const Result<bool> there = has_account(account);
      if (!there.ok()) return there.status();
      if (*there) one = refuse(Code::already_exists, "there is such an account");
    } else if (const auto* put = std::get_if<restante::MessagePut>(&operations[i])) {
      one = decide_put(account, *put, i);
    } else if (const auto* expunge = std::get_if<restante::MessageExpunge>(&operations[i])) {
      one = decide_expunge(account, *expunge, operations);
    } else if (const auto* update = std::get_if<restante::FlagsUpdate>(&operations[i])) {
      one = decide_expunge(account, {update->folder_id, update->uidvalidity, update->messages, {}, {}}, {});
    }
    if (!one.ok() || one->refusal) return one;
    all.assigned.insert(all.assigned.end(), one->assigned.begin(), one->assigned.end());
  }
  return all;
}

// --- Doing ---------------------------------------------------------------------------------------------

Result<bool> Mailboxes::is_void(std::string_view account, std::string_view folder_id,
                                std::uint32_t uidvalidity) const {
  const Result<std::optional<Folder>> found = folder(account, folder_id);
  if (!found.ok()) return found.status();
  return !*found || (*found)->uidvalidity != uidvalidity;
}

Status Mailboxes::put_folder(std::string_view account, const restante::Folder& folder) {
  const Result<bool> is_another = is_void(account, folder.id, folder.uidvalidity);
  if (!is_another.ok()) return is_another.status();
  if (*is_another) {
    for (const char* sql : {"DELETE FROM messages WHERE account = ? AND folder = ?",
                            "DELETE FROM folders WHERE account = ? AND id = ?"}) {
      if (Status gone = db_.run(sql, account, folder.id); !gone.ok()) return gone;
    }
  }
  return db_.run(
      "INSERT INTO folders (account, id, name, uidvalidity, uidnext) VALUES (?, ?, ?, ?, ?)"
      " ON CONFLICT DO UPDATE SET name = excluded.name, uidnext = max(uidnext, excluded.uidnext)",
      account, folder.id, folder.name, folder.uidvalidity, folder.uidnext.value_or(1));
}

Status Mailboxes::put_message(std::string_view account, const Message& message,
                              const restante::RedoLog& log) {
  const Result<bool> skip = is_void(account, message.folder_id, message.uidvalidity);
  if (!skip.ok() || *skip) return skip.status();
  if (!message.content) return Status(Code::unsupported, "a message without content");
  // It was made before the lock was taken. A sweep may have found nobody who needs it since.
  if (!files_.has(*message.content)) {
    if (Status made = files_.ensure(*message.content, log); !made.ok()) return made;
  }
  Status put = db_.run(
      "INSERT OR REPLACE INTO messages (account, folder, id, uid, flags, digest, size, date)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      account, message.folder_id, message.id, message.uid, message.flags, message.content->digest.to_string(),
      message.content->size, message.internal_date.value_or(restante::Time{}).us);
  if (!put.ok()) return put;
  return db_.run("UPDATE folders SET uidnext = max(uidnext, ?) WHERE account = ? AND id = ?",
                 std::int64_t{message.uid} + 1, account, message.folder_id);
}

Status Mailboxes::update_flags(std::string_view account, const restante::FlagsUpdate& update) {
  if (!update.messages.uids.empty() || !update.viewer_account.empty()) return not_by_id();
  const Result<bool> skip = is_void(account, update.folder_id, update.uidvalidity);
  if (!skip.ok() || *skip) return skip.status();
  using Mode = restante::FlagsUpdate::Mode;
  const std::int64_t keep = update.mode == Mode::replace ? 0 : restante::kAllSystemFlags;
  const std::int64_t remove = update.mode == Mode::remove ? update.flags : 0;
  const std::int64_t add = update.mode == Mode::remove ? 0 : update.flags;
  for (const std::string& id : update.messages.message_ids) {
    Status done = db_.run(
        "UPDATE messages SET flags = (flags & ? & ~?) | ? WHERE account = ? AND folder = ? AND id = ?", keep,
        remove, add, account, update.folder_id, id);
    if (!done.ok()) return done;
  }
  return {};
}

Status Mailboxes::expunge(std::string_view account, const restante::MessageExpunge& expunge) {
  if (!expunge.messages.uids.empty()) return not_by_id();
  const Result<bool> skip = is_void(account, expunge.folder_id, expunge.uidvalidity);
  if (!skip.ok() || *skip) return skip.status();
  for (const std::string& id : expunge.messages.message_ids) {
    Status done = db_.run("DELETE FROM messages WHERE account = ? AND folder = ? AND id = ?", account,
                          expunge.folder_id, id);
    if (!done.ok()) return done;
  }
  return {};
}

Status Mailboxes::apply(std::string_view account, const Operation& operation, const restante::RedoLog& log) {
  if (std::holds_alternative<restante::AccountPut>(operation)) {
    return db_.run("INSERT OR IGNORE INTO accounts (id) VALUES (?)", account);
  }
  if (const auto* put = std::get_if<restante::FolderPut>(&operation)) return put_folder(account, put->folder);
  if (const auto* put = std::get_if<restante::MessagePut>(&operation)) {
    for (const Message& message : put->messages) {
      if (Status done = put_message(account, message, log); !done.ok()) return done;
    }
    return {};
  }
  if (const auto* update = std::get_if<restante::FlagsUpdate>(&operation))
    return update_flags(account, *update);
  if (const auto* gone = std::get_if<restante::MessageExpunge>(&operation)) return expunge(account, *gone);
  return Status(Code::unsupported, "this store does not do " + restante::describe(operation));
}

}  // namespace tinystore

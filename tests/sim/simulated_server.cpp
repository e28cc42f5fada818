#include "simulated_server.hpp"

#include <algorithm>
#include <stdexcept>

namespace restante::test {
namespace {

void require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.to_string());
}
template <class T>
T require(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().to_string());
  return *std::move(result);
}

constexpr std::size_t kAccounts = 4;

}  // namespace

SimulatedServer::SimulatedServer(Random& random, RedoLog& log, const SteppingClock& clock)
    : random_(random), log_(log), clock_(clock) {
  create_accounts();
  host.on_barrier = [this](std::string_view account_id) { settle(account_id); };
  host.interleave = [this](std::string_view account_id) {
    if (random_.one_in(3)) step_beside(account_id);
  };
}

void SimulatedServer::create_accounts() {
  for (std::size_t i = 0; i < kAccounts; ++i) {
    const std::string id = "account-" + std::to_string(i);
    account_ids_.push_back(id);
    Account account;
    account.id = id;
    account.address = "user" + std::to_string(i) + "@example.com";
    Folder inbox;
    inbox.id = "inbox-" + std::to_string(i);
    inbox.name = "INBOX";
    inbox.uidvalidity = new_uidvalidity();
    inbox.uidnext = 1;
    inbox.highest_modseq = 1;
    append_after_the_fact(id, {AccountPut{account}, FolderPut{inbox}});
  }
}

// Greater than any that a client may have seen (RFC 9051 §2.3.1.1), those of restores included.
std::uint32_t SimulatedServer::new_uidvalidity() {
  for (const auto& [id, mailbox] : host.mailboxes)
    for (const auto& [folder_id, folder] : mailbox.folders())
      newest_uidvalidity_ = std::max(newest_uidvalidity_, folder.uidvalidity);
  return ++newest_uidvalidity_;
}

// --- Inventing changes ----------------------------------------------------------------------------------

Message SimulatedServer::new_message(const Folder& folder) {
  Message message;
  message.id = "m" + std::to_string(next_id_++);
  message.folder_id = folder.id;
  message.uidvalidity = folder.uidvalidity;
  message.uid = folder.uidnext.value_or(1);
  message.modseq = folder.highest_modseq.value_or(0) + 1;
  message.email_id = "e" + std::to_string(random_.below(1000));
  message.internal_date =
      Time{static_cast<std::int64_t>(1'600'000'000'000'000 + random_.below(1'000'000'000))};
  message.content = host.keep(random_.bytes(random_.below(200)));
  message.flags = static_cast<std::uint32_t>(random_.below(kAllSystemFlags + 1));
  if (random_.one_in(3)) message.keywords = {"$Forwarded"};
  return message;
}

std::vector<Operation> SimulatedServer::invent(const std::string& account_id) {
  const MailboxState& state = host.mailboxes.at(account_id);
  switch (random_.below(12)) {
    case 0:
    case 1: return invent_folder_change(state);
    case 2: return invent_item_change(state);
    case 3: return random_.one_in(3) ? change_uidvalidity(state) : invent_message_change(state);
    default: return invent_message_change(state);
  }
}

std::vector<Operation> SimulatedServer::invent_folder_change(const MailboxState& state) {
  std::vector<const Folder*> folders;
  for (const auto& [id, folder] : state.folders()) folders.push_back(&folder);
  // Only a restore leaves an account without folders.
  const Folder chosen = folders.empty() ? Folder() : *random_.pick(folders);
  switch (folders.empty() ? 3 : random_.below(4)) {
    case 0: {  // rename, or move below another
      Folder renamed = chosen;
      renamed.name = random_.text(3);
      renamed.parent_id = random_.one_in(2) ? "" : random_.pick(folders)->id;
      if (renamed.parent_id == renamed.id) renamed.parent_id.clear();
      return {FolderPut{renamed}};
    }
    case 1: {  // delete; sometimes make another one at the same path
      if (state.folders().size() < 2) return {};
      std::vector<Operation> operations{FolderDelete{chosen.id}};
      if (random_.one_in(2)) {
        Folder again = chosen;
        again.id = "f" + std::to_string(next_id_++);
        again.uidvalidity = new_uidvalidity();
        again.uidnext = 1;
        operations.emplace_back(FolderPut{again});
      }
      return operations;
    }
    default: {
      Folder folder;
      folder.id = "f" + std::to_string(next_id_++);
      folder.name = random_.text(2);
      folder.parent_id = random_.one_in(2) ? "" : chosen.id;
      folder.uidvalidity = new_uidvalidity();
      folder.uidnext = 1;
      folder.highest_modseq = 1;
      return {FolderPut{folder}};
    }
  }
}

// The folder gets new UIDs; its messages are put again, by reference.
std::vector<Operation> SimulatedServer::change_uidvalidity(const MailboxState& state) {
  std::vector<const Folder*> folders;
  for (const auto& [id, folder] : state.folders()) folders.push_back(&folder);
  if (folders.empty()) return {};
  Folder folder = *random_.pick(folders);
  folder.uidvalidity = new_uidvalidity();
  MessagePut again;
  std::uint32_t uid = 1;
  for (const auto& [key, message] : state.messages()) {
    if (message.folder_id != folder.id) continue;
    again.messages.push_back(message);
    again.messages.back().uidvalidity = folder.uidvalidity;
    again.messages.back().uid = uid++;
  }
  folder.uidnext = uid;
  if (again.messages.empty()) return {FolderPut{folder}};
  return {FolderPut{folder}, again};
}

std::vector<Operation> SimulatedServer::invent_message_change(const MailboxState& state) {
  std::vector<const Folder*> folders;
  std::vector<const Message*> messages;
  for (const auto& [id, folder] : state.folders()) folders.push_back(&folder);
  for (const auto& [key, message] : state.messages()) messages.push_back(&message);
  if (folders.empty()) return {};
  const Folder& into = *random_.pick(folders);
  if (messages.empty() || random_.one_in(3)) return {MessagePut{{new_message(into)}}};
  const Message& chosen = *random_.pick(messages);
  const Folder& folder = state.folders().at(chosen.folder_id);
  MessageSet set;
  if (random_.one_in(2))
    set.uids = {chosen.uid};
  else
    set.message_ids = {chosen.id};
  const std::uint64_t modseq = folder.highest_modseq.value_or(0) + 1;
  switch (random_.below(4)) {
    case 0: return {MessageExpunge{folder.id, folder.uidvalidity, set, modseq}};
    case 1: {  // move: put and expunge in one transaction
      if (into.id == folder.id) return {};
      Message moved = chosen;
      moved.folder_id = into.id;
      moved.uidvalidity = into.uidvalidity;
      moved.uid = into.uidnext.value_or(1);
      return {MessagePut{{moved}}, MessageExpunge{folder.id, folder.uidvalidity, set, modseq}};
    }
    case 2: {  // bulk copy
      MessagePut copies;
      std::uint32_t uid = into.uidnext.value_or(1);
      for (const Message* message : messages) {
        if (!random_.one_in(4) || copies.messages.size() == 4) continue;
        copies.messages.push_back(*message);
        copies.messages.back().id = "m" + std::to_string(next_id_++);
        copies.messages.back().folder_id = into.id;
        copies.messages.back().uidvalidity = into.uidvalidity;
        copies.messages.back().uid = uid++;
      }
      if (copies.messages.empty()) return {};
      return {copies};
    }
    default: {
      FlagsUpdate update;
      update.folder_id = folder.id;
      update.uidvalidity = folder.uidvalidity;
      update.messages = set;
      update.mode = static_cast<FlagsUpdate::Mode>(random_.below(3));
      update.flags = static_cast<std::uint32_t>(random_.below(kAllSystemFlags + 1));
      update.modseq = modseq;
      if (random_.one_in(5))
        update.viewer_account = random_.pick(account_ids_);
      else if (random_.one_in(2))
        update.keywords = {"$Junk"};
      return {update};
    }
  }
}

std::vector<Operation> SimulatedServer::invent_item_change(const MailboxState& state) {
  Item item;
  item.kind = random_.one_in(2) ? "contact" : "file";
  item.id = "i" + std::to_string(random_.below(6));
  if (random_.one_in(3)) return {ItemDelete{item.kind, item.id}};
  if (random_.one_in(5)) return {HostOp{"sim", "poke", item.kind, item.id, random_.text(4)}};
  if (!state.folders().empty() && random_.one_in(2)) item.folder_id = state.folders().begin()->first;
  item.attributes["value"] = random_.text(3);
  if (item.kind == "file") item.content = host.keep(random_.bytes(random_.below(60)));
  return {ItemPut{item}};
}

// --- Performing and logging -----------------------------------------------------------------------------

bool SimulatedServer::is_locked(const std::string& account_id) const {
  return std::any_of(open_.begin(), open_.end(), [&](const Open& open) {
    return open.account_id == account_id && open.stage == Stage::applied;
  });
}

std::optional<std::size_t> SimulatedServer::first_open(std::string_view account_id) const {
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (account_id.empty() || open_[i].account_id == account_id) return i;
  return std::nullopt;
}

void SimulatedServer::step() { step_beside(random_.pick(account_ids_)); }

void SimulatedServer::step_beside(std::string_view account_id) {
  if (!open_.empty() && random_.one_in(2))
    return go_on(static_cast<std::size_t>(random_.below(open_.size())));
  if (random_.one_in(12)) return deliver_to_many();
  const std::string id = random_.one_in(3) ? random_.pick(account_ids_) : std::string(account_id);
  if (!is_locked(id)) change(id, invent(id));
}

// One message for several recipients: its content goes to the log and the stores once.
void SimulatedServer::deliver_to_many() {
  Message message;
  for (const std::string& id : account_ids_) {
    if (is_locked(id) || !random_.one_in(2)) continue;
    const auto& folders = host.mailboxes.at(id).folders();
    if (folders.empty()) continue;
    const Folder& folder = folders.begin()->second;
    if (message.id.empty()) message = new_message(folder);
    message.folder_id = folder.id;
    message.uidvalidity = folder.uidvalidity;
    message.uid = folder.uidnext.value_or(1);
    change(id, {MessagePut{{message}}});
  }
}

void SimulatedServer::change(const std::string& account_id, std::vector<Operation> operations) {
  if (operations.empty()) return;
  for (const Operation& operation : operations) {
    const auto log_content = [&](const std::optional<ContentRef>& content) {
      if (!content) return;
      const std::unique_ptr<ContentReader> reader =
          read_from_memory(Bytes(host.contents.at(content->digest)));
      if (require(log_.put_content(account_id, *reader)) != *content)
        throw std::runtime_error("another digest");
    };
    if (const auto* put = std::get_if<MessagePut>(&operation))
      for (const Message& message : put->messages) log_content(message.content);
    if (const auto* item = std::get_if<ItemPut>(&operation)) log_content(item->item.content);
  }
  if (random_.one_in(3))
    append_after_the_fact(account_id, std::move(operations));
  else
    begin(account_id, std::move(operations));
}

void SimulatedServer::append_after_the_fact(const std::string& account_id,
                                            std::vector<Operation> operations) {
  for (const Operation& operation : operations) require(host.mailboxes[account_id].apply(operation));
  RedoLog::BeginOptions options;
  options.ignore_unrecovered = true;
  const Lsn lsn = require(log_.append(account_id, operations, options));
  remember(account_id, lsn, std::move(operations));
}

// UIDs are left open in begin and assigned when the change is performed, as a server does.
void SimulatedServer::begin(const std::string& account_id, std::vector<Operation> operations) {
  for (Operation& operation : operations)
    if (auto* put = std::get_if<MessagePut>(&operation); put && operations.size() == 1)
      for (Message& message : put->messages) message.uid = 0;
  Transaction transaction = require(log_.begin(account_id, operations));
  open_.push_back({account_id, std::move(transaction), Stage::begun, {}, {}, {}});
}

void SimulatedServer::go_on(std::size_t index) {
  Open& open = open_[index];
  if (open.stage == Stage::applied) return end(index, !random_.one_in(25));
  if (is_locked(open.account_id)) return;
  if (random_.one_in(40)) return end(index, false);
  perform(open);
}

// What was begun may meet a mailbox that has changed since: a folder that is gone or renumbered makes its
// messages void, there as in the log.
void SimulatedServer::perform(Open& open) {
  MailboxState& mailbox = host.mailboxes.at(open.account_id);
  open.before = mailbox;
  open.performed = open.transaction.operations();
  for (std::uint32_t o = 0; o < open.performed.size(); ++o) {
    auto* put = std::get_if<MessagePut>(&open.performed[o]);
    if (!put) continue;
    std::map<std::string, std::uint32_t> next;
    for (std::uint32_t e = 0; e < put->messages.size(); ++e) {
      Message& message = put->messages[e];
      const auto folder = mailbox.folders().find(message.folder_id);
      if (message.uid != 0 || folder == mailbox.folders().end()) continue;
      std::uint32_t& uid =
          next.try_emplace(message.folder_id, folder->second.uidnext.value_or(1)).first->second;
      Assigned assigned;
      assigned.operation = o;
      assigned.element = e;
      message.uid = assigned.uid = uid++;
      message.uidvalidity = assigned.uidvalidity = folder->second.uidvalidity;
      open.assigned.push_back(assigned);
    }
  }
  for (const Operation& operation : open.performed) require(mailbox.apply(operation));
  open.stage = Stage::applied;
}

void SimulatedServer::end(std::size_t index, bool commit) {
  Open open = std::move(open_[index]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  if (!commit) {
    ++aborted;
    if (open.stage == Stage::applied) host.mailboxes.at(open.account_id) = open.before;
    return require(open.transaction.abort());
  }
  const Lsn lsn =
      require(open.transaction.commit(open.assigned, random_.one_in(4) ? Sync::durable : Sync::lazy));
  remember(open.account_id, lsn, std::move(open.performed));
}

void SimulatedServer::settle(std::string_view account_id) {
  while (const std::optional<std::size_t> index = first_open(account_id)) {
    // Among several of one account the one that holds the mailbox goes first.
    std::size_t next = *index;
    for (std::size_t i = 0; i < open_.size(); ++i)
      if (open_[i].account_id == open_[*index].account_id && open_[i].stage == Stage::applied) next = i;
    if (open_[next].stage == Stage::begun) perform(open_[next]);
    end(next, true);
  }
}

// --- The oracle -----------------------------------------------------------------------------------------

void SimulatedServer::remember(const std::string& account_id, Lsn lsn, std::vector<Operation> operations) {
  history.push_back({account_id, lsn, clock_.now(), std::move(operations)});
}

MailboxState SimulatedServer::state_at(std::string_view account_id, Lsn lsn) const {
  MailboxState state;
  for (const Event& event : history) {
    if (event.account_id != account_id || event.lsn > lsn) continue;
    for (const Operation& operation : event.operations) require(state.apply(operation));
  }
  return state;
}

void SimulatedServer::adopt_from_log(std::string_view account_id, Lsn after) {
  require(log_.sync());
  ReadRange range;
  range.after = after;
  range.account_id = account_id;
  const std::unique_ptr<TransactionCursor> cursor = require(log_.read(range));
  LoggedTransaction transaction;
  while (require(cursor->next(transaction)))
    remember(transaction.account_id, transaction.commit_lsn, std::move(transaction.operations));
}

}  // namespace restante::test

#include "stores/maildir_sink.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_commit.hpp"
#include "stores/maildir_content.hpp"
#include "stores/maildir_subscriptions.hpp"

namespace restante::stores {
namespace {

void refuse(ElementOutcome& outcome, std::string reason) {
  outcome.outcome = Outcome::refused;
  outcome.reason = std::move(reason);
}

bool is_guid(std::string_view id) {
  return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What a server counts and notes by itself; old values would be wrong in a mailbox that went on (R17).
bool is_derived(std::string_view path) {
  return path == "maildirsize" || path.starts_with("dovecot-uidvalidity") ||
         path.starts_with("dovecot.mailbox.log");
}

// Whether a link at `path` in a mailbox leads to a place inside it.
bool stays_inside(std::string_view path, std::string_view target) {
  if (target.empty() || target.front() == '/' || target.find('\0') != std::string_view::npos) return false;
  auto depth = std::count(path.begin(), path.end(), '/');
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    const std::string_view part = target.substr(0, slash);
    if (part == "..") {
      if (--depth < 0) return false;
    } else if (!part.empty() && part != ".") {
      ++depth;
    }
    target.remove_prefix(slash == std::string_view::npos ? target.size() : slash + 1);
  }
  return true;
}

}  // namespace

// --- Beginning and ending ---------------------------------------------------------------------------

Result<std::unique_ptr<MaildirTransaction>> MaildirTransaction::begin(os::Io& io, AccountDir account,
                                                                      bool made, const SinkBegin& begin,
                                                                      BaseNames& names,
                                                                      WarningFunction warn) {
  std::unique_ptr<MaildirTransaction> transaction(
      new MaildirTransaction(io, std::move(account), made, names, std::move(warn)));
  transaction->model_.identity = begin.identity;
  transaction->model_.keep_unnamed = begin.keep_unnamed;
  if (Status loaded = transaction->load(); !loaded.ok()) return loaded;
  if (begin.identity == Identity::exact && transaction->has_messages()) {
    return Status(Code::already_exists,
                  base::cat("the maildir of ", base::escape(transaction->account_.id), " holds messages"),
                  "identity 'exact' needs an empty account; use 'keep' or 'renew'");
  }
  return transaction;
}

Status MaildirTransaction::load() {
  model_.ownership = Ownership::of(account_.info);
  const MailboxReader reader(io_, account_.fd.get(), model_.ownership, warn_);
  Result<std::vector<FoundFolder>> found = reader.folders(Want::structure);
  if (!found.ok()) return found.status();
  for (FoundFolder& folder : *found) {
    auto entry = std::make_unique<FolderEntry>();
    entry->record = std::move(folder.record);
    if (folder.exists) entry->live_dir = folder.dir;
    entry->loaded = !folder.exists;
    entry->recorded_uidvalidity = entry->record.uidvalidity;
    entry->keywords = folder.keywords;
    entry->live_uidlist = std::move(folder.uidlist);
    model_.uidvalidity = std::max(model_.uidvalidity, entry->record.uidvalidity);
    model_.by_id[entry->record.id] = entry.get();
    model_.folders.push_back(std::move(entry));
  }
  return {};
}

bool MaildirTransaction::has_messages() {
  for (const auto& folder : model_.folders) {
    if (!load_messages(*folder).ok() || !folder->messages.empty()) return true;
  }
  return false;
}

Status MaildirTransaction::load_messages(FolderEntry& folder) {
  if (folder.loaded) return {};
  const Result<os::Fd> dir = os::open_dir_at(io_, account_.fd.get(), folder.live_dir);
  if (!dir.ok()) return dir.status();
  FoundFolder found;
  found.record = folder.record;
  found.keywords = folder.keywords;
  found.uidlist = folder.live_uidlist;
  Result<std::vector<FoundFile>> files = list_messages(io_, dir->get(), Look::files);
  if (!files.ok()) return files.status();
  found.files = std::move(*files);
  const MailboxReader reader(io_, account_.fd.get(), Ownership::of(account_.info), warn_);
  std::vector<Message> records = reader.messages_of(found);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].uid != 0) folder.by_uid[records[i].uid] = records[i].id;
    MessageEntry& entry = folder.messages[records[i].id];
    entry.record = std::move(records[i]);
    entry.live = std::move(found.files[i]);
  }
  folder.loaded = true;
  return {};
}

Status MaildirTransaction::commit() {
  ended_ = true;
  MaildirCommit commit(io_, account_, model_, stage_, warn_);
  Status status = commit.run();
  stage_.discard();
  return status;
}

void MaildirTransaction::abort() {
  if (ended_) return;
  ended_ = true;
  stage_.discard();
  if (made_) (void)os::remove_tree_at(io_, account_.parent.get(), account_.name);
}

Status MaildirTransaction::apply(const Operation& operation, ContentOpener& content, Outcomes& outcomes) {
  if (ended_) return Status(Code::invalid_argument, "the transaction has ended");
  if (const auto* put = std::get_if<MessagePut>(&operation)) {
    for (std::uint32_t i = 0; i < put->messages.size(); ++i) {
      ElementOutcome outcome;
      outcome.element = i;
      if (Status status = put_message(put->messages[i], content, outcome); !status.ok()) return status;
      outcomes.push_back(std::move(outcome));
    }
    return {};
  }
  ElementOutcome outcome;
  Status status;
  if (const auto* account = std::get_if<AccountPut>(&operation)) {
    put_account(*account, outcome);
  } else if (std::holds_alternative<AccountDelete>(operation)) {
    status = delete_account(outcome);
  } else if (const auto* folder = std::get_if<FolderPut>(&operation)) {
    put_folder(folder->folder, outcome);
  } else if (const auto* gone = std::get_if<FolderDelete>(&operation)) {
    status = delete_folder(*gone, outcome);
  } else if (const auto* expunged = std::get_if<MessageExpunge>(&operation)) {
    status = expunge(*expunged, outcome);
  } else if (const auto* flags = std::get_if<FlagsUpdate>(&operation)) {
    status = update_flags(*flags, outcome);
  } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
    status = put_item(item->item, content, outcome);
  } else if (const auto* removed = std::get_if<ItemDelete>(&operation)) {
    status = delete_item(*removed, outcome);
  } else if (!std::holds_alternative<Rewind>(operation)) {
    refuse(outcome, base::cat("a maildir cannot perform ", name_of(operation)));
  }
  if (status.ok()) outcomes.push_back(std::move(outcome));
  return status;
}

// --- The account ------------------------------------------------------------------------------------

void MaildirTransaction::put_account(const AccountPut& put, ElementOutcome& outcome) {
  // The address is the directory's name: it is what it is. The name of the person has no place here.
  const bool revived = model_.deleted;
  model_.deleted = false;
  const Ownership wanted = take_ownership(put.account.attributes, model_.ownership);
  model_.ownership_touched |= wanted != model_.ownership;
  outcome.outcome = made_ || revived             ? Outcome::created
                    : wanted != model_.ownership ? Outcome::changed
                                                 : Outcome::kept;
  model_.ownership = wanted;
  if (lower_case(put.account.id) != account_.id) outcome.id = account_.id;
}

Status MaildirTransaction::delete_account(ElementOutcome& outcome) {
  model_.deleted = true;
  for (const auto& folder : model_.folders) {
    if (folder->deleted) continue;
    ElementOutcome ignored;
    if (Status status = delete_folder({folder->record.id}, ignored); !status.ok()) return status;
  }
  const MailboxReader reader(io_, account_.fd.get(), Ownership::of(account_.info), nullptr);
  Result<std::vector<FoundFolder>> folders = reader.folders(Want::structure);
  if (!folders.ok()) return folders.status();
  model_.items.clear();
  model_.subscriptions.emplace();
  model_.subscriptions_touched = true;
  outcome.outcome = Outcome::removed;
  return reader.items(*folders, [&](const Item& item) {
    if (item.kind == kFileKind) model_.removed_items.insert(item.id);
    return Status();
  });
}

// --- Folders ----------------------------------------------------------------------------------------

std::string MaildirTransaction::why_folder_refused(const Folder& folder) const {
  if (folder.mountpoint) return "a maildir holds no mountpoints";
  const bool raw = folder.attributes.contains(attribute::kRawName);
  if (folder.parent_id.empty() && is_inbox_name(folder.name) && !raw) return {};
  if (!folder_dir_part({folder.name, raw})) {
    return base::cat("a maildir cannot hold the folder name '", base::escape(folder.name), "'");
  }
  if (!folder.parent_id.empty() && model_.find(folder.parent_id) == nullptr) {
    return "its parent folder is not there";
  }
  return {};
}

// The live folder that an operation means whose id the Maildir does not tell. One that an operation named
// already by another id is not meant: two folders may share a GUID or a path.
FolderEntry* MaildirTransaction::resolve(const Folder& folder, const std::string& dir) const {
  const std::string& guid = attribute_of(folder.attributes, attribute::kGuid);
  FolderEntry* of_path = nullptr;
  for (const auto& entry : model_.folders) {
    if (entry->deleted || entry->put) continue;
    const std::string live_guid = entry->live_uidlist ? entry->live_uidlist->guid : "";
    if (!guid.empty() && guid == live_guid && entry->is_inbox() == (dir == kInboxDir)) return entry.get();
    const bool may_be = guid.empty() || live_guid.empty() || dir == kInboxDir;
    if (may_be && model_.dir_of(*entry) == dir) of_path = entry.get();
  }
  return of_path;
}

// The id that the next listing gives the folder.
std::string MaildirTransaction::id_after(const FolderEntry& folder) const {
  if (model_.identity == Identity::keep && !folder.live_dir.empty()) return folder.record.id;
  const std::string dir = model_.dir_of(folder).value_or("");
  if (!folder.renewed || !folder.has_directory()) return path_id(dir, 0);
  const std::string& guid = attribute_of(folder.record.attributes, attribute::kGuid);
  return guid.empty() ? path_id(dir, folder.record.uidvalidity) : guid;
}

void MaildirTransaction::put_folder(const Folder& folder, ElementOutcome& outcome) {
  if (std::string why = why_folder_refused(folder); !why.empty()) return refuse(outcome, std::move(why));
  Folder record = folder;
  if (const FolderEntry* parent = model_.find(folder.parent_id)) record.parent_id = parent->record.id;

  // Tried on a copy: the new name must fit, for the folder and for all below it.
  FolderEntry attempt;
  attempt.record = record;
  const std::optional<std::string> dir = model_.dir_of(attempt);
  if (!dir) return refuse(outcome, "its path is too long for a maildir, or a loop");
  FolderEntry* entry = model_.find(folder.id);
  if (entry == nullptr) entry = resolve(folder, *dir);
  if (entry != nullptr && entry->is_inbox() != attempt.is_inbox()) {
    return refuse(outcome, "the INBOX of a maildir cannot be renamed, nor another folder become it");
  }
  const bool is_new = entry == nullptr;
  if (is_new) {
    model_.folders.push_back(std::make_unique<FolderEntry>());
    entry = model_.folders.back().get();
    entry->loaded = true;
    entry->record.id = folder.id;
  }
  const Folder before = entry->record;
  record.id = before.id;
  record.uidvalidity = before.uidvalidity;
  record.uidnext = before.uidnext;
  entry->record = record;
  const bool fits = std::all_of(model_.folders.begin(), model_.folders.end(),
                                [&](const auto& one) { return one->deleted || model_.dir_of(*one); });
  if (!fits) {
    entry->record = before;
    if (is_new) model_.folders.pop_back();
    return refuse(outcome, "its path, or that of a folder below it, is too long for a maildir, or a loop");
  }
  model_.by_id[folder.id] = entry;
  entry->put = true;
  entry->put_id = folder.id;
  entry->recorded_uidvalidity = folder.uidvalidity;

  if (model_.identity == Identity::keep) {
    // What belongs to the live uidlist and keywords file stays with them; a folder that is made has none yet,
    // and gets the recorded keywords.
    for (const char* name : {attribute::kGuid, attribute::kUidlistHeader, attribute::kKeywords}) {
      if (entry->live_dir.empty() && std::string_view(name) == attribute::kKeywords) continue;
      entry->record.attributes.erase(name);
      if (before.attributes.contains(name)) entry->record.attributes[name] = before.attributes.at(name);
    }
  } else if (model_.identity == Identity::exact) {
    entry->renewed = true;
    entry->record.uidvalidity = folder.uidvalidity;
    entry->record.uidnext = folder.uidnext;
    if (is_guid(folder.id)) entry->record.attributes.try_emplace(attribute::kGuid, folder.id);
  } else {
    if (is_guid(folder.id)) entry->record.attributes.try_emplace(attribute::kGuid, folder.id);
    if (Status renewed = renew(*entry, folder.uidvalidity); !renewed.ok()) {
      return refuse(outcome, renewed.message());
    }
    entry->record.uidnext = std::max(folder.uidnext.value_or(1), entry->record.uidnext.value_or(1));
  }
  const bool appears = before.attributes.contains(attribute::kNonexistent) && entry->has_directory();
  const bool is_first_inbox =
      attribute_of(before.attributes, attribute::kMissing).starts_with("cur") && entry->live_dir == kInboxDir;
  if (is_new || appears || is_first_inbox) {
    // Its keywords are free to be what they were.
    entry->keywords = KeywordMap::parse(attribute_of(folder.attributes, attribute::kKeywords));
    outcome.outcome = Outcome::created;
  } else {
    outcome.outcome = before == entry->record ? Outcome::kept : Outcome::changed;
    if (model_.identity == Identity::exact) {
      entry->keywords = KeywordMap::parse(attribute_of(folder.attributes, attribute::kKeywords));
    }
  }
  if (entry->record.uidvalidity != folder.uidvalidity) outcome.uidvalidity = entry->record.uidvalidity;
  if (std::string id = id_after(*entry); id != folder.id) {
    model_.by_id.try_emplace(id, entry);
    outcome.id = std::move(id);
  }
}

// Gives the folder a new UIDVALIDITY, once, and one that no other folder has: clients know folders by their
// names, and these may be changed and exchanged. A folder that never had one gets none (R9).
Status MaildirTransaction::renew(FolderEntry& folder, std::uint32_t recorded) {
  if (folder.renewed || model_.identity != Identity::renew) return {};
  if (folder.record.uidvalidity == 0 && recorded == 0) return {};
  const std::uint32_t used = std::max(model_.uidvalidity, recorded);
  if (used == UINT32_MAX) {
    return Status(Code::unsupported, "there is no uidvalidity above the present one");
  }
  if (Status loaded = load_messages(folder); !loaded.ok()) return loaded;
  const std::int64_t now = system_clock().now().us / 1'000'000;
  const bool is_ahead = now > used && now < UINT32_MAX;
  model_.uidvalidity = is_ahead ? static_cast<std::uint32_t>(now) : used + 1;
  folder.record.uidvalidity = model_.uidvalidity;
  folder.renewed = true;
  return {};
}

Status MaildirTransaction::delete_folder(const FolderDelete& operation, ElementOutcome& outcome) {
  FolderEntry* folder = model_.find(operation.folder_id);
  if (folder == nullptr) return {};
  if (Status loaded = load_messages(*folder); !loaded.ok()) return loaded;
  // A folder that came under another id in its place is not meant, only what was there before.
  const bool replaced = folder->put && folder->put_id != operation.folder_id;
  const bool unnamed = std::any_of(folder->messages.begin(), folder->messages.end(),
                                   [](const auto& one) { return one.second.live && !one.second.put; });
  if (unnamed && model_.keep_unnamed) {
    refuse(outcome, "mail came into it since the plan was made");
    return {};
  }
  outcome.outcome = Outcome::removed;
  std::vector<std::string> ids;
  for (const auto& [id, entry] : folder->messages) {
    if (!replaced || !entry.put) ids.push_back(id);
  }
  for (const std::string& id : ids) remove_message(*folder, id);
  // The INBOX is the account's directory and stays, empty.
  if (folder->is_inbox() || replaced) return {};
  folder->deleted = true;
  std::erase_if(model_.by_id, [&](const auto& one) { return one.second == folder; });
  return {};
}

// --- Messages ---------------------------------------------------------------------------------------

Status MaildirTransaction::put_message(const Message& message, ContentOpener& content,
                                       ElementOutcome& outcome) {
  FolderEntry* folder = model_.find(message.folder_id);
  if (folder == nullptr || !folder->has_directory()) {
    refuse(outcome, "its folder is not there");
    return {};
  }
  if (model_.identity != Identity::keep && message.uidvalidity != folder->recorded_uidvalidity) {
    refuse(outcome, "it is of another uidvalidity than its folder");
    return {};
  }
  if (Status loaded = load_messages(*folder); !loaded.ok()) return loaded;
  if (Status renewed = renew(*folder, message.uidvalidity); !renewed.ok()) return renewed;
  // Also of a folder that is as it was recorded, but for its messages.
  if (model_.identity == Identity::exact) folder->renewed = true;

  const auto alias = folder->renamed.find(message.id);
  const std::string id = alias == folder->renamed.end() ? message.id : alias->second;
  const auto found = folder->messages.find(id);
  if (found == folder->messages.end()) return create_message(*folder, message, content, outcome);
  const std::optional<FoundFile>& live = found->second.live;
  const bool other_content = live && message.content && live->info.size != message.content->size;
  if (!other_content) return update_message(*folder, found->second, message, outcome);

  // A Maildir never changes a message: what has another size is another message.
  if (Status created = create_message(*folder, message, content, outcome); !created.ok()) return created;
  if (outcome.outcome != Outcome::refused) remove_message(*folder, id);
  return {};
}

Status MaildirTransaction::update_message(FolderEntry& folder, MessageEntry& entry, const Message& message,
                                          ElementOutcome& outcome) {
  entry.put = true;
  Message& record = entry.record;
  const Message before = record;
  record.flags = message.flags;
  record.keywords = message.keywords;
  if (message.internal_date) record.internal_date = message.internal_date;
  // How the live server names the file, and what its uidlist says of it, is not the recorded one's to say.
  Attributes attributes = message.attributes;
  for (const std::string& name : own_attributes()) {
    attributes.erase(name);
    if (record.attributes.contains(name)) attributes[name] = record.attributes.at(name);
  }
  record.attributes = std::move(attributes);
  if (model_.identity != Identity::keep && message.uid != 0 && message.uid != record.uid) {
    folder.by_uid.erase(record.uid);
    record.uid = take_uid(folder, record.id, message.uid);
  }
  entry.touched |= record != before;
  outcome.outcome = record == before ? Outcome::kept : Outcome::changed;
  if (record.uid != message.uid) outcome.uid = record.uid;
  if (folder.record.uidvalidity != message.uidvalidity) outcome.uidvalidity = folder.record.uidvalidity;
  if (record.id != message.id) outcome.id = record.id;
  return {};
}

Status MaildirTransaction::create_message(FolderEntry& folder, const Message& message, ContentOpener& content,
                                          ElementOutcome& outcome) {
  if (!message.content) {
    refuse(outcome, "its content is not known");
    return {};
  }
  const Ownership ownership = take_ownership(message.attributes, model_.ownership.of_file());
  const std::int64_t mtime_ns = message.internal_date.value_or(Time()).us * 1000;
  Stage::File file;
  if (Status staged = stage_content(*message.content, content, ownership,
                                    message.internal_date ? &mtime_ns : nullptr, file, outcome);
      !staged.ok() || outcome.outcome == Outcome::refused) {
    return staged;
  }
  MessageEntry entry;
  entry.record = message;
  entry.record.folder_id = folder.record.id;
  entry.record.id = new_id(folder, message, file.name);
  entry.record.uid = 0;
  entry.staged = file.name;
  entry.put = true;
  if (entry.record.id != message.id) {
    entry.record.attributes.erase(attribute::kFileName);
    folder.renamed[message.id] = entry.record.id;
    outcome.id = entry.record.id;
  }
  if (model_.identity == Identity::keep) {
    entry.record.attributes.erase(attribute::kUidlistRecord);
  } else if (message.uid != 0 && folder.record.uidvalidity != 0) {
    entry.record.uid = take_uid(folder, entry.record.id, message.uid);
    if (entry.record.uid != message.uid) outcome.uid = entry.record.uid;
  }
  if (folder.record.uidvalidity != message.uidvalidity) outcome.uidvalidity = folder.record.uidvalidity;
  outcome.outcome = Outcome::created;
  model_.messages_touched = true;
  folder.messages[entry.record.id] = std::move(entry);
  return {};
}

// The recorded one where the identity allows it and a file can have it; else the name in tmp/, which nobody
// else has.
std::string MaildirTransaction::new_id(const FolderEntry& folder, const Message& message,
                                       const std::string& staged) const {
  if (model_.identity == Identity::keep || folder.messages.contains(message.id)) return staged;
  const std::string& name = attribute_of(message.attributes, attribute::kFileName);
  if (!name.empty() && is_file_name(name) && is_message_name(name)) {
    // "base/2" stands for the second file of a base name.
    const std::string base = parse_message_file_name(name).base;
    if (message.id == base || message.id.starts_with(base + "/")) return message.id;
  }
  return is_base_name(message.id) && is_message_name(message.id) ? message.id : staged;
}

// `wanted`, or the next free one if another message has it.
std::uint32_t MaildirTransaction::take_uid(FolderEntry& folder, const std::string& id, std::uint32_t wanted) {
  const auto holder = folder.by_uid.find(wanted);
  if (holder != folder.by_uid.end() && holder->second != id) {
    std::uint32_t next = folder.record.uidnext.value_or(1);
    for (const auto& [uid, other] : folder.by_uid) next = std::max(next, uid + 1);
    wanted = next;
  }
  if (wanted == 0) return 0;
  folder.by_uid[wanted] = id;
  const std::uint32_t next = wanted == UINT32_MAX ? wanted : wanted + 1;
  folder.record.uidnext = std::max(folder.record.uidnext.value_or(1), next);
  return wanted;
}

void MaildirTransaction::remove_message(FolderEntry& folder, const std::string& id) {
  const auto found = folder.messages.find(id);
  if (found == folder.messages.end()) return;
  if (found->second.live) folder.removed.push_back(*found->second.live);
  if (!found->second.staged.empty()) stage_.remove(found->second.staged);
  if (found->second.record.uid != 0) folder.by_uid.erase(found->second.record.uid);
  folder.messages.erase(found);
  model_.messages_touched = true;
}

std::vector<std::string> MaildirTransaction::select(const FolderEntry& folder, std::uint32_t uidvalidity,
                                                    const MessageSet& set) const {
  std::set<std::string> ids;
  // UIDs mean nothing under another UIDVALIDITY (R2); base names do.
  if (uidvalidity == folder.recorded_uidvalidity) {
    for (const std::uint32_t uid : set.uids) {
      const auto found = folder.by_uid.find(uid);
      if (found != folder.by_uid.end()) ids.insert(found->second);
    }
  }
  for (const std::string& id : set.message_ids) {
    const auto alias = folder.renamed.find(id);
    const std::string& own = alias == folder.renamed.end() ? id : alias->second;
    if (folder.messages.contains(own)) ids.insert(own);
  }
  return {ids.begin(), ids.end()};
}

Status MaildirTransaction::expunge(const MessageExpunge& operation, ElementOutcome& outcome) {
  FolderEntry* folder = model_.find(operation.folder_id);
  if (folder == nullptr) return {};
  if (Status loaded = load_messages(*folder); !loaded.ok()) return loaded;
  for (const std::string& id : select(*folder, operation.uidvalidity, operation.messages)) {
    remove_message(*folder, id);
    outcome.outcome = Outcome::removed;
  }
  return {};
}

Status MaildirTransaction::update_flags(const FlagsUpdate& operation, ElementOutcome& outcome) {
  if (!operation.viewer_account.empty()) {
    refuse(outcome, "a maildir holds no flags of other viewers");
    return {};
  }
  FolderEntry* folder = model_.find(operation.folder_id);
  if (folder == nullptr) return {};
  if (Status loaded = load_messages(*folder); !loaded.ok()) return loaded;
  for (const std::string& id : select(*folder, operation.uidvalidity, operation.messages)) {
    MessageEntry& entry = folder->messages[id];
    std::set<std::string> keywords(entry.record.keywords.begin(), entry.record.keywords.end());
    std::uint32_t flags = entry.record.flags;
    switch (operation.mode) {
      case FlagsUpdate::Mode::replace:
        flags = operation.flags;
        keywords = {operation.keywords.begin(), operation.keywords.end()};
        break;
      case FlagsUpdate::Mode::add:
        flags |= operation.flags;
        keywords.insert(operation.keywords.begin(), operation.keywords.end());
        break;
      case FlagsUpdate::Mode::remove:
        flags &= ~operation.flags;
        for (const std::string& keyword : operation.keywords) keywords.erase(keyword);
        break;
    }
    std::vector<std::string> sorted(keywords.begin(), keywords.end());
    if (flags == entry.record.flags && sorted == entry.record.keywords) continue;
    entry.record.flags = flags;
    entry.record.keywords = std::move(sorted);
    entry.touched = true;
    outcome.outcome = Outcome::changed;
  }
  return {};
}

// --- Items ------------------------------------------------------------------------------------------

Status MaildirTransaction::put_item(const Item& item, ContentOpener& content, ElementOutcome& outcome) {
  if (item.kind == kFileKind) return put_file(item, content, outcome);
  if (item.kind != kSubscriptionKind) {
    refuse(outcome, base::cat("a maildir holds no items of kind '", base::escape(item.kind), "'"));
    return {};
  }
  if (!can_be_subscription(item)) {
    refuse(outcome, "a maildir cannot hold a subscription of this name");
    return {};
  }
  load_subscriptions();
  auto found = std::find_if(model_.subscriptions->begin(), model_.subscriptions->end(),
                            [&](const Item& other) { return other.id == item.id; });
  if (found == model_.subscriptions->end()) {
    outcome.outcome = Outcome::created;
    model_.subscriptions->push_back(item);
  } else if (found->attributes != item.attributes) {
    outcome.outcome = Outcome::changed;
    found->attributes = item.attributes;
  } else {
    return {};
  }
  model_.subscriptions_touched = true;
  return {};
}

void MaildirTransaction::load_subscriptions() {
  if (model_.subscriptions) return;
  constexpr std::uint64_t kMaxBytes = 16u << 20;
  const Result<Bytes> bytes = os::read_file(io_, account_.fd.get(), "subscriptions", kMaxBytes);
  model_.subscriptions.emplace();
  if (bytes.ok()) model_.subscriptions = read_subscriptions(as_text(*bytes));
}

std::string MaildirTransaction::why_file_refused(const Item& item) const {
  std::string_view path = item.id;
  std::string name;
  std::size_t levels = 0;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    name = path.substr(0, slash);
    if (!is_file_name(name) || path.ends_with('/')) return "it is no path below a mailbox";
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    ++levels;
  }
  if (levels == 0) return "it is no path below a mailbox";
  if (is_passed_over(name)) return "indexes and locks are not restored";
  if (is_modelled(name) && levels <= 2) return "this file is made from folders and messages";
  const std::string top = item.id.substr(0, item.id.find('/'));
  const bool in_tmp =
      (levels > 1 && top == "tmp") || item.id == "tmp" || item.id == "cur" || item.id == "new";
  if (in_tmp) return "this place belongs to the server";
  const std::string& target = attribute_of(item.attributes, attribute::kSymlink);
  if (item.attributes.contains(attribute::kSymlink) && !stays_inside(item.id, target)) {
    return base::cat("it is a link that leads out of the mailbox, to ", base::escape(target));
  }
  return {};
}

Status MaildirTransaction::put_file(const Item& item, ContentOpener& content, ElementOutcome& outcome) {
  if (std::string why = why_file_refused(item); !why.empty()) {
    refuse(outcome, std::move(why));
    return {};
  }
  if (is_derived(item.id) && model_.identity != Identity::exact) {
    outcome.reason = "the server counts it by itself";
    return {};
  }
  ItemEntry entry;
  entry.record = item;
  const bool was_there = open_file_below(io_, account_.fd.get(), item.id, 0).ok();
  if (MailboxReader::has_content(item)) {
    if (!item.content) {
      refuse(outcome, "its content is not known");
      return {};
    }
    const Ownership ownership = take_ownership(item.attributes, model_.ownership.of_file());
    const std::optional<std::int64_t> mtime_ns =
        parse_time_text(attribute_of(item.attributes, attribute::kMtime));
    Stage::File file;
    if (Status staged =
            stage_content(*item.content, content, ownership, mtime_ns ? &*mtime_ns : nullptr, file, outcome);
        !staged.ok() || outcome.outcome == Outcome::refused) {
      return staged;
    }
    entry.staged = file.name;
  }
  const auto earlier = model_.items.find(item.id);
  if (earlier != model_.items.end() && !earlier->second.staged.empty()) stage_.remove(earlier->second.staged);
  model_.items[item.id] = std::move(entry);
  model_.removed_items.erase(item.id);
  outcome.outcome = was_there ? Outcome::changed : Outcome::created;
  return {};
}

Status MaildirTransaction::delete_item(const ItemDelete& operation, ElementOutcome& outcome) {
  if (operation.kind == kSubscriptionKind) {
    load_subscriptions();
    const std::size_t gone =
        std::erase_if(*model_.subscriptions, [&](const Item& item) { return item.id == operation.id; });
    if (gone == 0) return {};
    model_.subscriptions_touched = true;
    outcome.outcome = Outcome::removed;
    return {};
  }
  if (operation.kind != kFileKind) return {};
  Item item;
  item.kind = operation.kind;
  item.id = operation.id;
  if (!why_file_refused(item).empty() || is_derived(operation.id)) return {};
  const auto staged = model_.items.find(operation.id);
  if (staged != model_.items.end()) {
    if (!staged->second.staged.empty()) stage_.remove(staged->second.staged);
    model_.items.erase(staged);
  }
  model_.removed_items.insert(operation.id);
  outcome.outcome = Outcome::removed;
  return {};
}

// A failure of the content refuses the object; a failure of the store ends the restore of the account.
Status MaildirTransaction::stage_content(const ContentRef& ref, ContentOpener& content,
                                         const Ownership& ownership, const std::int64_t* mtime_ns,
                                         Stage::File& file, ElementOutcome& outcome) {
  const Result<std::unique_ptr<ContentReader>> reader = content.open(ref);
  if (!reader.ok()) {
    refuse(outcome, base::cat("its content cannot be read: ", reader.status().message()));
    return {};
  }
  const Stage::Failure failure = stage_.write(**reader, ref.size, ownership, mtime_ns, file);
  if (failure.status.ok()) return {};
  if (!failure.content) return failure.status;
  refuse(outcome, base::cat("its content cannot be read: ", failure.status.message()));
  return {};
}

}  // namespace restante::stores

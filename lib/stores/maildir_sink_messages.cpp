// What a restore does to messages.

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "stores/maildir_sink.hpp"

namespace restante::stores {

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
  const std::optional<std::int64_t> mtime_ns = mtime_of(message);
  std::string file;
  if (Status put = put_content({message.folder_id, message.id}, *message.content, message.attributes,
                               mtime_ns ? &*mtime_ns : nullptr, content, file, outcome);
      !put.ok() || outcome.outcome == Outcome::refused) {
    return put;
  }
  MessageEntry entry;
  entry.record = message;
  entry.record.folder_id = folder.record.id;
  entry.record.id = new_id(folder, message, file);
  entry.record.uid = 0;
  entry.staged = file;
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

}  // namespace restante::stores

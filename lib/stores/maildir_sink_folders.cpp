// What a restore does to folders.

#include <algorithm>

#include "base/text.hpp"
#include "stores/maildir_sink.hpp"

namespace restante::stores {
namespace {

bool is_guid(std::string_view id) {
  return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

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

}  // namespace restante::stores

#include "stores/scan_match.hpp"

#include "stores/maildir_attributes.hpp"

namespace restante::stores {
namespace {

class Matcher {
 public:
  Matcher(const MailboxState& known, const MailboxState& live, const std::set<std::string>& retired,
          const std::set<std::string>& made)
      : known_(known), live_(live), retired_(retired), made_(made) {}

  FolderIds run() {
    by_guid();
    by_id();
    by_path();
    for (const auto& [id, folder] : live_.folders()) {
      if (!ids_.contains(id)) pair(id, unused(id));
    }
    return std::move(ids_);
  }

 private:
  static const std::string& guid_of(const Folder& folder) {
    return attribute_of(folder.attributes, attribute::kGuid);
  }

  void pair(const std::string& live_id, const std::string& known_id) {
    ids_[live_id] = known_id;
    taken_.insert(known_id);
  }

  void by_guid() {
    std::map<std::string, std::string> known;
    for (const auto& [id, folder] : known_.folders()) {
      if (!guid_of(folder).empty()) known.emplace(guid_of(folder), id);
    }
    for (const auto& [id, folder] : live_.folders()) {
      const auto found = known.find(guid_of(folder));
      if (found != known.end() && !taken_.contains(found->second)) pair(id, found->second);
    }
  }

  // Two GUIDs that differ are two folders, whatever else is the same; and what is only the parent of others
  // by now is not the folder that was there.
  static bool may_be_same(const Folder& live, const Folder& known) {
    const bool vanished = live.attributes.contains(attribute::kNonexistent) &&
                          !known.attributes.contains(attribute::kNonexistent);
    return !vanished && (guid_of(live).empty() || guid_of(known).empty() || guid_of(live) == guid_of(known));
  }

  void by_id() {
    for (const auto& [id, folder] : live_.folders()) {
      const auto found = known_.folders().find(id);
      if (ids_.contains(id) || found == known_.folders().end() || taken_.contains(id)) continue;
      // A GUID that is the id says it all, whatever GUID a restore has noted with it.
      if (guid_of(folder) == id || may_be_same(folder, found->second)) pair(id, id);
    }
  }

  void by_path() {
    std::map<std::string, std::string> known;
    for (const auto& [id, folder] : known_.folders()) {
      if (!taken_.contains(id)) known.emplace(known_.path_of(id), id);
    }
    for (const auto& [id, folder] : live_.folders()) {
      if (ids_.contains(id)) continue;
      const auto found = known.find(live_.path_of(id));
      if (found == known.end() || taken_.contains(found->second)) continue;
      const bool is_same = may_be_same(folder, known_.folders().at(found->second)) ||
                           (made_.contains(found->second) && share_a_message(id, found->second));
      if (is_same) pair(id, found->second);
    }
  }

  // Nobody gives the base name of a message to another one.
  bool share_a_message(const std::string& live_id, const std::string& known_id) const {
    const auto& messages = known_.messages();
    for (auto at = messages.lower_bound(MessageKey(known_id, "")); at != messages.end(); ++at) {
      if (at->first.first != known_id) break;
      if (live_.messages().contains(MessageKey(live_id, at->first.second))) return true;
    }
    return false;
  }

  std::string unused(const std::string& id) const {
    std::string candidate = id;
    for (int number = 2;
         known_.folders().contains(candidate) || retired_.contains(candidate) || taken_.contains(candidate);
         ++number) {
      candidate = id + "~" + std::to_string(number);
    }
    return candidate;
  }

  const MailboxState& known_;
  const MailboxState& live_;
  const std::set<std::string>& retired_;
  const std::set<std::string>& made_;
  FolderIds ids_;
  std::set<std::string> taken_;
};

void rename_id(std::string& id, const FolderIds& ids) {
  const auto found = ids.find(id);
  if (found != ids.end()) id = found->second;
}

}  // namespace

FolderIds match_folders(const MailboxState& known, const MailboxState& live,
                        const std::set<std::string>& retired, const std::set<std::string>& made) {
  return Matcher(known, live, retired, made).run();
}

void rename_folders(Operation& operation, const FolderIds& ids) {
  if (auto* folder = std::get_if<FolderPut>(&operation)) {
    rename_id(folder->folder.id, ids);
    rename_id(folder->folder.parent_id, ids);
  } else if (auto* messages = std::get_if<MessagePut>(&operation)) {
    for (Message& message : messages->messages) rename_id(message.folder_id, ids);
  } else if (auto* deleted = std::get_if<FolderDelete>(&operation)) {
    rename_id(deleted->folder_id, ids);
  } else if (auto* expunge = std::get_if<MessageExpunge>(&operation)) {
    rename_id(expunge->folder_id, ids);
  } else if (auto* flags = std::get_if<FlagsUpdate>(&operation)) {
    rename_id(flags->folder_id, ids);
  } else if (auto* item = std::get_if<ItemPut>(&operation)) {
    rename_id(item->item.folder_id, ids);
  }
}

}  // namespace restante::stores

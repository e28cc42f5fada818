#pragma once
// The mailbox that a restore is making: what lies in the Maildir now, and what shall lie there. Operations
// change only this; `MaildirCommit` then makes the Maildir equal to it.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <restante/mail_sink.hpp>

#include "stores/maildir_attributes.hpp"
#include "stores/maildir_list.hpp"
#include "stores/maildir_names.hpp"

namespace restante::stores {

struct MessageEntry {
  /// As it shall be.
  Message record;
  /// As it is.
  std::optional<FoundFile> live;
  /// The new file in tmp/.
  std::string staged;
  /// The live file does not say what the record says.
  bool touched = false;
  /// An operation put it.
  bool put = false;
};

struct FolderEntry {
  Folder record;
  /// Where it is now; empty: nowhere.
  std::string live_dir;
  bool deleted = false;
  /// A FolderPut told its attributes, under this id.
  bool put = false;
  std::string put_id;
  /// Its dovecot-uidlist is to be written.
  bool renewed = false;
  /// The UIDVALIDITY that operations name.
  std::uint32_t recorded_uidvalidity = 0;
  KeywordMap keywords;
  std::optional<Uidlist> live_uidlist;

  /// Messages are read when the first operation asks for them.
  bool loaded = false;
  std::map<std::string, MessageEntry> messages;
  std::unordered_map<std::uint32_t, std::string> by_uid;
  /// Ids that operations use -> ids here.
  std::unordered_map<std::string, std::string> renamed;
  std::vector<FoundFile> removed;

  [[nodiscard]] bool is_inbox() const {
    return record.parent_id.empty() && is_inbox_name(record.name) &&
           !record.attributes.contains(attribute::kRawName);
  }
  [[nodiscard]] bool has_directory() const {
    return !deleted && !record.attributes.contains(attribute::kNonexistent);
  }
};

struct ItemEntry {
  Item record;
  /// The new file in tmp/; empty for directories and links.
  std::string staged;
};

class MailboxModel {
 public:
  Identity identity = Identity::keep;
  /// As in `SinkBegin`.
  bool keep_unnamed = false;
  /// Of the account's directory, as it shall be.
  Ownership ownership;
  bool ownership_touched = false;
  bool deleted = false;

  std::vector<std::unique_ptr<FolderEntry>> folders;
  /// The highest UIDVALIDITY that a folder has or had.
  std::uint32_t uidvalidity = 0;
  /// By every id that operations may use; folders that are deleted are not here.
  std::unordered_map<std::string, FolderEntry*> by_id;

  std::map<std::string, ItemEntry> items;
  std::set<std::string> removed_items;
  std::optional<std::vector<Item>> subscriptions;
  bool subscriptions_touched = false;
  /// Messages came or went.
  bool messages_touched = false;

  [[nodiscard]] FolderEntry* find(const std::string& id) const {
    const auto found = by_id.find(id);
    return found == by_id.end() ? nullptr : found->second;
  }
  /// The directory that the folder shall have; nothing if its name or a name above it has no place in a
  /// Maildir++, or if it is its own parent.
  [[nodiscard]] std::optional<std::string> dir_of(const FolderEntry& folder) const;
  /// Where the files go of the folder with this directory name.
  [[nodiscard]] FolderEntry* find_dir(const std::string& dir) const;
};

}  // namespace restante::stores

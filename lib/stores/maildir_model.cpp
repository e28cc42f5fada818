#include "stores/maildir_model.hpp"

#include <algorithm>

namespace restante::stores {

std::optional<std::string> MailboxModel::dir_of(const FolderEntry& folder) const {
  constexpr int kMaxLevels = 128;
  if (folder.is_inbox()) return std::string(kInboxDir);
  std::string dir;
  const FolderEntry* level = &folder;
  for (int levels = 0; levels < kMaxLevels; ++levels) {
    const std::optional<std::string> part =
        folder_dir_part({level->record.name, level->record.attributes.contains(attribute::kRawName)});
    if (!part) return std::nullopt;
    dir = "." + *part + dir;
    if (level->record.parent_id.empty()) return is_file_name(dir) ? std::optional(dir) : std::nullopt;
    // A parent that is deleted still tells where its children are.
    const auto parent = std::find_if(folders.begin(), folders.end(), [&](const auto& one) {
      return one->record.id == level->record.parent_id;
    });
    if (parent == folders.end()) return std::nullopt;
    level = parent->get();
    if (level->is_inbox()) {
      dir = ".INBOX" + dir;
      return is_file_name(dir) ? std::optional(dir) : std::nullopt;
    }
  }
  return std::nullopt;
}

FolderEntry* MailboxModel::find_dir(const std::string& dir) const {
  for (const auto& folder : folders) {
    if (!folder->deleted && dir_of(*folder) == dir) return folder.get();
  }
  return nullptr;
}

}  // namespace restante::stores

#include "stores/watch_changes.hpp"

#include "stores/maildir_names.hpp"

namespace restante::stores {

void AccountChanges::came(const std::string& dir, bool in_new, std::string_view name) {
  folders[dir].files[parse_message_file_name(name).base] = {true, in_new, std::string(name)};
}

// A message that is renamed comes under its new name before or after it goes under the old one.
void AccountChanges::went(const std::string& dir, bool in_new, std::string_view name) {
  SeenFile& seen = folders[dir].files[parse_message_file_name(name).base];
  if (seen.is_there && (seen.in_new != in_new || seen.name != name)) return;
  seen.is_there = false;
}

void AccountChanges::uidlist(const std::string& dir, bool is_new) {
  folders[dir].uidlist = true;
  if (is_new) folders[dir].new_uidlist = true;
}

void AccountChanges::new_folder(const std::string& dir) {
  folders[dir].is_new = true;
  new_dirs.insert(dir);
}

void AccountChanges::put_before(AccountChanges older) {
  needs_scan = needs_scan || older.needs_scan;
  needs_watches = needs_watches || older.needs_watches;
  subscriptions = subscriptions || older.subscriptions;
  new_dirs.merge(older.new_dirs);
  for (auto& [dir, changes] : older.folders) {
    FolderChanges& mine = folders[dir];
    mine.uidlist = mine.uidlist || changes.uidlist;
    mine.new_uidlist = mine.new_uidlist || changes.new_uidlist;
    mine.is_new = mine.is_new || changes.is_new;
    mine.files.merge(changes.files);
    mine.others.merge(changes.others);
  }
}

}  // namespace restante::stores

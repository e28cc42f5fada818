#pragma once
// What the kernel told about one account and nobody has logged yet. Pure.

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace restante::stores {

/// Where the file of a message was when it was last heard of.
struct SeenFile {
  bool is_there = false;
  bool in_new = false;
  std::string name;
};

struct FolderChanges {
  /// By base name.
  std::map<std::string, SeenFile> files;
  /// dovecot-uidlist was written to, and was replaced.
  bool uidlist = false;
  bool new_uidlist = false;
  /// Names of other files of the folder.
  std::set<std::string> others;
  /// It was made, or what makes it a folder.
  bool is_new = false;
};

class AccountChanges {
 public:
  /// Called in the order in which things happened.
  void came(const std::string& dir, bool in_new, std::string_view name);
  void went(const std::string& dir, bool in_new, std::string_view name);
  void uidlist(const std::string& dir, bool is_new);
  void other(const std::string& dir, std::string_view name) { folders[dir].others.emplace(name); }
  void new_folder(const std::string& dir);
  [[nodiscard]] bool is_new_folder(const std::string& dir) const {
    const auto found = folders.find(dir);
    return found != folders.end() && found->second.is_new;
  }
  /// More than this class can say: the account has to be scanned.
  void something() { needs_scan = true; }
  /// Nothing is known of what happened.
  void everything() { needs_scan = needs_watches = true; }

  /// What happened before all this.
  void put_before(AccountChanges older);
  [[nodiscard]] bool empty() const noexcept {
    return folders.empty() && !needs_scan && !needs_watches && new_dirs.empty() && !subscriptions;
  }

  /// By directory.
  std::map<std::string, FolderChanges> folders;
  bool needs_scan = false;
  /// The file of this name was written.
  bool subscriptions = false;
  /// Directories are not watched yet: those in the account's own, or all.
  std::set<std::string> new_dirs;
  bool needs_watches = false;
};

}  // namespace restante::stores

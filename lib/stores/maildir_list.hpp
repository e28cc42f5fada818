#pragma once
// Reads the mailbox of one account: folders, messages, and every other file as an item.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <restante/model.hpp>
#include <restante/status.hpp>

#include "os/io.hpp"
#include "stores/maildir_attributes.hpp"
#include "stores/maildir_files.hpp"
#include "stores/maildir_keywords.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_uidlist.hpp"

namespace restante::stores {

inline constexpr std::string_view kFileKind = "file";
/// How the INBOX, which is the account's directory itself, is named where directories are named.
inline constexpr std::string_view kInboxDir = ".";

struct FoundFolder {
  /// ".A.B", or `kInboxDir`.
  std::string dir;
  /// False for a parent that has no directory of its own.
  bool exists = true;
  Folder record;
  KeywordMap keywords;
  std::optional<Uidlist> uidlist;
  /// Empty unless messages were wanted.
  std::vector<FoundFile> files;
};

enum class Want { structure, messages };

class MailboxReader {
 public:
  /// `account_fd` must outlive it.
  MailboxReader(os::Io& io, int account_fd, const Ownership& account, WarningFunction warn)
      : io_(io), account_fd_(account_fd), account_(account), warn_(std::move(warn)) {}

  /// The INBOX first, then by directory name, parents that have no directory included.
  [[nodiscard]] Result<std::vector<FoundFolder>> folders(Want want) const;
  /// One of them, with its messages, as a child of the folder that `parent_id` names; nothing if the
  /// directory is none.
  [[nodiscard]] Result<std::optional<FoundFolder>> folder(const std::string& dir,
                                                          const std::string& parent_id) const;
  /// The records of `folder.files`.
  [[nodiscard]] std::vector<Message> messages_of(const FoundFolder& folder) const;
  /// Every file that is not a message, and the subscriptions. An item has no content of its own if
  /// `has_content` says so.
  [[nodiscard]] Status items(const std::vector<FoundFolder>& folders,
                             const std::function<Status(Item)>& each) const;

  /// The same of one file in the folder's own directory; nothing if it is not there. False for a directory,
  /// of which there may be more to say.
  [[nodiscard]] Result<bool> item(const FoundFolder& folder, const std::string& name,
                                  const std::function<Status(Item)>& each) const;

  /// The names that are subscribed to. False if there is no such file, or if it is kept as a file.
  [[nodiscard]] Result<bool> subscriptions(const std::function<Status(Item)>& each) const;

  [[nodiscard]] static bool has_content(const Item& item);

 private:
  struct Walk;

  Result<std::vector<std::string>> folder_dirs() const;
  Result<bool> is_folder(const std::string& name) const;
  Result<FoundFolder> read_folder(const std::string& dir, Want want) const;
  Status read_ownership(int dirfd, FoundFolder& folder) const;
  Status read_uidlist(int dirfd, FoundFolder& folder) const;
  Status read_keywords(int dirfd, FoundFolder& folder) const;
  Result<std::optional<Bytes>> read_side_file(int dirfd, const std::string& name, std::uint64_t limit) const;
  void name_folders(std::vector<FoundFolder>& folders) const;
  static void give_id(FoundFolder& folder);
  static void give_name(FoundFolder& folder, const FolderLevel& level, bool is_top);

  Status walk_folder(Walk& walk, const FoundFolder& folder) const;
  Status walk_directory(Walk& walk, int dirfd, const std::string& prefix, int depth) const;
  Status walk_entry(Walk& walk, int dirfd, const os::DirEntry& entry, const std::string& prefix,
                    int depth) const;
  Result<bool> emit_subscriptions(Walk& walk, int dirfd) const;
  Item make_item(const Walk& walk, const std::string& path, const os::FileInfo& info) const;
  void warn(const std::string& text) const {
    if (warn_) warn_(text);
  }

  os::Io& io_;
  int account_fd_;
  Ownership account_;
  WarningFunction warn_;
};

/// The id of a folder that has no GUID (R2).
[[nodiscard]] std::string path_id(std::string_view dir, std::uint32_t uidvalidity);
/// The directory that a `path_id` names; nothing for other ids.
[[nodiscard]] std::optional<std::string> dir_of_path_id(std::string_view id);

/// "dir/name"; `name` in the account's own directory.
[[nodiscard]] std::string join_path(std::string_view dir, std::string_view name);

}  // namespace restante::stores

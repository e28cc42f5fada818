#pragma once
// Makes a Maildir equal to the model of it.
//
// The order decides what a crash leaves: first everything new is durable in tmp/, then folders are where
// they shall be, then new messages appear, then flags and other files change, and only then does anything
// go. Each step is made durable before the next.

#include <map>
#include <string>
#include <vector>

#include <restante/status.hpp>

#include "os/io.hpp"
#include "stores/maildir_account.hpp"
#include "stores/maildir_model.hpp"
#include "stores/maildir_stage.hpp"

namespace restante::stores {

class MaildirCommit {
 public:
  MaildirCommit(os::Io& io, AccountDir& account, MailboxModel& model, Stage& stage,
                const WarningFunction& warn)
      : io_(io), account_(account), model_(model), stage_(stage), warn_(warn) {}

  /// `partial` names what could not be put in its place.
  [[nodiscard]] Status run();

 private:
  /// An open folder directory and its parts.
  struct OpenFolder {
    os::Fd dir;
    os::Fd cur;
    os::Fd fresh;  // new/
  };

  Status delete_account();
  Status arrange_folders();
  void choose_dirs();
  Status move_aside(std::map<std::string, FolderEntry*>& live);
  Status make_folder(FolderEntry& folder, const std::string& dir);
  Status make_part(int dirfd, const char* name, const FolderEntry& folder, const Ownership& of_folder);
  Status own_directory(int dirfd, const Ownership& ownership);
  Result<OpenFolder> open_folder(const FolderEntry& folder);

  Status publish(FolderEntry& folder);
  void settle_keywords(FolderEntry& folder);
  Status write_keywords(FolderEntry& folder, int dirfd);
  Status write_uidlist(FolderEntry& folder, int dirfd);
  Status raise_uidvalidity();
  Status publish_owned(int dirfd, const std::string& name, std::string_view text, const Ownership& ownership);
  Status remove_indexes(int dirfd);
  Status publish_messages(FolderEntry& folder, OpenFolder& open);
  Status change_messages(FolderEntry& folder);
  Status change_message(FolderEntry& folder, OpenFolder& open, MessageEntry& entry);
  Status set_file(int dirfd, const std::string& name, const MessageEntry& entry);
  [[nodiscard]] std::string file_name_of(const FolderEntry& folder, const MessageEntry& entry,
                                         bool& in_new) const;
  Result<bool> find_again(const OpenFolder& open, FoundFile& file);

  Status put_items();
  Status put_item(const ItemEntry& entry);
  Status write_subscriptions();

  Status remove_messages(FolderEntry& folder);
  Status unlink_messages(const OpenFolder& open, FolderEntry& folder);
  Result<bool> empty_folder(FolderEntry& folder);
  Status keep_folder(FolderEntry& folder, const std::string& dir);
  Status remove_folders();
  Status remove_items();
  Status remove_item(const std::string& path);

  void complain(const std::string& text);

  os::Io& io_;
  AccountDir& account_;
  MailboxModel& model_;
  Stage& stage_;
  const WarningFunction& warn_;
  os::Fd tmp_;
  bool denied_ = false;
  /// Where folders are now and shall be; a folder without directory is in neither.
  std::map<FolderEntry*, std::string> here_;
  std::map<FolderEntry*, std::string> there_;
  std::vector<std::string> failed_;
};

}  // namespace restante::stores

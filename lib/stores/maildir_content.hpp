#pragma once
// Opens the content of messages and items while a server renames the files.

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include <restante/mail_source.hpp>

#include "os/io.hpp"
#include "stores/maildir_account.hpp"
#include "stores/maildir_list.hpp"

namespace restante::stores {

/// Where the messages of one account were at the last look. A session opens every message that a snapshot
/// has listed: with this each costs one open and not one listing.
struct ContentIndex {
  struct Place {
    bool in_new = false;
    std::string name;
  };
  struct FolderPlaces {
    std::string dir;
    bool listed = false;
    std::unordered_map<std::string, Place> places;
  };
  std::mutex mutex;
  os::Fd account;
  std::unordered_map<std::string, FolderPlaces> folders;
};

class ContentFinder {
 public:
  ContentFinder(os::Io& io, const AccountFinder& accounts, AccountWarning warn)
      : io_(io), accounts_(accounts), warn_(std::move(warn)) {}

  /// Remembers what a snapshot has listed.
  void remember(const AccountDir& account, const std::vector<FoundFolder>& folders);
  void forget(const std::string& account_id);
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open(std::string_view account_id,
                                                            const ContentPlace& place);

 private:
  using IndexPtr = std::shared_ptr<ContentIndex>;
  Result<IndexPtr> index_of(std::string_view account_id, bool fresh);
  IndexPtr keep(const std::string& account_id, IndexPtr index);
  Result<os::Fd> open_message(ContentIndex& index, const std::string& folder_id, const std::string& id);
  Result<std::string> id_of_uid(std::string_view account_id, const std::string& folder_id, std::uint32_t uid);
  Result<std::unique_ptr<ContentReader>> open_item(std::string_view account_id, const std::string& path);

  os::Io& io_;
  const AccountFinder& accounts_;
  AccountWarning warn_;
  std::mutex mutex_;
  // Most recently used first.
  std::list<std::pair<std::string, IndexPtr>> recent_;
};

/// Reads a file from its beginning.
[[nodiscard]] std::unique_ptr<ContentReader> read_from_file(os::Io& io, os::Fd fd);

/// Opens a regular file below `dirfd` by a path whose every part is checked; links are not followed.
[[nodiscard]] Result<os::Fd> open_file_below(os::Io& io, int dirfd, std::string_view path, int flags);

}  // namespace restante::stores

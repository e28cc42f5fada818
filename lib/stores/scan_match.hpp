#pragma once
// Which folder of the store is which folder of the known state. Pure.

#include <map>
#include <set>
#include <string>
#include <vector>

#include <restante/mailbox_state.hpp>

namespace restante::stores {

/// Folder ids of the store -> ids that the log uses.
using FolderIds = std::map<std::string, std::string>;

/// A folder is the one with the same GUID, else the one with the same id, else the one with the same path if
/// not both have GUIDs: so a folder that a server indexes later keeps its id. The others are new; one of them
/// gets an id of its own if the store's has been another folder's. One of those that a restore has `made` may
/// have got a GUID of its own since: it is the one at its path, if that holds a message of it.
[[nodiscard]] FolderIds match_folders(const MailboxState& known, const MailboxState& live,
                                      const std::set<std::string>& retired,
                                      const std::set<std::string>& made);

/// Replaces folder ids wherever the operation names a folder.
void rename_folders(Operation& operation, const FolderIds& ids);

}  // namespace restante::stores

#include "stores/maildir_account.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_files.hpp"
#include "stores/maildir_stage.hpp"

namespace restante::stores {
namespace {

// No address has a '/', so that no account has such an id.
constexpr std::string_view kStrayPrefix = "./";

std::string stray_id(const std::vector<std::string>& path) {
  std::string id = ".";
  for (const std::string& name : path) id += "/" + name;
  return id;
}

Status no_account(std::string_view id) {
  return Status(Code::not_found, base::cat("there is no maildir of ", base::escape(id.substr(0, 200))));
}

}  // namespace

Status AccountFinder::check_root() const {
  const Result<os::Fd> root = os::open_dir(io_, pattern_.root());
  return root.ok() ? Status() : root.status();
}

Status AccountFinder::check_address(std::string_view address) const {
  const Result<std::vector<std::string>> path = pattern_.path_of(address);
  return path.ok() ? Status() : path.status();
}

bool AccountFinder::is_mailbox(int dirfd) const {
  for (const char* name : {"cur", "new", "tmp"}) {
    const Result<os::FileInfo> info = io_.stat_at(dirfd, name);
    if (info.ok() && info->type == os::FileType::directory) return true;
    if (!info.ok() && info.status().code() != Code::not_found) return true;
  }
  return false;
}

Result<AccountFinder::Found> AccountFinder::find_all(const VisitFunction& visit) const {
  const Result<os::Fd> root = os::open_dir(io_, pattern_.root());
  if (!root.ok()) return root.status();
  Found found;
  std::vector<std::string> path;
  if (Status listed = find_below(root->get(), 0, {}, path, visit, found); !listed.ok()) return listed;

  keep_one_of_each(found);
  return found;
}

// Two directories of one address, for example "Alice" and "alice": the one that `open` would take is the
// account's, the other a stray.
void AccountFinder::keep_one_of_each(Found& found) const {
  std::map<std::string, std::vector<std::string>> by_address;
  for (auto& [address, components] : found.mailboxes) {
    const auto [place, is_new] = by_address.try_emplace(address, components);
    if (is_new) continue;
    const Result<std::vector<std::string>> expected = pattern_.path_of(address);
    if (expected.ok() && *expected == components) std::swap(place->second, components);
    found.strays.push_back(
        {stray_id(components),
         Status(Code::ambiguous,
                base::cat("directory ", base::escape(stray_id(components)), " belongs to address ",
                          base::escape(address), " as ", base::escape(stray_id(place->second)), " does"),
                "rename one of them, or put their mail together")});
  }
  found.mailboxes.assign(by_address.begin(), by_address.end());
}

Status AccountFinder::find_below(int dirfd, std::size_t depth, const AddressParts& parts,
                                 std::vector<std::string>& path, const VisitFunction& visit,
                                 Found& found) const {
  // Before it is listed, so that nobody is missed.
  if (visit) {
    if (Status visited = visit(dirfd); !visited.ok()) return visited;
  }
  const Result<std::vector<os::DirEntry>> entries = list_at_rest(io_, dirfd);
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    AddressParts more = parts;
    if (!pattern_.match(depth, entry.name, more)) continue;
    if (entry.type == os::FileType::symlink) warn_({}, base::cat(base::escape(entry.name), " is a link"));
    if (entry.type != os::FileType::directory) continue;
    const Result<os::Fd> dir = os::open_dir_at(io_, dirfd, entry.name);
    if (!dir.ok() && dir.status().code() == Code::not_found) continue;  // removed meanwhile
    path.push_back(entry.name);
    if (!dir.ok()) {
      // What a file system keeps for itself is nobody's.
      if (entry.name != "lost+found") found.strays.push_back({stray_id(path), dir.status()});
      path.pop_back();
      continue;
    }
    if (depth + 1 < pattern_.depth()) {
      if (Status below = find_below(dir->get(), depth + 1, more, path, visit, found); !below.ok())
        return below;
    } else {
      if (visit && !is_mailbox(dir->get())) {
        if (Status visited = visit(dir->get()); !visited.ok()) return visited;
      }
      // Behind the visit: it may have been made meanwhile.
      if (is_mailbox(dir->get())) add_mailbox(more, path, found);
    }
    path.pop_back();
  }
  return {};
}

void AccountFinder::add_mailbox(const AddressParts& parts, const std::vector<std::string>& path,
                                Found& found) const {
  if (std::optional<std::string> address = pattern_.address_of(parts)) {
    found.mailboxes.emplace_back(*address, path);
    return;
  }
  found.strays.push_back(
      {stray_id(path),
       Status(Code::unsupported,
              base::cat("the parts of directory ", base::escape(stray_id(path)), " do not make one address"),
              "rename it")});
}

// It belongs to whom the directory above belongs to: what root made for itself no server could use. It
// appears with its owner, because others make directories in it as soon as they see it, and take the owner
// from it.
Result<os::Fd> AccountFinder::make_directory(int parent_fd, const std::string& name) const {
  const Result<std::string> temporary = os::temporary_name();
  if (!temporary.ok()) return temporary.status();
  if (Status made = io_.mkdir_at(parent_fd, *temporary, 0700); !made.ok()) return made;
  Status moved = own_as_parent(parent_fd, *temporary);
  if (moved.ok()) moved = io_.rename_no_replace_at(parent_fd, *temporary, parent_fd, name);
  if (!moved.ok()) (void)io_.rmdir_at(parent_fd, *temporary);
  if (moved.code() == Code::unsupported) {  // not on this file system
    moved = io_.mkdir_at(parent_fd, name, 0700);
    if (moved.ok()) moved = own_as_parent(parent_fd, name);
  }
  // Else somebody was faster.
  if (!moved.ok() && moved.code() != Code::already_exists) return moved;
  if (Status synced = io_.fsync(parent_fd); !synced.ok()) return synced;
  return os::open_dir_at(io_, parent_fd, name);
}

Status AccountFinder::own_as_parent(int parent_fd, const std::string& name) const {
  const Result<os::Fd> dir = os::open_dir_at(io_, parent_fd, name);
  if (!dir.ok()) return dir.status();
  const Result<os::FileInfo> above = io_.fstat(parent_fd);
  if (!above.ok()) return above.status();
  bool denied = false;
  return set_ownership(io_, dir->get(), {0700, above->uid, above->gid}, denied);
}

Result<AccountDir> AccountFinder::open_path(std::string_view id, const std::vector<std::string>& path,
                                            bool create) const {
  AccountDir account;
  account.id = lower_case(id);
  Result<os::Fd> dir = os::open_dir(io_, pattern_.root());
  for (const std::string& name : path) {
    if (!dir.ok()) break;
    account.parent = std::move(*dir);
    account.name = name;
    dir = os::open_dir_at(io_, account.parent.get(), name);
    if (dir.ok() || !create || dir.status().code() != Code::not_found) continue;
    dir = make_directory(account.parent.get(), name);
  }
  if (!dir.ok()) {
    // A link or a file has that name: not a mailbox.
    const Result<os::FileInfo> info = io_.stat_at(account.parent.get(), account.name);
    return info.ok() && info->type != os::FileType::directory ? no_account(id) : dir.status();
  }
  account.fd = std::move(*dir);
  const Result<os::FileInfo> info = io_.fstat(account.fd.get());
  if (!info.ok()) return info.status();
  account.info = *info;
  return account;
}

Result<AccountDir> AccountFinder::open_place(std::string_view account_id, bool create) const {
  const Result<std::vector<std::string>> path = pattern_.path_of(account_id);
  if (!path.ok()) return path.status();
  return open_path(account_id, *path, create);
}

Status AccountFinder::why_stray(std::string_view id) const {
  const Result<Found> all = find_all();
  if (!all.ok()) return all.status();
  for (const Stray& stray : all->strays) {
    if (stray.id == id) return stray.why;
  }
  return no_account(id);
}

Result<AccountDir> AccountFinder::open(std::string_view account_id) const {
  const Result<std::vector<std::string>> path = pattern_.path_of(account_id);
  if (!path.ok())
    return account_id.starts_with(kStrayPrefix) ? why_stray(account_id) : no_account(account_id);
  Result<AccountDir> account = open_path(account_id, *path, false);
  if (account.ok() && is_mailbox(account->fd.get())) return account;
  if (!account.ok() && account.status().code() != Code::not_found) return account;

  // The directory may be written with capitals, or without the domain that %u includes.
  const Result<Found> all = find_all();
  if (!all.ok()) return all.status();
  const std::string id = lower_case(account_id);
  const auto found = std::find_if(all->mailboxes.begin(), all->mailboxes.end(),
                                  [&](const auto& one) { return one.first == id; });
  if (found == all->mailboxes.end()) return no_account(account_id);
  return open_path(id, found->second, false);
}

}  // namespace restante::stores

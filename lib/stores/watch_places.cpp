// Which directories are watched, and which accounts there are.

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "stores/watch_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

using stores::Steady;

constexpr std::chrono::seconds kListInterval{60};

constexpr std::uint32_t kFileChanges = IN_CLOSE_WRITE | IN_ATTRIB;
constexpr std::uint32_t kOwnChanges = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

std::uint32_t mask_of(stores::Role role) {
  switch (role) {
    case stores::Role::above:
    case stores::Role::requests: return stores::kEntryChanges;
    // A server writes to dovecot-uidlist and keeps it open.
    case stores::Role::folder: return stores::kEntryChanges | kFileChanges | kOwnChanges | IN_MODIFY;
    case stores::Role::cur:
    case stores::Role::fresh:
    case stores::Role::other: break;
  }
  return stores::kEntryChanges | kFileChanges | kOwnChanges;
}

/// Of a directory so deep below the folder `dir`; nothing for what is not watched, or not as a part of it.
std::optional<stores::Role> role_of(std::string_view dir, int depth, std::string_view name) {
  if (depth > 0) return stores::Role::other;
  if (name == "tmp") return std::nullopt;
  if (name == "cur") return stores::Role::cur;
  if (name == "new") return stores::Role::fresh;
  // Other directories of the account's own are watched like folders.
  return dir == stores::kInboxDir ? std::nullopt : std::optional(stores::Role::other);
}

}  // namespace

// --- Which directories are watched --------------------------------------------------------------------

Status Watcher::Impl::watch(int dirfd, stores::Role role, const WatchedPtr& account, const std::string& dir) {
  // Nobody asks where an event belongs before it is known.
  const std::lock_guard lock(mutex);
  const Result<int> number = inotify.add(dirfd, mask_of(role));
  if (!number.ok()) return number.status();
  places[*number] = {role, account, dir};
  if (account && !os::tells_all(dirfd)) account->is_shared = true;
  return {};
}

// Of the directories that the changes name, or of all.
Status Watcher::Impl::watch_account(const WatchedPtr& account, const stores::AccountChanges& changes) {
  const Result<stores::AccountDir> dir = finder.open(account->id);
  if (!dir.ok()) return dir.status();
  if (!changes.needs_watches) {
    for (const std::string& name : changes.new_dirs) {
      if (Status watched = watch_folder(account, dir->fd.get(), name); !watched.ok()) return watched;
    }
    return {};
  }
  if (Status watched = watch_folder(account, dir->fd.get(), std::string(stores::kInboxDir)); !watched.ok())
    return watched;
  const Result<std::vector<os::DirEntry>> entries = io.list(dir->fd.get());
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    if (entry.type != os::FileType::directory || stores::is_part(entry.name)) continue;
    if (Status watched = watch_folder(account, dir->fd.get(), entry.name); !watched.ok()) return watched;
  }
  return {};
}

// A directory of the account's own that holds no messages is watched like one that does.
Status Watcher::Impl::watch_folder(const WatchedPtr& account, int account_fd, const std::string& dir) {
  const Result<os::Fd> fd = os::open_dir_at(io, account_fd, dir);
  if (!fd.ok()) return os::is_absent(fd.status()) ? Status() : fd.status();
  if (Status watched = watch(fd->get(), stores::Role::folder, account, dir); !watched.ok()) return watched;
  return watch_below(account, fd->get(), dir, 0);
}

Status Watcher::Impl::watch_below(const WatchedPtr& account, int dirfd, const std::string& dir, int depth) {
  if (depth >= base::kMaxTreeDepth) return {};
  const Result<std::vector<os::DirEntry>> entries = io.list(dirfd);
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    const std::optional<stores::Role> role = role_of(dir, depth, entry.name);
    if (entry.type != os::FileType::directory || !role) continue;
    const Result<os::Fd> below = os::open_dir_at(io, dirfd, entry.name);
    if (!below.ok() && os::is_absent(below.status())) continue;
    if (!below.ok()) return below.status();
    if (Status watched = watch(below->get(), *role, account, dir); !watched.ok()) return watched;
    if (Status watched = watch_below(account, below->get(), dir, depth + 1); !watched.ok()) return watched;
  }
  return {};
}

// --- Which accounts there are -------------------------------------------------------------------------

void Watcher::Impl::list_accounts() {
  Result<stores::AccountFinder::Found> found =
      finder.find_all([&](int dirfd) { return watch(dirfd, stores::Role::above, nullptr, {}); });
  std::set<std::string> there;
  if (found.ok()) {
    for (const auto& [id, path] : found->mailboxes) there.insert(id);
  }
  // Those that went while nobody watched, too.
  Result<std::vector<std::string>> known = std::vector<std::string>();
  if (!has_listed) known = scanner.states.accounts();
  std::unique_lock lock(mutex);
  Status trouble = found.ok() ? known.status() : found.status();
  if (trouble.ok() && there.empty() && !(accounts.empty() && known->empty())) {
    trouble = Status(Code::not_found, "the store has no account any more; nothing is taken for removed",
                     "mount it");
  }
  const Steady::time_point now = Steady::now();
  if (!trouble.ok()) {
    list_due = now + stores::kMountInterval;
    if (trouble.code() == Code::no_space) fail(trouble);
    const bool is_news = trouble.code() != listing_trouble.code();
    listing_trouble = trouble;
    lock.unlock();
    if (is_news) tell({.kind = WatchEvent::Kind::trouble, .status = trouble});
    return;
  }
  listing_trouble = Status();
  const auto begin = [&](const std::string& id) {
    const auto [at, is_new] = accounts.try_emplace(id);
    if (!is_new) return;
    at->second = std::make_shared<Watched>(*this, id);
    changed(at->second);
  };
  for (const std::string& id : there) begin(id);
  anybody_unmounted = false;
  for (const std::string& id : *known) begin(id);
  has_listed = true;
  for (const auto& [id, account] : accounts) {
    const bool is_there = there.contains(id);
    if (account->unmounted && !is_there) {
      anybody_unmounted = true;
      continue;
    }
    const bool is_old = !account->busy && now - account->last_scan > options.rescan;
    if (!account->unmounted && is_there && !is_old) continue;
    account->unmounted = false;
    account->changes.everything();
    changed(account);
  }
  for (const stores::AccountFinder::Stray& stray : found->strays) {
    if (told_strays.insert(stray.id).second)
      untold.push_back({.kind = WatchEvent::Kind::trouble, .account_id = stray.id, .status = stray.why});
  }
  list_due = now + (anybody_unmounted ? std::chrono::seconds(stores::kMountInterval) : kListInterval);
}

}  // namespace v0
}  // namespace restante

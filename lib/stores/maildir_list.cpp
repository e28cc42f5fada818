#include "stores/maildir_list.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_subscriptions.hpp"

namespace restante::stores {
namespace {

// A mailbox of four million messages; what is larger is not a list of UIDs.
constexpr std::uint64_t kMaxUidlistBytes = 512u << 20;
constexpr std::uint64_t kMaxSubscriptionsBytes = 16u << 20;
// Ids are at most this long (model.hpp).
constexpr std::size_t kMaxIdBytes = 1024;

const std::string kKeywordsName = "dovecot-keywords";
const std::string kSubscriptionsName = "subscriptions";

}  // namespace

std::string path_id(std::string_view dir, std::uint32_t uidvalidity) {
  return uidvalidity == 0 ? base::cat("path:", dir) : base::cat("path:", uidvalidity, ':', dir);
}

std::optional<std::string> dir_of_path_id(std::string_view id) {
  constexpr std::string_view kPrefix = "path:";
  if (!id.starts_with(kPrefix)) return std::nullopt;
  id.remove_prefix(kPrefix.size());
  if (id.starts_with('.')) return std::string(id);
  const std::size_t colon = id.find(':');
  if (colon == std::string_view::npos || !base::parse_decimal(id.substr(0, colon))) return std::nullopt;
  return std::string(id.substr(colon + 1));
}

std::string join_path(std::string_view dir, std::string_view name) {
  return dir == kInboxDir || dir.empty() ? std::string(name) : base::cat(dir, '/', name);
}

// --- Folders ----------------------------------------------------------------------------------------

Result<std::vector<FoundFolder>> MailboxReader::folders(Want want) const {
  const Result<std::vector<std::string>> dirs = folder_dirs();
  if (!dirs.ok()) return dirs.status();
  std::vector<FoundFolder> folders;
  for (const std::string& dir : *dirs) {
    Result<FoundFolder> folder = read_folder(dir, want);
    if (!folder.ok() && os::is_absent(folder.status()) && dir != kInboxDir) continue;  // removed meanwhile
    if (!folder.ok()) return folder.status();
    folders.push_back(std::move(*folder));
  }
  name_folders(folders);
  return folders;
}

Result<std::optional<FoundFolder>> MailboxReader::folder(const std::string& dir,
                                                         const std::string& parent_id) const {
  const Result<bool> is_one = is_folder(dir);
  if (!is_one.ok()) return is_one.status();
  if (!*is_one) return std::optional<FoundFolder>();
  Result<FoundFolder> folder = read_folder(dir, Want::messages);
  if (!folder.ok() && os::is_absent(folder.status())) return std::optional<FoundFolder>();
  if (!folder.ok()) return folder.status();
  const std::vector<FolderLevel> levels = parse_folder_dir(dir);
  give_id(*folder);
  folder->record.parent_id = parent_id;
  give_name(*folder, levels.back(), levels.size() == 1);
  return std::optional(std::move(*folder));
}

Result<std::vector<std::string>> MailboxReader::folder_dirs() const {
  const Result<std::vector<os::DirEntry>> entries = list_at_rest(io_, account_fd_);
  if (!entries.ok()) return entries.status();
  std::vector<std::string> dirs = {std::string(kInboxDir)};
  for (const os::DirEntry& entry : *entries) {
    if (entry.type != os::FileType::directory) continue;
    const Result<bool> is_one = is_folder(entry.name);
    if (!is_one.ok()) return is_one.status();
    if (*is_one) dirs.push_back(entry.name);
  }
  return dirs;
}

// What cannot be looked into now is not left out: a backup without it would be taken for whole.
Result<bool> MailboxReader::is_folder(const std::string& name) const {
  if (is_passed_over(name) || parse_folder_dir(name).empty()) return false;
  const Result<os::Fd> dir = os::open_dir_at(io_, account_fd_, name);
  if (!dir.ok()) {
    const Result<os::FileInfo> info = io_.stat_at(account_fd_, name);
    const bool is_gone = info.ok() ? info->type != os::FileType::directory : os::is_absent(info.status());
    return is_gone ? Result<bool>(false) : dir.status();
  }
  const Result<os::FileInfo> cur = io_.stat_at(dir->get(), "cur");
  if (!cur.ok() && !os::is_absent(cur.status())) return cur.status();
  return cur.ok() && cur->type == os::FileType::directory;
}

Result<FoundFolder> MailboxReader::read_folder(const std::string& dir, Want want) const {
  const Result<os::Fd> fd = os::open_dir_at(io_, account_fd_, dir);
  if (!fd.ok()) return fd.status();
  FoundFolder folder;
  folder.dir = dir;
  if (want == Want::messages) {
    Result<std::vector<FoundFile>> files = list_messages(io_, fd->get(), Look::files);
    if (!files.ok()) return files.status();
    folder.files = std::move(*files);
  }
  if (Status read = read_ownership(fd->get(), folder); !read.ok()) return read;
  // Behind the listing: a message that arrives meanwhile has its UID before it is listed without.
  if (Status read = read_uidlist(fd->get(), folder); !read.ok()) return read;
  if (Status read = read_keywords(fd->get(), folder); !read.ok()) return read;
  return folder;
}

Status MailboxReader::read_ownership(int dirfd, FoundFolder& folder) const {
  Attributes& attributes = folder.record.attributes;
  const Result<os::FileInfo> info = io_.fstat(dirfd);
  if (!info.ok()) return info.status();
  const Ownership own = Ownership::of(*info);
  if (folder.dir != kInboxDir) put_ownership(own, account_, attributes);
  std::string missing;
  for (const char* name : {"cur", "new", "tmp"}) {
    const Result<os::FileInfo> part = io_.stat_at(dirfd, name);
    if (!part.ok() && !os::is_absent(part.status())) return part.status();
    if (part.ok() && part->type == os::FileType::directory) {
      put_ownership(Ownership::of(*part), own, attributes, base::cat(name, '.'));
    } else if (std::string_view(name) != "tmp") {
      missing += base::cat(missing.empty() ? "" : " ", name);
    }
  }
  if (!missing.empty()) attributes[attribute::kMissing] = missing;
  return {};
}

// A file that a server keeps beside the messages; nothing if there is none, or something that is none. One
// that cannot be read now is a failure, because the folder would be another one without it.
Result<std::optional<Bytes>> MailboxReader::read_side_file(int dirfd, const std::string& name,
                                                           std::uint64_t limit) const {
  Result<Bytes> bytes = os::read_file(io_, dirfd, name, limit);
  if (bytes.ok()) return std::optional(std::move(*bytes));
  if (os::is_absent(bytes.status())) return std::optional<Bytes>();
  const Result<os::FileInfo> info = io_.stat_at(dirfd, name);
  if (!info.ok() && !os::is_absent(info.status())) return info.status();
  const bool is_readable = info.ok() && info->type == os::FileType::regular && info->size <= limit;
  if (is_readable) return bytes.status();
  warn(bytes.status().message());
  return std::optional<Bytes>();
}

Status MailboxReader::read_uidlist(int dirfd, FoundFolder& folder) const {
  const Result<std::optional<Bytes>> bytes = read_side_file(dirfd, kUidlistName, kMaxUidlistBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return {};
  const std::string prefix = base::escape(folder.dir) + ": ";
  folder.uidlist = parse_uidlist(**bytes, [&](std::string_view text) { warn(prefix + std::string(text)); });
  if (!folder.uidlist) return {};
  folder.record.uidvalidity = folder.uidlist->uidvalidity;
  folder.record.uidnext = folder.uidlist->uidnext;
  if (!folder.uidlist->guid.empty()) folder.record.attributes[attribute::kGuid] = folder.uidlist->guid;
  if (!folder.uidlist->extra.empty()) {
    folder.record.attributes[attribute::kUidlistHeader] = folder.uidlist->extra;
  }
  return {};
}

Status MailboxReader::read_keywords(int dirfd, FoundFolder& folder) const {
  const Result<std::optional<Bytes>> bytes = read_side_file(dirfd, kKeywordsName, kMaxKeywordsBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return {};
  folder.keywords = KeywordMap::parse(as_text(**bytes));
  folder.record.attributes[attribute::kKeywords] = as_text(**bytes);
  return {};
}

// Gives ids, parents and names, and adds the parents that have no directory.
void MailboxReader::name_folders(std::vector<FoundFolder>& folders) const {
  std::set<std::string> taken;
  for (FoundFolder& folder : folders) {
    give_id(folder);
    const std::string& guid = attribute_of(folder.record.attributes, attribute::kGuid);
    if (!guid.empty() && taken.contains(guid)) {
      warn(base::cat(base::escape(folder.dir), " has the guid of another folder; it is known by its path"));
      folder.record.id = path_id(folder.dir, folder.record.uidvalidity);
    }
    taken.insert(folder.record.id);
  }

  std::map<std::string, std::string> id_of_dir;
  for (const FoundFolder& folder : folders) id_of_dir[folder.dir] = folder.record.id;
  const std::string inbox_id = id_of_dir[std::string(kInboxDir)];
  std::vector<FoundFolder> parents;
  for (FoundFolder& folder : folders) {
    if (folder.dir == kInboxDir) {
      folder.record.name = "INBOX";
      continue;
    }
    const std::vector<FolderLevel> levels = parse_folder_dir(folder.dir);
    std::string parent;
    std::string dir;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const bool last = i + 1 == levels.size();
      dir += "." + folder_dir_part(levels[i]).value_or("");
      // As Dovecot has it, ".INBOX.A" is a child of the INBOX.
      const bool is_inbox = i == 0 && !last && dir == ".INBOX";
      const auto known = id_of_dir.find(dir);
      FoundFolder* record = last ? &folder : nullptr;
      if (is_inbox) {
        parent = inbox_id;
        continue;
      }
      if (!last && known == id_of_dir.end()) {
        FoundFolder missing;
        missing.dir = dir;
        missing.exists = false;
        missing.record.id = path_id(dir, 0);
        missing.record.attributes[attribute::kNonexistent] = "1";
        id_of_dir[dir] = missing.record.id;
        parents.push_back(std::move(missing));
        record = &parents.back();
      }
      if (record != nullptr) {
        record->record.parent_id = parent;
        give_name(*record, levels[i], i == 0);
      }
      parent = id_of_dir[dir];
    }
  }
  for (FoundFolder& parent : parents) folders.push_back(std::move(parent));
  std::sort(folders.begin(), folders.end(),
            [](const FoundFolder& a, const FoundFolder& b) { return a.dir < b.dir; });
}

void MailboxReader::give_id(FoundFolder& folder) {
  const std::string& guid = attribute_of(folder.record.attributes, attribute::kGuid);
  const bool is_usable = !guid.empty() && guid.size() <= kMaxIdBytes;
  folder.record.id = is_usable ? guid : path_id(folder.dir, folder.record.uidvalidity);
}

void MailboxReader::give_name(FoundFolder& folder, const FolderLevel& level, bool is_top) {
  folder.record.name = level.name;
  const bool looks_like_inbox = is_top && is_inbox_name(level.name);
  if (level.raw || looks_like_inbox) folder.record.attributes[attribute::kRawName] = "1";
}

// --- Messages ---------------------------------------------------------------------------------------

std::vector<Message> MailboxReader::messages_of(const FoundFolder& folder) const {
  std::unordered_map<std::string_view, const UidlistRecord*> records;
  if (folder.uidlist) {
    for (const UidlistRecord& record : folder.uidlist->records) records[record.base] = &record;
  }
  std::vector<Message> messages;
  messages.reserve(folder.files.size());
  std::set<const UidlistRecord*> used;
  for (const FoundFile& file : folder.files) {
    MessageFileName name = parse_message_file_name(file.name);
    Message message;
    message.id = file.id;
    message.folder_id = folder.record.id;
    message.uidvalidity = folder.record.uidvalidity;
    message.internal_date = time_of_ns(file.info.mtime_ns);
    message.flags = name.flags;
    std::string letters = name.other_letters;
    for (const char letter : name.keyword_letters) {
      const std::string& keyword = folder.keywords.name_of(letter);
      if (keyword.empty()) {
        letters.push_back(letter);
      } else {
        message.keywords.push_back(keyword);
      }
    }
    std::sort(message.keywords.begin(), message.keywords.end());
    if (!letters.empty()) message.attributes[attribute::kLetters] = letters;
    if (file.in_new) message.attributes[attribute::kDirectory] = "new";
    // A separator other than ':' is not what a server would write.
    name.separator = 0;
    if (file.id != name.base || message_file_name(name, file.in_new) != file.name) {
      message.attributes[attribute::kFileName] = file.name;
    }
    put_ownership(Ownership::of(file.info), account_.of_file(), message.attributes);
    const auto record = records.find(uidlist_key(file.name));
    if (record != records.end() && used.insert(record->second).second) {
      message.uid = record->second->uid;
      if (!record->second->extra.empty()) {
        message.attributes[attribute::kUidlistRecord] = record->second->extra;
      }
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

// --- Items ------------------------------------------------------------------------------------------

struct MailboxReader::Walk {
  const std::function<Status(Item)>& each;
  std::string folder_id;
  // Directories of folders, which have walks of their own.
  std::set<std::string> folder_dirs;
};

bool MailboxReader::has_content(const Item& item) {
  return item.kind == kFileKind && !item.attributes.contains(attribute::kSymlink) &&
         !item.attributes.contains(attribute::kType);
}

Status MailboxReader::items(const std::vector<FoundFolder>& folders,
                            const std::function<Status(Item)>& each) const {
  Walk walk{each, {}, {}};
  for (const FoundFolder& folder : folders) {
    if (folder.exists) walk.folder_dirs.insert(folder.dir);
  }
  for (const FoundFolder& folder : folders) {
    if (!folder.exists) continue;
    if (Status walked = walk_folder(walk, folder); !walked.ok()) return walked;
  }
  return {};
}

Result<bool> MailboxReader::item(const FoundFolder& folder, const std::string& name,
                                 const std::function<Status(Item)>& each) const {
  const Result<os::Fd> dir = os::open_dir_at(io_, account_fd_, folder.dir);
  if (!dir.ok()) return os::is_absent(dir.status()) ? Result<bool>(false) : dir.status();
  const Result<os::FileInfo> info = io_.stat_at(dir->get(), name);
  if (!info.ok()) return os::is_absent(info.status()) ? Result<bool>(true) : info.status();
  if (info->type == os::FileType::directory) return false;
  const bool is_inbox = folder.dir == kInboxDir;
  Walk walk{each, is_inbox ? "" : folder.record.id, {}};
  const std::string prefix = is_inbox ? "" : folder.dir + "/";
  if (Status walked = walk_entry(walk, dir->get(), {name, info->type}, prefix, 0); !walked.ok())
    return walked;
  return true;
}

Status MailboxReader::walk_folder(Walk& walk, const FoundFolder& folder) const {
  const Result<os::Fd> dir = os::open_dir_at(io_, account_fd_, folder.dir);
  if (!dir.ok()) return os::is_absent(dir.status()) ? Status() : dir.status();
  const bool is_inbox = folder.dir == kInboxDir;
  // Files of the account's directory belong to the account and stay when the INBOX is emptied.
  walk.folder_id = is_inbox ? "" : folder.record.id;
  const Result<std::vector<os::DirEntry>> entries = list_at_rest(io_, dir->get());
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    if (is_modelled(entry.name) && entry.type == os::FileType::regular) continue;
    const bool is_dir = entry.type == os::FileType::directory;
    if (is_dir && is_inbox && walk.folder_dirs.contains(entry.name)) continue;
    if (is_dir && entry.name == "tmp") continue;
    const std::string path = join_path(folder.dir, entry.name);
    if (is_dir && (entry.name == "cur" || entry.name == "new")) {
      // What lies there and is no message.
      const Result<os::Fd> part = os::open_dir_at(io_, dir->get(), entry.name);
      if (!part.ok() && os::is_absent(part.status())) continue;
      if (!part.ok()) return part.status();
      const Result<std::vector<os::DirEntry>> others = io_.list(part->get());
      if (!others.ok()) return others.status();
      for (const os::DirEntry& other : *others) {
        if (other.type == os::FileType::regular && is_message_name(other.name)) continue;
        if (Status walked = walk_entry(walk, part->get(), other, path + "/", 0); !walked.ok()) return walked;
      }
      continue;
    }
    if (is_inbox && entry.name == kSubscriptionsName && entry.type == os::FileType::regular) {
      const Result<bool> modelled = emit_subscriptions(walk, dir->get());
      if (!modelled.ok()) return modelled.status();
      if (*modelled) continue;
    }
    const std::string prefix = is_inbox ? "" : folder.dir + "/";
    if (Status walked = walk_entry(walk, dir->get(), entry, prefix, 0); !walked.ok()) return walked;
  }
  return {};
}

Status MailboxReader::walk_directory(Walk& walk, int dirfd, const std::string& prefix, int depth) const {
  const Result<std::vector<os::DirEntry>> entries = list_at_rest(io_, dirfd);
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    if (Status walked = walk_entry(walk, dirfd, entry, prefix, depth); !walked.ok()) return walked;
  }
  return {};
}

Status MailboxReader::walk_entry(Walk& walk, int dirfd, const os::DirEntry& entry, const std::string& prefix,
                                 int depth) const {
  if (is_passed_over(entry.name)) return {};
  const std::string path = prefix + entry.name;
  if (path.size() > kMaxIdBytes || depth >= base::kMaxTreeDepth) {
    warn(base::cat(base::escape(path), " is too deep; it is not kept"));
    return {};
  }
  if (entry.type == os::FileType::other) {
    warn(base::cat(base::escape(path), " is neither a file nor a directory; it is not kept"));
    return {};
  }
  const Result<os::FileInfo> info = io_.stat_at(dirfd, entry.name);
  if (!info.ok()) return os::is_absent(info.status()) ? Status() : info.status();
  if (info->type != entry.type) return {};  // replaced meanwhile: the next look tells
  Item item = make_item(walk, path, *info);
  if (info->type == os::FileType::symlink) {
    const Result<std::string> target = io_.readlink_at(dirfd, entry.name);
    if (!target.ok()) return os::is_absent(target.status()) ? Status() : target.status();
    warn(base::cat(base::escape(path), " is a link; it is kept as a link and not followed"));
    item.attributes = {{attribute::kSymlink, *target}};
    return walk.each(std::move(item));
  }
  if (info->type == os::FileType::regular) return walk.each(std::move(item));

  Result<os::Fd> dir = os::open_dir_at(io_, dirfd, entry.name);
  if (!dir.ok() && os::is_absent(dir.status())) return {};
  if (!dir.ok()) return dir.status();
  // A directory is worth a word if its files do not tell of it, or if it is not like others.
  Attributes ownership;
  put_ownership(Ownership::of(*info), account_, ownership);
  const Result<std::vector<os::DirEntry>> children = io_.list(dir->get());
  if (!children.ok()) return children.status();
  if (!ownership.empty() || children->empty()) {
    item.attributes = std::move(ownership);
    item.attributes[attribute::kType] = "directory";
    if (Status put = walk.each(std::move(item)); !put.ok()) return put;
  }
  return walk_directory(walk, dir->get(), path + "/", depth + 1);
}

Item MailboxReader::make_item(const Walk& walk, const std::string& path, const os::FileInfo& info) const {
  Item item;
  item.kind = kFileKind;
  item.id = path;
  item.folder_id = walk.folder_id;
  put_ownership(Ownership::of(info), account_.of_file(), item.attributes);
  item.attributes[attribute::kMtime] = time_text(info.mtime_ns);
  item.attributes[attribute::kSize] = std::to_string(info.size);
  return item;
}

Result<bool> MailboxReader::subscriptions(const std::function<Status(Item)>& each) const {
  Walk walk{each, {}, {}};
  return emit_subscriptions(walk, account_fd_);
}

// False if the file has to be kept as it is.
Result<bool> MailboxReader::emit_subscriptions(Walk& walk, int dirfd) const {
  const Result<std::optional<Bytes>> bytes =
      read_side_file(dirfd, kSubscriptionsName, kMaxSubscriptionsBytes);
  if (!bytes.ok()) return bytes.status();
  if (!*bytes) return false;
  std::optional<std::vector<Item>> items = parse_subscriptions(as_text(**bytes));
  if (!items) return false;
  const Result<os::FileInfo> info = io_.stat_at(dirfd, kSubscriptionsName);
  if (!info.ok()) return os::is_absent(info.status()) ? Result<bool>(false) : info.status();
  put_ownership(Ownership::of(*info), account_.of_file(), items->front().attributes);
  for (Item& item : *items) {
    if (Status put = walk.each(std::move(item)); !put.ok()) return put;
  }
  return true;
}

}  // namespace restante::stores

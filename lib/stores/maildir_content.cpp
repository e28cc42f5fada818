#include "stores/maildir_content.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_files.hpp"
#include "stores/maildir_names.hpp"

namespace restante::stores {
namespace {

// As many accounts as sessions work on at a time, and some.
constexpr std::size_t kMaxRecent = 32;

Status gone(std::string_view what) {
  return Status(Code::not_found, base::cat(base::escape(what), " has gone"));
}

class FileReader final : public ContentReader {
 public:
  FileReader(os::Io& io, os::Fd fd) : io_(io), fd_(std::move(fd)) {}

  Result<std::size_t> read(MutableByteView buffer) override {
    Result<std::size_t> size = io_.pread(fd_.get(), buffer, offset_);
    if (size.ok()) offset_ += *size;
    return size;
  }

 private:
  os::Io& io_;
  os::Fd fd_;
  std::uint64_t offset_ = 0;
};

ContentIndex::FolderPlaces places_of(const std::string& dir, const std::vector<FoundFile>& files) {
  ContentIndex::FolderPlaces folder;
  folder.dir = dir;
  folder.listed = true;
  for (const FoundFile& file : files) folder.places[file.id] = {file.in_new, file.name};
  return folder;
}

}  // namespace

std::unique_ptr<ContentReader> read_from_file(os::Io& io, os::Fd fd) {
  return std::make_unique<FileReader>(io, std::move(fd));
}

Result<os::Fd> open_file_below(os::Io& io, int dirfd, std::string_view path, int flags) {
  os::Fd dir;
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    if (!is_file_name(name)) {
      return Status(Code::invalid_argument, base::cat("'", base::escape(path), "' is no path of a file"));
    }
    if (slash == std::string_view::npos) {
      // A fifo that took the file's place must not block.
      return io.open_at(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK, 0);
    }
    Result<os::Fd> next = os::open_dir_at(io, dirfd, name);
    if (!next.ok()) return next.status();
    dir = std::move(*next);
    dirfd = dir.get();
    path.remove_prefix(slash + 1);
  }
}

void ContentFinder::remember(const AccountDir& account, const std::vector<FoundFolder>& folders) {
  Result<os::Fd> own = os::open_dir_at(io_, account.fd.get(), ".");
  if (!own.ok()) return;  // the next open looks for itself
  auto index = std::make_shared<ContentIndex>();
  index->account = std::move(*own);
  for (const FoundFolder& folder : folders) {
    if (folder.exists) index->folders[folder.record.id] = places_of(folder.dir, folder.files);
  }
  (void)keep(account.id, std::move(index));
}

void ContentFinder::forget(const std::string& account_id) {
  const std::lock_guard lock(mutex_);
  recent_.remove_if([&](const auto& one) { return one.first == account_id; });
}

ContentFinder::IndexPtr ContentFinder::keep(const std::string& account_id, IndexPtr index) {
  const std::lock_guard lock(mutex_);
  recent_.remove_if([&](const auto& one) { return one.first == account_id; });
  recent_.emplace_front(account_id, index);
  if (recent_.size() > kMaxRecent) recent_.pop_back();
  return index;
}

Result<ContentFinder::IndexPtr> ContentFinder::index_of(std::string_view account_id, bool fresh) {
  if (!fresh) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(recent_.begin(), recent_.end(),
                                    [&](const auto& one) { return one.first == account_id; });
    if (found != recent_.end()) {
      recent_.splice(recent_.begin(), recent_, found);
      return found->second;
    }
  }
  Result<AccountDir> account = accounts_.open(account_id);
  if (!account.ok()) return account.status();
  const MailboxReader reader(io_, account->fd.get(), Ownership::of(account->info), nullptr);
  const Result<std::vector<FoundFolder>> folders = reader.folders(Want::structure);
  if (!folders.ok()) return folders.status();
  auto index = std::make_shared<ContentIndex>();
  for (const FoundFolder& folder : *folders) {
    if (folder.exists) index->folders[folder.record.id].dir = folder.dir;
  }
  index->account = std::move(account->fd);
  return keep(std::string(account_id), std::move(index));
}

Result<std::unique_ptr<ContentReader>> ContentFinder::open(std::string_view account_id,
                                                           const ContentPlace& place) {
  if (!place.item_kind.empty()) {
    if (place.item_kind == kFileKind) return open_item(account_id, place.item_id);
    return Status(Code::unsupported, base::cat("items of kind ", base::escape(place.item_kind),
                                               " have no content in a maildir"));
  }
  std::string id = place.message_id;
  if (id.empty()) {
    Result<std::string> found = id_of_uid(account_id, place.folder_id, place.uid);
    if (!found.ok()) return found.status();
    id = std::move(*found);
  }
  // Once as it was at the last look, once as it is now: the folder may have been renamed.
  for (const bool fresh : {false, true}) {
    const Result<IndexPtr> index = index_of(account_id, fresh);
    if (!index.ok()) return index.status();
    Result<os::Fd> fd = open_message(**index, place.folder_id, id);
    if (fd.ok()) return read_from_file(io_, std::move(*fd));
    if (fd.status().code() != Code::not_found) return fd.status();
  }
  return gone(base::cat("message ", id));
}

Result<os::Fd> ContentFinder::open_message(ContentIndex& index, const std::string& folder_id,
                                           const std::string& id) {
  const std::lock_guard lock(index.mutex);
  const auto folder = index.folders.find(folder_id);
  if (folder == index.folders.end()) return gone(base::cat("folder ", folder_id));
  const Result<os::Fd> dir = os::open_dir_at(io_, index.account.get(), folder->second.dir);
  if (!dir.ok()) return dir.status();

  constexpr int kLooks = 4;
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0 || !folder->second.listed) {
      const Result<std::vector<FoundFile>> files = list_messages(io_, dir->get(), Look::names);
      if (!files.ok()) return files.status();
      folder->second = places_of(folder->second.dir, *files);
    }
    const auto place = folder->second.places.find(id);
    if (place == folder->second.places.end()) {
      if (look == 0) continue;
      break;
    }
    const std::string path = base::cat(place->second.in_new ? "new/" : "cur/", place->second.name);
    Result<os::Fd> fd = open_file_below(io_, dir->get(), path, O_RDONLY);
    if (fd.ok()) {
      const Result<os::FileInfo> info = io_.fstat(fd->get());
      if (!info.ok()) return info.status();
      if (info->type == os::FileType::regular) return fd;
    } else if (fd.status().code() != Code::not_found && look + 1 == kLooks) {
      return fd;
    }
    // Renamed, or something that is no message took its place: the next look tells.
  }
  return gone(base::cat("message ", id));
}

Result<std::string> ContentFinder::id_of_uid(std::string_view account_id, const std::string& folder_id,
                                             std::uint32_t uid) {
  const Result<AccountDir> account = accounts_.open(account_id);
  if (!account.ok()) return account.status();
  const MailboxReader reader(io_, account->fd.get(), Ownership::of(account->info), nullptr);
  const Result<std::vector<FoundFolder>> folders = reader.folders(Want::messages);
  if (!folders.ok()) return folders.status();
  for (const FoundFolder& folder : *folders) {
    if (folder.record.id != folder_id) continue;
    for (const Message& message : reader.messages_of(folder)) {
      if (message.uid == uid && uid != 0) return message.id;
    }
  }
  return gone(base::cat("uid ", uid));
}

Result<std::unique_ptr<ContentReader>> ContentFinder::open_item(std::string_view account_id,
                                                                const std::string& path) {
  const Result<AccountDir> account = accounts_.open(account_id);
  if (!account.ok()) return account.status();
  Result<os::Fd> fd = open_file_below(io_, account->fd.get(), path, O_RDONLY);
  if (!fd.ok()) {
    // A link in its place, or in the place of a directory above it: the file has gone.
    if (fd.status().code() == Code::io || fd.status().code() == Code::invalid_argument) {
      return Status(Code::unsupported, base::cat(base::escape(path), " is not a file"));
    }
    return fd.status();
  }
  const Result<os::FileInfo> info = io_.fstat(fd->get());
  if (!info.ok()) return info.status();
  if (info->type != os::FileType::regular) {
    return Status(Code::unsupported, base::cat(base::escape(path), " has no content"));
  }
  return read_from_file(io_, std::move(*fd));
}

}  // namespace restante::stores

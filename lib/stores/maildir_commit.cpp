#include "stores/maildir_commit.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "stores/maildir_content.hpp"
#include "stores/maildir_dotlock.hpp"
#include "stores/maildir_keywords.hpp"
#include "stores/maildir_subscriptions.hpp"

namespace restante::stores {
namespace {

constexpr std::chrono::milliseconds kLockDeadline{10'000};
constexpr int kLooks = 5;

}  // namespace

Status MaildirCommit::run() {
  if (model_.deleted) return delete_account();
  // Servers look for tmp/, and this library stages there.
  Result<os::Fd> tmp = stage_.open_directory(model_.ownership);
  if (!tmp.ok()) return tmp.status();
  tmp_ = std::move(*tmp);
  if (Status synced = stage_.sync(); !synced.ok()) return synced;

  if (Status raised = raise_uidvalidity(); !raised.ok()) return raised;
  if (Status arranged = arrange_folders(); !arranged.ok()) return arranged;
  for (const auto& folder : model_.folders) {
    if (Status published = publish(*folder); !published.ok()) return published;
  }
  for (const auto& folder : model_.folders) {
    if (Status changed = change_messages(*folder); !changed.ok()) return changed;
  }
  if (Status put = put_items(); !put.ok()) return put;
  if (Status written = write_subscriptions(); !written.ok()) return written;

  for (const auto& folder : model_.folders) {
    if (Status removed = remove_messages(*folder); !removed.ok()) return removed;
  }
  if (Status removed = remove_folders(); !removed.ok()) return removed;
  if (Status removed = remove_items(); !removed.ok()) return removed;
  if (model_.messages_touched && model_.identity == Identity::keep) {
    // The server's count of bytes is wrong now; without the file it counts again.
    const Status removed = io_.unlink_at(account_.fd.get(), "maildirsize");
    if (!removed.ok() && !os::is_absent(removed)) complain(removed.message());
  }
  if (Status synced = io_.fsync(account_.fd.get()); !synced.ok()) return synced;
  if (denied_ || stage_.denied()) {
    warn_("owners, groups or modes could not be set for want of rights; run as root to restore them");
  }
  if (failed_.empty()) return {};
  std::string names;
  for (const std::string& name : failed_) names += (names.empty() ? "" : "; ") + name;
  return Status(Code::partial, base::cat(failed_.size(), " objects could not be put in place: ", names));
}

void MaildirCommit::complain(const std::string& text) {
  if (warn_) warn_(text);
}

Status MaildirCommit::delete_account() {
  stage_.discard();
  const Status removed = os::remove_tree_at(io_, account_.parent.get(), account_.name);
  if (!removed.ok() && !os::is_absent(removed)) return removed;
  return io_.fsync(account_.parent.get());
}

// --- Folders ----------------------------------------------------------------------------------------

// Two folders of one path cannot be: the later one gets a number behind its name.
void MaildirCommit::choose_dirs() {
  std::set<std::string> taken;
  for (const bool staying : {true, false}) {
    for (const auto& folder : model_.folders) {
      if (!folder->has_directory()) continue;
      std::string dir = *model_.dir_of(*folder);
      if ((dir == folder->live_dir) != staying) continue;
      for (int number = 2; !taken.insert(dir).second; ++number) {
        const std::string suffix = "-" + std::to_string(number);
        dir = *model_.dir_of(*folder) + suffix;
        if (taken.contains(dir)) continue;
        complain(base::cat("two folders are named ", base::escape(*model_.dir_of(*folder)), "; one becomes ",
                           base::escape(dir)));
      }
      there_[folder.get()] = dir;
    }
  }
}

Status MaildirCommit::arrange_folders() {
  if (model_.ownership_touched) {
    if (Status owned = own_directory(account_.fd.get(), model_.ownership); !owned.ok()) return owned;
  }
  choose_dirs();
  std::map<std::string, FolderEntry*> live;
  for (const auto& folder : model_.folders) {
    if (folder->live_dir.empty()) continue;
    live[folder->live_dir] = folder.get();
    here_[folder.get()] = folder->live_dir;
  }
  if (Status moved = move_aside(live); !moved.ok()) return moved;
  for (const auto& [folder, dir] : there_) {
    const auto here = here_.find(folder);
    if (here == here_.end() || here->second == dir) continue;
    if (Status moved = io_.rename_no_replace_at(account_.fd.get(), here->second, account_.fd.get(), dir);
        !moved.ok()) {
      return moved;
    }
    here->second = dir;
  }
  for (const auto& [folder, dir] : there_) {
    if (folder->put || !here_.contains(folder)) {
      if (Status made = make_folder(*folder, dir); !made.ok()) return made;
    }
    here_[folder] = dir;
  }
  return io_.fsync(account_.fd.get());
}

// Takes folders out of the way whose directory another one shall have.
Status MaildirCommit::move_aside(std::map<std::string, FolderEntry*>& live) {
  for (const auto& [folder, dir] : there_) {
    const auto occupant = live.find(dir);
    if (occupant == live.end() || occupant->second == folder) continue;
    const Result<std::string> aside = os::temporary_name();
    if (!aside.ok()) return aside.status();
    if (Status moved = io_.rename_at(account_.fd.get(), dir, account_.fd.get(), *aside); !moved.ok()) {
      return moved;
    }
    here_[occupant->second] = *aside;
    live.erase(occupant);
  }
  return {};
}

Status MaildirCommit::own_directory(int dirfd, const Ownership& ownership) {
  return set_ownership(io_, dirfd, ownership, denied_);
}

Status MaildirCommit::make_folder(FolderEntry& folder, const std::string& dir) {
  const bool is_inbox = dir == kInboxDir;
  const bool is_new = !here_.contains(&folder);
  if (!is_inbox && is_new) {
    const Status made = io_.mkdir_at(account_.fd.get(), dir, 0700);
    if (!made.ok() && made.code() != Code::already_exists) return made;
  }
  const Result<os::Fd> fd = os::open_dir_at(io_, account_.fd.get(), dir);
  if (!fd.ok()) return fd.status();
  const Ownership of_folder =
      is_inbox ? model_.ownership : take_ownership(folder.record.attributes, model_.ownership);
  if (!is_inbox) {
    if (Status owned = own_directory(fd->get(), of_folder); !owned.ok()) return owned;
  }
  const std::string& missing = attribute_of(folder.record.attributes, attribute::kMissing);
  for (const char* name : {"cur", "new", "tmp"}) {
    if (missing.find(name) != std::string::npos) continue;
    if (Status made = make_part(fd->get(), name, folder, of_folder); !made.ok()) return made;
  }
  return io_.fsync(fd->get());
}

Status MaildirCommit::make_part(int dirfd, const char* name, const FolderEntry& folder,
                                const Ownership& of_folder) {
  const Status made = io_.mkdir_at(dirfd, name, 0700);
  if (!made.ok() && made.code() != Code::already_exists) return made;
  const Result<os::Fd> part = os::open_dir_at(io_, dirfd, name);
  if (!part.ok()) return part.status();
  return own_directory(part->get(),
                       take_ownership(folder.record.attributes, of_folder, base::cat(name, '.')));
}

Result<MaildirCommit::OpenFolder> MaildirCommit::open_folder(const FolderEntry& folder) {
  OpenFolder open;
  Result<os::Fd> dir = os::open_dir_at(io_, account_.fd.get(), here_.at(const_cast<FolderEntry*>(&folder)));
  if (!dir.ok()) return dir.status();
  open.dir = std::move(*dir);
  Result<os::Fd> cur = os::open_dir_at(io_, open.dir.get(), "cur");
  if (!cur.ok() && !os::is_absent(cur.status())) return cur.status();
  if (cur.ok()) open.cur = std::move(*cur);
  Result<os::Fd> fresh = os::open_dir_at(io_, open.dir.get(), "new");
  if (!fresh.ok() && !os::is_absent(fresh.status())) return fresh.status();
  if (fresh.ok()) open.fresh = std::move(*fresh);
  return open;
}

// --- Messages ---------------------------------------------------------------------------------------

Status MaildirCommit::publish(FolderEntry& folder) {
  if (!folder.has_directory()) return {};
  const bool any_new = std::any_of(folder.messages.begin(), folder.messages.end(),
                                   [](const auto& one) { return !one.second.staged.empty(); });
  const bool any_changed = std::any_of(folder.messages.begin(), folder.messages.end(),
                                       [](const auto& one) { return one.second.touched; });
  if (!any_new && !any_changed && !folder.renewed && !folder.live_dir.empty()) return {};
  Result<OpenFolder> open = open_folder(folder);
  if (!open.ok()) return open.status();
  if (Status written = write_keywords(folder, open->dir.get()); !written.ok()) return written;
  if (!folder.renewed) return publish_messages(folder, *open);

  // A server that opens the folder now waits for the lock, and then finds UIDs and messages together.
  const Result<Dotlock> lock = Dotlock::acquire(io_, open->dir.get(), kUidlistName, kLockDeadline);
  if (!lock.ok()) return lock.status();
  if (Status removed = remove_indexes(open->dir.get()); !removed.ok()) return removed;
  if (Status written = write_uidlist(folder, open->dir.get()); !written.ok()) return written;
  return publish_messages(folder, *open);
}

// Gives every keyword of new and changed messages a letter.
void MaildirCommit::settle_keywords(FolderEntry& folder) {
  std::set<std::string> left_out;
  for (auto& [id, entry] : folder.messages) {
    if (entry.staged.empty() && !entry.touched) continue;
    for (const std::string& keyword : entry.record.keywords) {
      if (!folder.keywords.add(keyword)) left_out.insert(keyword);
    }
  }
  for (const std::string& keyword : left_out) {
    complain(base::cat(base::escape(*model_.dir_of(folder)), ": there is no letter left for keyword ",
                       base::escape(keyword), "; a maildir holds 26 a folder"));
  }
}

Status MaildirCommit::write_keywords(FolderEntry& folder, int dirfd) {
  const std::string kName = "dovecot-keywords";
  const auto current = [&]() -> std::string {
    const Result<Bytes> bytes = os::read_file(io_, dirfd, kName, kMaxKeywordsBytes);
    return bytes.ok() ? std::string(as_text(*bytes)) : std::string();
  };
  const bool recorded = model_.identity == Identity::exact || folder.live_dir.empty();
  const KeywordMap expected = recorded ? folder.keywords : KeywordMap::parse(current());
  KeywordMap attempt = folder.keywords = expected;
  settle_keywords(folder);
  const std::string& recorded_bytes = attribute_of(folder.record.attributes, attribute::kKeywords);
  const bool grown = folder.keywords.encode() != attempt.encode();
  if (!grown && (!recorded || recorded_bytes == current())) return {};

  const Result<Dotlock> lock = Dotlock::acquire(io_, dirfd, kName, kLockDeadline);
  if (!lock.ok()) return lock.status();
  if (!recorded) {
    // Somebody may have added one meanwhile.
    folder.keywords = KeywordMap::parse(current());
    settle_keywords(folder);
  }
  // The recorded bytes where nothing was added: they come back as they were.
  const std::string text = recorded && !grown ? recorded_bytes : folder.keywords.encode();
  if (text.empty()) {
    const Status removed = io_.unlink_at(dirfd, kName);
    return removed.ok() || os::is_absent(removed) ? Status() : removed;
  }
  return publish_owned(dirfd, kName, text, model_.ownership.of_file());
}

// A file of the server's own, readable by it.
Status MaildirCommit::publish_owned(int dirfd, const std::string& name, std::string_view text,
                                    const Ownership& ownership) {
  if (Status written = os::publish_file(io_, dirfd, name, as_bytes(text), ownership.mode); !written.ok()) {
    return written;
  }
  const Result<os::Fd> fd = io_.open_at(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
  return fd.ok() ? set_ownership(io_, fd->get(), ownership, denied_) : fd.status();
}

Status MaildirCommit::remove_indexes(int dirfd) {
  const Result<std::vector<os::DirEntry>> entries = io_.list(dirfd);
  if (!entries.ok()) return entries.status();
  for (const os::DirEntry& entry : *entries) {
    if (!is_index(entry.name) || entry.type == os::FileType::directory) continue;
    const Status removed = io_.unlink_at(dirfd, entry.name);
    if (!removed.ok() && !os::is_absent(removed)) return removed;
  }
  return {};
}

Status MaildirCommit::write_uidlist(FolderEntry& folder, int dirfd) {
  const Folder& record = folder.record;
  if (record.uidvalidity == 0) {
    // Nobody had indexed the folder: a list of other messages' UIDs must not stay.
    const Status removed = io_.unlink_at(dirfd, kUidlistName);
    return removed.ok() || os::is_absent(removed) ? Status() : removed;
  }
  Uidlist list;
  list.uidvalidity = record.uidvalidity;
  list.uidnext = record.uidnext.value_or(1);
  const std::string& guid = attribute_of(record.attributes, attribute::kGuid);
  if (guid.find_first_of(" \n") == std::string::npos) list.guid = guid;
  const std::string& extra = attribute_of(record.attributes, attribute::kUidlistHeader);
  if (are_uidlist_fields(extra)) list.extra = extra;
  for (const auto& [id, entry] : folder.messages) {
    if (entry.record.uid == 0) continue;
    bool in_new = false;
    UidlistRecord line;
    line.uid = entry.record.uid;
    line.base = uidlist_key(file_name_of(folder, entry, in_new));
    // It would be two lines, and a server that cannot read its list gives all messages new UIDs.
    if (line.base.find_first_of("\n\r") != std::string::npos) continue;
    const std::string& fields = attribute_of(entry.record.attributes, attribute::kUidlistRecord);
    if (are_uidlist_fields(fields)) line.extra = fields;
    list.records.push_back(std::move(line));
  }
  std::sort(list.records.begin(), list.records.end(),
            [](const UidlistRecord& a, const UidlistRecord& b) { return a.uid < b.uid; });
  if (!list.records.empty() && list.records.back().uid >= list.uidnext) {
    list.uidnext = list.records.back().uid == UINT32_MAX ? UINT32_MAX : list.records.back().uid + 1;
  }
  return publish_owned(dirfd, kUidlistName, encode_uidlist(list), model_.ownership.of_file());
}

// Dovecot numbers new folders from a counter in dovecot-uidvalidity and in the name of an empty file. Behind
// renewed values it would give one of them a second time, when its folder is made anew.
Status MaildirCommit::raise_uidvalidity() {
  const bool any = std::any_of(model_.folders.begin(), model_.folders.end(),
                               [](const auto& folder) { return folder->renewed; });
  if (!any || model_.identity != Identity::renew) return {};
  const std::string kName = "dovecot-uidvalidity";
  const Result<std::vector<os::DirEntry>> entries = io_.list(account_.fd.get());
  if (!entries.ok()) return entries.status();
  std::uint32_t highest = model_.uidvalidity;
  std::vector<std::string> markers;
  for (const os::DirEntry& entry : *entries) {
    if (!entry.name.starts_with(kName + ".") || entry.type == os::FileType::directory) continue;
    markers.push_back(entry.name);
    std::uint32_t value = 0;
    const char* end = entry.name.data() + entry.name.size();
    const auto parsed = std::from_chars(entry.name.data() + kName.size() + 1, end, value, 16);
    if (parsed.ec == std::errc() && parsed.ptr == end) highest = std::max(highest, value);
  }
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", highest);
  const std::string marker = kName + "." + text.data();
  Ownership ownership = model_.ownership.of_file();
  if (Status put = publish_owned(account_.fd.get(), kName, text.data(), ownership); !put.ok()) return put;
  ownership.mode = 0444;
  if (Status put = publish_owned(account_.fd.get(), marker, "", ownership); !put.ok()) return put;
  for (const std::string& old : markers) {
    if (old == marker) continue;
    const Status removed = io_.unlink_at(account_.fd.get(), old);
    if (!removed.ok() && !os::is_absent(removed)) return removed;
  }
  return {};
}

// The name that the message's file shall have, and whether it belongs into new/.
std::string MaildirCommit::file_name_of(const FolderEntry& folder, const MessageEntry& entry,
                                        bool& in_new) const {
  const Message& message = entry.record;
  MessageFileName name;
  const std::string& recorded = attribute_of(message.attributes, attribute::kFileName);
  const MessageFileName of_recorded = parse_message_file_name(recorded);
  const MessageFileName of_live = parse_message_file_name(entry.live ? entry.live->name : "");
  name.base = entry.live ? of_live.base : recorded.empty() ? message.id : of_recorded.base;
  name.separator = entry.live ? of_live.separator : of_recorded.separator;
  name.flags = message.flags;
  for (const std::string& keyword : message.keywords) {
    if (const std::optional<char> letter = folder.keywords.letter_of(keyword)) {
      name.keyword_letters.push_back(*letter);
    }
  }
  for (const char letter : attribute_of(message.attributes, attribute::kLetters)) {
    const bool is_keyword = letter >= 'a' && letter <= 'z';
    // A letter that means something here by now must not give the message that keyword.
    if (is_keyword && !folder.keywords.name_of(letter).empty()) continue;
    if (letter == '/' || letter == '\0' || letter == ',') continue;
    (is_keyword ? name.keyword_letters : name.other_letters).push_back(letter);
  }
  std::sort(name.keyword_letters.begin(), name.keyword_letters.end());
  std::sort(name.other_letters.begin(), name.other_letters.end());
  in_new = attribute_of(message.attributes, attribute::kDirectory) == "new";

  // The exact name, if it says what the record says.
  const std::string& exact = entry.live ? entry.live->name : recorded;
  const MessageFileName& of_exact = entry.live ? of_live : of_recorded;
  if (!exact.empty() && of_exact.base == name.base && of_exact.flags == name.flags &&
      of_exact.keyword_letters == name.keyword_letters && of_exact.other_letters == name.other_letters) {
    return exact;
  }
  // A message with flags has been seen by a client, which moved it out of new/.
  if (entry.live) in_new = false;
  return message_file_name(name, in_new);
}

Status MaildirCommit::publish_messages(FolderEntry& folder, OpenFolder& open) {
  bool any = false;
  for (auto& [id, entry] : folder.messages) {
    if (entry.staged.empty()) continue;
    any = true;
    bool in_new = false;
    const std::string name = file_name_of(folder, entry, in_new);
    const os::Fd& dir = in_new && open.fresh.is_open() ? open.fresh : open.cur;
    Status moved = io_.rename_no_replace_at(tmp_.get(), entry.staged, dir.get(), name);
    if (moved.code() == Code::invalid_argument || moved.code() == Code::already_exists) {
      failed_.push_back(moved.message());
      continue;
    }
    if (!moved.ok()) return moved;
    stage_.release(entry.staged);
  }
  if (!any) return {};
  for (const os::Fd* dir : {&open.cur, &open.fresh}) {
    if (!dir->is_open()) continue;
    if (Status synced = io_.fsync(dir->get()); !synced.ok()) return synced;
  }
  return {};
}

Status MaildirCommit::change_messages(FolderEntry& folder) {
  const bool any = std::any_of(folder.messages.begin(), folder.messages.end(), [](const auto& one) {
    return one.second.touched && one.second.live.has_value();
  });
  if (!any || !folder.has_directory()) return {};
  Result<OpenFolder> open = open_folder(folder);
  if (!open.ok()) return open.status();
  for (auto& [id, entry] : folder.messages) {
    if (!entry.touched || !entry.live) continue;
    if (Status changed = change_message(folder, *open, entry); !changed.ok()) return changed;
  }
  for (const os::Fd* dir : {&open->cur, &open->fresh}) {
    if (!dir->is_open()) continue;
    if (Status synced = io_.fsync(dir->get()); !synced.ok()) return synced;
  }
  return {};
}

Status MaildirCommit::change_message(FolderEntry& folder, OpenFolder& open, MessageEntry& entry) {
  for (int look = 0; look < kLooks; ++look) {
    FoundFile& file = *entry.live;
    const os::Fd& from = file.in_new ? open.fresh : open.cur;
    bool in_new = file.in_new;
    const std::string name = file_name_of(folder, entry, in_new);
    const os::Fd& to = in_new && open.fresh.is_open() ? open.fresh : open.cur;
    Status changed = set_file(from.get(), file.name, entry);
    if (changed.ok() && (name != file.name || from.get() != to.get())) {
      changed = io_.rename_no_replace_at(from.get(), file.name, to.get(), name);
    }
    if (changed.ok()) return {};
    if (changed.code() == Code::already_exists || changed.code() == Code::invalid_argument) {
      failed_.push_back(changed.message());
      return {};
    }
    if (!os::is_absent(changed)) return changed;
    // A client was faster.
    const Result<bool> found = find_again(open, file);
    if (!found.ok()) return found.status();
    if (!*found) break;
  }
  complain(base::cat("message ", base::escape(entry.record.id), " has gone meanwhile"));
  return {};
}

// Date and ownership of a message that was there before.
Status MaildirCommit::set_file(int dirfd, const std::string& name, const MessageEntry& entry) {
  const Ownership wanted = take_ownership(entry.record.attributes, model_.ownership.of_file());
  const bool other_date =
      entry.record.internal_date && *entry.record.internal_date != time_of_ns(entry.live->info.mtime_ns);
  if (!other_date && wanted == Ownership::of(entry.live->info)) return {};
  const Result<os::Fd> fd = io_.open_at(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (!fd.ok()) return fd.status();
  if (other_date) {
    if (Status set = io_.set_times(fd->get(), entry.record.internal_date->us * 1000); !set.ok()) return set;
  }
  return set_ownership(io_, fd->get(), wanted, denied_);
}

// Looks up under which name a message goes now.
Result<bool> MaildirCommit::find_again(const OpenFolder& open, FoundFile& file) {
  const Result<std::vector<FoundFile>> files = list_messages(io_, open.dir.get(), Look::names);
  if (!files.ok()) return files.status();
  const auto found =
      std::find_if(files->begin(), files->end(), [&](const FoundFile& other) { return other.id == file.id; });
  if (found == files->end()) return false;
  file.name = found->name;
  file.in_new = found->in_new;
  return true;
}

Status MaildirCommit::remove_messages(FolderEntry& folder) {
  // A folder that goes takes its messages along.
  if (folder.removed.empty() || folder.deleted || !here_.contains(&folder)) return {};
  Result<OpenFolder> open = open_folder(folder);
  if (!open.ok()) return os::is_absent(open.status()) ? Status() : open.status();
  if (Status unlinked = unlink_messages(*open, folder); !unlinked.ok()) return unlinked;
  for (const os::Fd* dir : {&open->cur, &open->fresh}) {
    if (!dir->is_open()) continue;
    if (Status synced = io_.fsync(dir->get()); !synced.ok()) return synced;
  }
  return {};
}

Status MaildirCommit::unlink_messages(const OpenFolder& open, FolderEntry& folder) {
  for (FoundFile& file : folder.removed) {
    for (int look = 0; look < kLooks; ++look) {
      const Status removed = io_.unlink_at((file.in_new ? open.fresh : open.cur).get(), file.name);
      if (removed.ok()) break;
      if (!os::is_absent(removed)) return removed;
      const Result<bool> found = find_again(open, file);
      if (!found.ok()) return found.status();
      if (!*found) break;
    }
  }
  return {};
}

// Takes the messages out of a folder that goes, and then its new/ and cur/: no delivery can come in between.
// False if one was faster.
Result<bool> MaildirCommit::empty_folder(FolderEntry& folder) {
  const Result<OpenFolder> open = open_folder(folder);
  if (!open.ok()) {
    if (os::is_absent(open.status())) return true;
    return open.status();
  }
  if (Status unlinked = unlink_messages(*open, folder); !unlinked.ok()) return unlinked;
  for (const auto& [name, fd] : {std::pair("new", open->fresh.get()), {"cur", open->cur.get()}}) {
    const Status removed = io_.rmdir_at(open->dir.get(), name);
    if (removed.ok() || os::is_absent(removed)) continue;
    // It failed because of mail that came, or because of the disk.
    const Result<std::vector<os::DirEntry>> mail = io_.list(fd);
    if (!mail.ok()) return mail.status();
    if (mail->empty()) return removed;
    if (Status made = make_part(open->dir.get(), "new", folder, model_.ownership); !made.ok()) return made;
    return false;
  }
  return true;
}

// A folder that shall go and has mail that nobody knew of stays, under its name or the next free one.
Status MaildirCommit::keep_folder(FolderEntry& folder, const std::string& dir) {
  complain(base::cat("mail came into ", base::escape(folder.live_dir),
                     " while it was being removed; the folder stays, with that mail"));
  std::string name = folder.live_dir;
  for (int number = 2; dir != name; ++number) {
    const Status moved = io_.rename_no_replace_at(account_.fd.get(), dir, account_.fd.get(), name);
    if (moved.ok()) break;
    if (moved.code() != Code::already_exists) return moved;
    name = folder.live_dir + "-" + std::to_string(number);
  }
  return {};
}

Status MaildirCommit::remove_folders() {
  for (const auto& folder : model_.folders) {
    const auto here = here_.find(folder.get());
    if (here == here_.end() || folder->has_directory()) continue;
    if (model_.keep_unnamed) {
      const Result<bool> empty = empty_folder(*folder);
      if (!empty.ok()) return empty.status();
      if (!*empty) {
        if (Status kept = keep_folder(*folder, here->second); !kept.ok()) return kept;
        continue;
      }
    }
    const Status removed = os::remove_tree_at(io_, account_.fd.get(), here->second);
    if (!removed.ok() && !os::is_absent(removed)) return removed;
  }
  if (model_.identity == Identity::keep) return {};
  return remove_indexes(account_.fd.get());
}

// --- Items ------------------------------------------------------------------------------------------

Status MaildirCommit::put_items() {
  for (const auto& [path, entry] : model_.items) {
    const Status put = put_item(entry);
    if (put.ok()) continue;
    if (put.code() == Code::no_space || put.code() == Code::permission) return put;
    // Something else lies in its place, or above it.
    failed_.push_back(put.message());
  }
  return {};
}

Status MaildirCommit::put_item(const ItemEntry& entry) {
  const std::string& path = entry.record.id;
  const std::size_t slash = path.rfind('/');
  os::Fd parent;
  int parent_fd = account_.fd.get();
  std::string_view above = slash == std::string::npos ? std::string_view() : path;
  while (!above.empty() && above.find('/') != std::string_view::npos) {
    const std::string name(above.substr(0, above.find('/')));
    above.remove_prefix(name.size() + 1);
    Result<os::Fd> next = os::open_dir_at(io_, parent_fd, name);
    if (!next.ok() && os::is_absent(next.status())) {
      if (Status made = io_.mkdir_at(parent_fd, name, 0700); !made.ok()) return made;
      next = os::open_dir_at(io_, parent_fd, name);
      if (!next.ok()) return next.status();
      if (Status owned = own_directory(next->get(), model_.ownership); !owned.ok()) return owned;
      if (Status synced = io_.fsync(parent_fd); !synced.ok()) return synced;
    }
    if (!next.ok()) return next.status();
    parent = std::move(*next);
    parent_fd = parent.get();
  }
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  Status put;
  if (!entry.staged.empty()) {
    put = io_.rename_at(tmp_.get(), entry.staged, parent_fd, name);
    if (put.ok()) stage_.release(entry.staged);
  } else if (entry.record.attributes.contains(attribute::kSymlink)) {
    const std::string& target = attribute_of(entry.record.attributes, attribute::kSymlink);
    const Result<std::string> there = io_.readlink_at(parent_fd, name);
    if (there.ok() && *there == target) return {};
    const Status removed = io_.unlink_at(parent_fd, name);
    if (!removed.ok() && !os::is_absent(removed)) return removed;
    put = io_.symlink_at(target, parent_fd, name);
  } else {
    put = io_.mkdir_at(parent_fd, name, 0700);
    if (put.ok() || put.code() == Code::already_exists) {
      const Result<os::Fd> dir = os::open_dir_at(io_, parent_fd, name);
      if (!dir.ok()) return dir.status();
      put = own_directory(dir->get(), take_ownership(entry.record.attributes, model_.ownership));
    }
  }
  return put.ok() ? io_.fsync(parent_fd) : put;
}

Status MaildirCommit::write_subscriptions() {
  if (!model_.subscriptions_touched) return {};
  const std::string kName = "subscriptions";
  const Result<Dotlock> lock = Dotlock::acquire(io_, account_.fd.get(), kName, kLockDeadline);
  if (!lock.ok()) return lock.status();
  if (model_.subscriptions->empty()) {
    const Status removed = io_.unlink_at(account_.fd.get(), kName);
    return removed.ok() || os::is_absent(removed) ? Status() : removed;
  }
  Ownership ownership = model_.ownership.of_file();
  for (const Item& item : *model_.subscriptions) ownership = take_ownership(item.attributes, ownership);
  return publish_owned(account_.fd.get(), kName, encode_subscriptions(*model_.subscriptions), ownership);
}

Status MaildirCommit::remove_items() {
  // Deepest first, so that directories are empty when their turn comes.
  for (auto path = model_.removed_items.rbegin(); path != model_.removed_items.rend(); ++path) {
    const Status removed = remove_item(*path);
    if (!removed.ok() && !os::is_absent(removed)) failed_.push_back(removed.message());
  }
  return {};
}

Status MaildirCommit::remove_item(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  os::Fd parent;
  int parent_fd = account_.fd.get();
  if (slash != std::string::npos) {
    Result<os::Fd> opened =
        open_file_below(io_, account_.fd.get(), path.substr(0, slash), O_RDONLY | O_DIRECTORY);
    if (!opened.ok()) return os::is_absent(opened.status()) ? Status() : opened.status();
    parent = std::move(*opened);
    parent_fd = parent.get();
  }
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const Result<os::FileInfo> info = io_.stat_at(parent_fd, name);
  if (!info.ok()) return info.status();
  if (info->type != os::FileType::directory) return io_.unlink_at(parent_fd, name);
  const Status removed = io_.rmdir_at(parent_fd, name);
  // Not empty: what lies in it was not to go.
  return removed.code() == Code::io || removed.code() == Code::already_exists ? Status() : removed;
}

}  // namespace restante::stores

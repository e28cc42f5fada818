#include "stores/watch_mailbox.hpp"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "os/errors.hpp"
#include "os/file.hpp"
#include "stores/maildir_content.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_subscriptions.hpp"

namespace restante::stores {
namespace {

constexpr int kMaxLevels = 128;
// Of the end of a list, to see that it is the one that was read.
constexpr std::size_t kRemembered = 256;

std::optional<std::string> directory_of(const MailboxState& state, const Folder& folder) {
  const auto is_inbox = [](const Folder& level) {
    return level.parent_id.empty() && is_inbox_name(level.name) &&
           !level.attributes.contains(attribute::kRawName);
  };
  if (is_inbox(folder)) return std::string(kInboxDir);
  std::string dir;
  const Folder* level = &folder;
  for (int levels = 0; levels < kMaxLevels; ++levels) {
    const std::optional<std::string> part =
        folder_dir_part({level->name, level->attributes.contains(attribute::kRawName)});
    if (!part) return std::nullopt;
    dir = base::cat('.', *part, dir);
    if (level->parent_id.empty()) return dir;
    const auto parent = state.folders().find(level->parent_id);
    if (parent == state.folders().end()) return std::nullopt;
    level = &parent->second;
    if (is_inbox(*level)) return ".INBOX" + dir;
  }
  return std::nullopt;
}

}  // namespace

std::map<std::string, std::string> directories_of(const MailboxState& state) {
  std::map<std::string, std::string> directories;
  for (const auto& [id, folder] : state.folders()) {
    if (folder.attributes.contains(attribute::kNonexistent)) continue;
    if (const std::optional<std::string> dir = directory_of(state, folder)) directories[*dir] = id;
  }
  return directories;
}

// --- dovecot-uidlist ----------------------------------------------------------------------------------

Result<Bytes> UidlistFollower::read_file(os::Io& io, int folder_fd, std::uint64_t& from) {
  const Result<os::Fd> fd = io.open_at(folder_fd, kUidlistName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (!fd.ok()) return fd.status();
  const Result<os::FileInfo> info = io.fstat(fd->get());
  if (!info.ok()) return info.status();
  if (info->type != os::FileType::regular) return Status(Code::not_found, "dovecot-uidlist is not a file");
  bool goes_on = from > 0 && info->ino == ino_ && info->size >= from;
  const auto stays = [&](const std::string& text, std::uint64_t offset) {
    Bytes bytes(text.size());
    return os::read_exactly_at(io, fd->get(), bytes, offset).ok() && as_text(bytes) == text;
  };
  goes_on = goes_on && stays(header_, 0) && stays(last_, from - last_.size());
  if (!goes_on) from = 0;
  ino_ = info->ino;
  Bytes bytes(static_cast<std::size_t>(info->size - from));
  if (Status read = os::read_exactly_at(io, fd->get(), bytes, from); !read.ok()) return read;
  return bytes;
}

Result<std::optional<UidlistFollower::News>> UidlistFollower::read(os::Io& io, int folder_fd,
                                                                   bool from_beginning) {
  std::uint64_t from = from_beginning ? 0 : offset_;
  Result<Bytes> bytes = read_file(io, folder_fd, from);
  offset_ = 0;
  if (!bytes.ok() && os::is_absent(bytes.status())) return std::optional<News>();
  if (!bytes.ok()) return bytes.status();
  std::string_view text = as_text(*bytes);
  // A line that is being written is read when it is whole.
  text = text.substr(0, text.rfind('\n') + 1);
  std::string whole;
  if (from == 0) {
    header_ = text.substr(0, text.find('\n') + 1);
  } else {
    whole = header_ + std::string(text);
  }
  bool is_odd = false;
  std::optional<Uidlist> list = parse_uidlist(as_bytes(from == 0 ? text : std::string_view(whole)),
                                              [&](std::string_view) { is_odd = true; });
  if (!list || is_odd) return std::optional<News>();
  offset_ = from + text.size();
  if (!text.empty()) last_ = text.substr(text.size() - std::min(text.size(), kRemembered));
  return std::optional<News>(News{std::move(*list), from == 0});
}

// --- A part of the mailbox ----------------------------------------------------------------------------

// The messages that something happened to, as they are known and as they are. It is the source of their
// content.
class WatchedMailbox::Part final : public MailSource {
 public:
  Part(WatchedMailbox& mailbox, const AccountDir& account)
      : mailbox_(mailbox),
        account_(account),
        reader_(mailbox.io_, account.fd.get(), Ownership::of(account.info),
                [&](std::string_view text) { mailbox.warn_(mailbox.account_id_, text); }) {
    known_.account_id = mailbox.account_id_;
    known_.position = mailbox.state_->position;
    (void)known_.state.apply(AccountPut{*state().account()});
    (void)live_.apply(AccountPut{*state().account()});
  }

  /// False if only a scan can tell.
  Result<bool> read(const std::string& dir, const FolderChanges& changes, FolderChanges& left) {
    const auto found = mailbox_.directories_.find(dir);
    if (found == mailbox_.directories_.end())
      return changes.is_new ? read_new(dir, left) : Result<bool>(false);
    const auto known = state().folders().find(found->second);
    if (known == state().folders().end()) return false;
    const bool is_made_still = changes.is_new && is_untouched(known->second);
    if (changes.is_new && !is_made_still) return false;
    const Result<os::Fd> fd = os::open_dir_at(mailbox_.io_, account_.fd.get(), dir);
    if (!fd.ok() && os::is_absent(fd.status())) return false;
    if (!fd.ok()) return fd.status();
    FoundFolder folder;
    folder.dir = dir;
    folder.record = known->second;
    folder.keywords = KeywordMap::parse(attribute_of(folder.record.attributes, attribute::kKeywords));
    folder.uidlist.emplace();
    Status put = known_.state.apply(FolderPut{folder.record});
    if (!put.ok()) return put;
    if (is_made_still) return read_whole(dir, folder.record.parent_id, &known->second);

    std::map<std::string, UidlistRecord> renumbered;
    if (changes.uidlist) {
      const Result<bool> certain = read_uids(fd->get(), changes, folder, renumbered);
      const bool is_first = certain.ok() && !*certain && is_untouched(known->second);
      if (is_first) return read_whole(dir, known->second.parent_id, &known->second);
      if (!certain.ok() || !*certain) return certain;
    }
    put = live_.apply(FolderPut{folder.record});
    if (!put.ok()) return put;
    const Result<bool> looked = look_at_files(fd->get(), changes, renumbered, folder, left);
    if (!looked.ok() || !*looked) return looked;
    for (const std::string& name : changes.others) {
      const Result<bool> compared = compare_other(folder, name);
      if (!compared.ok() || !*compared) return compared;
    }
    return compare(folder, changes, left, renumbered);
  }

  Result<bool> read_subscriptions() {
    const auto& items = state().items();
    const std::string kind(kSubscriptionKind);
    if (items.contains(ItemKey(kFileKind, "subscriptions"))) return false;
    for (auto at = items.lower_bound(ItemKey(kind, "")); at != items.end() && at->first.first == kind; ++at) {
      if (Status put = known_.state.apply(ItemPut{at->second}); !put.ok()) return put;
    }
    return reader_.subscriptions([&](Item item) { return live_.apply(ItemPut{std::move(item)}); });
  }

  [[nodiscard]] const ScanState& known() const { return known_; }
  [[nodiscard]] MailboxState take_live() { return std::move(live_); }
  /// Folders that nobody knew: directory -> id.
  [[nodiscard]] const std::map<std::string, std::string>& new_folders() const { return new_folders_; }
  /// Ids of the log -> ids of the store, of folders that a server indexed now.
  [[nodiscard]] const std::map<std::string, std::string>& new_store_ids() const { return new_store_ids_; }

  FieldSet fields() const override { return mailbox_.scanner_.store.fields(); }
  Status list_accounts(const AccountFunction& /*each*/) override { return {}; }
  Result<SnapshotInfo> snapshot(std::string_view /*account_id*/, OpSink& /*out*/) override {
    return Status(Code::internal, "a part of a mailbox has no snapshot");
  }
  Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                      const ContentPlace& place) override {
    const auto found = places_.find(MessageKey(place.folder_id, place.message_id));
    if (found != places_.end()) {
      Result<os::Fd> fd = open_file(found->second);
      if (fd.ok()) return read_from_file(mailbox_.io_, std::move(*fd));
    }
    ContentPlace in_store = place;
    const auto& ids = mailbox_.state_->store_ids;
    if (const auto id = ids.find(place.folder_id); id != ids.end()) in_store.folder_id = id->second;
    return mailbox_.scanner_.store.open_content(account_id, in_store);
  }

 private:
  struct Place {
    /// Below the account's.
    std::string dir;
    std::string name;
  };

  const MailboxState& state() const { return mailbox_.state_->state; }
  const Message* known_message(const std::string& folder_id, const std::string& id) const {
    const auto found = state().messages().find(MessageKey(folder_id, id));
    return found == state().messages().end() ? nullptr : &found->second;
  }

  // A folder that is none of those that are known, with everything in it.
  Result<bool> read_new(const std::string& dir, FolderChanges& left) {
    const std::vector<FolderLevel> levels = parse_folder_dir(dir);
    std::string parent_id;
    if (levels.size() > 1) {
      // One without a directory, or below the INBOX, is for a scan to tell.
      const std::string above = dir.substr(0, dir.rfind('.'));
      const auto parent = mailbox_.directories_.find(above);
      const auto new_parent = new_folders_.find(above);
      if (parent == mailbox_.directories_.end() && new_parent == new_folders_.end()) return false;
      parent_id = new_parent == new_folders_.end() ? parent->second : new_parent->second;
    }
    // A server makes the directory first, and then what makes it a folder.
    const Result<os::Fd> fd =
        open_file_below(mailbox_.io_, account_.fd.get(), join_path(dir, "cur"), O_RDONLY | O_DIRECTORY);
    left.is_new = !fd.ok() && os::is_absent(fd.status());
    return left.is_new ? Result<bool>(true) : read_whole(dir, parent_id, nullptr);
  }

  // Nobody has looked into it yet, so nothing of it can be missed.
  bool is_untouched(const restante::Folder& folder) const {
    const auto& messages = state().messages();
    const auto first = messages.lower_bound(MessageKey(folder.id, ""));
    return folder.uidvalidity == 0 && attribute_of(folder.attributes, attribute::kGuid).empty() &&
           (first == messages.end() || first->first.first != folder.id);
  }

  Result<bool> read_whole(const std::string& dir, const std::string& parent_id,
                          const restante::Folder* known) {
    Result<std::optional<FoundFolder>> read = reader_.folder(dir, parent_id);
    if (!read.ok()) return read.status();
    if (!*read) return false;
    FoundFolder& folder = **read;
    if (!is_the_only_one(folder, known)) return false;
    if (known != nullptr) {
      if (folder.record.id != known->id) new_store_ids_[known->id] = folder.record.id;
      folder.record.id = known->id;
    } else {
      new_folders_[dir] = folder.record.id;
    }
    MessagePut messages{reader_.messages_of(folder)};
    for (const FoundFile& file : folder.files)
      places_[MessageKey(folder.record.id, file.id)] = {join_path(dir, file.in_new ? "new" : "cur"),
                                                        file.name};
    if (Status put = live_.apply(FolderPut{folder.record}); !put.ok()) return put;
    if (!messages.messages.empty()) {
      if (Status put = live_.apply(messages); !put.ok()) return put;
    }
    const Status items =
        reader_.items({folder}, [&](Item item) { return live_.apply(ItemPut{std::move(item)}); });
    if (!items.ok()) return items;
    return take_known_items(dir);
  }

  // Whether what was found is no folder that was there before under another name, or is to come.
  bool is_the_only_one(const FoundFolder& found, const restante::Folder* known) const {
    const restante::Folder& record = found.record;
    const std::string& guid = attribute_of(record.attributes, attribute::kGuid);
    if (mailbox_.state_->retired.contains(record.id) || new_ids().contains(record.id)) return false;
    for (const auto& [id, other] : state().folders()) {
      if (known != nullptr && id == known->id) continue;
      const bool has_guid = !guid.empty() && attribute_of(other.attributes, attribute::kGuid) == guid;
      const bool has_name = other.parent_id == record.parent_id && other.name == record.name;
      if (id == record.id || has_guid || has_name) return false;
    }
    return true;
  }

  std::set<std::string> new_ids() const {
    std::set<std::string> ids;
    for (const auto& [dir, id] : new_folders_) ids.insert(id);
    return ids;
  }

  // Files that the directory held when it was no folder, or not looked into yet. What is not there any more
  // is for a scan to confirm.
  Result<bool> take_known_items(const std::string& dir) {
    const auto& items = state().items();
    for (auto at = items.lower_bound(ItemKey(kFileKind, dir)); at != items.end(); ++at) {
      const std::string& path = at->first.second;
      if (at->first.first != kFileKind || !path.starts_with(dir)) break;
      if (path != dir && path[dir.size()] != '/') continue;
      if (!live_.items().contains(at->first)) return false;
      if (Status put = known_.state.apply(ItemPut{at->second}); !put.ok()) return put;
    }
    return true;
  }

  // The records that are new, of messages that are known.
  Result<bool> read_uids(int folder_fd, const FolderChanges& changes, FoundFolder& folder,
                         std::map<std::string, UidlistRecord>& renumbered) {
    WatchedMailbox::Folder& followed = mailbox_.folders_[folder.dir];
    Result<std::optional<UidlistFollower::News>> news =
        followed.follower.read(mailbox_.io_, folder_fd, changes.new_uidlist);
    if (!news.ok()) return news.status();
    if (!*news) return false;
    const Uidlist& list = (*news)->list;
    restante::Folder& record = folder.record;
    if (list.uidvalidity != record.uidvalidity ||
        list.guid != attribute_of(record.attributes, attribute::kGuid) ||
        list.extra != attribute_of(record.attributes, attribute::kUidlistHeader)) {
      return false;
    }
    record.uidnext = std::max(record.uidnext.value_or(0), list.uidnext);
    if ((*news)->is_whole) followed.unmatched.clear();
    std::set<std::string_view> listed;
    for (const UidlistRecord& one : list.records) {
      listed.insert(one.base);
      const Message* known = known_message(record.id, one.base);
      if (known == nullptr) {
        followed.unmatched[one.base] = one;
      } else if (known->uid != one.uid ||
                 attribute_of(known->attributes, attribute::kUidlistRecord) != one.extra) {
        renumbered[one.base] = one;
      }
    }
    return !(*news)->is_whole || lists_all(record.id, listed);
  }

  // Whether every message that had a UID has one still.
  bool lists_all(const std::string& folder_id, const std::set<std::string_view>& listed) const {
    const auto& messages = state().messages();
    for (auto at = messages.lower_bound(MessageKey(folder_id, "")); at != messages.end(); ++at) {
      if (at->first.first != folder_id) break;
      if (at->second.uid != 0 && !listed.contains(at->second.id)) return false;
    }
    return true;
  }

  // Files of one directory come one after the other.
  Result<os::Fd> open_file(const Place& place) {
    if (dir_ != place.dir) {
      Result<os::Fd> dir =
          open_file_below(mailbox_.io_, account_.fd.get(), place.dir, O_RDONLY | O_DIRECTORY);
      if (!dir.ok()) return dir;
      dir_ = place.dir;
      dir_fd_ = std::move(*dir);
    }
    return mailbox_.io_.open_at(dir_fd_.get(), place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  }

  Result<bool> look_at_files(int folder_fd, const FolderChanges& changes,
                             std::map<std::string, UidlistRecord>& renumbered, FoundFolder& folder,
                             FolderChanges& left) {
    std::map<std::string, UidlistRecord>& unmatched = mailbox_.folders_[folder.dir].unmatched;
    os::Fd fresh;
    os::Fd cur;
    for (const auto& [id, seen] : changes.files) {
      // Of two files with one base name nothing here knows which is which.
      if (known_message(folder.record.id, id + "/2") != nullptr) return false;
      if (!seen.is_there) continue;
      os::Fd& part = seen.in_new ? fresh : cur;
      if (!part.is_open()) {
        Result<os::Fd> opened = os::open_dir_at(mailbox_.io_, folder_fd, seen.in_new ? "new" : "cur");
        if (!opened.ok() && os::is_absent(opened.status())) return false;
        if (!opened.ok()) return opened.status();
        part = std::move(*opened);
      }
      const Result<os::FileInfo> info = mailbox_.io_.stat_at(part.get(), seen.name);
      if (!info.ok() && os::is_absent(info.status())) {
        left.files[id] = seen;  // the kernel is about to tell more
        continue;
      }
      if (!info.ok()) return info.status();
      if (info->type != os::FileType::regular) return false;
      folder.files.push_back({id, seen.name, seen.in_new, *info});
      places_[MessageKey(folder.record.id, id)] = {join_path(folder.dir, seen.in_new ? "new" : "cur"),
                                                   seen.name};
      add_record(folder, id, std::string(uidlist_key(seen.name)), renumbered, unmatched);
    }
    return true;
  }

  void add_record(FoundFolder& folder, const std::string& id, const std::string& key,
                  const std::map<std::string, UidlistRecord>& renumbered,
                  std::map<std::string, UidlistRecord>& unmatched) {
    std::vector<UidlistRecord>& records = folder.uidlist->records;
    if (const auto anew = renumbered.find(key); anew != renumbered.end()) {
      records.push_back(anew->second);
    } else if (const auto waiting = unmatched.find(key); waiting != unmatched.end()) {
      records.push_back(waiting->second);
      unmatched.erase(waiting);
    } else if (const Message* known = known_message(folder.record.id, id); known && known->uid != 0) {
      records.push_back({known->uid, attribute_of(known->attributes, attribute::kUidlistRecord), key});
    }
  }

  Result<bool> compare(const FoundFolder& folder, const FolderChanges& changes, const FolderChanges& left,
                       const std::map<std::string, UidlistRecord>& renumbered) {
    const std::string& folder_id = folder.record.id;
    MessagePut known;
    MessagePut live;
    const auto add_known = [&](const std::string& id) {
      const Message* message = known_message(folder_id, id);
      if (message != nullptr) known.messages.push_back(*message);
      return message;
    };
    for (const auto& [id, seen] : changes.files) {
      if (!left.files.contains(id)) add_known(id);
    }
    live.messages = reader_.messages_of(folder);
    for (const auto& [base, record] : renumbered) {
      const auto changed = changes.files.find(base);
      if (changed != changes.files.end() && !left.files.contains(base)) continue;
      Message message = *add_known(base);
      message.uid = record.uid;
      message.attributes.erase(attribute::kUidlistRecord);
      if (!record.extra.empty()) message.attributes[attribute::kUidlistRecord] = record.extra;
      live.messages.push_back(std::move(message));
    }
    if (!known.messages.empty()) {
      if (Status put = known_.state.apply(known); !put.ok()) return put;
    }
    for (const Message& message : live.messages) {
      // Two of one UID: the list is not what it was.
      const Message* other = state().find_uid(folder_id, message.uid);
      if (other != nullptr && other->id != message.id &&
          !known_.state.messages().contains(MessageKey(folder_id, other->id))) {
        return false;
      }
    }
    if (!live.messages.empty()) {
      if (Status put = live_.apply(live); !put.ok()) return put;
    }
    return true;
  }

  Result<bool> compare_other(const FoundFolder& folder, const std::string& name) {
    const ItemKey key(kFileKind, join_path(folder.dir, name));
    const auto& items = state().items();
    auto known = items.lower_bound(key);
    if (known != items.end() && known->first == key) {
      if (Status put = known_.state.apply(ItemPut{known->second}); !put.ok()) return put;
      ++known;
    }
    // It was a directory.
    const ItemKey below(kFileKind, key.second + "/");
    known = items.lower_bound(below);
    if (known != items.end() && known->first.second.starts_with(below.second)) return false;
    return reader_.item(folder, name, [&](Item item) { return live_.apply(ItemPut{std::move(item)}); });
  }

  WatchedMailbox& mailbox_;
  const AccountDir& account_;
  const MailboxReader reader_;
  ScanState known_;
  MailboxState live_;
  // Of files that are there.
  std::map<MessageKey, Place> places_;
  std::map<std::string, std::string> new_folders_;
  std::map<std::string, std::string> new_store_ids_;
  // Of the file opened last.
  std::string dir_;
  os::Fd dir_fd_;
};

// --- The account --------------------------------------------------------------------------------------

void WatchedMailbox::took_state(ScanState state) {
  state_ = std::move(state);
  directories_ = directories_of(state_->state);
  folders_.clear();
}

// Whether the state in memory is what the log says. What others logged may tell of folders that nobody here
// knows.
Result<bool> WatchedMailbox::is_current() {
  if (state_) {
    const Result<OthersInLog::Seen> seen = others_.look(account_id_, state_->position.lsn);
    if (!seen.ok()) return seen.status();
    return !seen->wrote && state_->state.account().has_value();
  }
  others_.track(account_id_);
  Result<ScannerInternals::Impl::Known> known = scanner_.load(account_id_);
  if (!known.ok()) return known.status();
  if (!known->found || known->replayed == ScannerInternals::Impl::Replayed::foreign ||
      !known->state.state.account())
    return false;
  took_state(std::move(known->state));
  return true;
}

Result<WatchedMailbox::Logged> WatchedMailbox::log(const AccountChanges& changes) {
  Logged logged;
  const Result<ScannerInternals::Impl::Hold> hold = scanner_.hold(account_id_);
  if (!hold.ok()) return hold.status();
  if (Status unfinished = scanner_.check_unfinished(account_id_); !unfinished.ok()) return unfinished;
  logged.outcome = Outcome::scan;
  const Result<bool> current = is_current();
  if (!current.ok()) return current.status();
  if (!*current) return logged;
  const Result<AccountDir> account = accounts_.open(account_id_);
  if (!account.ok() && account.status().code() == Code::not_found) return logged;
  if (!account.ok()) return account.status();

  Part part(*this, *account);
  for (const auto& [dir, folder] : changes.folders) {
    FolderChanges left;
    const Result<bool> certain = part.read(dir, folder, left);
    if (!certain.ok()) return certain.status();
    if (!*certain) return logged;
    if (!left.files.empty() || left.is_new) logged.left.folders[dir] = std::move(left);
  }
  if (changes.subscriptions) {
    const Result<bool> certain = part.read_subscriptions();
    if (!certain.ok()) return certain.status();
    if (!*certain) return logged;
  }
  logged.outcome = Outcome::logged;
  ScanDifference difference(part, scanner_.log, part.known());
  if (Status taken = difference.take(part.take_live()); !taken.ok()) return taken;
  std::vector<Operation> operations;
  const Result<DifferenceSummary> summary = difference.operations(operations);
  if (!summary.ok()) return summary.status();
  if (operations.empty()) return logged;
  logged.operations = operations.size();
  unsaved_ = true;
  const auto appended = [&](std::span<const Operation> part, Lsn at) {
    others_.is_own(account_id_, at);
    return ScannerInternals::Impl::apply(part, *state_);
  };
  // A restore that comes in between is seen by the next look, and what it does to the files is told before.
  const Result<Lsn> lsn = scanner_.append(difference, std::move(operations), Sync::lazy, appended);
  if (!lsn.ok()) return lsn.status();
  for (const auto& [dir, id] : part.new_folders()) directories_[dir] = id;
  for (const auto& [id, store_id] : part.new_store_ids()) state_->store_ids[id] = store_id;
  return logged;
}

Result<ScanReport> WatchedMailbox::scan() {
  const Result<ScannerInternals::Impl::Hold> hold = scanner_.hold(account_id_);
  if (!hold.ok()) return hold.status();
  // It begins with the file and what the log holds behind it.
  forget();
  unsaved_ = false;
  others_.track(account_id_);
  ScanState state;
  Result<ScanReport> report = scanner_.scan(account_id_, state);
  if (!report.ok()) return report;
  took_state(std::move(state));
  return report;
}

Status WatchedMailbox::save() {
  if (!unsaved_ || !state_) return {};
  // What the log might lose must not be in the file.
  if (Status synced = scanner_.log.sync(); !synced.ok()) return synced;
  const Result<OthersInLog::Seen> seen = others_.look(account_id_, state_->position.lsn);
  if (!seen.ok()) return seen.status();
  // The file and what the log holds behind it say more than this state.
  if (seen->wrote) return {};
  state_->position.lsn = seen->until;
  if (Status stored = scanner_.states.store(*state_); !stored.ok()) return stored;
  unsaved_ = false;
  return {};
}

void WatchedMailbox::forget() {
  others_.forget(account_id_);
  state_.reset();
  directories_.clear();
  folders_.clear();
}

}  // namespace restante::stores

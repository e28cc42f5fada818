#include <restante/mailbox_state.hpp>

#include <algorithm>
#include <set>

#include "base/limits.hpp"
#include "model/pairing.hpp"
#include "model/records.hpp"
#include "model/snapshot_reader.hpp"

namespace restante {
inline namespace v0 {
namespace {

using namespace model;
using Part = SnapshotReader::Part;

enum class Kinship { same, other_flags, other };

// What `from` becomes when it takes over the compared fields of `to`. One of a pair.
class Comparison {
 public:
  explicit Comparison(FieldSet fields) : fields_(fields) {}

  [[nodiscard]] Account wanted(const Account& from, const Account& to) const {
    Account account = to;
    keep(Field::attributes, account.attributes, from.attributes);
    return account;
  }

  [[nodiscard]] Folder wanted(const Folder& from, const Folder& to) const {
    Folder folder = to;
    keep(Field::uid, folder.uidvalidity, from.uidvalidity);
    keep(Field::special_use, folder.special_use, from.special_use);
    keep(Field::attributes, folder.attributes, from.attributes);
    if (folder.uidvalidity != from.uidvalidity) return folder;
    keep(Field::uidnext, folder.uidnext, from.uidnext);
    keep(Field::modseq, folder.highest_modseq, from.highest_modseq);
    return replaced_folder(from, folder);
  }

  [[nodiscard]] Message wanted(const Message& from, const Message& to) const {
    Message message = to;
    message.id = from.id;
    message.uidvalidity = from.uidvalidity;
    keep(Field::uid, message.uid, from.uid);
    keep(Field::email_id, message.email_id, from.email_id);
    keep(Field::thread_id, message.thread_id, from.thread_id);
    keep(Field::internal_date, message.internal_date, from.internal_date);
    keep(Field::save_date, message.save_date, from.save_date);
    keep(Field::modseq, message.modseq, from.modseq);
    keep(Field::keywords, message.keywords, from.keywords);
    keep(Field::tags, message.tags, from.tags);
    keep(Field::viewer_flags, message.viewer_flags, from.viewer_flags);
    keep(Field::attributes, message.attributes, from.attributes);
    if (!message.content) message.content = from.content;  // not read yet
    return message;
  }

  // A message that `from` has not got.
  [[nodiscard]] Message wanted(const Message& to) const {
    Message message = to;
    // The two sides number their messages differently: this UID may be another message's.
    if (!fields_.has(Field::uid)) message.uid = 0;
    return message;
  }

  [[nodiscard]] Item wanted(const Item& from, const Item& to) const {
    Item item = to;
    keep(Field::uid, item.uid, from.uid);
    keep(Field::modseq, item.modseq, from.modseq);
    keep(Field::tags, item.tags, from.tags);
    keep(Field::attributes, item.attributes, from.attributes);
    if (!item.content) item.content = from.content;
    return item;
  }

  // How `message`, wanted of `from`, relates to it.
  [[nodiscard]] static Kinship kinship(const Message& from, const Message& message) {
    if (!from.content && message.content) {  // not read yet: nothing says that it is other content
      Message read = from;
      read.content = message.content;
      return kinship(read, message);
    }
    if (message == from) return Kinship::same;
    const auto flags = [](const Message& m) { return std::tie(m.flags, m.keywords, m.tags); };
    if (flags(message) == flags(from)) return Kinship::other;
    if (message.modseq != from.modseq && !message.modseq) return Kinship::other;  // no update takes it away
    Message with_flags = message;
    with_flags.flags = from.flags;
    with_flags.keywords = from.keywords;
    with_flags.tags = from.tags;
    with_flags.modseq = from.modseq;
    return with_flags == from ? Kinship::other_flags : Kinship::other;
  }

 private:
  template <class T>
  void keep(Field field, T& value, const T& present) const {
    if (!fields_.has(field)) value = present;
  }

  FieldSet fields_;
};

// Writes operations and puts expunges and equal flag updates of one folder together.
class OperationWriter {
 public:
  explicit OperationWriter(OpSink& out) : out_(out) {}

  [[nodiscard]] Status put(Operation operation) { return out_.put(std::move(operation)); }

  [[nodiscard]] Status expunge(const Message& message) {
    expunge_.folder_id = message.folder_id;
    expunge_.uidvalidity = message.uidvalidity;
    expunge_.messages.message_ids.push_back(message.id);
    return expunge_.messages.message_ids.size() < base::kDifferenceBatch ? Status() : flush_expunge();
  }

  // Gives the message of that id the flags that `message` holds.
  [[nodiscard]] Status flags(const Message& message) {
    const FlagsUpdate update{.folder_id = message.folder_id,
                             .uidvalidity = message.uidvalidity,
                             .flags = message.flags,
                             .keywords = message.keywords,
                             .tags = message.tags,
                             .modseq = message.modseq};
    if (update != update_ || updated_ids_.size() == base::kDifferenceBatch)
      if (Status status = flush_flags(); !status.ok()) return status;
    update_ = update;
    updated_ids_.push_back(message.id);
    return {};
  }

  // To be called at the end of each folder.
  [[nodiscard]] Status flush() {
    if (Status status = flush_expunge(); !status.ok()) return status;
    return flush_flags();
  }

 private:
  [[nodiscard]] Status flush_expunge() {
    if (expunge_.messages.empty()) return {};
    return out_.put(std::exchange(expunge_, {}));
  }
  [[nodiscard]] Status flush_flags() {
    if (updated_ids_.empty()) return {};
    FlagsUpdate update = update_;
    update.messages.message_ids = std::exchange(updated_ids_, {});
    return out_.put(std::move(update));
  }

  OpSink& out_;
  MessageExpunge expunge_;
  FlagsUpdate update_;  // without its messages
  std::vector<std::string> updated_ids_;
};

// What becomes of one folder of either side.
struct FolderPlan {
  FolderDifference difference;
  std::uint32_t uidvalidity = 0;  // afterwards
  // Its messages go without being expunged, and those that stay are put again.
  bool dropped = false;
};

// The HostOps or unknown operations that turn `present` into `wanted`, performed behind it: each one that is
// performed again moves to the end.
template <class T>
std::vector<T> operations_to_perform(const std::vector<T>& present, const std::vector<T>& wanted) {
  auto place = present.begin();
  auto next = wanted.begin();
  for (; next != wanted.end(); ++next) {
    place = std::find(place, present.end(), *next);
    if (place == present.end()) break;
  }
  return {next, wanted.end()};
}

template <class T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

class Difference {
 public:
  Difference(OpStream& from, OpStream& to, OpSink& out, FieldSet fields)
      : from_(from, "from"), to_(to, "to"), writer_(out), fields_(fields), comparison_(fields) {}

  [[nodiscard]] Result<DifferenceSummary> run() {
    for (const auto step :
         {&Difference::begin, &Difference::compare_account, &Difference::read_folders,
          &Difference::compare_folders, &Difference::compare_messages, &Difference::compare_items,
          &Difference::delete_folders, &Difference::write_late_items, &Difference::compare_host_operations})
      if (Status status = (this->*step)(); !status.ok()) return status;
    sum_up();
    return std::move(summary_);
  }

 private:
  [[nodiscard]] Status begin() {
    if (Status status = from_.advance(); !status.ok()) return status;
    return to_.advance();
  }

  [[nodiscard]] Status compare_account() {
    const bool in_from = from_.part() == Part::account;
    const bool in_to = to_.part() == Part::account;
    Status status;
    if (in_from && !in_to) {
      summary_.account_changed = replaced_ = true;
      status = writer_.put(AccountDelete{from_.account().id});
    } else if (in_to) {
      Account account = in_from ? comparison_.wanted(from_.account(), to_.account()) : to_.account();
      summary_.account_changed = !in_from || account != from_.account();
      if (summary_.account_changed) status = writer_.put(AccountPut{std::move(account)});
    }
    if (in_from && status.ok()) status = from_.advance();
    if (in_to && status.ok()) status = to_.advance();
    return status;
  }

  [[nodiscard]] Status read_folders() {
    for (auto [reader, folders] : {std::pair(&from_, &from_folders_), std::pair(&to_, &to_folders_)}) {
      while (reader->part() == Part::folder) {
        (*folders)[reader->folder().id] = std::move(reader->folder());
        if (Status status = reader->advance(); !status.ok()) return status;
      }
    }
    return {};
  }

  [[nodiscard]] Status compare_folders() {
    for (const auto& [id, folder] : from_folders_) {
      if (to_folders_.contains(id)) continue;
      FolderPlan& plan = plans_[id];
      plan.difference.deleted = plan.dropped = true;
      plan.difference.path = path_in(from_folders_, id);
    }
    for (const std::string& id : by_depth(to_folders_))
      if (Status status = compare_folder(to_folders_.at(id)); !status.ok()) return status;
    return {};
  }

  [[nodiscard]] Status compare_folder(const Folder& to) {
    FolderPlan& plan = plans_[to.id];
    FolderDifference& difference = plan.difference;
    difference.path = path_in(to_folders_, to.id);
    const auto from = from_folders_.find(to.id);
    difference.created = from == from_folders_.end();
    const Folder folder = difference.created ? to : comparison_.wanted(from->second, to);
    plan.uidvalidity = folder.uidvalidity;
    if (!difference.created) {
      const std::string old_path = path_in(from_folders_, to.id);
      if (old_path != difference.path) difference.old_path = old_path;
      plan.dropped = replaced_ || folder.uidvalidity != from->second.uidvalidity;
      Folder with_counters = from->second;
      with_counters.uidnext = folder.uidnext;
      with_counters.highest_modseq = folder.highest_modseq;
      difference.properties_changed = folder != with_counters;
      difference.counters_changed = with_counters != from->second;
      if (folder == from->second && !replaced_) return {};
    }
    return writer_.put(FolderPut{folder});
  }

  // Parents before their children.
  [[nodiscard]] static std::vector<std::string> by_depth(const std::map<std::string, Folder>& folders) {
    std::vector<std::pair<std::size_t, std::string>> order;
    for (const auto& [id, folder] : folders) order.emplace_back(depth_in(folders, id), id);
    std::sort(order.begin(), order.end());
    std::vector<std::string> ids;
    for (auto& [depth, id] : order) ids.push_back(std::move(id));
    return ids;
  }

  [[nodiscard]] Status compare_messages() {
    while (from_.part() == Part::message || to_.part() == Part::message) {
      const bool no_from = from_.part() != Part::message;
      const bool no_to = to_.part() != Part::message;
      const bool take_from = !no_from && (no_to || from_.key() <= to_.key());
      const bool take_to = !no_to && (no_from || to_.key() <= from_.key());
      const std::string folder_id = take_from ? from_.key().first : to_.key().first;
      if (folder_id != current_folder_)
        if (Status status = end_folder(); !status.ok()) return status;
      current_folder_ = folder_id;
      if (Status status = take_messages(take_from, take_to); !status.ok()) return status;
    }
    return end_folder();
  }

  [[nodiscard]] Status take_messages(bool take_from, bool take_to) {
    std::optional<Message> from;
    std::optional<Message> to;
    if (take_from) {
      from = std::move(from_.message());
      if (Status status = from_.advance(); !status.ok()) return status;
    }
    if (take_to) {
      to = std::move(to_.message());
      if (Status status = to_.advance(); !status.ok()) return status;
    }
    if (fields_.has(Field::message_id) || (from && to)) return compare_pair(from, to);
    (from ? unpaired_from_ : unpaired_to_).push_back(std::move(from ? *from : *to));
    return {};
  }

  [[nodiscard]] Status end_folder() {
    for (const MessagePair& pair :
         pair_messages(std::exchange(unpaired_from_, {}), std::exchange(unpaired_to_, {}), fields_))
      if (Status status = compare_pair(pair.first, pair.second); !status.ok()) return status;
    return writer_.flush();
  }

  [[nodiscard]] Status compare_pair(const std::optional<Message>& from, const std::optional<Message>& to) {
    FolderPlan& plan = plans_.at(from ? from->folder_id : to->folder_id);
    DifferenceCounts& counts = plan.difference.messages;
    if (!to) {
      ++counts.removed;
      return plan.dropped ? Status() : writer_.expunge(*from);
    }
    Message message = from ? comparison_.wanted(*from, *to) : comparison_.wanted(*to);
    message.uidvalidity = plan.uidvalidity;
    if (!from) {
      ++counts.added;
      return writer_.put(MessagePut{{std::move(message)}});
    }
    const Kinship kinship = Comparison::kinship(*from, message);
    ++(kinship == Kinship::same          ? counts.unchanged
       : kinship == Kinship::other_flags ? counts.flags_changed
                                         : counts.changed);
    if (kinship == Kinship::other || plan.dropped) return writer_.put(MessagePut{{std::move(message)}});
    return kinship == Kinship::same ? Status() : writer_.flags(message);
  }

  [[nodiscard]] Status compare_items() {
    while (from_.part() == Part::item || to_.part() == Part::item) {
      const bool no_from = from_.part() != Part::item;
      const bool no_to = to_.part() != Part::item;
      const bool take_from = !no_from && (no_to || from_.key() <= to_.key());
      const bool take_to = !no_to && (no_from || to_.key() <= from_.key());
      if (fields_.has(Field::items)) {
        const Status status = !take_to    ? remove_item(from_.item())
                              : take_from ? compare_item(&from_.item(), to_.item())
                                          : compare_item(nullptr, to_.item());
        if (!status.ok()) return status;
      }
      if (take_from)
        if (Status status = from_.advance(); !status.ok()) return status;
      if (take_to)
        if (Status status = to_.advance(); !status.ok()) return status;
    }
    return {};
  }

  [[nodiscard]] bool goes_with_folder(const Item& item) const {
    const auto plan = plans_.find(item.folder_id);
    return plan != plans_.end() && plan->second.difference.deleted;
  }

  [[nodiscard]] Status remove_item(const Item& from) {
    ++summary_.items.removed;
    if (replaced_ || goes_with_folder(from)) return {};
    written_items_.insert({from.kind, from.id});
    return writer_.put(ItemDelete{from.kind, from.id});
  }

  [[nodiscard]] Status compare_item(const Item* from, const Item& to) {
    Item item = from != nullptr ? comparison_.wanted(*from, to) : to;
    const bool same = from != nullptr && item == *from;
    ++(from == nullptr ? summary_.items.added : same ? summary_.items.unchanged : summary_.items.changed);
    ItemKey key(item.kind, item.id);
    if (!replaced_ && goes_with_folder(item)) {
      late_items_.emplace(std::move(key), std::move(item));
      return {};
    }
    if (same && !replaced_) {
      kept_items_.emplace(std::move(key), std::move(item));
      return {};
    }
    written_items_.insert(std::move(key));
    return writer_.put(ItemPut{std::move(item)});
  }

  [[nodiscard]] Status delete_folders() {
    if (replaced_) return {};
    std::vector<std::string> ids = by_depth(from_folders_);
    std::reverse(ids.begin(), ids.end());
    for (std::string& id : ids) {
      if (to_folders_.contains(id)) continue;
      if (Status status = writer_.put(FolderDelete{std::move(id)}); !status.ok()) return status;
    }
    return {};
  }

  // Items that name a folder which goes, and stay all the same.
  [[nodiscard]] Status write_late_items() {
    for (auto& [key, item] : late_items_) {
      written_items_.insert(key);
      if (Status status = writer_.put(ItemPut{std::move(item)}); !status.ok()) return status;
    }
    return {};
  }

  [[nodiscard]] Status compare_host_operations() {
    MailboxState from;
    MailboxState to;
    for (auto [reader, state] : {std::pair(&from_, &from), std::pair(&to_, &to)}) {
      while (reader->part() != Part::end) {
        if (Status status = state->apply(reader->operation()); !status.ok()) return status;
        if (Status status = reader->advance(); !status.ok()) return status;
      }
    }
    if (!fields_.has(Field::items)) return {};
    if (replaced_) from = MailboxState();
    if (Status status = take_back_host_operations(from, to); !status.ok()) return status;
    if (Status status = perform(from.host_ops(), to.host_ops()); !status.ok()) return status;
    return perform(from.unknown_operations(), to.unknown_operations());
  }

  // A HostOp that only `from` has changed an item in a way that its record does not show: writing the item
  // again takes it back.
  [[nodiscard]] Status take_back_host_operations(MailboxState& from, const MailboxState& to) {
    for (const HostOp& operation : std::vector<HostOp>(from.host_ops())) {
      const ItemKey key(operation.item_kind, operation.item_id);
      const bool has_item = !key.first.empty() || !key.second.empty();
      if (!has_item || contains(to.host_ops(), operation) || !written_items_.insert(key).second) continue;
      const auto kept = kept_items_.find(key);
      if (kept == kept_items_.end()) {
        ++summary_.host_operations;
        if (Status status = writer_.put(ItemDelete{key.first, key.second}); !status.ok()) return status;
      } else {
        --summary_.items.unchanged;
        ++summary_.items.changed;
        if (Status status = writer_.put(ItemPut{std::move(kept->second)}); !status.ok()) return status;
      }
    }
    for (const ItemKey& key : written_items_)
      if (Status status = from.apply(ItemDelete{key.first, key.second}); !status.ok()) return status;
    return {};
  }

  template <class T>
  [[nodiscard]] Status perform(const std::vector<T>& from, const std::vector<T>& to) {
    for (const T& operation : from)
      if (!contains(to, operation)) ++summary_.host_operations_left;
    for (T& operation : operations_to_perform(from, to)) {
      ++summary_.host_operations;
      if (Status status = writer_.put(std::move(operation)); !status.ok()) return status;
    }
    return {};
  }

  void sum_up() {
    for (auto& [id, plan] : plans_) {
      FolderDifference& difference = plan.difference;
      summary_.messages += difference.messages;
      difference.folder_id = id;
      const bool changed = difference.created || difference.deleted || difference.properties_changed ||
                           difference.counters_changed || !difference.messages.none();
      if (changed) summary_.folders.push_back(std::move(difference));
    }
    std::sort(summary_.folders.begin(), summary_.folders.end(), [](const auto& a, const auto& b) {
      return std::tie(a.path, a.folder_id) < std::tie(b.path, b.folder_id);
    });
  }

  SnapshotReader from_;
  SnapshotReader to_;
  OperationWriter writer_;
  FieldSet fields_;
  Comparison comparison_;
  DifferenceSummary summary_;
  bool replaced_ = false;  // the account goes: all of `to` is written anew
  std::map<std::string, Folder> from_folders_;
  std::map<std::string, Folder> to_folders_;
  std::map<std::string, FolderPlan> plans_;
  std::string current_folder_;
  std::vector<Message> unpaired_from_;
  std::vector<Message> unpaired_to_;
  std::set<ItemKey> written_items_;
  std::map<ItemKey, Item> kept_items_;
  std::map<ItemKey, Item> late_items_;
};

}  // namespace

DifferenceCounts& DifferenceCounts::operator+=(const DifferenceCounts& other) noexcept {
  added += other.added;
  removed += other.removed;
  flags_changed += other.flags_changed;
  changed += other.changed;
  unchanged += other.unchanged;
  return *this;
}

Result<DifferenceSummary> difference(OpStream& from, OpStream& to, OpSink& out,
                                     const DifferenceOptions& options) {
  return Difference(from, to, out, options.fields).run();
}

}  // namespace v0
}  // namespace restante

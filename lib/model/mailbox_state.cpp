#include <restante/mailbox_state.hpp>

#include <algorithm>
#include <memory>

#include "model/records.hpp"

namespace restante {
inline namespace v0 {

using namespace model;

// Performs operations that were found to be supported. Each `operator()` is one row of the replay table in
// docs/format/operations.md.
//
// `uids_` holds (folder, UID) -> message id of exactly the messages that have a UID. A message's folder is
// always there, and the message has its UIDVALIDITY.
class StateEditor {
 public:
  explicit StateEditor(MailboxState& state) : state_(state) {}

  void operator()(const AccountPut& put) { state_.account_ = put.account; }

  void operator()(const AccountDelete&) { state_ = MailboxState(); }

  void operator()(const FolderPut& put) {
    const auto [place, created] = state_.folders_.try_emplace(put.folder.id, put.folder);
    if (created) return;
    if (place->second.uidvalidity == put.folder.uidvalidity) {
      place->second = replaced_folder(place->second, put.folder);
    } else {
      drop_messages(put.folder.id);
      place->second = put.folder;
    }
  }

  void operator()(const FolderDelete& gone) {
    drop_messages(gone.folder_id);
    state_.folders_.erase(gone.folder_id);
    // Even if the folder is absent: the snapshot may have been read after it went and the item before.
    std::erase_if(state_.items_, [&](const auto& item) { return item.second.folder_id == gone.folder_id; });
  }

  void operator()(const MessagePut& put) {
    for (const Message& message : put.messages) put_message(message);
  }

  void operator()(const MessageExpunge& gone) {
    Folder* const folder = folder_of(gone.folder_id, gone.uidvalidity);
    if (folder == nullptr) return;
    for (const std::string& id : addressed(gone.folder_id, gone.messages)) remove_message(gone.folder_id, id);
    raise_counters(*folder, gone.messages, gone.modseq);
  }

  void operator()(const FlagsUpdate& update) {
    Folder* const folder = folder_of(update.folder_id, update.uidvalidity);
    if (folder == nullptr) return;
    for (const std::string& id : addressed(update.folder_id, update.messages)) {
      const auto message = state_.messages_.find({update.folder_id, id});
      if (message != state_.messages_.end()) update_flags(message->second, update);
    }
    raise_counters(*folder, update.messages, update.modseq);
  }

  void operator()(const ItemPut& put) {
    supersede(put.item.kind, put.item.id);
    Item& item = state_.items_[{put.item.kind, put.item.id}];
    item = put.item;
    normalise(item);
  }

  void operator()(const ItemDelete& gone) {
    supersede(gone.kind, gone.id);
    state_.items_.erase({gone.kind, gone.id});
  }

  void operator()(const HostOp& operation) { append_once(state_.host_ops_, operation); }

  void operator()(const Rewind&) {}

  void operator()(const UnknownOperation& operation) { append_once(state_.unknown_, operation); }

 private:
  // An equal one moves to the end: performing it twice is the same as performing it once, and what a
  // snapshot holds already is replayed over it (R2).
  template <class T>
  static void append_once(std::vector<T>& list, const T& operation) {
    T copy = operation;
    std::erase(list, copy);
    list.push_back(std::move(copy));
  }

  static void raise_counters(Folder& folder, const MessageSet& messages,
                             const std::optional<std::uint64_t>& modseq) {
    for (const std::uint32_t uid : messages.uids) raise_uidnext(folder, uid);
    raise_modseq(folder, modseq);
  }

  // Null if the folder is absent or has another UIDVALIDITY: the operation is void.
  Folder* folder_of(const std::string& id, std::uint32_t uidvalidity) {
    const auto folder = state_.folders_.find(id);
    if (folder == state_.folders_.end() || folder->second.uidvalidity != uidvalidity) return nullptr;
    return &folder->second;
  }

  // All are looked up before one is removed: a UID does not change its meaning half-way.
  std::vector<std::string> addressed(const std::string& folder_id, const MessageSet& set) const {
    std::vector<std::string> ids = set.message_ids;
    for (const std::uint32_t uid : set.uids) {
      const auto place = state_.uids_.find({folder_id, uid});
      if (place != state_.uids_.end()) ids.push_back(place->second);
    }
    return ids;
  }

  void put_message(const Message& message) {
    Folder* const folder = folder_of(message.folder_id, message.uidvalidity);
    if (folder == nullptr) return;
    remove_message(message.folder_id, message.id);
    if (message.uid != 0) {
      const auto holder = state_.uids_.find({message.folder_id, message.uid});
      if (holder != state_.uids_.end()) remove_message(message.folder_id, std::string(holder->second));
      state_.uids_.emplace(std::pair(message.folder_id, message.uid), message.id);
    }
    Message& record = state_.messages_[{message.folder_id, message.id}];
    record = message;
    normalise(record);
    raise_uidnext(*folder, message.uid);
    raise_modseq(*folder, message.modseq);
  }

  void remove_message(const std::string& folder_id, const std::string& id) {
    const auto message = state_.messages_.find({folder_id, id});
    if (message == state_.messages_.end()) return;
    if (message->second.uid != 0) state_.uids_.erase({folder_id, message->second.uid});
    state_.messages_.erase(message);
  }

  void drop_messages(const std::string& folder_id) {
    drop_range(state_.messages_, folder_id, MessageKey(folder_id, ""));
    drop_range(state_.uids_, folder_id, std::pair(folder_id, std::uint32_t{0}));
  }
  template <class Map, class Key>
  static void drop_range(Map& map, const std::string& folder_id, const Key& first) {
    auto place = map.lower_bound(first);
    while (place != map.end() && place->first.first == folder_id) place = map.erase(place);
  }

  void supersede(const std::string& kind, const std::string& id) {
    std::erase_if(state_.host_ops_, [&](const HostOp& operation) {
      return operation.item_kind == kind && operation.item_id == id && !(kind.empty() && id.empty());
    });
  }

  MailboxState& state_;
};

Status MailboxState::apply(const Operation& operation) {
  if (Status status = check_supported(operation); !status.ok()) return status;
  std::visit(StateEditor(*this), operation);
  return {};
}

const Message* MailboxState::find_uid(std::string_view folder_id, std::uint32_t uid) const {
  const auto place = uids_.find({std::string(folder_id), uid});
  if (place == uids_.end()) return nullptr;
  return &messages_.at({place->first.first, place->second});
}

std::string MailboxState::path_of(std::string_view folder_id) const { return path_in(folders_, folder_id); }

Status MailboxState::write(OpSink& sink) const {
  Status status;
  const auto put = [&](Operation operation) {
    status = sink.put(std::move(operation));
    return status.ok();
  };
  if (account_ && !put(AccountPut{*account_})) return status;
  for (const auto& [id, folder] : folders_)
    if (!put(FolderPut{folder})) return status;
  for (const auto& [key, message] : messages_)
    if (!put(MessagePut{{message}})) return status;
  for (const auto& [key, item] : items_)
    if (!put(ItemPut{item})) return status;
  for (const HostOp& operation : host_ops_)
    if (!put(operation)) return status;
  for (const UnknownOperation& operation : unknown_)
    if (!put(operation)) return status;
  return status;
}

}  // namespace v0
}  // namespace restante

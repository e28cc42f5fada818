// Folding a change into a sorted snapshot, one pass.
//
// Two facts make it possible (R2):
// - What becomes of a folder depends on its record and the change alone, not on its messages.
// - What becomes of a message depends on its own record, its folder and the change alone, not on other
//   messages of the snapshot: those that hold a UID or give it up do so by operations of the change. A
//   message that the change puts does not even depend on its own earlier record. The same holds for items.
//
// So the change is performed on a state that holds the account and the folders only. It then holds everything
// that the change puts, and the rest of the result is what the snapshot has, message by message, after the
// few operations that address it.

#include <restante/mailbox_state.hpp>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "model/records.hpp"
#include "model/snapshot_reader.hpp"

namespace restante {
inline namespace v0 {
namespace {

using namespace model;
using Part = SnapshotReader::Part;

// Something the change does to a message of the snapshot.
struct Touch {
  std::size_t position = 0;             // in the change
  const FlagsUpdate* update = nullptr;  // null: it goes away
};
using Touches = std::vector<Touch>;

// What the change does in one folder whose messages it does not drop.
struct FolderTouches {
  std::set<std::string, std::less<>> put;
  std::unordered_map<std::string, Touches> by_id;
  std::unordered_map<std::uint32_t, Touches> by_uid;

  void address(const MessageSet& set, const Touch& touch) {
    for (const std::string& id : set.message_ids) by_id[id].push_back(touch);
    for (const std::uint32_t uid : set.uids) by_uid[uid].push_back(touch);
  }
  // In the order of the change.
  [[nodiscard]] Touches of(const Message& message) const {
    Touches touches;
    if (const auto found = by_id.find(message.id); found != by_id.end()) touches = found->second;
    const auto found = by_uid.find(message.uid);
    if (message.uid != 0 && found != by_uid.end())
      touches.insert(touches.end(), found->second.begin(), found->second.end());
    std::sort(touches.begin(), touches.end(),
              [](const Touch& a, const Touch& b) { return a.position < b.position; });
    return touches;
  }
};

class Fold {
 public:
  Fold(OpStream& snapshot, std::span<const Operation> change, OpSink& out)
      : reader_(snapshot, "snapshot"), change_(change), out_(out) {}

  [[nodiscard]] Status run() {
    if (Status status = check_change(); !status.ok()) return status;
    if (Status status = read_structure(); !status.ok()) return status;
    if (Status status = perform_change(); !status.ok()) return status;
    collect_touches();
    if (Status status = write_structure(); !status.ok()) return status;
    if (Status status = merge_messages(); !status.ok()) return status;
    if (Status status = merge_items(); !status.ok()) return status;
    return merge_host_operations();
  }

 private:
  [[nodiscard]] Status check_change() const {
    for (const Operation& operation : change_)
      if (Status status = check_supported(operation); !status.ok()) return status;
    return {};
  }

  [[nodiscard]] Status read_structure() {
    while (true) {
      if (Status status = reader_.advance(); !status.ok()) return status;
      if (reader_.part() > Part::folder) return {};
      if (Status status = state_.apply(reader_.operation()); !status.ok()) return status;
    }
  }

  // Performs the change on account and folders and notes which messages of the snapshot it drops at once.
  [[nodiscard]] Status perform_change() {
    for (const Operation& operation : change_) {
      if (const auto* const put = std::get_if<FolderPut>(&operation)) {
        const auto present = state_.folders().find(put->folder.id);
        if (present != state_.folders().end() && present->second.uidvalidity != put->folder.uidvalidity)
          dropped_.insert(put->folder.id);
      } else if (const auto* const gone = std::get_if<FolderDelete>(&operation)) {
        dropped_.insert(gone->folder_id);
        deleted_.insert(gone->folder_id);
      } else if (std::holds_alternative<AccountDelete>(operation)) {
        account_deleted_ = true;
      }
      if (Status status = state_.apply(operation); !status.ok()) return status;
    }
    return {};
  }

  void collect_touches() {
    for (std::size_t position = 0; position < change_.size(); ++position) {
      const Operation& operation = change_[position];
      if (const auto* const put = std::get_if<MessagePut>(&operation)) {
        for (const Message& message : put->messages) collect_put(message, position);
      } else if (const auto* const gone = std::get_if<MessageExpunge>(&operation)) {
        if (FolderTouches* const touches = touches_of(gone->folder_id, gone->uidvalidity))
          touches->address(gone->messages, {position, nullptr});
      } else if (const auto* const update = std::get_if<FlagsUpdate>(&operation)) {
        if (FolderTouches* const touches = touches_of(update->folder_id, update->uidvalidity))
          touches->address(update->messages, {position, update});
      } else if (const auto* const item = std::get_if<ItemPut>(&operation)) {
        items_.insert({item->item.kind, item->item.id});
      } else if (const auto* const item_gone = std::get_if<ItemDelete>(&operation)) {
        items_.insert({item_gone->kind, item_gone->id});
      }
    }
  }

  void collect_put(const Message& message, std::size_t position) {
    FolderTouches* const touches = touches_of(message.folder_id, message.uidvalidity);
    if (touches == nullptr) return;
    touches->put.insert(message.id);
    if (message.uid != 0) touches->by_uid[message.uid].push_back({position, nullptr});
  }

  // Null if the operation is void, or if no message of the snapshot in that folder stays anyway. The
  // UIDVALIDITY of the other folders is the same all the time.
  FolderTouches* touches_of(const std::string& folder_id, std::uint32_t uidvalidity) {
    if (account_deleted_ || dropped_.contains(folder_id)) return nullptr;
    const auto folder = state_.folders().find(folder_id);
    if (folder == state_.folders().end() || folder->second.uidvalidity != uidvalidity) return nullptr;
    return &touches_[folder_id];
  }

  [[nodiscard]] Status write_structure() {
    if (state_.account())
      if (Status status = out_.put(AccountPut{*state_.account()}); !status.ok()) return status;
    for (const auto& [id, folder] : state_.folders())
      if (Status status = out_.put(FolderPut{folder}); !status.ok()) return status;
    return {};
  }

  // Whether a message of the snapshot is in the result, and as what. One that the change puts is not: it
  // comes from `state_`.
  [[nodiscard]] bool survives(Message& message) const {
    if (account_deleted_ || dropped_.contains(message.folder_id)) return false;
    const auto folder = touches_.find(message.folder_id);
    if (folder == touches_.end()) return true;
    if (folder->second.put.contains(message.id)) return false;
    for (const Touch& touch : folder->second.of(message)) {
      if (touch.update == nullptr) return false;
      update_flags(message, *touch.update);
    }
    return true;
  }

  [[nodiscard]] bool survives(const Item& item) const {
    return !account_deleted_ && !deleted_.contains(item.folder_id) && !items_.contains(reader_.key());
  }

  [[nodiscard]] Status merge_messages() {
    auto next_put = state_.messages().begin();
    const auto end_put = state_.messages().end();
    while (reader_.part() == Part::message || next_put != end_put) {
      if (next_put != end_put && (reader_.part() != Part::message || next_put->first <= reader_.key())) {
        if (Status status = out_.put(MessagePut{{next_put->second}}); !status.ok()) return status;
        ++next_put;
        continue;
      }
      if (survives(reader_.message()))
        if (Status status = out_.put(std::move(reader_.operation())); !status.ok()) return status;
      if (Status status = reader_.advance(); !status.ok()) return status;
    }
    return {};
  }

  [[nodiscard]] Status merge_items() {
    auto next_put = state_.items().begin();
    const auto end_put = state_.items().end();
    while (reader_.part() == Part::item || next_put != end_put) {
      if (next_put != end_put && (reader_.part() != Part::item || next_put->first <= reader_.key())) {
        if (Status status = out_.put(ItemPut{next_put->second}); !status.ok()) return status;
        ++next_put;
        continue;
      }
      if (survives(reader_.item()))
        if (Status status = out_.put(std::move(reader_.operation())); !status.ok()) return status;
      if (Status status = reader_.advance(); !status.ok()) return status;
    }
    return {};
  }

  // They are few and their order counts: all are performed on a state of their own, where an ItemPut matters
  // only for what it supersedes.
  [[nodiscard]] Status merge_host_operations() {
    MailboxState host;
    while (reader_.part() != Part::end) {
      if (Status status = host.apply(reader_.operation()); !status.ok()) return status;
      if (Status status = reader_.advance(); !status.ok()) return status;
    }
    for (const Operation& operation : change_) {
      const auto* const put = std::get_if<ItemPut>(&operation);
      const bool matters = std::holds_alternative<ItemDelete>(operation) ||
                           std::holds_alternative<HostOp>(operation) ||
                           std::holds_alternative<UnknownOperation>(operation) ||
                           std::holds_alternative<AccountDelete>(operation);
      if (put == nullptr && !matters) continue;
      const Status status =
          put != nullptr ? host.apply(ItemDelete{put->item.kind, put->item.id}) : host.apply(operation);
      if (!status.ok()) return status;
    }
    return host.write(out_);
  }

  SnapshotReader reader_;
  std::span<const Operation> change_;
  OpSink& out_;
  MailboxState state_;
  bool account_deleted_ = false;
  std::set<std::string, std::less<>> dropped_;  // folders that lost their messages at some time
  std::set<std::string, std::less<>> deleted_;  // folders that lost the items naming them, too
  std::map<std::string, FolderTouches, std::less<>> touches_;
  std::set<ItemKey> items_;
};

}  // namespace

Status fold(OpStream& snapshot, std::span<const Operation> change, OpSink& out) {
  return Fold(snapshot, change, out).run();
}

}  // namespace v0
}  // namespace restante

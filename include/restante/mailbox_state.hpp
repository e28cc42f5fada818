#pragma once
/// \file
/// A mailbox as a value, and what can be done with two of them.
///
///     MailboxState state;
///     for (const Operation& op : history)
///       if (Status s = state.apply(op); !s.ok()) return s;
///     state.write(snapshot);            // sorted operations that recreate it
///
/// `MailboxState` does no I/O and reads no clock: it is the oracle of every test. It holds the whole mailbox
/// in memory; `fold` and `difference` do the same on sorted streams, in memory bounded by the change.

#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <restante/operation.hpp>

namespace restante {
inline namespace v0 {

/// (folder id, message id), in snapshot order.
using MessageKey = std::pair<std::string, std::string>;
/// (kind, id), in snapshot order.
using ItemKey = std::pair<std::string, std::string>;

/// A value: copying copies; distinct objects may be used from distinct threads.
class MailboxState {
 public:
  /// Performs `operation` (R2). `unsupported` for an unknown required operation or field, with nothing
  /// changed; everything else succeeds. Keywords and tags become sorted lists without duplicates, viewers
  /// without flags are forgotten, so that equal mailboxes are equal values.
  Status apply(const Operation& operation);

  /// Empty when the account does not exist (never put, or deleted).
  [[nodiscard]] const std::optional<Account>& account() const noexcept { return account_; }
  [[nodiscard]] const std::map<std::string, Folder>& folders() const noexcept { return folders_; }
  [[nodiscard]] const std::map<MessageKey, Message>& messages() const noexcept { return messages_; }
  [[nodiscard]] const std::map<ItemKey, Item>& items() const noexcept { return items_; }
  [[nodiscard]] const std::vector<HostOp>& host_ops() const noexcept { return host_ops_; }
  [[nodiscard]] const std::vector<UnknownOperation>& unknown_operations() const noexcept { return unknown_; }

  /// Null when there is none. `uid` 0 finds nothing.
  [[nodiscard]] const Message* find_uid(std::string_view folder_id, std::uint32_t uid) const;
  /// Path from the top with "/" between names; a loop or a missing parent ends it with "?/".
  [[nodiscard]] std::string path_of(std::string_view folder_id) const;

  /// Writes the sorted snapshot: AccountPut, FolderPut by id, MessagePut (one message each) by MessageKey,
  /// ItemPut by ItemKey, HostOp in order, unknown operations in order.
  [[nodiscard]] Status write(OpSink& sink) const;

  bool operator==(const MailboxState&) const = default;

 private:
  friend class StateEditor;
  std::optional<Account> account_;
  std::map<std::string, Folder> folders_;
  std::map<MessageKey, Message> messages_;
  std::map<std::pair<std::string, std::uint32_t>, std::string> uids_;
  std::map<ItemKey, Item> items_;
  std::vector<HostOp> host_ops_;
  std::vector<UnknownOperation> unknown_;
};

/// Applies `change` to the sorted snapshot in `snapshot` and writes the sorted result. The same as applying
/// to a `MailboxState`, in memory bounded by the folders, by HostOps and by what `change` touches.
/// `damaged` if `snapshot` is not sorted; `unsupported` as in `MailboxState::apply`, also for what `snapshot`
/// holds. After a failure what `out` got is no snapshot.
[[nodiscard]] Status fold(OpStream& snapshot, std::span<const Operation> change, OpSink& out);

/// Counts of a difference, for one folder or a whole mailbox.
struct DifferenceCounts {
  std::uint64_t added = 0;
  std::uint64_t removed = 0;
  /// Same message, other flags, keywords or tags.
  std::uint64_t flags_changed = 0;
  /// Same message, something else changed (UID, dates, attributes).
  std::uint64_t changed = 0;
  std::uint64_t unchanged = 0;

  bool operator==(const DifferenceCounts&) const = default;
  [[nodiscard]] bool none() const noexcept { return added + removed + flags_changed + changed == 0; }
  DifferenceCounts& operator+=(const DifferenceCounts& other) noexcept;
};

/// What a difference means for one folder.
struct FolderDifference {
  std::string folder_id{};
  /// Path in the new state, in the old one if the folder goes.
  std::string path{};
  /// Empty unless it was renamed.
  std::string old_path{};
  bool created = false;
  bool deleted = false;
  /// Name, parent, UIDVALIDITY, special use, role, mountpoint or attributes.
  bool properties_changed = false;
  /// UIDNEXT or HIGHESTMODSEQ grow.
  bool counters_changed = false;
  DifferenceCounts messages{};
};

struct DifferenceSummary {
  bool account_changed = false;
  /// Folders with any difference, by path.
  std::vector<FolderDifference> folders{};
  DifferenceCounts messages{};
  DifferenceCounts items{};
  /// HostOps and unknown operations to perform, to perform again or to take back.
  std::uint64_t host_operations = 0;
  /// HostOps and unknown operations that only `from` has and that no operation can take back, because they
  /// name no item.
  std::uint64_t host_operations_left = 0;
  [[nodiscard]] bool none() const noexcept {
    return !account_changed && folders.empty() && messages.none() && items.none() && host_operations == 0 &&
           host_operations_left == 0;
  }
};

struct DifferenceOptions {
  /// Fields outside are not compared.
  FieldSet fields = FieldSet::all();
};

/// Compares two sorted snapshots in one pass and writes to `out` the operations that turn `from` into `to`;
/// applying them to `from` gives `to` in all compared fields, counters apart that would have to fall (they
/// are no difference). Nothing is written if and only if the summary says `none()` or HostOps are left.
///
/// Fields that are not compared stay as `from` has them. So do UIDVALIDITY with `Field::uid` and content that
/// one side has not read (empty). Where UIDs are not compared, messages that `from` lacks are put without
/// one. Order: AccountPut, FolderPut (parents first), messages by folder, items, FolderDelete (children
/// first), then items and HostOps that must come later. If only `from` has an account: AccountDelete, then
/// all of `to`.
///
/// Without `Field::message_id`, messages of a folder that have no partner of the same id are paired by
/// content digest and internal date (if compared), one to one, the most similar first; operations then
/// address the id that `from` has.
///
/// Memory is bounded by folders, items and, without `Field::message_id`, by what differs.
/// `damaged` if an input is not sorted; `unsupported` if it holds something unknown and required.
[[nodiscard]] Result<DifferenceSummary> difference(OpStream& from, OpStream& to, OpSink& out,
                                                   const DifferenceOptions& options = {});

/// Collects operations in memory.
class OpVector final : public OpSink {
 public:
  [[nodiscard]] Status put(Operation operation) override;
  std::vector<Operation> operations{};
};

/// Streams a vector that outlives the stream.
[[nodiscard]] std::unique_ptr<OpStream> stream_of(const std::vector<Operation>& operations);

}  // namespace v0
}  // namespace restante

#pragma once
/// \file
/// What a mail store implements to be backed up. It needs no write access.
///
///     class MyStore : public MailSource {
///       FieldSet fields() const override { return {Field::uid, Field::uidnext, Field::internal_date}; }
///       Status list_accounts(const AccountFunction& each) override { … }
///       Result<SnapshotInfo> snapshot(std::string_view account, OpSink& out) override { … }
///       Result<std::unique_ptr<ContentReader>> open_content(…) override { … }
///     };
///
/// **Threads.** A session calls one source from several threads, for one account from one thread at a time.
/// **Failures.** A failure of one account ends that account with an error in the session; the session goes
/// on. Whether a store behaves is shown by the conformance suite in tests/conformance.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <restante/mailbox_state.hpp>
#include <restante/operation.hpp>
#include <restante/redo_log.hpp>

namespace restante {
inline namespace v0 {

/// Called for every account; a failure ends the listing and is passed on.
using AccountFunction = std::function<Status(const Account&)>;

/// What a snapshot knows about itself.
struct SnapshotInfo {
  /// The log position whose state the snapshot is exactly, for a store that keeps its last applied LSN with
  /// its data; nothing is fuzzy then (R1). Empty: read while changes went on.
  std::optional<Lsn> as_of{};
  /// For `changes_since`; opaque, empty if the store has none.
  std::string token{};
};

/// Names the content of a message or an item.
struct ContentPlace {
  /// Of a message; `item_kind` is empty.
  std::string folder_id{};
  std::string message_id{};
  std::uint32_t uid = 0;
  /// Of an item.
  std::string item_kind{};
  std::string item_id{};
  /// As the snapshot or the log told it, if it did.
  std::optional<ContentRef> content{};
};

class MailSource {
 public:
  virtual ~MailSource() = default;

  /// The fields that operations of this store carry (R15).
  [[nodiscard]] virtual FieldSet fields() const = 0;

  /// Every account of the store, in any order, each once.
  [[nodiscard]] virtual Status list_accounts(const AccountFunction& each) = 0;

  /// Writes the operations that recreate the mailbox from nothing: AccountPut, FolderPut, MessagePut,
  /// ItemPut, HostOp, in any order but folders before their messages. It reads committed changes only and
  /// may run while they go on. A message's `content` may be empty: the session reads it.
  /// `not_found` when the account is gone.
  [[nodiscard]] virtual Result<SnapshotInfo> snapshot(std::string_view account_id, OpSink& out) = 0;

  /// The same as a value; `out` is empty. The default collects what `snapshot` writes; a store that has such
  /// a value to give away saves the work.
  [[nodiscard]] virtual Result<SnapshotInfo> snapshot_state(std::string_view account_id, MailboxState& out);

  /// `not_found` when the message or item has gone since; that is no error if and only if the log says so.
  /// `unsupported` for an item that has no content (a subscription, a directory): it stays without.
  /// `unsupported` for an item that has no content at all; items whose snapshot names none are asked for.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                            const ContentPlace& place) = 0;

  /// Writes ItemPut operations for the server itself: directory, system tables, local configuration (seed:
  /// "global system data"). Their content is opened with `kServerAccount`. The default writes nothing.
  [[nodiscard]] virtual Status server_data(OpSink& out);

  /// Returns when every change of the account that had happened at the call is in the redo log. Hosts that
  /// append after the fact need it (R1); the default has nothing to do.
  [[nodiscard]] virtual Status barrier(std::string_view account_id);

  /// Accounts of which `barrier` would have nothing to wait for now: every change that had happened at the
  /// call is in the redo log, durably. For a source that knows that without a look at each account; a session
  /// that only archives the log asks once and calls `barrier` for the others. The default knows of none.
  [[nodiscard]] virtual Result<std::set<std::string>> settled_accounts();

  /// The seed's maintenance mode, for hosts without a redo log: between the two calls the mailbox does not
  /// change. The defaults do nothing and `can_suspend` says so.
  [[nodiscard]] virtual bool can_suspend() const { return false; }
  [[nodiscard]] virtual Status suspend(std::string_view account_id);
  [[nodiscard]] virtual Status resume(std::string_view account_id);

  /// Tells what a session learned: messages of the snapshot with the content that it did not name. A source
  /// that remembers it names it the next time, and nobody reads those messages again. A failure costs only
  /// that. The default does nothing.
  [[nodiscard]] virtual Status note_contents(std::string_view account_id, std::span<const Message> messages);

  /// Writes what has changed since the snapshot that gave `token` (R9). `unsupported` by default: the
  /// library compares whole snapshots.
  [[nodiscard]] virtual Result<SnapshotInfo> changes_since(std::string_view account_id,
                                                           std::string_view token, OpSink& out);
};

}  // namespace v0
}  // namespace restante

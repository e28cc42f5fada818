#pragma once
/// \file
/// The one vocabulary of restante: operations on mailboxes.
///
/// A snapshot is the operations that make a mailbox from nothing, a redo log the operations since, a
/// restore the operations that a store is asked to perform. Every operation is idempotent and convergent
/// (R2): applied again, or over a state that already holds later changes, the same history ends in the same
/// state. Operations on absent things succeed and do nothing.
///
///     MessagePut put;
///     put.messages.push_back({.id = "m1", .folder_id = "inbox", .uidvalidity = 7, .uid = 42});
///     Bytes record = encode(Operation{put});
///
/// What a host owes for that: an operation names a folder, or a UIDVALIDITY of it, only behind the FolderPut
/// that brought it; neither is used again for something else; a UIDNEXT or HIGHESTMODSEQ that a FolderPut
/// brings for the first time is above all that the folder has seen. Everything else may be stale.
///
/// `unknown` of an operation holds fields of a newer version (R17). They tell about the event: replay ignores
/// them unless they are required, a snapshot does not keep them (those of a HostOp apart, which is kept
/// whole).
///
/// `encode` and `decode` are pure; their bytes are specified in docs/format/operations.md.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <restante/bytes.hpp>
#include <restante/model.hpp>
#include <restante/status.hpp>

namespace restante {
inline namespace v0 {

/// Creates the account or replaces its record. Folders, messages and items stay.
struct AccountPut {
  Account account{};
  auto operator<=>(const AccountPut&) const = default;
};

/// Removes the account and all that it owns: afterwards the state is empty.
struct AccountDelete {
  std::string account_id{};
  UnknownFields unknown{};
  auto operator<=>(const AccountDelete&) const = default;
};

/// Creates the folder or replaces its record; a new `parent_id` or `name` is a rename of the whole subtree.
/// Another UIDVALIDITY drops the folder's messages: the host puts them again, by reference. Within one
/// UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ only grow; one that is absent here stays as it is.
struct FolderPut {
  Folder folder{};
  auto operator<=>(const FolderPut&) const = default;
};

/// Removes the folder with its messages and the items that name it. Children are not touched. Items that name
/// it go even if the folder itself is absent.
struct FolderDelete {
  std::string folder_id{};
  UnknownFields unknown{};
  auto operator<=>(const FolderDelete&) const = default;
};

/// Creates messages or replaces their records; a bulk copy is one operation. Each message is void if its
/// folder is absent or has another UIDVALIDITY. A message put at an assigned UID that another one of the
/// folder has takes that one's place. Raises the folder's UIDNEXT and HIGHESTMODSEQ where they are kept.
struct MessagePut {
  std::vector<Message> messages{};
  UnknownFields unknown{};
  auto operator<=>(const MessagePut&) const = default;
};

/// Removes messages of one folder. Void if the folder has another UIDVALIDITY. Otherwise raises UIDNEXT above
/// the UIDs that it names and HIGHESTMODSEQ to `modseq`, where they are kept, whether the messages are there
/// or not.
struct MessageExpunge {
  std::string folder_id{};
  std::uint32_t uidvalidity = 0;
  MessageSet messages{};
  std::optional<std::uint64_t> modseq{};
  UnknownFields unknown{};
  auto operator<=>(const MessageExpunge&) const = default;
};

/// Changes flags, keywords and tags of messages of one folder and sets their MODSEQ if `modseq` is given.
/// Void if the folder has another UIDVALIDITY. Otherwise raises the folder's counters as MessageExpunge does.
struct FlagsUpdate {
  enum class Mode : std::uint8_t {
    /// The three become what is given.
    replace = 0,
    add = 1,
    remove = 2,
  };
  std::string folder_id{};
  std::uint32_t uidvalidity = 0;
  MessageSet messages{};
  Mode mode = Mode::replace;
  /// `SystemFlag` bits.
  std::uint32_t flags = 0;
  std::vector<std::string> keywords{};
  std::vector<std::string> tags{};
  std::optional<std::uint64_t> modseq{};
  /// When set, `flags` are those of this viewer; keywords and tags must be empty.
  std::string viewer_account{};
  UnknownFields unknown{};
  auto operator<=>(const FlagsUpdate&) const = default;
};

/// Creates the item or replaces its record.
struct ItemPut {
  Item item{};
  auto operator<=>(const ItemPut&) const = default;
};

struct ItemDelete {
  std::string kind{};
  std::string id{};
  UnknownFields unknown{};
  auto operator<=>(const ItemDelete&) const = default;
};

/// Something that only the host understands, kept in order (R17). A later ItemPut or ItemDelete of
/// (`item_kind`, `item_id`) supersedes it, and so does an equal one. With both empty, nothing supersedes it
/// but an equal one, and the account can get real fulls only.
struct HostOp {
  std::string host{};
  std::string name{};
  std::string item_kind{};
  std::string item_id{};
  std::string data{};
  UnknownFields unknown{};
  auto operator<=>(const HostOp&) const = default;
};

/// Marks the operations behind it in the same transaction as the difference that a restore made (R4).
/// It changes no state by itself.
struct Rewind {
  Id128 log{};
  Id128 incarnation{};
  /// The position gone back to.
  std::uint64_t lsn = 0;
  /// The session that the state came from; may have been removed since.
  std::string label{};
  UnknownFields unknown{};
  auto operator<=>(const Rewind&) const = default;
};

/// An operation of a newer version. Kept byte for byte if it is not required, refused by `apply` otherwise.
struct UnknownOperation {
  std::uint32_t kind = 0;
  bool required = false;
  std::string bytes{};
  auto operator<=>(const UnknownOperation&) const = default;
};

using Operation = std::variant<AccountPut, AccountDelete, FolderPut, FolderDelete, MessagePut, MessageExpunge,
                               FlagsUpdate, ItemPut, ItemDelete, HostOp, Rewind, UnknownOperation>;

/// "MessagePut", …; "unknown" for `UnknownOperation`.
[[nodiscard]] std::string_view name_of(const Operation& operation) noexcept;

/// One line for people: "MessagePut inbox: 1 message, uid 42".
[[nodiscard]] std::string describe(const Operation& operation);

/// Checks what an operation owes: ids present and at most 1024 bytes, flags known, lists sorted where they
/// must be, UTF-8 nowhere assumed. `invalid_argument` names the first breach.
/// Called wherever operations enter: `decode` alone does not vouch for what this checks.
[[nodiscard]] Status validate(const Operation& operation);

/// Appends the encoding of `operation`, self-delimiting, to `out`. What `validate` passes, `decode` gives
/// back unchanged; what it refuses may decode as `damaged`.
void encode(const Operation& operation, Bytes& out);
[[nodiscard]] Bytes encode(const Operation& operation);

/// Decodes the operation at the front of `bytes` and moves `bytes` past it. Any input is safe: the answer is
/// `damaged` with what is wrong, never a crash, and memory stays in proportion to the input. After a failure
/// `bytes` is where it was. There is one encoding: what decodes, encodes to the same bytes.
[[nodiscard]] Result<Operation> decode(ByteView& bytes);

/// Takes operations, one at a time, for example from a snapshot in the making.
class OpSink {
 public:
  virtual ~OpSink() = default;
  /// A failure ends the stream; the producer passes it on.
  [[nodiscard]] virtual Status put(Operation operation) = 0;
};

/// Hands out operations, one at a time. Used by one thread at a time.
class OpStream {
 public:
  virtual ~OpStream() = default;
  /// False at the end.
  [[nodiscard]] virtual Result<bool> next(Operation& operation) = 0;
};

}  // namespace v0
}  // namespace restante

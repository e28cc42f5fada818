#pragma once
/// \file
/// What a mailbox consists of: accounts, folders, messages, items (terms of RFC 9051, RFC 8474, RFC 7162).
///
/// These are plain values. An `optional` that is empty, or an empty string where no empty value exists,
/// says "the source does not keep this", which is different from zero (R15).
///
/// Ids are opaque bytes of 1 to 1024 bytes that the host chose; they are compared, never interpreted.
/// Names are bytes as the host keeps them; `is_utf8` tells whether they may be shown as they are.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <restante/content.hpp>
#include <restante/time.hpp>

namespace restante {
inline namespace v0 {

/// Host-defined properties by name, for example "mode" -> "0600". Names are 1 to 255 bytes.
using Attributes = std::map<std::string, std::string>;

/// A field that this version does not know, kept byte for byte (R17). `required` fields are refused on
/// apply, so they are never in a `MailboxState`.
struct UnknownField {
  std::uint32_t tag = 0;
  bool required = false;
  std::string bytes{};

  auto operator<=>(const UnknownField&) const = default;
};
using UnknownFields = std::vector<UnknownField>;

/// A person or role with one mailbox.
struct Account {
  std::string id{};
  /// "user1@example.com"; may change while the id stays.
  std::string address{};
  std::string name{};
  Attributes attributes{};
  UnknownFields unknown{};

  auto operator<=>(const Account&) const = default;
};

/// The reserved account that stands for the server itself: its items are directory, system tables and
/// local configuration (the seed's "global system data").
inline constexpr std::string_view kServerAccount = "\x01server";

/// A folder that shows another account's folder (the seed's mountpoint).
struct Mountpoint {
  std::string owner_account{};
  std::string remote_id{};

  auto operator<=>(const Mountpoint&) const = default;
};

/// A folder. Its path is derived from `parent_id` and `name`; two folders may share one during replay (R2).
struct Folder {
  /// Never reused within the account.
  std::string id{};
  /// Empty at the top.
  std::string parent_id{};
  std::string name{};
  /// RFC 9051 §2.3.1.1; 0 while no server has assigned one.
  std::uint32_t uidvalidity = 0;
  std::optional<std::uint32_t> uidnext{};
  /// RFC 7162 §3.1.2.1.
  std::optional<std::uint64_t> highest_modseq{};
  /// RFC 6154 attribute, for example "\\Sent"; empty for none.
  std::string special_use{};
  /// Host-defined, for example "dumpster"; empty for none.
  std::string role{};
  std::optional<Mountpoint> mountpoint{};
  Attributes attributes{};
  UnknownFields unknown{};

  auto operator<=>(const Folder&) const = default;
};

/// IMAP system flags as bits (RFC 9051 §2.3.2). \Recent is not kept.
enum SystemFlag : std::uint32_t {
  kFlagSeen = 1,
  kFlagAnswered = 2,
  kFlagFlagged = 4,
  kFlagDeleted = 8,
  kFlagDraft = 16,
};
inline constexpr std::uint32_t kAllSystemFlags = 31;

/// One membership of one email in one folder.
struct Message {
  /// Unique within (account, folder), stable as long as the message stays there.
  std::string id{};
  std::string folder_id{};
  /// Of the folder when this was recorded; the message is void if the folder has another (R2).
  std::uint32_t uidvalidity = 0;
  /// 0 while unassigned.
  std::uint32_t uid = 0;
  /// RFC 8474: the same for copies of one email. Empty: not kept.
  std::string email_id{};
  std::string thread_id{};
  /// Empty in a snapshot whose content has not been read yet; the session fills it in.
  std::optional<ContentRef> content{};
  std::optional<Time> internal_date{};
  /// RFC 8514.
  std::optional<Time> save_date{};
  std::optional<std::uint64_t> modseq{};
  /// `SystemFlag` bits.
  std::uint32_t flags = 0;
  /// Sorted, without duplicates.
  std::vector<std::string> keywords{};
  /// Host tags that are no IMAP keywords; sorted, without duplicates.
  std::vector<std::string> tags{};
  /// Flags of other viewers than the owner, by account id, for example a shared folder's \Seen.
  std::map<std::string, std::uint32_t> viewer_flags{};
  Attributes attributes{};
  UnknownFields unknown{};

  auto operator<=>(const Message&) const = default;
};

/// Everything else that a mailbox owns, by (kind, id): contact, calendar, subscription, Sieve script,
/// annotation, grant, database row, side file …
struct Item {
  /// A short host-defined word; restante's own stores use "subscription" and "file".
  std::string kind{};
  std::string id{};
  /// The folder it goes away with; empty for none.
  std::string folder_id{};
  /// The item that contains it; empty for none.
  std::string parent{};
  std::uint32_t uid = 0;
  std::optional<std::uint64_t> modseq{};
  std::optional<std::uint64_t> revision{};
  std::uint32_t flags = 0;
  std::vector<std::string> tags{};
  std::optional<ContentRef> content{};
  Attributes attributes{};
  UnknownFields unknown{};

  auto operator<=>(const Item&) const = default;
};

/// Addresses messages of one folder, by UID or by message id. Either list may be empty.
struct MessageSet {
  std::vector<std::uint32_t> uids{};
  std::vector<std::string> message_ids{};

  auto operator<=>(const MessageSet&) const = default;
  [[nodiscard]] bool empty() const noexcept { return uids.empty() && message_ids.empty(); }
};

/// Which fields a store keeps. A comparison uses the intersection of both sides and says what it could not
/// prove (R15).
enum class Field : std::uint32_t {
  uid = 1u << 0,
  uidnext = 1u << 1,
  modseq = 1u << 2,
  email_id = 1u << 3,
  thread_id = 1u << 4,
  internal_date = 1u << 5,
  save_date = 1u << 6,
  keywords = 1u << 7,
  tags = 1u << 8,
  viewer_flags = 1u << 9,
  attributes = 1u << 10,
  special_use = 1u << 11,
  items = 1u << 12,
  /// The message id survives the message's removal and return. Where it does not (a Maildir's base name),
  /// a comparison pairs messages by content and date.
  message_id = 1u << 13,
};

/// A set of `Field`.
class FieldSet {
 public:
  constexpr FieldSet() noexcept = default;
  constexpr FieldSet(std::initializer_list<Field> fields) noexcept {
    for (Field field : fields) bits_ |= static_cast<std::uint32_t>(field);
  }
  [[nodiscard]] static constexpr FieldSet all() noexcept { return from_bits((1u << 14) - 1); }
  [[nodiscard]] static constexpr FieldSet from_bits(std::uint32_t bits) noexcept {
    FieldSet set{};
    set.bits_ = bits;
    return set;
  }
  [[nodiscard]] constexpr bool has(Field field) const noexcept {
    return (bits_ & static_cast<std::uint32_t>(field)) != 0;
  }
  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  [[nodiscard]] constexpr FieldSet operator&(FieldSet other) const noexcept {
    return from_bits(bits_ & other.bits_);
  }
  [[nodiscard]] constexpr FieldSet without(FieldSet other) const noexcept {
    return from_bits(bits_ & ~other.bits_);
  }
  constexpr bool operator==(const FieldSet&) const noexcept = default;
  /// "uid, modseq"; "nothing" for the empty set.
  [[nodiscard]] std::string to_string() const;

 private:
  std::uint32_t bits_ = 0;
};

[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

}  // namespace v0
}  // namespace restante

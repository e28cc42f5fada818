// What operations owe. `decode` sees to the shape of the bytes; this sees to what they say.

#include <restante/operation.hpp>

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "format/operation_tags.hpp"

namespace restante {
inline namespace v0 {
namespace {

using namespace format;
using base::cat;

// Collects the first breach.
class Checker {
 public:
  [[nodiscard]] Status status(std::string_view operation) const {
    if (breach_.empty()) return {};
    return Status(Code::invalid_argument, cat(operation, ": ", breach_));
  }

  void check(bool holds, std::string_view field, std::string_view breach) {
    if (breach_.empty() && !holds) breach_ = cat(field, " ", breach);
  }
  void optional_id(std::string_view id, std::string_view field) {
    check(id.size() <= base::kMaxIdBytes, field, cat("is longer than ", base::kMaxIdBytes, " bytes"));
  }
  void id(std::string_view id, std::string_view field) {
    check(!id.empty(), field, "is empty");
    optional_id(id, field);
  }
  void word(std::string_view word, std::string_view field) {
    check(!word.empty(), field, "is empty");
    check(word.size() <= base::kMaxWordBytes, field, cat("is longer than ", base::kMaxWordBytes, " bytes"));
  }
  void attributes(const Attributes& attributes) {
    for (const auto& [name, value] : attributes) word(name, "attribute name");
  }
  void flags(std::uint32_t flags) {
    check((flags & ~std::uint32_t{kAllSystemFlags}) == 0, "flags", "hold an unknown bit");
  }
  void sorted(const std::vector<std::string>& list, std::string_view field) {
    for (const std::string& text : list) check(!text.empty(), field, "hold an empty one");
    const bool in_order = std::adjacent_find(list.begin(), list.end(), std::greater_equal<>()) == list.end();
    check(in_order, field, "are not sorted or not distinct");
  }
  void set(const MessageSet& set) {
    for (const std::uint32_t uid : set.uids) check(uid != 0, "uids", "hold 0");
    for (const std::string& message_id : set.message_ids) id(message_id, "message id");
  }
  void unknown(const UnknownFields& fields, std::uint32_t last_known) {
    std::uint32_t before = last_known + 1;
    for (const UnknownField& field : fields) {
      check(field.tag > last_known, "unknown field", cat(field.tag, " is a known one"));
      check(field.tag >= before, "unknown fields", "are not in the order of their numbers");
      before = field.tag;
    }
  }

 private:
  std::string breach_;
};

struct Validator {
  Checker& out;

  void operator()(const AccountPut& put) const {
    out.id(put.account.id, "id");
    out.attributes(put.account.attributes);
    out.unknown(put.account.unknown, kLastAccountTag);
  }
  void operator()(const AccountDelete& gone) const {
    out.id(gone.account_id, "account id");
    out.unknown(gone.unknown, kLastAccountDeleteTag);
  }
  void operator()(const FolderPut& put) const {
    const Folder& folder = put.folder;
    out.id(folder.id, "id");
    out.optional_id(folder.parent_id, "parent id");
    out.check(folder.parent_id != folder.id, "folder", "is its own parent");
    if (folder.mountpoint) out.id(folder.mountpoint->owner_account, "mountpoint owner");
    if (folder.mountpoint) out.optional_id(folder.mountpoint->remote_id, "mountpoint remote id");
    out.attributes(folder.attributes);
    out.unknown(folder.unknown, kLastFolderTag);
  }
  void operator()(const FolderDelete& gone) const {
    out.id(gone.folder_id, "folder id");
    out.unknown(gone.unknown, kLastFolderDeleteTag);
  }
  void operator()(const MessagePut& put) const {
    for (const Message& message : put.messages) (*this)(message);
    out.unknown(put.unknown, kLastMessagePutTag);
  }
  void operator()(const Message& message) const {
    out.id(message.id, "message id");
    out.id(message.folder_id, "folder id");
    out.optional_id(message.email_id, "email id");
    out.optional_id(message.thread_id, "thread id");
    out.flags(message.flags);
    out.sorted(message.keywords, "keywords");
    out.sorted(message.tags, "tags");
    for (const auto& [viewer, flags] : message.viewer_flags) {
      out.id(viewer, "viewer");
      out.flags(flags);
      out.check(flags != 0, "viewer", "has no flags");
    }
    out.attributes(message.attributes);
    out.unknown(message.unknown, kLastMessageTag);
  }
  void operator()(const MessageExpunge& gone) const {
    out.id(gone.folder_id, "folder id");
    out.set(gone.messages);
    out.unknown(gone.unknown, kLastMessageExpungeTag);
  }
  void operator()(const FlagsUpdate& update) const {
    out.id(update.folder_id, "folder id");
    out.set(update.messages);
    out.check(update.mode <= FlagsUpdate::Mode::remove, "mode", "is unknown");
    out.flags(update.flags);
    out.sorted(update.keywords, "keywords");
    out.sorted(update.tags, "tags");
    out.optional_id(update.viewer_account, "viewer");
    const bool owner_only = !update.keywords.empty() || !update.tags.empty();
    out.check(update.viewer_account.empty() || !owner_only, "viewer", "has keywords or tags");
    out.unknown(update.unknown, kLastFlagsUpdateTag);
  }
  void operator()(const ItemPut& put) const {
    const Item& item = put.item;
    out.word(item.kind, "kind");
    out.id(item.id, "id");
    out.optional_id(item.folder_id, "folder id");
    out.optional_id(item.parent, "parent");
    out.sorted(item.tags, "tags");
    out.attributes(item.attributes);
    out.unknown(item.unknown, kLastItemTag);
  }
  void operator()(const ItemDelete& gone) const {
    out.word(gone.kind, "kind");
    out.id(gone.id, "id");
    out.unknown(gone.unknown, kLastItemDeleteTag);
  }
  void operator()(const HostOp& operation) const {
    out.word(operation.host, "host");
    out.word(operation.name, "name");
    const bool keyed = !operation.item_kind.empty() || !operation.item_id.empty();
    if (keyed) out.word(operation.item_kind, "item kind");
    if (keyed) out.id(operation.item_id, "item id");
    out.unknown(operation.unknown, kLastHostOpTag);
  }
  void operator()(const Rewind& rewind) const {
    out.check(!rewind.log.is_none(), "log", "is missing");
    out.check(!rewind.incarnation.is_none(), "incarnation", "is missing");
    out.unknown(rewind.unknown, kLastRewindTag);
  }
  void operator()(const UnknownOperation& operation) const {
    out.check(operation.kind > kLastOperationKind, "kind", cat(operation.kind, " is a known one"));
  }
};

}  // namespace

Status validate(const Operation& operation) {
  Checker checker;
  std::visit(Validator{checker}, operation);
  return checker.status(name_of(operation));
}

}  // namespace v0
}  // namespace restante

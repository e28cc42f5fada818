// Operations as C structures that point into them.

#include <type_traits>

#include "ops.hpp"

namespace restante::capi {
namespace {

static_assert(std::uint32_t{RESTANTE_FLAG_SEEN} == kFlagSeen &&
              std::uint32_t{RESTANTE_FLAG_ANSWERED} == kFlagAnswered &&
              std::uint32_t{RESTANTE_FLAG_FLAGGED} == kFlagFlagged &&
              std::uint32_t{RESTANTE_FLAG_DELETED} == kFlagDeleted &&
              std::uint32_t{RESTANTE_FLAG_DRAFT} == kFlagDraft);
static_assert(kServerAccount == RESTANTE_SERVER_ACCOUNT);

std::uint32_t kind_of(const Operation& operation) {
  struct Kinds {
    std::uint32_t operator()(const AccountPut&) const { return RESTANTE_OP_ACCOUNT_PUT; }
    std::uint32_t operator()(const AccountDelete&) const { return RESTANTE_OP_ACCOUNT_DELETE; }
    std::uint32_t operator()(const FolderPut&) const { return RESTANTE_OP_FOLDER_PUT; }
    std::uint32_t operator()(const FolderDelete&) const { return RESTANTE_OP_FOLDER_DELETE; }
    std::uint32_t operator()(const MessagePut&) const { return RESTANTE_OP_MESSAGE_PUT; }
    std::uint32_t operator()(const MessageExpunge&) const { return RESTANTE_OP_MESSAGE_EXPUNGE; }
    std::uint32_t operator()(const FlagsUpdate&) const { return RESTANTE_OP_FLAGS_UPDATE; }
    std::uint32_t operator()(const ItemPut&) const { return RESTANTE_OP_ITEM_PUT; }
    std::uint32_t operator()(const ItemDelete&) const { return RESTANTE_OP_ITEM_DELETE; }
    std::uint32_t operator()(const HostOp&) const { return RESTANTE_OP_HOST_OP; }
    std::uint32_t operator()(const Rewind&) const { return RESTANTE_OP_REWIND; }
    std::uint32_t operator()(const UnknownOperation&) const { return RESTANTE_OP_UNKNOWN; }
  };
  return std::visit(Kinds{}, operation);
}

const Operation* find(const restante_ops* ops, std::size_t index) {
  return ops != nullptr && index < ops->operations->size() ? &(*ops->operations)[index] : nullptr;
}

Status past_end(std::size_t index) {
  return invalid("there is no operation " + std::to_string(index) + " in the list");
}

/// A C structure cannot carry fields of a newer version, so those that must not be ignored stop the reader.
Status check_known(const UnknownFields& fields) {
  for (const UnknownField& field : fields) {
    if (!field.required) continue;
    return Status(Code::unsupported, "it has field " + std::to_string(field.tag) +
                                         " of a newer version, which must not be ignored");
  }
  return {};
}

/// The operation at `index` as an `Op`.
template <class Op>
Status expect(const restante_ops* ops, std::size_t index, const Op*& out) {
  if (Status null = require(ops, "ops"); !null.ok()) return null;
  const Operation* operation = find(ops, index);
  if (operation == nullptr) return past_end(index);
  out = std::get_if<Op>(operation);
  if (out != nullptr) return {};
  return invalid("operation " + std::to_string(index) +
                 " is another kind: " + std::string(name_of(*operation)));
}

void list_texts(const std::vector<std::string>& texts, std::vector<restante_view>& views,
                const restante_view*& out, std::size_t& out_count) {
  views.clear();
  for (const std::string& text : texts) views.push_back(view_of(text));
  out = views.data();
  out_count = views.size();
}

void list_attributes(const Attributes& attributes, Arrays& arrays, const restante_attribute*& out,
                     std::size_t& out_count) {
  arrays.attributes.clear();
  for (const auto& [name, value] : attributes) arrays.attributes.push_back({view_of(name), view_of(value)});
  out = arrays.attributes.data();
  out_count = arrays.attributes.size();
}

/// Sets a member and its bit if there is a value.
template <class T, class Member>
void fill_optional(const std::optional<T>& value, std::uint32_t bit, std::uint32_t& present, Member& out) {
  if (!value) return;
  present |= bit;
  if constexpr (std::is_same_v<T, Time>) {
    out = value->us;
  } else if constexpr (std::is_same_v<T, ContentRef>) {
    out = content_to_c(*value);
  } else {
    out = *value;
  }
}

restante_account to_c(const Account& account, Arrays& arrays) {
  restante_account out{};
  out.id = view_of(account.id);
  out.address = view_of(account.address);
  out.name = view_of(account.name);
  list_attributes(account.attributes, arrays, out.attributes, out.attribute_count);
  return out;
}

restante_folder to_c(const Folder& folder, Arrays& arrays) {
  restante_folder out{};
  out.id = view_of(folder.id);
  out.parent_id = view_of(folder.parent_id);
  out.name = view_of(folder.name);
  out.uidvalidity = folder.uidvalidity;
  fill_optional(folder.uidnext, RESTANTE_HAS_UIDNEXT, out.present, out.uidnext);
  fill_optional(folder.highest_modseq, RESTANTE_HAS_HIGHEST_MODSEQ, out.present, out.highest_modseq);
  out.special_use = view_of(folder.special_use);
  out.role = view_of(folder.role);
  if (folder.mountpoint) {
    out.present |= RESTANTE_HAS_MOUNTPOINT;
    out.mountpoint_owner = view_of(folder.mountpoint->owner_account);
    out.mountpoint_remote_id = view_of(folder.mountpoint->remote_id);
  }
  list_attributes(folder.attributes, arrays, out.attributes, out.attribute_count);
  return out;
}

restante_message to_c(const Message& message, Arrays& arrays) {
  restante_message out{};
  out.id = view_of(message.id);
  out.folder_id = view_of(message.folder_id);
  out.uidvalidity = message.uidvalidity;
  out.uid = message.uid;
  out.email_id = view_of(message.email_id);
  out.thread_id = view_of(message.thread_id);
  fill_optional(message.content, RESTANTE_HAS_CONTENT, out.present, out.content);
  fill_optional(message.internal_date, RESTANTE_HAS_INTERNAL_DATE, out.present, out.internal_date);
  fill_optional(message.save_date, RESTANTE_HAS_SAVE_DATE, out.present, out.save_date);
  fill_optional(message.modseq, RESTANTE_HAS_MODSEQ, out.present, out.modseq);
  out.flags = message.flags;
  list_texts(message.keywords, arrays.keywords, out.keywords, out.keyword_count);
  list_texts(message.tags, arrays.tags, out.tags, out.tag_count);
  arrays.viewer_flags.clear();
  for (const auto& [account, flags] : message.viewer_flags) {
    arrays.viewer_flags.push_back({view_of(account), flags, 0});
  }
  out.viewer_flags = arrays.viewer_flags.data();
  out.viewer_flag_count = arrays.viewer_flags.size();
  list_attributes(message.attributes, arrays, out.attributes, out.attribute_count);
  return out;
}

restante_item to_c(const Item& item, Arrays& arrays) {
  restante_item out{};
  out.kind = view_of(item.kind);
  out.id = view_of(item.id);
  out.folder_id = view_of(item.folder_id);
  out.parent = view_of(item.parent);
  out.uid = item.uid;
  out.flags = item.flags;
  fill_optional(item.modseq, RESTANTE_HAS_MODSEQ, out.present, out.modseq);
  fill_optional(item.revision, RESTANTE_HAS_REVISION, out.present, out.revision);
  fill_optional(item.content, RESTANTE_HAS_CONTENT, out.present, out.content);
  list_texts(item.tags, arrays.tags, out.tags, out.tag_count);
  list_attributes(item.attributes, arrays, out.attributes, out.attribute_count);
  return out;
}

const restante_message_set* to_c(const MessageSet& set, Arrays& arrays) {
  restante_message_set& out = arrays.messages;
  out.struct_size = sizeof out;
  out.uids = set.uids.data();
  out.uid_count = set.uids.size();
  list_texts(set.message_ids, arrays.message_ids, out.message_ids, out.message_id_count);
  return &out;
}

restante_expunge to_c(const MessageExpunge& expunge, Arrays& arrays) {
  restante_expunge out{};
  out.folder_id = view_of(expunge.folder_id);
  fill_optional(expunge.modseq, RESTANTE_HAS_MODSEQ, out.present, out.modseq);
  out.messages = to_c(expunge.messages, arrays);
  out.uidvalidity = expunge.uidvalidity;
  return out;
}

std::uint32_t mode_of(FlagsUpdate::Mode mode) {
  switch (mode) {
    case FlagsUpdate::Mode::replace: return RESTANTE_FLAGS_REPLACE;
    case FlagsUpdate::Mode::add: return RESTANTE_FLAGS_ADD;
    case FlagsUpdate::Mode::remove: return RESTANTE_FLAGS_REMOVE;
  }
  return RESTANTE_FLAGS_REPLACE;
}

restante_flags_change to_c(const FlagsUpdate& change, Arrays& arrays) {
  restante_flags_change out{};
  out.folder_id = view_of(change.folder_id);
  out.messages = to_c(change.messages, arrays);
  out.uidvalidity = change.uidvalidity;
  out.mode = mode_of(change.mode);
  fill_optional(change.modseq, RESTANTE_HAS_MODSEQ, out.present, out.modseq);
  list_texts(change.keywords, arrays.keywords, out.keywords, out.keyword_count);
  list_texts(change.tags, arrays.tags, out.tags, out.tag_count);
  out.viewer_account = view_of(change.viewer_account);
  out.flags = change.flags;
  return out;
}

restante_host_op to_c(const HostOp& host_op, Arrays&) {
  restante_host_op out{};
  out.host = view_of(host_op.host);
  out.name = view_of(host_op.name);
  out.item_kind = view_of(host_op.item_kind);
  out.item_id = view_of(host_op.item_id);
  out.data = view_of(host_op.data);
  return out;
}

restante_rewind to_c(const Rewind& rewind, Arrays&) {
  restante_rewind out{};
  out.log = c_id(rewind.log);
  out.incarnation = c_id(rewind.incarnation);
  out.lsn = rewind.lsn;
  out.label = view_of(rewind.label);
  return out;
}

/// Fills `given` from a record. The arrays of an element are made once: reading it again is free, and what
/// an earlier reading pointed to stays.
template <class Record, class CStruct>
Status fill(const restante_ops* ops, std::size_t index, std::size_t element, const Record& record,
            CStruct* given, const char* type) {
  if (Status unknown = check_known(record.unknown); !unknown.ok()) {
    return unknown.with_context("operation " + std::to_string(index));
  }
  if (Status null = require(given, type); !null.ok()) return null;
  auto& arrays = ops->arrays[{index, element}];
  if (arrays == nullptr) arrays = std::make_unique<Arrays>();
  return fill_struct(given, type, to_c(record, *arrays));
}

struct Deleted {
  restante_view kind{};
  restante_view id{};
};

Status deleted_by(const Operation& operation, Deleted& out) {
  if (const auto* account = std::get_if<AccountDelete>(&operation)) {
    out = {{}, view_of(account->account_id)};
    return check_known(account->unknown);
  }
  if (const auto* folder = std::get_if<FolderDelete>(&operation)) {
    out = {{}, view_of(folder->folder_id)};
    return check_known(folder->unknown);
  }
  if (const auto* item = std::get_if<ItemDelete>(&operation)) {
    out = {view_of(item->kind), view_of(item->id)};
    return check_known(item->unknown);
  }
  return invalid("it deletes nothing: " + std::string(name_of(operation)));
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::size_t restante_ops_count(const restante_ops* ops) {
  return ops == nullptr ? 0 : ops->operations->size();
}

std::uint32_t restante_ops_kind(const restante_ops* ops, std::size_t index) {
  const Operation* operation = find(ops, index);
  return operation == nullptr ? static_cast<std::uint32_t>(RESTANTE_OP_UNKNOWN) : kind_of(*operation);
}

std::int32_t restante_ops_describe(const restante_ops* ops, std::size_t index, const char** out_text,
                                   restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(ops, "ops"); !null.ok()) return null;
    if (Status null = require(out_text, "out_text"); !null.ok()) return null;
    const Operation* operation = find(ops, index);
    if (operation == nullptr) return past_end(index);
    std::string text = describe(*operation);
    *out_text = ops->descriptions.try_emplace(index, std::move(text)).first->second.c_str();
    return {};
  });
}

std::int32_t restante_ops_get_account(const restante_ops* ops, std::size_t index,
                                      restante_account* out_account, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const AccountPut* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, op->account, out_account, "restante_account");
  });
}

std::int32_t restante_ops_get_folder(const restante_ops* ops, std::size_t index, restante_folder* out_folder,
                                     restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const FolderPut* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, op->folder, out_folder, "restante_folder");
  });
}

std::size_t restante_ops_message_count(const restante_ops* ops, std::size_t index) {
  const Operation* operation = find(ops, index);
  const auto* put = operation == nullptr ? nullptr : std::get_if<MessagePut>(operation);
  return put == nullptr ? 0 : put->messages.size();
}

std::int32_t restante_ops_get_message(const restante_ops* ops, std::size_t index, std::size_t element,
                                      restante_message* out_message, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const MessagePut* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    if (Status unknown = check_known(op->unknown); !unknown.ok()) return unknown;
    if (element >= op->messages.size()) {
      return invalid("operation " + std::to_string(index) + " has no message " + std::to_string(element));
    }
    return fill(ops, index, element, op->messages[element], out_message, "restante_message");
  });
}

std::int32_t restante_ops_get_expunge(const restante_ops* ops, std::size_t index,
                                      restante_expunge* out_expunge, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const MessageExpunge* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, *op, out_expunge, "restante_expunge");
  });
}

std::int32_t restante_ops_get_flags_change(const restante_ops* ops, std::size_t index,
                                           restante_flags_change* out_change, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const FlagsUpdate* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, *op, out_change, "restante_flags_change");
  });
}

std::int32_t restante_ops_get_item(const restante_ops* ops, std::size_t index, restante_item* out_item,
                                   restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const ItemPut* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, op->item, out_item, "restante_item");
  });
}

std::int32_t restante_ops_get_host_op(const restante_ops* ops, std::size_t index,
                                      restante_host_op* out_host_op, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const HostOp* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, *op, out_host_op, "restante_host_op");
  });
}

std::int32_t restante_ops_get_rewind(const restante_ops* ops, std::size_t index, restante_rewind* out_rewind,
                                     restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    const Rewind* op = nullptr;
    if (Status wrong = expect(ops, index, op); !wrong.ok()) return wrong;
    return fill(ops, index, 0, *op, out_rewind, "restante_rewind");
  });
}

std::int32_t restante_ops_get_deleted(const restante_ops* ops, std::size_t index, restante_view* out_kind,
                                      restante_view* out_id, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(ops, "ops"); !null.ok()) return null;
    const Operation* operation = find(ops, index);
    if (operation == nullptr) return past_end(index);
    Deleted deleted;
    if (Status wrong = deleted_by(*operation, deleted); !wrong.ok()) {
      return wrong.with_context("operation " + std::to_string(index));
    }
    if (out_kind != nullptr) *out_kind = deleted.kind;
    if (out_id != nullptr) *out_id = deleted.id;
    return {};
  });
}

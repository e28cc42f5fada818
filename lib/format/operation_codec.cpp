// Operations <-> bytes, after docs/format/operations.md.

#include <restante/operation.hpp>

#include <limits>

#include "base/text.hpp"
#include "base/wire.hpp"
#include "format/fields.hpp"
#include "format/operation_tags.hpp"

namespace restante::format {

// What each record consists of, for both directions.

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Account>& account) {
  fields.key(kAccountId, account.id);
  fields.text(kAccountAddress, account.address);
  fields.text(kAccountName, account.name);
  fields.attributes(kAccountAttributes, account.attributes);
  fields.unknown(account.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Folder>& folder) {
  fields.key(kFolderId, folder.id);
  fields.text(kFolderParentId, folder.parent_id);
  fields.text(kFolderName, folder.name);
  fields.number(kFolderUidvalidity, folder.uidvalidity);
  fields.number(kFolderUidnext, folder.uidnext);
  fields.number(kFolderHighestModseq, folder.highest_modseq);
  fields.text(kFolderSpecialUse, folder.special_use);
  fields.text(kFolderRole, folder.role);
  fields.mountpoint(kFolderMountpoint, folder.mountpoint);
  fields.attributes(kFolderAttributes, folder.attributes);
  fields.unknown(folder.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Message>& message) {
  fields.key(kMessageId, message.id);
  fields.key(kMessageFolderId, message.folder_id);
  fields.number(kMessageUidvalidity, message.uidvalidity);
  fields.number(kMessageUid, message.uid);
  fields.text(kMessageEmailId, message.email_id);
  fields.text(kMessageThreadId, message.thread_id);
  fields.content(kMessageContent, message.content);
  fields.time(kMessageInternalDate, message.internal_date);
  fields.time(kMessageSaveDate, message.save_date);
  fields.number(kMessageModseq, message.modseq);
  fields.number(kMessageFlags, message.flags);
  fields.texts(kMessageKeywords, message.keywords);
  fields.texts(kMessageTags, message.tags);
  fields.viewer_flags(kMessageViewerFlags, message.viewer_flags);
  fields.attributes(kMessageAttributes, message.attributes);
  fields.unknown(message.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Item>& item) {
  fields.key(kItemKind, item.kind);
  fields.key(kItemId, item.id);
  fields.text(kItemFolderId, item.folder_id);
  fields.text(kItemParent, item.parent);
  fields.number(kItemUid, item.uid);
  fields.number(kItemModseq, item.modseq);
  fields.number(kItemRevision, item.revision);
  fields.number(kItemFlags, item.flags);
  fields.texts(kItemTags, item.tags);
  fields.content(kItemContent, item.content);
  fields.attributes(kItemAttributes, item.attributes);
  fields.unknown(item.unknown);
}

// The bodies of the operations. Those of most puts are their records.

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, AccountPut>& put) {
  fields_of(fields, put.account);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, FolderPut>& put) {
  fields_of(fields, put.folder);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, ItemPut>& put) {
  fields_of(fields, put.item);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, AccountDelete>& gone) {
  fields.key(kAccountDeleteId, gone.account_id);
  fields.unknown(gone.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, FolderDelete>& gone) {
  fields.key(kFolderDeleteId, gone.folder_id);
  fields.unknown(gone.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, MessagePut>& put) {
  fields.records(kMessagePutMessage, kLastMessageTag, put.messages);
  fields.unknown(put.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, MessageExpunge>& gone) {
  fields.key(kExpungeFolderId, gone.folder_id);
  fields.number(kExpungeUidvalidity, gone.uidvalidity);
  fields.uids(kExpungeUids, gone.messages.uids);
  fields.texts(kExpungeMessageIds, gone.messages.message_ids);
  fields.number(kExpungeModseq, gone.modseq);
  fields.unknown(gone.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, FlagsUpdate>& update) {
  fields.key(kFlagsFolderId, update.folder_id);
  fields.number(kFlagsUidvalidity, update.uidvalidity);
  fields.uids(kFlagsUids, update.messages.uids);
  fields.texts(kFlagsMessageIds, update.messages.message_ids);
  fields.choice(kFlagsMode, update.mode, FlagsUpdate::Mode::remove);
  fields.number(kFlagsFlags, update.flags);
  fields.texts(kFlagsKeywords, update.keywords);
  fields.texts(kFlagsTags, update.tags);
  fields.number(kFlagsModseq, update.modseq);
  fields.text(kFlagsViewerAccount, update.viewer_account);
  fields.unknown(update.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, ItemDelete>& gone) {
  fields.key(kItemDeleteKind, gone.kind);
  fields.key(kItemDeleteId, gone.id);
  fields.unknown(gone.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, HostOp>& operation) {
  fields.key(kHostOpHost, operation.host);
  fields.key(kHostOpName, operation.name);
  fields.text(kHostOpItemKind, operation.item_kind);
  fields.text(kHostOpItemId, operation.item_id);
  fields.text(kHostOpData, operation.data);
  fields.unknown(operation.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Rewind>& rewind) {
  fields.id(kRewindLog, rewind.log);
  fields.id(kRewindIncarnation, rewind.incarnation);
  fields.number(kRewindLsn, rewind.lsn);
  fields.text(kRewindLabel, rewind.label);
  fields.unknown(rewind.unknown);
}

}  // namespace restante::format

namespace restante {
inline namespace v0 {
namespace {

using namespace format;
using base::cat;

template <std::uint32_t kind, std::uint32_t last_tag>
struct Numbers {
  static constexpr std::uint32_t kKind = kind;
  static constexpr std::uint32_t kLastTag = last_tag;
};

// The kind of an operation and the last field that this version knows of it.
template <class T>
struct Known;
template <>
struct Known<AccountPut> : Numbers<kAccountPut, kLastAccountTag> {};
template <>
struct Known<AccountDelete> : Numbers<kAccountDelete, kLastAccountDeleteTag> {};
template <>
struct Known<FolderPut> : Numbers<kFolderPut, kLastFolderTag> {};
template <>
struct Known<FolderDelete> : Numbers<kFolderDelete, kLastFolderDeleteTag> {};
template <>
struct Known<MessagePut> : Numbers<kMessagePut, kLastMessagePutTag> {};
template <>
struct Known<MessageExpunge> : Numbers<kMessageExpunge, kLastMessageExpungeTag> {};
template <>
struct Known<FlagsUpdate> : Numbers<kFlagsUpdate, kLastFlagsUpdateTag> {};
template <>
struct Known<ItemPut> : Numbers<kItemPut, kLastItemTag> {};
template <>
struct Known<ItemDelete> : Numbers<kItemDelete, kLastItemDeleteTag> {};
template <>
struct Known<HostOp> : Numbers<kHostOp, kLastHostOpTag> {};
template <>
struct Known<Rewind> : Numbers<kRewind, kLastRewindTag> {};

void write_operation(std::uint32_t kind, bool required, ByteView body, Bytes& out) {
  base::ByteWriter writer(out);
  writer.varint(std::uint64_t{kind} << 1 | (required ? 1 : 0));
  writer.bytes(body);
}

struct Encoder {
  Bytes& out;

  void operator()(const UnknownOperation& operation) const {
    write_operation(operation.kind, operation.required, as_bytes(operation.bytes), out);
  }
  template <class T>
  void operator()(const T& operation) const {
    Bytes body;
    FieldWriter fields(body);
    fields_of(fields, operation);
    write_operation(Known<T>::kKind, true, body, out);
  }
};

template <class T>
Result<Operation> read_as(ByteView body) {
  T operation;
  FieldReader fields(body, Known<T>::kLastTag);
  fields_of(fields, operation);
  if (fields.ok()) return Operation(std::move(operation));
  return Status(Code::damaged, cat(name_of(Operation(T())), ": ", fields.error()));
}

Result<Operation> read_operation(std::uint32_t kind, bool required, ByteView body) {
  if (kind > kLastOperationKind)
    return Operation(UnknownOperation{kind, required, std::string(as_text(body))});
  if (!required) return Status(Code::damaged, cat("operation of kind ", kind, " is not marked as required"));
  switch (kind) {
    case kAccountPut: return read_as<AccountPut>(body);
    case kAccountDelete: return read_as<AccountDelete>(body);
    case kFolderPut: return read_as<FolderPut>(body);
    case kFolderDelete: return read_as<FolderDelete>(body);
    case kMessagePut: return read_as<MessagePut>(body);
    case kMessageExpunge: return read_as<MessageExpunge>(body);
    case kFlagsUpdate: return read_as<FlagsUpdate>(body);
    case kItemPut: return read_as<ItemPut>(body);
    case kItemDelete: return read_as<ItemDelete>(body);
    case kHostOp: return read_as<HostOp>(body);
    case kRewind: return read_as<Rewind>(body);
    default: return Status(Code::damaged, "operation of kind 0");
  }
}

}  // namespace

void encode(const Operation& operation, Bytes& out) { std::visit(Encoder{out}, operation); }

Bytes encode(const Operation& operation) {
  Bytes out;
  encode(operation, out);
  return out;
}

Result<Operation> decode(ByteView& bytes) {
  base::ByteReader reader(bytes);
  const std::uint64_t head = reader.varint();
  const ByteView body = reader.bytes();
  if (!reader.ok()) return Status(Code::damaged, "operation does not fit");
  if (head >> 1 > std::numeric_limits<std::uint32_t>::max())
    return Status(Code::damaged, cat("operation of kind ", head >> 1));
  Result<Operation> operation = read_operation(static_cast<std::uint32_t>(head >> 1), (head & 1) != 0, body);
  if (operation.ok()) bytes = bytes.subspan(bytes.size() - reader.remaining());
  return operation;
}

}  // namespace v0
}  // namespace restante

#pragma once
// The numbers of docs/format/operations.md. A number is never given another meaning; a new field takes the
// next one of its record, so that unknown fields always stand behind the known ones.

#include <cstdint>

namespace restante::format {

enum OperationKind : std::uint32_t {
  kAccountPut = 1,
  kAccountDelete = 2,
  kFolderPut = 3,
  kFolderDelete = 4,
  kMessagePut = 5,
  kMessageExpunge = 6,
  kFlagsUpdate = 7,
  kItemPut = 8,
  kItemDelete = 9,
  kHostOp = 10,
  kRewind = 11,
  kLastOperationKind = kRewind,
};

enum AccountTag : std::uint32_t {
  kAccountId = 1,
  kAccountAddress = 2,
  kAccountName = 3,
  kAccountAttributes = 4,
  kLastAccountTag = kAccountAttributes,
};

enum AccountDeleteTag : std::uint32_t {
  kAccountDeleteId = 1,
  kLastAccountDeleteTag = kAccountDeleteId,
};

enum FolderTag : std::uint32_t {
  kFolderId = 1,
  kFolderParentId = 2,
  kFolderName = 3,
  kFolderUidvalidity = 4,
  kFolderUidnext = 5,
  kFolderHighestModseq = 6,
  kFolderSpecialUse = 7,
  kFolderRole = 8,
  kFolderMountpoint = 9,
  kFolderAttributes = 10,
  kLastFolderTag = kFolderAttributes,
};

enum FolderDeleteTag : std::uint32_t {
  kFolderDeleteId = 1,
  kLastFolderDeleteTag = kFolderDeleteId,
};

enum MessagePutTag : std::uint32_t {
  kMessagePutMessage = 1,  // repeated
  kLastMessagePutTag = kMessagePutMessage,
};

enum MessageTag : std::uint32_t {
  kMessageId = 1,
  kMessageFolderId = 2,
  kMessageUidvalidity = 3,
  kMessageUid = 4,
  kMessageEmailId = 5,
  kMessageThreadId = 6,
  kMessageContent = 7,
  kMessageInternalDate = 8,
  kMessageSaveDate = 9,
  kMessageModseq = 10,
  kMessageFlags = 11,
  kMessageKeywords = 12,
  kMessageTags = 13,
  kMessageViewerFlags = 14,
  kMessageAttributes = 15,
  kLastMessageTag = kMessageAttributes,
};

enum MessageExpungeTag : std::uint32_t {
  kExpungeFolderId = 1,
  kExpungeUidvalidity = 2,
  kExpungeUids = 3,
  kExpungeMessageIds = 4,
  kExpungeModseq = 5,
  kLastMessageExpungeTag = kExpungeModseq,
};

enum FlagsUpdateTag : std::uint32_t {
  kFlagsFolderId = 1,
  kFlagsUidvalidity = 2,
  kFlagsUids = 3,
  kFlagsMessageIds = 4,
  kFlagsMode = 5,
  kFlagsFlags = 6,
  kFlagsKeywords = 7,
  kFlagsTags = 8,
  kFlagsModseq = 9,
  kFlagsViewerAccount = 10,
  kLastFlagsUpdateTag = kFlagsViewerAccount,
};

enum ItemTag : std::uint32_t {
  kItemKind = 1,
  kItemId = 2,
  kItemFolderId = 3,
  kItemParent = 4,
  kItemUid = 5,
  kItemModseq = 6,
  kItemRevision = 7,
  kItemFlags = 8,
  kItemTags = 9,
  kItemContent = 10,
  kItemAttributes = 11,
  kLastItemTag = kItemAttributes,
};

enum ItemDeleteTag : std::uint32_t {
  kItemDeleteKind = 1,
  kItemDeleteId = 2,
  kLastItemDeleteTag = kItemDeleteId,
};

enum HostOpTag : std::uint32_t {
  kHostOpHost = 1,
  kHostOpName = 2,
  kHostOpItemKind = 3,
  kHostOpItemId = 4,
  kHostOpData = 5,
  kLastHostOpTag = kHostOpData,
};

enum RewindTag : std::uint32_t {
  kRewindLog = 1,
  kRewindIncarnation = 2,
  kRewindLsn = 3,
  kRewindLabel = 4,
  kLastRewindTag = kRewindLabel,
};

}  // namespace restante::format

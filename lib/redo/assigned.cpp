#include "redo/assigned.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <type_traits>

#include "base/text.hpp"
#include "redo/layout.hpp"

namespace restante {
namespace redo {
namespace {

std::size_t set_size(const MessageSet& set) noexcept { return set.uids.size() + set.message_ids.size(); }

Status refuse(const Assigned& assigned, std::string_view why) {
  return Status(Code::invalid_argument, base::cat("assigned to element ", assigned.element, " of operation ",
                                                  assigned.operation, ": ", why));
}

struct Takes {
  bool id = false;
  bool uid = false;
  bool uidvalidity = false;
  bool modseq = false;
};

Takes takes_of(const Operation& operation) noexcept {
  if (std::holds_alternative<MessagePut>(operation)) return {true, true, true, true};
  if (std::holds_alternative<FolderPut>(operation)) return {true, false, true, true};
  if (std::holds_alternative<ItemPut>(operation)) return {true, true, false, true};
  if (std::holds_alternative<MessageExpunge>(operation) || std::holds_alternative<FlagsUpdate>(operation)) {
    return {false, false, true, true};
  }
  return {};
}

}  // namespace

std::uint32_t element_count(const Operation& operation) noexcept {
  std::size_t count = 1;
  if (const auto* put = std::get_if<MessagePut>(&operation)) count = put->messages.size();
  if (const auto* expunge = std::get_if<MessageExpunge>(&operation)) count = set_size(expunge->messages);
  if (const auto* update = std::get_if<FlagsUpdate>(&operation)) count = set_size(update->messages);
  return static_cast<std::uint32_t>(std::min<std::size_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

Status check_assigned(std::span<const Operation> operations, std::span<const Assigned> assigned) {
  for (const Assigned& entry : assigned) {
    if (entry.operation >= operations.size()) return refuse(entry, "the transaction has no such operation");
    const Operation& operation = operations[entry.operation];
    if (entry.element >= element_count(operation)) return refuse(entry, "the operation has no such element");
    if (entry.id.size() > kMaxIdBytes) return refuse(entry, "the id is longer than 1024 bytes");
    const Takes takes = takes_of(operation);
    const bool fits = (takes.id || entry.id.empty()) && (takes.uid || entry.uid == 0) &&
                      (takes.uidvalidity || entry.uidvalidity == 0) && (takes.modseq || entry.modseq == 0);
    if (!fits) return refuse(entry, base::cat("a ", name_of(operation), " does not have what is assigned"));
  }
  return {};
}

std::uint64_t end_record_room(std::span<const Operation> operations) noexcept {
  std::uint64_t elements = 0;
  for (const Operation& operation : operations) elements += element_count(operation);
  return padded_size(kEndRecordRoom + elements * (kAssignedFixedBytes + kUsualIdBytes) +
                     std::min<std::uint64_t>(elements * (kMaxIdBytes - kUsualIdBytes), kLongIdRoom));
}

}  // namespace redo

inline namespace v0 {
namespace {

// What a FolderPut of the transaction was given, for the operations that name the folder as it was begun.
struct FolderGiven {
  std::string begun_id;
  std::uint32_t begun_uidvalidity = 0;
  std::string id;
  std::uint32_t uidvalidity = 0;
};

void assign(Message& message, const Assigned& assigned) {
  if (!assigned.id.empty()) message.id = assigned.id;
  if (assigned.uidvalidity != 0) message.uidvalidity = assigned.uidvalidity;
  if (assigned.uid != 0) message.uid = assigned.uid;
  if (assigned.modseq != 0) message.modseq = assigned.modseq;
}

void assign(Operation& operation, const Assigned& assigned, std::vector<FolderGiven>& given) {
  if (auto* put = std::get_if<MessagePut>(&operation)) {
    assign(put->messages[assigned.element], assigned);
  } else if (auto* folder_put = std::get_if<FolderPut>(&operation)) {
    Folder& folder = folder_put->folder;
    FolderGiven entry{folder.id, folder.uidvalidity, folder.id, folder.uidvalidity};
    if (!assigned.id.empty()) entry.id = folder.id = assigned.id;
    if (assigned.uidvalidity != 0) entry.uidvalidity = folder.uidvalidity = assigned.uidvalidity;
    if (assigned.modseq != 0) folder.highest_modseq = assigned.modseq;
    given.push_back(std::move(entry));
  } else if (auto* item_put = std::get_if<ItemPut>(&operation)) {
    if (!assigned.id.empty()) item_put->item.id = assigned.id;
    if (assigned.uid != 0) item_put->item.uid = assigned.uid;
    if (assigned.modseq != 0) item_put->item.modseq = assigned.modseq;
  } else if (auto* expunge = std::get_if<MessageExpunge>(&operation)) {
    if (assigned.uidvalidity != 0) expunge->uidvalidity = assigned.uidvalidity;
    if (assigned.modseq != 0) expunge->modseq = std::max(expunge->modseq.value_or(0), assigned.modseq);
  } else if (auto* update = std::get_if<FlagsUpdate>(&operation)) {
    if (assigned.uidvalidity != 0) update->uidvalidity = assigned.uidvalidity;
    if (assigned.modseq != 0) update->modseq = std::max(update->modseq.value_or(0), assigned.modseq);
  }
}

void follow_folder(std::string& folder_id, std::uint32_t* uidvalidity,
                   const std::vector<FolderGiven>& given) {
  for (const FolderGiven& folder : given) {
    if (folder_id != folder.begun_id) continue;
    folder_id = folder.id;
    if (uidvalidity != nullptr && *uidvalidity == folder.begun_uidvalidity) *uidvalidity = folder.uidvalidity;
    return;
  }
}

// The other operations of the transaction name the folder by the id that it was begun with.
void follow_folders(Operation& operation, const std::vector<FolderGiven>& given) {
  if (auto* put = std::get_if<MessagePut>(&operation)) {
    for (Message& message : put->messages) follow_folder(message.folder_id, &message.uidvalidity, given);
  } else if (auto* folder_put = std::get_if<FolderPut>(&operation)) {
    follow_folder(folder_put->folder.parent_id, nullptr, given);
  } else if (auto* item_put = std::get_if<ItemPut>(&operation)) {
    follow_folder(item_put->item.folder_id, nullptr, given);
  } else if (auto* expunge = std::get_if<MessageExpunge>(&operation)) {
    follow_folder(expunge->folder_id, &expunge->uidvalidity, given);
  } else if (auto* update = std::get_if<FlagsUpdate>(&operation)) {
    follow_folder(update->folder_id, &update->uidvalidity, given);
  }
}

template <class T>
void drop_elements(std::vector<T>& values, const std::set<std::uint32_t>& refused,
                   std::uint32_t first_number) {
  std::uint32_t number = first_number;
  std::erase_if(values, [&](const T&) { return refused.contains(number++); });
}

void drop_elements(MessageSet& set, const std::set<std::uint32_t>& refused) {
  const auto uids = static_cast<std::uint32_t>(set.uids.size());
  drop_elements(set.uids, refused, 0);
  drop_elements(set.message_ids, refused, uids);
}

// False if nothing of the operation is left.
bool drop_refused(Operation& operation, const std::set<std::uint32_t>& refused) {
  if (refused.empty()) return true;
  if (refused.size() >= redo::element_count(operation)) return false;
  if (auto* put = std::get_if<MessagePut>(&operation)) drop_elements(put->messages, refused, 0);
  if (auto* expunge = std::get_if<MessageExpunge>(&operation)) drop_elements(expunge->messages, refused);
  if (auto* update = std::get_if<FlagsUpdate>(&operation)) drop_elements(update->messages, refused);
  return true;
}

}  // namespace

Result<std::vector<Operation>> with_assigned(std::vector<Operation> operations,
                                             std::span<const Assigned> assigned) {
  if (assigned.empty()) return operations;
  if (Status checked = redo::check_assigned(operations, assigned); !checked.ok()) return checked;

  std::vector<std::set<std::uint32_t>> refused(operations.size());
  std::vector<FolderGiven> given;
  for (const Assigned& entry : assigned) {
    assign(operations[entry.operation], entry, given);
    if (entry.refused) refused[entry.operation].insert(entry.element);
  }
  std::erase_if(given, [](const FolderGiven& folder) {
    return folder.begun_id == folder.id && folder.begun_uidvalidity == folder.uidvalidity;
  });
  std::vector<Operation> done;
  done.reserve(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (!given.empty()) follow_folders(operations[i], given);
    if (drop_refused(operations[i], refused[i])) done.push_back(std::move(operations[i]));
  }
  return done;
}

}  // namespace v0
}  // namespace restante

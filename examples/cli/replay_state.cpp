#include "replay_state.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace cli {
namespace {

using restante::Field;
using restante::FieldSet;
using restante::Folder;
using restante::FolderDelete;
using restante::FolderPut;
using restante::ItemDelete;
using restante::ItemPut;
using restante::MailboxState;
using restante::Message;
using restante::MessageExpunge;
using restante::MessageKey;
using restante::MessagePut;
using restante::Operation;
using restante::Result;
using restante::Status;

/// How the store keeps a message that is there is not the log's to say.
void keep_own(Message& message, const Message& live, const std::vector<std::string>& own) {
  for (const std::string& name : own) {
    message.attributes.erase(name);
    const auto there = live.attributes.find(name);
    if (there != live.attributes.end()) message.attributes.insert(*there);
  }
}

/// Paths that a folder of `wanted` takes and did not have before.
std::set<std::string> paths_taken(const MailboxState& live, const MailboxState& wanted) {
  std::set<std::string> taken;
  for (const auto& [id, folder] : wanted.folders()) {
    const std::string path = wanted.path_of(id);
    if (!live.folders().contains(id) || live.path_of(id) != path) taken.insert(path);
  }
  return taken;
}

}  // namespace

Status ReplayState::apply(const Operation& operation) {
  if (const auto* folder = std::get_if<FolderPut>(&operation)) return put(*folder);
  if (const auto* messages = std::get_if<MessagePut>(&operation)) return put(*messages);
  if (const auto* expunge = std::get_if<MessageExpunge>(&operation)) return change(*expunge);
  if (const auto* flags = std::get_if<restante::FlagsUpdate>(&operation)) return change(*flags);
  if (const auto* gone = std::get_if<FolderDelete>(&operation)) {
    FolderDelete own = *gone;
    own.folder_id = ids_.folder(state_, own.folder_id);
    return state_.apply(own);
  }
  if (const auto* item = std::get_if<ItemPut>(&operation)) {
    ItemPut own = *item;
    own.item.folder_id = ids_.folder(state_, own.item.folder_id);
    return state_.apply(own);
  }
  return state_.apply(operation);
}

Status ReplayState::put(FolderPut operation) {
  Folder& folder = operation.folder;
  folder.id = ids_.folder(state_, folder.id);
  if (!folder.parent_id.empty()) folder.parent_id = ids_.folder(state_, folder.parent_id);
  const auto there = state_.folders().find(folder.id);
  if (there != state_.folders().end()) folder.uidvalidity = there->second.uidvalidity;
  return state_.apply(operation);
}

Status ReplayState::put(MessagePut operation) {
  MessagePut own;
  own.unknown = std::move(operation.unknown);
  for (Message& message : operation.messages) {
    std::tie(message.folder_id, message.id) = ids_.message(state_, {message.folder_id, message.id});
    const auto folder = state_.folders().find(message.folder_id);
    if (folder == state_.folders().end()) {
      ++passed_over_;
      continue;
    }
    if (message.uidvalidity != folder->second.uidvalidity) {
      message.uidvalidity = folder->second.uidvalidity;
      message.uid = 0;
    }
    own.messages.push_back(std::move(message));
  }
  return own.messages.empty() ? Status() : state_.apply(own);
}

template <class Change>
Status ReplayState::change(Change operation) {
  const std::string logged_folder = std::move(operation.folder_id);
  operation.folder_id = ids_.folder(state_, logged_folder);
  const auto folder = state_.folders().find(operation.folder_id);
  if (folder == state_.folders().end()) return {};
  for (std::string& id : operation.messages.message_ids)
    id = ids_.message(state_, {logged_folder, id}).second;
  if (operation.uidvalidity != folder->second.uidvalidity) {
    operation.uidvalidity = folder->second.uidvalidity;
    operation.messages.uids.clear();
  }
  std::sort(operation.messages.message_ids.begin(), operation.messages.message_ids.end());
  return operation.messages.empty() ? Status() : state_.apply(operation);
}

MailboxState ReplayState::wanted(const std::vector<std::string>& own) const {
  MailboxState wanted;
  const auto apply = [&](const Operation& operation) { static_cast<void>(wanted.apply(operation)); };
  if (state_.account()) apply(restante::AccountPut{*state_.account()});
  for (const auto& [id, folder] : state_.folders()) {
    Folder shaped = folder;
    // A folder that comes back has no UIDs until its server gives them.
    if (!live_.folders().contains(id)) {
      shaped.uidvalidity = 0;
      if (shaped.uidnext) shaped.uidnext = 1;
      if (shaped.highest_modseq) shaped.highest_modseq = 1;
    }
    apply(FolderPut{std::move(shaped)});
  }
  for (const auto& [key, message] : state_.messages()) {
    Message shaped = message;
    const auto there = live_.messages().find(key);
    if (there != live_.messages().end()) keep_own(shaped, there->second, own);
    shaped.uid = there != live_.messages().end() ? there->second.uid : 0;
    shaped.modseq.reset();
    shaped.uidvalidity = wanted.folders().at(message.folder_id).uidvalidity;
    apply(MessagePut{{std::move(shaped)}, {}});
  }
  for (const auto& [key, item] : state_.items()) apply(ItemPut{item});
  for (const restante::HostOp& operation : state_.host_ops()) apply(operation);
  for (const restante::UnknownOperation& operation : state_.unknown_operations()) apply(operation);
  return wanted;
}

Result<restante::DifferenceSummary> operations_between(const MailboxState& live, const MailboxState& wanted,
                                                       FieldSet fields, std::vector<Operation>& out) {
  restante::OpVector from;
  restante::OpVector to;
  restante::OpVector change;
  if (Status written = live.write(from); !written.ok()) return written;
  if (Status written = wanted.write(to); !written.ok()) return written;
  Result<restante::DifferenceSummary> summary =
      difference(*stream_of(from.operations), *stream_of(to.operations), change, {fields});
  if (!summary.ok()) return summary;
  out = std::move(change.operations);
  // A folder that goes makes room first for one that takes its path.
  const std::set<std::string> taken = paths_taken(live, wanted);
  std::stable_partition(out.begin(), out.end(), [&](const Operation& operation) {
    const auto* gone = std::get_if<FolderDelete>(&operation);
    return std::holds_alternative<restante::AccountPut>(operation) ||
           (gone != nullptr && taken.contains(live.path_of(gone->folder_id)));
  });
  return summary;
}

}  // namespace cli

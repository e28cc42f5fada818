#include "given_ids.hpp"

#include <utility>
#include <vector>

namespace cli {
namespace {

using restante::Assigned;
using restante::FolderPut;
using restante::Lsn;
using restante::MailboxState;
using restante::Message;
using restante::MessageKey;
using restante::MessagePut;
using restante::RecordInfo;
using restante::RedoLog;
using restante::Result;

/// Ids are given anew at each return; more often than this nothing returns.
constexpr int kMostReturns = 1000;

}  // namespace

Result<GivenIds> GivenIds::read(const RedoLog& log, const std::string& account,
                                const restante::ReadRange& range) {
  const auto cursor = log.records({.after = range.after, .account_id = account});
  if (!cursor.ok()) return cursor.status();
  GivenIds ids;
  std::map<Lsn, Begun> open;
  std::string last_failure;
  for (RecordInfo record;;) {
    const Result<bool> more = (*cursor)->next(record);
    if (!more.ok()) {
      const bool again = more.status().message() == last_failure;
      if (more.status().code() != restante::Code::damaged || again) return more.status();
      last_failure = more.status().message();
      continue;
    }
    if (!*more) return ids;
    ids.note_folders(record.operations, record.lsn > range.until);
    if (record.kind == "begin") open[record.lsn] = std::move(record.operations);
    const auto begun = open.find(record.transaction);
    if ((record.kind != "commit" && record.kind != "abort") || begun == open.end()) continue;
    if (record.kind == "commit") ids.add(begun->second, record.assigned);
    open.erase(begun);
  }
}

void GivenIds::add(const Begun& begun, const std::vector<Assigned>& assigned) {
  for (const Assigned& one : assigned) {
    if (one.refused || one.id.empty() || one.operation >= begun.size()) continue;
    if (const auto* folder = std::get_if<FolderPut>(&begun[one.operation])) {
      folders_[folder->folder.id] = one.id;
    } else if (const auto* put = std::get_if<MessagePut>(&begun[one.operation])) {
      if (one.element >= put->messages.size()) continue;
      const Message& message = put->messages[one.element];
      messages_[{message.folder_id, message.id}] = one.id;
    }
  }
}

void GivenIds::note_folders(const std::vector<restante::Operation>& operations, bool later) {
  for (const restante::Operation& operation : operations)
    if (const auto* put = std::get_if<FolderPut>(&operation)) {
      // The first time counts: a folder of the range itself is no other one put back.
      if (!later) own_folders_.insert(put->folder.id);
      if (!own_folders_.contains(put->folder.id)) later_folders_.insert(put->folder.id);
    }
}

void GivenIds::find_later_folders(const MailboxState& live, const MailboxState& stored) {
  std::map<std::string, std::string> by_path;
  for (const std::string& id : later_folders_)
    if (live.folders().contains(id)) by_path.emplace(live.path_of(id), id);
  for (const auto& [id, folder] : stored.folders()) {
    const auto found = by_path.find(stored.path_of(id));
    if (found != by_path.end() && found->second != id) folders_.try_emplace(id, found->second);
  }
}

std::string GivenIds::folder(const MailboxState& state, const std::string& id) const {
  std::string now = id;
  for (int returns = 0; returns < kMostReturns && !state.folders().contains(now); ++returns) {
    const auto given = folders_.find(now);
    if (given == folders_.end() || given->second == now) break;
    now = given->second;
  }
  // A folder that never came back under another id keeps its own.
  return state.folders().contains(now) ? now : id;
}

MessageKey GivenIds::message(const MailboxState& state, const MessageKey& key) const {
  MessageKey logged = key;
  MessageKey now{folder(state, key.first), key.second};
  for (int returns = 0; returns < kMostReturns && !state.messages().contains(now); ++returns) {
    const auto given = messages_.find(logged);
    const auto given_since = messages_.find(now);
    if (given == messages_.end() && given_since == messages_.end()) break;
    const std::string& id = given != messages_.end() ? given->second : given_since->second;
    if (id == now.second) break;
    logged.second = id;
    now.second = id;
  }
  return state.messages().contains(now) ? now : MessageKey{now.first, key.second};
}

}  // namespace cli

#include "restore/shape.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

#include "base/text.hpp"

namespace restante::restore {
namespace {

std::string_view name_of(Identity identity) {
  switch (identity) {
    case Identity::exact: return "exact";
    case Identity::keep: return "keep";
    case Identity::renew: return "renew";
  }
  return "unknown";
}

std::size_t depth_of(const MailboxState& state, const std::string& folder_id) {
  std::size_t depth = 0;
  auto folder = state.folders().find(folder_id);
  while (folder != state.folders().end() && depth <= state.folders().size()) {
    ++depth;
    folder = state.folders().find(folder->second.parent_id);
  }
  return depth;
}

// In the account's folders as they are: their UIDVALIDITY and the UIDs in them stay, because the difference
// does not compare UIDs. A folder that is not there any more comes back without, and its server assigns them.
void keep_identity(MailboxState& wanted, const MailboxState& recorded, const MailboxState& live) {
  for (const auto& [id, folder] : recorded.folders()) {
    const auto there = live.folders().find(id);
    Folder shaped = folder;
    const bool exists = there != live.folders().end();
    shaped.uidvalidity = exists ? there->second.uidvalidity : 0;
    // Counters of a folder that is there are not compared; one that is made begins at their start.
    if (shaped.uidnext) shaped.uidnext = exists ? there->second.uidnext : 1;
    if (shaped.highest_modseq) shaped.highest_modseq = exists ? there->second.highest_modseq : 1;
    static_cast<void>(wanted.apply(FolderPut{std::move(shaped)}));
  }
  for (const auto& [key, message] : recorded.messages()) {
    Message shaped = message;
    shaped.uidvalidity = wanted.folders().at(message.folder_id).uidvalidity;
    shaped.uid = 0;
    shaped.modseq.reset();
    static_cast<void>(wanted.apply(MessagePut{{std::move(shaped)}}));
  }
}

// The recorded UIDs under UIDVALIDITYs that none of the folders had: greater than the recorded, the live, the
// logged and the seconds since 1970, from which servers make theirs. Each folder has its own, for clients
// know folders by their names, and names may be exchanged.
void renew_identity(MailboxState& wanted, const MailboxState& recorded, const MailboxState& live,
                    const UsedBefore& used) {
  std::uint64_t renewed = static_cast<std::uint64_t>(std::max<std::int64_t>(0, used.now.us / 1'000'000));
  renewed = std::max(renewed, used.uidvalidity + std::uint64_t{1});
  for (const MailboxState* state : {&recorded, &live})
    for (const auto& [id, folder] : state->folders())
      renewed = std::max<std::uint64_t>(renewed, folder.uidvalidity + std::uint64_t{1});
  for (const auto& [id, folder] : recorded.folders()) {
    Folder shaped = folder;
    if (shaped.uidvalidity != 0)
      shaped.uidvalidity = static_cast<std::uint32_t>(std::min<std::uint64_t>(renewed++, UINT32_MAX));
    static_cast<void>(wanted.apply(FolderPut{std::move(shaped)}));
  }
  for (const auto& [key, message] : recorded.messages()) {
    Message shaped = message;
    shaped.uidvalidity = wanted.folders().at(message.folder_id).uidvalidity;
    static_cast<void>(wanted.apply(MessagePut{{std::move(shaped)}}));
  }
}

// How the store keeps a message that is there is not the record's to say.
void keep_own(Attributes& attributes, const Attributes& live, const OwnAttributes& own) {
  for (const std::string& name : own) {
    attributes.erase(name);
    const auto there = live.find(name);
    if (there != live.end()) attributes.emplace(name, there->second);
  }
}

// Paths that a folder of `wanted` takes and did not have before.
std::set<std::string> paths_taken(const MailboxState& live, const MailboxState& wanted) {
  std::set<std::string> taken;
  for (const auto& [id, folder] : wanted.folders()) {
    const std::string path = wanted.path_of(id);
    if (!live.folders().contains(id) || live.path_of(id) != path) taken.insert(path);
  }
  return taken;
}

enum class Phase { account, room, folders, messages, items, removals, folder_removals, late };

Phase phase_of(const Operation& operation, const MailboxState& live, const MailboxState& wanted,
               const std::set<std::string>& taken) {
  const auto goes = [&](const std::string& folder) { return !wanted.folders().contains(folder); };
  if (std::holds_alternative<AccountPut>(operation) || std::holds_alternative<AccountDelete>(operation))
    return Phase::account;
  if (std::holds_alternative<FolderPut>(operation)) return Phase::folders;
  if (const auto* removed = std::get_if<FolderDelete>(&operation))
    return taken.contains(live.path_of(removed->folder_id)) ? Phase::room : Phase::folder_removals;
  if (std::holds_alternative<MessagePut>(operation) || std::holds_alternative<FlagsUpdate>(operation))
    return Phase::messages;
  if (const auto* expunge = std::get_if<MessageExpunge>(&operation); expunge && goes(expunge->folder_id))
    return taken.contains(live.path_of(expunge->folder_id)) ? Phase::room : Phase::removals;
  if (std::holds_alternative<MessageExpunge>(operation) || std::holds_alternative<ItemDelete>(operation))
    return Phase::removals;
  return Phase::items;
}

}  // namespace

Result<IdentityChoice> choose_identity(const std::optional<Identity>& asked,
                                       const IdentitySituation& situation, const SinkTraits& traits) {
  IdentityChoice choice;
  if (asked) {
    choice.identity = *asked;
    choice.reason = "as asked for";
  } else if (situation.new_account) {
    choice.identity = Identity::renew;
    choice.reason = "a new account";
  } else if (!situation.live_is_empty) {
    choice.identity = situation.live_values_known ? Identity::keep : Identity::renew;
    choice.reason =
        situation.live_values_known ? "into the account as it is" : "the UIDs of the account are not known";
  } else if (situation.newest_position) {
    choice.identity = Identity::exact;
    choice.reason = "an empty account, to its newest known position";
  } else {
    choice.identity = Identity::renew;
    choice.reason = "UIDs given since may have been seen by clients";
  }
  if (choice.identity == Identity::exact && !situation.live_is_empty)
    return Status(Code::invalid_argument, "identity exact needs an empty account, and there is mail in it",
                  "restore with identity keep, or empty the account first");
  const bool can = choice.identity == Identity::exact  ? traits.can_exact
                   : choice.identity == Identity::keep ? traits.can_keep
                                                       : traits.can_renew;
  if (!can)
    return Status(Code::invalid_argument,
                  base::cat("the store cannot give the identity ", name_of(choice.identity)),
                  "choose another identity");
  choice.continuity = choice.identity == Identity::keep ? Continuity::continued : Continuity::reset;
  return choice;
}

MailboxState shape(const MailboxState& recorded, const MailboxState& live, Identity identity,
                   const UsedBefore& used, const OwnAttributes& own) {
  if (identity == Identity::exact) return recorded;
  MailboxState wanted;
  if (recorded.account()) static_cast<void>(wanted.apply(AccountPut{*recorded.account()}));
  if (identity == Identity::keep)
    keep_identity(wanted, recorded, live);
  else
    renew_identity(wanted, recorded, live, used);
  for (const auto& [key, message] : live.messages()) {
    const auto there = wanted.messages().find(key);
    if (there == wanted.messages().end()) continue;
    Message shaped = there->second;
    keep_own(shaped.attributes, message.attributes, own);
    if (shaped != there->second) static_cast<void>(wanted.apply(MessagePut{{std::move(shaped)}}));
  }
  for (const auto& [key, item] : recorded.items()) static_cast<void>(wanted.apply(ItemPut{item}));
  for (const HostOp& operation : recorded.host_ops()) static_cast<void>(wanted.apply(operation));
  for (const UnknownOperation& operation : recorded.unknown_operations())
    static_cast<void>(wanted.apply(operation));
  return wanted;
}

std::vector<Operation> dropped_by_name(const MailboxState& live, const MailboxState& wanted) {
  std::map<std::string, MessageExpunge> dropped;
  for (const auto& [key, message] : live.messages()) {
    const auto folder = wanted.folders().find(message.folder_id);
    const bool goes = folder == wanted.folders().end();
    if (!goes && folder->second.uidvalidity == message.uidvalidity) continue;
    if (wanted.messages().contains(key)) continue;
    MessageExpunge& expunge = dropped[message.folder_id];
    expunge.folder_id = message.folder_id;
    expunge.uidvalidity = goes ? message.uidvalidity : folder->second.uidvalidity;
    expunge.messages.message_ids.push_back(message.id);
  }
  std::vector<Operation> operations;
  for (auto& [folder_id, expunge] : dropped) operations.emplace_back(std::move(expunge));
  return operations;
}

std::vector<Operation> in_order(std::vector<Operation> difference, const MailboxState& live,
                                const MailboxState& wanted) {
  const std::set<std::string> taken = paths_taken(live, wanted);
  // Folders from the top, and from the bottom where they go; everything else as it came.
  const auto rank = [&](const Operation& operation) -> std::pair<Phase, std::ptrdiff_t> {
    const Phase phase = phase_of(operation, live, wanted, taken);
    if (const auto* put = std::get_if<FolderPut>(&operation))
      return {phase, static_cast<std::ptrdiff_t>(depth_of(wanted, put->folder.id))};
    if (const auto* removed = std::get_if<FolderDelete>(&operation))
      return {phase, -static_cast<std::ptrdiff_t>(depth_of(live, removed->folder_id))};
    if (phase == Phase::room) return {phase, PTRDIFF_MIN};  // messages, before their folder
    return {phase, 0};
  };
  std::vector<std::pair<std::pair<Phase, std::ptrdiff_t>, std::size_t>> order;
  order.reserve(difference.size());
  bool late = false;
  for (std::size_t i = 0; i < difference.size(); ++i) {
    auto key = rank(difference[i]);
    // What stands behind the removal of folders would go away with them if it came before.
    late = late || std::holds_alternative<FolderDelete>(difference[i]);
    if (late && key.first == Phase::items) key.first = Phase::late;
    order.emplace_back(key, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Operation> sorted;
  sorted.reserve(difference.size());
  for (const auto& [key, index] : order) sorted.push_back(std::move(difference[index]));
  return sorted;
}

}  // namespace restante::restore

#include "model/records.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <vector>

#include "base/text.hpp"

namespace restante::model {
namespace {

using base::cat;

constexpr std::string_view kHint = "use the version of restante that wrote it, or a newer one";

Status check_fields(std::string_view record, const UnknownFields& fields) {
  for (const UnknownField& field : fields) {
    if (!field.required) continue;
    return Status(Code::unsupported,
                  cat(record, " has field ", field.tag, ", which this version does not know"),
                  std::string(kHint));
  }
  return {};
}

struct SupportedChecker {
  std::string_view name;

  Status operator()(const AccountPut& put) const { return check_fields(name, put.account.unknown); }
  Status operator()(const FolderPut& put) const { return check_fields(name, put.folder.unknown); }
  Status operator()(const ItemPut& put) const { return check_fields(name, put.item.unknown); }
  Status operator()(const MessagePut& put) const {
    for (const Message& message : put.messages)
      if (Status status = check_fields("message", message.unknown); !status.ok()) return status;
    return check_fields(name, put.unknown);
  }
  Status operator()(const UnknownOperation& operation) const {
    if (!operation.required) return {};
    return Status(Code::unsupported,
                  cat("operation of kind ", operation.kind, ", which this version does not know"),
                  std::string(kHint));
  }
  template <class Other>
  Status operator()(const Other& other) const {
    return check_fields(name, other.unknown);
  }
};

bool is_strictly_sorted(const std::vector<std::string>& list) {
  return std::adjacent_find(list.begin(), list.end(), std::greater_equal<>()) == list.end();
}

void sort_unique(std::vector<std::string>& list) {
  if (is_strictly_sorted(list)) return;
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

std::vector<std::string> sorted_unique(std::vector<std::string> list) {
  sort_unique(list);
  return list;
}

void update_list(std::vector<std::string>& list, const std::vector<std::string>& given,
                 FlagsUpdate::Mode mode) {
  const std::vector<std::string> operand = sorted_unique(given);
  std::vector<std::string> result;
  switch (mode) {
    case FlagsUpdate::Mode::replace: result = operand; break;
    case FlagsUpdate::Mode::add:
      std::set_union(list.begin(), list.end(), operand.begin(), operand.end(), std::back_inserter(result));
      break;
    case FlagsUpdate::Mode::remove:
      std::set_difference(list.begin(), list.end(), operand.begin(), operand.end(),
                          std::back_inserter(result));
      break;
  }
  list = std::move(result);
}

std::uint32_t updated_flags(std::uint32_t flags, const FlagsUpdate& update) {
  switch (update.mode) {
    case FlagsUpdate::Mode::replace: return update.flags;
    case FlagsUpdate::Mode::add: return flags | update.flags;
    case FlagsUpdate::Mode::remove: return flags & ~update.flags;
  }
  return flags;
}

void update_viewer(Message& message, const FlagsUpdate& update) {
  const auto present = message.viewer_flags.find(update.viewer_account);
  const std::uint32_t before = present == message.viewer_flags.end() ? 0 : present->second;
  const std::uint32_t after = updated_flags(before, update);
  if (after == 0)
    message.viewer_flags.erase(update.viewer_account);
  else
    message.viewer_flags[update.viewer_account] = after;
}

}  // namespace

Status check_supported(const Operation& operation) {
  return std::visit(SupportedChecker{name_of(operation)}, operation);
}

void normalise(Message& message) {
  sort_unique(message.keywords);
  sort_unique(message.tags);
  std::erase_if(message.viewer_flags, [](const auto& viewer) { return viewer.second == 0; });
}

void normalise(Item& item) { sort_unique(item.tags); }

void update_flags(Message& message, const FlagsUpdate& update) {
  if (update.viewer_account.empty()) {
    message.flags = updated_flags(message.flags, update);
    update_list(message.keywords, update.keywords, update.mode);
    update_list(message.tags, update.tags, update.mode);
  } else {
    update_viewer(message, update);
  }
  if (update.modseq) message.modseq = update.modseq;
}

void raise_uidnext(Folder& folder, std::uint32_t uid) {
  if (!folder.uidnext || uid == 0) return;
  // The greatest UID leaves no next one; the folder then needs a new UIDVALIDITY.
  constexpr std::uint32_t kGreatest = std::numeric_limits<std::uint32_t>::max();
  folder.uidnext = std::max(*folder.uidnext, uid == kGreatest ? kGreatest : uid + 1);
}

void raise_modseq(Folder& folder, const std::optional<std::uint64_t>& modseq) {
  if (folder.highest_modseq && modseq) folder.highest_modseq = std::max(*folder.highest_modseq, *modseq);
}

Folder replaced_folder(const Folder& present, const Folder& put) {
  Folder folder = put;
  // An absent counter is less than any: one that the record does not carry stays.
  folder.uidnext = std::max(present.uidnext, put.uidnext);
  folder.highest_modseq = std::max(present.highest_modseq, put.highest_modseq);
  return folder;
}

std::string path_in(const std::map<std::string, Folder>& folders, std::string_view folder_id) {
  std::vector<const Folder*> way;  // from the folder upwards
  std::set<std::string_view> seen;
  const std::string* id = nullptr;
  auto folder = folders.find(std::string(folder_id));
  while (folder != folders.end() && seen.insert(folder->first).second) {
    way.push_back(&folder->second);
    id = &folder->second.parent_id;
    if (id->empty()) break;
    folder = folders.find(*id);
  }
  std::string path = id != nullptr && id->empty() ? "" : "?/";
  for (auto part = way.rbegin(); part != way.rend(); ++part) {
    if (part != way.rbegin()) path += '/';
    path += (*part)->name;
  }
  return path;
}

std::size_t depth_in(const std::map<std::string, Folder>& folders, const std::string& folder_id) {
  std::size_t depth = 0;
  auto folder = folders.find(folder_id);
  while (folder != folders.end() && !folder->second.parent_id.empty() && depth < folders.size()) {
    folder = folders.find(folder->second.parent_id);
    ++depth;
  }
  return depth;
}

}  // namespace restante::model

#include "stores/scan_difference.hpp"

#include "base/text.hpp"

namespace restante::stores {
namespace {

bool is_gone(const Status& status) { return status.code() == Code::not_found; }

Status apply_all(const std::vector<Operation>& operations, MailboxState& state) {
  for (const Operation& operation : operations) {
    if (Status applied = state.apply(operation); !applied.ok()) return applied;
  }
  return {};
}

// What FlagsUpdate cannot say of a message.
bool is_same_but_for_flags(const Message& a, const Message& b) {
  Message other = b;
  other.flags = a.flags;
  other.keywords = a.keywords;
  other.tags = a.tags;
  other.content = a.content;
  return a == other;
}

// What FolderPut decides over the messages of a folder.
bool keeps_messages(const MailboxState& known, const std::string& folder_id, std::uint32_t uidvalidity) {
  const auto found = known.folders().find(folder_id);
  return found != known.folders().end() && found->second.uidvalidity == uidvalidity;
}

template <class Map, class Key>
const typename Map::mapped_type* find(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

// --- The store's state, in terms of the log -----------------------------------------------------------

Status ScanDifference::read_to_adopt() {
  Result<MailboxState> state = list(ids_);
  if (!state.ok()) return state.status();
  live_ = std::move(*state);
  return {};
}

Status ScanDifference::read() {
  Result<MailboxState> first = list(ids_);
  if (!first.ok()) return first.status();
  live_ = std::move(*first);
  if (lacks_something()) {
    // One listing may have missed what a client renamed meanwhile: gone is what two listings lack (R9).
    Result<MailboxState> second = list(ids_);
    if (!second.ok()) return second.status();
    std::swap(live_, *second);
    add_unconfirmed(*second);
  }
  return live_.account() ? complete() : Status();
}

Status ScanDifference::take(MailboxState live) {
  live_ = std::move(live);
  return complete();
}

// Empty if the account is not there.
Result<MailboxState> ScanDifference::list(FolderIds& ids) {
  OpVector operations;
  const Result<SnapshotInfo> info = store_.snapshot(known_.account_id, operations);
  if (!info.ok() && !is_gone(info.status())) return info.status();
  if (!info.ok()) return MailboxState();
  MailboxState as_listed;
  if (Status applied = apply_all(operations.operations, as_listed); !applied.ok()) return applied;
  ids = match_folders(known_.state, as_listed, known_.retired, known_.made);
  back_.clear();
  for (const auto& [store_id, id] : ids) {
    if (store_id != id) back_[id] = store_id;
  }
  if (back_.empty()) return as_listed;
  for (Operation& operation : operations.operations) rename_folders(operation, ids);
  MailboxState state;
  if (Status applied = apply_all(operations.operations, state); !applied.ok()) return applied;
  return state;
}

bool ScanDifference::lacks_something() const {
  const auto lacks = [](const auto& known, const auto& live) {
    for (const auto& [key, value] : known) {
      if (!live.contains(key)) return true;
    }
    return false;
  };
  return known_.state.account() &&
         (!live_.account() || lacks(known_.state.folders(), live_.folders()) ||
          lacks(known_.state.messages(), live_.messages()) || lacks(known_.state.items(), live_.items()));
}

// What is known and was in the first listing is not gone.
void ScanDifference::add_unconfirmed(const MailboxState& first) {
  if (!live_.account()) return;
  for (const auto& [id, folder] : first.folders()) {
    if (known_.state.folders().contains(id) && !live_.folders().contains(id)) {
      (void)live_.apply(FolderPut{folder});
    }
  }
  MessagePut put;
  for (const auto& [key, message] : first.messages()) {
    if (!known_.state.messages().contains(key) || live_.messages().contains(key)) continue;
    // A UID of its own only if nobody else has it by now.
    put.messages.push_back(message);
    if (live_.find_uid(key.first, message.uid) != nullptr) put.messages.back().uid = 0;
  }
  if (!put.messages.empty()) (void)live_.apply(put);
  for (const auto& [key, item] : first.items()) {
    if (known_.state.items().contains(key) && !live_.items().contains(key)) (void)live_.apply(ItemPut{item});
  }
}

// --- What the store does not keep, and content --------------------------------------------------------

// Adds to what was listed what only the log knows, and the content of what is new.
Status ScanDifference::complete() {
  // A message that moved has its base name and date still.
  ByBaseName elsewhere;
  for (const auto& [key, message] : known_.state.messages()) elsewhere.emplace(message.id, &message);

  OpVector listed;
  if (Status written = live_.write(listed); !written.ok()) return written;
  MailboxState completed;
  for (Operation& operation : listed.operations) {
    bool gone = false;
    if (Status done = complete(operation, elsewhere, gone); !done.ok()) return done;
    if (gone) continue;
    if (Status applied = completed.apply(operation); !applied.ok()) return applied;
  }
  for (const HostOp& host_op : known_.state.host_ops()) {
    if (Status applied = completed.apply(host_op); !applied.ok()) return applied;
  }
  for (const UnknownOperation& unknown : known_.state.unknown_operations()) {
    if (Status applied = completed.apply(unknown); !applied.ok()) return applied;
  }
  live_ = std::move(completed);
  return {};
}

Status ScanDifference::complete(Operation& operation, const ByBaseName& elsewhere, bool& gone) {
  if (auto* account = std::get_if<AccountPut>(&operation)) {
    if (!known_.state.account()) return {};
    if (account->account.name.empty()) account->account.name = known_.state.account()->name;
    account->account.unknown = known_.state.account()->unknown;
  } else if (auto* folder = std::get_if<FolderPut>(&operation)) {
    keep_sticky(folder->folder);
  } else if (auto* messages = std::get_if<MessagePut>(&operation)) {
    Message& message = messages->messages.front();  // a snapshot has one each
    const Message* known = find(known_.state.messages(), MessageKey(message.folder_id, message.id));
    if (known != nullptr) keep_sticky(message, *known);
    return complete_content(message, known, elsewhere, gone);
  } else if (auto* item = std::get_if<ItemPut>(&operation)) {
    return complete_content(item->item);
  }
  return {};
}

void ScanDifference::keep_sticky(Folder& folder) const {
  const Folder* known = find(known_.state.folders(), folder.id);
  if (known == nullptr) return;
  if (!fields_.has(Field::special_use)) {
    folder.special_use = known->special_use;
    folder.role = known->role;
  }
  if (!folder.mountpoint) folder.mountpoint = known->mountpoint;
  if (!fields_.has(Field::modseq) && folder.uidvalidity == known->uidvalidity) {
    folder.highest_modseq = known->highest_modseq;
  }
  folder.unknown = known->unknown;
}

void ScanDifference::keep_sticky(Message& message, const Message& known) const {
  if (!fields_.has(Field::email_id)) message.email_id = known.email_id;
  if (!fields_.has(Field::thread_id)) message.thread_id = known.thread_id;
  if (!fields_.has(Field::save_date)) message.save_date = known.save_date;
  if (!fields_.has(Field::modseq)) message.modseq = known.modseq;
  if (!fields_.has(Field::tags)) message.tags = known.tags;
  if (!fields_.has(Field::viewer_flags)) message.viewer_flags = known.viewer_flags;
  message.unknown = known.unknown;
}

ContentPlace ScanDifference::place_of(const Message& message) const {
  ContentPlace place;
  const std::string* store_id = find(back_, message.folder_id);
  place.folder_id = store_id == nullptr ? message.folder_id : *store_id;
  place.message_id = message.id;
  place.uid = message.uid;
  return place;
}

// Whether the difference will put the whole message, which takes its content.
bool ScanDifference::is_new_put(const Message& message, const Message* known) const {
  return known == nullptr || !is_same_but_for_flags(message, *known) ||
         !keeps_messages(known_.state, message.folder_id, message.uidvalidity);
}

Status ScanDifference::complete_content(Message& message, const Message* known, const ByBaseName& elsewhere,
                                        bool& gone) {
  const bool same_date = known != nullptr && known->internal_date == message.internal_date;
  if (same_date) message.content = known->content;
  if (message.content || !is_new_put(message, known)) return {};

  const ContentPlace place = place_of(message);
  Result<ContentRef> content = Status(Code::not_found, "");
  if (same_date) {
    // Adopted without reading: the full that followed has the content, only its name is missing here.
    content = hash(place);
  } else {
    const auto [begin, end] = elsewhere.equal_range(message.id);
    bool moved = false;
    for (auto other = begin; other != end && !moved; ++other) {
      if (!other->second->content || other->second->internal_date != message.internal_date) continue;
      if (!content.ok()) content = hash(place);
      if (!content.ok()) break;
      moved = *content == *other->second->content;
    }
    // Its content is logged just before the transaction that names it.
    if (!moved) {
      new_messages_.insert(MessageKey(message.folder_id, message.id));
      return {};
    }
  }
  if (!content.ok() && is_gone(content.status())) {
    // Came and went between the listing and now. One that is known stays as it is known: the next scan
    // finds it gone.
    gone = known == nullptr;
    if (known != nullptr && keeps_messages(known_.state, known->folder_id, message.uidvalidity)) {
      message = *known;
    } else {
      gone = true;
    }
    return {};
  }
  if (!content.ok()) return content.status();
  message.content = *content;
  return {};
}

Status ScanDifference::complete_content(Item& item) {
  const Item* known = find(known_.state.items(), ItemKey(item.kind, item.id));
  if (known != nullptr) {
    item.unknown = known->unknown;
    Item as_known = *known;
    as_known.content = item.content;
    if (item == as_known) {
      item.content = known->content;
      return {};
    }
  }
  new_items_.insert(ItemKey(item.kind, item.id));
  return {};
}

Result<ContentRef> ScanDifference::hash(const ContentPlace& place) {
  Result<std::unique_ptr<ContentReader>> reader = store_.open_content(known_.account_id, place);
  if (!reader.ok()) return reader.status();
  return content_ref_of(**reader);
}

Result<ContentRef> ScanDifference::put_content(const ContentPlace& place) {
  Result<std::unique_ptr<ContentReader>> reader = store_.open_content(known_.account_id, place);
  if (!reader.ok()) return reader.status();
  return log_.put_content(known_.account_id, **reader);
}

// What came and went between the listing and now is left out: the next scan knows nothing of it.
Result<bool> ScanDifference::log_content(Operation& operation, std::uint64_t& bytes) {
  if (auto* put = std::get_if<MessagePut>(&operation)) {
    std::vector<Message> there;
    for (Message& message : put->messages) {
      if (new_messages_.contains(MessageKey(message.folder_id, message.id))) {
        const Result<ContentRef> content = put_content(place_of(message));
        if (!content.ok() && is_gone(content.status())) continue;
        if (!content.ok()) return content.status();
        message.content = *content;
        bytes += content->size;
      }
      there.push_back(std::move(message));
    }
    put->messages = std::move(there);
    return !put->messages.empty();
  }
  auto* put = std::get_if<ItemPut>(&operation);
  if (put == nullptr || !new_items_.contains(ItemKey(put->item.kind, put->item.id))) return true;
  ContentPlace place;
  place.item_kind = put->item.kind;
  place.item_id = put->item.id;
  const Result<ContentRef> content = put_content(place);
  if (!content.ok() && is_gone(content.status())) return false;
  // Links and directories have none.
  if (!content.ok() && content.status().code() != Code::unsupported) return content.status();
  if (content.ok()) {
    put->item.content = *content;
    bytes += content->size;
  }
  return true;
}

// --- The difference -----------------------------------------------------------------------------------

Result<DifferenceSummary> ScanDifference::operations(std::vector<Operation>& out) const {
  OpVector from;
  OpVector to;
  if (Status written = known_.state.write(from); !written.ok()) return written;
  if (Status written = live_.write(to); !written.ok()) return written;
  DifferenceOptions options;
  // Base names are stable as long as nobody restores (R3), and a scan compares the store with itself.
  options.fields = FieldSet::from_bits(fields_.bits() | static_cast<std::uint32_t>(Field::message_id));
  const std::unique_ptr<OpStream> from_stream = stream_of(from.operations);
  const std::unique_ptr<OpStream> to_stream = stream_of(to.operations);
  OpVector difference_operations;
  Result<DifferenceSummary> summary = difference(*from_stream, *to_stream, difference_operations, options);
  out = std::move(difference_operations.operations);
  return summary;
}

}  // namespace restante::stores

#pragma once
// Random histories of a mailbox, as a server logs them, for the property tests.

#include <restante/mailbox_state.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/support.hpp"

namespace restante::test {

[[nodiscard]] inline ContentRef content_of(std::uint64_t number) {
  ContentRef content;
  for (std::size_t i = 0; i < 8; ++i) content.digest.bytes[i] = static_cast<std::uint8_t>(number >> 8 * i);
  content.digest.bytes[31] = 0xc0;
  content.size = 100 + number;
  return content;
}

[[nodiscard]] inline std::vector<Operation> snapshot_of(const MailboxState& state) {
  OpVector out;
  if (!state.write(out).ok()) std::abort();
  return std::move(out.operations);
}

/// A server that does things at random and logs them. It owes what operation.hpp says a host owes and nothing
/// more: records may be stale, UIDs may collide, operations may come too late or address what never was.
class HistoryMaker {
 public:
  explicit HistoryMaker(Random& random) : random_(random) {
    perform(AccountPut{account()});
    for (int i = 0; i < 3; ++i) create_folder();
  }

  /// The mailbox as the server has it.
  [[nodiscard]] const MailboxState& state() const { return state_; }
  [[nodiscard]] const std::vector<Operation>& log() const { return log_; }

  /// Does one thing, which logs one operation or a few.
  void step() {
    switch (random_.below(24)) {
      case 0: return random_.one_in(3) ? create_folder() : change_folder();
      case 1: return change_folder();
      case 2: return renew_uidvalidity();
      case 3: return random_.one_in(3) ? recreate_path() : delete_folder();
      case 4: return random_.one_in(8) ? replace_account() : perform(AccountPut{account()});
      case 5:
      case 6: return perform(ItemPut{item()});
      case 7: return perform(ItemDelete{item_kind(), item_id()});
      case 8: return perform(host_op());
      case 9: return random_.one_in(2) ? perform(rewind()) : perform(unknown_operation());
      case 10:
      case 11: return move();
      case 12:
      case 13:
      case 14: return perform(expunge(any_folder()));
      case 15:
      case 16:
      case 17:
      case 18: return perform(update_flags(any_folder()));
      default: return put_messages();
    }
  }

 private:
  struct Past {
    std::string id;
    std::vector<std::uint32_t> uidvalidities;  // the last is or was the current one
    bool counts = false;                       // keeps counters
    std::uint32_t greatest_uid = 0;            // ever named under the current UIDVALIDITY
  };
  using Target = std::pair<std::string, std::uint32_t>;  // folder id, UIDVALIDITY

  void perform(const Operation& operation) {
    log_.push_back(operation);
    if (!state_.apply(operation).ok()) std::abort();
  }

  // ---- Small worlds, so that things meet.

  std::string word(std::string_view prefix, std::uint64_t count) {
    return std::string(prefix) + std::to_string(random_.below(count));
  }
  std::vector<std::string> words(std::string_view prefix, std::uint64_t count) {
    std::vector<std::string> list;
    for (std::uint64_t i = 0; i < count; ++i)
      if (random_.one_in(3)) list.push_back(std::string(prefix) + std::to_string(i));
    return list;
  }
  Attributes attributes() {
    Attributes attributes;
    if (random_.one_in(4)) attributes[word("a", 2)] = word("v", 2);
    return attributes;
  }
  UnknownFields unknown() {
    if (!random_.one_in(8)) return {};
    return {{.tag = 100, .required = false, .bytes = word("u", 2)}};
  }
  std::optional<std::uint64_t> modseq() {
    if (random_.one_in(4)) return std::nullopt;
    return random_.one_in(6) ? 1 + random_.below(++modseq_) : ++modseq_;
  }

  Account account() {
    return {.id = "account",
            .address = word("address", 2),
            .name = word("name", 2),
            .attributes = attributes(),
            .unknown = unknown()};
  }

  // ---- Folders.

  std::string any_folder_id() {
    const std::string none;
    return folders_.empty() || random_.one_in(4) ? none : random_.pick(folders_).id;
  }

  Folder folder_record(const Past& past) {
    Folder folder{.id = past.id, .parent_id = any_folder_id(), .name = word("name", 3)};
    folder.uidvalidity = past.uidvalidities.back();
    if (folder.parent_id == folder.id) folder.parent_id.clear();
    if (random_.one_in(4)) folder.special_use = "\\Sent";
    if (random_.one_in(4)) folder.role = "dumpster";
    if (random_.one_in(6)) folder.mountpoint = Mountpoint{"other", word("r", 2)};
    folder.attributes = attributes();
    folder.unknown = unknown();
    return folder;
  }

  // For the first time under a UIDVALIDITY.
  void bring_counters(const Past& past, Folder& folder) {
    if (!past.counts) return;
    folder.uidnext = past.greatest_uid + 1 + static_cast<std::uint32_t>(random_.below(3));
    folder.highest_modseq = modseq_ + random_.below(2);
  }

  void create_folder() {
    if (folders_.size() >= 12) return change_folder();
    Past past;
    past.id = "f" + std::to_string(folders_.size());
    past.uidvalidities.push_back(++uidvalidity_);
    past.counts = !random_.one_in(3);
    folders_.push_back(past);
    Folder folder = folder_record(past);
    bring_counters(past, folder);
    perform(FolderPut{folder});
  }

  // Null if no folder is there.
  Past* living_folder() {
    std::vector<Past*> living;
    for (Past& past : folders_)
      if (state_.folders().contains(past.id)) living.push_back(&past);
    return living.empty() ? nullptr : random_.pick(living);
  }

  void change_folder() {
    Past* const past = living_folder();
    if (past == nullptr) return;
    Folder folder = folder_record(*past);
    if (!past->counts && random_.one_in(6)) {
      past->counts = true;
      bring_counters(*past, folder);
    } else if (past->counts && !random_.one_in(3)) {  // stale or ahead
      folder.uidnext = 1 + static_cast<std::uint32_t>(random_.below(past->greatest_uid + 4));
      folder.highest_modseq = random_.below(modseq_ + 2);
    }
    perform(FolderPut{folder});
  }

  // The host puts the messages again, by reference, some of them in the same record, some not.
  void renew_uidvalidity() {
    Past* const past = living_folder();
    if (past == nullptr || !random_.one_in(2)) return;
    std::vector<Message> messages;
    for (const auto& [key, message] : state_.messages())
      if (message.folder_id == past->id && !random_.one_in(4)) messages.push_back(message);
    past->uidvalidities.push_back(++uidvalidity_);
    past->greatest_uid = 0;
    Folder folder = folder_record(*past);
    bring_counters(*past, folder);
    perform(FolderPut{folder});
    if (random_.one_in(2)) std::reverse(messages.begin(), messages.end());
    for (Message& message : messages) {
      message.uidvalidity = past->uidvalidities.back();
      message.uid = ++past->greatest_uid;
    }
    if (!messages.empty()) perform(MessagePut{messages});
  }

  void delete_folder() {
    if (folders_.empty()) return;
    perform(FolderDelete{random_.pick(folders_).id});  // perhaps it went before
  }

  void recreate_path() {
    Past* const past = living_folder();
    if (past == nullptr || folders_.size() >= 12) return;
    const Folder old = state_.folders().at(past->id);
    perform(FolderDelete{old.id});
    create_folder();
    Folder folder = state_.folders().at(folders_.back().id);
    folder.parent_id = old.parent_id;
    folder.name = old.name;
    perform(FolderPut{folder});
  }

  void replace_account() {
    perform(AccountDelete{"account"});
    if (random_.one_in(2)) perform(AccountPut{account()});
    create_folder();
  }

  // Where a message operation goes: mostly to a folder as it is, at times to one that is gone or to one of an
  // earlier UIDVALIDITY; never to what does not exist yet.
  Target any_folder() {
    Past* past = random_.one_in(6) ? &random_.pick(folders_) : living_folder();
    if (past == nullptr) past = &random_.pick(folders_);
    const bool late = random_.one_in(10);
    return {past->id, late ? random_.pick(past->uidvalidities) : past->uidvalidities.back()};
  }

  // ---- Messages.

  std::uint32_t named_uid(const Target& target, std::uint32_t uid) {
    for (Past& past : folders_)
      if (past.id == target.first && past.uidvalidities.back() == target.second)
        past.greatest_uid = std::max(past.greatest_uid, uid);
    return uid;
  }
  std::uint32_t new_uid(const Target& target) {
    for (const Past& past : folders_)
      if (past.id == target.first) return named_uid(target, past.greatest_uid + 1);
    return 0;
  }
  std::uint32_t any_uid(const Target& target) {
    return named_uid(target, 1 + static_cast<std::uint32_t>(random_.below(8)));
  }

  Message message(const Target& target) {
    Message message{.id = word("m", 8), .folder_id = target.first, .uidvalidity = target.second};
    const auto present = state_.messages().find({message.folder_id, message.id});
    message.uid = random_.one_in(8)   ? 0
                  : random_.one_in(4) ? any_uid(target)
                  : present != state_.messages().end() && random_.one_in(2)
                      ? named_uid(target, present->second.uid)
                      : new_uid(target);
    if (random_.one_in(2)) message.email_id = word("e", 4);
    if (random_.one_in(3)) message.thread_id = word("t", 4);
    message.content = content_of(random_.below(3));
    if (!random_.one_in(4)) message.internal_date = Time{static_cast<std::int64_t>(random_.below(2))};
    if (random_.one_in(4)) message.save_date = Time{-static_cast<std::int64_t>(random_.below(2))};
    message.modseq = modseq();
    message.flags = static_cast<std::uint32_t>(random_.below(kAllSystemFlags + 1));
    message.keywords = words("k", 3);
    message.tags = words("t", 2);
    if (random_.one_in(4)) message.viewer_flags[word("viewer", 2)] = kFlagSeen;
    message.attributes = attributes();
    message.unknown = unknown();
    return message;
  }

  MessageSet set(const Target& target) {
    MessageSet set;
    while (set.empty() && !random_.one_in(20)) {
      for (int i = 0; i < 3; ++i) {
        if (random_.one_in(3)) set.uids.push_back(any_uid(target));
        if (random_.one_in(3)) set.message_ids.push_back(word("m", 8));
      }
    }
    return set;
  }

  void put_messages() {
    MessagePut put;
    const std::uint64_t count = random_.one_in(3) ? 2 + random_.below(4) : 1;
    const Target target = any_folder();
    for (std::uint64_t i = 0; i < count; ++i)
      put.messages.push_back(message(random_.one_in(8) ? any_folder() : target));
    perform(put);
  }

  Operation expunge(const Target& target) {
    return MessageExpunge{
        .folder_id = target.first, .uidvalidity = target.second, .messages = set(target), .modseq = modseq()};
  }

  Operation update_flags(const Target& target) {
    FlagsUpdate update{.folder_id = target.first, .uidvalidity = target.second, .messages = set(target)};
    update.mode = static_cast<FlagsUpdate::Mode>(random_.below(3));
    update.flags = static_cast<std::uint32_t>(random_.below(kAllSystemFlags + 1));
    update.modseq = modseq();
    if (random_.one_in(4)) {
      update.viewer_account = word("viewer", 2);
    } else {
      update.keywords = words("k", 3);
      update.tags = words("t", 2);
    }
    return update;
  }

  // Some messages of a folder to another one: a put and an expunge.
  void move() {
    const Target to = any_folder();
    Past* const from = living_folder();
    if (from == nullptr) return;
    MessagePut put;
    MessageExpunge gone{.folder_id = from->id, .uidvalidity = from->uidvalidities.back()};
    for (const auto& [key, message] : state_.messages()) {
      if (message.folder_id != from->id || !random_.one_in(2)) continue;
      put.messages.push_back(message);
      put.messages.back().folder_id = to.first;
      put.messages.back().uidvalidity = to.second;
      put.messages.back().uid = new_uid(to);
      if (message.uid != 0 && random_.one_in(2))
        gone.messages.uids.push_back(message.uid);
      else
        gone.messages.message_ids.push_back(message.id);
    }
    gone.modseq = modseq();
    perform(put);
    perform(gone);
  }

  // ---- The rest.

  std::string item_kind() { return random_.one_in(3) ? "contact" : "note"; }
  std::string item_id() { return word("i", 4); }

  Item item() {
    Item item{.kind = item_kind(), .id = item_id(), .folder_id = any_folder_id()};
    if (random_.one_in(3)) item.parent = item_id();
    item.uid = static_cast<std::uint32_t>(random_.below(3));
    item.modseq = modseq();
    if (random_.one_in(3)) item.revision = random_.below(3);
    item.flags = static_cast<std::uint32_t>(random_.below(4));
    item.tags = words("t", 2);
    item.content = content_of(random_.below(3));
    item.attributes = attributes();
    item.unknown = unknown();
    return item;
  }

  HostOp host_op() {
    HostOp operation{.host = "host", .name = word("n", 2), .data = word("d", 2)};
    if (!random_.one_in(4)) {
      operation.item_kind = item_kind();
      operation.item_id = item_id();
    }
    operation.unknown = unknown();
    return operation;
  }

  Rewind rewind() {
    Rewind rewind;
    rewind.log.bytes[0] = rewind.incarnation.bytes[15] = 1;
    rewind.lsn = random_.below(100);
    return rewind;
  }

  UnknownOperation unknown_operation() {
    return {.kind = 1000 + static_cast<std::uint32_t>(random_.below(2)),
            .required = false,
            .bytes = word("x", 2)};
  }

  Random& random_;
  MailboxState state_;
  std::vector<Operation> log_;
  std::vector<Past> folders_;  // all that ever were
  std::uint32_t uidvalidity_ = 0;
  std::uint64_t modseq_ = 0;
};

/// A history and the mailbox after each operation: `states[n]` is after the first n.
struct History {
  std::vector<Operation> log;
  std::vector<MailboxState> states;
};

[[nodiscard]] inline History make_history(Random& random, std::size_t steps) {
  HistoryMaker maker(random);
  for (std::size_t i = 0; i < steps; ++i) maker.step();
  History history;
  history.log = maker.log();
  MailboxState state;
  history.states.push_back(state);
  for (const Operation& operation : history.log) {
    if (!state.apply(operation).ok()) std::abort();
    history.states.push_back(state);
  }
  return history;
}

/// One operation a line, for messages.
[[nodiscard]] inline std::string listing(const std::vector<Operation>& operations) {
  std::string text;
  for (const Operation& operation : operations) text += describe(operation) + "\n";
  return text;
}

/// The state with every field outside of `fields` cleared, and with names for messages that do not depend on
/// their ids where these are not compared; two mailboxes are equal in `fields` if these are equal.
struct Masked {
  std::vector<Operation> elements;
  bool operator==(const Masked&) const = default;
};

class Masker {
 public:
  Masker(FieldSet fields, bool with_counters) : fields_(fields), with_counters_(with_counters) {}

  [[nodiscard]] Masked mask(const MailboxState& state) const {
    std::vector<Operation> elements = snapshot_of(state);
    Masked masked;
    for (Operation& element : elements) {
      std::visit([this](auto& operation) { mask(operation); }, element);
      const bool item = std::holds_alternative<ItemPut>(element) || std::holds_alternative<HostOp>(element) ||
                        std::holds_alternative<UnknownOperation>(element);
      if (!item || fields_.has(Field::items)) masked.elements.push_back(std::move(element));
    }
    std::sort(masked.elements.begin(), masked.elements.end());
    return masked;
  }

 private:
  template <class T>
  void clear(Field field, T& value) const {
    if (!fields_.has(field)) value = T();
  }
  void mask(AccountPut& put) const { clear(Field::attributes, put.account.attributes); }
  void mask(FolderPut& put) const {
    Folder& folder = put.folder;
    clear(Field::uid, folder.uidvalidity);
    clear(Field::uidnext, folder.uidnext);
    clear(Field::modseq, folder.highest_modseq);
    clear(Field::special_use, folder.special_use);
    clear(Field::attributes, folder.attributes);
    if (with_counters_) return;
    folder.uidnext.reset();
    folder.highest_modseq.reset();
  }
  void mask(MessagePut& put) const {
    Message& message = put.messages.front();
    clear(Field::message_id, message.id);
    clear(Field::uid, message.uid);
    clear(Field::uid, message.uidvalidity);
    clear(Field::email_id, message.email_id);
    clear(Field::thread_id, message.thread_id);
    clear(Field::internal_date, message.internal_date);
    clear(Field::save_date, message.save_date);
    clear(Field::modseq, message.modseq);
    clear(Field::keywords, message.keywords);
    clear(Field::tags, message.tags);
    clear(Field::viewer_flags, message.viewer_flags);
    clear(Field::attributes, message.attributes);
  }
  void mask(ItemPut& put) const {
    clear(Field::uid, put.item.uid);
    clear(Field::modseq, put.item.modseq);
    clear(Field::tags, put.item.tags);
    clear(Field::attributes, put.item.attributes);
  }
  template <class Other>
  void mask(Other&) const {}

  FieldSet fields_;
  bool with_counters_;
};

[[nodiscard]] inline FieldSet random_fields(Random& random) {
  if (random.one_in(3)) return FieldSet::all();
  FieldSet fields = FieldSet::from_bits(static_cast<std::uint32_t>(random.below(1u << 14)));
  return random.one_in(2) ? fields : FieldSet::from_bits(FieldSet::all().bits() & ~(1u << random.below(14)));
}

}  // namespace restante::test

#include "memory_host.hpp"

#include <algorithm>

namespace restante::test {
namespace {

constexpr std::string_view kConfiguration = "listen = *\n";

template <class Map>
std::vector<typename Map::key_type> keys_of(const Map& map) {
  std::vector<typename Map::key_type> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

// Performs a restore on a copy and swaps it in; or on the mailbox itself, as a store that cannot undo would.
class MemoryTransaction final : public SinkTransaction {
 public:
  MemoryTransaction(MemoryHost& host, std::string account_id, const SinkBegin& begin)
      : host_(host), account_id_(std::move(account_id)), begin_(begin) {
    if (const auto mailbox = host_.mailboxes.find(account_id_); mailbox != host_.mailboxes.end())
      staged_ = mailbox->second;
  }

  Status apply(const Operation& operation, ContentOpener& content,
               std::vector<ElementOutcome>& outcomes) override {
    const std::scoped_lock lock(host_.mutex);
    if (host_.fail_sink_at-- == 0) return Status(Code::io, "the store broke");
    Operation changed = operation;
    if (auto* put = std::get_if<MessagePut>(&changed)) {
      if (Status s = put_messages(*put, content, outcomes); !s.ok()) return s;
    } else if (auto* folder = std::get_if<FolderPut>(&changed)) {
      put_folder(*folder, outcomes);
    } else {
      if (const auto* item = std::get_if<ItemPut>(&changed); item && item->item.content) {
        if (Status s = fetch(*item->item.content, content); !s.ok()) return s;
      }
      outcomes.push_back({0, Outcome::changed, 0, 0, 0, {}, {}});
    }
    if (Status s = staged_.apply(changed); !s.ok()) return s;
    if (!host_.atomic_sink) host_.mailboxes[account_id_] = staged_;
    return {};
  }
  Status commit() override {
    const std::scoped_lock lock(host_.mutex);
    if (host_.fail_sink_at-- == 0) return Status(Code::io, "the store broke");
    if (staged_.account())
      host_.mailboxes[account_id_] = staged_;
    else
      host_.mailboxes.erase(account_id_);
    return {};
  }
  void abort() override {}

 private:
  Status fetch(const ContentRef& ref, ContentOpener& content) {
    if (host_.contents.contains(ref.digest)) return {};
    Result<std::unique_ptr<ContentReader>> reader = content.open(ref);
    if (!reader.ok()) return reader.status();
    Result<Bytes> bytes = read_all(**reader);
    if (!bytes.ok()) return bytes.status();
    if (content_ref_of(*bytes) != ref) return Status(Code::damaged, "content has another digest");
    host_.contents[ref.digest] = *std::move(bytes);
    return {};
  }

  void put_folder(FolderPut& put, std::vector<ElementOutcome>& outcomes) {
    ElementOutcome outcome{0, Outcome::changed, 0, 0, 0, {}, {}};
    if (!staged_.folders().contains(put.folder.id)) outcome.outcome = Outcome::created;
    if (put.folder.uidvalidity == 0) {
      put.folder.uidvalidity = outcome.uidvalidity = host_next_uidvalidity();
    }
    outcomes.push_back(outcome);
  }

  // The server assigns what the restore leaves open: UIDs of returning messages.
  Status put_messages(MessagePut& put, ContentOpener& content, std::vector<ElementOutcome>& outcomes) {
    std::map<std::string, std::uint32_t> next;
    for (std::uint32_t i = 0; i < put.messages.size(); ++i) {
      Message& message = put.messages[i];
      if (message.content) {
        if (Status s = fetch(*message.content, content); !s.ok()) return s;
      }
      ElementOutcome outcome{i, Outcome::created, 0, 0, 0, {}, {}};
      const auto folder = staged_.folders().find(message.folder_id);
      if (folder == staged_.folders().end()) {
        outcome.outcome = Outcome::refused;
        outcome.reason = "no such folder";
      } else if (message.uid == 0) {
        std::uint32_t& uid =
            next.try_emplace(message.folder_id, folder->second.uidnext.value_or(1)).first->second;
        const auto there = staged_.messages().find({message.folder_id, message.id});
        message.uidvalidity = outcome.uidvalidity = folder->second.uidvalidity;
        message.uid = outcome.uid = there == staged_.messages().end() ? uid++ : there->second.uid;
      }
      outcomes.push_back(outcome);
    }
    return {};
  }

  std::uint32_t host_next_uidvalidity() {
    std::uint32_t highest = 0;
    for (const auto& [id, mailbox] : host_.mailboxes)
      for (const auto& [folder_id, folder] : mailbox.folders())
        highest = std::max(highest, folder.uidvalidity);
    for (const auto& [folder_id, folder] : staged_.folders()) highest = std::max(highest, folder.uidvalidity);
    return highest + 1;
  }

  MemoryHost& host_;
  std::string account_id_;
  SinkBegin begin_;
  MailboxState staged_;
};

}  // namespace

void MemoryHost::between(std::string_view account_id) {
  if (inside_ || !interleave) return;
  inside_ = true;
  interleave(account_id);
  inside_ = false;
}

Status MemoryHost::list_accounts(const AccountFunction& each) {
  const std::scoped_lock lock(mutex);
  for (const auto& [id, mailbox] : mailboxes)
    if (Status s = each(*mailbox.account()); !s.ok()) return s;
  return {};
}

Result<SnapshotInfo> MemoryHost::snapshot(std::string_view account_id, OpSink& out) {
  const std::string id(account_id);
  // Copies one element at a time, so that what lies between two elements may change.
  const auto put = [&](auto find) -> Status {
    between(account_id);
    std::optional<Operation> operation;
    {
      const std::scoped_lock lock(mutex);
      const auto mailbox = mailboxes.find(id);
      if (mailbox == mailboxes.end()) return Status(Code::not_found, "the account is gone");
      operation = find(mailbox->second);
    }
    return operation ? out.put(*std::move(operation)) : Status();
  };
  const auto keys = [&](auto list) {
    const std::scoped_lock lock(mutex);
    const auto mailbox = mailboxes.find(id);
    return list(mailbox == mailboxes.end() ? MailboxState() : mailbox->second);
  };
  using Found = std::optional<Operation>;
  Status s = put([](const MailboxState& m) -> Found { return Operation(AccountPut{*m.account()}); });
  for (const auto& key : keys([](const MailboxState& m) { return keys_of(m.folders()); })) {
    if (!s.ok()) return s;
    s = put([&](const MailboxState& m) -> Found {
      const auto found = m.folders().find(key);
      return found == m.folders().end() ? Found() : Found(FolderPut{found->second});
    });
  }
  for (const auto& key : keys([](const MailboxState& m) { return keys_of(m.messages()); })) {
    if (!s.ok()) return s;
    s = put([&](const MailboxState& m) -> Found {
      const auto found = m.messages().find(key);
      return found == m.messages().end() ? Found() : Found(MessagePut{{found->second}});
    });
  }
  for (const auto& key : keys([](const MailboxState& m) { return keys_of(m.items()); })) {
    if (!s.ok()) return s;
    s = put([&](const MailboxState& m) -> Found {
      const auto found = m.items().find(key);
      return found == m.items().end() ? Found() : Found(ItemPut{found->second});
    });
  }
  for (const HostOp& operation : keys([](const MailboxState& m) { return m.host_ops(); })) {
    if (!s.ok()) return s;
    s = out.put(operation);
  }
  if (!s.ok()) return s;
  return SnapshotInfo{};
}

Result<std::unique_ptr<ContentReader>> MemoryHost::open_content(std::string_view account_id,
                                                                const ContentPlace& place) {
  if (account_id == kServerAccount) return read_from_memory(as_bytes(kConfiguration));
  between(account_id);
  const std::scoped_lock lock(mutex);
  const auto mailbox = mailboxes.find(account_id);
  const Status gone(Code::not_found, "gone");
  if (mailbox == mailboxes.end()) return gone;
  std::optional<ContentRef> content;
  if (place.item_kind.empty()) {
    const auto message = mailbox->second.messages().find({place.folder_id, place.message_id});
    if (message == mailbox->second.messages().end()) return gone;
    content = message->second.content;
  } else {
    const auto item = mailbox->second.items().find({place.item_kind, place.item_id});
    if (item == mailbox->second.items().end()) return gone;
    if (!item->second.content) return Status(Code::unsupported, "this item has no content");
    content = item->second.content;
  }
  const auto bytes = contents.find(content->digest);
  if (bytes == contents.end()) return gone;
  return read_from_memory(Bytes(bytes->second));
}

Status MemoryHost::server_data(OpSink& out) {
  Item item;
  item.kind = "configuration";
  item.id = "server.conf";
  return out.put(ItemPut{item});
}

Status MemoryHost::barrier(std::string_view account_id) {
  between(account_id);
  if (on_barrier) on_barrier(account_id);
  return {};
}

SinkTraits MemoryHost::traits() const {
  SinkTraits traits;
  traits.fields = FieldSet::all();
  traits.atomic = atomic_sink;
  traits.own_attributes = own_attributes;
  return traits;
}

Result<std::string> MemoryHost::find_account(std::string_view address) {
  const std::scoped_lock lock(mutex);
  for (const auto& [id, mailbox] : mailboxes)
    if (mailbox.account()->address == address) return id;
  return Status(Code::not_found, "no such account");
}

Result<std::string> MemoryHost::new_account_id(std::string_view address) {
  return "id-of-" + std::string(address);
}

Result<std::unique_ptr<SinkTransaction>> MemoryHost::begin(std::string_view account_id,
                                                           const SinkBegin& begin) {
  const std::scoped_lock lock(mutex);
  if (!begin.create_account && !mailboxes.contains(account_id))
    return Status(Code::not_found, "no such account");
  return std::unique_ptr<SinkTransaction>(new MemoryTransaction(*this, std::string(account_id), begin));
}

}  // namespace restante::test

#include "stores/maildir_sink.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_commit.hpp"
#include "stores/maildir_content.hpp"

namespace restante::stores {

// --- Beginning and ending ---------------------------------------------------------------------------

Result<std::unique_ptr<MaildirTransaction>> MaildirTransaction::begin(os::Io& io, AccountDir account,
                                                                      bool made, const SinkBegin& begin,
                                                                      BaseNames& names,
                                                                      WarningFunction warn) {
  std::unique_ptr<MaildirTransaction> transaction(
      new MaildirTransaction(io, std::move(account), made, names, std::move(warn)));
  transaction->model_.identity = begin.identity;
  transaction->model_.keep_unnamed = begin.keep_unnamed;
  if (Status loaded = transaction->load(); !loaded.ok()) return loaded;
  if (begin.identity == Identity::exact && transaction->has_messages()) {
    return Status(Code::already_exists,
                  base::cat("the maildir of ", base::escape(transaction->account_.id), " holds messages"),
                  "identity 'exact' needs an empty account; use 'keep' or 'renew'");
  }
  return transaction;
}

Status MaildirTransaction::load() {
  model_.ownership = Ownership::of(account_.info);
  const MailboxReader reader(io_, account_.fd.get(), model_.ownership, warn_);
  Result<std::vector<FoundFolder>> found = reader.folders(Want::structure);
  if (!found.ok()) return found.status();
  for (FoundFolder& folder : *found) {
    auto entry = std::make_unique<FolderEntry>();
    entry->record = std::move(folder.record);
    if (folder.exists) entry->live_dir = folder.dir;
    entry->loaded = !folder.exists;
    entry->recorded_uidvalidity = entry->record.uidvalidity;
    entry->keywords = folder.keywords;
    entry->live_uidlist = std::move(folder.uidlist);
    model_.uidvalidity = std::max(model_.uidvalidity, entry->record.uidvalidity);
    model_.by_id[entry->record.id] = entry.get();
    model_.folders.push_back(std::move(entry));
  }
  return {};
}

bool MaildirTransaction::has_messages() {
  for (const auto& folder : model_.folders) {
    if (!load_messages(*folder).ok() || !folder->messages.empty()) return true;
  }
  return false;
}

Status MaildirTransaction::load_messages(FolderEntry& folder) {
  if (folder.loaded) return {};
  const Result<os::Fd> dir = os::open_dir_at(io_, account_.fd.get(), folder.live_dir);
  if (!dir.ok()) return dir.status();
  FoundFolder found;
  found.record = folder.record;
  found.keywords = folder.keywords;
  found.uidlist = folder.live_uidlist;
  Result<std::vector<FoundFile>> files = list_messages(io_, dir->get(), Look::files);
  if (!files.ok()) return files.status();
  found.files = std::move(*files);
  const MailboxReader reader(io_, account_.fd.get(), Ownership::of(account_.info), warn_);
  std::vector<Message> records = reader.messages_of(found);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].uid != 0) folder.by_uid[records[i].uid] = records[i].id;
    MessageEntry& entry = folder.messages[records[i].id];
    entry.record = std::move(records[i]);
    entry.live = std::move(found.files[i]);
  }
  folder.loaded = true;
  return {};
}

Status MaildirTransaction::commit() {
  ended_ = true;
  MaildirCommit commit(io_, account_, model_, stage_, warn_);
  Status status = commit.run();
  stage_.discard();
  return status;
}

void MaildirTransaction::abort() {
  if (ended_) return;
  ended_ = true;
  stage_.discard();
  if (made_) (void)os::remove_tree_at(io_, account_.parent.get(), account_.name);
}

Status MaildirTransaction::apply(const Operation& operation, ContentOpener& content, Outcomes& outcomes) {
  if (ended_) return Status(Code::invalid_argument, "the transaction has ended");
  if (const auto* put = std::get_if<MessagePut>(&operation)) {
    for (std::uint32_t i = 0; i < put->messages.size(); ++i) {
      ElementOutcome outcome;
      outcome.element = i;
      if (Status status = put_message(put->messages[i], content, outcome); !status.ok()) return status;
      outcomes.push_back(std::move(outcome));
    }
    return {};
  }
  ElementOutcome outcome;
  Status status;
  if (const auto* account = std::get_if<AccountPut>(&operation)) {
    put_account(*account, outcome);
  } else if (std::holds_alternative<AccountDelete>(operation)) {
    status = delete_account(outcome);
  } else if (const auto* folder = std::get_if<FolderPut>(&operation)) {
    put_folder(folder->folder, outcome);
  } else if (const auto* gone = std::get_if<FolderDelete>(&operation)) {
    status = delete_folder(*gone, outcome);
  } else if (const auto* expunged = std::get_if<MessageExpunge>(&operation)) {
    status = expunge(*expunged, outcome);
  } else if (const auto* flags = std::get_if<FlagsUpdate>(&operation)) {
    status = update_flags(*flags, outcome);
  } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
    status = put_item(item->item, content, outcome);
  } else if (const auto* removed = std::get_if<ItemDelete>(&operation)) {
    status = delete_item(*removed, outcome);
  } else if (!std::holds_alternative<Rewind>(operation)) {
    refuse(outcome, base::cat("a maildir cannot perform ", name_of(operation)));
  }
  if (status.ok()) outcomes.push_back(std::move(outcome));
  return status;
}

void MaildirTransaction::refuse(ElementOutcome& outcome, std::string reason) {
  outcome.outcome = Outcome::refused;
  outcome.reason = std::move(reason);
}

// --- The account ------------------------------------------------------------------------------------

void MaildirTransaction::put_account(const AccountPut& put, ElementOutcome& outcome) {
  // The address is the directory's name: it is what it is. The name of the person has no place here.
  const bool revived = model_.deleted;
  model_.deleted = false;
  const Ownership wanted = take_ownership(put.account.attributes, model_.ownership);
  model_.ownership_touched |= wanted != model_.ownership;
  outcome.outcome = made_ || revived             ? Outcome::created
                    : wanted != model_.ownership ? Outcome::changed
                                                 : Outcome::kept;
  model_.ownership = wanted;
  if (lower_case(put.account.id) != account_.id) outcome.id = account_.id;
}

Status MaildirTransaction::delete_account(ElementOutcome& outcome) {
  model_.deleted = true;
  for (const auto& folder : model_.folders) {
    if (folder->deleted) continue;
    ElementOutcome ignored;
    if (Status status = delete_folder({folder->record.id}, ignored); !status.ok()) return status;
  }
  const MailboxReader reader(io_, account_.fd.get(), Ownership::of(account_.info), nullptr);
  Result<std::vector<FoundFolder>> folders = reader.folders(Want::structure);
  if (!folders.ok()) return folders.status();
  model_.items.clear();
  model_.subscriptions.emplace();
  model_.subscriptions_touched = true;
  outcome.outcome = Outcome::removed;
  return reader.items(*folders, [&](const Item& item) {
    if (item.kind == kFileKind) model_.removed_items.insert(item.id);
    return Status();
  });
}

}  // namespace restante::stores

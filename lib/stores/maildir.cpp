#include "stores/maildir.hpp"

#include <utility>

#include "base/text.hpp"
#include "os/file.hpp"
#include "stores/maildir_account.hpp"
#include "stores/maildir_content.hpp"
#include "stores/maildir_list.hpp"
#include "stores/maildir_names.hpp"
#include "stores/maildir_pattern.hpp"
#include "stores/maildir_sink.hpp"

namespace restante {
inline namespace v0 {
namespace {

// Messages put in one operation: enough to forget its overhead, few enough to hold.
constexpr std::size_t kMessagesPerPut = 256;

FieldSet maildir_fields() {
  return {Field::uid, Field::uidnext, Field::internal_date, Field::keywords, Field::attributes, Field::items};
}

Status put_messages(std::vector<Message> messages, OpSink& out) {
  for (std::size_t begin = 0; begin < messages.size(); begin += kMessagesPerPut) {
    const std::size_t end = std::min(messages.size(), begin + kMessagesPerPut);
    MessagePut put;
    for (std::size_t i = begin; i < end; ++i) put.messages.push_back(std::move(messages[i]));
    if (Status status = out.put(std::move(put)); !status.ok()) return status;
  }
  return {};
}

}  // namespace

struct MaildirStore::Impl {
  Impl(os::Io& io_calls, stores::AccountPattern pattern, stores::AccountWarning on_warning)
      : io(io_calls),
        warn(std::move(on_warning)),
        accounts(io, std::move(pattern), warn),
        contents(io, accounts, warn) {}

  [[nodiscard]] stores::WarningFunction warning_of(std::string account_id) const {
    return [this, id = std::move(account_id)](std::string_view text) { warn(id, text); };
  }

  os::Io& io;
  stores::AccountWarning warn;
  stores::AccountFinder accounts;
  stores::ContentFinder contents;
  stores::BaseNames names;
};

MaildirStore::MaildirStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MaildirStore::~MaildirStore() = default;

Result<std::unique_ptr<MaildirStore>> MaildirStore::open(const Options& options) {
  return MaildirInternals::open(options, os::real_io());
}

Result<std::unique_ptr<MaildirStore>> MaildirInternals::open(const MaildirStore::Options& options,
                                                             os::Io& io) {
  Result<stores::AccountPattern> pattern = stores::AccountPattern::parse(options.path, options.domain);
  if (!pattern.ok()) return pattern.status();
  stores::AccountWarning warn = [given = options.on_warning](std::string_view account,
                                                             std::string_view text) {
    if (given) given(account, text);
  };
  auto impl = std::make_unique<MaildirStore::Impl>(io, std::move(*pattern), std::move(warn));
  if (Status root = impl->accounts.check_root(); !root.ok()) return root;
  return std::unique_ptr<MaildirStore>(new MaildirStore(std::move(impl)));
}

os::Io& MaildirInternals::io(MaildirStore& store) { return store.impl_->io; }
const stores::AccountFinder& MaildirInternals::accounts(MaildirStore& store) { return store.impl_->accounts; }
const stores::AccountWarning& MaildirInternals::warning(MaildirStore& store) { return store.impl_->warn; }
void MaildirInternals::close_account(MaildirStore& store, const std::string& account_id) {
  store.impl_->contents.forget(account_id);
}

// --- Source -----------------------------------------------------------------------------------------

FieldSet MaildirStore::fields() const { return maildir_fields(); }

namespace {

Account account_of(const stores::AccountDir& dir) {
  Account account;
  account.id = dir.id;
  account.address = dir.id;
  // All three are told: nothing above the account's directory is a default for it.
  constexpr std::uint32_t kNone = UINT32_MAX;
  stores::put_ownership(stores::Ownership::of(dir.info), {kNone, kNone, kNone}, account.attributes);
  return account;
}

}  // namespace

Status MaildirStore::list_accounts(const AccountFunction& each) {
  const Result<stores::AccountFinder::Found> all = impl_->accounts.find_all();
  if (!all.ok()) return all.status();
  for (const auto& [address, path] : all->mailboxes) {
    const Result<stores::AccountDir> dir = impl_->accounts.open(address);
    if (!dir.ok() && dir.status().code() == Code::not_found) continue;  // removed meanwhile
    if (!dir.ok()) return dir.status();
    if (Status status = each(account_of(*dir)); !status.ok()) return status;
  }
  for (const stores::AccountFinder::Stray& stray : all->strays) {
    Account account;
    account.id = account.address = stray.id;
    if (Status status = each(account); !status.ok()) return status;
  }
  return {};
}

Result<SnapshotInfo> MaildirStore::snapshot(std::string_view account_id, OpSink& out) {
  const Result<stores::AccountDir> account = impl_->accounts.open(account_id);
  if (!account.ok()) return account.status();
  const stores::MailboxReader reader(impl_->io, account->fd.get(), stores::Ownership::of(account->info),
                                     impl_->warning_of(account->id));
  const Result<std::vector<stores::FoundFolder>> folders = reader.folders(stores::Want::messages);
  if (!folders.ok()) return folders.status();
  impl_->contents.remember(*account, *folders);

  if (Status status = out.put(AccountPut{account_of(*account)}); !status.ok()) return status;
  for (const stores::FoundFolder& folder : *folders) {
    if (Status status = out.put(FolderPut{folder.record}); !status.ok()) return status;
  }
  for (const stores::FoundFolder& folder : *folders) {
    if (Status status = put_messages(reader.messages_of(folder), out); !status.ok()) return status;
  }
  const Status items = reader.items(*folders, [&](Item item) { return out.put(ItemPut{std::move(item)}); });
  if (!items.ok()) return items;
  return SnapshotInfo{};
}

Result<std::unique_ptr<ContentReader>> MaildirStore::open_content(std::string_view account_id,
                                                                  const ContentPlace& place) {
  return impl_->contents.open(account_id, place);
}

// --- Sink -------------------------------------------------------------------------------------------

SinkTraits MaildirStore::traits() const {
  SinkTraits traits;
  traits.fields = maildir_fields();
  traits.stages = true;
  traits.own_attributes = stores::own_attributes();
  return traits;
}

Result<std::string> MaildirStore::find_account(std::string_view address) {
  const Result<stores::AccountDir> account = impl_->accounts.open(address);
  if (!account.ok()) return account.status();
  return account->id;
}

Result<std::string> MaildirStore::new_account_id(std::string_view address) {
  if (Status checked = impl_->accounts.check_address(address); !checked.ok()) return checked;
  return stores::lower_case(address);
}

Result<std::unique_ptr<SinkTransaction>> MaildirStore::begin(std::string_view account_id,
                                                             const SinkBegin& begin) {
  Result<stores::AccountDir> account = impl_->accounts.open(account_id);
  bool made = false;
  if (begin.create_account) {
    if (account.ok()) {
      return Status(Code::already_exists,
                    base::cat("there is a maildir of ", base::escape(account_id), " already"));
    }
    if (account.status().code() != Code::not_found) return account.status();
    made = !impl_->accounts.open_place(account_id, false).ok();
    account = impl_->accounts.open_place(account_id, true);
  }
  if (!account.ok()) return account.status();
  stores::WarningFunction warn = impl_->warning_of(account->id);
  Result<std::unique_ptr<stores::MaildirTransaction>> transaction = stores::MaildirTransaction::begin(
      impl_->io, std::move(*account), made, begin, impl_->names, std::move(warn));
  if (!transaction.ok()) return transaction.status();
  return std::unique_ptr<SinkTransaction>(std::move(*transaction));
}

}  // namespace v0
}  // namespace restante

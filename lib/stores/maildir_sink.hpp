#pragma once
// A restore into one Maildir account.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <restante/mail_sink.hpp>

#include "os/io.hpp"
#include "stores/maildir_account.hpp"
#include "stores/maildir_model.hpp"
#include "stores/maildir_stage.hpp"

namespace restante::stores {

/// The modification time that the file shall have; nothing if none was recorded.
[[nodiscard]] std::optional<std::int64_t> mtime_of(const Message& message);
[[nodiscard]] std::optional<std::int64_t> mtime_of(const Item& item);

/// `apply` changes the model and writes new content into tmp/; nothing is visible before `commit`, which
/// makes messages appear before others are removed. `abort` leaves the mailbox as it was.
class MaildirTransaction final : public SinkTransaction {
 public:
  /// Reads the folders of the account. `made`: the directory is new and goes with `abort`.
  [[nodiscard]] static Result<std::unique_ptr<MaildirTransaction>> begin(os::Io& io, AccountDir account,
                                                                         bool made, const SinkBegin& begin,
                                                                         BaseNames& names,
                                                                         WarningFunction warn);
  ~MaildirTransaction() override { abort(); }

  Status apply(const Operation& operation, ContentOpener& content,
               std::vector<ElementOutcome>& outcomes) override;
  Status stage(const Message& message, ContentReader& content) override;
  Status stage(const Item& item, ContentReader& content) override;
  Status commit() override;
  void abort() override;

 private:
  using Outcomes = std::vector<ElementOutcome>;
  /// A file in tmp/ that is whole and says what it was made for.
  struct StagedFile {
    std::string name;
    ContentRef content;
    Ownership ownership;
  };
  /// The folder and the id of a message, or nothing and the id of an item.
  using StagedKey = std::pair<std::string, std::string>;
  MaildirTransaction(os::Io& io, AccountDir account, bool made, BaseNames& names, WarningFunction warn)
      : io_(io),
        account_(std::move(account)),
        made_(made),
        names_(names),
        warn_(std::move(warn)),
        stage_(io, account_.fd.get(), names) {}
  Status load();
  Status load_messages(FolderEntry& folder);
  [[nodiscard]] bool has_messages();

  void put_account(const AccountPut& put, ElementOutcome& outcome);
  Status delete_account(ElementOutcome& outcome);

  void put_folder(const Folder& folder, ElementOutcome& outcome);
  [[nodiscard]] FolderEntry* resolve(const Folder& folder, const std::string& dir) const;
  [[nodiscard]] std::string why_folder_refused(const Folder& folder) const;
  [[nodiscard]] std::string id_after(const FolderEntry& folder) const;
  Status renew(FolderEntry& folder, std::uint32_t recorded);
  Status delete_folder(const FolderDelete& operation, ElementOutcome& outcome);

  Status put_message(const Message& message, ContentOpener& content, ElementOutcome& outcome);
  Status update_message(FolderEntry& folder, MessageEntry& entry, const Message& message,
                        ElementOutcome& outcome);
  Status create_message(FolderEntry& folder, const Message& message, ContentOpener& content,
                        ElementOutcome& outcome);
  [[nodiscard]] std::string new_id(const FolderEntry& folder, const Message& message,
                                   const std::string& staged) const;
  std::uint32_t take_uid(FolderEntry& folder, const std::string& id, std::uint32_t wanted);
  void remove_message(FolderEntry& folder, const std::string& id);
  [[nodiscard]] std::vector<std::string> select(const FolderEntry& folder, std::uint32_t uidvalidity,
                                                const MessageSet& set) const;
  Status expunge(const MessageExpunge& operation, ElementOutcome& outcome);
  Status update_flags(const FlagsUpdate& operation, ElementOutcome& outcome);

  Status put_item(const Item& item, ContentOpener& content, ElementOutcome& outcome);
  Status put_file(const Item& item, ContentOpener& content, ElementOutcome& outcome);
  [[nodiscard]] std::string why_file_refused(const Item& item) const;
  Status delete_item(const ItemDelete& operation, ElementOutcome& outcome);
  void load_subscriptions();

  [[nodiscard]] Ownership ownership_of(const Attributes& attributes) const;
  Status stage_file(StagedKey key, const ContentRef& ref, const Attributes& attributes,
                    const std::int64_t* mtime_ns, ContentReader& content);
  Status take_staged(const StagedKey& key, const ContentRef& ref, const Attributes& attributes,
                     std::string& name);
  Status put_content(const StagedKey& key, const ContentRef& ref, const Attributes& attributes,
                     const std::int64_t* mtime_ns, ContentOpener& content, std::string& name,
                     ElementOutcome& outcome);
  static void refuse(ElementOutcome& outcome, std::string reason);

  os::Io& io_;
  AccountDir account_;
  bool made_;
  BaseNames& names_;
  WarningFunction warn_;
  Stage stage_;
  std::mutex staged_mutex_;
  std::map<StagedKey, StagedFile> staged_;
  MailboxModel model_;
  bool ended_ = false;
};

}  // namespace restante::stores

#pragma once
// What a scan logs: the known state and the store's, made comparable, and the content of what is new.

#include <map>
#include <set>
#include <string>
#include <vector>

#include <restante/mail_source.hpp>
#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

#include "stores/scan_match.hpp"
#include "stores/scan_state.hpp"

namespace restante::stores {

class ScanDifference {
 public:
  /// All outlive it. `known.state` is what the log says.
  ScanDifference(MailSource& store, RedoLog log, const ScanState& known)
      : store_(store), log_(std::move(log)), known_(known), fields_(store.fields()) {}

  /// Reads the store, twice if something is missing (R9). The account may have gone: `live()` is empty then.
  [[nodiscard]] Status read();
  /// In place of reading: what the store holds in place of what is known, as somebody saw it exactly.
  [[nodiscard]] Status take(MailboxState live);
  /// The operations that turn the known state into the store's.
  [[nodiscard]] Result<DifferenceSummary> operations(std::vector<Operation>& out) const;
  /// Puts the content of what an operation of these puts anew into the log and names it there; adds its size
  /// to `bytes`. False if nothing is left of the operation, because what it puts has gone from the store.
  [[nodiscard]] Result<bool> log_content(Operation& operation, std::uint64_t& bytes);
  [[nodiscard]] const std::string& account_id() const { return known_.account_id; }

  [[nodiscard]] const MailboxState& live() const { return live_; }
  /// Ids of the log -> ids of the store, where they differ.
  [[nodiscard]] const FolderIds& store_ids() const { return back_; }
  /// Without content: for an account that is scanned for the first time.
  [[nodiscard]] Status read_to_adopt();

 private:
  using ByBaseName = std::multimap<std::string_view, const Message*>;

  Result<MailboxState> list(FolderIds& ids);
  [[nodiscard]] bool lacks_something() const;
  void add_unconfirmed(const MailboxState& first);
  Status complete();
  Status complete(Operation& operation, const ByBaseName& elsewhere, bool& gone);
  Status complete_content(Message& message, const Message* known, const ByBaseName& elsewhere, bool& gone);
  Status complete_content(Item& item);
  void keep_sticky(Folder& folder) const;
  void keep_sticky(Message& message, const Message& known) const;
  [[nodiscard]] bool is_new_put(const Message& message, const Message* known) const;
  Result<ContentRef> hash(const ContentPlace& place);
  Result<ContentRef> put_content(const ContentPlace& place);
  [[nodiscard]] ContentPlace place_of(const Message& message) const;

  MailSource& store_;
  RedoLog log_;
  const ScanState& known_;
  const FieldSet fields_;
  FolderIds ids_;
  FolderIds back_;
  MailboxState live_;
  // Whose content is not known.
  std::set<MessageKey> new_messages_;
  std::set<ItemKey> new_items_;
};

}  // namespace restante::stores

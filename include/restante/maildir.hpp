#pragma once
/// \file
/// A store of Maildir++ mailboxes as Dovecot and Courier write them, with or without a server on top.
///
///     auto store = MaildirStore::open({.path = "/srv/mail", .domain = "example.com"});
///     auto scanner = Scanner::open(*store, log, {.state_directory = "/var/lib/restante/scan"});
///     scanner->scan("alice@example.com");       // logs what changed since the last time
///
/// What is kept both ways: folders (`.Work.Reports` is "Reports" in "Work"; a parent without a directory is
/// a folder with the attribute "nonexistent"), UIDVALIDITY, UIDs, GUIDs and extension fields of
/// dovecot-uidlist, flags, keywords a–z, internal date (mtime), owner, group and mode, subscriptions (items
/// of kind "subscription"), exact file names where they are not the canonical ones, and every other file of
/// the mailbox (items of kind "file", id = path below the mailbox). Indexes, locks and tmp/ are not kept.
///
/// What a Maildir cannot hold: MODSEQ, save date, keywords beyond 26, and per-viewer flags. `fields()` says
/// so, and comparisons leave it out (R15).
///
/// A message's id is its base name; it is a new one when the message returns (R3), so
/// `Field::message_id` is not among its fields. A folder's id is the GUID of its dovecot-uidlist, else it is
/// made from its path and UIDVALIDITY (R2); `Scanner` keeps an id once given when a server indexes a folder
/// later.
///
/// **Threads.** As `MailSource` and `MailSink` ask. **Failures.** Names from outside are opened relative to
/// directory descriptors and links are not followed (R9); what is neither file nor directory is reported as
/// a warning. **What a crash leaves** of a restore is a mailbox with some of its operations done; every
/// single message is whole or absent.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <restante/mail_sink.hpp>
#include <restante/mail_source.hpp>

namespace restante {
inline namespace v0 {

class MaildirStore final : public MailSource, public MailSink {
 public:
  struct Options {
    /// Where the mailboxes are: a directory with one Maildir an account, named by its local part; or a
    /// pattern with %u (address), %n (local part) and %d (domain): "/srv/mail/%d/%n/Maildir".
    std::string path{};
    /// Domain of addresses where the pattern has no %d.
    std::string domain{};
    /// Receives one line for every oddity that was passed over or kept as it is. Called from any thread.
    std::function<void(std::string_view account_id, std::string_view warning)> on_warning{};
  };

  /// `not_found` if the fixed part of the path does not exist, `invalid_argument` for a bad pattern.
  [[nodiscard]] static Result<std::unique_ptr<MaildirStore>> open(const Options& options);
  ~MaildirStore() override;

  [[nodiscard]] FieldSet fields() const override;
  /// An account's id is its address, lower case. A directory that no address leads to (a second one of an
  /// address, one that cannot be opened) is listed as "./" and its path, and a snapshot of it fails with the
  /// reason: a backup names it as an account that it could not read.
  [[nodiscard]] Status list_accounts(const AccountFunction& each) override;
  /// Fuzzy, and without content ids. A message that one listing misses is looked for in a second (R9).
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view account_id, OpSink& out) override;
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override;

  [[nodiscard]] SinkTraits traits() const override;
  [[nodiscard]] Result<std::string> find_account(std::string_view address) override;
  [[nodiscard]] Result<std::string> new_account_id(std::string_view address) override;
  /// `keep` acts as an ordinary Maildir client and leaves uidlist and indexes alone; `exact` and `renew`
  /// write dovecot-uidlist and remove indexes, so the server must not have the mailbox open.
  [[nodiscard]] Result<std::unique_ptr<SinkTransaction>> begin(std::string_view account_id,
                                                               const SinkBegin& begin) override;

 private:
  friend struct MaildirInternals;
  struct Impl;
  explicit MaildirStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante

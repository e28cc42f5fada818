#pragma once
// A mail server in memory: its mailboxes are MailboxStates, its contents go with the last message that has
// them. Small enough to be obviously right, mean enough to show every race that R1 speaks of: snapshots are
// read element by element while a hook changes the mailbox.

#include <restante/mail_sink.hpp>
#include <restante/mail_source.hpp>
#include <restante/mailbox_state.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace restante::test {

class MemoryHost final : public MailSource, public MailSink {
 public:
  // Called before each element of a snapshot, each content and each barrier. Not while it runs itself.
  std::function<void(std::string_view account_id)> interleave;
  // Called by barrier: everything that has happened to the account must be logged when it returns.
  std::function<void(std::string_view account_id)> on_barrier;

  // --- The server's own work ------------------------------------------------------------------------

  [[nodiscard]] ContentRef keep(Bytes bytes) {
    const std::scoped_lock lock(mutex);
    const ContentRef ref = content_ref_of(bytes);
    contents[ref.digest] = std::move(bytes);
    return ref;
  }

  std::recursive_mutex mutex;
  std::map<std::string, MailboxState, std::less<>> mailboxes;
  std::map<Digest, Bytes> contents;

  // --- MailSource -----------------------------------------------------------------------------------

  [[nodiscard]] FieldSet fields() const override { return FieldSet::all(); }
  [[nodiscard]] Status list_accounts(const AccountFunction& each) override;
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view account_id, OpSink& out) override;
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override;
  [[nodiscard]] Status server_data(OpSink& out) override;
  [[nodiscard]] Status barrier(std::string_view account_id) override;

  // --- MailSink -------------------------------------------------------------------------------------

  [[nodiscard]] SinkTraits traits() const override;
  [[nodiscard]] Result<std::string> find_account(std::string_view address) override;
  [[nodiscard]] Result<std::string> new_account_id(std::string_view address) override;
  [[nodiscard]] Result<std::unique_ptr<SinkTransaction>> begin(std::string_view account_id,
                                                               const SinkBegin& begin) override;

  // Makes the sink fail at the n-th operation from now on; UINT64_MAX never.
  std::uint64_t fail_sink_at = UINT64_MAX;
  std::vector<std::string> own_attributes;
  bool atomic_sink = true;

 private:
  void between(std::string_view account_id);
  bool inside_ = false;
};

}  // namespace restante::test

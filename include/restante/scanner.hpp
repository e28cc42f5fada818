#pragma once
/// \file
/// Feeds a redo log from a store that does not know of it: compares the store with its last known state and
/// logs the difference (design: the third way).
///
///     auto scanner = Scanner::open(*store, *log, {.state_directory = "/var/lib/restante/scan"});
///     ScanReport report = *scanner->scan("alice@example.com");
///     Session::begin(target, {.source = scanner.get(), .log = &*log, …});     // exact, not fuzzy
///
/// The scanner is a `MailSource` of its own: its snapshot scans first and then hands out the known state,
/// exactly as of the log position that the scan reached, so a session over it has nothing fuzzy (R1, as_of).
///
/// The known state of an account is a file in the state directory, stamped with the log position it
/// reflects; log transactions behind that position (a restore's Rewind, a scan whose state file was lost in
/// a crash) are applied when it is loaded. A first scan of an account adopts what it finds without logging
/// its content: the next session makes a full of it. If the file is lost, `Options::baseline` gives the
/// state from the newest backup, so that what vanished meanwhile is logged as well.
///
/// **Threads.** Any; one account is scanned by one thread at a time, also where several processes have
/// scanners over one state directory: who comes second waits, and is `busy` after a minute. **What a crash
/// leaves.** Either the difference is not logged and will be found again, or it is logged and will be applied
/// to the known state.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <restante/mail_sink.hpp>
#include <restante/mail_source.hpp>
#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

namespace restante {
inline namespace v0 {

struct ScanReport {
  std::string account_id{};
  /// The first scan of this account: its state was adopted, nothing was logged.
  bool adopted = false;
  DifferenceSummary difference;
  /// The log position that the known state now is exactly.
  Lsn as_of = 0;
};

class Scanner final : public MailSource {
 public:
  struct Options {
    std::string state_directory{};
    /// The state of an account at the end of the log as a backup target knows it, as a sorted snapshot;
    /// `not_found` if it knows none. Asked when the state file is missing or damaged.
    std::function<Result<std::vector<Operation>>(std::string_view account_id)> baseline{};
    Origin origin{.client = "restante scan"};
    /// Shown to others that wait.
    std::string holder = "restante";
  };

  /// `store` must outlive the scanner.
  [[nodiscard]] static Result<std::unique_ptr<Scanner>> open(MailSource& store, const RedoLog& log,
                                                             const Options& options);
  ~Scanner() override;

  /// Logs what changed since the last known state, content of new messages before the transaction that puts
  /// them. A small difference is one transaction, a large one several.
  /// An account that has gone is logged as AccountDelete.
  /// `restore_unfinished` if a restore of the account began and did not end.
  [[nodiscard]] Result<ScanReport> scan(std::string_view account_id);
  /// Accounts of the store and those known from earlier scans, sorted.
  [[nodiscard]] Result<std::vector<std::string>> accounts();

  /// A way to restore into the scanned store: `store`, for operations that name folders as the scanner does.
  /// Its folder ids stay when a server indexes a folder later, so they may differ from the store's own.
  ///     plan = RestorePlan::make(…, {.source = scanner.get(), .sink = scanner->sink_for(*store).get()})
  /// Both must outlive the answer.
  [[nodiscard]] std::unique_ptr<MailSink> sink_for(MailSink& store);

  [[nodiscard]] FieldSet fields() const override;
  [[nodiscard]] Status list_accounts(const AccountFunction& each) override;
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view account_id, OpSink& out) override;
  [[nodiscard]] Result<SnapshotInfo> snapshot_state(std::string_view account_id, MailboxState& out) override;
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override;
  [[nodiscard]] Status server_data(OpSink& out) override;
  /// Kept with the known state, so that a later full reads only what is new.
  [[nodiscard]] Status note_contents(std::string_view account_id, std::span<const Message> messages) override;
  /// A scan.
  [[nodiscard]] Status barrier(std::string_view account_id) override;
  /// Those of which a `Watcher` over the same state directory, in whatever process, is certain once it has
  /// logged what happened until now; none where nobody watches, or after ten seconds without an answer.
  [[nodiscard]] Result<std::set<std::string>> settled_accounts() override;

 private:
  friend struct ScannerInternals;
  struct Impl;
  explicit Scanner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante

#pragma once
// What the parts of a session share: its beginning and end (session.cpp), the log (session_log.cpp), the
// accounts (session_accounts.cpp), and those folded from the log (session_synthetic.cpp).

#include <restante/session.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backup/account_backup.hpp"
#include "backup/snapshot_tally.hpp"
#include "base/pace.hpp"
#include "base/text.hpp"
#include "history/account_state.hpp"
#include "redo/log_access.hpp"
#include "redo/segment_view.hpp"
#include "target/target_impl.hpp"

namespace restante {
inline namespace v0 {

struct Session::Impl {
  Impl(BackupTarget t, Options o)
      : handle(std::move(t)),
        target(TargetAccess::impl(handle)),
        options(std::move(o)),
        pace(options.bytes_per_second) {}

  BackupTarget handle;
  BackupTarget::Impl& target;
  Options options;
  base::Pace pace;
  target::SessionRecord record;
  std::vector<Account> accounts;
  // Accounts that have a full in the target; those whose full the log still goes on from without a hole, and
  // when the session of the newest such began; and those that the archived segments name.
  std::set<std::string> known_accounts;
  std::map<std::string, Time> with_full;
  std::set<std::string> touched_accounts;
  // Of an auto-grouped session: whose turn it is.
  std::set<std::string> group;
  // Accounts whose source is certain that the log has all of them.
  std::set<std::string> settled;
  // Segments that this session archived or found archived, and those of the log that it cannot read.
  std::set<std::string> archived_keys;
  std::set<std::string> unreadable_keys;
  Lsn readable_until = UINT64_MAX;  // where the first of those begins
  // Accounts that were read for content that the log has lost.
  std::set<std::string, std::less<>> read_for_content;
  std::unique_ptr<Publication> publication;
  std::unique_ptr<content::ContentWriter> content;
  content::Lease lease;
  // What the log holds since the session began: another session that ends first must not let it go.
  std::shared_ptr<redo::SegmentPin> pin;
  CancelToken abort;

  // While accounts are read, several threads work with these and with `record`.
  std::mutex record_mutex;
  std::unique_ptr<target::SnapshotObjects> snapshot_objects;
  std::vector<std::unique_ptr<target::SnapshotWriter>> idle_writers;
  std::set<Digest> contents;

  // What a synthetic session folds, and up to where.
  struct Synthetic {
    std::vector<BackupTarget> targets;  // the session's own
    history::History history;
    history::Fulls fulls;
    history::ResolvedStop stop;
    // Begin of the oldest transaction that is open at the stop, by account.
    std::map<std::string, Lsn> open;
    // Ids of accounts that the source has, and of those that an earlier session saw deleted after their full.
    std::set<std::string> in_store;
    std::set<std::string> was_deleted;
  };
  Synthetic synthetic;

  std::mutex heartbeat_mutex;
  std::chrono::steady_clock::time_point first_heartbeat{};
  std::chrono::steady_clock::time_point last_heartbeat{};

  mutable std::mutex mutex;
  std::condition_variable ended;
  enum class State { begun, running, over } state = State::begun;
  Progress progress;
  std::optional<Result<SessionInfo>> result;

  [[nodiscard]] std::string consumer_name() const { return "target-" + target.id.to_string(); }

  // --- Beginning ------------------------------------------------------------------------------------

  [[nodiscard]] Status prepare();
  [[nodiscard]] Status check_options() const;
  [[nodiscard]] Status check_rights() const;
  [[nodiscard]] Result<std::vector<Account>> accounts_of_store() const;
  [[nodiscard]] Result<std::vector<Account>> accounts_to_fold();
  [[nodiscard]] Result<std::vector<Account>> choose(std::vector<Account> all) const;
  [[nodiscard]] Status choose_label(SessionType type);
  [[nodiscard]] Status check_conflicts() const;
  [[nodiscard]] Status take_label(SessionType type);
  [[nodiscard]] std::string status_key() const;
  [[nodiscard]] Result<Bytes> encode_status();
  [[nodiscard]] Status put_status();
  [[nodiscard]] Progress current_progress() const;

  // --- Running --------------------------------------------------------------------------------------

  [[nodiscard]] Status claim_run();
  void run_to_the_end();
  [[nodiscard]] Result<SessionInfo> run();
  [[nodiscard]] Status back_up_everything();
  [[nodiscard]] Status check_packs() const;
  [[nodiscard]] Status take_lease();
  [[nodiscard]] Status register_consumer();
  [[nodiscard]] Status back_up_server_data();
  using Line = std::map<Id128, Lsn>;
  [[nodiscard]] Line line_of_log(const redo::SegmentViews& archived) const;
  [[nodiscard]] Result<Lsn> beginning_of_log(const redo::SegmentViews& archived, const Line& line) const;
  [[nodiscard]] std::map<std::string, std::string> closed_names() const;
  [[nodiscard]] Status find_fulls();
  [[nodiscard]] Status back_up_accounts();
  void choose_group();
  void find_settled();
  [[nodiscard]] bool takes_full(const Account& account) const;
  [[nodiscard]] Status back_up_one(std::size_t i);
  [[nodiscard]] Status back_up_account(const Account& account, SessionAccount& entry);
  [[nodiscard]] Status read_account(const Account& account, SessionAccount& entry);
  [[nodiscard]] Status write_account(backup::AccountSnapshot& snapshot, SessionAccount& entry);
  // Writes one snapshot and enters it into the record; `entry` has the rest of what is known of it.
  [[nodiscard]] bool write_snapshot(SessionAccount& entry, const backup::SnapshotTally::Check& check,
                                    const std::function<Status(OpSink&)>& write,
                                    backup::AccountFailure& failure);
  [[nodiscard]] std::unique_ptr<target::SnapshotWriter> take_writer();
  [[nodiscard]] Status prepare_to_fold();
  [[nodiscard]] Result<std::map<std::string, Lsn>> open_behind(Lsn lsn) const;
  [[nodiscard]] Status back_up_by_folding(const Account& account, SessionAccount& entry);
  [[nodiscard]] Status fold_account(const Account& account, SessionAccount& entry, Status& why_not);
  [[nodiscard]] Status check_folded(const Operation& operation) const;
  void settle_incremental(const Account& account, SessionAccount& entry);
  void note_vanished_accounts();
  [[nodiscard]] Status archive();
  [[nodiscard]] Status archive_one(const redo::SegmentView& view, const redo::SegmentViews& all);
  [[nodiscard]] Status check_archived(const redo::SegmentView& view, const std::string& key) const;
  [[nodiscard]] Status store_lost_content(std::string_view account_id, const ContentRef& wanted,
                                          const Status& why);
  [[nodiscard]] Status check_gap(const redo::SegmentViews& views) const;
  [[nodiscard]] Status find_gap(const redo::SegmentViews& views) const;
  [[nodiscard]] backup::AccountContext context_of(MailSource& source, RedoLog* log, bool counts_messages);
  [[nodiscard]] Status wait_for_pace(std::size_t bytes);
  [[nodiscard]] Status tick(std::uint64_t messages, std::uint64_t bytes);
  void look_for_abort();
  [[nodiscard]] bool refuses_account(const Account& account, SessionAccount& entry) const;

  // --- Ending ---------------------------------------------------------------------------------------

  void summarize();
  [[nodiscard]] Status publish();
  void tidy_up();
  void discard();
  void warn(std::string_view message) const {
    if (options.observer) options.observer->log(Observer::Level::warning, message);
  }
  void warn(const Status& status, std::string_view doing) const {
    if (!status.ok()) warn(base::cat(doing, ": ", status.message()));
  }
};

}  // namespace v0
}  // namespace restante

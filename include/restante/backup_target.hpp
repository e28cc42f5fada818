#pragma once
/// \file
/// The backup target: where sessions, archived redo logs and content are kept (seed: "backup target").
///
///     auto target = BackupTarget::create(open_local_storage("/var/backup/restante", {.create = true}), {});
///     // or encrypted (R11): whoever opens it later needs this key, or another that `keys()->add` gave out
///     BackupTarget::CreateOptions encrypted;
///     encrypted.keys.key_file = "/etc/restante/target.key";
///     auto offsite = BackupTarget::create(open_local_storage("/mnt/offsite", {.create = true}), encrypted);
///     for (const SessionInfo& session : *target->sessions({.type = SessionType::full}))
///       show(session.label, session.status);
///
/// **Threads.** A `BackupTarget` is a handle; copies share one target, every method may be called from any
/// thread. **Processes.** Several may have one target open; each publishes whole sessions. **What a crash
/// leaves** is under `sessions_tmp/`, which may be deleted by hand (seed), and content that no session names.
/// Layout and files are specified in docs/format/target.md.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/keys.hpp>
#include <restante/redo_log.hpp>
#include <restante/runtime.hpp>
#include <restante/state_digest.hpp>
#include <restante/storage.hpp>

namespace restante {
inline namespace v0 {

enum class SessionType { full, incremental };
[[nodiscard]] std::string_view name_of(SessionType type) noexcept;

/// Of a session as a whole.
enum class SessionStatus {
  running,
  completed,
  /// Some accounts failed or the session was aborted; its completed accounts are usable (seed: "partially
  /// successful").
  partial,
  /// No account was completed; or it was published and its session.xml cannot be read any more: `error` says
  /// why, and nothing else of it is known.
  failed,
  /// Begun by somebody who is gone without publishing; only under sessions_tmp.
  interrupted,
};
[[nodiscard]] std::string_view name_of(SessionStatus status) noexcept;

enum class AccountStatus { not_started, in_progress, completed, error };
[[nodiscard]] std::string_view name_of(AccountStatus status) noexcept;

/// One account in one session.
struct SessionAccount {
  std::string id{};
  std::string address{};
  AccountStatus status = AccountStatus::not_started;
  std::string error{};
  /// The session holds a full of this account, also in an incremental session that found none before.
  bool full = false;
  /// The account did not exist any more when the session ran.
  bool deleted = false;
  /// R1. States exist for stops at or behind `consistent_at`; replay needs the log from `redo_start`.
  /// 0 without a redo log.
  Lsn snapshot_at = 0;
  Lsn redo_start = 0;
  Lsn consistent_at = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  /// Which fields the source kept, and the proof of its state at `consistent_at` (R15).
  FieldSet fields{};
  StateDigest digest{};
};

struct SessionInfo {
  /// "full-20070712.155951.123": type and GMT time of the beginning (seed).
  std::string label{};
  SessionType type = SessionType::full;
  SessionStatus status = SessionStatus::running;
  Id128 server{};
  std::string server_name{};
  Time began{};
  /// Of the heartbeat while it runs.
  Time ended{};
  std::string error{};
  /// The position that "restore to this label" means: the last LSN of the segment that the session rolled at
  /// its end (R10, R14). `log` is none without a redo log.
  LogPosition position{};
  /// Archived segments that the session added; 0, 0 for none (seed: "redo log sequence range").
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_stored = 0;
  /// While it runs: who runs it ("host pid program") and how far it is.
  std::string owner{};
  std::optional<Progress> progress{};
  /// Those that the session touched; an incremental lists no others (R13). Sorted by id.
  std::vector<SessionAccount> accounts{};

  [[nodiscard]] const SessionAccount* find(std::string_view account_id) const;
};

/// One line of accounts.xml (seed): an account in all sessions together.
struct TargetAccount {
  std::string id{};
  std::string address{};
  /// Label of the session with its latest full.
  std::string full_label{};
  Lsn consistent_at = 0;
  bool operator==(const TargetAccount&) const = default;
};

struct SessionQuery {
  std::string label{};
  std::optional<SessionType> type{};
  std::optional<Time> from{};
  std::optional<Time> to{};
  /// Only sessions that have this account, by id or address.
  std::string account{};
  /// Running and interrupted ones too.
  bool unpublished = true;
};

struct TargetDamage {
  /// The object, for example "sessions/full-…/session.xml".
  std::string key{};
  std::string what{};
  /// Accounts and messages that it costs, as far as known.
  std::vector<std::string> costs{};
};

struct TargetVerification {
  std::uint64_t sessions = 0;
  std::uint64_t accounts = 0;
  std::uint64_t segments = 0;
  std::uint64_t packs = 0;
  std::uint64_t contents = 0;
  std::uint64_t bytes = 0;
  /// Packs of which every byte was read, and the number that chose them: with it the same packs are chosen.
  std::uint64_t packs_read = 0;
  std::uint64_t read_seed = 0;
  std::vector<TargetDamage> damages{};
};

class BackupTarget {
 public:
  struct Options {
    /// Where this machine keeps the catalog of the target; never on a network file system. A directory for
    /// each target is made below it.
    std::string state_directory = "/var/lib/restante";
    const Clock* clock = &system_clock();
    /// What this process holds of an encrypted target (R11, restante/keys.hpp). Needed to open one, and
    /// refused for one that is not encrypted: somebody may have put it in the place of the other.
    KeyOptions keys{};
  };
  struct CreateOptions : Options {
    int compression_level = 3;
    /// Whose `keys` are, if the target is to be encrypted. It gets the right to manage.
    FirstHolder first_holder{};
  };

  /// Makes an empty target, encrypted if `options.keys` has a key. `already_exists` if there is one.
  [[nodiscard]] static Result<BackupTarget> create(std::unique_ptr<Storage> storage,
                                                   const CreateOptions& options);
  /// `not_found` where there is no target, `unsupported` for one of a newer format. Of an encrypted one:
  /// `permission` without a key or with one that was removed, `invalid_argument` with a wrong one, `damaged`
  /// if its keys are not those that it was made with, `diverged` if they or the chain of a server's sessions
  /// were rolled back behind what this machine has seen (it remembers that in `state_directory`).
  [[nodiscard]] static Result<BackupTarget> open(std::unique_ptr<Storage> storage, const Options& options);

  [[nodiscard]] Id128 id() const noexcept;
  /// For messages: where it is.
  [[nodiscard]] std::string describe() const;
  /// Who holds keys of the target, to be changed by whoever may; none if it is not encrypted. Open targets
  /// follow with the next session that begins.
  [[nodiscard]] std::optional<KeyRing> keys() const;
  /// Of a holder's chain of sessions: its newest link, or that of the session `label`; for `KeyRing::remove`.
  /// Zeros if it has made none. `not_found` if it has not made that session.
  [[nodiscard]] Result<ChainHead> chain_head(std::uint32_t holder, std::string_view label = {}) const;
  /// The key of state digests in this target.
  [[nodiscard]] const DigestKey& digest_key() const noexcept;

  /// Sessions that match, newest first. One whose session.xml cannot be read is among them as `failed`.
  [[nodiscard]] Result<std::vector<SessionInfo>> sessions(const SessionQuery& query = {}) const;
  /// One session, published or not. `not_found` names the nearest labels; `damaged` if it cannot be read.
  [[nodiscard]] Result<SessionInfo> session(std::string_view label) const;
  /// Every account in all sessions, by id; from the sessions, accounts.xml being derived (R13).
  [[nodiscard]] Result<std::vector<TargetAccount>> accounts() const;
  /// An account by id or address; `not_found`, or `ambiguous` if an address belonged to several.
  [[nodiscard]] Result<TargetAccount> find_account(std::string_view id_or_address) const;

  /// Archived segments, of all logs and incarnations.
  [[nodiscard]] Result<std::vector<SegmentInfo>> archived_segments() const;
  /// The highest position in the archive of a server's logs, for a log that must go on without its newest
  /// segments (R5); empty if there is none. `damaged` if the last segment of a log cannot be read.
  [[nodiscard]] Result<std::optional<Continuation>> newest_position(const Id128& server) const;

  /// Asks the owner of a running session, in whatever process, to end it (seed: zmbackupabort). It ends as
  /// partially successful. `not_found` if no such session is running.
  [[nodiscard]] Status request_abort(std::string_view label) const;
  /// Takes away what an interrupted session left under sessions_tmp. `busy` while it is alive.
  [[nodiscard]] Status discard_interrupted(std::string_view label) const;

  struct VerifyOptions {
    /// One session, or all if empty.
    std::string label{};
    /// Every frame and content too; otherwise structure only.
    bool read_data = false;
    /// With `read_data`: of so many of 100 packs only, 1 to 100, rounded up. Which ones is drawn anew each
    /// time, so that a tenth every night has read almost all after a month; or from `read_seed` as an earlier
    /// answer told it. A content is read if the pack that it begins in is one of them.
    unsigned read_percent = 100;
    std::optional<std::uint64_t> read_seed{};
    CancelToken cancel{};
    ProgressFunction progress{};
  };
  /// Damage is in the answer, not a failure. `invalid_argument` for a percentage that is none.
  [[nodiscard]] Result<TargetVerification> verify(const VerifyOptions& options) const;

  /// What `remove` did, or with `dry_run` would do.
  struct Removal {
    /// Labels, oldest first.
    std::vector<std::string> removed{};
    /// Labels that were asked for and are still needed, oldest first, with the reason (R12).
    std::vector<std::pair<std::string, std::string>> kept{};
    /// Archived redo log segments that no state needs any more.
    std::uint64_t segments = 0;
    /// Packs of content that were given back, and their bytes.
    std::uint64_t packs = 0;
    std::uint64_t bytes = 0;
    /// Why content that nothing needs may still be there: a session that runs, or damage. Empty: none is. A
    /// later call ends the work.
    std::string pending{};
  };
  /// Exactly one of `label` and `before` is given.
  struct RemoveOptions {
    /// This session and all before it (seed) …
    std::string label{};
    /// … or all that began before this instant (seed).
    std::optional<Time> before{};
    /// Literally: also what is still needed. The session with an account's last full goes by `label` only.
    bool force = false;
    /// Changes nothing and answers the same, content apart: that is known only when it is done.
    bool dry_run = false;
    /// The log of a server whose records name content of this target before they are archived: a restore
    /// logs what it brought back by reference (R4). Content that it names is kept. Must outlive the call.
    const RedoLog* log = nullptr;
    /// Other targets whose fulls may need archived segments of this one (R13): from the first such segment
    /// that the other does not have itself, all stay. `force` does not touch these.
    std::vector<BackupTarget> others{};
  };
  /// Deletes sessions as the seed's `-del` does, minus what is still needed, then archived segments and
  /// content that nothing names any more (R12).
  ///
  /// Needed is, for every account and every instant from the first one that is kept on: the newest full at
  /// or before it, and the redo log from there. By `before` that first instant is `before`; by `label` it is
  /// the first session behind it. An account's newest full is always needed. An incremental that goes takes
  /// no state away while the segments that it archived are needed: these stay.
  ///
  /// Runs beside backups and restores and holds none of them up; content waits for sessions that began
  /// before it was found unreferenced. A restore that reads a session which goes fails. After a crash or a
  /// failure every session is there whole or not at all; the next call ends the work.
  ///
  /// `invalid_argument` unless one of the two is given; `not_found` for a label that is not there;
  /// `permission` without the rights to remove and to read.
  [[nodiscard]] Result<Removal> remove(const RemoveOptions& options);

  /// Exactly one of `label` and `account` is given.
  struct CopyOptions {
    /// This session: all its accounts, the server's own data, and the archived segments that it added or that
    /// its states need.
    std::string label{};
    /// By id or address: every full of this account, each in a session of its own that bears the label of the
    /// original (or, if that is taken there, the next free one), and the archived segments from the oldest of
    /// them on.
    std::string account{};
    CancelToken cancel{};
    ProgressFunction progress{};
  };
  /// What `copy_to` did.
  struct Copy {
    /// Labels that were published in the other target, and those that it had already, oldest first.
    std::vector<std::string> published{};
    std::vector<std::string> present{};
    /// Archived segments that were put, and that were there.
    std::uint64_t segments = 0;
    std::uint64_t segments_present = 0;
    /// Contents that the copied sessions and segments name, those that the other target lacked, and their
    /// bytes.
    std::uint64_t contents = 0;
    std::uint64_t contents_new = 0;
    std::uint64_t bytes_new = 0;
    /// What cannot be read here, with what it costs. A session that needs it is not published; a segment is
    /// copied if only content of its messages is lost.
    std::vector<TargetDamage> damages{};
  };
  /// Copies a session or an account with its content to another target (R13). Content, segments and sessions
  /// that are there are not copied again. Segments are copied whole, with what they say of other accounts.
  /// Everything is read, checked and written as that target writes it; its state digests are its own.
  ///
  /// To the other target a copy is a session that runs: it is listed, `request_abort` ends it, removal there
  /// waits for it, and a session of the same accounts is refused meanwhile. A session is there whole or not
  /// at all; after a crash or a failure the next call goes on with what was copied.
  ///
  /// `invalid_argument` unless one of the two is given, or if both are one target; `not_found`; `damaged` if
  /// the session's own description cannot be read; `already_exists` if the other has another session of this
  /// label; `diverged` if it has another history of the same log (R5); `busy` while the same is being copied.
  [[nodiscard]] Result<Copy> copy_to(BackupTarget& other, const CopyOptions& options) const;

  /// What `rebuild` found.
  struct Rebuilding {
    std::uint64_t packs = 0;
    std::uint64_t parts = 0;
    std::uint64_t sessions = 0;
    std::uint64_t accounts = 0;
    /// accounts.xml was missing, damaged or did not say what the sessions say.
    bool accounts_changed = false;
    /// Packs and sessions that cannot be read, and so are left out.
    std::vector<TargetDamage> damages{};
  };
  /// Makes the catalog of this machine and accounts.xml again from packs and sessions alone. Backups,
  /// restores and other processes may go on meanwhile; after a crash or a failure the next call ends the
  /// work.
  [[nodiscard]] Result<Rebuilding> rebuild();

  struct Impl;

 private:
  explicit BackupTarget(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
  friend struct TargetAccess;
  std::shared_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante

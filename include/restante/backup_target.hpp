#pragma once
/// \file
/// The backup target: where sessions, archived redo logs and content are kept (seed: "backup target").
///
///     auto target = BackupTarget::create(open_local_storage("/var/backup/restante", {.create = true}), {});
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
  std::vector<TargetDamage> damages{};
};

class BackupTarget {
 public:
  struct Options {
    /// Where this machine keeps the catalog of the target; never on a network file system. A directory for
    /// each target is made below it.
    std::string state_directory = "/var/lib/restante";
    const Clock* clock = &system_clock();
  };
  struct CreateOptions : Options {
    int compression_level = 3;
  };

  /// Makes an empty target. `already_exists` if there is one.
  [[nodiscard]] static Result<BackupTarget> create(std::unique_ptr<Storage> storage,
                                                   const CreateOptions& options);
  /// `not_found` where there is no target, `unsupported` for one of a newer format.
  [[nodiscard]] static Result<BackupTarget> open(std::unique_ptr<Storage> storage, const Options& options);

  [[nodiscard]] Id128 id() const noexcept;
  /// For messages: where it is.
  [[nodiscard]] std::string describe() const;
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
    CancelToken cancel{};
    ProgressFunction progress{};
  };
  /// Damage is in the answer, not a failure.
  [[nodiscard]] Result<TargetVerification> verify(const VerifyOptions& options) const;

  struct Removal {
    std::vector<std::string> removed{};
    /// What was asked for and is still needed, with the reason (R12).
    std::vector<std::pair<std::string, std::string>> kept{};
  };
  struct RemoveOptions {
    /// This session and all before it (seed) …
    std::string label{};
    /// … or all that began before this instant.
    std::optional<Time> before{};
    /// Only this session, needed or not.
    bool force = false;
    bool dry_run = false;
  };
  /// Deletes sessions as the seed's `-del` does, minus what is still needed.
  [[nodiscard]] Result<Removal> remove(const RemoveOptions& options);

  /// Copies a session or an account with its content to another target (R13).
  [[nodiscard]] Status copy_to(BackupTarget& other, std::string_view label);
  /// Makes catalog and accounts.xml again from what is there.
  [[nodiscard]] Status rebuild();

  struct Impl;

 private:
  explicit BackupTarget(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
  friend struct TargetAccess;
  std::shared_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante

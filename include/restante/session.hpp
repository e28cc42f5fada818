#pragma once
/// \file
/// One run of a backup, and the backup set that it makes (seed: "backup session").
///
///     auto session = Session::begin(target, {.type = SessionType::full, .source = &store, .log = &log});
///     std::puts(session->label().c_str());         // known at once
///     SessionInfo result = *session->run();        // on this thread; or start(executor) and wait()
///
/// A full session writes for every account its snapshot, folded with the transactions of the time it took
/// to read it, so that it is the exact state at `consistent_at` (R1). An incremental session archives the
/// redo log written since the last one; an account without a full in the target from which the log goes on
/// without a hole gets a full (seed). Both end by rolling the log and archiving up to there. No account is
/// ever locked, unless the source has no log and asks to be suspended.
///
/// An auto-grouped session is an incremental one in which, besides, the accounts of one group get a full, and
/// it is labelled as full (seed). Run at each interval, it spreads the fulls of all accounts evenly over
/// `groups` sessions; no other sessions are needed.
///
/// A synthetic session rolls and archives the log and writes for every account that has a full in the target
/// a new one, folded from that and the archived transactions behind it: the exact state at the roll, equal to
/// a full read from the store (`digest` too). The source is asked for its list of accounts and the server's
/// data only, not even for a barrier: what no one has logged is not in it. Accounts that the target cannot
/// give (no full, a hole in the log, lost content, other fields than the source keeps now) are read from the
/// source. Without a source they are errors that say why, accounts that the target does not know are left
/// out, and so is the server's data. Memory: the changes of an account since its last full, and its folders.
///
/// Damage that it meets in target or log (a pack that was cut off, an archived segment, a session.xml, a
/// record) goes to the observer as a warning; what is lost is stored again where it can still be read.
///
/// An account that fails is an error of that account, with its reason; the others go on. `abort`, or
/// `BackupTarget::request_abort` from another process, ends the session as partially successful: finished
/// accounts are published and usable.
///
/// **Threads.** One thread calls `run`; the other methods may be called from any. **What a crash leaves** is
/// `sessions_tmp/<label>/`; published sessions are whole, always.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <restante/backup_target.hpp>
#include <restante/mail_source.hpp>
#include <restante/runtime.hpp>

namespace restante {
inline namespace v0 {

class Session {
 public:
  enum class Kind {
    full,
    incremental,
    /// New accounts, those due, and the oldest fulls until one group is reached (seed). Needs a log.
    auto_grouped,
    /// A full folded from the last full and the log, without reading the store. Needs a log.
    synthetic,
  };

  struct Options {
    Kind kind = Kind::full;
    /// Ids or addresses; all if empty, as it must be for auto_grouped.
    std::vector<std::string> accounts{};
    /// Both must outlive the session. A synthetic session may do without a source.
    MailSource* source = nullptr;
    /// Null for a host without a log; only fulls then.
    RedoLog* log = nullptr;
    std::string server_name{};
    /// "host pid program" for other processes; made up if empty.
    std::string owner{};
    /// How long transactions of an account may stay open while it is read, before it is an error (R1).
    std::chrono::milliseconds settle_deadline{60'000};
    /// Archived segments younger than this stay in the log's directory too (seed's successor: an hour).
    std::chrono::seconds keep_segments_for{3600};
    /// auto_grouped: sessions that a whole round takes, and the time between them (seed: 7, 1d).
    unsigned groups = 7;
    std::chrono::seconds group_interval{86'400};
    /// Threads that read accounts beside the one that runs the session, which goes on alone if they are busy.
    /// Must outlive the session.
    Executor* workers = nullptr;
    /// How many accounts are read at a time when there are workers. Each takes some 50 MiB at most, and an
    /// account's state.
    unsigned parallel = 4;
    /// Bytes of mail that are read from the source in a second, by all threads together; 0 for no limit. What
    /// the target has is not read.
    std::uint64_t bytes_per_second = 0;
    /// Called from all threads that work, one or more times a message.
    ProgressFunction progress{};
    Observer* observer = nullptr;
  };

  /// Gives the session its label and its place under sessions_tmp; another session of the same server on the
  /// same account makes it `busy` with the holder's name (R18). `invalid_argument`, `not_found` for unknown
  /// accounts; nothing is left behind on failure.
  [[nodiscard]] static Result<Session> begin(BackupTarget& target, const Options& options);

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  /// A session that was begun and never run is discarded; one that runs in the background is aborted and
  /// waited for.
  ~Session();

  [[nodiscard]] const std::string& label() const noexcept;

  /// Runs to the end on this thread and publishes. The answer's status tells how it went; a failure means
  /// that nothing was published.
  [[nodiscard]] Result<SessionInfo> run();
  /// Runs on the executor; `wait` gives the result.
  Status start(Executor& executor);
  [[nodiscard]] Result<SessionInfo> wait();
  [[nodiscard]] Progress progress() const;
  /// Ends it soon as partially successful.
  void abort() noexcept;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante

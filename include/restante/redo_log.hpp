#pragma once
/// \file
/// The redo log: every change of a server's mailboxes, durable, in one order.
///
///     auto log = RedoLog::open("/var/lib/restante/redo", {.create = true});
///     auto content = log->put_content("alice", *reader);         // the message, once for all recipients
///     MessagePut put;
///     put.messages.push_back({.id = "m1", .folder_id = "inbox", .content = *content});
///     const Operation operations[] = {put};
///     auto transaction = log->begin("alice", operations);        // durable when it returns
///     uint32_t uid = my_store.deliver(…);                        // the host's own change
///     const Assigned assigned[] = {{.operation = 0, .element = 0, .uid = uid}};
///     transaction->commit(assigned);
///
/// A host feeds the log in one of two ways (R6, R9): *before the fact* as above, so that a crash between
/// begin and commit is completed with `recover()`; or *after the fact* with `append`.
///
/// **Threads.** Every method may be called from any thread at any time; appends of many threads share one
/// fdatasync (group commit). A `Transaction`, a cursor or a follower is used by one thread at a time. No
/// thread is started. `put_content`, `begin`, `append`, `commit`, `sync`, `roll` and `maintain` may block for
/// I/O; `Completions` is for hosts that must not wait for the disk.
///
/// **Processes.** Any number of processes have a log open at a time (512 by default of the layout) and write
/// in one order; one fdatasync acknowledges what all of them wrote before. Whoever comes first recovers the
/// log, the last one marks its end. A process that is killed at any moment stops nobody; one that is frozen
/// while it holds the log's lock makes the others wait until the deadline and then answer `busy` with its
/// name. Opening the same directory again within a process gives another handle on the same log. A forked
/// child that uses an inherited handle gets `busy` with an explanation, and must not close it; it may open
/// its own. On a file system that cannot map files, or is full, one process at a time has the log, and
/// another is refused with `busy`. All processes of a log must use one version of restante.
///
/// **Failures.** After a failed write or fsync the log is `poisoned`, in every process: nothing is
/// acknowledged any more and only closing is left; when all have closed it, reopening recovers. `no_space`
/// comes only from `put_content`, `begin`, `append` and `touch`, with nothing written that anyone will see,
/// and from rolls and the keeping of segments; room for every open transaction's end is reserved.
///
/// **What a crash leaves.** Everything whose call returned success with `Sync::durable` is there in order;
/// what was in flight is there whole or not at all. Opening finds the end (R8), never appends behind a torn
/// tail, and offers unfinished transactions to `recover()`.
///
/// Specified in docs/format/redo.md. Seed: "redo logs", "redo log sequence".

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <restante/operation.hpp>
#include <restante/runtime.hpp>

namespace restante {
inline namespace v0 {

/// Log sequence number: dense, from 1, one a record. 0 means "before everything".
using Lsn = std::uint64_t;

/// A place in the history of a log that is unambiguous even after a disaster (R5).
struct LogPosition {
  Id128 log{};
  Id128 incarnation{};
  Lsn lsn = 0;
  auto operator<=>(const LogPosition&) const = default;
};

/// When a call is acknowledged.
enum class Sync {
  /// After it is on the disk.
  durable,
  /// When it is written, or after a sync if the last one of the log is `Options::sync_interval` ago: a host
  /// that goes on writing loses at most what it wrote in so long. One that may pause calls `maintain` too.
  interval,
  /// When it is written: it outlives the process, and is on the disk with the next durable call, `sync`,
  /// roll, `maintain` or close.
  lazy,
};

/// Where a change came from, for reports and `redo dump`. Every part may be empty, 255 bytes at most each.
struct Origin {
  std::string client{};
  std::string session{};
  std::string address{};
  bool operator==(const Origin&) const = default;
};

/// What the server assigned while it performed element `element` of operation `operation` of a transaction
/// that was begun without it (R6), or that it refused that element (R4). Zero or empty: as begun.
struct Assigned {
  std::uint32_t operation = 0;
  std::uint32_t element = 0;
  bool refused = false;
  std::uint32_t uidvalidity = 0;
  std::uint32_t uid = 0;
  std::uint64_t modseq = 0;
  /// The id the store gave a folder, message or item instead of the one begun with.
  std::string id{};
  bool operator==(const Assigned&) const = default;
};

/// A committed transaction as the log hands it out: operations with what was assigned filled in and refused
/// elements left out.
struct LoggedTransaction {
  std::string account_id{};
  /// Of the begin record; equal to `commit_lsn` for `append`.
  Lsn begin_lsn = 0;
  /// The transaction takes effect here, in replay and in time.
  Lsn commit_lsn = 0;
  /// The segment that holds the commit record.
  std::uint64_t sequence = 0;
  /// The host's clock when it committed, and the same forced to be monotonic (R14).
  Time wall_time{};
  Time commit_time{};
  Origin origin{};
  std::vector<Operation> operations{};
};

/// Hands out committed transactions in commit order.
class TransactionCursor {
 public:
  virtual ~TransactionCursor() = default;
  /// False at the end of the range, or for now when following. `damaged` names the place; calling again goes
  /// on behind the damage.
  [[nodiscard]] virtual Result<bool> next(LoggedTransaction& transaction) = 0;
};

/// A transaction that was begun and has not ended. Movable. Destroying it without `commit` or `abort` leaves
/// it in doubt: `recover()` hands it out again.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  [[nodiscard]] const std::string& account_id() const noexcept;
  [[nodiscard]] Lsn begin_lsn() const noexcept;
  /// As begun.
  [[nodiscard]] const std::vector<Operation>& operations() const noexcept;
  [[nodiscard]] const Origin& origin() const noexcept;

  /// Ends it as done; `assigned` names what was left unset in begin. Never `no_space` as long as ids in
  /// `assigned` have 128 bytes on average (or, all above that together, 64 KiB). Returns the commit LSN.
  /// The default is lazy: begin was durable, so a crash before the next sync hands it to `recover()`, and
  /// redoing finds it done.
  [[nodiscard]] Result<Lsn> commit(std::span<const Assigned> assigned = {}, Sync sync = Sync::lazy);
  /// Ends it as not done.
  [[nodiscard]] Status abort(Sync sync = Sync::lazy);

 private:
  friend class RedoLog;
  struct Impl;
  explicit Transaction(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// A segment as `segments()` lists it.
struct SegmentInfo {
  Id128 incarnation{};
  std::uint64_t sequence = 0;
  Lsn first_lsn = 0;
  /// 0 while it is empty.
  Lsn last_lsn = 0;
  Time first_time{};
  Time last_time{};
  std::uint64_t bytes = 0;
  bool sealed = false;
};

/// One record as `redo dump` shows it.
struct RecordInfo {
  Lsn lsn = 0;
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  /// "begin", "commit", "abort", "append", "content", "touch", "mark", "clock-step", "incarnation".
  std::string_view kind;
  std::string account_id{};
  /// The begin LSN of the transaction that the record belongs to, 0 for none.
  Lsn transaction = 0;
  Lsn durable_lsn = 0;
  Time wall_time{};
  Time commit_time{};
  Origin origin{};
  std::vector<Operation> operations{};
  std::vector<Assigned> assigned{};
  /// For content pieces.
  std::optional<ContentRef> content{};
};

/// What `verify` found wrong in one place.
struct LogDamage {
  /// 0 if it is not known.
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  /// The first LSN that cannot be read (0: no record is known to be lost), and the next that can (0: none in
  /// this segment).
  Lsn from_lsn = 0;
  Lsn next_lsn = 0;
  std::string what{};
  /// The segment's file: its name in a directory, or the path by which it was given. Empty where segments are
  /// missing; `sequence` is then the first that is.
  std::string file{};
};

/// LSNs, both ends included.
struct LsnRange {
  Lsn first = 0;
  Lsn last = 0;
  bool operator==(const LsnRange&) const = default;
};

/// What `verify` found of one segment.
struct SegmentVerification {
  /// Of a file that cannot be used: its sequence, if that is known, and its size.
  SegmentInfo info{};
  /// As in `LogDamage`.
  std::string file{};
  /// Some entry of `LogVerification::damages` is of this file.
  bool is_damaged = false;
  /// The records that can be read, in order.
  std::vector<LsnRange> readable{};
  /// Only without a log, of a segment that was being written: from its last record to the last byte that is
  /// not zero. A torn tail, never acknowledged; or the newest records are damaged, which nothing can tell.
  std::uint64_t torn_bytes = 0;
};

struct LogVerification {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t transactions = 0;
  std::uint64_t bytes = 0;
  std::vector<LogDamage> damages{};
  /// Every segment, oldest first.
  std::vector<SegmentVerification> by_segment{};
};

/// A named reader whose progress keeps segments (R10).
struct Consumer {
  std::string name{};
  /// Everything up to here may go as far as this consumer is concerned.
  Lsn position = 0;
  /// Past this many bytes behind the end it is `lost`; 0 for no limit.
  std::uint64_t max_bytes = 0;
  /// So long after the newest record of a segment that it is not past, it is `lost`; 0 for no limit.
  std::chrono::seconds max_age{0};
  bool lost = false;
};

/// Which part of a log to read.
struct ReadRange {
  /// Transactions that end behind this.
  Lsn after = 0;
  /// … and not behind this.
  Lsn until = UINT64_MAX;
  /// Only this account's; empty for all. Reads only that account's records of sealed segments.
  std::string account_id{};
  /// Only what has a commit time in [from, to]. Segments that hold no such time are not read, nor is what is
  /// damaged in them told.
  std::optional<Time> from{};
  std::optional<Time> to{};
  /// For `records` only: those of these kinds, named as in `RecordInfo::kind`; empty for all. What else there
  /// is is not decoded. `invalid_argument` for a name that no kind has, and from `read`.
  std::vector<std::string> kinds{};
};

/// Where a log that starts without its newest segment goes on from (R5): the highest position known from a
/// backup target.
struct Continuation {
  LogPosition parent{};
  std::uint64_t parent_sequence = 0;
};

class RedoLog {
 public:
  struct Options {
    /// Make the directory and the log if they do not exist.
    bool create = false;
    /// Shown to others that have to wait; 64 bytes at most.
    std::string holder = "restante";
    /// Only with `create`: the server the log belongs to; a random id if none.
    Id128 server{};
    /// Only when a log is made: what it continues.
    std::optional<Continuation> continues{};
    /// A segment is rolled when it would grow beyond this. 64 KiB to 16 GiB.
    std::uint64_t segment_bytes = 100u << 20;
    /// … or when its first record is older than this, by whoever writes or maintains next; 0 for never.
    std::chrono::seconds segment_age{0};
    /// For `Sync::interval`; 1 ms to 1 h.
    std::chrono::milliseconds sync_interval{1'000};
    /// Content pieces are at most this long. 4 KiB to 4 MiB.
    std::uint32_t piece_bytes = 256u << 10;
    const Clock* clock = &system_clock();
    /// Waits end with `timed_out` after this.
    std::chrono::milliseconds deadline{30'000};
  };

  struct BeginOptions {
    Sync sync = Sync::durable;
    Origin origin{};
    /// Go on although the account has unfinished transactions of a dead owner (hosts of way 2).
    bool ignore_unrecovered = false;
  };

  struct Unfinished {
    std::string account_id{};
    Lsn begin_lsn = 0;
    Time begin_time{};
    /// Its first operation is a Rewind: a restore that did not end (R4).
    bool is_rewind = false;
    /// False while somebody who lives has it in hand.
    bool claimable = false;
  };

  /// Opens the log of a directory. `not_found` without `create`, `busy` if another process is opening it and
  /// does not finish or cannot share it, `poisoned` if it failed and others have not closed it yet,
  /// `damaged` if what decides where the log ends cannot be read, `unsupported` for a newer format,
  /// `diverged` when files of two logs lie in the directory.
  [[nodiscard]] static Result<RedoLog> open(const std::string& directory, const Options& options);

  RedoLog(const RedoLog&) = default;
  RedoLog& operator=(const RedoLog&) = default;
  RedoLog(RedoLog&&) noexcept = default;
  RedoLog& operator=(RedoLog&&) noexcept = default;
  /// The last handle of a process syncs and closes, that of the last process writes a mark; transactions,
  /// cursors and followers count as handles.
  ~RedoLog() = default;

  // --- Identity and ends ----------------------------------------------------------------------------

  [[nodiscard]] Id128 server() const noexcept;
  [[nodiscard]] Id128 id() const noexcept;
  [[nodiscard]] Id128 incarnation() const noexcept;
  [[nodiscard]] std::optional<Continuation> continues() const;
  /// The newest record written.
  [[nodiscard]] Lsn end() const noexcept;
  /// The newest record known to be on the disk.
  [[nodiscard]] Lsn durable_end() const noexcept;
  /// The segment being written.
  [[nodiscard]] std::uint64_t sequence() const noexcept;
  /// Oldest first; the last is the segment being written.
  [[nodiscard]] Result<std::vector<SegmentInfo>> segments() const;

  // --- Writing --------------------------------------------------------------------------------------

  /// Streams content into the log, in pieces, and returns its id. Content that a recent segment already has
  /// is not written again. It costs no sync of its own: the begin or append that names it makes it durable.
  [[nodiscard]] Result<ContentRef> put_content(std::string_view account_id, ContentReader& content);

  /// Declares that the host is about to perform `operations` on the account. Durable when it returns,
  /// unless `options.sync` says otherwise. `needs_recovery` if a dead owner left the account unfinished.
  [[nodiscard]] Result<Transaction> begin(std::string_view account_id, std::span<const Operation> operations,
                                          const BeginOptions& options);
  [[nodiscard]] Result<Transaction> begin(std::string_view account_id,
                                          std::span<const Operation> operations) {
    return begin(account_id, operations, BeginOptions{});
  }

  /// Records what has already happened, as one committed transaction. Returns its LSN.
  [[nodiscard]] Result<Lsn> append(std::string_view account_id, std::span<const Operation> operations,
                                   const BeginOptions& options);
  [[nodiscard]] Result<Lsn> append(std::string_view account_id, std::span<const Operation> operations) {
    return append(account_id, operations, BeginOptions{});
  }

  /// Durably notes, once per account and segment, that the account is about to be changed by a host that
  /// appends after the fact (R9). Cheap when it is already noted.
  Status touch(std::string_view account_id);
  /// Accounts touched or appended to since the last clean close, in segments that are kept, for whoever opens
  /// first after an end that was not clean for all processes; empty for everybody else. The host compares
  /// these with its store and appends what is missing. It touches an account once a segment, so what is
  /// missing is of an account that a recent segment names.
  [[nodiscard]] std::vector<std::string> accounts_to_reconcile() const;

  /// Makes durable what has been written so far.
  Status sync();

  /// Ends the current segment and starts the next; `sequence()` afterwards is one higher. The old one is
  /// sealed with its index before this returns.
  Status roll();

  /// For a host's housekeeping, every minute or so, on a thread that may wait: makes durable what is written,
  /// rolls a segment that is too old, keeps a spare segment filled with zeros, so that a roll does not wait
  /// for it and syncs cost less, and writes a mark into an idle log, so that damage to its newest records can
  /// be told from a torn tail (R8). It also seals what was rolled; as long as somebody has called it within
  /// the last five minutes, those who write leave that to it.
  Status maintain();

  /// Durability without waiting for it, for hosts with an event loop.
  class Completions;
  /// `executor` runs the waiting, one task at a time; it must outlive the answer. Without one, `poll` waits
  /// itself.
  [[nodiscard]] Result<Completions> completions(Executor* executor) const;

  // --- Unfinished transactions ----------------------------------------------------------------------

  [[nodiscard]] std::vector<Unfinished> unfinished() const;
  /// Claims what dead owners left, in begin order; of one account, or of all if empty. The host performs
  /// each again (looking for the message id first, so that it applies once) and ends it.
  [[nodiscard]] Result<std::vector<Transaction>> recover(std::string_view account_id = {});
  /// The lowest begin LSN of the account's transactions not ended at `end()`, if any (R1).
  [[nodiscard]] std::optional<Lsn> oldest_open(std::string_view account_id) const;
  /// Waits until every transaction of the account that is open now has ended, at most `deadline`
  /// (`timed_out` names the oldest).
  Status wait_for_open(std::string_view account_id, std::chrono::milliseconds deadline) const;
  /// Whether a transaction of the account that was open or begun behind `after` was aborted (R1).
  [[nodiscard]] Result<bool> aborted_since(std::string_view account_id, Lsn after) const;

  // --- Reading --------------------------------------------------------------------------------------

  /// Committed transactions of a range, in commit order. Sees what is durable when `next` is called, or with
  /// `until` at most `end()` at opening everything up to it after a `sync`.
  [[nodiscard]] Result<std::unique_ptr<TransactionCursor>> read(const ReadRange& range) const;
  /// Like `read` without end: `next` answers false when it has caught up; `wait` blocks for more.
  class Follower;
  [[nodiscard]] Result<Follower> follow(Lsn after, std::string account_id = {}) const;
  /// Records as they lie, for `redo dump`; `next` gets false at the end. Content bytes are not loaded. A log
  /// that does not open is read by its files: `RedoSegments`.
  class RecordCursor;
  [[nodiscard]] Result<std::unique_ptr<RecordCursor>> records(const ReadRange& range) const;
  /// Opens content that lies in a segment which is still there; `not_found` otherwise.
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(const ContentRef& content) const;
  /// The last LSN whose transaction committed at or before `time` by commit time (R14), for a time between
  /// the first record kept and now. `not_found` before that, `invalid_argument` in the future, `ambiguous`
  /// inside a stretch held by a clock that went back (the hint offers the LSNs).
  [[nodiscard]] Result<Lsn> lsn_at(Time time) const;
  struct VerifyOptions {
    /// Ends it with `cancelled`.
    CancelToken cancel{};
    /// Called about every MiB, on the calling thread, with `bytes_done`.
    ProgressFunction progress{};
  };
  /// Reads everything: headers, chain, records, checksums, indexes. Damage is in the answer, not a failure;
  /// so is a segment that cannot be read.
  [[nodiscard]] Result<LogVerification> verify(const VerifyOptions& options) const;
  [[nodiscard]] Result<LogVerification> verify() const { return verify(VerifyOptions{}); }

  // --- Keeping segments -----------------------------------------------------------------------------

  /// Registers a consumer, without limits, or moves it; positions only grow. Durable when it returns.
  Status set_consumer(std::string_view name, Lsn position);
  /// How far it may be behind, see `Consumer`; it stays so when it moves. Past a limit it keeps nothing any
  /// more; mail is never refused for it. `not_found` if there is no such consumer. Durable when it returns.
  Status limit_consumer(std::string_view name, std::uint64_t max_bytes,
                        std::chrono::seconds max_age = std::chrono::seconds(0));
  Status remove_consumer(std::string_view name);
  [[nodiscard]] Result<std::vector<Consumer>> consumers() const;
  /// Removes sealed segments that all consumers are past and that nothing which is open or which some
  /// consumer has not read refers to; with no consumer registered, nothing. What all have read and what stays
  /// may lack its beginning then: reading from 0 leaves it out, reading from a place in it reports
  /// `not_found`. Segments younger than `min_age` stay (seed: archived logs younger than an hour are copied,
  /// not moved). Returns how many went.
  [[nodiscard]] Result<std::uint64_t> remove_consumed(std::chrono::seconds min_age);

  struct Impl;

 private:
  explicit RedoLog(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
  friend class Transaction;
  std::shared_ptr<Impl> impl_;
};

/// What is durable, told through a file descriptor.
///
///     auto completions = log.completions(&executor);
///     auto lsn = log.append("alice", operations, {.sync = Sync::lazy});       // written, not durable
///     completions->request(*lsn);
///     waiting.push_back({*lsn, client});
///     // in the loop, when completions->fd() is readable:
///     auto durable = completions->poll();
///     while (durable.ok() && !waiting.empty() && waiting.front().lsn <= *durable) answer_and_pop(waiting);
///
/// Nothing here waits for the disk but the executor's task. (The lazy call itself may wait for a lock or a
/// roll; both are short if somebody calls `maintain`.) Callable from any thread. Movable; destroying it waits
/// for its task.
class RedoLog::Completions {
 public:
  Completions(Completions&&) noexcept;
  Completions& operator=(Completions&&) noexcept;
  ~Completions();

  /// Readable (poll, epoll, select) when `poll` has something new to say; -1 without an executor. It belongs
  /// to this object, and only `poll` reads from it.
  [[nodiscard]] int fd() const noexcept;
  /// Asks that everything up to `lsn`, which is `end()` at most, becomes durable.
  Status request(Lsn lsn);
  /// The newest LSN that is durable, at once. Without an executor it first waits until what was requested is.
  /// `not_durable` when it never will be, `timed_out` once when who syncs did not go on: request again.
  [[nodiscard]] Result<Lsn> poll();

 private:
  friend class RedoLog;
  struct State;
  explicit Completions(std::shared_ptr<State> state) noexcept;
  std::shared_ptr<State> state_;
};

class RedoLog::RecordCursor {
 public:
  virtual ~RecordCursor() = default;
  /// False at the end. `damaged` names the place, or the segments that are missing; calling again goes on
  /// behind it.
  [[nodiscard]] virtual Result<bool> next(RecordInfo& record) = 0;
};

class RedoLog::Follower {
 public:
  Follower(Follower&&) noexcept;
  Follower& operator=(Follower&&) noexcept;
  ~Follower();
  /// False when it has caught up with what is durable.
  [[nodiscard]] Result<bool> next(LoggedTransaction& transaction);
  /// Blocks until there is more or `timeout` passed; true if there is more.
  [[nodiscard]] Result<bool> wait(std::chrono::milliseconds timeout);

 private:
  friend class RedoLog;
  struct State;
  explicit Follower(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

/// Fills what the server assigned into the operations of a begun transaction and drops what it refused, as
/// replay does. Where a folder was given another id or UIDVALIDITY, the other operations of the transaction
/// that name it as it was begun follow. `invalid_argument` if an entry names no element, or assigns something
/// that such an element does not have.
[[nodiscard]] Result<std::vector<Operation>> with_assigned(std::vector<Operation> operations,
                                                           std::span<const Assigned> assigned);

}  // namespace v0
}  // namespace restante

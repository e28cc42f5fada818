#pragma once
// The redo log that is open: its state, and which lock guards what.
//
// Three locks, taken in this order. `seal_mutex_` lets one thread at a time seal or remove segments.
// `write_mutex_` orders the log: whoever holds it encodes, writes and moves the position. `sync_mutex_`
// guards what is durable and who syncs. No lock is held while fdatasync runs for an acknowledgement; a roll
// syncs under `write_mutex_`, because the order of segments must not get ahead of the disk.
//
// One fdatasync of a segment runs at a time: the system reports a failed write-back to one caller only, and
// whoever syncs beside that one would be told that all is well.

#include <restante/redo_log.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "os/fd.hpp"
#include "os/io.hpp"
#include "redo/consumers.hpp"
#include "redo/control_file.hpp"
#include "redo/find_end.hpp"
#include "redo/log_access.hpp"
#include "redo/raw_segment.hpp"
#include "redo/recovery.hpp"
#include "redo/registry.hpp"
#include "redo/segment_index.hpp"

namespace restante {
inline namespace v0 {

struct RedoLog::Impl : std::enable_shared_from_this<RedoLog::Impl> {
  using Directory = std::shared_ptr<const os::Fd>;

  Impl(os::Io& io, std::string path, Directory directory, redo::DirectoryId id, const Options& options,
       const redo::OpenHooks& hooks);

  struct Segment;

  // --- log_open.cpp ---------------------------------------------------------------------------------
  [[nodiscard]] static Result<RedoLog> open(const std::string& path, const Options& options,
                                            const redo::OpenHooks& hooks);
  [[nodiscard]] static const std::shared_ptr<Impl>& of(const RedoLog& log) noexcept { return log.impl_; }
  /// Attaches, recovers, and leaves a segment to write to.
  [[nodiscard]] Status recover_files();
  [[nodiscard]] Status make_log(const redo::FoundLog& found);
  [[nodiscard]] Status adopt_log(redo::FoundLog& found);
  [[nodiscard]] Result<Segment> adopt_complete(const redo::FoundSegment& found,
                                               const redo::SegmentHeader& next);
  [[nodiscard]] Status adopt_newest(const redo::FoundSegment& found);
  [[nodiscard]] Result<redo::FoundEnd> end_of_newest(const redo::FoundSegment& found, int fd);
  [[nodiscard]] Status adopt_open(std::map<Lsn, redo::OpenTransaction> open);
  [[nodiscard]] Status adopt_recent();
  void collect_reconcile(const redo::Replayed& replayed);
  [[nodiscard]] Status write_incarnation();
  /// The last handle: marks the end, syncs, unlocks.
  void close() noexcept;

  // --- log_write.cpp --------------------------------------------------------------------------------
  /// A record up to what its place decides.
  struct Frame {
    redo::RecordHead head;
    Bytes bytes;
    std::string account_id;
    /// For the index: of a last piece, and the lowest sequence that it refers to (0: none).
    std::optional<redo::ContentPlace> content;
    std::uint64_t lowest_sequence = 0;
  };
  struct Placed {
    std::uint64_t sequence = 0;
    std::uint64_t offset = 0;
    Lsn lsn = 0;
    Time commit_time;
  };
  /// `busy` in a forked child.
  [[nodiscard]] Status check_process() const;
  /// That, or `poisoned`.
  [[nodiscard]] Status check_usable() const;
  /// With `write_mutex_`: sees to it that a record of `bytes` and a reservation of `reserve` fit, by rolling.
  [[nodiscard]] Status make_room(std::uint64_t bytes, std::uint64_t reserve);
  /// With `write_mutex_`: writes what fits.
  [[nodiscard]] Result<Placed> write(Frame& frame);
  [[nodiscard]] Result<Placed> write_one(Frame& frame, Time wall, Time commit);
  /// Without locks: returns when `lsn` is on the disk, syncing for all or waiting for who does.
  [[nodiscard]] Status wait_durable(Lsn lsn);
  /// With `sync_mutex_`, after a failure.
  [[nodiscard]] Status not_durable() const;
  /// With `sync_mutex_` in `lock`, while nobody syncs: syncs for everybody who wrote before.
  [[nodiscard]] Status run_sync(std::unique_lock<std::mutex>& lock);
  /// With `write_mutex_`: everything written so far becomes durable.
  [[nodiscard]] Status sync_now();
  /// With `write_mutex_`: the next segment becomes the current one. The old one is sealed by `seal_pending`.
  /// `may_be_small` lets recovery open a log on a full disk.
  [[nodiscard]] Status roll_now(std::uint64_t min_room, bool may_be_small = false);
  /// Without locks.
  [[nodiscard]] Status seal_pending();
  [[nodiscard]] Result<redo::Seal> seal_file(const Segment& segment, std::uint64_t end, Lsn last_lsn,
                                             const redo::IndexBuilder& index);
  /// Ends all acknowledgement; returns the failure to give to the caller whose call it was.
  Status poison(const Status& cause);
  [[nodiscard]] Status sync();
  [[nodiscard]] Status roll();
  [[nodiscard]] Status maintain();

  // --- segment_create.cpp ---------------------------------------------------------------------------
  struct Writer {
    std::shared_ptr<const os::Fd> fd;
    std::uint64_t position = 0;
    std::uint64_t capacity = 0;
    std::shared_ptr<redo::SparseTable> sparse = std::make_shared<redo::SparseTable>();
    std::unique_ptr<redo::IndexBuilder> index;
  };
  struct Spare {
    os::Fd fd;
    std::string name;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Result<Spare> make_spare(std::uint64_t bytes);
  void drop_spare(Spare& spare) noexcept;
  /// Publishes a segment with `header`. A failure that leaves the directory in doubt sets `in_doubt`.
  /// With `may_be_small` it makes do with `room` where the disk has none for a whole segment.
  [[nodiscard]] Result<Writer> create_segment(redo::SegmentHeader& header, std::uint64_t room,
                                              bool may_be_small, bool* in_doubt);
  [[nodiscard]] Result<Spare> take_spare(std::uint64_t bytes);

  // --- log_transactions.cpp -------------------------------------------------------------------------
  struct Open {
    redo::OpenTransaction transaction;
    /// Somebody of this process has it in hand.
    bool owned = false;
  };
  struct Intent;
  [[nodiscard]] static Result<Intent> make_intent(std::string_view account_id,
                                                  std::span<const Operation> operations,
                                                  const BeginOptions& options, bool is_begin);
  [[nodiscard]] Result<Placed> log_intent(const Intent& intent, const BeginOptions& options);
  [[nodiscard]] Result<Placed> write_intent(const Intent& intent, const Origin& origin);
  [[nodiscard]] Result<std::unique_ptr<Transaction::Impl>> reread(const redo::OpenTransaction& found,
                                                                  const redo::SegmentViews& all) const;
  [[nodiscard]] Result<Transaction> begin(std::string_view account_id, std::span<const Operation> operations,
                                          const BeginOptions& options);
  [[nodiscard]] Result<Lsn> append(std::string_view account_id, std::span<const Operation> operations,
                                   const BeginOptions& options);
  [[nodiscard]] Result<Lsn> end_transaction(Transaction::Impl& transaction, bool commit,
                                            std::span<const Assigned> assigned, Sync sync);
  void let_go(Lsn begin_lsn) noexcept;
  [[nodiscard]] Status touch(std::string_view account_id);
  [[nodiscard]] std::vector<Unfinished> unfinished() const;
  [[nodiscard]] Result<std::vector<Transaction>> recover(std::string_view account_id);
  [[nodiscard]] std::optional<Lsn> oldest_open(std::string_view account_id) const;
  [[nodiscard]] Status wait_for_open(std::string_view account_id, std::chrono::milliseconds deadline);
  [[nodiscard]] Result<bool> aborted_since(std::string_view account_id, Lsn after);

  // --- log_content.cpp ------------------------------------------------------------------------------
  struct Stream;
  [[nodiscard]] Result<ContentRef> put_content(std::string_view account_id, ContentReader& content);
  [[nodiscard]] Status write_piece(Stream& stream, ByteView data, const ContentRef* whole);
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(const ContentRef& content);
  /// With `write_mutex_`: the places of those contents that lie near enough to be referred to (R10).
  [[nodiscard]] std::vector<redo::ContentPlace> places_of(const std::vector<ContentRef>& contents) const;
  /// With `write_mutex_`: contents that `put_content` returned and that have fallen too far behind since.
  [[nodiscard]] std::vector<ContentRef> stale_of(const std::vector<ContentRef>& contents) const;
  void remember(const redo::ContentPlace& place);
  void hand_out(const redo::ContentPlace& place);
  void mark_referenced(const std::vector<ContentRef>& contents);
  [[nodiscard]] bool is_near(const redo::ContentPlace& place) const;

  // --- log_read.cpp ---------------------------------------------------------------------------------
  [[nodiscard]] redo::SegmentViews views() const;
  [[nodiscard]] std::vector<SegmentInfo> segment_infos() const;
  [[nodiscard]] Result<std::unique_ptr<TransactionCursor>> read(const ReadRange& range);
  [[nodiscard]] Result<std::unique_ptr<RecordCursor>> records(const ReadRange& range);
  /// `not_found` if what follows `after` has been removed.
  [[nodiscard]] Status check_kept(Lsn after) const;
  /// Returns true as soon as something behind `position` is durable.
  [[nodiscard]] Result<bool> wait_behind(Lsn position, std::chrono::milliseconds timeout);
  [[nodiscard]] Result<Lsn> lsn_at(Time time);
  [[nodiscard]] static Status check_not_held(const redo::SegmentViews& all, Time time);
  [[nodiscard]] Result<LogVerification> verify();

  // --- log_keep.cpp ---------------------------------------------------------------------------------
  [[nodiscard]] Status set_consumer(std::string_view name, Lsn position, std::uint64_t max_bytes);
  [[nodiscard]] Status remove_consumer(std::string_view name);
  [[nodiscard]] std::vector<Consumer> consumers() const;
  [[nodiscard]] Result<std::uint64_t> remove_consumed(std::chrono::seconds min_age);
  [[nodiscard]] std::size_t first_kept(std::int64_t min_age_us) const;
  [[nodiscard]] std::uint64_t bytes_behind(Lsn position) const;

  // --- State ----------------------------------------------------------------------------------------
  struct Segment {
    std::shared_ptr<const redo::SegmentFile> file;
    std::shared_ptr<const redo::SegmentHeader> header;
    /// Null for the one being written.
    std::shared_ptr<const redo::RawSegment> view;
    /// Complete and not sealed yet: what its index will be.
    std::shared_ptr<const redo::IndexBuilder> index;
    std::uint64_t lowest_sequence = 0;
  };
  struct Durable {
    Lsn lsn = 0;
    std::uint64_t sequence = 0;
    std::uint64_t offset = 0;
    Time commit_time;
  };
  struct HandedOut {
    redo::ContentPlace place;
    bool referenced = false;
  };

  os::Io& io_;
  const std::string path_;
  const Directory directory_;
  const redo::DirectoryId directory_id_;
  const Options options_;
  const redo::OpenHooks hooks_;
  const pid_t pid_;
  std::unique_ptr<redo::ControlFile> control_;  // sync_mutex_, once open
  redo::SegmentHeader identity_;                // ids only; constant once open

  std::mutex seal_mutex_;
  mutable std::mutex write_mutex_;
  // Guarded by write_mutex_:
  std::vector<Segment> segments_;
  Writer writer_;
  std::optional<Spare> spare_;
  std::atomic<Lsn> end_{0};  // written under the lock, read by anyone
  std::uint64_t opened_sequence_ = 0;
  std::uint64_t reserved_ = 0;
  Time last_wall_;
  Time last_commit_;
  bool has_last_wall_ = false;
  std::optional<std::int64_t> last_monotonic_;
  bool last_is_mark_ = false;
  bool last_is_close_mark_ = false;
  std::map<Lsn, Open> open_;
  std::map<std::string, std::size_t, std::less<>> in_doubt_;  // account -> transactions nobody has in hand
  std::condition_variable ended_;
  std::unordered_map<std::string, Lsn> touched_;  // in the current segment, by which record
  std::unordered_map<Digest, redo::ContentPlace> recent_;
  std::unordered_map<Digest, HandedOut> handed_out_;
  std::deque<Digest> handed_out_order_;
  std::multiset<std::uint64_t> streams_;  // first sequence of contents being written
  std::multiset<std::uint64_t> pins_;
  redo::ConsumerList consumers_;
  Status consumers_status_;
  std::vector<std::string> reconcile_;  // constant once open

  mutable std::mutex sync_mutex_;
  // Guarded by sync_mutex_:
  std::shared_ptr<const os::Fd> written_fd_;
  Durable written_;
  Durable durable_;
  bool sync_runs_ = false;
  std::condition_variable synced_;
  std::atomic<bool> poisoned_{false};
  Status poison_cause_;
};

struct Transaction::Impl {
  std::shared_ptr<RedoLog::Impl> log;
  std::string account_id;
  Lsn begin_lsn = 0;
  std::uint64_t begin_sequence = 0;
  std::uint64_t begin_offset = 0;
  std::vector<Operation> operations;
  Origin origin;
  bool ended = false;
};

}  // namespace v0
}  // namespace restante

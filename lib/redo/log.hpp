#pragma once
// The redo log that is open: its state, and which lock guards what.
//
// The log belongs to all processes that have it open; what they share lies in `redo.control`
// (control_page.hpp). Its lock orders the log: whoever has it (`Hold`) encodes, writes and moves the
// position. Each process keeps what it knows of the log beside that, and brings it up to date when it takes
// the lock or reads without it (`refresh`). `write_mutex_` guards this, and is taken before the
// log's lock.
//
// The lock of whoever syncs is another one, taken last: no lock that writers need is held while fdatasync
// runs for an acknowledgement; a roll syncs under the log's lock, because the order of segments must not get
// ahead of the disk. One fdatasync of a segment runs at a time: the system reports a failed write-back to one
// caller only, and whoever syncs beside that one would be told that all is well.
//
// What is published goes into the segment's file later (log_stage.cpp); the lock of the staging area comes
// last of all.
//
// `seal_mutex_` and the seal lock of all processes come before all of these: one thread at a time seals or
// removes segments.

#include <restante/redo_log.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "os/fd.hpp"
#include "os/io.hpp"
#include "os/process.hpp"
#include "redo/consumers.hpp"
#include "redo/control_file.hpp"
#include "redo/find_end.hpp"
#include "redo/log_access.hpp"
#include "redo/open_table.hpp"
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
  [[nodiscard]] Status attach();
  /// By the first opener.
  [[nodiscard]] Status recover_files();
  /// By those who come later.
  [[nodiscard]] Status join();
  [[nodiscard]] Status make_log(const redo::FoundLog& found);
  [[nodiscard]] Status adopt_log(redo::FoundLog& found);
  [[nodiscard]] Result<Segment> adopt_complete(const redo::FoundSegment& found,
                                               const redo::SegmentHeader& next);
  [[nodiscard]] Status adopt_newest(const redo::FoundSegment& found);
  [[nodiscard]] bool is_as_closed(const redo::FoundSegment& found) const;
  [[nodiscard]] Status adopt_closed(const redo::FoundSegment& found, std::shared_ptr<const os::Fd> fd);
  [[nodiscard]] Result<redo::FoundEnd> end_of_newest(const redo::FoundSegment& found, int fd);
  [[nodiscard]] Status adopt_open(const std::map<Lsn, redo::OpenTransaction>& open);
  void add_current(const redo::SegmentHeader& header);
  void begin_with(const redo::WriterState& state);
  [[nodiscard]] Status not_continued() const;
  [[nodiscard]] Status too_many_open() const;
  [[nodiscard]] Status adopt_recent(const std::vector<redo::ContentPlace>& newest);
  void collect_reconcile(const redo::Replayed& replayed);
  [[nodiscard]] Status write_incarnation();
  /// The last handle: marks the end, syncs, unlocks.
  void close() noexcept;

  // --- log_share.cpp --------------------------------------------------------------------------------
  /// The log's lock and this process's own, both held.
  class Hold {
   public:
    Hold(Hold&& other) noexcept : log_(std::exchange(other.log_, nullptr)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold();

   private:
    friend struct Impl;
    explicit Hold(Impl& log) noexcept : log_(&log) {}
    Impl* log_;
  };
  /// Waits for the log's lock, at most the deadline, then `busy` with its holder's name; mends what somebody
  /// who died in it left. `poisoned` and `busy` as `check_usable`.
  [[nodiscard]] Result<Hold> hold();
  /// The lock of whoever seals or removes, of all processes and of this one.
  class SealHold {
   public:
    SealHold(SealHold&& other) noexcept : log_(std::exchange(other.log_, nullptr)) {}
    SealHold& operator=(SealHold&&) = delete;
    ~SealHold();

   private:
    friend struct Impl;
    explicit SealHold(Impl& log) noexcept : log_(&log) {}
    Impl* log_;
  };
  [[nodiscard]] Result<SealHold> hold_seals();
  /// With the lock.
  [[nodiscard]] Status mend();
  /// With `write_mutex_`: what others did since.
  [[nodiscard]] Status refresh();
  [[nodiscard]] Status follow_rolls(const redo::WriterState& state);
  static void complete(Segment& segment, const redo::SegmentHeader& next);
  void drop_removed(std::uint64_t first_sequence);
  /// With `write_mutex_`: every segment that is kept, not only those since this process came.
  [[nodiscard]] Status load_older();
  /// With `write_mutex_`: tells what this process needs of old segments; looks at every content handed out.
  void update_keep();
  void keep_from(std::uint64_t sequence);
  [[nodiscard]] Status reload_consumers();
  /// With the lock: makes `state` what everybody sees.
  void publish(const redo::WriterState& state);

  // --- log_write.cpp --------------------------------------------------------------------------------
  /// A record up to what its place decides.
  struct Frame {
    redo::RecordHead head;
    Bytes bytes;
    std::string account_id;
    /// For the index: of a last piece, and the lowest sequence that it refers to (0: none).
    std::optional<redo::ContentPlace> content;
    std::uint64_t lowest_sequence = 0;
    /// The place in the table of open transactions that it begins or ends.
    std::optional<std::uint32_t> begins;
    std::optional<std::uint32_t> ends;
    std::uint32_t reserve = 0;
    bool is_rewind = false;
    bool is_close_mark = false;
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
  [[nodiscard]] bool is_poisoned() const { return poisoned_ || control_->is_poisoned(); }
  /// With the lock: sees to it that a record of `bytes` and a reservation of `reserve` fit, by rolling.
  [[nodiscard]] bool is_too_old() const;
  [[nodiscard]] Status make_room(std::uint64_t bytes, std::uint64_t reserve);
  /// With the lock: writes what fits.
  [[nodiscard]] Result<Placed> write(Frame& frame);
  [[nodiscard]] Result<Placed> write_one(Frame& frame, Time wall, Time commit);
  [[nodiscard]] Result<Placed> write_mark(redo::MarkReason reason);
  /// With the lock: the next segment becomes the current one. The old one is sealed by `seal_pending`.
  /// `may_be_small` lets recovery open a log on a full disk.
  [[nodiscard]] Status roll_now(std::uint64_t min_room, bool may_be_small = false);
  /// Without locks.
  [[nodiscard]] Status seal_pending();
  /// By who writes: unless somebody does the housekeeping. What is wrong, whoever rolls or opens next
  /// reports.
  void seal_rolled();
  /// Without locks: what others rolled and did not live to seal.
  [[nodiscard]] Status seal_left_behind();
  [[nodiscard]] Result<redo::Seal> seal_file(const Segment& segment, std::uint64_t end, Lsn last_lsn,
                                             const redo::IndexBuilder& index);
  /// Ends all acknowledgement; returns the failure to give to the caller whose call it was.
  Status poison(const Status& cause);
  [[nodiscard]] Status roll();
  [[nodiscard]] Status maintain();

  // --- log_sync.cpp ---------------------------------------------------------------------------------
  [[nodiscard]] Lsn durable_lsn() const { return control_->page().durable.load().lsn; }
  /// Without locks: returns when `lsn` is as safe as `sync` asks for.
  [[nodiscard]] Status acknowledge(Lsn lsn, Sync sync);
  /// Without locks: returns when `lsn` is on the disk, syncing for all or waiting for who does.
  [[nodiscard]] Status wait_durable(Lsn lsn);
  [[nodiscard]] std::string poison_cause() const;
  [[nodiscard]] Status not_durable() const;
  void let_others_write() const;
  /// With the lock of who syncs: syncs for everybody who wrote before, and lets go of it.
  [[nodiscard]] Status lead_sync(bool after_death);
  /// With that lock: makes the cache write again what it may have failed to write for somebody who died.
  [[nodiscard]] Status write_again(int fd, const redo::WriterState& target);
  /// Everything written so far becomes durable.
  [[nodiscard]] Status sync_now();
  [[nodiscard]] Status sync();

  // --- log_stage.cpp --------------------------------------------------------------------------------
  class StageHold {
   public:
    StageHold(StageHold&& other) noexcept : log_(std::exchange(other.log_, nullptr)) {}
    StageHold& operator=(StageHold&&) = delete;
    ~StageHold();

   private:
    friend struct Impl;
    explicit StageHold(Impl& log) noexcept : log_(&log) {}
    Impl* log_;
  };
  [[nodiscard]] Result<StageHold> hold_stage();
  /// With the lock: the bytes of the next record go where they survive this process; `publish` follows.
  [[nodiscard]] Status put(ByteView record);
  [[nodiscard]] Status write_through(ByteView record);
  struct Current {
    redo::WriterState state;
    std::shared_ptr<const os::Fd> fd;
  };
  /// Everything published is in its file; what that is, and the file.
  [[nodiscard]] Result<Current> write_out();
  // With the staging area's lock:
  /// What is staged and, behind it, `record`.
  [[nodiscard]] Status write_staged(const redo::WriterState& state, int fd, ByteView record);
  [[nodiscard]] Status fill_behind(const redo::WriterState& state, int fd, std::uint64_t record_bytes,
                                   redo::WrittenState& written);
  [[nodiscard]] Result<std::shared_ptr<const os::Fd>> segment_fd(std::uint64_t sequence);
  // With the lock:
  /// Nothing is staged, and the next record goes to `position` of that segment.
  [[nodiscard]] Status begin_stage(std::uint64_t sequence, std::uint64_t position, std::uint64_t filled,
                                   std::shared_ptr<const os::Fd> fd);
  [[nodiscard]] Status mend_stage(const redo::WriterState& state);
  /// By the first opener: what the dead had staged.
  [[nodiscard]] Status write_left(const redo::SegmentHeader& header, int fd);

  // --- segment_create.cpp ---------------------------------------------------------------------------
  /// A segment that was made: where its records begin, and how many bytes it has.
  struct Made {
    std::shared_ptr<const os::Fd> fd;
    std::uint64_t position = 0;
    std::uint64_t capacity = 0;
    std::uint64_t filled = 0;
  };
  struct Spare {
    os::Fd fd;
    std::string name;
    std::uint64_t bytes = 0;
    std::uint64_t filled = 0;
  };
  /// Sees to it that there is one for whoever rolls next, filled with zeros.
  [[nodiscard]] Status keep_spare();
  [[nodiscard]] Status keep_only_spare();
  [[nodiscard]] Result<Spare> make_spare(std::uint64_t bytes);
  void drop_spare(Spare& spare) noexcept;
  /// Publishes a segment with `header`. A failure that leaves the directory in doubt sets `in_doubt`.
  /// With `may_be_small` it makes do with `room` where the disk has none for a whole segment.
  [[nodiscard]] Result<Made> create_segment(redo::SegmentHeader& header, std::uint64_t room,
                                            bool may_be_small, bool* in_doubt);
  [[nodiscard]] Result<Spare> take_spare(std::uint64_t bytes);

  // --- log_transactions.cpp -------------------------------------------------------------------------
  struct Intent;
  [[nodiscard]] static Result<Intent> make_intent(std::string_view account_id,
                                                  std::span<const Operation> operations,
                                                  const BeginOptions& options, bool is_begin);
  /// `place` gets where in the table of open transactions it begins; null for an append.
  [[nodiscard]] Result<Placed> log_intent(const Intent& intent, const BeginOptions& options,
                                          std::uint32_t* place);
  [[nodiscard]] static Frame frame_of(const Intent& intent, const Origin& origin,
                                      const std::vector<redo::ContentPlace>& places);
  [[nodiscard]] Result<Placed> write_intent(const Intent& intent, const Origin& origin,
                                            std::optional<std::uint32_t> place, std::optional<Frame>& ready);
  [[nodiscard]] Result<std::unique_ptr<Transaction::Impl>> reread(const redo::OpenTransaction& found,
                                                                  const redo::SegmentViews& all) const;
  [[nodiscard]] Result<Transaction> begin(std::string_view account_id, std::span<const Operation> operations,
                                          const BeginOptions& options);
  [[nodiscard]] Result<Lsn> append(std::string_view account_id, std::span<const Operation> operations,
                                   const BeginOptions& options);
  [[nodiscard]] Result<Lsn> end_transaction(Transaction::Impl& transaction, bool commit,
                                            std::span<const Assigned> assigned, Sync sync);
  /// Those that are open at `end`, in begin order; of one account, or of all if empty.
  [[nodiscard]] std::vector<redo::OpenTable::Entry> open_transactions(std::string_view account_id,
                                                                      Lsn end) const;
  /// Of an entry whose account id is too long for the table.
  [[nodiscard]] std::string account_in_log(const redo::OpenTransaction& transaction) const;
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
  /// Near enough to be referred to: written by this process, or lately by another one.
  [[nodiscard]] std::optional<redo::ContentPlace> find_near(const ContentRef& content) const;
  void hand_out(const redo::ContentPlace& place);
  void mark_referenced(const std::vector<ContentRef>& contents);
  [[nodiscard]] bool is_near(const redo::ContentPlace& place) const;
  /// With `write_mutex_`: the first segment that is kept for them.
  [[nodiscard]] std::uint64_t first_handed_out() const;

  // --- log_read.cpp ---------------------------------------------------------------------------------
  [[nodiscard]] Result<redo::SegmentViews> views();
  [[nodiscard]] Result<std::vector<SegmentInfo>> segment_infos();
  [[nodiscard]] Result<std::unique_ptr<TransactionCursor>> read(const ReadRange& range);
  [[nodiscard]] Result<std::unique_ptr<RecordCursor>> records(const ReadRange& range);
  /// `not_found` if what follows `after` has been removed.
  [[nodiscard]] Status check_kept(Lsn after);
  /// Returns true as soon as something behind `position` is durable.
  [[nodiscard]] Result<bool> wait_behind(Lsn position, std::chrono::milliseconds timeout);
  [[nodiscard]] Result<Lsn> lsn_at(Time time);
  [[nodiscard]] static Status check_not_held(const redo::SegmentViews& all, Time time);
  [[nodiscard]] Result<LogVerification> verify(const VerifyOptions& options);

  // --- log_keep.cpp ---------------------------------------------------------------------------------
  [[nodiscard]] Status set_consumer(std::string_view name, Lsn position);
  [[nodiscard]] Status limit_consumer(std::string_view name, std::uint64_t max_bytes,
                                      std::chrono::seconds max_age);
  [[nodiscard]] Status remove_consumer(std::string_view name);
  [[nodiscard]] Result<std::vector<Consumer>> consumers();
  [[nodiscard]] Result<std::uint64_t> remove_consumed(std::chrono::seconds min_age);
  /// With the lock, as all below.
  [[nodiscard]] Status load_lists();
  [[nodiscard]] Status mark_lost();
  [[nodiscard]] Status remove_files(std::uint64_t first_kept);
  [[nodiscard]] Status store_consumers(redo::ConsumerList list);
  [[nodiscard]] std::size_t first_kept(std::int64_t min_age_us) const;
  [[nodiscard]] std::uint64_t lowest_reference(std::uint64_t from, std::uint64_t to) const;
  [[nodiscard]] Status change_consumers(const std::function<Status(std::vector<Consumer>&)>& change);
  [[nodiscard]] bool is_past_limit(const Consumer& consumer) const;
  [[nodiscard]] bool is_all_there(const Consumer& consumer) const;
  [[nodiscard]] std::uint64_t bytes_behind(Lsn position) const;
  /// Of the newest record in the oldest segment that is not behind it; nothing if it has them all.
  [[nodiscard]] std::optional<Time> oldest_behind(Lsn position) const;

  // --- State ----------------------------------------------------------------------------------------
  struct Segment {
    std::shared_ptr<const redo::SegmentFile> file;
    std::shared_ptr<const redo::SegmentHeader> header;
    /// Null for the one being written.
    std::shared_ptr<const redo::RawSegment> view;
    /// The lowest that its records refer to; 0 while that is not known.
    std::uint64_t lowest_sequence = 0;
    /// This process has rolled it and has to seal it.
    bool to_seal = false;
  };

  os::Io& io_;
  const std::string path_;
  const Directory directory_;
  const redo::DirectoryId directory_id_;
  const Options options_;
  const redo::OpenHooks hooks_;
  const pid_t pid_;
  const os::ForkMark fork_mark_;
  std::unique_ptr<redo::ControlFile> control_;
  std::optional<redo::OpenTable> open_;
  redo::SegmentHeader identity_;  // ids only; constant once open

  os::TimedMutex seal_mutex_;
  mutable os::TimedMutex write_mutex_;
  // Guarded by write_mutex_:
  redo::WriterState state_;  // as it was when this process looked last
  std::vector<Segment> segments_;
  bool has_older_ = false;  // `segments_` has all that are kept
  /// One of them is to be sealed. Read without the mutex.
  std::atomic<bool> has_to_seal_{false};
  /// Where some records of the current segment lie; those that others wrote are missing.
  std::shared_ptr<redo::SparseTable> sparse_ = std::make_shared<redo::SparseTable>();
  std::unordered_map<std::string, Lsn> touched_;  // by this process in the current segment, by which record
  std::unordered_map<Digest, redo::ContentPlace> recent_;
  std::deque<Digest> recent_order_;  // may name some that are gone
  /// By `put_content`, and not named by a record yet.
  std::unordered_map<Digest, redo::ContentPlace> handed_out_;
  std::deque<Digest> handed_out_order_;
  std::multiset<std::uint64_t> streams_;  // first sequence of contents being written
  std::multiset<std::uint64_t> pins_;
  redo::ConsumerList consumers_;
  Status consumers_status_;
  std::uint64_t consumers_version_ = 0;
  Lsn last_written_ = 0;                // by this process
  std::vector<std::string> reconcile_;  // constant once open

  // Guarded by the lock of the staging area:
  std::shared_ptr<const os::Fd> segment_fd_;
  std::uint64_t segment_fd_sequence_ = 0;
  Bytes zeros_;

  mutable std::mutex poison_mutex_;
  std::atomic<bool> poisoned_{false};
  Status poison_cause_;  // poison_mutex_
};

struct Transaction::Impl {
  std::shared_ptr<RedoLog::Impl> log;
  std::string account_id;
  Lsn begin_lsn = 0;
  std::uint64_t begin_sequence = 0;
  std::uint64_t begin_offset = 0;
  std::uint32_t place = 0;  // in the table of open transactions
  std::vector<Operation> operations;
  Origin origin;
  bool ended = false;
};

}  // namespace v0
}  // namespace restante

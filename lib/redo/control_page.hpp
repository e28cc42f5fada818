#pragma once
// `redo.control` as the processes that share a log see it: mapped memory, the same in all of them
// (docs/format/redo.md, "Other files"). It is no part of the log's history.
//
// What is written here must be whole whenever a process is killed: single words, values that are published by
// one word, and an intent that says what the next word will make true.

#include <restante/redo_log.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/shared_memory.hpp"
#include "redo/layout.hpp"

namespace restante::redo {

/// Processes that have a log open at a time. Delivery agents live for milliseconds.
inline constexpr std::uint32_t kMaxAttached = 512;
/// Transactions that are open at a time, those of the dead included.
inline constexpr std::uint32_t kMaxOpen = 4096;
/// Contents that other processes find again.
inline constexpr std::uint32_t kSharedContents = 512;
/// Account ids up to this length lie in the table of open transactions; longer ones are read from the log.
inline constexpr std::size_t kInlineAccountBytes = 64;
inline constexpr std::uint32_t kNoOwner = UINT32_MAX;
/// Records wait here until somebody syncs or it is full: many of them go into the file with one write.
inline constexpr std::uint64_t kStagedBytes = 128u << 10;
/// Larger ones go into the file at once, beside somebody's sync.
inline constexpr std::uint64_t kMostStagedRecord = 4096;

/// Where the log was last known to be on the disk when a write or sync failed.
struct Watermark {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  Lsn lsn = 0;
};

/// Where the next record goes, and what it depends on. Replaced under the lock that orders the log.
struct WriterState {
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;
  std::uint64_t capacity = 0;
  Lsn end = 0;
  /// Room that open transactions need for their ends.
  std::uint64_t reserved = 0;
  /// As in the header of the next segment.
  std::uint64_t opened_sequence = 0;
  /// The oldest segment that is kept.
  std::uint64_t first_sequence = 0;
  /// The lowest that a record of the current segment refers to.
  std::uint64_t lowest_sequence = 0;
  /// In the current segment.
  std::uint64_t records = 0;
  /// Of the list of consumers.
  std::uint64_t consumers_version = 0;
  std::int64_t first_time_us = 0;
  std::int64_t last_wall_us = 0;
  std::int64_t last_commit_us = 0;
  std::int64_t last_monotonic_us = 0;
  std::uint32_t last_crc = 0;
  std::uint8_t has_wall = 0;
  std::uint8_t has_monotonic = 0;
  std::uint8_t last_is_mark = 0;
  std::uint8_t last_is_close_mark = 0;
};

/// What is known to be on the disk. Replaced by whoever syncs.
struct DurableState {
  Lsn lsn = 0;
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  std::int64_t commit_us = 0;
};

/// How far the file of a segment has the bytes that were published. Replaced under the lock of the staging
/// area.
struct WrittenState {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  /// The blocks up to here have been written, with records or zeros: writing into them again needs nothing
  /// of the file system but the data.
  std::uint64_t filled = 0;
};

/// The sync that runs or ran last: what was written up to `end` when it began is what it makes durable.
struct SyncRound {
  std::uint64_t number = 0;
  Lsn end = 0;
};

/// A process that has the log open. `generation` tells it from those that had the place before.
struct AttachSlot {
  std::atomic<std::uint32_t> generation;
  std::uint32_t pid;
  /// Segments from here on are in use.
  std::atomic<std::uint64_t> keep_from;
  std::uint32_t holder_bytes;
  char holder[kMaxHolderBytes];
};

/// A transaction that was begun and has not ended. In use while its place in `open_accounts` is not 0.
struct OpenSlot {
  std::atomic<std::uint32_t> owner;
  std::atomic<std::uint32_t> owner_generation;
  Lsn begin_lsn;
  std::uint64_t sequence;
  std::uint64_t offset;
  std::int64_t begin_us;
  std::uint32_t reserved;
  std::uint8_t is_rewind;
  std::uint8_t unused;
  std::uint16_t account_bytes;
  char account[kInlineAccountBytes];
};

/// Where content of a recent segment lies.
struct ContentSlot {
  Digest digest;
  std::uint64_t size;
  std::uint64_t first_sequence;
  std::uint64_t last_sequence;
  Lsn last_lsn;
  std::uint64_t last_offset;
  /// Over all before: a slot that its writer did not finish counts for nothing.
  std::uint32_t crc;
};

/// What becomes true with the record `lsn`: its writer may be killed between the record and the table.
struct Intent {
  enum Kind : std::uint32_t { none, begins, ends };
  std::atomic<std::uint32_t> kind;
  std::uint32_t index;
  Lsn lsn;
};

struct ControlIdentity {
  std::array<std::uint8_t, 8> magic;
  std::uint32_t layout;
  /// Over this structure with this field zero.
  std::uint32_t crc;
  Id128 boot_id;
  std::uint32_t abi;
  std::uint32_t library_version;
  std::uint64_t bytes;
};

struct ControlPage {
  ControlIdentity identity;
  /// 1 while a failed sync or write makes everybody stop; `watermark` is written before.
  std::atomic<std::uint32_t> poisoned;
  /// 1 once the first opener has recovered the log.
  std::atomic<std::uint32_t> ready;
  /// Processes that came and did not go in order: more than one when the last one goes, if some have died.
  std::atomic<std::uint32_t> attached_count;
  std::uint32_t unused;
  Watermark watermark;

  // The lock that orders the log, and what it guards. Slots of holders are for messages only.
  os::RobustMutex write_lock;
  std::atomic<std::uint32_t> write_holder;
  os::Published<WriterState> writer;
  Intent intent;

  os::RobustMutex sync_lock;
  std::atomic<std::uint32_t> sync_holder;
  os::Published<DurableState> durable;
  os::Published<SyncRound> round;
  /// Who is served by round n waits at n % 2: a round wakes those whom it serves, and one of the others to
  /// lead the next.
  os::SharedEvent rounds[2];
  /// For followers: more is durable, or the log is poisoned.
  os::SharedEvent synced;
  /// When the last sync and the last housekeeping began, by the steady clock; 0 for never.
  std::atomic<std::int64_t> synced_ns;
  std::atomic<std::int64_t> maintained_ns;

  // The lock of the staging area, taken after all others. What lies between `written` and the writer's
  // position is not in the file yet; each byte is at its offset modulo the area's size.
  os::RobustMutex stage_lock;
  std::atomic<std::uint32_t> stage_holder;
  os::Published<WrittenState> written;

  /// Seals and removes segments; taken before the others.
  os::RobustMutex seal_lock;
  std::atomic<std::uint32_t> seal_holder;
  /// Of who makes a spare segment.
  os::RobustMutex spare_lock;
  os::SharedEvent ended;

  /// Where the mark lies with which the last process closed the log in order, and left all this as it was; 0
  /// while the log is open.
  std::atomic<std::uint64_t> close_mark;

  std::atomic<std::uint32_t> open_high;  // no slot behind it has ever been in use
  std::atomic<std::uint64_t> open_accounts[kMaxOpen];
  OpenSlot open[kMaxOpen];
  AttachSlot attached[kMaxAttached];
  ContentSlot contents[kSharedContents];
  std::uint8_t staged[kStagedBytes];
};

inline constexpr std::size_t kControlBytes = (sizeof(ControlPage) + 4095) / 4096 * 4096;

}  // namespace restante::redo

#pragma once
// Every limit of the library, each with its reason. Bad input meets a limit before it meets the allocator.

#include <cstddef>
#include <cstdint>

namespace restante::base {

/// Reads of whole files and streams go in steps of this size: large enough that a system call costs
/// nothing beside the copy, small enough for a thread's stack and cache.
inline constexpr std::size_t kReadStepBytes = 64 * 1024;

/// How deep a tree may be that is removed or walked. Each level holds a descriptor open, and the usual
/// limit of a process is 1,024 of them; mail stores stay below ten levels.
inline constexpr int kMaxTreeDepth = 256;

/// What is read of a process in /proc is one line of some fifty short fields.
inline constexpr std::uint64_t kMaxProcFileBytes = 16 * 1024;

/// /etc/timezone holds one name; the longest in the database has 32 characters.
inline constexpr std::uint64_t kMaxZoneFileBytes = 4096;

/// Snapshots are compressed in frames of about this size: large enough for a good ratio, small enough that
/// a stream holds one in memory.
inline constexpr std::size_t kSnapshotFrameBytes = 256 * 1024;

/// A frame holds at least one operation, and one operation may be a bulk of messages with many keywords.
inline constexpr std::size_t kSnapshotMaxFrameBytes = 64u << 20;

/// Snapshots of many accounts share objects of this size: a session of 100,000 small accounts is a few
/// hundred objects, and what is not put yet fits in memory.
inline constexpr std::size_t kSnapshotObjectBytes = 16u << 20;

/// Snapshots are read ahead by this much, to save round trips to a remote storage.
inline constexpr std::size_t kSnapshotReadBytes = 1u << 20;

/// session.xml takes about 700 bytes an account; this is room for a million of them.
inline constexpr std::uint64_t kMaxSessionFileBytes = 1ull << 30;

/// Ids of accounts, folders, messages and items. Hosts use UUIDs, numbers and file names; this leaves room
/// for a path.
inline constexpr std::size_t kMaxIdBytes = 1024;

/// Kinds of items, names of attributes, hosts and HostOps: words that programmers choose.
inline constexpr std::size_t kMaxWordBytes = 255;

/// Messages that one expunge or flag update of a difference addresses. Larger ones save little, and a sink
/// performs each operation at one go.
inline constexpr std::size_t kDifferenceBatch = 1000;

/// Content above this size is stored in chunks of it: a writer or reader of content of any size holds one.
/// Nearly all mail is below. Part of the format: writers that cut differently share nothing.
inline constexpr std::size_t kContentChunkBytes = 4u << 20;

/// A frame holds one part of the greatest size, or smaller ones, and the table of its parts. What claims to
/// decompress to more is damaged.
inline constexpr std::size_t kMaxContentFrameBytes = kContentChunkBytes + (1u << 20);

/// Packs are collected in memory and put whole. Large enough to be one request among few, small enough for
/// several writers at a time.
inline constexpr std::size_t kMaxPackBytes = 256u << 20;

/// Parts of a pack: bounds the index in memory and the catalog's transaction. A pack of usual mail has some
/// thousand.
inline constexpr std::size_t kMaxPackParts = 16384;

/// The index of the fullest pack: 48 bytes a part, 16 a frame, and at worst a frame a part.
inline constexpr std::size_t kMaxPackIndexBytes = 8 + kMaxPackParts * 64;

/// Read from the end of a pack to learn its index; mostly it is all in there.
inline constexpr std::size_t kPackTailBytes = 128 * 1024;

/// Recipes within recipes: content, the parts of its MIME structure, their chunks, and one in reserve.
inline constexpr std::size_t kMaxRecipeDepth = 4;

/// Decompressed frames that a store keeps, so that reading neighbours decompresses a frame once: messages
/// that are read in the order in which they were written share a frame by the dozen. Larger frames hold a
/// single part and are not kept.
inline constexpr std::size_t kFrameCacheBytes = 16u << 20;
inline constexpr std::size_t kMaxCachedFrameBytes = 1u << 20;

/// A writer that nobody flushes syncs and enters what it has after so many packs, to remember less.
inline constexpr std::size_t kMaxUnflushedPacks = 8;

}  // namespace restante::base

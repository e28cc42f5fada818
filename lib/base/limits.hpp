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

/// The same while accounts are restored. Mail that many received lies with the first of them, so each of the
/// others reads frames from all over the packs: the more are kept, the fewer are decompressed again.
inline constexpr std::size_t kRestoreFrameBytes = 128u << 20;

/// A writer that nobody flushes syncs and enters what it has after so many packs, to remember less.
inline constexpr std::size_t kMaxUnflushedPacks = 8;

/// A list of unreferenced packs: 16 bytes each, a million of them, which are 32 TiB of packs.
inline constexpr std::uint64_t kMaxPackListBytes = 16u << 20;

/// What scrypt may be asked for by a file of a target: twice the default's memory, so that there is a step
/// up, and nothing that a mail server could not spare. Less than the minimum protects no passphrase.
inline constexpr std::uint64_t kMaxScryptBytes = 256u << 20;
inline constexpr std::uint8_t kMaxScryptP = 4;
inline constexpr std::uint8_t kMinScryptLog2N = 10;

/// A key object holds a few hundred bytes for each holder.
inline constexpr std::uint64_t kMaxKeyObjectBytes = 1u << 20;

/// Servers, administrators and passphrases of one target. Opening one with a passphrase tries each
/// passphrase, at half a second of work.
inline constexpr std::size_t kMaxKeyHolders = 1000;
inline constexpr std::size_t kMaxPassphrases = 16;

/// Key objects of one target: each is a change that somebody made by hand. All are read at every opening.
inline constexpr std::size_t kMaxKeyObjects = 10'000;

/// A key file is three short lines.
inline constexpr std::uint64_t kMaxKeyFileBytes = 4096;

/// A link of a chain of sessions is 200 bytes and a label.
inline constexpr std::uint64_t kMaxLinkBytes = 4096;
inline constexpr std::uint64_t kMaxHeadsBytes = 1u << 20;

/// Entries of an archive that is imported: each takes some 200 bytes of memory. Sixteen million messages are
/// more than any mail server gives one person.
inline constexpr std::uint64_t kMaxArchiveEntries = 16u << 20;

/// Names of entries: what a path of the system may have.
inline constexpr std::size_t kMaxEntryNameBytes = 4096;

/// An archive that decompresses to more than so many times its size, beyond the first gibibyte, is a bomb:
/// mail shrinks to a third, a folder of copies of one message to a hundredth.
inline constexpr std::uint64_t kMaxArchiveExpansion = 1000;
inline constexpr std::uint64_t kFreeArchiveBytes = 1u << 30;

/// A line of an archive's JSON is a record of some hundred bytes, but a host may keep data of its own in one;
/// the description names every account.
inline constexpr std::size_t kMaxArchiveLineBytes = 64u << 20;
inline constexpr std::size_t kMaxArchiveDescriptionBytes = 64u << 20;

/// A line "From " of an mbox. One that is longer is none.
inline constexpr std::size_t kMaxFromLineBytes = 1000;

/// What an import tells of what it passed over; how many more is told too.
inline constexpr std::size_t kMaxArchiveNotes = 100;

}  // namespace restante::base

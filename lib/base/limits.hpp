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

/// /etc/timezone holds one name; the longest in the database has 32 characters.
inline constexpr std::uint64_t kMaxZoneFileBytes = 4096;

}  // namespace restante::base

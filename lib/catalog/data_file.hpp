#pragma once
// A look at LMDB's data file before LMDB maps it.

#include <restante/status.hpp>

#include "os/io.hpp"

namespace restante::catalog {

inline constexpr const char* kDataFile = "data.mdb";
inline constexpr const char* kLockFile = "lock.mdb";

/// Success if there is no file, or an empty one, or one whose roots are sound and which is as long as the
/// newer one says; `damaged` otherwise. LMDB checks no more than a magic number, and reading a mapping past
/// the end of its file ends the process.
[[nodiscard]] Status check_data_file(os::Io& io, int dirfd);

}  // namespace restante::catalog

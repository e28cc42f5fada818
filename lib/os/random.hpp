#pragma once
// The operating system's random source.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

namespace restante::os {

/// Fills `out` from getrandom(2); fit for keys and ids. `io` when the system has no source.
[[nodiscard]] Status random_bytes(MutableByteView out);

}  // namespace restante::os

#pragma once
// One piece of work for each of many things, on the caller's thread and on others that a host lends.

#include <cstddef>
#include <functional>

#include <restante/runtime.hpp>

namespace restante::base {

/// Calls `work` with 0 to `count` - 1, each once, in this order, at most `parallel` at a time. The caller's
/// thread works too, so that it ends even if the executor never runs anything. After a failure nothing more
/// is begun, and the answer is the failure of the lowest number. `executor` may be null. What `work` throws
/// comes out here.
[[nodiscard]] Status run_in_parallel(Executor* executor, unsigned parallel, std::size_t count,
                                     const std::function<Status(std::size_t)>& work);

}  // namespace restante::base

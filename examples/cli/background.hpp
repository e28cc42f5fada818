#pragma once
// Work that goes on when the program has answered and the terminal is gone.

#include <functional>
#include <string>

#include "console.hpp"
#include "failure.hpp"

namespace cli {

struct Started {
  std::string label;
  int pid = 0;
};

/// Tells the waiting program the label of what has begun; at most once.
using Announce = std::function<void(const std::string& label)>;

/// Runs `work` in a process without terminal whose output goes behind the end of `log_file`, and returns when
/// `work` has announced its label. What `work` throws before that is thrown here.
///
/// Must be called before anything else was opened: what the library has open does not survive a fork.
[[nodiscard]] Started run_in_background(Console& console, const std::string& log_file,
                                        const std::function<Exit(const Announce&)>& work);

}  // namespace cli

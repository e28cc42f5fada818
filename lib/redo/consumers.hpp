#pragma once
// `redo.consumers`: the named readers whose positions keep segments (R10). Bytes <-> values, and the file.

#include <restante/redo_log.hpp>

#include <chrono>
#include <string_view>
#include <vector>

#include "os/io.hpp"

namespace restante::redo {

inline constexpr std::string_view kConsumersName = "redo.consumers";

/// A thousand years: in microseconds it is still a number.
inline constexpr std::chrono::seconds kMostConsumerAge{1000ll * 366 * 86'400};

struct ConsumerList {
  Id128 log;
  Id128 incarnation;
  /// Sorted by name.
  std::vector<Consumer> consumers;
};

[[nodiscard]] Bytes encode_consumers(const ConsumerList& list);
[[nodiscard]] Result<ConsumerList> decode_consumers(ByteView bytes);

/// An empty list if there is no file; `damaged` if it cannot be understood.
[[nodiscard]] Result<ConsumerList> load_consumers(os::Io& io, int directory);
/// Durable when it returns.
[[nodiscard]] Status store_consumers(os::Io& io, int directory, const ConsumerList& list);

}  // namespace restante::redo

#pragma once
// A target's storage that a signal can interrupt while it is only read.

#include <restante/storage.hpp>

#include <atomic>
#include <memory>

namespace cli {

/// While it is on, every read of the storages that know it fails with `cancelled` once SIGINT or SIGTERM
/// came.
class Interruption {
 public:
  void begin() { on_ = true; }
  void end() { on_ = false; }
  [[nodiscard]] restante::Status check() const;

 private:
  std::atomic<bool> on_ = false;
};

/// `interruption` must outlive the storage.
[[nodiscard]] std::unique_ptr<restante::Storage> make_stoppable(std::unique_ptr<restante::Storage> storage,
                                                                const Interruption& interruption);

}  // namespace cli

#pragma once
// The local driver with what its tests choose.

#include <restante/storage.hpp>

#include <memory>
#include <optional>
#include <string>

#include "os/io.hpp"
#include "storage/sync_method.hpp"

namespace restante::storage {

struct LocalDriverOptions {
  bool create = false;
  /// By the file system if absent.
  std::optional<SyncMethod> sync_method;
};

/// As `open_local_storage`; `io` outlives the storage.
[[nodiscard]] Result<std::unique_ptr<Storage>> open_local_driver(os::Io& io, const std::string& directory,
                                                                 const LocalDriverOptions& options);

}  // namespace restante::storage

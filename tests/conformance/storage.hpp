#pragma once
/// \file
/// Proves that a driver keeps what `Storage` promises.
///
///     struct MyPlace : restante::conformance::StoragePlace { … };
///     for (const auto& check : restante::conformance::check_storage([] { return std::make_unique<MyPlace>();
///     }))
///       if (!check.failure.empty()) std::printf("%s: %s\n", check.name.c_str(), check.failure.c_str());
///
/// It needs the public headers and nothing else, no test framework. What a power cut does cannot be asked
/// of a driver here; see docs/durability.md.

#include <restante/storage.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace restante::conformance {

/// An empty place for objects, which goes with this object.
class StoragePlace {
 public:
  virtual ~StoragePlace() = default;
  /// A handle on the place, as another process would have one.
  [[nodiscard]] virtual Result<std::unique_ptr<Storage>> open() = 0;
};

struct StorageCheck {
  std::string name;
  /// What was wrong; empty if nothing was.
  std::string failure;
};

/// Runs every check, each in a place of its own.
[[nodiscard]] std::vector<StorageCheck> check_storage(
    const std::function<std::unique_ptr<StoragePlace>()>& make_place);

}  // namespace restante::conformance

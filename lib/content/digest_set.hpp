#pragma once
// A great many digests, as one sorted run: 32 bytes each, and while it grows up to 80.

#include <restante/bytes.hpp>

#include <vector>

namespace restante::content {

/// One thread at a time. Reading sees what was added before the last `settle`.
class DigestSet {
 public:
  void add(const Digest& digest);
  /// Sorts in what was added.
  void settle();

  [[nodiscard]] bool contains(const Digest& digest) const;
  [[nodiscard]] bool empty() const { return sorted_.empty(); }
  /// Ascending, each once.
  [[nodiscard]] const std::vector<Digest>& sorted() const { return sorted_; }

 private:
  std::vector<Digest> sorted_;
  std::vector<Digest> added_;
};

}  // namespace restante::content

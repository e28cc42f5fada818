#include "content/digest_set.hpp"

#include <algorithm>

namespace restante::content {
namespace {

// What waits to be sorted in: enough that merging is rare, little beside the run itself.
constexpr std::size_t kLeastToMerge = 1u << 16;

}  // namespace

void DigestSet::add(const Digest& digest) {
  added_.push_back(digest);
  if (added_.size() >= std::max(kLeastToMerge, sorted_.size() / 4)) settle();
}

void DigestSet::settle() {
  std::sort(added_.begin(), added_.end());
  added_.erase(std::unique(added_.begin(), added_.end()), added_.end());
  const auto old = static_cast<std::ptrdiff_t>(sorted_.size());
  sorted_.reserve(sorted_.size() + added_.size());
  sorted_.insert(sorted_.end(), added_.begin(), added_.end());
  added_ = {};
  std::inplace_merge(sorted_.begin(), sorted_.begin() + old, sorted_.end());
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
}

bool DigestSet::contains(const Digest& digest) const {
  return std::binary_search(sorted_.begin(), sorted_.end(), digest);
}

}  // namespace restante::content

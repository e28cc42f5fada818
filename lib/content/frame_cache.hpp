#pragma once
// The decompressed frames used last.

#include <restante/bytes.hpp>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace restante::content {

/// Thread-safe. Holds at most `limit_bytes`, and forgets what was used longest ago.
class FrameCache {
 public:
  using Key = std::pair<Id128, std::uint32_t>;  // pack and frame
  using Value = std::shared_ptr<const Bytes>;

  explicit FrameCache(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// Null if it is not there.
  [[nodiscard]] Value find(const Key& key);
  void insert(const Key& key, Value value);
  void clear();

 private:
  struct Entry {
    Key key;
    Value value;
  };

  const std::size_t limit_bytes_;
  std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  // used last first
  std::map<Key, std::list<Entry>::iterator> by_key_;
};

}  // namespace restante::content

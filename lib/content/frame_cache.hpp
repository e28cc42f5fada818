#pragma once
// The decompressed frames used last.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace restante::content {

/// Thread-safe. Holds at most `limit_bytes`, and forgets what was used longest ago. A frame that several
/// threads want at a time is made once.
class FrameCache {
 public:
  using Key = std::pair<Id128, std::uint32_t>;  // pack and frame
  using Value = std::shared_ptr<const Bytes>;

  explicit FrameCache(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  using Make = std::function<Result<Value>()>;
  /// What is there, or what `make` gives, which is kept unless it is larger than `most_bytes`.
  [[nodiscard]] Result<Value> get(const Key& key, std::size_t most_bytes, const Make& make);
  void clear();
  void set_limit(std::size_t limit_bytes);

 private:
  struct Entry {
    Key key;
    Value value;
  };

  // With the mutex held.
  [[nodiscard]] Value find(const Key& key);
  void insert(const Key& key, Value value);
  void shrink();

  std::mutex mutex_;
  std::condition_variable made_;
  std::set<Key> being_made_;
  std::size_t limit_bytes_;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  // used last first
  std::map<Key, std::list<Entry>::iterator> by_key_;
};

}  // namespace restante::content

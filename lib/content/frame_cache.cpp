#include "content/frame_cache.hpp"

namespace restante::content {
namespace {

// Ends the making of a frame, whatever comes of it.
class Making {
 public:
  explicit Making(std::function<void()> end) : end_(std::move(end)) {}
  ~Making() { end_(); }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;

 private:
  std::function<void()> end_;
};

}  // namespace

Result<FrameCache::Value> FrameCache::get(const Key& key, std::size_t most_bytes, const Make& make) {
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (Value cached = find(key)) return cached;
      // Whoever waited for a frame that is not kept, or could not be made, makes it for itself.
      if (being_made_.insert(key).second) break;
      made_.wait(lock);
    }
  }
  const Making making([&] {
    const std::scoped_lock lock(mutex_);
    being_made_.erase(key);
    made_.notify_all();
  });
  Result<Value> value = make();
  if (value.ok() && (*value)->size() <= most_bytes) {
    const std::scoped_lock lock(mutex_);
    insert(key, *value);
  }
  return value;
}

FrameCache::Value FrameCache::find(const Key& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front().value;
}

void FrameCache::insert(const Key& key, Value value) {
  if (value->size() > limit_bytes_ || by_key_.contains(key)) return;
  bytes_ += value->size();
  entries_.push_front({key, std::move(value)});
  by_key_[key] = entries_.begin();
  shrink();
}

void FrameCache::shrink() {
  while (bytes_ > limit_bytes_) {
    bytes_ -= entries_.back().value->size();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void FrameCache::clear() {
  const std::scoped_lock lock(mutex_);
  by_key_.clear();
  entries_.clear();
  bytes_ = 0;
}

void FrameCache::set_limit(std::size_t limit_bytes) {
  const std::scoped_lock lock(mutex_);
  limit_bytes_ = limit_bytes;
  shrink();
}

}  // namespace restante::content

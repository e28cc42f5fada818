#include "content/frame_cache.hpp"

namespace restante::content {

FrameCache::Value FrameCache::find(const Key& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front().value;
}

void FrameCache::insert(const Key& key, Value value) {
  const std::scoped_lock lock(mutex_);
  if (value->size() > limit_bytes_ || by_key_.contains(key)) return;
  bytes_ += value->size();
  entries_.push_front({key, std::move(value)});
  by_key_[key] = entries_.begin();
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

}  // namespace restante::content

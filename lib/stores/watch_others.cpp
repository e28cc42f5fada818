#include "stores/watch_others.hpp"

#include <algorithm>

namespace restante::stores {

void OthersInLog::track(const std::string& account_id) {
  const std::lock_guard lock(mutex_);
  (void)read();  // if that fails, so does the next look
  ended_[account_id].clear();
}

void OthersInLog::forget(const std::string& account_id) {
  const std::lock_guard lock(mutex_);
  ended_.erase(account_id);
}

void OthersInLog::is_own(const std::string& account_id, Lsn lsn) {
  const std::lock_guard lock(mutex_);
  if (lsn > seen_) {
    own_.insert(lsn);
    return;
  }
  // Somebody synced and read it before it could be said whose it is.
  const auto found = ended_.find(account_id);
  if (found != ended_.end()) std::erase(found->second, lsn);
}

Result<OthersInLog::Seen> OthersInLog::look(const std::string& account_id, Lsn behind) {
  const std::lock_guard lock(mutex_);
  if (Status done = read(); !done.ok()) return done;
  Seen seen{seen_, true};
  const auto found = ended_.find(account_id);
  if (found == ended_.end()) return seen;
  std::erase_if(found->second, [&](Lsn lsn) { return lsn <= behind; });
  seen.wrote = !found->second.empty();
  return seen;
}

Status OthersInLog::read() {
  const Lsn durable = log_.durable_end();
  if (follower_ && durable <= seen_) return {};
  if (!follower_) {
    Result<RedoLog::Follower> follower = log_.follow(durable);
    if (!follower.ok()) return follower.status();
    follower_ = std::move(*follower);
    // Whatever lies before was not looked at.
    ended_.clear();
    own_.erase(own_.begin(), own_.upper_bound(durable));
    seen_ = durable;
    return {};
  }
  for (;;) {
    const Result<bool> more = follower_->next(transaction_);
    if (!more.ok()) {
      // What it missed may be of anybody: nobody is tracked any more.
      follower_.reset();
      return more.status();
    }
    if (!*more) break;
    seen_ = std::max(seen_, transaction_.commit_lsn);
    if (own_.erase(transaction_.commit_lsn) > 0) continue;
    const auto tracked = ended_.find(transaction_.account_id);
    if (tracked != ended_.end()) tracked->second.push_back(transaction_.commit_lsn);
  }
  seen_ = std::max(seen_, durable);
  return {};
}

}  // namespace restante::stores

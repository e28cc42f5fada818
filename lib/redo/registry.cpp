#include "redo/registry.hpp"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/text.hpp"

namespace restante::redo {
namespace {

struct Registry {
  pid_t pid = ::getpid();
  std::mutex mutex;
  std::condition_variable changed;
  /// An entry whose pointer is gone is being opened or closed.
  std::map<DirectoryId, std::weak_ptr<RedoLog::Impl>> logs;
};

// A forked child makes a registry of its own: the parent's handles are not its handles, and the parent's
// mutex may have been locked by a thread that the child does not have. The old one stays, unreachable.
Registry& registry() {
  static std::atomic<Registry*> current{nullptr};
  Registry* found = current.load(std::memory_order_acquire);
  while (found == nullptr || found->pid != ::getpid()) {
    auto* const made = new Registry;
    if (current.compare_exchange_strong(found, made, std::memory_order_acq_rel)) return *made;
    delete made;
  }
  return *found;
}

}  // namespace

Result<SharedLog> find_or_open(const DirectoryId& id, std::chrono::milliseconds deadline,
                               const std::function<Result<SharedLog>()>& open) {
  Registry& registry = redo::registry();
  const auto until = std::chrono::steady_clock::now() + deadline;
  std::unique_lock lock(registry.mutex);
  for (;;) {
    const auto entry = registry.logs.find(id);
    if (entry == registry.logs.end()) break;
    if (SharedLog log = entry->second.lock()) return log;
    if (registry.changed.wait_until(lock, until) == std::cv_status::timeout) {
      return Status(Code::timed_out,
                    "another thread of this process has been opening or closing this redo log", "try again");
    }
  }
  registry.logs.emplace(id, std::weak_ptr<RedoLog::Impl>());
  lock.unlock();
  Result<SharedLog> opened = open();
  lock.lock();
  if (opened.ok()) {
    registry.logs[id] = *opened;
  } else {
    registry.logs.erase(id);
  }
  registry.changed.notify_all();
  return opened;
}

void forget(const DirectoryId& id) noexcept {
  Registry& registry = redo::registry();
  const std::lock_guard lock(registry.mutex);
  registry.logs.erase(id);
  registry.changed.notify_all();
}

}  // namespace restante::redo

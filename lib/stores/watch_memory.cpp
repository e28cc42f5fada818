// The states of accounts in memory.

#include <algorithm>

#include "stores/watch_impl.hpp"

namespace restante {
inline namespace v0 {

void Watcher::Impl::keep_in_memory(Watched& account) {
  counts.messages_in_memory += account.mailbox.messages() - account.messages;
  account.messages = account.mailbox.messages();
  if (account.in_memory) used.erase(account.used);
  used.push_front(&account);
  account.used = used.begin();
  account.in_memory = true;
}

// Saves and frees what was used longest ago, until there is room.
void Watcher::Impl::make_room() {
  for (;;) {
    WatchedPtr oldest;
    {
      const std::lock_guard lock(mutex);
      if (counts.messages_in_memory <= options.max_messages) return;
      const auto idle =
          std::find_if(used.rbegin(), used.rend(), [](const Watched* one) { return !one->busy; });
      if (idle == used.rend()) return;
      oldest = accounts.at((*idle)->id);
      oldest->busy = true;
      if (oldest->queued) waiting.erase({oldest->due, oldest.get()});
      oldest->queued = false;
    }
    const Status saved = oldest->mailbox.save();
    oldest->mailbox.forget();
    const std::lock_guard lock(mutex);
    oldest->busy = false;
    counts.messages_in_memory -= std::exchange(oldest->messages, 0);
    used.erase(oldest->used);
    oldest->in_memory = false;
    // Without its state the log alone tells what is known: a scan sorts it out.
    if (!saved.ok()) oldest->changes.something();
    if (!oldest->changes.empty() && !oldest->unmounted) queue(*oldest, due_of(*oldest));
  }
}

void Watcher::Impl::save_all() {
  for (const auto& [id, account] : accounts) {
    const Status saved = account->mailbox.save();
    if (saved.ok()) continue;
    WatchEvent event;
    event.kind = WatchEvent::Kind::trouble;
    event.account_id = id;
    event.status = saved;
    tell(event);
  }
}

}  // namespace v0
}  // namespace restante

// Answers others who ask what is in the log. Their question comes from the kernel behind everything that
// happened before it: what is not taken out by then is waited for, what is uncertain is left out.

#include "stores/watch_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::chrono::seconds kLongestAnswer{2};

}  // namespace

// Without it backups look for themselves.
void Watcher::Impl::serve_requests() {
  Result<stores::WatchRequests> opened =
      stores::WatchRequests::open(scanner.states.io(), scanner.states.dirfd());
  Status served = opened.status();
  if (opened.ok()) {
    requests = *std::move(opened);
    served = watch(requests->dirfd(), stores::Role::requests, nullptr, {});
  }
  if (!served.ok() && served.code() != Code::busy)
    tell({.kind = WatchEvent::Kind::trouble, .status = served});
}

void Watcher::Impl::take_request(std::string_view question) {
  Request request;
  request.question = question;
  request.asked_at = Steady::now();
  for (const auto& [id, account] : accounts) {
    const bool is_uncertain = account->last_scan == Steady::time_point{} || account->is_shared ||
                              account->unmounted || account->changes.needs_scan ||
                              account->delay > std::chrono::milliseconds(0);
    if (is_uncertain) continue;
    const bool has_more = !account->changes.empty();
    if (!account->busy && !has_more) {
      request.settled.insert(id);
      continue;
    }
    request.awaited[id] = account->batch + (has_more ? 1 : 0);
    if (!account->busy) queue(*account, Steady::now());
  }
  (request.awaited.empty() ? answerable : asked).push_back(std::move(request));
}

// After a batch of the account's: all of it is in the log, or something of it is not.
void Watcher::Impl::settle_requests(const Watched& account, bool is_settled) {
  for (auto at = asked.begin(); at != asked.end();) {
    const auto next = std::next(at);
    const auto found = at->awaited.find(account.id);
    if (found != at->awaited.end() && (!is_settled || account.batch >= found->second)) {
      if (is_settled && !account.is_shared) at->settled.insert(account.id);
      at->awaited.erase(found);
      if (at->awaited.empty()) answerable.splice(answerable.end(), asked, at);
    }
    at = next;
  }
}

// Nobody knows what happened.
void Watcher::Impl::give_up_requests() {
  for (Request& request : asked) request.settled.clear();
  for (Request& request : answerable) request.settled.clear();
  answerable.splice(answerable.end(), asked);
}

// Whoever asks has waited enough for accounts that take long, and looks at those himself.
void Watcher::Impl::end_old_requests() {
  while (!asked.empty() && Steady::now() - asked.front().asked_at > kLongestAnswer)
    answerable.splice(answerable.end(), asked, asked.begin());
}

void Watcher::Impl::answer_requests() {
  std::list<Request> ready;
  {
    const std::lock_guard lock(mutex);
    ready.swap(answerable);
  }
  for (const Request& request : ready) {
    const Status answered = requests->answer(request.question, request.settled);
    if (!answered.ok()) tell({.kind = WatchEvent::Kind::trouble, .status = answered});
  }
}

}  // namespace v0
}  // namespace restante

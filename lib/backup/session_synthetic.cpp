// Synthetic fulls: the state of each account at the end of the archived log, folded from its newest full and
// the transactions behind it, inside the target.
//
// The stop is the last record in front of a segment that the session began by rolling the log, so that
// - what is replayed is in archived segments, and no live one is needed;
// - the header of that segment says which transactions were open at the stop (R10). Their commits lie behind
//   it and will be replayed over this full, so `redo_start` is the lowest of their begins (R1).

#include <algorithm>

#include "backup/session_impl.hpp"
#include "base/text.hpp"
#include "redo/log_access.hpp"

namespace restante {
inline namespace v0 {
namespace {

// Looking whether the session is to end costs more than folding a message.
constexpr std::uint64_t kMessagesPerTick = 256;

// Whether a failure to read the target is one of what is stored there, so that others may be whole.
bool is_of_what_is_stored(const Status& status) {
  return status.code() == Code::damaged || status.code() == Code::not_found ||
         status.code() == Code::unsupported;
}

}  // namespace

// Those with a full of this server, and those of the store.
Result<std::vector<Account>> Session::Impl::accounts_to_fold() {
  const Result<std::vector<target::RecordPointer>> sessions = target::published_sessions(target);
  if (!sessions.ok()) return sessions.status();
  std::map<std::string, Account> all;
  for (const target::RecordPointer& session : *sessions) {
    if (session->info.server != options.log->server()) continue;
    for (const SessionAccount& entry : session->info.accounts) {
      if (entry.deleted) synthetic.was_deleted.insert(entry.id);
      if (!entry.full || entry.status != AccountStatus::completed) continue;
      synthetic.was_deleted.erase(entry.id);
      Account& account = all[entry.id];
      account.id = entry.id;
      account.address = entry.address;
    }
  }
  if (options.source) {
    Result<std::vector<Account>> listed = accounts_of_store();
    if (!listed.ok()) return listed.status();
    for (Account& account : *listed) {
      synthetic.in_store.insert(account.id);
      std::string id = account.id;
      all.insert_or_assign(std::move(id), std::move(account));
    }
  }
  std::vector<Account> accounts;
  for (auto& [id, account] : all) accounts.push_back(std::move(account));
  return accounts;
}

// Call it when the log was rolled and archived.
Status Session::Impl::prepare_to_fold() {
  synthetic.targets = {handle};
  synthetic.stop.until = record.info.position.lsn;
  Result<history::History> line = history::History::make(synthetic.targets, options.log, true);
  if (!line.ok()) return line.status();
  synthetic.history = *std::move(line);
  for (const std::string& segment : synthetic.history.unreadable())
    warn(base::cat("an archived segment of the redo log cannot be read: ", segment));
  Result<history::Fulls> fulls = history::Fulls::load(synthetic.targets);
  if (!fulls.ok()) return fulls.status();
  synthetic.fulls = *std::move(fulls);
  for (const target::UnreadableSession& session : synthetic.fulls.unreadable())
    warn(session.why, base::cat("session ", session.label, " cannot be read and is passed over"));
  Result<std::map<std::string, Lsn>> open = open_behind(synthetic.stop.until);
  if (!open.ok()) return open.status();
  synthetic.open = *std::move(open);
  return {};
}

// The begin of the oldest transaction of each account that was open when the segment behind `lsn` was begun.
Result<std::map<std::string, Lsn>> Session::Impl::open_behind(Lsn lsn) const {
  const Result<redo::SegmentViews> views = redo::views(*options.log);
  if (!views.ok()) return views.status();
  for (const auto& view : *views) {
    if (view->header().first_lsn != lsn + 1) continue;
    std::map<std::string, Lsn> open;
    for (const redo::OpenTransaction& transaction : view->header().open) {
      const auto [entry, is_first] = open.emplace(transaction.account_id, transaction.begin_lsn);
      if (!is_first) entry->second = std::min(entry->second, transaction.begin_lsn);
    }
    return open;
  }
  return Status(Code::not_found, base::cat("the redo log has no segment that begins behind LSN ", lsn));
}

Status Session::Impl::back_up_by_folding(const Account& account, SessionAccount& entry) {
  Status why_not;
  if (Status s = fold_account(account, entry, why_not); !s.ok()) return s;
  if (why_not.ok()) return {};
  if (synthetic.in_store.contains(account.id)) {
    const bool is_new = synthetic.fulls.of(account.id).empty();
    if (!is_new) warn(why_not, base::cat("account ", base::escape(account.id), " is read from the store"));
    return read_account(account, entry);
  }
  if (options.source || synthetic.was_deleted.contains(account.id)) {
    // As for any other full, the store says which accounts there are; without one, what was seen last.
    warn(why_not, base::cat("account ", base::escape(account.id), " is not in the store any more"));
    entry.status = AccountStatus::completed;
    entry.deleted = true;
    return {};
  }
  entry.status = AccountStatus::error;
  entry.error = why_not.message();
  return {};
}

// `why_not`: the target does not give the state of this account, and `entry` is as it was.
Status Session::Impl::fold_account(const Account& account, SessionAccount& entry, Status& why_not) {
  const std::optional<history::Full> full =
      synthetic.fulls.newest(synthetic.history, synthetic.stop, account.id, {});
  if (!full || full->session->info.position.log.is_none()) {
    why_not = Status(Code::not_found, "the target has no full of it from which the redo log goes on");
    return {};
  }
  if (options.source && full->account->fields != options.source->fields()) {
    why_not = Status(Code::unsupported, "the store keeps other fields than when its last full was made");
    return {};
  }
  const Result<history::AccountState> state =
      history::replay(synthetic.history, *full, synthetic.stop, false);
  if (!state.ok()) {
    why_not = state.status();
    return is_of_what_is_stored(why_not) ? Status() : std::exchange(why_not, {});
  }
  if (state->deleted) {
    if (synthetic.in_store.contains(account.id)) {
      why_not = Status(Code::not_found, "the redo log says that it was deleted");
      return {};
    }
    entry.status = AccountStatus::completed;
    entry.deleted = true;
    return {};
  }
  SessionAccount folded = entry;
  folded.fields = full->account->fields;
  folded.snapshot_at = folded.consistent_at = synthetic.stop.until;
  const auto open = synthetic.open.find(account.id);
  folded.redo_start = open == synthetic.open.end() ? synthetic.stop.until + 1 : open->second;
  Status refused;
  std::uint64_t messages = 0;
  const auto check = [&](const Operation& operation) -> Status {
    if (std::holds_alternative<MessagePut>(operation) && ++messages % kMessagesPerTick == 0)
      if (Status s = tick(kMessagesPerTick, 0); !s.ok()) return s;
    return check_folded(operation);
  };
  backup::AccountFailure failure;
  const bool written = write_snapshot(
      folded, check, [&](OpSink& out) { return history::write_state(*state, out); }, failure);
  if (written) {
    entry = std::move(folded);
    Status s = tick(messages % kMessagesPerTick, 0);
    return s.code() == Code::cancelled ? Status() : s;  // this account is finished
  }
  if (failure.of_target || !is_of_what_is_stored(failure.status)) return failure.status;
  why_not = failure.status;
  return {};
}

// A full is complete: what it names is in the target. And what a host did without saying to what can only be
// read from the store (R17).
Status Session::Impl::check_folded(const Operation& operation) const {
  const auto check = [&](const std::optional<ContentRef>& wanted, std::string_view what,
                         std::string_view id) -> Status {
    const Result<bool> has = content->has(*wanted);
    if (!has.ok() || *has) return has.status();
    return Status(Code::not_found,
                  base::cat("the content of ", what, " ", base::escape(id), " is not in the target"));
  };
  if (const auto* put = std::get_if<MessagePut>(&operation)) {
    for (const Message& message : put->messages) {
      if (!message.content)
        return Status(Code::not_found,
                      base::cat("nothing tells the content of message ", base::escape(message.id)));
      if (Status s = check(message.content, "message", message.id); !s.ok()) return s;
    }
  } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
    if (item->item.content) return check(item->item.content, item->item.kind, item->item.id);
  } else if (const auto* host = std::get_if<HostOp>(&operation)) {
    if (host->item_kind.empty())
      return Status(Code::unsupported, base::cat("operation ", base::escape(host->name), " of ",
                                                 base::escape(host->host), " names no item"));
  }
  return {};
}

}  // namespace v0
}  // namespace restante

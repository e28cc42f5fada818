#include "history/account_state.hpp"

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "redo/committed_reader.hpp"
#include "target/label.hpp"
#include "target/snapshot_file.hpp"

namespace restante::history {
namespace {

Result<Lsn> lsn_of_label(const std::vector<BackupTarget>& targets, const History& history,
                         const std::string& label) {
  Status failure;
  for (const BackupTarget& target : targets) {
    const Result<SessionInfo> session = target.session(label);
    if (!session.ok()) {
      if (failure.ok() || failure.code() == Code::not_found) failure = session.status();
      continue;
    }
    if (session->position.log.is_none())
      return Status(Code::invalid_argument, base::cat("session ", label, " was made without a redo log"),
                    "restore from it with --label instead");
    if (!history.contains(session->position))
      return Status(Code::not_found,
                    base::cat("session ", label, " lies on a branch of the redo log that was left"),
                    "restore from it with --label and --full-only");
    return session->position.lsn;
  }
  return failure;
}

Status no_full(const std::vector<Full>& all, std::string_view account_id, const History& history,
               const std::vector<target::UnreadableSession>& unreadable) {
  const std::string who = base::escape(account_id);
  if (all.empty())
    return Status(Code::not_found, base::cat("there is no full backup of ", who),
                  "run a full backup first" + target::note_of(unreadable));
  const auto oldest = std::min_element(all.begin(), all.end(), [](const Full& a, const Full& b) {
    return a.account->consistent_at < b.account->consistent_at;
  });
  const Result<std::optional<Time>> time = history.time_of(oldest->account->consistent_at);
  const std::string when =
      time.ok() && *time ? (*time)->to_string() : oldest->session->info.began.to_string();
  return Status(
      Code::not_found,
      base::cat("there is no full backup of ", who, " at or before the time or position to restore to"),
      base::cat("the earliest is ", oldest->session->info.label, ", restorable from ", when, " (LSN ",
                oldest->account->consistent_at, ") on", target::note_of(unreadable)));
}

}  // namespace

Result<ResolvedStop> resolve(const RestoreStop& stop, const std::vector<BackupTarget>& targets,
                             const History& history, Time now) {
  ResolvedStop resolved;
  resolved.newest = stop.newest();
  resolved.full_only = stop.full_only;
  resolved.until = history.empty() ? UINT64_MAX : history.end();
  const auto limit = [&](const Result<Lsn>& lsn) -> Status {
    if (!lsn.ok()) return lsn.status();
    resolved.until = std::min(resolved.until, *lsn);
    return {};
  };
  if (stop.time) {
    if (*stop.time > now)
      return Status(Code::invalid_argument, base::cat(stop.time->to_string(), " lies in the future"),
                    base::cat("it is ", now.to_string(), " now"));
    if (Status s = limit(history.lsn_at(*stop.time)); !s.ok()) return s;
  }
  if (!stop.label.empty()) {
    if (Status s = limit(lsn_of_label(targets, history, stop.label)); !s.ok()) return s;
  }
  if (stop.sequence) {
    if (Status s = limit(history.end_of_sequence(*stop.sequence)); !s.ok()) return s;
  }
  if (stop.lsn) {
    if (*stop.lsn > history.end())
      return Status(Code::not_found, base::cat("LSN ", *stop.lsn, " is not there"),
                    base::cat("the redo log ends at LSN ", history.end()));
    if (Status s = limit(*stop.lsn); !s.ok()) return s;
  }
  return resolved;
}

Result<Fulls> Fulls::load(const std::vector<BackupTarget>& targets, std::string_view account_id) {
  Fulls fulls;
  const auto add = [&](const BackupTarget& target, const target::RecordPointer& session,
                       const SessionAccount& account) {
    if (!account.full || account.status != AccountStatus::completed) return;
    fulls.by_account_[account.id].push_back({&target, session, &account, {}});
  };
  for (const BackupTarget& target : targets) {
    const Result<std::vector<target::RecordPointer>> sessions =
        target::published_sessions(TargetAccess::impl(target), &fulls.unreadable_);
    if (!sessions.ok()) return sessions.status();
    for (const target::RecordPointer& session : *sessions) {
      if (account_id.empty()) {
        for (const SessionAccount& account : session->info.accounts) add(target, session, account);
      } else if (const SessionAccount* account = session->info.find(account_id)) {
        add(target, session, *account);
      }
    }
  }
  return fulls;
}

const std::vector<Full>& Fulls::of(std::string_view account_id) const {
  static const std::vector<Full> kNone;
  const auto found = by_account_.find(account_id);
  return found == by_account_.end() ? kNone : found->second;
}

std::optional<Full> Fulls::newest(const History& history, const ResolvedStop& stop,
                                  std::string_view account_id, std::string_view label) const {
  const Full* best = nullptr;
  const auto rank = [](const Full& full) {
    return std::pair(full.account->consistent_at, target::time_part(full.session->info.label));
  };
  for (const Full& full : of(account_id)) {
    if (!label.empty() && full.session->info.label != label) continue;
    const LogPosition& at = full.session->info.position;
    const bool has_log = !at.log.is_none();
    const bool on_line = !has_log || history.empty() ||
                         history.contains({at.log, at.incarnation, full.account->consistent_at});
    if (full.account->consistent_at > stop.until || !(on_line || stop.full_only || !label.empty())) continue;
    if (!best || rank(full) > rank(*best)) best = &full;
  }
  if (!best) return std::nullopt;
  Full chosen = *best;
  chosen.unreadable = unreadable_;
  return chosen;
}

Result<Full> choose_full(const std::vector<BackupTarget>& targets, const History& history,
                         const ResolvedStop& stop, std::string_view account_id, std::string_view label) {
  const Result<Fulls> fulls = Fulls::load(targets, account_id);
  if (!fulls.ok()) return fulls.status();
  std::optional<Full> best = fulls->newest(history, stop, account_id, label);
  if (best) return *std::move(best);
  std::vector<Full> all = fulls->of(account_id);
  if (!label.empty()) std::erase_if(all, [&](const Full& f) { return f.session->info.label != label; });
  if (!label.empty() && all.empty()) {
    Status failure;
    for (const BackupTarget& target : targets) {
      const Status session = target.session(label).status();
      if (session.ok())
        return Status(Code::not_found,
                      base::cat("session ", label, " holds no full of ", base::escape(account_id)),
                      "leave the label out to restore from the newest full");
      if (failure.ok() || failure.code() == Code::not_found) failure = session;
    }
    return failure;
  }
  return no_full(all, account_id, history, fulls->unreadable());
}

Result<bool> came_after(const std::vector<BackupTarget>& targets, const History& history,
                        const ResolvedStop& stop, std::string_view account_id) {
  bool any = false;
  for (const BackupTarget& target : targets) {
    const Result<std::vector<target::RecordPointer>> sessions =
        target::published_sessions(TargetAccess::impl(target));
    if (!sessions.ok()) return sessions.status();
    for (const target::RecordPointer& session : *sessions) {
      if (session->info.position.lsn > stop.until) continue;
      if (session->info.find(account_id)) return false;
      any = true;
    }
  }
  if (!any) return false;
  ReadRange range;
  range.until = stop.until;
  range.account_id = std::string(account_id);
  redo::CommittedReader reader(history.segments(), range);
  LoggedTransaction transaction;
  const Result<bool> logged = reader.next(transaction);
  if (!logged.ok()) return logged.status();
  return !*logged;
}

namespace {

// Notes whether the account exists as operations go by.
void note_existence(const Operation& operation, Lsn lsn, AccountState& state) {
  if (std::holds_alternative<AccountDelete>(operation)) {
    state.deleted = true;
    state.deleted_at = lsn;
  } else if (std::holds_alternative<AccountPut>(operation)) {
    state.deleted = false;
  }
}

// Operations of transactions that began and did not end by `until`, in begin order (R6); restores apart,
// which are resumed or rolled back, never rolled forward (R4).
Result<std::uint64_t> roll_forward(const History& history, const Full& full, Lsn until, AccountState& state) {
  std::map<Lsn, std::vector<Operation>> open;
  redo::RecordFilter filter;
  filter.after = full.account->redo_start > 0 ? full.account->redo_start - 1 : 0;
  filter.until = until;
  filter.account_id = full.account->id;
  filter.kinds = redo::kind_bit(redo::RecordKind::begin) | redo::kind_bit(redo::RecordKind::commit) |
                 redo::kind_bit(redo::RecordKind::abort);
  for (const auto& view : history.segments()) {
    Result<std::unique_ptr<redo::RecordStream>> stream = view->records(filter);
    if (!stream.ok()) return stream.status();
    redo::Record record;
    for (;;) {
      const Result<bool> more = (*stream)->next(record);
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (record.head.kind != redo::RecordKind::begin) {
        open.erase(record.head.transaction);
        continue;
      }
      Result<redo::OperationsBody> body = redo::decode_operations(record);
      if (!body.ok()) return body.status();
      open[record.head.transaction] = std::move(body->operations);
    }
  }
  std::uint64_t count = 0;
  for (auto& [lsn, operations] : open) {
    if (!operations.empty() && std::holds_alternative<Rewind>(operations.front())) continue;
    ++count;
    for (Operation& operation : operations) {
      note_existence(operation, lsn, state);
      state.change.push_back(std::move(operation));
    }
  }
  return count;
}

}  // namespace

Result<AccountState> replay(const History& history, const Full& full, const ResolvedStop& stop,
                            bool forward_unfinished) {
  AccountState state;
  state.full = full;
  state.position = full.account->consistent_at;
  if (stop.full_only || full.session->info.position.log.is_none() || history.empty()) return state;
  if (Status s = history.check_complete(full.account->consistent_at, stop.until); !s.ok()) return s;
  state.position = stop.until;
  ReadRange range;
  range.after = full.account->consistent_at;
  range.until = stop.until;
  range.account_id = full.account->id;
  redo::CommittedReader reader(history.segments(), range);
  LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = reader.next(transaction);
    if (!more.ok()) return more.status();
    if (!*more) break;
    ++state.transactions;
    for (Operation& operation : transaction.operations) {
      note_existence(operation, transaction.commit_lsn, state);
      state.change.push_back(std::move(operation));
    }
  }
  if (forward_unfinished) {
    const Result<std::uint64_t> count = roll_forward(history, full, stop.until, state);
    if (!count.ok()) return count.status();
    state.rolled_forward = *count;
  }
  return state;
}

std::uint32_t highest_logged_uidvalidity(const History& history, const Full& full) {
  std::uint32_t highest = 0;
  ReadRange range;
  range.after = full.account->consistent_at;
  range.account_id = full.account->id;
  redo::CommittedReader reader(history.segments(), range);
  LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = reader.next(transaction);
    if (!more.ok() || !*more) return highest;
    for (const Operation& operation : transaction.operations)
      if (const auto* put = std::get_if<FolderPut>(&operation))
        highest = std::max(highest, put->folder.uidvalidity);
  }
}

Status write_state(const AccountState& state, OpSink& out) {
  const Full& full = state.full;
  const auto place = full.session->snapshots.find(full.account->id);
  if (place == full.session->snapshots.end())
    return Status(Code::damaged, base::cat("session ", full.session->info.label, " names no snapshot of ",
                                           base::escape(full.account->id)));
  BackupTarget::Impl& target = TargetAccess::impl(*full.target);
  Result<std::unique_ptr<OpStream>> snapshot =
      target::read_snapshot(target.storage, target::snapshot_site(target, full.session->info.label),
                            place->second, full.account->id);
  if (!snapshot.ok()) return snapshot.status();
  return fold(**snapshot, state.change, out);
}

}  // namespace restante::history

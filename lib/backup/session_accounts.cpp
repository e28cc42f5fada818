// The accounts of a session, one by one.

#include <algorithm>

#include "backup/account_groups.hpp"
#include "backup/server_source.hpp"
#include "backup/session_impl.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"

namespace restante {
inline namespace v0 {

Result<std::vector<Account>> Session::Impl::accounts_of_store() const {
  std::vector<Account> all;
  const Status listed = options.source->list_accounts([&](const Account& account) -> Status {
    all.push_back(account);
    return {};
  });
  if (!listed.ok()) return listed.with_context("cannot list the accounts of the store");
  return all;
}

// Of `all`, those that the options name.
Result<std::vector<Account>> Session::Impl::choose(std::vector<Account> all) const {
  std::sort(all.begin(), all.end(), [](const Account& a, const Account& b) { return a.id < b.id; });
  if (options.accounts.empty()) return all;
  const std::string_view where = options.source ? "the store" : "the target";
  std::vector<Account> chosen;
  for (const std::string& name : options.accounts) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Account& account) {
      return account.id == name || account.address == name;
    });
    if (found == all.end())
      return Status(Code::not_found, base::cat(where, " has no account ", base::escape(name)),
                    all.empty()
                        ? base::cat(where, " has no accounts at all")
                        : base::cat("it has ", all.size(), ", for example ", base::escape(all[0].address)));
    const bool twice =
        std::any_of(chosen.begin(), chosen.end(), [&](const Account& a) { return a.id == found->id; });
    if (!twice) chosen.push_back(*found);
  }
  return chosen;
}

Status Session::Impl::back_up_server_data() {
  if (!options.source) return {};
  backup::AccountFailure failure;
  backup::ServerSource server(*options.source);
  const backup::AccountContext context = context_of(server, nullptr, false);
  Account account;
  account.id = std::string(kServerAccount);
  std::optional<backup::AccountSnapshot> snapshot = backup::read_account(context, account, failure);
  if (!snapshot) {
    if (failure.of_target || failure.status.code() == Code::cancelled) return failure.status;
    record.info.error = base::cat("server data: ", failure.status.message());
    return {};
  }
  if (snapshot->state.items().empty()) return {};
  SessionAccount entry;
  entry.id = account.id;
  if (Status s = write_account(*snapshot, entry); !s.ok()) return s;
  record.server_data = std::move(record.snapshots.extract(account.id).mapped());
  return {};
}

Status Session::Impl::back_up_accounts() {
  if (Status s = options.kind == Kind::synthetic ? prepare_to_fold() : find_fulls(); !s.ok()) return s;
  if (options.kind == Kind::auto_grouped) choose_group();
  if (options.kind == Kind::incremental || options.kind == Kind::auto_grouped) find_settled();
  const Status status = base::run_in_parallel(options.workers, options.parallel, accounts.size(),
                                              [this](std::size_t i) { return back_up_one(i); });
  if (status.code() == Code::cancelled) return {};
  if (!status.ok()) return status;
  if (options.accounts.empty() && options.kind != Kind::synthetic) note_vanished_accounts();
  return {};
}

// Without it each account is asked for.
void Session::Impl::find_settled() {
  Result<std::set<std::string>> found = options.source->settled_accounts();
  if (found.ok()) settled = *std::move(found);
  warn(found.status(), "accounts that are settled are not known");
}

void Session::Impl::choose_group() {
  std::vector<backup::GroupMember> members;
  for (const Account& account : accounts) {
    const auto full = with_full.find(account.id);
    members.push_back({account.id, full == with_full.end() ? std::nullopt : std::optional(full->second)});
  }
  group =
      backup::choose_group(std::move(members), {options.groups, options.group_interval}, record.info.began);
}

// Whether the account is read, or only what the log has of it is taken.
bool Session::Impl::takes_full(const Account& account) const {
  if (options.kind == Kind::incremental) return !with_full.contains(account.id);
  if (options.kind == Kind::auto_grouped) return group.contains(account.id);
  return true;
}

Status Session::Impl::back_up_one(std::size_t i) {
  {
    const std::scoped_lock lock(mutex);
    progress.account_id = accounts[i].id;
  }
  look_for_abort();
  if (Status s = tick(0, 0); !s.ok()) return s;
  SessionAccount entry;
  const auto note = [&] {
    const std::scoped_lock lock(record_mutex);
    record.info.accounts[i] = entry;
  };
  {
    const std::scoped_lock lock(record_mutex);
    entry = record.info.accounts[i];
  }
  entry.status = AccountStatus::in_progress;
  note();
  Status status = back_up_account(accounts[i], entry);
  if (status.code() == Code::cancelled) {
    entry.status = AccountStatus::error;
    entry.error = "the session was aborted while this account was read";
  }
  note();
  if (!status.ok()) return status;
  const std::scoped_lock lock(mutex);
  ++progress.accounts_done;
  return {};
}

bool Session::Impl::refuses_account(const Account& account, SessionAccount& entry) const {
  if (!options.log) return false;
  for (const RedoLog::Unfinished& open : options.log->unfinished()) {
    if (open.account_id != account.id || !open.is_rewind) continue;
    entry.status = AccountStatus::error;
    entry.error = "a restore of this account is under way or did not end";
    return true;
  }
  return false;
}

Status Session::Impl::back_up_account(const Account& account, SessionAccount& entry) {
  if (refuses_account(account, entry)) return {};
  if (options.kind == Kind::synthetic) return back_up_by_folding(account, entry);
  if (takes_full(account)) return read_account(account, entry);
  settle_incremental(account, entry);
  return {};
}

Status Session::Impl::read_account(const Account& account, SessionAccount& entry) {
  // Of an account that is seen for the first time the log may hold nothing. A record puts what is read now
  // behind every instant before it; else a restore to one of those would take this full for the state it had
  // then.
  if (options.log && !known_accounts.contains(account.id)) {
    if (Status s = options.log->touch(account.id); !s.ok()) return s;
  }
  const backup::AccountContext context = context_of(*options.source, options.log, true);
  backup::AccountFailure failure;
  std::optional<backup::AccountSnapshot> snapshot = backup::read_account(context, account, failure);
  if (!snapshot) {
    if (failure.of_target || failure.status.code() == Code::cancelled) return failure.status;
    entry.status = AccountStatus::error;
    entry.error = failure.status.message();
    return {};
  }
  if (!snapshot->state.account()) {
    entry.status = AccountStatus::completed;
    entry.deleted = true;
    return {};
  }
  return write_account(*snapshot, entry);
}

Status Session::Impl::write_account(backup::AccountSnapshot& snapshot, SessionAccount& entry) {
  entry.fields = options.source->fields();
  entry.snapshot_at = snapshot.snapshot_at;
  entry.redo_start = snapshot.redo_start;
  entry.consistent_at = snapshot.consistent_at;
  backup::AccountFailure failure;
  static_cast<void>(write_snapshot(
      entry, nullptr, [&](OpSink& out) { return snapshot.state.write(out); }, failure));
  return failure.status;
}

bool Session::Impl::write_snapshot(SessionAccount& entry, const backup::SnapshotTally::Check& check,
                                   const std::function<Status(OpSink&)>& write,
                                   backup::AccountFailure& failure) {
  std::unique_ptr<target::SnapshotWriter> writer = take_writer();
  backup::SnapshotTally tally(*writer, target.digest_key, entry.fields, check);
  const Status begun = writer->begin(entry.id);
  Status written = begun.ok() ? write(tally) : begun;
  Result<target::SnapshotPlace> place = written.ok() ? writer->end() : written;
  const std::scoped_lock lock(record_mutex);
  idle_writers.push_back(std::move(writer));
  if (!place.ok()) {
    failure = {place.status(), !begun.ok() || written.ok() || tally.target_failed()};
    return false;
  }
  record.snapshots[entry.id] = *std::move(place);
  contents.insert(tally.contents.begin(), tally.contents.end());
  entry.full = true;
  entry.digest = tally.digest();
  entry.messages = tally.messages;
  entry.bytes = tally.bytes;
  if (!tally.address.empty()) entry.address = tally.address;
  entry.status = AccountStatus::completed;
  return true;
}

// There are as many as accounts are written at a time; each fills objects of its own.
std::unique_ptr<target::SnapshotWriter> Session::Impl::take_writer() {
  const std::scoped_lock lock(record_mutex);
  if (idle_writers.empty())
    return std::make_unique<target::SnapshotWriter>(
        *snapshot_objects, target::snapshot_site(target, record.info.label), target.compression_level);
  std::unique_ptr<target::SnapshotWriter> writer = std::move(idle_writers.back());
  idle_writers.pop_back();
  return writer;
}

// The log has the account's changes; all that is left is that none of those that have happened is missing.
void Session::Impl::settle_incremental(const Account& account, SessionAccount& entry) {
  Status status = settled.contains(account.id) ? Status() : options.source->barrier(account.id);
  if (status.ok()) status = options.log->wait_for_open(account.id, options.settle_deadline);
  entry.status = status.ok() ? AccountStatus::completed : AccountStatus::error;
  entry.error = status.message();
  if (status.ok()) entry.consistent_at = options.log->end();
}

// Accounts of earlier sessions that the store does not list any more: their end must be in the log too.
void Session::Impl::note_vanished_accounts() {
  // Whoever may not read names does not know whom to ask for.
  if (!options.log || !target.sealer->can_open(crypto::Audience::metadata)) return;
  for (const std::string& id : known_accounts) {
    const bool listed =
        std::any_of(accounts.begin(), accounts.end(), [&](const Account& a) { return a.id == id; });
    if (!listed) warn(options.source->barrier(id), base::cat("account ", base::escape(id)));
  }
}

}  // namespace v0
}  // namespace restante

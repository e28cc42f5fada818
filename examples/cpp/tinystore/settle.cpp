// Making good what others left: dead processes, and a power loss.

#include <algorithm>
#include <chrono>
#include <thread>

#include "step.hpp"
#include "store.hpp"

namespace tinystore {
namespace {

using restante::Code;
using restante::Lsn;
using restante::Operation;
using restante::RedoLog;
using restante::Transaction;

/// A process that let go of the lock and has not ended its transaction is about to die, or to let it go.
constexpr std::chrono::seconds kDying{30};

/// What was assigned to an applied transaction, as its commit says it. A transaction puts one message at
/// most.
std::vector<restante::Assigned> assigned_of(const Transaction& transaction, const Applied& applied) {
  std::vector<restante::Assigned> assigned;
  for (std::uint32_t i = 0; i < transaction.operations().size(); ++i) {
    if (std::holds_alternative<restante::MessagePut>(transaction.operations()[i]))
      assigned.push_back({.operation = i, .uid = applied.uid});
  }
  return assigned;
}

}  // namespace

/// With the lock, before anything is read or changed. Three things can be left, and each is made good by the
/// part that knows enough:
///
/// 1. A process died between SQLite's commit and the log's. The change is there, and `applied` has its UID:
///    the log gets the commit, before anybody builds on the change, so both have the same order.
/// 2. A power loss took SQLite's newest commits. The log tells what was committed behind `as_of`; all of it
///    is done again, in order, which changes nothing where it was not lost. This happens to nobody who lives,
///    so it is looked for once, at opening.
/// 3. A process died between begin and SQLite's commit. The change is done now, as if it had just been begun.
Status Store::settle() {
  const Result<std::vector<Applied>> applied = position_.applied();
  if (!applied.ok()) return applied.status();
  Result<std::vector<Transaction>> left = claim(*applied);
  if (!left.ok()) return left.status();
  if (Status done = finish_applied(*left, *applied); !done.ok()) return done;
  if (!is_replayed_) {
    if (Status done = replay(); !done.ok()) return done;
  }
  for (Transaction& transaction : *left) {
    if (Status made = make_files(transaction.operations()); !made.ok()) return made;
    if (const Result<Decision> done = perform(transaction); !done.ok()) return done.status();
    ++recovered_.finished;
  }
  return {};
}

/// Takes over what dead processes began and did not end; nearly always nothing.
Result<std::vector<Transaction>> Store::claim(const std::vector<Applied>& applied) {
  const auto deadline = std::chrono::steady_clock::now() + kDying;
  for (;;) {
    bool is_any = false;
    const RedoLog::Unfinished* dying = nullptr;
    const std::vector<RedoLog::Unfinished> unfinished = log_.unfinished();
    for (const RedoLog::Unfinished& one : unfinished) {
      const bool is_applied = std::any_of(applied.begin(), applied.end(), [&](const Applied& change) {
        return change.begin_lsn == one.begin_lsn;
      });
      is_any = is_any || one.claimable;
      if (is_applied && !one.claimable) dying = &one;
    }
    if (dying == nullptr) return is_any ? log_.recover() : std::vector<Transaction>();
    if (std::chrono::steady_clock::now() > deadline)
      return Status(Code::busy, "transaction " + std::to_string(dying->begin_lsn) + " does not end");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Ends those that are applied, and takes them out of `left`.
Status Store::finish_applied(std::vector<Transaction>& left, const std::vector<Applied>& applied) {
  for (const Applied& change : applied) {
    const auto found = std::find_if(left.begin(), left.end(), [&](const Transaction& transaction) {
      return transaction.begin_lsn() == change.begin_lsn;
    });
    if (found == left.end()) continue;
    const Result<Lsn> committed = found->commit(assigned_of(*found, change));
    if (!committed.ok()) return committed.status();
    left.erase(found);
    ++recovered_.finished;
  }
  return {};
}

Status Store::replay() {
  const Result<Lsn> as_of = position_.as_of();
  if (!as_of.ok()) return as_of.status();
  const Lsn end = log_.end();
  const auto cursor = log_.read({.after = *as_of, .until = end, .account_id = {}});
  if (!cursor.ok()) return cursor.status();
  Change change(db_);
  if (!change.begun().ok()) return change.begun();
  restante::LoggedTransaction transaction;
  for (;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok()) return more.status();
    if (!*more) break;
    for (const Operation& operation : transaction.operations) {
      Status done = mailboxes_.apply(transaction.account_id, operation, log_);
      if (!done.ok()) return done.with_context("replay of LSN " + std::to_string(transaction.commit_lsn));
    }
    ++recovered_.replayed;
  }
  Status done = position_.set_as_of(end);
  step("replayed");
  if (done.ok()) done = change.commit();
  is_replayed_ = done.ok();
  return done;
}

}  // namespace tinystore

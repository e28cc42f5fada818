#include "replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "replay_content.hpp"
#include "replay_state.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

using restante::AccountReport;
using restante::Assigned;
using restante::Code;
using restante::ElementOutcome;
using restante::Field;
using restante::FieldSet;
using restante::LoggedTransaction;
using restante::Lsn;
using restante::MailboxState;
using restante::Operation;
using restante::Outcome;
using restante::RecordInfo;
using restante::RedoLog;
using restante::Result;
using restante::Rewind;
using restante::SinkTransaction;
using restante::Status;
using restante::Transaction;

/// Takes a snapshot into a state.
class StateSink final : public restante::OpSink {
 public:
  explicit StateSink(MailboxState& state) : state_(state) {}
  [[nodiscard]] Status put(Operation operation) override { return state_.apply(operation); }

 private:
  MailboxState& state_;
};

restante::Digest digest_of(const std::vector<Operation>& operations) {
  restante::Bytes bytes;
  for (const Operation& operation : operations) encode(operation, bytes);
  return restante::content_ref_of(bytes).digest;
}

/// Contents that the store is to be given, each once.
std::vector<restante::ContentRef> needed_by(const std::vector<Operation>& operations,
                                            const MailboxState& live) {
  std::set<restante::ContentRef> needed;
  for (const Operation& operation : operations) {
    if (const auto* put = std::get_if<restante::MessagePut>(&operation)) {
      for (const restante::Message& message : put->messages) {
        const bool is_there = live.messages().contains({message.folder_id, message.id});
        if (message.content && !is_there) needed.insert(*message.content);
      }
    } else if (const auto* item = std::get_if<restante::ItemPut>(&operation)) {
      if (item->item.content) needed.insert(*item->item.content);
    }
  }
  return {needed.begin(), needed.end()};
}

/// Counts an outcome, and keeps what the log has to know of it.
void note(const Operation& operation, std::uint32_t index, const ElementOutcome& outcome,
          AccountReport& report, std::vector<Assigned>& assigned) {
  switch (outcome.outcome) {
    case Outcome::created: ++report.created; break;
    case Outcome::changed: ++report.changed; break;
    case Outcome::removed: ++report.removed; break;
    case Outcome::kept: ++report.kept; break;
    case Outcome::refused:
      report.refused.push_back(fmt::format("{}: {}", describe(operation), outcome.reason));
      break;
  }
  const bool refused = outcome.outcome == Outcome::refused;
  const Assigned one{index,       outcome.element, refused,   outcome.uidvalidity,
                     outcome.uid, outcome.modseq,  outcome.id};
  if (one != Assigned{index, outcome.element, false, 0, 0, 0, {}}) assigned.push_back(one);
}

}  // namespace

struct Replayer::Computed {
  MailboxState live;
  std::vector<Operation> operations;
};

bool takes_away(const ReplayPlan& plan) {
  const restante::DifferenceSummary& difference = plan.difference;
  const bool loses_folder = std::any_of(difference.folders.begin(), difference.folders.end(),
                                        [](const auto& folder) { return folder.deleted; });
  return plan.removes_account || loses_folder || difference.messages.removed + difference.items.removed > 0;
}

// --- What there is to do --------------------------------------------------------------------------------

std::vector<ReplayPlan> Replayer::find_accounts(DamageNotes& damages) const {
  require(parts_.log.sync());
  std::map<std::string, ReplayPlan> found;
  const auto cursor = require(parts_.log.read(parts_.range));
  for (LoggedTransaction transaction;;) {
    const Result<bool> more = cursor->next(transaction);
    if (!more.ok()) {
      damages.note(more.status());
      continue;
    }
    if (!*more || parts_.choice.is_behind(transaction.commit_time)) break;
    if (parts_.choice.is_before(transaction.commit_time) || !parts_.choice.has(transaction.account_id))
      continue;
    ReplayPlan& plan = found[transaction.account_id];
    plan.account_id = transaction.account_id;
    if (plan.transactions++ == 0) plan.first_lsn = transaction.commit_lsn;
    plan.last_lsn = transaction.commit_lsn;
    plan.last_time = transaction.commit_time;
  }
  std::vector<ReplayPlan> plans;
  for (auto& [account, plan] : found) plans.push_back(std::move(plan));
  return plans;
}

void Replayer::plan(ReplayPlan& plan) const {
  plan.failure = look_for_unfinished(plan);
  if (!plan.failure.ok() || plan.in_doubt) return;
  Computed computed;
  plan.failure = compute(plan, computed);
  if (!plan.failure.ok() || computed.operations.empty() || plan.creates_account) return;
  // The snapshot logged what the store has; a full before it makes that a state to go back to.
  if (is_in_no_target(parts_.targets, plan.account_id))
    plan.failure =
        Status(Code::unsupported, "it is in no backup, so its present state could not come back",
               fmt::format("'restante backup --full -a {}', then replay again", shell_word(plan.account_id)));
}

Status Replayer::look_for_unfinished(ReplayPlan& plan) const {
  for (const RedoLog::Unfinished& unfinished : parts_.log.unfinished()) {
    if (unfinished.account_id != plan.account_id || !unfinished.is_rewind) continue;
    const auto cursor = parts_.log.records(
        {.after = unfinished.begin_lsn - 1, .until = unfinished.begin_lsn, .account_id = plan.account_id});
    if (!cursor.ok()) return cursor.status();
    RecordInfo record;
    const Result<bool> found = (*cursor)->next(record);
    if (!found.ok()) return found.status();
    plan.in_doubt = *found && record.origin.client == kClient && unfinished.claimable;
    if (!plan.in_doubt) return Status(Code::restore_unfinished, "a restore of it began and did not end");
  }
  return {};
}

/// What an earlier replay began is given up: the scan then reports what it really left.
Status Replayer::take_up_unfinished(const std::string& account) const {
  Result<std::vector<Transaction>> claimed = parts_.log.recover(account);
  if (!claimed.ok()) return claimed.status();
  for (Transaction& transaction : *claimed) {
    const bool is_rewind =
        !transaction.operations().empty() && std::holds_alternative<Rewind>(transaction.operations().front());
    if (!is_rewind || transaction.origin().client != kClient) continue;  // it stays for its host
    if (Status ended = transaction.abort(restante::Sync::durable); !ended.ok()) return ended;
  }
  return {};
}

FieldSet Replayer::fields() const {
  return (parts_.scanner.fields() & parts_.sink.traits().fields)
      .without({Field::uid, Field::uidnext, Field::modseq});
}

Status Replayer::compute(ReplayPlan& plan, Computed& out) const {
  StateSink live(out.live);
  const auto snapshot = parts_.scanner.snapshot(plan.account_id, live);
  if (!snapshot.ok() && snapshot.status().code() != Code::not_found) return snapshot.status();
  const Result<GivenIds> ids = given_ids(plan.account_id, out.live);
  if (!ids.ok()) return ids.status();
  ReplayState state(out.live, *ids);
  if (Status replayed = replay(plan, state); !replayed.ok()) return replayed;
  const MailboxState wanted = state.wanted(parts_.sink.traits().own_attributes);
  plan.passed_over = state.passed_over();
  plan.creates_account = !out.live.account() && wanted.account();
  plan.removes_account = out.live.account() && !wanted.account();
  const bool has_effect = plan.passed_over > 0 || !wanted.folders().empty() || !wanted.items().empty();
  if (!out.live.account() && !wanted.account() && has_effect)
    return Status(Code::not_found, "the account is not in the store, and what is replayed does not make it",
                  "'restante restore' brings it back");
  Result<restante::DifferenceSummary> difference =
      operations_between(out.live, wanted, fields(), out.operations);
  if (!difference.ok()) return difference.status();
  plan.difference = std::move(difference).value();
  plan.operations = digest_of(out.operations);
  plan.bytes_to_write = 0;
  for (const restante::ContentRef& content : needed_by(out.operations, out.live))
    plan.bytes_to_write += content.size;
  return {};
}

Result<GivenIds> Replayer::given_ids(const std::string& account, const MailboxState& live) const {
  Result<GivenIds> ids = GivenIds::read(parts_.log, account, parts_.range);
  if (!ids.ok() || !ids->has_later_folders()) return ids;
  MailboxState stored;
  StateSink sink(stored);
  const auto snapshot = parts_.store.snapshot(account, sink);
  if (!snapshot.ok() && snapshot.status().code() != Code::not_found) return snapshot.status();
  ids->find_later_folders(live, stored);
  return ids;
}

Status Replayer::replay(const ReplayPlan& plan, ReplayState& state) const {
  restante::ReadRange range = parts_.range;
  range.account_id = plan.account_id;
  const auto cursor = parts_.log.read(range);
  if (!cursor.ok()) return cursor.status();
  std::string last_damage;
  for (LoggedTransaction transaction;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    if (!more.ok()) {
      // Named when the accounts were looked for.
      const bool again = more.status().message() == last_damage;
      if (more.status().code() != Code::damaged || again) return more.status();
      last_damage = more.status().message();
      continue;
    }
    if (!*more || parts_.choice.is_behind(transaction.commit_time)) return {};
    if (parts_.choice.is_before(transaction.commit_time)) continue;
    for (const Operation& operation : transaction.operations)
      if (Status applied = state.apply(operation); !applied.ok())
        return applied.with_context(fmt::format("transaction {}", transaction.commit_lsn));
  }
}

// --- Doing it -------------------------------------------------------------------------------------------

AccountReport Replayer::perform(const ReplayPlan& plan) const {
  AccountReport report;
  report.account_id = report.into_id = plan.account_id;
  report.status = plan.failure.ok() ? perform(plan, report) : plan.failure;
  return report;
}

Status Replayer::perform(const ReplayPlan& plan, AccountReport& report) const {
  if (plan.in_doubt)
    if (Status taken = take_up_unfinished(plan.account_id); !taken.ok()) return taken;
  ReplayPlan now = plan;
  Computed computed;
  if (Status done = compute(now, computed); !done.ok()) return done;
  if (!plan.in_doubt && now.operations != plan.operations)
    return Status(Code::busy, "it has changed since the plan was made", "replay again");
  if (computed.operations.empty()) {
    report.kept = computed.live.messages().size();
    return {};
  }
  ReplayContent content(parts_.log, parts_.targets, plan.account_id);
  for (const restante::ContentRef& needed : needed_by(computed.operations, computed.live))
    if (Status readable = content.check(needed); !readable.ok())
      return readable.with_context("nothing was changed, because content cannot be read");

  std::vector<Operation> logged{Rewind{parts_.log.id(), parts_.log.incarnation(), plan.last_lsn, {}, {}}};
  logged.insert(logged.end(), computed.operations.begin(), computed.operations.end());
  RedoLog::BeginOptions options;
  options.origin.client = kClient;
  options.ignore_unrecovered = true;
  Result<Transaction> transaction = parts_.log.begin(plan.account_id, logged, options);
  if (!transaction.ok()) return transaction.status();
  return apply(now, computed, content, *transaction, report);
}

Status Replayer::apply(const ReplayPlan& plan, const Computed& computed, restante::ContentOpener& content,
                       Transaction& transaction, AccountReport& report) const {
  restante::SinkBegin begin;
  begin.create_account = plan.creates_account;
  if (plan.creates_account) begin.continuity = restante::Continuity::reset;
  auto sink = parts_.sink.begin(plan.account_id, begin);
  if (!sink.ok()) {
    // Nothing was touched, so the transaction did not happen.
    static_cast<void>(transaction.abort(restante::Sync::durable));
    return sink.status();
  }
  std::vector<Assigned> assigned;
  Status done;
  for (std::size_t i = 0; i < computed.operations.size() && done.ok(); ++i) {
    std::vector<ElementOutcome> outcomes;
    done = (*sink)->apply(computed.operations[i], content, outcomes);
    for (const ElementOutcome& outcome : outcomes)  // the Rewind stands before
      note(computed.operations[i], static_cast<std::uint32_t>(i + 1), outcome, report, assigned);
  }
  if (done.ok()) done = (*sink)->commit();
  if (!done.ok()) {
    (*sink)->abort();
    report.created = report.changed = report.removed = report.kept = 0;
    if (parts_.sink.traits().atomic) {
      static_cast<void>(transaction.abort(restante::Sync::durable));
      return done;
    }
    return Status(done.code(), fmt::format("the replay stopped half way: {}", done.message()),
                  "mend the cause and replay again, or take it back with 'restante abort --restore'");
  }
  report.kept += plan.difference.messages.unchanged;
  const Result<Lsn> committed = transaction.commit(assigned, restante::Sync::durable);
  if (!committed.ok())
    return committed.status().with_context("the account was replayed, but that could not be logged");
  report.logged_at = *committed;
  return {};
}

}  // namespace cli

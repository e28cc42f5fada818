#include "restore/account_restore.hpp"

#include <algorithm>
#include <set>

#include "base/parallel.hpp"
#include "base/text.hpp"
#include "target/target_impl.hpp"

namespace restante::restore {
namespace {

// Contents that one thread reads in a row: those of a frame or two.
constexpr std::size_t kContentsInARow = 32;

class AccountRestore {
 public:
  explicit AccountRestore(const AccountJob& job) : job_(job), context_(job.context) {
    report_.account_id = job.planned.account_id;
    report_.into_id = job.planned.into_id;
  }

  [[nodiscard]] AccountReport run() {
    report_.status = restore();
    return std::move(report_);
  }

 private:
  // Nothing in the store is touched before everything is verified; the store's change lies between a durable
  // begin and the commit.
  [[nodiscard]] Status restore() {
    if (!job_.planned.failure.ok()) return job_.planned.failure;
    if (Status s = check_no_backup(); !s.ok()) return s;
    if (Status s = take_up_unfinished(); !s.ok()) return s;
    if (Status s = check_no_restore(0); !s.ok()) return s;
    computed_ = compute(context_, job_.account, Purpose::perform);
    if (!computed_.plan.failure.ok()) return computed_.plan.failure;
    if (Status s = check_planned(); !s.ok()) return s;
    stages_ = context_.into.sink->traits().stages;
    if (Status s = sort_needed(); !s.ok()) return s;
    // A store that puts content aside reads it before it changes anything.
    if (!stages_) {
      if (Status s = check_needed(); !s.ok()) return s;
    }
    if (computed_.operations.empty()) return nothing_to_do();
    if (!context_.log) return perform(nullptr);
    Result<Transaction> transaction = begin();
    if (!transaction.ok()) return transaction.status();
    // Two that began at once see each other here at the latest.
    if (Status s = check_no_restore(transaction->begin_lsn()); !s.ok()) {
      static_cast<void>(transaction->abort(Sync::durable));
      return s;
    }
    return perform(&*transaction);
  }

  // A session that reads the account now would record a mixture (R18).
  [[nodiscard]] Status check_no_backup() const {
    for (const BackupTarget& target : context_.targets) {
      const auto running = target::unpublished_sessions(TargetAccess::impl(target));
      if (!running.ok()) return running.status();
      for (const target::RecordPointer& session : *running) {
        if (session->info.status != SessionStatus::running || !session->info.find(report_.into_id)) continue;
        return Status(Code::busy,
                      base::cat("session ", session->info.label, " of ", base::escape(session->info.owner),
                                " is backing up ", base::escape(report_.into_id)),
                      "wait for it, or abort it");
      }
    }
    return {};
  }

  // What another one is doing to the account is in no difference of this one.
  [[nodiscard]] Status check_no_restore(Lsn own) const {
    if (!context_.log) return {};
    for (const RedoLog::Unfinished& open : context_.log->unfinished()) {
      if (!open.is_rewind || open.account_id != report_.into_id || open.begin_lsn == own) continue;
      return Status(Code::busy,
                    base::cat("account ", base::escape(report_.into_id), " is being restored since LSN ",
                              open.begin_lsn),
                    "wait for it, then make the plan again");
    }
    return {};
  }

  // What an earlier restore began is given up: the source then reports what it really left, and the new
  // difference begins there.
  [[nodiscard]] Status take_up_unfinished() const {
    if (!job_.in_doubt) return {};
    Result<std::vector<Transaction>> claimed = context_.log->recover(report_.into_id);
    if (!claimed.ok()) return claimed.status();
    for (Transaction& transaction : *claimed) {
      const bool is_rewind = !transaction.operations().empty() &&
                             std::holds_alternative<Rewind>(transaction.operations().front());
      if (!is_rewind) continue;  // destroyed unended, it stays for the host to recover
      if (Status s = transaction.abort(Sync::durable); !s.ok()) return s;
    }
    return {};
  }

  // What was shown is what is done, or what is done is shown.
  [[nodiscard]] Status check_planned() {
    if (job_.in_doubt || digest_of(computed_.operations) == job_.planned_operations) return {};
    const AccountPlan& planned = job_.planned;
    const AccountPlan& now = computed_.plan;
    const bool is_same_state = context_.request.stop.newest() ||
                               (now.position.lsn == planned.position.lsn && now.messages == planned.messages);
    const bool is_same_kind = is_same_state && now.identity == planned.identity &&
                              now.continuity == planned.continuity &&
                              now.creates_account == planned.creates_account;
    if (!context_.request.plan_again || !is_same_kind)
      return Status(
          Code::busy,
          base::cat("account ", base::escape(report_.into_id), " has changed since the plan was made"),
          "make the plan again");
    report_.planned_again = now;
    return {};
  }

  // As they lie in the targets, so that a frame is decompressed once.
  [[nodiscard]] Status sort_needed() {
    std::vector<std::pair<Contents::Place, Need>> placed;
    placed.reserve(computed_.needed.size());
    for (const Need& need : computed_.needed) {
      Result<Contents::Place> place = context_.contents->place_of(need.content);
      if (!place.ok()) return place.status();
      placed.emplace_back(*place, need);
    }
    std::stable_sort(placed.begin(), placed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < placed.size(); ++i) computed_.needed[i] = placed[i].second;
    return {};
  }

  // Calls `work` for everything that is needed, from several threads.
  [[nodiscard]] Status for_each_need(const std::function<Status(const Need&)>& work) const {
    const std::vector<Need>& needed = computed_.needed;
    const std::size_t rows = (needed.size() + kContentsInARow - 1) / kContentsInARow;
    const RestoreRequest& request = context_.request;
    const Status done = base::run_in_parallel(request.workers, request.parallel, rows, [&](std::size_t row) {
      const std::size_t end = std::min(needed.size(), (row + 1) * kContentsInARow);
      for (std::size_t i = row * kContentsInARow; i < end; ++i)
        if (Status s = work(needed[i]); !s.ok()) return s;
      return Status();
    });
    return done;
  }

  [[nodiscard]] Status check_needed() const {
    return for_each_need([&](const Need& need) { return context_.contents->check(need.content); })
        .with_context("nothing was changed, because content cannot be read");
  }

  [[nodiscard]] Status stage_needed(SinkTransaction& sink) const {
    return for_each_need([&](const Need& need) { return stage(need, sink); })
        .with_context("nothing was changed, because content cannot be read");
  }

  [[nodiscard]] Status stage(const Need& need, SinkTransaction& sink) const {
    const Result<std::unique_ptr<ContentReader>> reader = context_.contents->open(need.content);
    if (!reader.ok()) return reader.status();
    const Operation& operation = computed_.operations[need.operation];
    if (const auto* put = std::get_if<MessagePut>(&operation))
      return sink.stage(put->messages[need.element], **reader);
    return sink.stage(std::get<ItemPut>(operation).item, **reader);
  }

  [[nodiscard]] Status nothing_to_do() {
    report_.kept = computed_.plan.messages;
    if (context_.log) report_.logged_at = context_.log->end();
    return {};
  }

  [[nodiscard]] Result<Transaction> begin() const {
    Rewind marker;
    marker.log = computed_.plan.position.log;
    marker.incarnation = computed_.plan.position.incarnation;
    marker.lsn = computed_.plan.position.lsn;
    marker.label = computed_.state.full.session->info.label;
    std::vector<Operation> operations;
    operations.reserve(computed_.operations.size() + 1);
    operations.emplace_back(std::move(marker));
    operations.insert(operations.end(), computed_.operations.begin(), computed_.operations.end());
    RedoLog::BeginOptions options;
    options.origin = context_.request.origin;
    options.ignore_unrecovered = true;
    return context_.log->begin(report_.into_id, operations, options);
  }

  [[nodiscard]] Status perform(Transaction* transaction) {
    SinkBegin begin;
    begin.identity = computed_.plan.identity;
    begin.continuity = computed_.plan.continuity;
    begin.create_account = computed_.plan.creates_account;
    begin.keep_unnamed = true;
    Result<std::unique_ptr<SinkTransaction>> sink = context_.into.sink->begin(report_.into_id, begin);
    if (!sink.ok()) {
      // Nothing was touched, so the transaction did not happen.
      if (transaction) static_cast<void>(transaction->abort(Sync::durable));
      return sink.status();
    }
    const Status applied = stage_and_apply(**sink);
    if (!applied.ok())
      return stages_ ? take_back(**sink, transaction, applied) : give_up(**sink, transaction, applied);
    const Status done = (*sink)->commit();
    if (!done.ok()) return give_up(**sink, transaction, done);
    report_.kept += computed_.plan.difference.messages.unchanged;
    if (!transaction) return {};
    const Result<Lsn> committed = transaction->commit(assigned_, Sync::durable);
    if (!committed.ok())
      return committed.status().with_context("the account is restored, but that could not be logged");
    report_.logged_at = *committed;
    return {};
  }

  [[nodiscard]] Status stage_and_apply(SinkTransaction& sink) {
    // Whose the files are is said by the account's record.
    const std::size_t first =
        !computed_.operations.empty() && std::holds_alternative<AccountPut>(computed_.operations.front()) ? 1
                                                                                                          : 0;
    if (Status s = apply_some(sink, 0, first); !s.ok()) return s;
    if (stages_) {
      if (Status s = stage_needed(sink); !s.ok()) return s;
    }
    return apply_some(sink, first, computed_.operations.size());
  }

  [[nodiscard]] Status apply_some(SinkTransaction& sink, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      std::vector<ElementOutcome> outcomes;
      const Operation& operation = computed_.operations[i];
      if (Status s = sink.apply(operation, *context_.contents, outcomes); !s.ok())
        return s.with_context(describe(operation));
      for (const ElementOutcome& outcome : outcomes) note(operation, static_cast<std::uint32_t>(i), outcome);
      tick(operation);
    }
    return {};
  }

  void note(const Operation& operation, std::uint32_t index, const ElementOutcome& outcome) {
    switch (outcome.outcome) {
      case Outcome::created: ++report_.created; break;
      case Outcome::changed: ++report_.changed; break;
      case Outcome::removed: ++report_.removed; break;
      case Outcome::kept: ++report_.kept; break;
      case Outcome::refused:
        report_.refused.push_back(base::cat(describe(operation), ": ", base::escape(outcome.reason)));
        break;
    }
    Assigned assigned;
    assigned.operation = index + 1;  // the Rewind stands before
    assigned.element = outcome.element;
    assigned.refused = outcome.outcome == Outcome::refused;
    assigned.uidvalidity = outcome.uidvalidity;
    assigned.uid = outcome.uid;
    assigned.modseq = outcome.modseq;
    assigned.id = outcome.id;
    if (assigned.refused || assigned.uidvalidity != 0 || assigned.uid != 0 || assigned.modseq != 0 ||
        !assigned.id.empty())
      assigned_.push_back(std::move(assigned));
  }

  void tick(const Operation& operation) const {
    if (!job_.tick) return;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    if (const auto* put = std::get_if<MessagePut>(&operation)) {
      messages = put->messages.size();
      for (const Message& message : put->messages)
        if (message.content) bytes += message.content->size;
    }
    job_.tick(messages, bytes);
  }

  // Nobody saw anything of it.
  [[nodiscard]] Status take_back(SinkTransaction& sink, Transaction* transaction, const Status& why) {
    sink.abort();
    report_.created = report_.changed = report_.removed = report_.kept = 0;
    if (transaction) static_cast<void>(transaction->abort(Sync::durable));
    return why;
  }

  // A store that cannot undo leaves the account in doubt: the begun transaction stays open and keeps backups
  // away from it until the restore is made again or rolled back.
  [[nodiscard]] Status give_up(SinkTransaction& sink, Transaction* transaction, const Status& why) {
    if (context_.into.sink->traits().atomic) return take_back(sink, transaction, why);
    sink.abort();
    report_.created = report_.changed = report_.removed = report_.kept = 0;
    return Status(
        why.code(),
        base::cat("the restore of ", base::escape(report_.into_id), " stopped half way: ", why.message()),
        "mend the cause and restore again, or roll back with restante abort --restore");
  }

  const AccountJob& job_;
  const PlanContext& context_;
  ComputedAccount computed_;
  bool stages_ = false;
  std::vector<Assigned> assigned_;
  AccountReport report_;
};

}  // namespace

AccountReport restore_account(const AccountJob& job) { return AccountRestore(job).run(); }

}  // namespace restante::restore

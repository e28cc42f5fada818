#include <algorithm>
#include <set>

#include "archive/import_archive.hpp"
#include "archive/merge.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "restore/planner.hpp"
#include "restore/shape.hpp"

namespace restante {
namespace archive {
namespace {

class StateFilling final : public OpSink {
 public:
  explicit StateFilling(MailboxState& state) : state_(state) {}
  [[nodiscard]] Status put(Operation operation) override { return state_.apply(operation); }

 private:
  MailboxState& state_;
};

struct ImportContext {
  ImportRequest request;
  RestoreInto into;
  RedoLog* log = nullptr;
  // One instant, so that computing a plan again gives the same.
  Time made_at;
  ContentOpener* contents = nullptr;
};

struct ComputedImport {
  ImportedMailbox mailbox;
  std::vector<Operation> operations;
};

// Computes what an import will do to one account. Used to show it, and again to do it.
class ImportComputing {
 public:
  ImportComputing(const ImportContext& context, const FoundMailbox& found)
      : context_(context), found_(found) {}

  [[nodiscard]] ComputedImport run(bool look_at_live) {
    AccountPlan& plan = result_.mailbox.plan;
    plan.account_id = found_.summary.name;
    plan.address = found_.summary.address;
    plan.messages = found_.summary.messages;
    plan.bytes = found_.summary.bytes;
    plan.failure = compute(look_at_live);
    return std::move(result_);
  }

 private:
  [[nodiscard]] Status compute(bool look_at_live) {
    if (Status s = find_destination(); !s.ok()) return s;
    if (!look_at_live) {
      result_.mailbox.plan.warnings.emplace_back(
          "an earlier restore or import of this account did not end; what this one changes is known when it "
          "begins");
      return {};
    }
    if (Status s = read_live(); !s.ok()) return s;
    if (Status s = decide_identity(); !s.ok()) return s;
    MailboxState wanted;
    if (Status s = result_.mailbox.plan.identity == Identity::keep ? merged(wanted) : replaced(wanted);
        !s.ok())
      return s;
    return compare(wanted);
  }

  [[nodiscard]] Status find_destination() {
    AccountPlan& plan = result_.mailbox.plan;
    plan.into_address = context_.request.into.empty() ? found_.summary.address : context_.request.into;
    if (plan.into_address.empty())
      return Status(
          Code::invalid_argument,
          base::cat("the archive does not tell whose mail ", base::escape(found_.summary.name), " is"),
          "name the account to import into");
    Result<std::string> id = context_.into.sink->find_account(plan.into_address);
    if (id.status().code() == Code::not_found) id = context_.into.sink->new_account_id(plan.into_address);
    if (!id.ok()) return id.status();
    plan.into_id = *std::move(id);
    return {};
  }

  [[nodiscard]] Status read_live() {
    StateFilling sink(live_);
    const Result<SnapshotInfo> info = context_.into.source->snapshot(result_.mailbox.plan.into_id, sink);
    if (info.status().code() != Code::not_found)
      return info.status().with_context("cannot read the live account");
    live_ = {};
    result_.mailbox.plan.creates_account = true;
    return {};
  }

  [[nodiscard]] Status decide_identity() {
    AccountPlan& plan = result_.mailbox.plan;
    std::optional<Identity> asked = context_.request.identity;
    const bool must_keep = !found_.has_uids || !context_.request.folder.empty();
    if (must_keep && asked && *asked != Identity::keep)
      return Status(Code::invalid_argument,
                    found_.has_uids ? "mail that is put below a folder gets new UIDs"
                                    : "the archive has no UIDs to give back",
                    "leave the identity out");
    restore::IdentitySituation situation;
    situation.live_is_empty = live_.messages().empty() && live_.folders().size() <= 1;
    situation.new_account = plan.creates_account;
    if (must_keep) asked = Identity::keep;
    Result<restore::IdentityChoice> choice =
        restore::choose_identity(asked, situation, context_.into.sink->traits());
    if (!choice.ok()) return choice.status();
    if (choice->identity == Identity::renew && !situation.live_is_empty)
      return Status(Code::invalid_argument, "identity renew needs an empty account, and there is mail in it",
                    "import with identity keep: mail is added to what is there");
    plan.identity = choice->identity;
    plan.continuity = choice->continuity;
    plan.identity_reason = !must_keep        ? choice->reason
                           : found_.has_uids ? "a copy"
                                             : "the archive has no UIDs";
    return {};
  }

  // Of the archive, for the account that it goes into.
  [[nodiscard]] Account account() const {
    Account account = found_.state.account().value_or(Account{});
    account.id = result_.mailbox.plan.into_id;
    account.address = result_.mailbox.plan.into_address;
    return account;
  }

  [[nodiscard]] Status merged(MailboxState& wanted) {
    wanted = live_;
    if (!live_.account())
      if (Status s = wanted.apply(AccountPut{account()}); !s.ok()) return s;
    const MergeJob job{found_.state, live_, context_.request.folder, result_.mailbox.plan.into_id,
                       context_.into.source};
    Result<MergeReport> report = merge(job, wanted);
    if (!report.ok()) return report.status();
    result_.mailbox.present = report->present;
    result_.mailbox.items_left = report->items_left;
    for (std::string& warning : report->warnings) result_.mailbox.plan.warnings.push_back(std::move(warning));
    return {};
  }

  // Into an empty account: the archive's state. What else the account has stays, but for an empty INBOX.
  [[nodiscard]] Status replaced(MailboxState& wanted) {
    MailboxState recorded = found_.state;
    if (Status s = recorded.apply(AccountPut{account()}); !s.ok()) return s;
    for (const auto& [key, item] : live_.items())
      if (!recorded.items().contains(key))
        if (Status s = recorded.apply(ItemPut{item}); !s.ok()) return s;
    wanted = restore::shape(recorded, live_, result_.mailbox.plan.identity, {0, context_.made_at},
                            context_.into.sink->traits().own_attributes);
    return {};
  }

  [[nodiscard]] Status compare(const MailboxState& wanted) {
    AccountPlan& plan = result_.mailbox.plan;
    FieldSet fields = context_.into.source->fields() & context_.into.sink->traits().fields;
    if (plan.identity == Identity::keep) {
      fields = fields.without({Field::uid, Field::uidnext, Field::modseq});
    } else {
      fields = fields & found_.fields;
    }
    OpVector from;
    OpVector to;
    OpVector change;
    if (Status s = live_.write(from); !s.ok()) return s;
    if (Status s = wanted.write(to); !s.ok()) return s;
    Result<DifferenceSummary> summary =
        difference(*stream_of(from.operations), *stream_of(to.operations), change, DifferenceOptions{fields});
    if (!summary.ok()) return summary.status();
    plan.difference = *std::move(summary);
    result_.operations = restore::in_order(std::move(change.operations), live_, wanted);
    for (const Operation& operation : result_.operations)
      for (const ContentRef& content : contents_of(operation)) plan.bytes_to_write += content.size;
    return {};
  }

 public:
  [[nodiscard]] static std::vector<ContentRef> contents_of(const Operation& operation) {
    std::vector<ContentRef> contents;
    if (const auto* put = std::get_if<MessagePut>(&operation)) {
      for (const Message& message : put->messages)
        if (message.content) contents.push_back(*message.content);
    } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
      if (item->item.content) contents.push_back(*item->item.content);
    }
    return contents;
  }

 private:
  const ImportContext& context_;
  const FoundMailbox& found_;
  ComputedImport result_;
  MailboxState live_;
};

// Does what was planned for one account: contents into the log, the begun transaction, the store's own
// change, the commit (R4).
class AccountImport {
 public:
  AccountImport(const ImportContext& context, const FoundMailbox& found, const ImportedMailbox& planned,
                const Digest& planned_operations, const std::function<void(const Operation&)>& tick)
      : context_(context),
        found_(found),
        planned_(planned),
        planned_operations_(planned_operations),
        tick_(tick) {
    report_.account_id = planned.plan.account_id;
    report_.into_id = planned.plan.into_id;
  }

  [[nodiscard]] AccountReport run() {
    report_.status = import();
    return std::move(report_);
  }

 private:
  [[nodiscard]] Status import() {
    if (!planned_.plan.failure.ok()) return planned_.plan.failure;
    if (Status s = take_up_unfinished(); !s.ok()) return s;
    ComputedImport computed = ImportComputing(context_, found_).run(true);
    if (!computed.mailbox.plan.failure.ok()) return computed.mailbox.plan.failure;
    if (Status s = check_planned(computed); !s.ok()) return s;
    operations_ = std::move(computed.operations);
    identity_ = computed.mailbox.plan.identity;
    continuity_ = computed.mailbox.plan.continuity;
    creates_ = computed.mailbox.plan.creates_account;
    report_.kept = computed.mailbox.present;
    if (operations_.empty()) return {};
    if (!context_.log) return perform(nullptr);
    if (Status s = log_contents(); !s.ok()) return s;
    Result<Transaction> transaction = begin();
    if (!transaction.ok()) return transaction.status();
    return perform(&*transaction);
  }

  // An import or restore that broke off is given up: the source then tells what it really left.
  [[nodiscard]] Status take_up_unfinished() const {
    if (!context_.log) return {};
    for (const RedoLog::Unfinished& open : context_.log->unfinished()) {
      if (!open.is_rewind || open.account_id != report_.into_id || open.claimable) continue;
      return Status(Code::busy,
                    base::cat("account ", base::escape(report_.into_id), " is being restored since LSN ",
                              open.begin_lsn),
                    "wait for it, then make the plan again");
    }
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

  // An import only adds, so what came or went meanwhile does not make another import of it.
  [[nodiscard]] Status check_planned(const ComputedImport& computed) {
    const AccountPlan& now = computed.mailbox.plan;
    const AccountPlan& then = planned_.plan;
    if (restore::digest_of(computed.operations) == planned_operations_) return {};
    const bool was_in_doubt = planned_operations_.is_zero();
    if (!was_in_doubt && (now.identity != then.identity || now.creates_account != then.creates_account))
      return Status(
          Code::busy,
          base::cat("account ", base::escape(report_.into_id), " has changed since the plan was made"),
          "make the plan again");
    report_.planned_again = now;
    return {};
  }

  // Once each; what a recent segment has is not written again.
  [[nodiscard]] Status log_contents() const {
    std::set<Digest> seen;
    for (const Operation& operation : operations_) {
      for (const ContentRef& content : ImportComputing::contents_of(operation)) {
        if (!seen.insert(content.digest).second) continue;
        const Result<std::unique_ptr<ContentReader>> reader = context_.contents->open(content);
        // What the account has already is logged already.
        if (reader.status().code() == Code::not_found) continue;
        if (!reader.ok()) return reader.status();
        const Result<ContentRef> logged = context_.log->put_content(report_.into_id, **reader);
        if (!logged.ok()) return logged.status();
        if (*logged != content)
          return Status(Code::damaged,
                        base::cat("content ", content.digest.to_string(), " reads as another"));
      }
    }
    return {};
  }

  // Marked as a restore of the present state: nothing rolls it forward, and whoever finds it begun and not
  // ended knows that the account is in doubt.
  [[nodiscard]] Result<Transaction> begin() const {
    Rewind marker;
    marker.log = context_.log->id();
    marker.incarnation = context_.log->incarnation();
    marker.lsn = context_.log->end();
    std::vector<Operation> operations;
    operations.reserve(operations_.size() + 1);
    operations.emplace_back(std::move(marker));
    operations.insert(operations.end(), operations_.begin(), operations_.end());
    RedoLog::BeginOptions options;
    options.origin = context_.request.origin;
    options.ignore_unrecovered = true;
    return context_.log->begin(report_.into_id, operations, options);
  }

  [[nodiscard]] Status perform(Transaction* transaction) {
    SinkBegin begin;
    begin.identity = identity_;
    begin.continuity = continuity_;
    begin.create_account = creates_;
    begin.keep_unnamed = true;
    Result<std::unique_ptr<SinkTransaction>> sink = context_.into.sink->begin(report_.into_id, begin);
    if (!sink.ok()) {
      // Nothing was touched, so the transaction did not happen.
      if (transaction) static_cast<void>(transaction->abort(Sync::durable));
      return sink.status();
    }
    Status done = apply_all(**sink);
    if (done.ok()) done = (*sink)->commit();
    if (!done.ok()) return give_up(**sink, transaction, done);
    if (!transaction) return {};
    const Result<Lsn> committed = transaction->commit(assigned_, Sync::durable);
    if (!committed.ok())
      return committed.status().with_context("the mail is imported, but that could not be logged");
    report_.logged_at = *committed;
    return {};
  }

  [[nodiscard]] Status apply_all(SinkTransaction& sink) {
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      std::vector<ElementOutcome> outcomes;
      if (Status s = sink.apply(operations_[i], *context_.contents, outcomes); !s.ok())
        return s.with_context(describe(operations_[i]));
      for (const ElementOutcome& outcome : outcomes)
        note(operations_[i], static_cast<std::uint32_t>(i + 1), outcome);  // the Rewind stands before
      tick_(operations_[i]);
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
    const bool is_refused = outcome.outcome == Outcome::refused;
    if (!is_refused && outcome.uidvalidity == 0 && outcome.uid == 0 && outcome.modseq == 0 &&
        outcome.id.empty())
      return;
    assigned_.push_back({.operation = index,
                         .element = outcome.element,
                         .refused = is_refused,
                         .uidvalidity = outcome.uidvalidity,
                         .uid = outcome.uid,
                         .modseq = outcome.modseq,
                         .id = outcome.id});
  }

  [[nodiscard]] Status give_up(SinkTransaction& sink, Transaction* transaction, const Status& why) {
    sink.abort();
    report_.created = report_.changed = report_.removed = report_.kept = 0;
    if (context_.into.sink->traits().atomic) {
      if (transaction) static_cast<void>(transaction->abort(Sync::durable));
      return why;
    }
    return Status(
        why.code(),
        base::cat("the import into ", base::escape(report_.into_id), " stopped half way: ", why.message()),
        "mend the cause and import again, or roll back with restante abort --restore");
  }

  const ImportContext& context_;
  const FoundMailbox& found_;
  const ImportedMailbox& planned_;
  Digest planned_operations_;
  const std::function<void(const Operation&)>& tick_;
  std::vector<Operation> operations_;
  Identity identity_ = Identity::keep;
  Continuity continuity_ = Continuity::continued;
  bool creates_ = false;
  std::vector<Assigned> assigned_;
  AccountReport report_;
};

bool is_in_doubt(const RedoLog* log, const std::string& account_id) {
  if (!log) return false;
  const std::vector<RedoLog::Unfinished> open = log->unfinished();
  return std::any_of(open.begin(), open.end(), [&](const RedoLog::Unfinished& transaction) {
    return transaction.account_id == account_id && transaction.is_rewind;
  });
}

Result<std::vector<const FoundMailbox*>> choose_mailboxes(const std::vector<FoundMailbox>& all,
                                                          const std::vector<std::string>& wanted) {
  std::vector<const FoundMailbox*> chosen;
  if (wanted.empty())
    for (const FoundMailbox& found : all) chosen.push_back(&found);
  for (const std::string& name : wanted) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const FoundMailbox& mailbox) {
      return mailbox.summary.name == name || (!name.empty() && mailbox.summary.address == name);
    });
    if (found != all.end()) {
      if (std::find(chosen.begin(), chosen.end(), &*found) == chosen.end()) chosen.push_back(&*found);
      continue;
    }
    std::string there;
    for (const FoundMailbox& mailbox : all)
      there += base::cat(there.empty() ? "" : ", ", base::escape(mailbox.summary.name));
    return Status(Code::not_found, base::cat("the archive has no mailbox ", base::escape(name)),
                  base::cat("it has ", there));
  }
  return chosen;
}

}  // namespace
}  // namespace archive

inline namespace v0 {

struct ImportPlan::Impl {
  archive::ImportContext context;
  std::vector<const archive::FoundMailbox*> chosen;
  std::vector<ImportedMailbox> mailboxes;
  // Of each one's operations; zero where they are not known before an earlier restore is given up.
  std::vector<Digest> digests;
};

ImportPlan::ImportPlan(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
ImportPlan::ImportPlan(ImportPlan&&) noexcept = default;
ImportPlan& ImportPlan::operator=(ImportPlan&&) noexcept = default;
ImportPlan::~ImportPlan() = default;

Result<ImportPlan> ImportPlan::make(ImportArchive& archive, RedoLog* log, const ImportRequest& request,
                                    const RestoreInto& into) {
  if (!into.source || !into.sink)
    return Status(Code::invalid_argument, "an import needs a store to read and to write");
  auto impl = std::make_unique<Impl>();
  Result<std::vector<const archive::FoundMailbox*>> chosen =
      archive::choose_mailboxes(archive.impl_->found, request.mailboxes);
  if (!chosen.ok()) return chosen.status();
  if (!request.into.empty() && chosen->size() != 1)
    return Status(
        Code::invalid_argument,
        base::cat("the archive has ", chosen->size(), " mailboxes, and one account is to take them"),
        "name one of them");
  impl->chosen = *std::move(chosen);
  impl->context = {request, into, log, system_clock().now(), &archive.impl_->contents};
  for (const archive::FoundMailbox* found : impl->chosen) {
    archive::ComputedImport computed = archive::ImportComputing(impl->context, *found).run(true);
    Digest digest;
    const bool in_doubt = archive::is_in_doubt(log, computed.mailbox.plan.into_id);
    if (in_doubt)
      computed = archive::ImportComputing(impl->context, *found).run(false);
    else
      digest = restore::digest_of(computed.operations);
    impl->digests.push_back(digest);
    impl->mailboxes.push_back(std::move(computed.mailbox));
  }
  const bool any = std::any_of(impl->mailboxes.begin(), impl->mailboxes.end(),
                               [](const ImportedMailbox& mailbox) { return mailbox.plan.failure.ok(); });
  if (!any && !impl->mailboxes.empty()) return impl->mailboxes.front().plan.failure;
  return ImportPlan(std::move(impl));
}

const std::vector<ImportedMailbox>& ImportPlan::mailboxes() const noexcept { return impl_->mailboxes; }

Result<RestoreReport> ImportPlan::execute(const CancelToken& cancel, const ProgressFunction& progress) {
  RestoreReport report;
  Progress now;
  now.began = impl_->context.made_at;
  now.accounts_total = impl_->mailboxes.size();
  std::size_t failed = 0;
  bool stopped = false;
  const std::function<void(const Operation&)> tick = [&](const Operation& operation) {
    if (const auto* put = std::get_if<MessagePut>(&operation)) now.messages_done += put->messages.size();
    for (const ContentRef& content : archive::ImportComputing::contents_of(operation))
      now.bytes_done += content.size;
    if (progress) progress(now);
  };
  for (std::size_t i = 0; i < impl_->mailboxes.size(); ++i) {
    const ImportedMailbox& planned = impl_->mailboxes[i];
    stopped = stopped || cancel.cancelled();
    if (stopped) {
      report.not_done.push_back(planned.plan.account_id);
      continue;
    }
    now.account_id = planned.plan.into_id;
    if (progress) progress(now);
    report.accounts.push_back(
        archive::AccountImport(impl_->context, *impl_->chosen[i], planned, impl_->digests[i], tick).run());
    ++now.accounts_done;
    if (report.accounts.back().status.ok()) continue;
    ++failed;
    stopped = !impl_->context.request.continue_on_error;
  }
  if (failed > 0 && failed == report.accounts.size()) return report.accounts.front().status;
  if (failed > 0 || !report.not_done.empty())
    report.status = Status(cancel.cancelled() ? Code::cancelled : Code::partial,
                           base::cat(report.accounts.size() - failed, " of ", impl_->mailboxes.size(),
                                     " mailboxes were imported"),
                           "the report names the others");
  return report;
}

}  // namespace v0
}  // namespace restante

#include "restore/planner.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "restore/shape.hpp"

namespace restante::restore {
namespace {

class StateSink final : public OpSink {
 public:
  explicit StateSink(MailboxState& state) : state_(state) {}
  [[nodiscard]] Status put(Operation operation) override { return state_.apply(operation); }

 private:
  MailboxState& state_;
};

class Planner {
 public:
  Planner(const PlanContext& context, const TargetAccount& account) : context_(context) {
    result_.plan.account_id = account.id;
    result_.plan.address = account.address;
    result_.plan.into_id = account.id;
    result_.plan.into_address = account.address;
  }

  [[nodiscard]] ComputedAccount run(Purpose purpose) {
    result_.plan.failure = plan(purpose);
    return std::move(result_);
  }

  // The state alone.
  [[nodiscard]] Status find_state() {
    if (Status s = choose_and_replay(); !s.ok()) return s;
    StateSink sink(recorded_);
    return history::write_state(result_.state, sink);
  }
  [[nodiscard]] const MailboxState& recorded() const { return recorded_; }

 private:
  [[nodiscard]] Status plan(Purpose purpose) {
    if (Status s = find_state(); !s.ok()) return came_later(s) ? Status() : s;
    describe_state();
    if (result_.plan.deleted_at_stop) return {};
    if (!context_.into.source && !context_.into.sink) return {};
    if (Status s = find_destination(); !s.ok()) return s;
    if (purpose == Purpose::show_state) {
      warn("an earlier restore of this account did not end; what this one changes is known when it begins");
      return {};
    }
    if (Status s = read_live(); !s.ok()) return s;
    if (Status s = decide_identity(); !s.ok()) return s;
    if (Status s = compare(); !s.ok()) return s;
    find_needed();
    return purpose == Purpose::show ? check_contents() : Status();
  }

  [[nodiscard]] Status choose_and_replay() {
    const std::string& id = result_.plan.account_id;
    const Result<Full> full =
        history::choose_full(context_.targets, context_.history, context_.stop, id, context_.request.label);
    if (!full.ok()) return full.status();
    const bool server_gone = context_.stop.newest && context_.request.in_doubt == InDoubt::forward;
    Result<AccountState> state = history::replay(context_.history, *full, context_.stop, server_gone);
    if (!state.ok()) return state.status();
    if (state->deleted && context_.named && !context_.request.skip_deleted_accounts) {
      // Asked for by name: as it was just before it was deleted (seed: "can also be used to restore deleted
      // accounts").
      ResolvedStop before = context_.stop;
      before.until = state->deleted_at - 1;
      before.newest = false;
      warn(base::cat("the account was deleted at LSN ", state->deleted_at,
                     "; it is restored as it was before"));
      const Result<Full> earlier =
          history::choose_full(context_.targets, context_.history, before, id, context_.request.label);
      if (!earlier.ok()) return earlier.status();
      state = history::replay(context_.history, *earlier, before, false);
      if (!state.ok()) return state.status();
    }
    result_.state = *std::move(state);
    return {};
  }

  // "All accounts" are those that there were at the stop.
  [[nodiscard]] bool came_later(const Status& no_state) {
    const bool all = !context_.named || context_.request.skip_deleted_accounts;
    if (!all || !context_.request.label.empty() || no_state.code() != Code::not_found) return false;
    const Result<bool> later =
        history::came_after(context_.targets, context_.history, context_.stop, result_.plan.account_id);
    if (!later.ok() || !*later) return false;
    result_.plan.deleted_at_stop = true;
    warn(base::cat("nothing tells of it at or before the time or position to restore to; ", no_state.hint()));
    return true;
  }

  void describe_state() {
    AccountPlan& plan = result_.plan;
    const AccountState& state = result_.state;
    for (const std::string& segment : context_.history.unreadable())
      warn(base::cat("an archived segment of the redo log cannot be read: ", segment));
    for (const target::UnreadableSession& session : state.full.unreadable)
      warn(base::cat("session ", session.label,
                     " cannot be read and is passed over: ", session.why.message()));
    plan.deleted_at_stop = state.deleted;
    plan.transactions_replayed = state.transactions;
    plan.rolled_forward = state.rolled_forward;
    const LogPosition& session = state.full.session->info.position;
    const bool replayed = state.position > state.full.account->consistent_at;
    plan.position = {session.log,
                     replayed ? context_.history.incarnation_of(state.position) : session.incarnation,
                     state.position};
    if (const Result<std::optional<Time>> time = context_.history.time_of(state.position); time.ok())
      plan.effective_time = *time;
    plan.steps.push_back({RestoreStep::What::full, state.full.session->info.label, {}, 0});
    for (const auto& view : context_.history.segments()) {
      if (!replayed || view->last_lsn() <= state.full.account->consistent_at ||
          view->header().first_lsn > state.position)
        continue;
      const bool live = context_.history.is_live(*view);
      plan.steps.push_back({live ? RestoreStep::What::live_segment : RestoreStep::What::archived_segment,
                            {},
                            view->header().incarnation,
                            view->header().sequence});
    }
    for (const auto& [key, message] : recorded_.messages()) {
      ++plan.messages;
      if (message.content) plan.bytes += message.content->size;
    }
    if (plan.rolled_forward > 0)
      warn(base::cat(plan.rolled_forward, " transactions that nobody ended are rolled forward"));
  }

  [[nodiscard]] Status find_destination() {
    AccountPlan& plan = result_.plan;
    if (context_.request.prefix.empty()) return {};
    plan.into_address = context_.request.prefix + plan.address;
    if (!context_.into.sink) return {};
    if (context_.into.sink->find_account(plan.into_address).ok())
      return Status(Code::already_exists,
                    base::cat("there is an account ", base::escape(plan.into_address), " already"),
                    "choose another prefix, or remove that account first");
    Result<std::string> id = context_.into.sink->new_account_id(plan.into_address);
    if (!id.ok()) return id.status();
    plan.into_id = *std::move(id);
    Account account = recorded_.account().value_or(Account{});
    account.id = plan.into_id;
    account.address = plan.into_address;
    return recorded_.apply(AccountPut{std::move(account)});
  }

  [[nodiscard]] Status read_live() {
    if (!context_.into.source) return {};
    StateSink sink(live_);
    const Result<SnapshotInfo> info = context_.into.source->snapshot(result_.plan.into_id, sink);
    if (info.status().code() == Code::not_found) {
      live_ = {};
      result_.plan.creates_account = true;
      return {};
    }
    return info.status().with_context("cannot read the live account");
  }

  [[nodiscard]] Status decide_identity() {
    AccountPlan& plan = result_.plan;
    IdentitySituation situation;
    situation.new_account = !context_.request.prefix.empty();
    situation.live_is_empty = live_.messages().empty() && live_.folders().size() <= 1;
    situation.newest_position = context_.stop.newest && context_.log != nullptr;
    situation.live_values_known = context_.into.source != nullptr;
    const SinkTraits traits = context_.into.sink ? context_.into.sink->traits() : SinkTraits{};
    const Result<IdentityChoice> choice = choose_identity(context_.request.identity, situation, traits);
    if (!choice.ok()) return choice.status();
    plan.identity = choice->identity;
    plan.continuity = choice->continuity;
    plan.identity_reason = choice->reason;
    return {};
  }

  [[nodiscard]] FieldSet compared_fields() const {
    FieldSet fields = result_.state.full.account->fields;
    if (context_.into.source) fields = fields & context_.into.source->fields();
    if (context_.into.sink) fields = fields & context_.into.sink->traits().fields;
    if (result_.plan.identity == Identity::keep)
      fields = fields.without({Field::uid, Field::uidnext, Field::modseq});
    return fields;
  }

  [[nodiscard]] Status compare() {
    UsedBefore used{0, context_.made_at};
    if (result_.plan.identity == Identity::renew)
      used.uidvalidity = history::highest_logged_uidvalidity(context_.history, result_.state.full);
    const OwnAttributes own =
        context_.into.sink ? context_.into.sink->traits().own_attributes : OwnAttributes{};
    const MailboxState wanted = shape(recorded_, live_, result_.plan.identity, used, own);
    OpVector from;
    OpVector to;
    OpVector change;
    if (Status s = live_.write(from); !s.ok()) return s;
    if (Status s = wanted.write(to); !s.ok()) return s;
    Result<DifferenceSummary> summary = difference(*stream_of(from.operations), *stream_of(to.operations),
                                                   change, DifferenceOptions{compared_fields()});
    if (!summary.ok()) return summary.status();
    result_.plan.difference = *std::move(summary);
    for (Operation& expunge : dropped_by_name(live_, wanted)) change.operations.push_back(std::move(expunge));
    result_.operations = in_order(std::move(change.operations), live_, wanted);
    if (result_.plan.difference.host_operations_left > 0)
      warn(base::cat(result_.plan.difference.host_operations_left,
                     " operations of the host cannot be taken back"));
    return {};
  }

  void find_needed() {
    for (std::size_t i = 0; i < result_.operations.size(); ++i) {
      const Operation& operation = result_.operations[i];
      if (const auto* put = std::get_if<MessagePut>(&operation)) {
        for (std::size_t j = 0; j < put->messages.size(); ++j) {
          const Message& message = put->messages[j];
          const auto there = live_.messages().find({message.folder_id, message.id});
          if (there != live_.messages().end() && there->second.content == message.content) continue;
          need(message.content, i, j);
        }
      } else if (const auto* put_item = std::get_if<ItemPut>(&operation)) {
        need(put_item->item.content, i, 0);
      }
    }
  }

  void need(const std::optional<ContentRef>& content, std::size_t operation, std::size_t element) {
    if (!content) return;
    result_.plan.bytes_to_write += content->size;
    result_.needed.push_back({*content, operation, element});
  }

  [[nodiscard]] std::string name_of_object(const Need& need) const {
    const Operation& operation = result_.operations[need.operation];
    if (const auto* put = std::get_if<MessagePut>(&operation))
      return base::cat("message ", base::escape(put->messages[need.element].id));
    const Item& item = std::get<ItemPut>(operation).item;
    return base::cat(base::escape(item.kind), " ", base::escape(item.id));
  }

  [[nodiscard]] Status check_contents() {
    std::set<Digest> seen;
    std::uint64_t missing = 0;
    std::string example;
    for (const Need& need : result_.needed) {
      if (!seen.insert(need.content.digest).second) continue;
      const Result<bool> has = context_.contents->has(need.content);
      if (!has.ok()) return has.status();
      if (*has) continue;
      if (missing++ == 0) example = name_of_object(need);
    }
    if (missing == 0) return {};
    return Status(
        Code::damaged,
        base::cat("the content of ", missing, " objects is not in the backup, for example of ", example),
        "restante verify --read-data tells what is damaged");
  }

  void warn(std::string warning) { result_.plan.warnings.push_back(std::move(warning)); }

  const PlanContext& context_;
  ComputedAccount result_;
  MailboxState recorded_;
  MailboxState live_;
};

}  // namespace

ComputedAccount compute(const PlanContext& context, const TargetAccount& account, Purpose purpose) {
  return Planner(context, account).run(purpose);
}

Result<std::vector<Operation>> state_of(const PlanContext& context, const TargetAccount& account) {
  Planner planner(context, account);
  if (Status s = planner.find_state(); !s.ok()) return s;
  OpVector out;
  if (Status s = planner.recorded().write(out); !s.ok()) return s;
  return std::move(out.operations);
}

Digest digest_of(const std::vector<Operation>& operations) {
  crypto::Sha256 digest;
  Bytes bytes;
  for (const Operation& operation : operations) {
    bytes.clear();
    encode(operation, bytes);
    digest.update(bytes);
  }
  return digest.finish();
}

}  // namespace restante::restore

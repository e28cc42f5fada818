// Random histories through store, log, sessions and restores, against an oracle that only applies what the
// server really did. RESTANTE_TEST_SEED repeats a run.

#include <restante/restore_plan.hpp>
#include <restante/session.hpp>

#include <algorithm>
#include <utility>

#include "simulated_server.hpp"
#include "support/catch.hpp"
#include "target_options.hpp"

namespace restante::test {
namespace {

MailboxState state_from(OpStream& stream) {
  MailboxState state;
  Operation operation;
  for (;;) {
    const Result<bool> more = stream.next(operation);
    REQUIRE_OK(more);
    if (!*more) return state;
    REQUIRE_OK(state.apply(operation));
  }
}

// What a failed comparison needs to be understood.
std::string difference_of(const MailboxState& expected, const MailboxState& found) {
  OpVector from;
  OpVector to;
  OpVector out;
  REQUIRE_OK(expected.write(from));
  REQUIRE_OK(found.write(to));
  const auto summary = difference(*stream_of(from.operations), *stream_of(to.operations), out);
  std::string text = summary.ok() ? "from the expected to the found state:\n" : summary.status().to_string();
  for (std::size_t i = 0; i < std::min<std::size_t>(out.operations.size(), 12); ++i)
    text += "  " + describe(out.operations[i]) + "\n";
  return text;
}

void require_same(const MailboxState& expected, const MailboxState& found) {
  if (expected == found) {
    SUCCEED();
    return;
  }
  FAIL(difference_of(expected, found));
}

class World {
 public:
  World(Random& random, bool in_memory) : random_(random) {
    RedoLog::Options log_options;
    log_options.create = true;
    log_options.segment_bytes = 64 << 10;
    log_options.piece_bytes = 4 << 10;
    log_options.clock = &clock_;
    Result<RedoLog> log = RedoLog::open(scratch_.file("redo"), log_options);
    REQUIRE_OK(log);
    log_.emplace(*std::move(log));
    const auto options = target_options<BackupTarget::CreateOptions>(scratch_, "state", clock_);
    std::unique_ptr<Storage> storage;
    if (in_memory) {
      storage = make_memory_storage();
    } else {
      Result<std::unique_ptr<Storage>> local = open_local_storage(scratch_.file("target"), {.create = true});
      REQUIRE_OK(local);
      storage = *std::move(local);
    }
    Result<BackupTarget> target = BackupTarget::create(std::move(storage), options);
    REQUIRE_OK(target);
    target_.emplace(*std::move(target));
    server_.emplace(random, *log_, clock_);
  }

  SimulatedServer& server() { return *server_; }
  RedoLog& log() { return *log_; }
  BackupTarget& target() { return *target_; }
  const SteppingClock& clock() const { return clock_; }

  SessionInfo back_up(Session::Kind kind) {
    Session::Options options;
    options.kind = kind;
    options.source = &server_->host;
    options.log = &*log_;
    options.server_name = "sim";
    options.keep_segments_for = std::chrono::seconds(random_.one_in(2) ? 0 : 3600);
    Result<Session> session = Session::begin(*target_, options);
    REQUIRE_OK(session);
    Result<SessionInfo> info = session->run();
    REQUIRE_OK(info);
    for (const SessionAccount& account : info->accounts) {
      INFO(account.id << ": " << account.error);
      REQUIRE(account.status == AccountStatus::completed);
    }
    REQUIRE(info->status == SessionStatus::completed);
    return *info;
  }

  RestorePlan plan(const RestoreRequest& request, const RestoreInto& into = {}) {
    Result<RestorePlan> plan = RestorePlan::make({*target_}, &*log_, request, into);
    REQUIRE_OK(plan);
    return *std::move(plan);
  }

  // Makes a plan for the live store and does it; the server rests, as accounts do that are being restored.
  Result<RestoreReport> restore(const RestoreRequest& request) {
    const auto interleave = std::exchange(server_->host.interleave, nullptr);
    RestorePlan made = plan(request, {&server_->host, &server_->host});
    Result<RestoreReport> report = made.execute();
    server_->host.interleave = interleave;
    return report;
  }

  // The state that a plan computes is the one that the server had at the plan's position.
  void check_plan(const RestoreRequest& request) {
    const RestorePlan made = plan(request);
    for (const AccountPlan& account : made.accounts()) {
      REQUIRE_OK(account.failure);
      INFO("account " << account.account_id << " at LSN " << account.position.lsn);
      Result<std::unique_ptr<OpStream>> state = made.state(account.account_id);
      REQUIRE_OK(state);
      const MailboxState found = state_from(**state);
      require_same(server_->state_at(account.account_id, account.position.lsn), found);
      check_content(made, found);
    }
  }

  static void check_content(const RestorePlan& plan, const MailboxState& state) {
    for (const auto& [key, message] : state.messages()) {
      REQUIRE(message.content);
      Result<std::unique_ptr<ContentReader>> reader = plan.content().open(*message.content);
      REQUIRE_OK(reader);
      const Result<Bytes> bytes = read_all(**reader);
      REQUIRE_OK(bytes);
      REQUIRE(content_ref_of(*bytes) == *message.content);
    }
  }

  // A stop at or behind what every account can be restored to.
  Lsn random_stop(Lsn first_restorable) {
    const Lsn end = log_->end();
    return random_.between(std::min(first_restorable, end), end);
  }

 private:
  Random& random_;
  SteppingClock clock_;
  ScratchDir scratch_;
  std::optional<RedoLog> log_;
  std::optional<BackupTarget> target_;
  std::optional<SimulatedServer> server_;
};

Lsn restorable_from(const SessionInfo& full) {
  Lsn lsn = 0;
  for (const SessionAccount& account : full.accounts) lsn = std::max(lsn, account.consistent_at);
  return lsn;
}

void run_history(const std::string& name, bool in_memory) {
  Random random(name);
  World world(random, in_memory);
  SimulatedServer& server = world.server();
  const int rounds = long_tests() ? 200 : 12;
  for (int i = 0; i < 100; ++i) server.step();
  const Lsn first = restorable_from(world.back_up(Session::Kind::full));
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 200; ++i) server.step();
    if (random.one_in(2)) world.back_up(random.one_in(4) ? Session::Kind::full : Session::Kind::incremental);
    server.settle();

    RestoreRequest at_lsn;
    at_lsn.stop.lsn = world.random_stop(first);
    world.check_plan(at_lsn);

    const auto begin = std::find_if(server.history.begin(), server.history.end(),
                                    [&](const auto& event) { return event.lsn >= first; });
    if (begin != server.history.end()) {
      const auto chosen = begin + static_cast<std::ptrdiff_t>(
                                      random.below(static_cast<std::uint64_t>(server.history.end() - begin)));
      RestoreRequest at_time;
      at_time.stop.time = chosen->time;
      const RestorePlan plan = world.plan(at_time);
      for (const AccountPlan& account : plan.accounts()) {
        REQUIRE_OK(account.failure);
        const Result<std::unique_ptr<OpStream>> state = plan.state(account.account_id);
        REQUIRE_OK(state);
        INFO("account " << account.account_id << " at " << chosen->time.to_string());
        require_same(server.state_at(account.account_id, chosen->lsn), state_from(**state));
      }
    }
    world.check_plan({});
  }
  REQUIRE(server.history.size() > static_cast<std::size_t>(rounds) * 50);
  REQUIRE(server.aborted > 0);
}

}  // namespace

TEST_CASE("R1: states at random stops equal the oracle, on a local directory", "[property]") {
  run_history("history on a local directory", false);
}

TEST_CASE("R1: states at random stops equal the oracle, on the strict in-memory driver", "[property]") {
  run_history("history in memory", true);
}

TEST_CASE("R4: restores in place, again and again, are undone and leave the others alone", "[property]") {
  Random random("restores in place");
  World world(random, true);
  SimulatedServer& server = world.server();
  for (int i = 0; i < 100; ++i) server.step();
  const Lsn first = restorable_from(world.back_up(Session::Kind::full));
  for (int round = 0; round < (long_tests() ? 150 : 15); ++round) {
    for (int i = 0; i < 60; ++i) server.step();
    if (random.one_in(3)) world.back_up(Session::Kind::incremental);
    server.settle();
    const std::string account = random.pick(server.account_ids());
    const std::map<std::string, MailboxState, std::less<>> before = server.host.mailboxes;
    const Lsn logged_before = world.log().end();

    RestoreRequest request;
    request.accounts = {account};
    request.stop.lsn = world.random_stop(first);
    INFO("restore of " << account << " to LSN " << *request.stop.lsn);
    const Result<RestoreReport> report = world.restore(request);
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    REQUIRE(report->accounts.front().refused.empty());
    server.adopt_from_log(account, logged_before);

    // The log says exactly what the store is now; the others were not touched.
    for (const std::string& id : server.account_ids()) {
      INFO("account " << id);
      require_same(server.state_at(id, world.log().end()), server.host.mailboxes.at(id));
      if (id != account) require_same(before.at(id), server.host.mailboxes.at(id));
    }
    // And it is the wanted state, UIDs and counters apart (keep).
    OpVector wanted;
    OpVector found;
    OpVector change;
    REQUIRE_OK(server.state_at(account, *request.stop.lsn).write(wanted));
    REQUIRE_OK(server.host.mailboxes.at(account).write(found));
    DifferenceOptions options;
    options.fields = FieldSet::all().without({Field::uid, Field::uidnext, Field::modseq});
    Result<DifferenceSummary> left =
        difference(*stream_of(found.operations), *stream_of(wanted.operations), change, options);
    REQUIRE_OK(left);
    REQUIRE(left->messages.none());
    REQUIRE(left->items.none());
    REQUIRE(left->folders.empty());
    if (!random.one_in(2)) continue;

    // Undone: back to the position before it.
    RestoreRequest undo;
    undo.accounts = {account};
    undo.stop.lsn = logged_before;
    const Lsn before_undo = world.log().end();
    const Result<RestoreReport> undone = world.restore(undo);
    REQUIRE_OK(undone);
    REQUIRE_OK(undone->status);
    server.adopt_from_log(account, before_undo);
    require_same(server.state_at(account, world.log().end()), server.host.mailboxes.at(account));
  }
}

TEST_CASE("R3: a UID never names another message than before", "[property]") {
  Random random("uids are never reused");
  World world(random, true);
  SimulatedServer& server = world.server();
  for (int i = 0; i < 80; ++i) server.step();
  const Lsn first = restorable_from(world.back_up(Session::Kind::full));
  // (folder, UIDVALIDITY, UID) -> content, over all that a client could ever have seen.
  std::map<std::tuple<std::string, std::string, std::uint32_t, std::uint32_t>, Digest> seen;
  const auto look = [&] {
    for (const auto& [id, mailbox] : server.host.mailboxes) {
      for (const auto& [key, message] : mailbox.messages()) {
        const auto name = std::tuple(id, message.folder_id, message.uidvalidity, message.uid);
        const auto [entry, is_new] = seen.emplace(name, message.content->digest);
        INFO(id << " " << message.folder_id << " uidvalidity " << message.uidvalidity << " uid "
                << message.uid);
        REQUIRE(entry->second == message.content->digest);
      }
    }
  };
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 40; ++i) {
      server.step();
      if (!random.one_in(4)) continue;
      server.settle();  // clients see what is committed
      look();
    }
    server.settle();
    look();
    RestoreRequest request;
    request.accounts = {random.pick(server.account_ids())};
    request.stop.lsn = world.random_stop(first);
    if (random.one_in(3)) request.identity = Identity::renew;
    const Lsn before = world.log().end();
    REQUIRE_OK(world.restore(request));
    server.adopt_from_log(request.accounts.front(), before);
    look();
  }
}

}  // namespace restante::test

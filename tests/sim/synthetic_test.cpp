// Synthetic fulls and auto-grouped sessions.

#include <algorithm>

#include "fixture.hpp"

namespace restante::test {
namespace {

std::vector<std::string> keys_below(Storage& storage, std::string_view prefix) {
  std::vector<std::string> keys;
  REQUIRE_OK(storage.list(prefix, [&](const ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  }));
  return keys;
}

Bytes snapshots_of(MemoryStorage& storage, const std::string& label) {
  Bytes all;
  for (const std::string& key : keys_below(storage, "sessions/" + label + "/snapshots/")) {
    const Result<Bytes> bytes = storage.get(key);
    REQUIRE_OK(bytes);
    all.insert(all.end(), bytes->begin(), bytes->end());
  }
  REQUIRE(!all.empty());
  return all;
}

void remove_session(MemoryStorage& storage, const std::string& label) {
  const std::vector<std::string> keys = keys_below(storage, "sessions/" + label + "/");
  REQUIRE(!keys.empty());
  for (const std::string& key : keys) REQUIRE_OK(storage.remove(key));
}

MailboxState state_of(const RestorePlan& plan, const std::string& account) {
  const Result<std::unique_ptr<OpStream>> stream = plan.state(account);
  REQUIRE_OK(stream);
  MailboxState state;
  Operation operation;
  for (;;) {
    const Result<bool> more = (*stream)->next(operation);
    REQUIRE_OK(more);
    if (!*more) return state;
    REQUIRE_OK(state.apply(operation));
  }
}

// Counts what a session asks of it.
class CountingSource final : public MailSource {
 public:
  explicit CountingSource(MailSource& source) : source_(source) {}
  [[nodiscard]] FieldSet fields() const override { return source_.fields() & keeps; }
  [[nodiscard]] Status list_accounts(const AccountFunction& each) override {
    return source_.list_accounts(each);
  }
  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view id, OpSink& out) override {
    ++snapshots;
    return source_.snapshot(id, out);
  }
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view id,
                                                                    const ContentPlace& place) override {
    ++contents;
    return source_.open_content(id, place);
  }
  [[nodiscard]] Status barrier(std::string_view id) override {
    ++barriers;
    return source_.barrier(id);
  }

  FieldSet keeps = FieldSet::all();
  int snapshots = 0;
  int contents = 0;
  int barriers = 0;

 private:
  MailSource& source_;
};

class Warnings final : public Observer {
 public:
  void log(Level, std::string_view message) override { all += std::string(message) + "\n"; }
  std::string all;
};

std::string fulls_of(const SessionInfo& info) {
  std::string ids;
  for (const SessionAccount& account : info.accounts)
    if (account.full) ids += (ids.empty() ? "" : " ") + account.id;
  return ids;
}

// A random history with many synthetic fulls; `what_else` is done after each.
class SyntheticWorld {
 public:
  explicit SyntheticWorld(const std::string& name) : random_(name) {
    RedoLog::Options log_options;
    log_options.create = true;
    log_options.segment_bytes = 64 << 10;
    log_options.piece_bytes = 4 << 10;
    log_options.clock = &clock_;
    Result<RedoLog> opened = RedoLog::open(scratch_.file("redo"), log_options);
    REQUIRE_OK(opened);
    log.emplace(*std::move(opened));
    auto storage = make_memory_storage();
    memory = storage->share();
    const auto options = target_options<BackupTarget::CreateOptions>(scratch_, "state", clock_);
    Result<BackupTarget> made = BackupTarget::create(std::move(storage), options);
    REQUIRE_OK(made);
    target.emplace(*std::move(made));
    server.emplace(random_, *log, clock_);
  }

  [[nodiscard]] SessionInfo back_up(Session::Kind kind, MailSource* source, Executor* workers = nullptr) {
    Session::Options options;
    options.kind = kind;
    options.source = source;
    options.log = &*log;
    options.workers = workers;
    options.keep_segments_for = std::chrono::seconds(0);
    Result<Session> session = Session::begin(*target, options);
    REQUIRE_OK(session);
    Result<SessionInfo> info = session->run();
    REQUIRE_OK(info);
    for (const SessionAccount& account : info->accounts) {
      INFO(account.id << ": " << account.error);
      REQUIRE(account.status == AccountStatus::completed);
    }
    return *info;
  }

  [[nodiscard]] StateDigest digest_of_oracle(const std::string& account, Lsn lsn) {
    OpVector operations;
    REQUIRE_OK(server->state_at(account, lsn).write(operations));
    const Result<StateDigest> digest = digest_of(*stream_of(operations.operations), target->digest_key());
    REQUIRE_OK(digest);
    return *digest;
  }

  void check_restores(Lsn until) {
    RestoreRequest request;
    request.stop.lsn = until;
    const Result<RestorePlan> plan = RestorePlan::make({*target}, &*log, request, {});
    REQUIRE_OK(plan);
    for (const AccountPlan& account : plan->accounts()) {
      INFO("account " << account.account_id << " at LSN " << until);
      REQUIRE_OK(account.failure);
      REQUIRE(state_of(*plan, account.account_id) == server->state_at(account.account_id, until));
    }
  }

 private:
  Random random_;
  SteppingClock clock_;
  ScratchDir scratch_;

 public:
  std::optional<RedoLog> log;
  std::unique_ptr<MemoryStorage> memory;
  std::optional<BackupTarget> target;
  std::optional<SimulatedServer> server;
};

}  // namespace

TEST_CASE(
    "R1: a synthetic full is the oracle's state while transactions are open, and all that restores need",
    "[property]") {
  SyntheticWorld world("synthetic fulls");
  SimulatedServer& server = *world.server;
  const auto workers = make_thread_pool(2);
  for (int i = 0; i < 100; ++i) server.step();
  std::string older = world.back_up(Session::Kind::full, &server.host).label;
  int open_at_stop = 0;
  for (int round = 0; round < (long_tests() ? 150 : 12); ++round) {
    for (int i = 0; i < 120; ++i) server.step();
    // In most rounds some transactions are open now.
    const SessionInfo info =
        world.back_up(Session::Kind::synthetic, nullptr, round % 2 == 0 ? nullptr : workers.get());
    REQUIRE(info.status == SessionStatus::completed);
    REQUIRE(info.label.starts_with("full-"));
    REQUIRE(fulls_of(info) == [&] {
      std::vector<std::string> ids = server.account_ids();
      std::sort(ids.begin(), ids.end());
      std::string all;
      for (const std::string& id : ids) all += (all.empty() ? "" : " ") + id;
      return all;
    }());
    for (const SessionAccount& account : info.accounts) {
      INFO("account " << account.id << " at LSN " << account.consistent_at);
      REQUIRE(account.digest == world.digest_of_oracle(account.id, account.consistent_at));
      REQUIRE(account.snapshot_at == account.consistent_at);
      REQUIRE(account.redo_start <= account.consistent_at + 1);
      if (account.redo_start <= account.consistent_at) ++open_at_stop;
    }
    // The older full is not needed any more, also for what ends later.
    remove_session(*world.memory, older);
    older = info.label;
    for (int i = 0; i < 40; ++i) server.step();
    server.settle();
    world.check_restores(world.log->end());
    world.check_restores(info.accounts.front().consistent_at);
  }
  REQUIRE(open_at_stop > 0);
}

TEST_CASE("a synthetic full equals a real one at the same state, byte for byte", "[property]") {
  SyntheticWorld world("synthetic beside real");
  SimulatedServer& server = *world.server;
  for (int i = 0; i < 100; ++i) server.step();
  static_cast<void>(world.back_up(Session::Kind::full, &server.host));
  for (int round = 0; round < (long_tests() ? 60 : 6); ++round) {
    for (int i = 0; i < 250; ++i) server.step();
    server.settle();
    const auto interleave = std::exchange(server.host.interleave, nullptr);
    const SessionInfo folded = world.back_up(Session::Kind::synthetic, &server.host);
    const SessionInfo read = world.back_up(Session::Kind::full, &server.host);
    server.host.interleave = interleave;
    REQUIRE(folded.accounts.size() == read.accounts.size());
    for (std::size_t i = 0; i < read.accounts.size(); ++i) {
      INFO("account " << read.accounts[i].id);
      REQUIRE(folded.accounts[i].id == read.accounts[i].id);
      REQUIRE(folded.accounts[i].address == read.accounts[i].address);
      REQUIRE(folded.accounts[i].fields == read.accounts[i].fields);
      REQUIRE(folded.accounts[i].digest == read.accounts[i].digest);
      REQUIRE(folded.accounts[i].messages == read.accounts[i].messages);
      REQUIRE(folded.accounts[i].bytes == read.accounts[i].bytes);
    }
    if (runs_encrypted()) continue;  // each is sealed with keys of its own
    const bool same = snapshots_of(*world.memory, folded.label) == snapshots_of(*world.memory, read.label);
    REQUIRE(same);
    const bool same_ids = world.memory->get("sessions/" + folded.label + "/content.ids").value() ==
                          world.memory->get("sessions/" + read.label + "/content.ids").value();
    REQUIRE(same_ids);
  }
  const Result<TargetVerification> verified = world.target->verify({});
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.empty());
}

TEST_CASE("a synthetic full asks the store for nothing but its list of accounts and the server's data") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.deliver("alice", "one");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "two");
  CountingSource source(f.host);
  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = &source;
  const SessionInfo info = f.back_up(options);
  REQUIRE(fulls_of(info) == "alice bob");
  REQUIRE(info.find("alice")->messages == 2);
  REQUIRE(source.snapshots == 0);
  REQUIRE(source.contents == 0);
  REQUIRE(source.barriers == 0);
}

TEST_CASE("R1: what was open in front of a synthetic full and commits behind it is replayed over it") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  const SessionInfo full = f.back_up(Session::Kind::full);
  const Message message = f.deliver("alice", "one");
  Result<Transaction> open =
      f.log->begin("alice", std::vector<Operation>{MessageExpunge{"inbox", 7, {{message.uid}, {}}, {}}});
  REQUIRE_OK(open);
  const Lsn begun = f.log->end();
  const SessionInfo info = f.back_up(Session::Kind::synthetic);
  REQUIRE(info.find("alice")->redo_start == begun);
  REQUIRE(info.find("alice")->consistent_at >= begun);
  REQUIRE(info.find("bob")->redo_start == info.find("bob")->consistent_at + 1);
  REQUIRE(info.find("alice")->messages == 1);
  REQUIRE_OK(open->commit());
  remove_session(*f.memory, full.label);
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  REQUIRE(state_of(*plan, "alice").messages().empty());
}

TEST_CASE(
    "an account without a full gets a real one in a synthetic session, or is an error without a store") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  f.create_account("carol");
  f.deliver("carol", "hello");
  Session::Options without = f.session_options(Session::Kind::synthetic);
  without.source = nullptr;
  without.accounts = {"carol"};
  const Result<Session> none = Session::begin(*f.target, without);
  REQUIRE(none.status().code() == Code::not_found);
  REQUIRE(none.status().message().find("carol") != std::string::npos);
  without.accounts = {};
  const SessionInfo partial = f.back_up(without);
  REQUIRE(partial.status == SessionStatus::partial);
  REQUIRE(fulls_of(partial) == "alice");
  REQUIRE(partial.find("carol")->status == AccountStatus::error);
  REQUIRE(partial.find("carol")->error.find("no full") != std::string::npos);
  REQUIRE_FALSE(partial.find("carol")->deleted);

  const SessionInfo info = f.back_up(Session::Kind::synthetic);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(fulls_of(info) == "alice carol");
  REQUIRE(info.find("carol")->messages == 1);
}

TEST_CASE("a synthetic session lists who was deleted since the last one, and after that no more") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.back_up(Session::Kind::full);
  f.append("bob", {AccountDelete{"bob"}});
  f.host.mailboxes.erase("bob");
  for (MailSource* source : {static_cast<MailSource*>(nullptr), static_cast<MailSource*>(&f.host)}) {
    Session::Options options = f.session_options(Session::Kind::synthetic);
    options.source = source;
    const SessionInfo info = f.back_up(options);
    REQUIRE(info.status == SessionStatus::completed);
    REQUIRE(fulls_of(info) == "alice");
    if (source == nullptr) {
      REQUIRE(info.find("bob") != nullptr);
      REQUIRE(info.find("bob")->deleted);
    } else {
      REQUIRE(info.find("bob") == nullptr);
    }
  }
}

TEST_CASE("an account that was deleted and made again is what it is now in a synthetic full") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "old");
  f.back_up(Session::Kind::full);
  f.append("alice", {AccountDelete{"alice"}});
  f.create_account("alice");
  f.deliver("alice", "new");
  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = nullptr;
  const SessionInfo info = f.back_up(options);
  REQUIRE(info.find("alice")->messages == 1);
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  REQUIRE(state_of(*plan, "alice").messages().contains({"inbox", "m-new"}));
}

namespace {

// Archives what `change` does, and loses the segment that holds it.
template <class Change>
void lose_segment_of(Fixture& f, Change&& change) {
  change();
  const SessionInfo info = f.back_up(Session::Kind::incremental);
  const std::string key = keys_below(*f.memory, "redologs/").at(info.first_sequence - 1);
  REQUIRE_OK(f.memory->remove(key));
}

}  // namespace

TEST_CASE(
    "where the log has a hole behind its full, an account is read from the store or named as an error") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.back_up(Session::Kind::full);
  lose_segment_of(f, [&] { f.deliver("alice", "in the hole"); });
  f.deliver("alice", "behind it");

  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = nullptr;
  const SessionInfo without = f.back_up(options);
  REQUIRE(without.status == SessionStatus::failed);
  REQUIRE(without.find("alice")->status == AccountStatus::error);
  INFO(without.find("alice")->error);
  REQUIRE(without.find("alice")->error.find("missing") != std::string::npos);

  Warnings warnings;
  options.source = &f.host;
  options.observer = &warnings;
  const SessionInfo with = f.back_up(options);
  REQUIRE(with.status == SessionStatus::completed);
  REQUIRE(fulls_of(with) == "alice bob");
  REQUIRE(with.find("alice")->messages == 2);
  REQUIRE(warnings.all.find("account alice is read from the store") != std::string::npos);
}

TEST_CASE("a synthetic full does not name content that the target has lost") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.deliver("alice", "one");
  f.back_up(Session::Kind::full);
  const std::vector<std::string> packs = keys_below(*f.memory, "content/packs/");
  REQUIRE(!packs.empty());
  for (const std::string& key : packs) REQUIRE_OK(f.memory->remove(key));
  REQUIRE_OK(f.target->rebuild());

  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = nullptr;
  const SessionInfo without = f.back_up(options);
  REQUIRE(without.status == SessionStatus::partial);
  REQUIRE(without.find("alice")->status == AccountStatus::error);
  REQUIRE(without.find("alice")->error.find("content of message m-one is not in the target") !=
          std::string::npos);
  REQUIRE(fulls_of(without) == "bob");

  const SessionInfo with = f.back_up(Session::Kind::synthetic);
  REQUIRE(fulls_of(with) == "alice bob");
  REQUIRE(f.target->verify({.label = with.label, .read_data = true, .cancel = {}, .progress = {}})
              .value()
              .damages.empty());
}

TEST_CASE("a store that keeps other fields than before is read, not folded") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "one");
  f.back_up(Session::Kind::full);
  CountingSource source(f.host);
  source.keeps = FieldSet::all().without({Field::modseq});
  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = &source;
  const SessionInfo info = f.back_up(options);
  REQUIRE(source.snapshots == 1);
  REQUIRE(info.find("alice")->fields == source.keeps);
}

TEST_CASE("R17: an account of which a host did what names no item is read, not folded") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  HostOp operation;
  operation.host = "example";
  operation.name = "reindex";
  f.append("alice", {operation});
  CountingSource source(f.host);
  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = &source;
  REQUIRE(fulls_of(f.back_up(options)) == "alice");
  REQUIRE(source.snapshots == 1);
}

TEST_CASE("a synthetic session that is aborted publishes what is finished") {
  Fixture f;
  for (const char* id : {"alice", "bob", "carol"}) f.create_account(id);
  f.back_up(Session::Kind::full);
  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = nullptr;
  std::optional<Session> session;
  options.progress = [&](const Progress& progress) {
    if (progress.account_id == "bob") session->abort();
  };
  Result<Session> begun = Session::begin(*f.target, options);
  REQUIRE_OK(begun);
  session.emplace(*std::move(begun));
  const Result<SessionInfo> info = session->run();
  REQUIRE_OK(info);
  REQUIRE(info->status == SessionStatus::partial);
  REQUIRE(fulls_of(*info) == "alice");
  REQUIRE_OK(f.plan(Fixture::request_for("alice")));
}

TEST_CASE("R18: a synthetic session waits its turn behind another of the same accounts") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  Session::Options options = f.session_options(Session::Kind::synthetic);
  options.source = nullptr;
  const Result<Session> first = Session::begin(*f.target, options);
  REQUIRE_OK(first);
  REQUIRE(Session::begin(*f.target, options).status().code() == Code::busy);
}

TEST_CASE(
    "auto-grouped sessions: all at first, then new accounts and the oldest, with the log of the others") {
  Fixture f;
  const std::vector<std::string> ids = {"a", "b", "c", "d", "e", "f"};
  for (const std::string& id : ids) f.create_account(id);
  Session::Options options = f.session_options(Session::Kind::auto_grouped);
  options.groups = 3;
  const SessionInfo first = f.back_up(options);
  REQUIRE(first.label.starts_with("full-"));
  REQUIRE(first.type == SessionType::full);
  REQUIRE(fulls_of(first) == "a b c d e f");
  f.clock.jump(86'400'000'000);
  f.deliver("f", "between");
  f.create_account("g");
  // Of 7 in 3 groups 3: the new one and the two first of the oldest.
  const SessionInfo second = f.back_up(options);
  REQUIRE(second.status == SessionStatus::completed);
  REQUIRE(fulls_of(second) == "a b g");
  REQUIRE(second.find("f") != nullptr);
  REQUIRE_FALSE(second.find("f")->full);
  REQUIRE(second.find("e") == nullptr);  // nothing happened to it
  f.clock.jump(86'400'000'000);
  REQUIRE(fulls_of(f.back_up(options)) == "c d e");
  f.clock.jump(86'400'000'000);
  // f is due: its full is three intervals old.
  REQUIRE(fulls_of(f.back_up(options)) == "a b f");

  // The log of the others is in the target.
  RestoreRequest request = Fixture::request_for("f");
  request.stop.backup_only = true;
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE(state_of(*plan, "f").messages().size() == 1);
}

TEST_CASE("an auto-grouped session makes fulls where the log has a hole, and one group is everybody") {
  Fixture f;
  for (const char* id : {"a", "b", "c", "d"}) f.create_account(id);
  Session::Options options = f.session_options(Session::Kind::auto_grouped);
  f.back_up(options);
  lose_segment_of(f, [&] { f.deliver("a", "in the hole"); });
  REQUIRE(fulls_of(f.back_up(options)) == "a b c d");
  REQUIRE(fulls_of(f.back_up(options)) == "a");
  options.groups = 1;
  REQUIRE(fulls_of(f.back_up(options)) == "a b c d");
}

TEST_CASE("an auto-grouped session refuses named accounts, no groups and no log") {
  Fixture f;
  f.create_account("alice");
  Session::Options options = f.session_options(Session::Kind::auto_grouped);
  options.accounts = {"alice"};
  REQUIRE(Session::begin(*f.target, options).status().code() == Code::invalid_argument);
  options.accounts = {};
  options.groups = 0;
  REQUIRE(Session::begin(*f.target, options).status().code() == Code::invalid_argument);
  options.groups = 7;
  options.log = nullptr;
  REQUIRE(Session::begin(*f.target, options).status().message() ==
          "an auto-grouped session needs a redo log");
  options.kind = Session::Kind::synthetic;
  REQUIRE(Session::begin(*f.target, options).status().message() == "a synthetic session needs a redo log");
}

}  // namespace restante::test

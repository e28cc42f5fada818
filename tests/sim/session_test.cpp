#include <atomic>
#include <thread>

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

}  // namespace

TEST_CASE("a full session is published with its accounts, label and proof") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.deliver("alice", "one");
  f.deliver("bob", "two");
  const SessionInfo info = f.back_up(Session::Kind::full);
  REQUIRE(info.label.starts_with("full-2023"));
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(info.accounts.size() == 2);
  REQUIRE(info.accounts[0].messages == 1);
  REQUIRE(info.accounts[0].full);
  REQUIRE(info.position.lsn >= info.accounts[0].consistent_at);

  const Result<std::vector<TargetAccount>> accounts = f.target->accounts();
  REQUIRE_OK(accounts);
  REQUIRE(accounts->size() == 2);
  REQUIRE((*accounts)[0].full_label == info.label);
  REQUIRE(keys_below(*f.memory, "sessions_tmp/").empty());
  const Result<TargetVerification> verified =
      f.target->verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
  REQUIRE_OK(verified);
  for (const TargetDamage& damage : verified->damages) FAIL(damage.key << ": " << damage.what);
  REQUIRE(verified->accounts == 2);
  REQUIRE(verified->contents >= 2);

  // The proof is that of the live mailbox at that position.
  OpVector live;
  REQUIRE_OK(f.host.mailboxes.at("alice").write(live));
  const Result<StateDigest> digest = digest_of(*stream_of(live.operations), f.target->digest_key());
  REQUIRE_OK(digest);
  REQUIRE(*digest == info.accounts[0].digest);
}

TEST_CASE("an incremental gives an account without a full a full, and lists only what it touched (R13)") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  f.back_up(Session::Kind::full);
  f.create_account("carol");
  f.deliver("carol", "hello");
  f.deliver("alice", "news");
  const SessionInfo info = f.back_up(Session::Kind::incremental);
  REQUIRE(info.label.starts_with("incr-"));
  REQUIRE(info.find("carol") != nullptr);
  REQUIRE(info.find("carol")->full);
  REQUIRE(info.find("alice") != nullptr);
  REQUIRE_FALSE(info.find("alice")->full);
  REQUIRE(info.find("bob") == nullptr);
  REQUIRE(info.first_sequence > 0);
  REQUIRE(info.last_sequence >= info.first_sequence);
  REQUIRE(f.target->find_account("carol@example.com")->full_label == info.label);
}

TEST_CASE("an account that fails is an error of its own and the others go on") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  const Message lost = f.deliver("bob", "lost");
  f.host.contents.erase(lost.content->digest);
  // Nor does the log have it: a message whose file vanished behind everybody's back.
  Session::Options options = f.session_options(Session::Kind::full);
  options.log = nullptr;
  const SessionInfo info = f.back_up(options);
  REQUIRE(info.status == SessionStatus::partial);
  REQUIRE(info.find("alice")->status == AccountStatus::completed);
  REQUIRE(info.find("bob")->status == AccountStatus::error);
  REQUIRE(info.find("bob")->error.find("m-lost") != std::string::npos);
  REQUIRE(f.target->accounts()->size() == 1);
}

TEST_CASE("R1: content that vanished is no error if its expunge is logged by then, and one if it is not") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "stays");
  const Message goes = f.deliver("alice", "goes");
  bool done = false;
  f.host.interleave = [&](std::string_view) {
    // Between the listing and the reading of content.
    if (done || f.host.mailboxes.at("alice").messages().size() != 2) return;
    done = true;
    f.expunge("alice", goes);
    f.host.contents.erase(goes.content->digest);
  };
  const SessionInfo info = f.back_up(Session::Kind::full);
  REQUIRE(done);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(info.find("alice")->messages == 1);
}

TEST_CASE("R1: transactions that do not end in time make the account an error, not a guess") {
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  Result<Transaction> open = f.log->begin("alice", std::vector<Operation>{FolderDelete{"nothing"}});
  REQUIRE_OK(open);
  Session::Options options = f.session_options(Session::Kind::full);
  options.settle_deadline = std::chrono::milliseconds(50);
  const SessionInfo info = f.back_up(options);
  REQUIRE(info.status == SessionStatus::partial);
  REQUIRE(info.find("alice")->status == AccountStatus::error);
  REQUIRE(info.find("bob")->status == AccountStatus::completed);
  REQUIRE_OK(open->abort());
}

TEST_CASE("R1: an account is read again when a transaction was aborted meanwhile") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "real");
  int rounds = 0;
  std::optional<Transaction> transaction;
  f.host.interleave = [&](std::string_view) {
    if (++rounds != 2) return;
    // The host performs a change, the snapshot sees it, the host takes it back.
    Message ghost;
    ghost.id = "ghost";
    ghost.folder_id = "inbox";
    ghost.uidvalidity = 7;
    ghost.content = f.host.keep(Bytes{'g'});
    const std::vector<Operation> operations{MessagePut{{ghost}}};
    transaction.emplace(*f.log->begin("alice", operations));
    REQUIRE_OK(f.host.mailboxes.at("alice").apply(operations[0]));
    f.host.on_barrier = [&](std::string_view) {
      if (!transaction) return;
      REQUIRE_OK(f.host.mailboxes.at("alice").apply(MessageExpunge{"inbox", 7, {{}, {"ghost"}}, {}}));
      REQUIRE_OK(transaction->abort());
      transaction.reset();
    };
  };
  const SessionInfo info = f.back_up(Session::Kind::full);
  REQUIRE(info.status == SessionStatus::completed);
  REQUIRE(info.find("alice")->messages == 1);
}

TEST_CASE("abort ends a session as partially successful, and its finished accounts are usable") {
  Fixture f;
  for (const char* name : {"alice", "bob", "carol"}) {
    f.create_account(name);
    f.deliver(name, std::string("mail of ") + name);
  }
  Session::Options options = f.session_options(Session::Kind::full);
  Session* running = nullptr;
  options.progress = [&](const Progress& progress) {
    if (progress.accounts_done == 1) running->abort();
  };
  Result<Session> session = Session::begin(*f.target, options);
  REQUIRE_OK(session);
  running = &*session;
  const Result<SessionInfo> info = session->run();
  REQUIRE_OK(info);
  REQUIRE(info->status == SessionStatus::partial);
  REQUIRE(info->find("alice")->status == AccountStatus::completed);
  REQUIRE(info->find("bob")->status != AccountStatus::completed);
  REQUIRE(info->find("carol")->status == AccountStatus::not_started);
  REQUIRE(f.target->session(info->label)->status == SessionStatus::partial);

  f.expunge("alice", f.host.mailboxes.at("alice").messages().begin()->second);
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  REQUIRE(f.restore(request).status.ok());
  REQUIRE(f.texts("alice") == "mail of alice");
}

TEST_CASE("a session runs in the background and can be aborted by label from elsewhere (R18)") {
  Fixture f;
  for (const char* name : {"alice", "bob"}) f.create_account(name);
  std::atomic<bool> reached{false};
  std::atomic<bool> go_on{false};
  f.host.interleave = [&](std::string_view account) {
    if (account != "alice") return;
    reached = true;
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  Result<Session> session = Session::begin(*f.target, f.session_options(Session::Kind::full));
  REQUIRE_OK(session);
  const std::unique_ptr<Executor> pool = make_thread_pool(1);
  REQUIRE_OK(session->start(*pool));
  while (!reached) std::this_thread::sleep_for(std::chrono::milliseconds(1));

  const Result<SessionInfo> seen = f.target->session(session->label());
  REQUIRE_OK(seen);
  REQUIRE(seen->status == SessionStatus::running);
  REQUIRE_FALSE(seen->owner.empty());
  REQUIRE(seen->accounts.size() == 2);
  const Result<Session> second = Session::begin(*f.target, f.session_options(Session::Kind::full));
  REQUIRE_CODE(second, busy);
  REQUIRE(second.status().message().find(seen->owner) != std::string::npos);

  REQUIRE_OK(f.target->request_abort(session->label()));
  go_on = true;
  const Result<SessionInfo> info = session->wait();
  REQUIRE_OK(info);
  REQUIRE(info->find("bob")->status == AccountStatus::not_started);
  REQUIRE_CODE(f.target->request_abort(session->label()), not_found);
}

TEST_CASE("a session that was begun and never run leaves nothing") {
  Fixture f;
  f.create_account("alice");
  { REQUIRE_OK(Session::begin(*f.target, f.session_options(Session::Kind::full))); }
  REQUIRE(keys_below(*f.memory, "sessions/").empty());
  REQUIRE(keys_below(*f.memory, "sessions_tmp/").empty());
}

TEST_CASE("a host without a log is suspended for its snapshot and resumed whatever happens") {
  class Suspending final : public MailSource {
   public:
    explicit Suspending(MemoryHost& host) : host_(host) {}
    FieldSet fields() const override { return host_.fields(); }
    Status list_accounts(const AccountFunction& each) override { return host_.list_accounts(each); }
    Result<SnapshotInfo> snapshot(std::string_view account, OpSink& out) override {
      if (depth != 1) return Status(Code::internal, "not suspended");
      if (account == "bob") return Status(Code::io, "the disk broke");
      return host_.snapshot(account, out);
    }
    Result<std::unique_ptr<ContentReader>> open_content(std::string_view account,
                                                        const ContentPlace& place) override {
      return host_.open_content(account, place);
    }
    bool can_suspend() const override { return true; }
    Status suspend(std::string_view) override { return ++depth, Status(); }
    Status resume(std::string_view) override { return --depth, Status(); }
    int depth = 0;

   private:
    MemoryHost& host_;
  };
  Fixture f;
  f.create_account("alice");
  f.create_account("bob");
  Suspending source(f.host);
  Session::Options options = f.session_options(Session::Kind::full);
  options.source = &source;
  options.log = nullptr;
  const SessionInfo info = f.back_up(options);
  REQUIRE(source.depth == 0);
  REQUIRE(info.find("alice")->status == AccountStatus::completed);
  REQUIRE(info.find("bob")->error.find("the disk broke") != std::string::npos);

  options.kind = Session::Kind::incremental;
  REQUIRE_CODE(Session::begin(*f.target, options), invalid_argument);
}

TEST_CASE("every storage call fails in turn: nothing half is published, and the next session works") {
  std::uint64_t published_after_failure = 0;
  for (std::uint64_t n = 0;; ++n) {
    Fixture f;
    f.create_account("alice");
    f.deliver("alice", "before");
    const SessionInfo first = f.back_up(Session::Kind::full);
    f.deliver("alice", "after");
    const std::uint64_t calls = f.memory->calls();
    f.memory->fail_after(n, Status(Code::no_space, "the target is full"), false);
    bool failed = true;
    {
      Result<Session> session = Session::begin(*f.target, f.session_options(Session::Kind::full));
      if (session.ok()) {
        const Result<SessionInfo> info = session->run();
        failed = !info.ok();
        if (info.ok()) ++published_after_failure;
      }
    }
    const bool past_the_end = f.memory->calls() - calls <= n;
    f.memory->fail_after(UINT64_MAX, Status(Code::internal, "never"), false);

    const Result<std::vector<SessionInfo>> sessions = f.target->sessions(
        {.label = {}, .type = {}, .from = {}, .to = {}, .account = {}, .unpublished = false});
    REQUIRE_OK(sessions);
    INFO("storage call " << n << " failed");
    REQUIRE(sessions->size() == (failed ? 1 : 2));
    const SessionInfo last = f.back_up(Session::Kind::full);
    REQUIRE(last.status == SessionStatus::completed);
    REQUIRE(last.find("alice")->messages == 2);
    const Result<TargetVerification> verified =
        f.target->verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
    REQUIRE_OK(verified);
    for (const TargetDamage& damage : verified->damages) FAIL(damage.key << ": " << damage.what);
    if (past_the_end) break;
    REQUIRE(n < 500);
  }
  REQUIRE(published_after_failure > 0);
}

TEST_CASE("R5: a log that lost its newest segments goes on as a new incarnation, and restores cross it") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1-full");
  f.back_up(Session::Kind::full);
  f.deliver("alice", "2-incremental");
  f.back_up(Session::Kind::incremental);
  f.deliver("alice", "3-lost-with-the-log");

  // The disk of the log is gone; the mailbox survived.
  const Result<std::optional<Continuation>> newest = f.target->newest_position(f.server_id);
  REQUIRE_OK(newest);
  REQUIRE(newest->has_value());
  const Id128 old = f.log->incarnation();
  f.log.reset();
  f.open_log("redo-2", *newest);
  REQUIRE(f.log->incarnation() != old);
  REQUIRE(f.log->end() >= (*newest)->parent.lsn);
  f.deliver("alice", "4-new-log");
  f.back_up(Session::Kind::incremental);

  RestoreRequest request = Fixture::request_for("alice");
  const Result<RestorePlan> plan = f.plan(request);
  REQUIRE_OK(plan);
  REQUIRE_OK(plan->accounts()[0].failure);
  REQUIRE(plan->accounts()[0].steps.size() >= 3);
  // What the lost tail alone knew cannot be there; everything else is.
  REQUIRE(plan->accounts()[0].messages == 3);
  request.stop.lsn = (*newest)->parent.lsn;
  const Result<RestorePlan> at_fork = f.plan(request);
  REQUIRE_OK(at_fork);
  REQUIRE(at_fork->accounts()[0].messages == 2);
}

TEST_CASE("R5: an account whose full belongs to a log that was not continued gets a new full") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "1");
  f.back_up(Session::Kind::full);
  f.log.reset();
  f.open_log("another-log", {});  // somebody deleted the old one and began from nothing
  f.deliver("alice", "2");
  const SessionInfo info = f.back_up(Session::Kind::incremental);
  REQUIRE(info.find("alice") != nullptr);
  REQUIRE(info.find("alice")->full);
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  REQUIRE(plan->accounts()[0].messages == 2);
}

TEST_CASE("R5: an archived segment never replaces another with other bytes") {
  Fixture f;
  f.create_account("alice");
  f.back_up(Session::Kind::full);
  // A clone: the same log directory, continued twice.
  f.log.reset();
  std::filesystem::copy(f.scratch.file("redo"), f.scratch.file("clone"),
                        std::filesystem::copy_options::recursive);
  f.open_log("redo", {});
  f.deliver("alice", "here");
  f.back_up(Session::Kind::incremental);
  f.log.reset();
  f.clock.jump(5'000'000);
  f.open_log("clone", {});
  f.deliver("alice", "there");
  Result<Session> session = Session::begin(*f.target, f.session_options(Session::Kind::incremental));
  REQUIRE_OK(session);
  REQUIRE_CODE(session->run(), diverged);
}

TEST_CASE("R10: a segment without records that a crash left and nobody archived is no hole in the log") {
  Fixture f;
  f.create_account("alice");
  f.deliver("alice", "before");
  f.back_up(Session::Kind::full);
  // As a crash of the machine leaves it: without the file that says how it ended.
  std::filesystem::create_directories(f.scratch.file("crashed"));
  for (const auto& entry : std::filesystem::directory_iterator(f.scratch.file("redo")))
    if (entry.path().filename() != "redo.control")
      std::filesystem::copy_file(entry.path(),
                                 std::filesystem::path(f.scratch.file("crashed")) / entry.path().filename());
  f.log.reset();
  f.open_log("crashed", {});
  const Result<std::uint64_t> removed = f.log->remove_consumed(std::chrono::seconds(0));
  REQUIRE_OK(removed);
  REQUIRE(*removed > 0);
  f.deliver("alice", "after");
  REQUIRE(f.back_up(Session::Kind::incremental).status == SessionStatus::completed);
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  REQUIRE(plan->accounts()[0].messages == 2);
  const Result<TargetVerification> verified =
      f.target->verify({.label = {}, .read_data = true, .cancel = {}, .progress = {}});
  REQUIRE_OK(verified);
  for (const TargetDamage& damage : verified->damages) FAIL(damage.key << ": " << damage.what);
}

TEST_CASE("sessions of many threads' changes: restore equals the log") {
  Fixture f;
  const std::vector<std::string> names{"alice", "bob", "carol"};
  for (const std::string& name : names) f.create_account(name);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (const std::string& name : names) {
    threads.emplace_back([&, name] {
      for (int i = 0; !stop && i < 3000; ++i) {
        const std::scoped_lock lock(f.host.mutex);
        Message message;
        message.id = name + std::to_string(i);
        message.folder_id = "inbox";
        message.uidvalidity = 7;
        message.uid = static_cast<std::uint32_t>(i + 1);
        message.content = f.host.keep(Bytes{static_cast<std::uint8_t>(i), 'x'});
        const Bytes bytes = f.host.contents.at(message.content->digest);
        const auto reader = read_from_memory(bytes);
        if (!f.log->put_content(name, *reader).ok()) return;
        const std::vector<Operation> put{MessagePut{{message}}};
        Result<Transaction> transaction =
            f.log->begin(name, put, {.sync = Sync::lazy, .origin = {}, .ignore_unrecovered = false});
        if (!transaction.ok() || !f.host.mailboxes.at(name).apply(put[0]).ok()) return;
        if (!transaction->commit().ok()) return;
        if (i % 3 == 2) {
          const std::vector<Operation> expunge{
              MessageExpunge{"inbox", 7, {{static_cast<std::uint32_t>(i)}, {}}, {}}};
          if (!f.host.mailboxes.at(name).apply(expunge[0]).ok()) return;
          if (!f.log->append(name, expunge, {.sync = Sync::lazy, .origin = {}, .ignore_unrecovered = false})
                   .ok())
            return;
        }
      }
    });
  }
  std::vector<SessionInfo> sessions;
  for (int i = 0; i < 6; ++i)
    sessions.push_back(f.back_up(i % 3 == 0 ? Session::Kind::full : Session::Kind::incremental));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const SessionInfo& session : sessions) REQUIRE(session.status == SessionStatus::completed);
  const Result<RestorePlan> plan = RestorePlan::make({*f.target}, &*f.log, {}, {});
  REQUIRE_OK(plan);
  for (const AccountPlan& account : plan->accounts()) {
    REQUIRE_OK(account.failure);
    Result<std::unique_ptr<OpStream>> stream = plan->state(account.account_id);
    REQUIRE_OK(stream);
    MailboxState state;
    Operation operation;
    while (*(*stream)->next(operation)) REQUIRE_OK(state.apply(operation));
    REQUIRE(state == f.host.mailboxes.at(account.account_id));
  }
}

}  // namespace restante::test

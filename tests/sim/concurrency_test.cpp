// R18: sessions and restores beside each other. What is tested is listed in docs/concurrency.md.

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "fixture.hpp"

namespace restante::test {
namespace {

/// Does something else in the middle of a restore: before it becomes visible.
class PausingSink final : public MailSink {
 public:
  PausingSink(MailSink& below, std::function<void()> meanwhile)
      : below_(below), meanwhile_(std::move(meanwhile)) {}
  SinkTraits traits() const override { return below_.traits(); }
  Result<std::string> find_account(std::string_view address) override { return below_.find_account(address); }
  Result<std::string> new_account_id(std::string_view address) override {
    return below_.new_account_id(address);
  }
  Result<std::unique_ptr<SinkTransaction>> begin(std::string_view account_id,
                                                 const SinkBegin& begin) override {
    if (meanwhile_) std::exchange(meanwhile_, nullptr)();
    return below_.begin(account_id, begin);
  }

 private:
  MailSink& below_;
  std::function<void()> meanwhile_;
};

struct TwoAccounts : Fixture {
  TwoAccounts() {
    for (const char* name : {"alice", "bob"}) {
      create_account(name);
      deliver(name, std::string("first of ") + name);
    }
  }
  [[nodiscard]] Session::Options of(Session::Kind kind, const std::string& account) {
    Session::Options options = session_options(kind);
    options.accounts = {account};
    return options;
  }
  // Once, while a session reads the account.
  void while_reading(const std::string& account, std::function<void()> work) {
    host.interleave = [account, work, done = false](std::string_view now) mutable {
      if (done || now != account) return;
      done = true;
      work();
    };
  }
  [[nodiscard]] std::uint64_t damages() const {
    BackupTarget::VerifyOptions options;
    options.read_data = true;
    const Result<TargetVerification> verified = target->verify(options);
    REQUIRE_OK(verified);
    return verified->damages.size();
  }
};

TEST_CASE("R18: a session is there at every moment, while it is published too") {
  TwoAccounts f;
  for (int round = 0; round < (long_tests() ? 2000 : 100); ++round) {
    Result<Session> session = Session::begin(*f.target, f.session_options(Session::Kind::full));
    REQUIRE_OK(session);
    const std::string label = session->label();
    std::atomic<bool> is_over = false;
    std::thread worker([&] {
      static_cast<void>(session->run());
      is_over = true;
    });
    std::size_t missed = 0;
    while (!is_over) {
      SessionQuery query;
      query.label = label;
      const Result<std::vector<SessionInfo>> listed = f.target->sessions(query);
      if (!listed.ok() || listed->size() != 1) ++missed;
      const Result<SessionInfo> found = f.target->session(label);
      if (!found.ok() || found->status == SessionStatus::interrupted) ++missed;
    }
    worker.join();
    REQUIRE(missed == 0);
    REQUIRE(f.target->session(label)->status == SessionStatus::completed);
  }
}

TEST_CASE("R18: sessions of different accounts run side by side") {
  TwoAccounts f;
  std::optional<SessionInfo> bob;
  f.while_reading("alice", [&] { bob = f.back_up(f.of(Session::Kind::full, "bob")); });
  const SessionInfo alice = f.back_up(f.of(Session::Kind::full, "alice"));
  f.host.interleave = nullptr;
  REQUIRE(bob);
  REQUIRE(bob->status == SessionStatus::completed);
  REQUIRE(alice.status == SessionStatus::completed);
  REQUIRE(bob->label != alice.label);
  REQUIRE(f.damages() == 0);
  // The one that began first ended last: incrementals go on from both.
  f.deliver("alice", "second of alice");
  f.deliver("bob", "second of bob");
  REQUIRE(f.back_up(Session::Kind::incremental).status == SessionStatus::completed);
  const Result<RestorePlan> plan = f.plan({});
  REQUIRE_OK(plan);
  for (const AccountPlan& account : plan->accounts()) {
    REQUIRE_OK(account.failure);
    REQUIRE(account.messages == 2);
  }
}

TEST_CASE("R18: a full and an incremental session of different accounts run side by side") {
  TwoAccounts f;
  f.back_up(Session::Kind::full);
  f.deliver("alice", "second of alice");
  f.deliver("bob", "second of bob");
  std::optional<SessionInfo> bob;
  f.while_reading("alice", [&] { bob = f.back_up(f.of(Session::Kind::incremental, "bob")); });
  REQUIRE(f.back_up(f.of(Session::Kind::full, "alice")).status == SessionStatus::completed);
  f.host.interleave = nullptr;
  REQUIRE(bob);
  REQUIRE(bob->status == SessionStatus::completed);
  REQUIRE(f.damages() == 0);
  const Result<RestorePlan> plan = f.plan({});
  REQUIRE_OK(plan);
  for (const AccountPlan& account : plan->accounts()) {
    REQUIRE_OK(account.failure);
    REQUIRE(account.messages == 2);
  }
}

TEST_CASE("R18: sessions that begin at the same instant have labels and places of their own") {
  class StandingClock final : public Clock {
   public:
    [[nodiscard]] Time now() const override { return Time{1'750'000'000'000'000}; }
  };
  constexpr int kSessions = 6;
  const StandingClock clock;
  for (int round = 0; round < 20; ++round) {
    Fixture f;
    std::vector<BackupTarget> handles;
    for (int i = 0; i < kSessions; ++i) {
      f.create_account("user" + std::to_string(i));
      const auto options = target_options(f.scratch, "state" + std::to_string(i), clock);
      Result<BackupTarget> handle = BackupTarget::open(f.memory->share(), options);
      REQUIRE_OK(handle);
      handles.push_back(*std::move(handle));
    }
    std::vector<std::optional<Result<Session>>> sessions(kSessions);
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kSessions; ++i) {
      threads.emplace_back([&, i] {
        Session::Options options = f.session_options(Session::Kind::full);
        options.accounts = {"user" + std::to_string(i)};
        ++ready;
        while (ready < kSessions) std::this_thread::yield();
        sessions[static_cast<std::size_t>(i)].emplace(
            Session::begin(handles[static_cast<std::size_t>(i)], options));
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::set<std::string> labels;
    for (auto& session : sessions) {
      REQUIRE_OK(*session);
      INFO((*session)->label());
      CHECK(labels.insert((*session)->label()).second);
    }
    for (auto& session : sessions) {
      const Result<SessionInfo> info = (*session)->run();
      REQUIRE_OK(info);
      REQUIRE(info->status == SessionStatus::completed);
    }
    REQUIRE(f.target->accounts()->size() == kSessions);
  }
}

TEST_CASE("R18: of sessions of one account that begin at the same instant at most one runs") {
  for (int round = 0; round < 20; ++round) {
    TwoAccounts f;
    constexpr int kSessions = 4;
    std::vector<std::optional<Result<Session>>> sessions(kSessions);
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (auto& session : sessions) {
      threads.emplace_back([&] {
        ++ready;
        while (ready < kSessions) std::this_thread::yield();
        session.emplace(Session::begin(*f.target, f.of(Session::Kind::full, "alice")));
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::ptrdiff_t running = 0;
    for (auto& session : sessions) {
      if (session->ok()) {
        ++running;
        continue;
      }
      REQUIRE_CODE(*session, busy);
    }
    CHECK(running <= 1);
    sessions.clear();
    // Who was refused may try again.
    REQUIRE(f.back_up(f.of(Session::Kind::full, "alice")).status == SessionStatus::completed);
  }
}

TEST_CASE("R18: an account that is being backed up is not restored, and another is") {
  TwoAccounts f;
  f.back_up(Session::Kind::full);
  for (const char* name : {"alice", "bob"})
    f.expunge(name, f.host.mailboxes.at(name).messages().begin()->second);
  Status of_alice;
  Status of_bob;
  f.while_reading("alice", [&] {
    RestoreRequest request = Fixture::request_for("alice");
    request.stop.full_only = true;
    Result<RestorePlan> plan = f.plan(request);
    REQUIRE_OK(plan);
    const Result<RestoreReport> report = plan->execute();
    of_alice = report.ok() ? report->accounts[0].status : report.status();
    request.accounts = {"bob"};
    of_bob = f.restore(request).accounts[0].status;
  });
  Session::Options options = f.of(Session::Kind::full, "alice");
  options.owner = "the nightly backup";
  const SessionInfo session = f.back_up(options);
  f.host.interleave = nullptr;
  REQUIRE_CODE(of_alice, busy);
  CHECK(of_alice.message().find(session.label) != std::string::npos);
  CHECK(of_alice.message().find("the nightly backup") != std::string::npos);
  REQUIRE_OK(of_bob);
  CHECK(f.texts("alice") == "");
  CHECK(f.texts("bob") == "first of bob");
  REQUIRE(session.status == SessionStatus::completed);
}

TEST_CASE("R18: an account that is being restored is not backed up, nor restored twice, and others are") {
  TwoAccounts f;
  f.back_up(Session::Kind::full);
  for (const char* name : {"alice", "bob"})
    f.expunge(name, f.host.mailboxes.at(name).messages().begin()->second);
  std::optional<SessionInfo> session;
  Status second;
  Status of_bob;
  PausingSink sink(f.host, [&] {
    session = f.back_up(Session::Kind::full);
    RestoreRequest request = Fixture::request_for("alice");
    request.stop.full_only = true;
    Result<RestorePlan> plan = f.plan(request);
    second = plan.status();
    if (plan.ok()) second = plan->accounts()[0].failure;
    if (plan.ok() && second.ok()) {
      const Result<RestoreReport> report = plan->execute();
      second = report.ok() ? report->accounts[0].status : report.status();
    }
    request.accounts = {"bob"};
    request.label = {};
    of_bob = f.restore(request).accounts[0].status;
  });
  RestoreRequest request = Fixture::request_for("alice");
  request.stop.full_only = true;
  Result<RestorePlan> plan = RestorePlan::make({*f.target}, &*f.log, request, {&f.host, &sink});
  REQUIRE_OK(plan);
  const Result<RestoreReport> report = plan->execute();
  REQUIRE_OK(report);
  REQUIRE_OK(report->accounts[0].status);
  CHECK(f.texts("alice") == "first of alice");
  REQUIRE(session);
  CHECK(session->status == SessionStatus::partial);
  CHECK(session->find("alice")->status == AccountStatus::error);
  CHECK(session->find("alice")->error.find("restore") != std::string::npos);
  CHECK(session->find("bob")->status == AccountStatus::completed);
  INFO(second.to_string());
  CHECK_FALSE(second.ok());
  REQUIRE_OK(of_bob);
  // Later both are done.
  REQUIRE(f.back_up(Session::Kind::full).status == SessionStatus::completed);
  REQUIRE(f.damages() == 0);
}

TEST_CASE("R18: deliveries go on while a session reads the account, and are in it or behind it") {
  TwoAccounts f;
  int n = 0;
  f.host.interleave = [&](std::string_view account) {
    if (account == "alice" && n < 20) f.deliver("alice", "late " + std::to_string(n++));
  };
  REQUIRE(f.back_up(Session::Kind::full).status == SessionStatus::completed);
  f.host.interleave = nullptr;
  CHECK(n > 3);
  const Result<RestorePlan> plan = f.plan(Fixture::request_for("alice"));
  REQUIRE_OK(plan);
  CHECK(plan->accounts()[0].messages == static_cast<std::uint64_t>(n) + 1);
}

TEST_CASE("R18: a target is verified while a session writes to it") {
  TwoAccounts f;
  f.back_up(Session::Kind::full);
  f.deliver("alice", "second of alice");
  int verified = 0;
  f.host.interleave = [&](std::string_view) {
    CHECK(f.damages() == 0);
    ++verified;
  };
  REQUIRE(f.back_up(Session::Kind::full).status == SessionStatus::completed);
  f.host.interleave = nullptr;
  CHECK(verified > 3);
}

}  // namespace
}  // namespace restante::test

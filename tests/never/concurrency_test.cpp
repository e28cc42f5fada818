// R18: programs beside each other on one store, log and target. What is tested is listed in
// docs/concurrency.md.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "prepared.hpp"

namespace restante::test {
namespace {

/// Runs `work` in processes of their own at the same time, each with its number; it answers what went wrong.
void in_processes(int count, const std::function<std::string(int)>& work) {
  std::vector<pid_t> children;
  std::vector<int> answers;
  for (int i = 0; i < count; ++i) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const std::string wrong = work(i);
      _exit(::write(ends[1], wrong.data(), wrong.size()) == static_cast<ssize_t>(wrong.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    children.push_back(child);
    answers.push_back(ends[0]);
  }
  for (int i = 0; i < count; ++i) {
    std::string wrong;
    char buffer[4096];
    for (ssize_t size = 0; (size = ::read(answers[static_cast<std::size_t>(i)], buffer, sizeof buffer)) > 0;)
      wrong.append(buffer, static_cast<std::size_t>(size));
    ::close(answers[static_cast<std::size_t>(i)]);
    int status = 0;
    REQUIRE(::waitpid(children[static_cast<std::size_t>(i)], &status, 0) ==
            children[static_cast<std::size_t>(i)]);
    INFO("process " << i << ", status " << status);
    CHECK(wrong == "");
    CHECK(status == 0);
  }
}

std::string complete(const Result<SessionInfo>& session) {
  if (!session.ok()) return session.status().to_string();
  std::string wrong;
  for (const SessionAccount& account : session->accounts)
    if (!account.error.empty()) wrong += account.id + ": " + account.error + "\n";
  return wrong;
}

void begin_with_full(const Site& site) {
  fill(site);
  Server::Options options;
  options.create = true;
  auto server = Server::open(site, options);
  REQUIRE_OK(server);
  REQUIRE(complete((*server)->back_up(Session::Kind::full)) == "");
}

TEST_CASE("R18: two programs back up different accounts of one server into one target, again and again") {
  const MemoryDir dir;
  const Site site(dir.path());
  begin_with_full(site);
  const std::vector<std::string> names = {"alice", "bob"};
  in_processes(2, [&](int i) -> std::string {
    // Each with a catalog and a state of scans of its own.
    Site own = site;
    own.state = site.state.string() + std::to_string(i);
    auto server = Server::open(own);
    if (!server.ok()) return server.status().to_string();
    const std::string& name = names[static_cast<std::size_t>(i)];
    for (int n = 0; n < 12; ++n) {
      deliver(site, name, 1'000 + n, n % 3 == 0 ? 20'000 : 500);
      // Segments stay for longer than the other session runs, as by default.
      const Result<SessionInfo> session =
          (*server)->back_up(n % 4 == 3 ? Session::Kind::full : Session::Kind::incremental,
                             {name + "@example.com"}, std::chrono::hours(1));
      if (const std::string wrong = complete(session); !wrong.empty()) return wrong;
    }
    return {};
  });
  auto server = Server::open(site);
  REQUIRE_OK(server);
  CHECK((*server)->published()->size() == 25);
  CHECK((*server)->damages() == "");
  check_goes_on(**server, Session::Kind::incremental);
}

TEST_CASE("R18: two servers back up into one target at the same time, and each finds its own") {
  const MemoryDir dir;
  const Site site(dir.path());
  fill(site);
  {
    Server::Options options;
    options.create = true;
    REQUIRE_OK(Server::open(site, options));
  }
  const auto own_site = [&](int i) {
    Site own(dir.path() / ("server" + std::to_string(i)));
    own.target = site.target;
    return own;
  };
  in_processes(2, [&](int i) -> std::string {
    const Site own = own_site(i);
    std::filesystem::create_directories(own.state);
    fill(own);
    {
      RedoLog::Options options;
      options.create = true;
      options.segment_bytes = 64 << 10;
      const Result<RedoLog> log = RedoLog::open(own.redo.string(), options);
      if (!log.ok()) return log.status().to_string();
    }
    auto server = Server::open(own);
    if (!server.ok()) return server.status().to_string();
    for (int n = 0; n < 8; ++n) {
      change(own, n);
      const Result<SessionInfo> session =
          (*server)->back_up(n % 4 == 0 ? Session::Kind::full : Session::Kind::incremental);
      if (const std::string wrong = complete(session); !wrong.empty()) return wrong;
    }
    return {};
  });
  for (int i = 0; i < 2; ++i) {
    auto server = Server::open(own_site(i));
    REQUIRE_OK(server);
    CHECK((*server)->damages() == "");
    CHECK((*server)->published()->size() == 16);
  }
}

TEST_CASE("R18: a target is verified by another program while sessions write to it") {
  const MemoryDir dir;
  const Site site(dir.path());
  begin_with_full(site);
  const auto flag = dir.path() / "done";
  in_processes(2, [&](int i) -> std::string {
    if (i == 0) {
      auto server = Server::open(site);
      std::string wrong = server.ok() ? "" : server.status().to_string();
      for (int n = 0; n < 10 && wrong.empty(); ++n) {
        change(site, n);
        wrong = complete((*server)->back_up(n % 3 == 0 ? Session::Kind::full : Session::Kind::incremental));
      }
      std::filesystem::create_directory(flag);
      return wrong;
    }
    Site own = site;
    own.state = site.state.string() + "-verify";
    std::uint64_t verified = 0;
    while (!std::filesystem::exists(flag) || verified == 0) {
      auto server = Server::open(own);
      if (!server.ok()) return server.status().to_string();
      BackupTarget::VerifyOptions options;
      options.read_data = true;
      const Result<TargetVerification> answer = (*server)->target->verify(options);
      if (!answer.ok()) return answer.status().to_string();
      for (const TargetDamage& damage : answer->damages) return damage.key + ": " + damage.what;
      ++verified;
    }
    return {};
  });
}

TEST_CASE("R18: programs that scan one state at the same time log each change once") {
  const Prepared base;
  const Lsn before = (*Server::open(base.site))->redo->end();
  constexpr int kMessages = 60;
  in_processes(3, [&](int i) -> std::string {
    if (i == 0) {
      for (int n = 0; n < kMessages; ++n) {
        deliver(base.site, "alice", 30'000 + n);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      return {};
    }
    auto server = Server::open(base.site);
    if (!server.ok()) return server.status().to_string();
    for (int n = 0; n < 20; ++n)
      if (const Status scanned = (*server)->scan(); !scanned.ok()) return scanned.to_string();
    return {};
  });
  auto server = Server::open(base.site);
  REQUIRE_OK(server);
  REQUIRE_OK((*server)->scan());
  REQUIRE_OK((*server)->redo->sync());
  std::map<std::string, int> puts;
  ReadRange range;
  range.after = before;
  range.account_id = "alice@example.com";
  auto cursor = (*server)->redo->read(range);
  REQUIRE_OK(cursor);
  for (LoggedTransaction transaction;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    REQUIRE_OK(more);
    if (!*more) break;
    for (const Operation& operation : transaction.operations)
      if (const auto* put = std::get_if<MessagePut>(&operation))
        for (const Message& message : put->messages) ++puts[message.id];
  }
  for (const auto& [id, count] : puts) CHECK(count == 1);
  CHECK(puts.size() >= kMessages);
  CHECK((*server)->damages() == "");
}

TEST_CASE("R18: mail that is delivered while an account is restored is neither lost nor doubled") {
  Random random("delivery");
  for (int round = 0; round < (long_tests() ? 100 : 8); ++round) {
    const Prepared base;
    destroy(base.site);
    auto server = Server::open(base.site);
    REQUIRE_OK(server);
    REQUIRE_OK((*server)->scan());
    std::atomic<bool> stop{false};
    std::atomic<int> delivered{0};
    const auto pause = std::chrono::microseconds(500 + random.below(3'000));
    std::thread server_of_mail([&] {
      while (!stop && delivered < 400) {
        deliver(base.site, "alice", 20'000 + delivered);
        ++delivered;
        std::this_thread::sleep_for(pause);
      }
    });
    RestoreRequest request;
    request.accounts = {"alice@example.com"};
    request.stop.label = base.newest;
    Status done = Status(Code::busy, "not tried");
    Lsn logged_at = 0;
    // A plan that the account has left behind is made again.
    for (int attempt = 0; attempt < 200 && done.code() == Code::busy; ++attempt) {
      const Result<RestoreReport> report = (*server)->restore(request);
      done = report.ok() ? report->accounts[0].status : report.status();
      if (done.ok()) logged_at = report->accounts[0].logged_at;
    }
    stop = true;
    server_of_mail.join();
    REQUIRE_OK(done);
    REQUIRE_OK((*server)->scan());
    // Each message is in the mailbox, or was there when the restore took back what had come since the stop.
    RestoreStop before;
    before.lsn = logged_at - 1;
    const Result<States> earlier = (*server)->at(before);
    REQUIRE_OK(earlier);
    const States now = Prepared::of_store(**server);
    const auto messages = [](const States& states) {
      std::map<std::string, std::string> found;
      for (const auto& [name, count] : states.at("alice@example.com"))
        if (name.starts_with("message INBOX")) found[name] = count;
      return found;
    };
    const auto live = messages(now);
    const auto undone = messages(*earlier);
    std::set<std::string> all;
    for (const auto& [name, count] : live) {
      CHECK(count == "x");
      all.insert(name);
    }
    for (const auto& [name, count] : undone) all.insert(name);
    std::size_t deliveries = 0;
    for (const std::string& name : all)
      if (name >= "message INBOX 0 2017-07-14T08:13:20" && name < "message INBOX 0 2018") ++deliveries;
    CHECK(deliveries == static_cast<std::size_t>(delivered));
    check_goes_on(**server, Session::Kind::incremental);
  }
}

TEST_CASE("R18: scans go on while sessions and restores of one program run") {
  const Prepared base;
  auto server = Server::open(base.site);
  REQUIRE_OK(server);
  std::atomic<bool> stop{false};
  std::atomic<int> scans{0};
  std::string wrong;
  std::thread scanning([&] {
    while (!stop) {
      for (const char* account : {"alice@example.com", "bob@example.com"}) {
        const Status scanned = (*server)->scanner->scan(account).status();
        // Under a restore it is refused, and only then.
        if (!scanned.ok() && scanned.code() != Code::restore_unfinished) wrong += scanned.to_string() + "\n";
        ++scans;
      }
    }
  });
  for (int round = 0; round < 6; ++round) {
    change(base.site, 2 + round);
    const Result<SessionInfo> session =
        (*server)->back_up(round % 3 == 0 ? Session::Kind::full : Session::Kind::incremental);
    CHECK(complete(session) == "");
    RestoreRequest request;
    request.stop.label = base.newest;
    const Result<RestoreReport> report = (*server)->restore(request);
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    CHECK(difference(base.sessions.at(base.newest), Prepared::of_store(**server)) == "");
  }
  stop = true;
  scanning.join();
  CHECK(wrong == "");
  CHECK(scans > 12);
  check_goes_on(**server, Session::Kind::incremental);
}

TEST_CASE("R18: an account that is being restored is not scanned, and others are") {
  const Prepared base;
  auto server = Server::open(base.site);
  REQUIRE_OK(server);
  Rewind back;
  back.log = (*server)->redo->id();
  back.incarnation = (*server)->redo->incarnation();
  back.lsn = 1;
  const std::vector<Operation> rewind{back};
  Result<Transaction> restore = (*server)->redo->begin("alice@example.com", rewind);
  REQUIRE_OK(restore);
  REQUIRE_CODE((*server)->scanner->scan("alice@example.com"), restore_unfinished);
  REQUIRE_OK((*server)->scanner->scan("bob@example.com"));
  REQUIRE_OK(restore->abort());
  REQUIRE_OK((*server)->scanner->scan("alice@example.com"));
}

}  // namespace
}  // namespace restante::test

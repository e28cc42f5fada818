// Every call of the file system fails in turn, in each of the things that a server does.

#include <functional>
#include <iostream>

#include "prepared.hpp"
#include "support/catch.hpp"
#include "support/faulty_io.hpp"

namespace restante::test {
namespace {

struct Outcome {
  Status status;
  // Everything that was told: the failure, those of single accounts, warnings.
  std::string told;
  bool fired = false;
  std::string failed_path;
};

using Task = std::function<Status(Server&, std::string& told)>;

Outcome attempt(const Site& site, const Task& task, FaultyIo& io) {
  Outcome outcome;
  {
    Server::Options options;
    options.gates = {&io, &io, &io};
    auto server = Server::open(site, options);
    outcome.status = server.status();
    if (server.ok()) {
      outcome.status = task(**server, outcome.told);
      outcome.told += (*server)->take_warnings();
    }
    outcome.told += outcome.status.to_string();
  }
  outcome.fired = io.fired();
  outcome.failed_path = io.failed_path();
  return outcome;
}

/// Calls whose failure is tried: all of `total`, or some from everywhere.
std::vector<std::uint64_t> choose(std::uint64_t total, std::string_view name) {
  constexpr std::uint64_t kSome = 24;
  std::vector<std::uint64_t> chosen;
  Random random(name);
  const std::uint64_t count = long_tests() ? total : std::min(kSome, total);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t low = i * total / count;
    chosen.push_back(1 + low + random.below((i + 1) * total / count - low));
  }
  return chosen;
}

std::string name_of(Fault fault) { return fault == Fault::no_space ? "no space" : "io error"; }

/// A failure has a code that says what to do, and names the file.
void check_clear(const Outcome& outcome) {
  if (outcome.status.ok()) return;
  CHECK(restante::name_of(outcome.status.code()) != restante::name_of(Code::internal));
  CHECK(outcome.told.find(outcome.failed_path) != std::string::npos);
}

struct Work {
  std::string name;
  Task task;
  // Before the task, on the copy.
  std::function<void(const Site&)> before;
  // After the check of what is published, with a server that works again.
  std::function<void(Server&, std::uint64_t n)> after;
};

void fail_each_call(const Prepared& base, const Work& work) {
  std::uint64_t total = 0;
  for (const Fault fault : {Fault::none, Fault::io_error, Fault::no_space}) {
    std::uint64_t failures = 0;
    std::uint64_t survived = 0;
    const std::vector<std::uint64_t> calls =
        fault == Fault::none ? std::vector<std::uint64_t>{0} : choose(total, work.name + name_of(fault));
    for (const std::uint64_t n : calls) {
      const MemoryDir dir;
      copy_tree(base.dir.path(), dir.path() / "copy");
      const Site site(dir.path() / "copy");
      if (work.before) work.before(site);
      States when_tried;
      {
        auto server = Server::open(site);
        REQUIRE_OK(server);
        when_tried = Prepared::of_store(**server);
      }
      FaultyIo io;
      io.fail(n, fault);
      const Outcome outcome = attempt(site, work.task, io);
      INFO(work.name << ", call " << n << " of " << total << " failed (" << name_of(fault) << ", "
                     << outcome.failed_path << "), it said: " << outcome.told);
      if (n == 0) {
        REQUIRE_OK(outcome.status);
        total = io.seen();
        continue;
      }
      // Directories that rest are looked at once, others again: the last of the calls need not be made.
      if (!outcome.fired) {
        REQUIRE_OK(outcome.status);
        continue;
      }
      ++(outcome.status.ok() ? survived : failures);
      check_clear(outcome);
      auto server = Server::open(site);
      REQUIRE_OK(server);
      if (!outcome.status.ok() || !work.after) check_published(**server, base, when_tried);
      if (work.after)
        work.after(**server, n);
      else
        check_goes_on(**server, n % 2 == 0 ? Session::Kind::incremental : Session::Kind::full);
    }
    if (fault == Fault::none) continue;
    std::cout << work.name << ", " << name_of(fault) << ": " << calls.size() << " of " << total
              << " calls failed, " << failures << " were told, " << survived << " did no harm" << std::endl;
    CHECK(failures > calls.size() / 3);
  }
}

Status back_up(Server& server, Session::Kind kind, std::string& told) {
  const Result<SessionInfo> session = server.back_up(kind);
  if (!session.ok()) return session.status();
  for (const SessionAccount& account : session->accounts) told += account.error + "\n";
  told += session->error + "\n";
  return session->status == SessionStatus::completed ? Status() : Status(Code::partial, "partial");
}

TEST_CASE("every file call of a full session fails in turn: nothing is half done, nothing is lost") {
  const Prepared base;
  fail_each_call(
      base, {"full",
             [](Server& server, std::string& told) { return back_up(server, Session::Kind::full, told); },
             {},
             {}});
}

TEST_CASE("every file call of an incremental session fails in turn: nothing is half done, nothing is lost") {
  const Prepared base;
  fail_each_call(base, {"incremental",
                        [](Server& server, std::string& told) {
                          return back_up(server, Session::Kind::incremental, told);
                        },
                        {},
                        {}});
}

TEST_CASE("every file call of scans and rolls fails in turn: nothing acknowledged is lost") {
  const Prepared base;
  fail_each_call(base, {"scan and roll",
                        [](Server& server, std::string&) {
                          if (Status s = server.scan(); !s.ok()) return s;
                          if (Status s = server.redo->roll(); !s.ok()) return s;
                          if (Status s = server.redo->maintain(); !s.ok()) return s;
                          return server.redo->remove_consumed(std::chrono::seconds(0)).status();
                        },
                        {},
                        {}});
}

TEST_CASE("every file call of a restore fails in turn: it is made again or taken back, and nothing is lost") {
  const Prepared base;
  RestoreRequest request;
  request.stop.label = base.newest;
  const States& wanted = base.sessions.at(base.newest);
  States before;
  Work work{"restore",
            [&](Server& server, std::string& told) {
              const Result<RestoreReport> report = server.restore(request);
              if (!report.ok()) return report.status();
              for (const AccountReport& account : report->accounts) told += account.status.to_string() + "\n";
              return report->status;
            },
            [&](const Site& site) {
              destroy(site);
              auto server = Server::open(site);
              REQUIRE_OK(server);
              REQUIRE_OK((*server)->scan());
              before = Prepared::of_store(**server);
            },
            [&](Server& server, std::uint64_t n) {
              if (n % 2 == 0) {
                REQUIRE_OK(server.roll_back_all());
                const States now = Prepared::of_store(server);
                // An account whose restore had ended stays restored.
                for (const auto& [account, mailbox] : now) {
                  INFO("before: " << difference({{account, before.at(account)}}, {{account, mailbox}}));
                  INFO("wanted: " << difference({{account, wanted.at(account)}}, {{account, mailbox}}));
                  CHECK((mailbox == before.at(account) || mailbox == wanted.at(account)));
                }
              }
              const Result<RestoreReport> report = server.restore(request);
              REQUIRE_OK(report);
              REQUIRE_OK(report->status);
              CHECK(difference(wanted, Prepared::of_store(server)) == "");
              check_goes_on(server, Session::Kind::incremental);
            }};
  fail_each_call(base, work);
}

}  // namespace
}  // namespace restante::test

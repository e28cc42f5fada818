// kill -9 at any moment, again and again, over a whole small server: what was published restores, and the
// next run needs no help.

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <thread>

#include "site.hpp"
#include "support/catch.hpp"
#include "support/gated_io.hpp"

namespace restante::test {
namespace {

using Clock = std::chrono::steady_clock;
using States = std::map<std::string, Described>;

enum class Action { full, incremental, scan, roll, restore };
constexpr const char* kActions[] = {"full", "incremental", "scan", "roll", "restore"};
/// Where a process was when it was killed: in which files, or beside them (the catalog, or at work).
enum class Where { opening, beside, store, redo, target, over };
constexpr const char* kPlaces[] = {"opening", "at work", "store", "redo log", "target", "over"};

constexpr Where kFiles[] = {Where::store, Where::redo, Where::target};

/// What a process says of itself to the one that kills it.
struct Shared {
  std::atomic<Where> where;
  std::atomic<bool> opened;
  // By `Where`.
  std::atomic<std::uint64_t> calls[6];
  char failure[1000];
};

/// How a process is killed: after some time, or at a call of the file system.
struct Kill {
  std::optional<Clock::duration> after;
  Where where = Where::beside;
  std::uint64_t call = 0;
  bool behind = false;
};

/// Says where the process is, and kills it at a call that was chosen.
class TellingIo final : public GatedIo {
 public:
  TellingIo(Shared& shared, Where where, const Kill& kill)
      : shared_(shared),
        calls_(shared.calls[static_cast<int>(where)]),
        where_(where),
        kill_at_(kill.where == where ? kill.call : 0),
        behind_(kill.behind) {}

 private:
  Status before(const CallSite&) override {
    if (shared_.opened) shared_.where = where_;
    if (++calls_ == kill_at_ && !behind_) ::kill(::getpid(), SIGKILL);
    return {};
  }
  void after(const CallSite&) override {
    if (behind_ && calls_ == kill_at_) ::kill(::getpid(), SIGKILL);
    if (shared_.opened) shared_.where = Where::beside;
  }

  Shared& shared_;
  std::atomic<std::uint64_t>& calls_;
  Where where_;
  std::uint64_t kill_at_;
  bool behind_;
};

Status perform(Server& server, Action action, const std::string& label) {
  switch (action) {
    case Action::full:
    case Action::incremental: {
      const Result<SessionInfo> session =
          server.back_up(action == Action::full ? Session::Kind::full : Session::Kind::incremental);
      if (!session.ok()) return session.status();
      for (const SessionAccount& account : session->accounts)
        if (!account.error.empty()) return Status(Code::partial, account.id + ": " + account.error);
      return {};
    }
    case Action::scan: return server.scan();
    case Action::roll:
      if (Status s = server.scan(); !s.ok()) return s;
      if (Status s = server.redo->roll(); !s.ok()) return s;
      if (Status s = server.redo->maintain(); !s.ok()) return s;
      return server.redo->remove_consumed(std::chrono::seconds(0)).status();
    case Action::restore: {
      RestoreRequest request;
      request.stop.label = label;
      const Result<RestoreReport> report = server.restore(request);
      return report.ok() ? report->status : report.status();
    }
  }
  return {};
}

class Victim {
 public:
  Victim() {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    shared = new (memory) Shared();
  }
  ~Victim() { ::munmap(shared, sizeof(Shared)); }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  /// True if it was killed before it was done.
  bool run(const Site& site, Action action, const std::string& label, const Kill& kill) {
    shared->where = Where::opening;
    shared->opened = false;
    for (auto& calls : shared->calls) calls = 0;
    shared->failure[0] = 0;
    const Clock::time_point begun = Clock::now();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(live(site, action, label, kill));
    if (kill.after) {
      std::this_thread::sleep_until(begun + *kill.after);
      ::kill(child, SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    took = Clock::now() - begun;
    if (WIFSIGNALED(status)) {
      REQUIRE(WTERMSIG(status) == SIGKILL);
      return shared->where != Where::over;
    }
    INFO(kActions[static_cast<int>(action)] << ": " << shared->failure);
    REQUIRE(WEXITSTATUS(status) == 0);
    return false;
  }

  Shared* shared;
  Clock::duration took{};

 private:
  int live(const Site& site, Action action, const std::string& label, const Kill& kill) const {
    TellingIo store(*shared, Where::store, kill);
    TellingIo redo(*shared, Where::redo, kill);
    TellingIo target(*shared, Where::target, kill);
    Status status;
    {
      Server::Options options;
      options.gates = {&store, &redo, &target};
      auto server = Server::open(site, options);
      status = server.status();
      if (server.ok()) {
        shared->opened = true;
        shared->where = Where::beside;
        status = perform(**server, action, label);
      }
    }
    std::strncpy(shared->failure, status.to_string().c_str(), sizeof shared->failure - 1);
    shared->where = Where::over;
    return status.ok() ? 0 : 1;
  }
};

/// A server that lives through many kills.
class Life {
 public:
  explicit Life(Random& random) : random_(random), site_(dir_.path()) {
    fill(site_);
    Server::Options options;
    options.create = true;
    auto server = Server::open(site_, options);
    REQUIRE_OK(server);
    session(**server, Session::Kind::full);
    change(site_, 0);
    session(**server, Session::Kind::incremental);
    change(site_, 1);
  }

  /// How long each thing takes, so that kills can come at any moment of it.
  void measure(Victim& victim, std::map<Action, Clock::duration>& durations,
               std::map<std::pair<Action, Where>, std::uint64_t>& calls) {
    for (const Action action :
         {Action::scan, Action::incremental, Action::full, Action::roll, Action::restore}) {
      change(site_, ++round_);
      REQUIRE_FALSE(victim.run(site_, action, states_.begin()->first, {}));
      durations[action] = victim.took;
      for (const Where where : kFiles) calls[{action, where}] = victim.shared->calls[static_cast<int>(where)];
    }
  }

  /// One kill, and what must be true behind it. False if the process was faster.
  bool kill_once(Victim& victim, Action action, const Kill& kill) {
    if (random_.one_in(2)) change(site_, ++round_);
    const std::string label = states_.empty() ? "" : random_label();
    const States before = live();
    const bool killed = victim.run(site_, action, label, kill);
    INFO(kActions[static_cast<int>(action)] << " killed in "
                                            << kPlaces[static_cast<int>(victim.shared->where.load())]);
    // People may delete what lies there.
    if (random_.one_in(2)) std::filesystem::remove_all(site_.target / "sessions_tmp");
    note_published(action == Action::restore ? States() : before);
    if (action == Action::restore)
      finish_restore(before, label);
    else
      CHECK(difference(before, live()) == "");
    // Often the next process is killed too, before any has recovered.
    check(random_.one_in(3));
    return killed;
  }

  /// Everything that was ever published restores to what the store held.
  void check_all() {
    check(true);
    auto server = Server::open(site_);
    REQUIRE_OK(server);
    CHECK((*server)->damages() == "");
    for (const auto& [label, expected] : states_) {
      INFO(label);
      CHECK(difference(expected, at(**server, label)) == "");
    }
  }
  [[nodiscard]] std::size_t published() const { return states_.size(); }

 private:
  void session(Server& server, Session::Kind kind) {
    const Result<SessionInfo> info = server.back_up(kind);
    REQUIRE_OK(info);
    for (const SessionAccount& account : info->accounts) CHECK(account.error == "");
    REQUIRE(info->status == SessionStatus::completed);
    const Result<States> live = server.live();
    REQUIRE_OK(live);
    states_[info->label] = *live;
    newest_ = info->label;
  }

  [[nodiscard]] States live() const {
    auto server = Server::open(site_);
    REQUIRE_OK(server);
    Result<States> live = (*server)->live();
    REQUIRE_OK(live);
    return *std::move(live);
  }

  [[nodiscard]] static States at(Server& server, const std::string& label) {
    RestoreStop stop;
    stop.label = label;
    Result<States> found = server.at(stop);
    REQUIRE_OK(found);
    return *std::move(found);
  }

  std::string random_label() {
    auto found = states_.begin();
    std::advance(found, random_.below(states_.size()));
    return found->first;
  }

  // What a killed session had published before it died is whole.
  void note_published(const States& held) {
    auto server = Server::open(site_);
    REQUIRE_OK(server);
    const Result<std::vector<SessionInfo>> published = (*server)->published();
    REQUIRE_OK(published);
    CHECK(published->size() >= states_.size());
    for (const SessionInfo& info : *published) {
      if (states_.contains(info.label)) continue;
      CHECK(info.status == SessionStatus::completed);
      CHECK(difference(held, at(**server, info.label)) == "");
      states_[info.label] = held;
    }
  }

  void finish_restore(const States& before, const std::string& label) {
    auto server = Server::open(site_);
    REQUIRE_OK(server);
    if (random_.one_in(2)) {
      REQUIRE_OK((*server)->roll_back_all());
      const Result<States> now = (*server)->live();
      REQUIRE_OK(now);
      // Accounts are restored one after another: each is as before, or done.
      for (const auto& [account, mailbox] : *now) {
        INFO("before: " << difference({{account, before.at(account)}}, {{account, mailbox}}));
        INFO("wanted: " << difference({{account, states_.at(label).at(account)}}, {{account, mailbox}}));
        CHECK((mailbox == before.at(account) || mailbox == states_.at(label).at(account)));
      }
      return;
    }
    RestoreRequest request;
    request.stop.label = label;
    const Result<RestoreReport> report = (*server)->restore(request);
    REQUIRE_OK(report);
    REQUIRE_OK(report->status);
    const Result<States> now = (*server)->live();
    REQUIRE_OK(now);
    CHECK(difference(states_.at(label), *now) == "");
  }

  // The next run works without help, and then log and target know what the store holds.
  void check(bool wanted) {
    if (!wanted) return;
    auto server = Server::open(site_);
    REQUIRE_OK(server);
    session(**server, random_.one_in(4) ? Session::Kind::full : Session::Kind::incremental);
    CHECK(difference(states_.at(newest_), at(**server, newest_)) == "");
  }

  Random& random_;
  MemoryDir dir_;
  Site site_;
  std::map<std::string, States> states_;
  std::string newest_;
  int round_ = 1;
};

std::uint64_t wanted_kills() {
  if (const char* given = std::getenv("RESTANTE_TEST_KILLS")) return std::strtoull(given, nullptr, 0);
  return long_tests() ? 10'000 : 500;
}

TEST_CASE(
    "kill -9 at any moment of sessions, scans, rolls and restores: what is published restores, all goes on") {
  constexpr std::uint64_t kKillsPerLife = 40;
  Random random("kills");
  std::cout << "RESTANTE_TEST_SEED=" << test_seed() << std::endl;
  Victim victim;
  std::map<Action, Clock::duration> durations;
  std::map<std::pair<Action, Where>, std::uint64_t> calls;
  Life(random).measure(victim, durations, calls);
  std::map<std::string, std::uint64_t> landed;
  std::map<Action, std::uint64_t> by_action;
  std::uint64_t missed = 0;
  std::uint64_t published = 0;
  for (std::uint64_t kills = 0; kills < wanted_kills();) {
    Life life(random);
    for (std::uint64_t i = 0; i < kKillsPerLife && kills < wanted_kills();) {
      const auto action = static_cast<Action>(random.below(5));
      Kill kill;
      if (random.one_in(3)) {
        kill.where = kFiles[random.below(3)];
        kill.call = 1 + random.below(calls[{action, kill.where}]);
        kill.behind = random.one_in(2);
      } else {
        kill.after = durations[action] * static_cast<std::int64_t>(random.below(1000)) / 1000;
      }
      if (!life.kill_once(victim, action, kill)) {
        ++missed;
        REQUIRE(missed < 200 + 3 * wanted_kills());
        continue;
      }
      ++i, ++kills;
      ++by_action[action];
      ++landed[kPlaces[static_cast<int>(victim.shared->where.load())]];
    }
    life.check_all();
    published += life.published();
  }
  std::cout << wanted_kills() << " kills, " << missed << " came too late; " << published
            << " sessions restored";
  for (const auto& [place, count] : landed) std::cout << "; " << count << " in " << place;
  for (const auto& [action, count] : by_action)
    std::cout << "; " << count << " of " << kActions[static_cast<int>(action)];
  std::cout << std::endl;
  if (wanted_kills() < 500) return;
  // Else the test would say nothing.
  for (const char* place : {"opening", "at work", "store", "redo log", "target"}) {
    INFO(place);
    CHECK(landed[place] >= wanted_kills() / 50);
  }
  for (const auto& [action, count] : by_action) {
    INFO(kActions[static_cast<int>(action)]);
    CHECK(count >= wanted_kills() / 20);
  }
}

}  // namespace
}  // namespace restante::test

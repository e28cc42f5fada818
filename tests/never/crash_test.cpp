// The machine stops at any change of a session, a roll or a removal, and each write that was not synced is
// kept, dropped or torn: redo log and target are on a simulated disk. The catalog, which can be made again,
// and the state of scans are on the real one, and are there afterwards or not.

#include <fcntl.h>

#include <iostream>
#include <sstream>

#include "prepared.hpp"
#include "support/simulated_disk.hpp"

namespace restante::test {
namespace {

namespace fs = std::filesystem;

enum class Action { full, incremental, roll };
constexpr const char* kActions[] = {"full session", "incremental session", "roll"};

class Machine {
 public:
  Machine(std::uint64_t seed, storage::SyncMethod method)
      : engine_(seed), disk_(seed ^ 0x9e3779b97f4a7c15, "redo.control"), site_(dir_.path()), method_(method) {
    site_.redo = "/redo";
    site_.target = "/target";
    fill(site_);
    open(true);
    session(Session::Kind::full);
    change(site_, 0);
    session(Session::Kind::incremental);
    change(site_, 1);
    server_.reset();
  }

  /// How many changes and syncs the action makes.
  std::uint64_t measure(Action action) {
    disk_.crash_at(UINT64_MAX);
    open(false);
    REQUIRE_OK(perform(action));
    server_.reset();
    return disk_.changes();
  }

  /// The machine stops with the n-th change or sync; afterwards everything must be whole.
  void crash_at(std::uint64_t n, Action action, const std::optional<SimulatedDisk::Crash>& crash) {
    disk_.crash_at(n);
    open(false);
    (void)perform(action);
    server_.reset();
    if (!disk_.is_down()) disk_.stop();
    restart(crash);
    if (below(4) == 0) {
      // Again, while it recovers.
      disk_.crash_at(below(20));
      auto opened = Server::open(site_, options(false));
      opened = Status(Code::internal, "closed");
      if (!disk_.is_down()) disk_.stop();
      restart(crash);
    }
    open(false);
    check();
    session(Session::Kind::incremental);
    torn_.clear();
    check();
    CHECK(torn_ == "");
    server_.reset();
  }

 private:
  [[nodiscard]] Server::Options options(bool create) {
    Server::Options options;
    options.gates.redo = &disk_;
    options.gates.target = &disk_;
    options.sync_method = method_;
    options.create = create;
    return options;
  }

  void open(bool create) {
    auto opened = Server::open(site_, options(create));
    if (disk_.is_down()) return;
    REQUIRE_OK(opened);
    server_ = *std::move(opened);
  }

  [[nodiscard]] Status perform(Action action) {
    if (!server_) return Status(Code::io, "the machine has stopped");
    if (action == Action::roll) {
      if (Status s = server_->scan(); !s.ok()) return s;
      const Lsn end = server_->redo->end();
      if (Status s = server_->redo->roll(); !s.ok()) return s;
      acknowledged_ = end;
      if (Status s = server_->redo->maintain(); !s.ok()) return s;
      return server_->redo->remove_consumed(std::chrono::seconds(0)).status();
    }
    const Result<SessionInfo> info =
        server_->back_up(action == Action::full ? Session::Kind::full : Session::Kind::incremental);
    if (!info.ok()) return info.status();
    for (const SessionAccount& account : info->accounts)
      if (!account.error.empty()) return Status(Code::partial, account.error);
    states_[info->label] = Prepared::of_store(*server_);
    return {};
  }

  void session(Session::Kind kind) {
    const Result<SessionInfo> info = server_->back_up(kind);
    REQUIRE_OK(info);
    for (const SessionAccount& account : info->accounts) CHECK(account.error == "");
    REQUIRE(info->status == SessionStatus::completed);
    states_[info->label] = Prepared::of_store(*server_);
  }

  void restart(const std::optional<SimulatedDisk::Crash>& crash) {
    disk_.restart_machine(crash.value_or(disk_.random_crash()));
    disk_.crash_at(UINT64_MAX);
    forget_this_process();
    for (const auto& entry : fs::directory_iterator(site_.state))
      if (below(2) == 0) fs::remove_all(entry.path());
  }

  // The process that ran a session has died with the machine; it is this one, which lives on.
  void forget_this_process() {
    const Result<os::Fd> dir = disk_.open_at(AT_FDCWD, "/target/sessions_tmp", O_RDONLY | O_DIRECTORY, 0);
    if (!dir.ok()) return;
    const Result<std::vector<os::DirEntry>> labels = disk_.list(dir->get());
    REQUIRE_OK(labels);
    for (const os::DirEntry& label : *labels) (void)disk_.unlink_at(dir->get(), label.name + "/status.xml");
  }

  // What was acknowledged is there, what is there is whole.
  void check() {
    CHECK(server_->redo->end() >= acknowledged_);
    const Result<std::vector<SessionInfo>> published = server_->published();
    REQUIRE_OK(published);
    CHECK(damages_of(*published) == "");
    std::set<std::string> labels;
    for (const SessionInfo& info : *published) {
      labels.insert(info.label);
      INFO(info.label);
      CHECK(info.status == SessionStatus::completed);
      // Published, and the machine stopped before that could be said: the store is as it was.
      const auto known = states_.try_emplace(info.label, Prepared::of_store(*server_)).first;
      RestoreStop stop;
      stop.label = info.label;
      const Result<States> found = server_->at(stop);
      REQUIRE_OK(found);
      CHECK(difference(known->second, *found) == "");
    }
    for (const auto& [label, state] : states_) CHECK(labels.contains(label));
  }

  // A segment that was archived when the machine stopped, and that no published session has, may be torn. The
  // log still holds it, and the next session archives it again. So may a pack that was put and not synced:
  // nobody relies on it, as it costs nothing, and it stays until content is given back.
  [[nodiscard]] std::string damages_of(const std::vector<SessionInfo>& published) {
    std::uint64_t archived = 0;
    for (const SessionInfo& info : published) archived = std::max(archived, info.last_sequence);
    std::istringstream damages(server_->damages());
    std::string all;
    for (std::string line; std::getline(damages, line);) {
      if (line.starts_with("content/packs/") && line.find("; costs ") == std::string::npos) continue;
      const std::size_t at = line.find("/redo-");
      const bool is_torn = line.starts_with("redologs/") && std::stoull(line.substr(at + 6, 10)) > archived;
      (is_torn ? torn_ : all) += line + "\n";
    }
    return all;
  }

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

  std::mt19937_64 engine_;
  SimulatedDisk disk_;
  MemoryDir dir_;
  Site site_;
  storage::SyncMethod method_;
  std::unique_ptr<Server> server_;
  std::map<std::string, States> states_;
  Lsn acknowledged_ = 0;
  std::string torn_;
};

TEST_CASE(
    "a machine that stops at any change of a session or a roll: what is published is whole, all goes on") {
  using Survival = SimulatedDisk::Survival;
  const std::vector<std::optional<SimulatedDisk::Crash>> crashes = {
      SimulatedDisk::Crash{Survival::nothing, Survival::nothing},
      SimulatedDisk::Crash{Survival::nothing, Survival::everything},
      SimulatedDisk::Crash{Survival::everything, Survival::everything},
      SimulatedDisk::Crash{Survival::each, Survival::each}, std::nullopt};
  Random random("machine");
  for (const auto method : {storage::SyncMethod::file_system, storage::SyncMethod::each_write}) {
    for (const Action action : {Action::full, Action::incremental, Action::roll}) {
      const std::uint64_t total = Machine(1, method).measure(action);
      const std::uint64_t count = long_tests() ? total : std::min<std::uint64_t>(total, 24);
      std::uint64_t trials = 0;
      for (std::uint64_t i = 0; i < count; ++i) {
        for (std::size_t c = 0; c < crashes.size(); ++c) {
          // In the ordinary run each moment sees one kind of loss, in turn.
          if (!long_tests() && c != i % crashes.size()) continue;
          const std::uint64_t low = i * total / count;
          const std::uint64_t n = low + random.below((i + 1) * total / count - low);
          const std::uint64_t seed = random.u64();
          INFO(kActions[static_cast<int>(action)] << ", change " << n << " of " << total << ", loss " << c
                                                  << ", seed " << seed << ", sync method "
                                                  << static_cast<int>(method));
          Machine machine(seed, method);
          machine.crash_at(n, action, crashes[c]);
          ++trials;
        }
      }
      std::cout << kActions[static_cast<int>(action)] << ": the machine stopped at " << trials << " of "
                << total << " changes" << std::endl;
    }
  }
}

}  // namespace
}  // namespace restante::test

// R7: a process that is frozen at any step stops nobody for longer than the deadline.

#include <sys/ptrace.h>

#include <chrono>
#include <optional>

#include "fateful_io.hpp"
#include "processes.hpp"

namespace restante::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kDeadline{120};
/// What a busy machine may take beside.
constexpr milliseconds kSlack{1500};

/// A log that one process uses while another one is frozen.
class Site {
 public:
  Site() {
    Result<RedoLog> opened = RedoLog::open(path_, options());
    REQUIRE_OK(opened);
    log_ = *opened;
    REQUIRE_OK(log_->set_consumer("target", 0));
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] RedoLog& log() { return *log_; }
  [[nodiscard]] RedoLog::Options options() const {
    RedoLog::Options options = options_with(clock_, 64u << 10);
    options.deadline = kDeadline;
    return options;
  }
  /// Of the one that is frozen: time goes by for him too.
  [[nodiscard]] RedoLog::Options sleeper() const {
    RedoLog::Options options = this->options();
    options.deadline = std::chrono::seconds(60);
    options.holder = "sleeper";
    return options;
  }

  void acknowledged(const std::string& id) { acknowledged_.insert(id); }

  /// While `pid` is frozen: everybody goes on, or is told in time who does not.
  void use_beside(pid_t pid, const std::string& name) {
    name_ = std::to_string(pid);
    refusals_ = 0;
    go_on_or_be_told([&] {
      const Status appended = append(*log_, "beside", "small " + name, 50).status();
      if (appended.ok()) acknowledged_.insert("small " + name);
      return appended;
    });
    go_on_or_be_told([&] {
      const Status appended = append(*log_, "beside", "large " + name, 6000).status();
      if (appended.ok()) acknowledged_.insert("large " + name);
      return appended;
    });
    switch (++turn_ % 4) {
      case 0: go_on_or_be_told([&] { return log_->roll(); }); break;
      case 1: go_on_or_be_told([&] { return log_->maintain(); }); break;
      case 2:
        go_on_or_be_told([&] { return log_->remove_consumed(std::chrono::seconds(0)).status(); });
        break;
      default: open_beside();
    }
    // Readers need no lock.
    const ReadBack back = read_all_of(*log_);
    REQUIRE_OK(back.failure);
    REQUIRE(back.damages.empty());
  }

  /// When he goes on or is dead: nobody is told anything any more.
  void use_behind(const std::string& name) {
    REQUIRE_OK(append(*log_, "beside", "behind " + name, 50));
    acknowledged_.insert("behind " + name);
    Result<std::vector<Transaction>> left = log_->recover();
    REQUIRE_OK(left);
    for (Transaction& transaction : *left) REQUIRE_OK(transaction.abort());
    if (turn_ % 5 == 0) REQUIRE_OK(log_->maintain());
    if (turn_ % 10 == 0) check_whole(*log_, acknowledged_);
  }

  void check() {
    REQUIRE_OK(log_->sync());
    check_whole(*log_, acknowledged_);
    log_.reset();
    Result<RedoLog> again = RedoLog::open(path_, options());
    REQUIRE_OK(again);
    check_whole(*again, acknowledged_);
    CHECK(again->unfinished().empty());
  }

  [[nodiscard]] int refusals() const { return refusals_; }
  /// Between taking a lock and signing it lie a few instructions.
  bool allows_unnamed = false;

 private:
  template <class Call>
  void go_on_or_be_told(Call call) {
    const auto before = steady_clock::now();
    const Status status = call();
    const auto waited = std::chrono::duration_cast<milliseconds>(steady_clock::now() - before);
    INFO(status.to_string() << " after " << waited.count() << " ms");
    REQUIRE(waited < kDeadline + kSlack);
    if (status.ok()) return;
    ++refusals_;
    REQUIRE((status.code() == Code::busy || status.code() == Code::timed_out));
    if (allows_unnamed && status.message().find("another process") != std::string::npos) return;
    REQUIRE(status.message().find("process " + name_) != std::string::npos);
  }

  // One who comes while the other is frozen.
  void open_beside() {
    const auto before = steady_clock::now();
    Child child([&] {
      const Status opened = RedoLog::open(path_, options()).status();
      if (opened.ok()) return 0;
      const bool is_told = opened.code() == Code::busy || opened.code() == Code::timed_out;
      return is_told && opened.message().find("process " + name_) != std::string::npos ? 0 : 1;
    });
    REQUIRE(child.wait() == 0);
    REQUIRE(steady_clock::now() - before < kDeadline + kSlack);
  }

  const ScratchDir dir_;
  const std::string path_ = dir_.file("redo");
  const ManualClock clock_;
  std::optional<RedoLog> log_;
  std::set<std::string> acknowledged_;
  std::string name_;
  int turn_ = 0;
  int refusals_ = 0;
};

/// Everything that a host does.
int work(const Site& site, os::Io& io, const Pipe& pipe, const std::string& name) {
  redo::OpenHooks hooks;
  hooks.io = &io;
  Result<RedoLog> log = redo::open_log(site.path(), site.sleeper(), hooks);
  if (!log.ok()) return 1;
  if (!append(*log, "alice", name + " small", 900).ok()) return 2;
  say(pipe, name + " small");
  if (!append(*log, "alice", name + " large", 6000).ok()) return 3;
  say(pipe, name + " large");
  const std::string text = name + std::string(9000, 'm');
  const auto reader = read_from_memory(as_bytes(text));
  if (!log->put_content("alice", *reader).ok()) return 4;
  RedoLog::BeginOptions begin_options;
  begin_options.ignore_unrecovered = true;
  const std::vector<Operation> operations{host_op(name + " begun")};
  Result<Transaction> transaction = log->begin("bob", operations, begin_options);
  if (!transaction.ok() || !log->roll().ok()) return 5;
  if (!transaction->commit({}, Sync::durable).ok()) return 6;
  say(pipe, name + " begun");
  if (!append(*log, "alice", name + " lazy", 100, Sync::lazy).ok()) return 7;
  say(pipe, name + " lazy");
  if (!log->maintain().ok()) return 8;
  if (!log->set_consumer("mover", log->end()).ok()) return 9;
  if (!log->remove_consumed(std::chrono::seconds(0)).ok()) return 10;
  return 0;
}

std::uint64_t calls_of(const Site& site) {
  Pipe pipe;
  Child child([&] {
    FatefulIo io(0, false, [] {});
    const int answer = work(site, io, pipe, "counted");
    say(pipe, "calls " + std::to_string(io.calls()));
    return answer;
  });
  pipe.close_writer();
  std::uint64_t calls = 0;
  for (const std::string& line : lines_of(pipe.read_to_end()))
    if (line.starts_with("calls ")) calls = std::stoull(line.substr(6));
  REQUIRE(child.wait() == 0);
  return calls;
}

TEST_CASE("R7: a process frozen at any call of the system stops nobody, whether it goes on or is killed") {
  Site site;
  const std::uint64_t calls = calls_of(site);
  REQUIRE(calls > 20);
  int refused = 0;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    for (const bool after : {false, true}) {
      for (const bool dies : {false, true}) {
        // One of two in the ordinary run.
        if (!long_tests() && dies != ((n + (after ? 1 : 0)) % 2 == 0)) continue;
        const std::string name = std::to_string(n) + (after ? "a" : "b") + (dies ? "k" : "c");
        INFO("frozen " << (after ? "behind" : "before") << " call " << n << (dies ? ", then killed" : ""));
        Pipe pipe;
        Child child([&] {
          FatefulIo io(n, after, [] { ::raise(SIGSTOP); });
          return work(site, io, pipe, name);
        });
        pipe.close_writer();
        int status = 0;
        REQUIRE(::waitpid(child.pid(), &status, WUNTRACED) == child.pid());
        // The number of calls may be one less than counted.
        const bool is_frozen = WIFSTOPPED(status);
        if (is_frozen) {
          site.use_beside(child.pid(), name);
          refused += site.refusals() > 0 ? 1 : 0;
          ::kill(child.pid(), dies ? SIGKILL : SIGCONT);
        }
        for (const std::string& line : lines_of(pipe.read_to_end())) site.acknowledged(line);
        const int end = is_frozen ? child.wait() : WEXITSTATUS(status);
        REQUIRE(end == (is_frozen && dies ? -SIGKILL : 0));
        site.use_behind(name);
      }
    }
  }
  // Frozen with a lock held, and without.
  CHECK(refused > 10);
  CHECK(refused < static_cast<int>(calls) * (long_tests() ? 4 : 2));
  site.check();
}

/// A child that its parent lets go on instruction by instruction.
class Stepped {
 public:
  explicit Stepped(const std::function<int()>& prepare, const std::function<int()>& work)
      : child_([&] {
          if (const int answer = prepare(); answer != 0) return answer;
          if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return kRefused;
          ::raise(SIGSTOP);
          return work();
        }) {
    is_stopped_ = wait();
  }
  static constexpr int kRefused = 77;

  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] bool is_stopped() const { return is_stopped_; }
  [[nodiscard]] int end() const { return end_; }
  /// False when it has ended.
  bool step() { return is_stopped_ = ::ptrace(PTRACE_SINGLESTEP, pid(), nullptr, nullptr) == 0 && wait(); }
  void go_on() {
    (void)::ptrace(PTRACE_DETACH, pid(), nullptr, nullptr);
    end_ = child_.wait();
  }
  void kill() {
    child_.kill();
    end_ = child_.wait();
  }

 private:
  bool wait() {
    int status = 0;
    (void)::waitpid(pid(), &status, 0);
    if (WIFSTOPPED(status)) return true;
    end_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return false;
  }

  Child child_;
  bool is_stopped_ = false;
  int end_ = 0;
};

TEST_CASE(
    "R7: a process frozen at any instruction of an append stops nobody, whether it goes on or is killed") {
  Site site;
  site.allows_unnamed = true;
  std::optional<Result<RedoLog>> log;
  const auto prepare = [&] {
    log.emplace(RedoLog::open(site.path(), site.sleeper()));
    return log->ok() ? 0 : 1;
  };
  const auto append_as = [&](const std::string& name) {
    return [&log, name] { return append(**log, "alice", name, 40).ok() ? 0 : 2; };
  };
  std::uint64_t instructions = 0;
  {
    Stepped counted(prepare, append_as("counted"));
    if (!counted.is_stopped()) {
      REQUIRE(counted.end() == Stepped::kRefused);
      WARN("this system does not let a process be traced; nothing was tried");
      return;
    }
    while (counted.step()) ++instructions;
    REQUIRE(counted.end() == 0);
  }
  REQUIRE(instructions > 1000);
  Random random("instructions");
  int refused = 0;
  const int rounds = long_tests() ? 2000 : 12;
  // Until somebody was frozen with a lock in his hand, which most instructions are not.
  for (int round = 0; round < rounds || (refused == 0 && round < 20 * rounds); ++round) {
    const std::string name = std::to_string(round);
    const bool dies = random.one_in(2);
    Stepped child(prepare, append_as(name + " stepped"));
    const std::uint64_t at = random.below(instructions);
    for (std::uint64_t i = 0; i < at && child.is_stopped(); ++i) child.step();
    INFO("frozen at instruction " << at << " of " << instructions << (dies ? ", then killed" : ""));
    if (child.is_stopped()) {
      site.use_beside(child.pid(), name);
      refused += site.refusals() > 0 ? 1 : 0;
      dies ? child.kill() : child.go_on();
      REQUIRE(child.end() == (dies ? -SIGKILL : 0));
    } else {
      REQUIRE(child.end() == 0);
    }
    if (child.end() == 0) site.acknowledged(name + " stepped");
    site.use_behind(name);
  }
  CHECK(refused > 0);
  site.check();
}

}  // namespace
}  // namespace restante::test

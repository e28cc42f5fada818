// R6, R7, R10: many processes that are killed and frozen at random for a minute.
//
// Every thread writes down what it begins and what was acknowledged, in one file, in the order in which it
// happened. A consumer reads the log, writes down what it got, and lets segments go. In the end, what was
// read and what is left must be what was acknowledged, in order, each once, and what was in flight.

#include <fcntl.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "processes.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kLongLived = 4;
constexpr int kShortLived = 2;
constexpr int kThreads = 3;

/// The file in which everybody says what he does; a line is written by one call.
class Diary {
 public:
  explicit Diary(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
  void begins(const std::string& who, const std::string& id) const { line("begins", who, id, 0); }
  void done(const std::string& who, const std::string& id, Lsn lsn) const { line("done", who, id, lsn); }
  void aborted(const std::string& who, const std::string& id) const { line("aborted", who, id, 0); }
  void read(const std::string& who, const std::string& id, Lsn lsn) const { line("read", who, id, lsn); }
  /// Ends the process: nothing may fail.
  [[noreturn]] void failed(const std::string& who, const Status& status) const {
    line("failed", who, status.to_string(), 0);
    ::_exit(1);
  }

 private:
  void line(std::string_view what, const std::string& who, const std::string& text, Lsn lsn) const {
    std::ostringstream out;
    out << what << ' ' << who << ' ' << lsn << ' ' << text << '\n';
    const std::string bytes = out.str();
    if (::write(fd_.get(), bytes.data(), bytes.size()) < 0) ::_exit(9);
  }
  os::Fd fd_;
};

/// One thread of a writer.
class Writer {
 public:
  Writer(RedoLog log, const Diary& diary, std::string who, std::uint64_t seed)
      : log_(std::move(log)), diary_(diary), who_(std::move(who)), engine_(seed) {}

  void step() {
    switch (below(20)) {
      case 0: return check(log_.roll());
      case 1: return check(log_.maintain());
      case 2: return recover();
      case 3: return check(log_.touch(account()));
      case 4:
      case 5: return append_content();
      case 6:
      case 7:
      case 8:
      case 9:
      case 10: return transact();
      default: return append({});
    }
  }
  void pause() { std::this_thread::sleep_for(std::chrono::microseconds(below(4000))); }

 private:
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  [[nodiscard]] std::string account() { return "account" + std::to_string(below(5)); }
  [[nodiscard]] std::string new_id() { return who_ + "." + std::to_string(++number_); }
  [[nodiscard]] Sync sync() { return below(3) == 0 ? Sync::lazy : Sync::durable; }
  void check(const Status& status) const {
    if (!status.ok()) diary_.failed(who_, status);
  }
  [[nodiscard]] std::vector<Operation> operations_of(const std::string& id,
                                                     const std::optional<ContentRef>& content) {
    // Some do not fit where small ones wait.
    std::vector<Operation> operations{host_op(id, below(10) == 0 ? 6000 : below(600))};
    if (!content) return operations;
    MessagePut put;
    put.messages.emplace_back();
    put.messages.back().id = id;
    put.messages.back().folder_id = "inbox";
    put.messages.back().content = content;
    operations.emplace_back(std::move(put));
    return operations;
  }
  [[nodiscard]] static RedoLog::BeginOptions options(Sync sync) {
    RedoLog::BeginOptions options;
    options.sync = sync;
    options.ignore_unrecovered = true;
    return options;
  }

  void append(const std::optional<ContentRef>& content) {
    const std::string id = new_id();
    diary_.begins(who_, id);
    const Result<Lsn> lsn = log_.append(account(), operations_of(id, content), options(sync()));
    check(lsn.status());
    diary_.done(who_, id, *lsn);
  }
  void append_content() {
    // Two of three are somebody else's too.
    const std::string text = "message " + std::to_string(below(3) == 0 ? engine_() : below(20));
    const std::string bytes =
        text + std::string(3000 + static_cast<std::size_t>(below(9000)) / 3000 * 3000, 'm');
    const auto reader = read_from_memory(as_bytes(bytes));
    const Result<ContentRef> content = log_.put_content(account(), *reader);
    check(content.status());
    append(*content);
  }
  void transact() {
    const std::string id = new_id();
    diary_.begins(who_, id);
    Result<Transaction> transaction = log_.begin(account(), operations_of(id, {}), options(Sync::durable));
    check(transaction.status());
    if (below(3) == 0) pause();
    // What nobody ends now is recovered when this process is dead.
    if (below(40) == 0) {
      held_.push_back(std::move(*transaction));
      return;
    }
    end(*transaction, id, below(5) == 0);
  }
  void end(Transaction& transaction, const std::string& id, bool aborts) {
    if (aborts) {
      check(transaction.abort(sync()));
      return diary_.aborted(who_, id);
    }
    const Result<Lsn> lsn = transaction.commit({}, sync());
    check(lsn.status());
    diary_.done(who_, id, *lsn);
  }
  void recover() {
    Result<std::vector<Transaction>> claimed = log_.recover();
    check(claimed.status());
    for (Transaction& transaction : *claimed) {
      const auto* op = std::get_if<HostOp>(&transaction.operations().front());
      if (op == nullptr) diary_.failed(who_, Status(Code::internal, "claimed something else"));
      diary_.begins(who_, op->name);
      end(transaction, op->name, below(3) == 0);
    }
  }

  RedoLog log_;
  const Diary& diary_;
  const std::string who_;
  std::mt19937_64 engine_;
  std::vector<Transaction> held_;
  std::uint64_t number_ = 0;
};

/// Reads what is there, writes it down, and then lets it go.
void consume(RedoLog& log, const Diary& diary, const std::string& who) {
  const auto check = [&](const Status& status) {
    if (!status.ok()) diary.failed(who, status);
  };
  Lsn after = 0;
  for (const Consumer& consumer : *log.consumers())
    if (consumer.name == "reader") after = consumer.position;
  Result<RedoLog::Follower> follower = log.follow(after);
  check(follower.status());
  for (int count = 1;; ++count) {
    LoggedTransaction transaction;
    const Result<bool> more = follower->next(transaction);
    check(more.status());
    if (*more) {
      diary.read(who, id_of(transaction), transaction.commit_lsn);
      after = transaction.commit_lsn;
    }
    if (*more && count % 50 != 0) continue;
    if (after != 0) check(log.set_consumer("reader", after));
    check(log.remove_consumed(std::chrono::seconds(0)).status());
    if (!*more) check(follower->wait(milliseconds(50)).status());
  }
}

class Crowd {
 public:
  Crowd(std::string path, std::string diary) : path_(std::move(path)), diary_(std::move(diary)) {
    options_.create = true;
    options_.segment_bytes = 256u << 10;
    options_.piece_bytes = 4u << 10;
    options_.deadline = std::chrono::seconds(60);
    // Before anybody writes: nothing is removed that it has not read.
    Result<RedoLog> log = RedoLog::open(path_, options_);
    REQUIRE_OK(log);
    REQUIRE_OK(log->set_consumer("reader", 0));
    for (int i = 0; i < kLongLived + kShortLived + 1; ++i) members_.emplace_back();
    for (std::size_t i = 0; i < members_.size(); ++i) begin(i);
  }
  ~Crowd() { kill_all(); }

  /// Something happens to somebody.
  void step() {
    std::this_thread::sleep_for(milliseconds(random_.between(5, 60)));
    for (Member& member : members_) {
      if (member.is_frozen && steady_clock::now() >= member.frozen_until) thaw(member);
    }
    reap();
    const std::size_t chosen = static_cast<std::size_t>(random_.below(members_.size()));
    Member& member = members_[chosen];
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        if (member.is_frozen) break;
        ::kill(member.child->pid(), SIGSTOP);
        member.is_frozen = true;
        member.frozen_until = steady_clock::now() + milliseconds(random_.between(1, 400));
        ++freezes;
        break;
      case 3:
        if (!random_.one_in(8)) break;
        // Now nobody has it, and whoever comes recovers.
        kill_all();
        for (std::size_t i = 0; i < members_.size(); ++i) begin(i);
        ++ends_of_all;
        break;
      default: kill(member); begin(chosen);
    }
  }
  void kill_all() {
    for (Member& member : members_)
      if (member.child) kill(member);
  }
  [[nodiscard]] const RedoLog::Options& options() const { return options_; }

  /// Somebody ended who should not; the diary says why.
  bool has_failed = false;
  int kills = 0;
  int freezes = 0;
  int ends_of_all = 0;
  int ends_in_order = 0;

 private:
  struct Member {
    std::unique_ptr<Child> child;
    bool is_frozen = false;
    steady_clock::time_point frozen_until;
  };

  void kill(Member& member) {
    member.child->kill();
    const int end = member.child->wait();
    // A short life may have ended in order by itself.
    has_failed = has_failed || (end != 0 && end != -SIGKILL);
    ++kills;
    member = {};
  }
  static void thaw(Member& member) {
    ::kill(member.child->pid(), SIGCONT);
    member.is_frozen = false;
  }
  void reap() {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      int status = 0;
      if (::waitpid(members_[i].child->pid(), &status, WNOHANG) != members_[i].child->pid()) continue;
      has_failed = has_failed || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
      ++ends_in_order;
      members_[i] = {};
      begin(i);
    }
  }
  void begin(std::size_t index) {
    const std::uint64_t seed = random_.u64();
    const std::string name = "p" + std::to_string(++number_);
    members_[index].child = std::make_unique<Child>([&, index, seed, name] {
      const Diary diary(diary_);
      RedoLog::Options options = options_;
      options.holder = name;
      Result<RedoLog> log = RedoLog::open(path_, options);
      if (!log.ok()) diary.failed(name, log.status());
      if (index == 0) consume(*log, diary, name);
      const bool is_short = index > kLongLived;
      std::vector<std::thread> threads;
      for (int t = 0; t < (is_short ? 1 : kThreads); ++t) {
        threads.emplace_back([&, t] {
          Writer writer(*log, diary, name + "." + std::to_string(t), seed + static_cast<std::uint64_t>(t));
          for (std::uint64_t i = 0; !is_short || i < seed % 6; ++i) {
            writer.step();
            writer.pause();
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      log = Status(Code::internal, "closed");
      return 0;
    });
  }

  const std::string path_;
  const std::string diary_;
  RedoLog::Options options_;
  Random random_{"crowd"};
  std::vector<Member> members_;
  int number_ = 0;
};

/// What the diary and the log say, against each other.
class Account {
 public:
  void take(std::istream& diary) {
    std::string what;
    std::string who;
    Lsn lsn = 0;
    std::string text;
    while (diary >> what >> who >> lsn && std::getline(diary, text)) {
      text.erase(0, 1);
      if (what == "failed") FAIL(who << ": " << text);
      if (what == "read") {
        note_found(text, lsn);
        continue;
      }
      in_flight_[who] = what == "begins" ? text : "";
      if (what == "begins") after_.try_emplace(text, newest_);
      if (what == "aborted") aborted_.insert(text);
      if (what != "done") continue;
      REQUIRE(done_.emplace(text, lsn).second);
      newest_ = std::max(newest_, lsn);
    }
  }
  void note_found(const std::string& id, Lsn lsn) {
    const auto [there, is_new] = found_.emplace(id, lsn);
    INFO(id << " at " << lsn);
    REQUIRE((is_new || there->second == lsn));
    const auto [at, is_only] = at_.emplace(lsn, id);
    REQUIRE((is_only || at->second == id));
  }
  void check() const {
    for (const auto& [id, lsn] : done_) {
      INFO(id << " was acknowledged at " << lsn);
      const auto found = found_.find(id);
      REQUIRE(found != found_.end());
      REQUIRE(found->second == lsn);
    }
    std::set<std::string> in_flight;
    for (const auto& [who, id] : in_flight_) in_flight.insert(id);
    for (const auto& [id, lsn] : found_) {
      INFO(id << " is at " << lsn);
      REQUIRE_FALSE(aborted_.contains(id));
      // Somebody was at it when he was killed, or it was acknowledged.
      REQUIRE((done_.contains(id) || in_flight.contains(id)));
      // It came behind everything that had been acknowledged before it was begun.
      REQUIRE(after_.contains(id));
      REQUIRE(after_.at(id) < lsn);
    }
  }
  [[nodiscard]] std::size_t acknowledged() const { return done_.size(); }

 private:
  std::map<std::string, Lsn> done_;
  std::set<std::string> aborted_;
  std::map<std::string, std::string> in_flight_;
  std::map<std::string, Lsn> after_;
  std::map<std::string, Lsn> found_;
  std::map<Lsn, std::string> at_;
  Lsn newest_ = 0;
};

/// Everything in the log, read from where the consumer stands.
void read_rest(const RedoLog& log, Account& account) {
  const std::vector<Consumer> consumers = *log.consumers();
  REQUIRE(consumers.size() == 1);
  const ReadBack back =
      read_all_of(log, {.after = consumers[0].position, .until = UINT64_MAX, .account_id = {}});
  REQUIRE_OK(back.failure);
  REQUIRE(back.damages.empty());
  for (const LoggedTransaction& transaction : back.transactions) {
    account.note_found(id_of(transaction), transaction.commit_lsn);
    for (const Operation& operation : transaction.operations) {
      const auto* put = std::get_if<MessagePut>(&operation);
      if (put == nullptr) continue;
      const Result<std::unique_ptr<ContentReader>> reader = log.open_content(*put->messages.front().content);
      REQUIRE_OK(reader);
      Bytes bytes(1u << 16);
      Result<std::size_t> got = std::size_t{1};
      while (got.ok() && *got != 0) got = (*reader)->read(bytes);
      REQUIRE_OK(got);
    }
  }
}

std::chrono::seconds duration() {
  if (const char* const given = std::getenv("RESTANTE_KILL_SECONDS"))
    return std::chrono::seconds(std::strtoull(given, nullptr, 10));
  return std::chrono::seconds(long_tests() ? 900 : 60);
}

TEST_CASE(
    "R7: processes killed and frozen at random for a minute leave what was acknowledged, in order, once") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const std::string diary = dir.file("diary");
  Crowd crowd(path, diary);
  INFO("RESTANTE_TEST_SEED=" << test_seed());
  const auto until = steady_clock::now() + duration();
  while (steady_clock::now() < until && !crowd.has_failed) crowd.step();
  crowd.kill_all();

  Account account;
  std::ifstream lines(diary);
  account.take(lines);
  REQUIRE_FALSE(crowd.has_failed);
  for (const bool is_again : {false, true}) {
    INFO((is_again ? "opened again" : "opened first"));
    Result<RedoLog> log = RedoLog::open(path, crowd.options());
    REQUIRE_OK(log);
    read_rest(*log, account);
    account.check();
    const Result<LogVerification> verified = log->verify();
    REQUIRE_OK(verified);
    REQUIRE(verified->damages.empty());
    Result<std::vector<Transaction>> left = log->recover();
    REQUIRE_OK(left);
    if (is_again) CHECK(left->empty());
    for (Transaction& transaction : *left) REQUIRE_OK(transaction.abort());
  }
  std::cout << account.acknowledged() << " acknowledged, " << crowd.kills << " killed, " << crowd.freezes
            << " frozen, " << crowd.ends_in_order << " ended in order, " << crowd.ends_of_all
            << " times all were killed" << std::endl;
  CHECK(crowd.kills > 20);
  CHECK(crowd.freezes > 20);
  CHECK(crowd.ends_in_order > 0);
  CHECK(account.acknowledged() > 200);
}

}  // namespace
}  // namespace restante::test

#include <restante/watcher.hpp>

#include <sys/mount.h>

#include <chrono>
#include <condition_variable>
#include <thread>

#include "scan_fixture.hpp"
#include "stores/watch_changes.hpp"
#include "stores/watch_mailbox.hpp"
#include "support/faulty_io.hpp"

using namespace restante;
using namespace restante::test;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr const char* kOrigin = "restante watch";

/// A store of several accounts, with a watcher on it in a thread of its own.
class Site {
 public:
  explicit Site(const ScratchDir& dir, std::uint64_t segment_bytes = 100u << 20, os::Io& io = os::real_io())
      : scratch_(dir), io_(io), root(dir.path() / "mail"), log(open_log(dir, "redo", segment_bytes)) {
    fs::create_directories(root);
    store = std::make_unique<TestStore>(root, io_);
    scanner = open_scanner(kOrigin);
  }
  ~Site() {
    if (thread_.joinable()) CHECK(stop().ok());
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  fs::path make_account(const std::string& name) {
    make_maildir(root / name);
    write_file(root / name / "dovecot-uidlist", "3 V1 N1 G" + std::string(32, 'a') + "\n");
    return root / name;
  }

  void start(Watcher::Options options = {}) {
    options.on_event = [this](const WatchEvent& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
      told_.notify_all();
    };
    Result<std::unique_ptr<Watcher>> opened = Watcher::open(*store->store, *scanner, options);
    REQUIRE_OK(opened);
    watcher = std::move(*opened);
    thread_ = std::thread([this] { ended_ = watcher->run(); });
  }
  Status stop() {
    watcher->stop();
    thread_.join();
    return ended_;
  }
  /// As a process would be that dies: nothing is saved, and another one takes over.
  void start_anew() {
    scanner.reset();
    scanner = open_scanner(kOrigin);
    start();
  }

  /// Until everything that has happened is in the log.
  void settle() {
    write_probe();
    const auto until = steady_clock::now() + std::chrono::seconds(60);
    while (!probe_is_logged()) {
      REQUIRE(steady_clock::now() < until);
      std::this_thread::sleep_for(milliseconds(2));
    }
    while (watcher->stats().waiting > 0) {
      REQUIRE(steady_clock::now() < until);
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  template <class Function>
  bool wait_for(Function is_true, std::chrono::seconds limit = std::chrono::seconds(30)) {
    const auto until = steady_clock::now() + limit;
    while (!is_true()) {
      if (steady_clock::now() > until) return false;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
  }

  /// What a scan by somebody else finds: nothing, if the log is the store.
  void require_log_is_store() {
    settle();
    const auto other = open_scanner("restante scan");
    const Result<std::vector<std::string>> accounts = other->accounts();
    REQUIRE_OK(accounts);
    for (const std::string& account : *accounts) {
      const Result<ScanReport> report = other->scan(account);
      INFO(account);
      REQUIRE_OK(report);
      REQUIRE_FALSE(report->adopted);
      const DifferenceSummary& difference = report->difference;
      CAPTURE(difference.messages.added, difference.messages.removed, difference.messages.flags_changed,
              difference.messages.changed, difference.items.added, difference.items.removed,
              difference.items.changed, difference.folders.size());
      REQUIRE(difference.none());
    }
  }

  std::vector<WatchEvent> events(WatchEvent::Kind kind) {
    const std::lock_guard lock(mutex_);
    std::vector<WatchEvent> found;
    for (const WatchEvent& event : events_)
      if (event.kind == kind) found.push_back(event);
    return found;
  }
  std::uint64_t scans() { return watcher->stats().scans; }

  std::unique_ptr<Scanner> open_scanner(const char* client) {
    Scanner::Options options;
    options.state_directory = scratch_.file("state");
    options.origin.client = client;
    Result<std::unique_ptr<Scanner>> opened = ScannerInternals::open(*store->store, log, options, io_);
    REQUIRE_OK(opened);
    return std::move(*opened);
  }

  /// Operations that the log holds of an account.
  std::vector<Operation> logged(const std::string& account, Lsn after = 0) {
    REQUIRE_OK(log.sync());
    ReadRange range;
    range.after = after;
    range.account_id = account;
    auto cursor = log.read(range);
    REQUIRE_OK(cursor);
    std::vector<Operation> operations;
    for (LoggedTransaction transaction;;) {
      const Result<bool> more = (*cursor)->next(transaction);
      REQUIRE_OK(more);
      if (!*more) return operations;
      for (Operation& operation : transaction.operations) operations.push_back(std::move(operation));
    }
  }

 private:
  // The kernel tells in order, so what was done before a file appeared is known when the file is.
  void write_probe() {
    probed_from_ = log.end();
    for (const auto& entry : fs::directory_iterator(root)) {
      if (!entry.is_directory() || !fs::is_directory(entry.path() / "cur")) continue;
      probes_[entry.path().filename().string()] = "probe" + std::to_string(++probe_);
      write_file(entry.path() / "cur" / ("probe" + std::to_string(probe_) + ":2,"), "probe");
    }
  }
  bool probe_is_logged() {
    for (auto at = probes_.begin(); at != probes_.end();) {
      const auto state = watcher_knows(at->first + "@example.com", at->second);
      if (!state) return false;
      at = probes_.erase(at);
    }
    return true;
  }
  bool watcher_knows(const std::string& account, const std::string& message) {
    // A scan that adopts logs nothing, but its state has it.
    for (const Operation& operation : logged(account, probed_from_)) {
      const auto* put = std::get_if<MessagePut>(&operation);
      if (put != nullptr && std::any_of(put->messages.begin(), put->messages.end(),
                                        [&](const Message& one) { return one.id == message; })) {
        return true;
      }
    }
    const Result<stores::ScanState> state = ScannerInternals::impl(*scanner).states.load(account);
    if (!state.ok()) return false;
    for (const auto& [key, one] : state->state.messages())
      if (one.id == message) return true;
    return false;
  }

  const ScratchDir& scratch_;
  os::Io& io_;

 public:
  const fs::path root;
  RedoLog log;
  std::unique_ptr<TestStore> store;
  std::unique_ptr<Scanner> scanner;
  std::unique_ptr<Watcher> watcher;

 private:
  std::thread thread_;
  Status ended_;
  std::mutex mutex_;
  std::condition_variable told_;
  std::vector<WatchEvent> events_;
  std::map<std::string, std::string> probes_;
  Lsn probed_from_ = 0;
  int probe_ = 0;
};

}  // namespace

TEST_CASE("watcher: what happened to a message's file, whatever came first", "[stores]") {
  stores::AccountChanges changes;
  changes.came("", true, "a");
  changes.came("", false, "a:2,S");  // a link, then the old name goes
  changes.went("", true, "a");
  CHECK(changes.folders[""].files["a"].is_there);
  CHECK(changes.folders[""].files["a"].name == "a:2,S");
  changes.went("", false, "a:2,S");
  CHECK_FALSE(changes.folders[""].files["a"].is_there);
  stores::AccountChanges later;
  later.came("", false, "a:2,F");
  later.put_before(changes);
  CHECK(later.folders[""].files["a"].name == "a:2,F");
  CHECK_FALSE(later.empty());
}

TEST_CASE("watcher: deliveries, flags, moves, expunges and UIDs are logged without a scan", "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  const fs::path box = site.make_account("alice");
  make_maildir(box / ".Work");
  write_file(box / ".Work/dovecot-uidlist", "3 V2 N1 G" + std::string(32, 'b') + "\n");
  write_file(box / "dovecot-keywords", "0 Junk\n");
  write_file(box / "cur/old:2,S", "old", kSomeTimeUs);
  site.start();
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 1; }));
  const std::uint64_t scans = site.scans();
  const Lsn start = site.log.end();

  fs::create_directories(box / "tmp");
  write_file(box / "tmp/one", "one");
  fs::rename(box / "tmp/one", box / "new/one");
  {
    std::ofstream list(box / "dovecot-uidlist", std::ios::app);
    list << "1 :one\n" << std::flush;
  }
  site.settle();
  fs::rename(box / "new/one", box / "cur/one:2,");
  site.settle();
  fs::rename(box / "cur/one:2,", box / "cur/one:2,Sa");
  fs::rename(box / "cur/old:2,S", box / ".Work/cur/old:2,S");
  site.settle();
  write_file(box / "tmp/list", "3 V1 N5 G" + std::string(32, 'a') + "\n2 :old\n4 :one\n");
  fs::rename(box / "tmp/list", box / "dovecot-uidlist");
  site.settle();
  fs::remove(box / "cur/one:2,Sa");
  write_file(box / "maildirsize", "1000S\n5 1\n");
  write_file(box / ".Work/notes", "n");
  site.settle();
  {
    std::ofstream quota(box / "maildirsize", std::ios::app);
    quota << "5 1\n";
  }
  fs::remove(box / ".Work/notes");
  site.require_log_is_store();
  CHECK(site.scans() == scans);

  bool saw_uid = false;
  bool saw_flags = false;
  bool saw_expunge = false;
  bool saw_move = false;
  for (const Operation& operation : site.logged(kAlice, start)) {
    if (const auto* put = std::get_if<MessagePut>(&operation)) {
      for (const Message& message : put->messages) {
        saw_uid = saw_uid || (message.id == "one" && message.uid == 1 && message.content);
        saw_move = saw_move || (message.id == "old" && message.content);
      }
    } else if (const auto* flags = std::get_if<FlagsUpdate>(&operation)) {
      saw_flags = saw_flags || flags->messages.message_ids == std::vector<std::string>{"one"};
    } else if (const auto* expunge = std::get_if<MessageExpunge>(&operation)) {
      saw_expunge = saw_expunge || expunge->messages.message_ids == std::vector<std::string>{"one"};
    }
  }
  CHECK(saw_uid);
  CHECK(saw_flags);
  CHECK(saw_expunge);
  CHECK(saw_move);
}

TEST_CASE("watcher: a folder that is made, and what is subscribed to, is logged without a scan", "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  const fs::path box = site.make_account("alice");
  make_maildir(box / ".Work");
  write_file(box / ".Work/dovecot-uidlist", "3 V2 N1 G" + std::string(32, 'b') + "\n");
  write_file(box / "subscriptions", "V\t2\n\nWork\n");
  Watcher::Options options;
  options.settle = milliseconds(100);  // as long as the steps of making a folder may take here
  site.start(options);
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 1; }));
  const std::uint64_t scans = site.scans();
  const Lsn start = site.log.end();

  // As a server makes one, with a child; somebody delivers at once.
  make_maildir(box / ".New");
  write_file(box / ".New/maildirfolder", "");
  make_maildir(box / ".New.Child");
  write_file(box / ".New/new/first", "first");
  write_file(box / "new-subscriptions", "V\t2\n\nWork\nNew\n");
  fs::rename(box / "new-subscriptions", box / "subscriptions");
  // Below one that is known.
  make_maildir(box / ".Work.Old");
  write_file(box / ".Work.Old/dovecot-uidlist", "3 V9 N4 G" + std::string(32, 'c') + "\n2 :kept\n");
  write_file(box / ".Work.Old/cur/kept:2,S", "kept");
  site.settle();
  // The server looks into it: the folder keeps the id that the log knows.
  write_file(box / ".New.Child/dovecot-uidlist", "3 V7 N1 G" + std::string(32, 'd') + "\n");
  site.settle();
  write_file(box / ".New.Child/new/second", "second");
  std::ofstream(box / ".New.Child/dovecot-uidlist", std::ios::app) << "1 :second\n";
  site.settle();
  CHECK(site.scans() == scans);
  CHECK(site.stop().ok());

  MailboxState state;
  REQUIRE_OK(state.apply(FolderPut{Folder{.id = std::string(32, 'b'), .name = "Work"}}));
  for (const Operation& operation : site.logged("alice@example.com", start))
    REQUIRE_OK(state.apply(operation));
  std::map<std::string, std::string> ids;
  for (const auto& [id, folder] : state.folders()) ids[state.path_of(id)] = id;
  CHECK(ids.at("New") == "path:.New");
  CHECK(ids.at("New/Child") == "path:.New.Child");
  CHECK(ids.at("Work/Old") == std::string(32, 'c'));
  CHECK(state.messages().contains(MessageKey(ids.at("New"), "first")));
  CHECK(state.messages().at(MessageKey(ids.at("Work/Old"), "kept")).uid == 2);
  const Message& second = state.messages().at(MessageKey(ids.at("New/Child"), "second"));
  CHECK((second.uid == 1 && second.uidvalidity == 7));
  CHECK(second.content == content_ref_of(as_bytes(std::string("second"))));
  CHECK(state.items().contains(ItemKey("subscription", "New")));
  site.start_anew();
  site.require_log_is_store();
}

TEST_CASE("watcher: the log is the store after hundreds of random steps of several servers", "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  Random random("watcher-random");
  std::vector<RandomServer> servers;
  for (const char* name : {"alice", "bob", "carol"}) servers.emplace_back(site.make_account(name));
  for (int i = 0; i < 60; ++i) random.pick(servers).step();
  site.start();
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() >= 3; }));
  const int rounds = long_tests() ? 300 : 25;
  for (int round = 0; round < rounds; ++round) {
    INFO("round " << round << ", RESTANTE_TEST_SEED=" << test_seed());
    for (std::uint64_t n = random.between(1, 40); n > 0; --n) {
      random.pick(servers).step();
      if (random.one_in(4)) std::this_thread::sleep_for(milliseconds(random.below(30)));
    }
    if (random.one_in(5)) {
      REQUIRE_OK(site.stop());
      for (int i = 0; i < 5; ++i) random.pick(servers).step();
      site.start_anew();
    }
    site.require_log_is_store();
  }
}

TEST_CASE("watcher: accounts that appear, are renamed and go", "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  site.make_account("alice");
  site.start();
  REQUIRE(site.wait_for([&] { return site.watcher->stats().accounts == 1; }));
  const fs::path bob = site.make_account("bob");
  write_file(bob / "new/hello", "hello");
  REQUIRE(site.wait_for([&] { return site.watcher->stats().accounts == 2; }));
  site.require_log_is_store();
  fs::rename(bob, site.root / "robert");
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::removed).size() == 1; }));
  CHECK(site.events(WatchEvent::Kind::removed)[0].account_id == "bob@example.com");
  write_file(site.root / "robert/new/again", "again");
  site.require_log_is_store();
  CHECK(site.watcher->stats().accounts == 2);
  bool saw_delete = false;
  for (const Operation& operation : site.logged("bob@example.com"))
    saw_delete = saw_delete || std::holds_alternative<AccountDelete>(operation);
  CHECK(saw_delete);
}

TEST_CASE("watcher: memory is bounded, what is put away is found again", "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  std::vector<fs::path> boxes;
  for (int i = 0; i < 8; ++i) {
    boxes.push_back(site.make_account("user" + std::to_string(i)));
    for (int m = 0; m < 30; ++m) write_file(boxes.back() / "cur" / ("m" + std::to_string(m) + ":2,"), "text");
  }
  Watcher::Options options;
  options.max_messages = 70;
  site.start(options);
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 8; }));
  const std::uint64_t scans = site.scans();
  for (int round = 0; round < 5; ++round) {
    for (const fs::path& box : boxes) {
      write_file(box / "tmp/x", "x");
      fs::rename(box / "tmp/x", box / "new" / ("n" + std::to_string(round)));
      std::this_thread::sleep_for(milliseconds(5));
    }
    site.settle();
    REQUIRE(site.wait_for([&] { return site.watcher->stats().messages_in_memory <= 70; }));
  }
  CHECK(site.scans() == scans);
  site.require_log_is_store();
}

TEST_CASE("watcher: a stop logs what was told before it, and the next start finds nothing to do",
          "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  const fs::path box = site.make_account("alice");
  Watcher::Options options;
  options.settle = milliseconds(5000);  // longer than the stop takes
  site.start(options);
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 1; }));
  write_file(box / "tmp/last", "last");
  fs::rename(box / "tmp/last", box / "new/last");
  const auto before = steady_clock::now();
  REQUIRE_OK(site.stop());
  CHECK(steady_clock::now() - before < std::chrono::seconds(4));
  const auto events = site.events(WatchEvent::Kind::logged);
  REQUIRE(events.size() == 1);
  CHECK(events[0].operations >= 1);
  const auto other = site.open_scanner("restante scan");
  const Result<ScanReport> report = other->scan(kAlice);
  REQUIRE_OK(report);
  CHECK(report->difference.none());
}

TEST_CASE("watcher: a restore, and another scanner, go on beside it", "[stores]") {
  ScratchDir scratch;
  Site site(scratch);
  const fs::path box = site.make_account("alice");
  write_file(box / "cur/a:2,", "a");
  site.start();
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 1; }));
  const auto other = site.open_scanner("restante scan");
  for (int i = 0; i < 50; ++i) {
    write_file(box / "new" / ("n" + std::to_string(i)), "n");
    if (i % 3 == 0) REQUIRE_OK(other->scan(kAlice));
  }
  site.require_log_is_store();

  // While a restore has the account, nothing is logged; what it did is known afterwards.
  MessageExpunge expunge;
  expunge.folder_id = std::string(32, 'a');
  expunge.uidvalidity = 1;
  expunge.messages.message_ids = {"a"};
  auto rewind = site.log.begin(
      kAlice, std::vector<Operation>{Rewind{site.log.id(), site.log.incarnation(), 1, {}}, expunge});
  REQUIRE_OK(rewind);
  const Lsn begun = site.log.end();
  fs::remove(box / "cur/a:2,");
  write_file(box / "new/during", "during");
  REQUIRE(site.wait_for([&] { return !site.events(WatchEvent::Kind::delayed).empty(); }));
  CHECK(site.events(WatchEvent::Kind::delayed)[0].status.code() == Code::restore_unfinished);
  CHECK(site.logged(kAlice, begun).empty());
  REQUIRE_OK(rewind->commit());
  site.require_log_is_store();
  for (const Operation& operation : site.logged(kAlice, begun))
    if (const auto* again = std::get_if<MessageExpunge>(&operation))
      CHECK(again->messages.message_ids != std::vector<std::string>{"b"});
}

TEST_CASE("watcher: a store that is unmounted is not taken for empty", "[stores]") {
  ScratchDir scratch;
  const fs::path root = scratch.path() / "mail";
  fs::create_directories(root);
  if (::geteuid() != 0 || ::mount("restante-test", root.c_str(), "tmpfs", 0, "size=8m") != 0) {
    WARN("this needs to mount a file system; nothing was tried");
    return;
  }
  struct Unmount {
    std::string path;
    ~Unmount() { (void)::umount2(path.c_str(), MNT_DETACH); }
  } const unmount{root.string()};
  Site site(scratch);
  site.make_account("alice");
  write_file(root / "alice/cur/a:2,", "a");
  site.start();
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 1; }));
  const Lsn before = site.log.end();
  // With something to do about a mailbox that is not there any more.
  const bool is_sudden = GENERATE(false, true);
  if (is_sudden) {
    write_file(root / "alice/new/x", "x");
    REQUIRE(::umount2(root.c_str(), MNT_DETACH) == 0);
  } else {
    REQUIRE(site.wait_for([&] { return ::umount(root.c_str()) == 0; }));
  }
  REQUIRE(site.wait_for([&] { return !site.events(WatchEvent::Kind::trouble).empty(); }));
  CHECK(site.events(WatchEvent::Kind::removed).empty());
  // It comes back with something new on it.
  REQUIRE(::mount("restante-test", root.c_str(), "tmpfs", 0, "size=8m") == 0);
  site.make_account("alice");
  write_file(root / "alice/cur/a:2,", "a");
  write_file(root / "alice/cur/b:2,", "b");
  site.require_log_is_store();
  bool saw = false;
  for (const Operation& operation : site.logged(kAlice, before)) {
    CHECK_FALSE(std::holds_alternative<AccountDelete>(operation));
    if (const auto* put = std::get_if<MessagePut>(&operation)) saw = saw || put->messages.front().id == "b";
  }
  CHECK(saw);
  REQUIRE_OK(site.stop());
}

TEST_CASE("watcher: file calls of the store and of the state fail one by one, and the log is the store again",
          "[stores]") {
  ScratchDir scratch;
  FaultyIo io;
  Site site(scratch, 100u << 20, io);
  const fs::path box = site.make_account("alice");
  make_maildir(box / ".Work");
  Watcher::Options options;
  options.settle = milliseconds(2);
  options.max_messages = 10;  // states are written and read all the time
  site.make_account("bob");
  site.start(options);
  REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 2; }));
  RandomServer server(box);
  Random random("faults");
  int fired = 0;
  const int rounds = long_tests() ? 300 : 25;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    // Only what writes finds a disk full.
    if (random.one_in(3)) {
      io.fail(1 + random.below(4), Fault::no_space,
              [](Call call) { return call == Call::create || call == Call::write || call == Call::sync; });
    } else {
      io.fail(1 + random.below(60), Fault::io_error);
    }
    for (int step = 0; step < 4; ++step) server.step();
    write_file(site.root / "bob/new" / (std::to_string(round) + ".bob"), random.text(20));
    site.settle();
    fired += io.fired() ? 1 : 0;
    io.heal();
  }
  CHECK(fired > rounds / 2);
  CHECK_FALSE(site.events(WatchEvent::Kind::delayed).empty());
  CHECK(site.events(WatchEvent::Kind::removed).empty());
  site.require_log_is_store();
  REQUIRE_OK(site.stop());
}

TEST_CASE("watcher: while the disk of the redo log is full changes wait, and nothing is missed", "[stores]") {
  if (::geteuid() != 0) RESTANTE_SKIP("needs root to mount a small disk");
  ScratchDir scratch;
  const fs::path disk = scratch.path() / "redo";
  fs::create_directories(disk);
  if (::mount("restante-test", disk.c_str(), "tmpfs", 0, "size=24m") != 0)
    RESTANTE_SKIP("this process may not mount");
  struct Unmount {
    std::string path;
    ~Unmount() { (void)::umount2(path.c_str(), MNT_DETACH); }
  } const unmount{disk.string()};
  {
    Site site(scratch, 1u << 20);
    const fs::path box = site.make_account("alice");
    site.start();
    REQUIRE(site.wait_for([&] { return site.events(WatchEvent::Kind::scanned).size() == 1; }));
    Random random("full disk");
    std::ofstream filler(disk / "filler", std::ios::binary);
    const std::string page(4096, 'x');
    while (fs::space(disk).available > 0 && filler) filler << page << std::flush;
    const auto is_full = [&] {
      const std::vector<WatchEvent> delayed = site.events(WatchEvent::Kind::delayed);
      return std::any_of(delayed.begin(), delayed.end(),
                         [](const WatchEvent& event) { return event.status.code() == Code::no_space; });
    };
    for (int n = 0; n < 40 && !is_full(); ++n) {
      write_file(box / "new" / (std::to_string(n) + ".host"), to_hex(random.bytes(100'000)));
      std::this_thread::sleep_for(milliseconds(30));
    }
    REQUIRE(site.wait_for(is_full));
    filler.close();
    fs::remove(disk / "filler");
    site.require_log_is_store();
    REQUIRE_OK(site.stop());
  }
}

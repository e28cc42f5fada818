// Restores into places that are not what they seem, before and while they run.

#include <sys/syscall.h>

#include <atomic>
#include <thread>

#include "hostile_site.hpp"

using namespace restante;
using namespace restante::test;

namespace {

/// A mailbox with something for every step of a restore.
void make_mailbox(const fs::path& box) {
  make_maildir(box);
  for (int i = 0; i < 8; ++i) write_file(box / "cur" / (std::to_string(i) + ".h:2,S"), "inbox", kSomeTimeUs);
  write_file(box / "new/9.h", "new", kSomeTimeUs);
  for (const char* dir : {".Work", ".Work.Reports"}) {
    make_maildir(box / dir);
    for (int i = 0; i < 8; ++i)
      write_file(box / dir / "cur" / (std::to_string(i) + ".h:2,a"), dir, kSomeTimeUs);
    write_file(box / dir / "dovecot-uidlist", "3 V7 N9\n1 :0.h\n2 :1.h\n");
    write_file(box / dir / "dovecot-keywords", "0 Junk\n");
    write_file(box / dir / "item", "item", kSomeTimeUs);
  }
  write_file(box / "dovecot-uidlist", "3 V7 N9 G" + std::string(32, 'a') + "\n1 :0.h\n");
  write_file(box / "sieve/deep/main.sieve", "keep;\n", kSomeTimeUs);
  write_file(box / "dovecot-acl", "acl", kSomeTimeUs);
  write_file(box / "subscriptions", "V\t2\n\nWork\n");
  for (const auto& entry : fs::recursive_directory_iterator(box)) {
    if (entry.is_directory()) ::chmod(entry.path().c_str(), 0700);
  }
}

/// Performs the backup on alice of the store, and answers what came of it. It may fail, never leave.
Status try_restore(MailSink& sink, const Backup& backup, const SinkBegin& begin, ContentOpener& contents,
                   std::vector<ElementOutcome>& outcomes) {
  Result<std::unique_ptr<SinkTransaction>> transaction = sink.begin(kAlice, begin);
  if (!transaction.ok()) return transaction.status();
  for (const Operation& operation : backup.operations) {
    if (Status s = (*transaction)->apply(operation, contents, outcomes); !s.ok()) return s;
  }
  return (*transaction)->commit();
}

/// Changes to what is there, so that every step of a restore has something to do there.
std::vector<Operation> changes() {
  FlagsUpdate flags;
  flags.folder_id = "path:7:.Work";
  flags.uidvalidity = 7;
  flags.messages.uids = {1};
  flags.flags = kFlagFlagged;
  flags.keywords = {"Other"};
  MessageExpunge expunge;
  expunge.folder_id = "path:7:.Work.Reports";
  expunge.uidvalidity = 7;
  expunge.messages.uids = {2};
  return {flags, expunge, ItemDelete{"file", "sieve/deep/main.sieve"}, ItemDelete{"subscription", "Work"}};
}

/// Puts a link to `to` in the place of a file or directory, which keeps a name beside it.
void replace_by_link(const fs::path& place, const fs::path& to) {
  fs::create_directories(place.parent_path());
  if (fs::exists(fs::symlink_status(place))) fs::rename(place, place.string() + "-was");
  fs::create_symlink(to, place);
}

std::ptrdiff_t message_count(const fs::path& dir) {
  return std::distance(fs::directory_iterator(dir), fs::directory_iterator());
}

}  // namespace

TEST_CASE("hostile: a restore writes through no link that stands in its place", "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  TestStore source(site.mail());
  Backup backup = back_up(*source.store, kAlice);
  const std::pair<const char*, const char*> places[] = {{".", ""},
                                                        {"cur", "cur"},
                                                        {"new", "new"},
                                                        {"tmp", "tmp"},
                                                        {".Work", ""},
                                                        {".Work/cur", "cur"},
                                                        {".Work/new", "new"},
                                                        {".Work/tmp", "tmp"},
                                                        {"sieve", ""},
                                                        {"sieve/deep", ""},
                                                        {"dovecot-acl", "file"},
                                                        {"dovecot-uidlist", "file"},
                                                        {"subscriptions", "file"},
                                                        {".Work/dovecot-uidlist", "file"},
                                                        {".Work/dovecot-keywords", "file"},
                                                        {".Work/item", "file"}};
  for (const auto& [place, to] : places) {
    for (const Identity identity : {Identity::exact, Identity::keep, Identity::renew}) {
      INFO(place << " in " << static_cast<int>(identity));
      const fs::path box = site.elsewhere() / "alice";
      fs::remove_all(site.elsewhere());
      fs::create_directories(site.elsewhere());
      // `exact` goes into an account that is empty or absent, the others into one with mail.
      if (identity == Identity::exact) {
        make_maildir(box);
      } else {
        make_mailbox(box);
      }
      replace_by_link(fs::path(place) == "." ? box : box / place, site.outside() / to);
      TestStore store(site.elsewhere());
      for (const std::vector<Operation>& operations : {backup.operations, changes()}) {
        Backup one;
        one.operations = operations;
        std::vector<ElementOutcome> outcomes;
        const Status status =
            try_restore(*store.store, one, {identity, Continuity::reset, false}, backup.contents, outcomes);
        site.require_no_canary();
        if (!status.ok()) CHECK_FALSE(status.message().empty());
        if (identity == Identity::exact) break;
      }
    }
  }
}

TEST_CASE("hostile: a restore that names its account by a link makes no mailbox behind it", "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  TestStore source(site.mail());
  Backup backup = back_up(*source.store, kAlice);
  fs::create_directories(site.elsewhere());
  for (const char* to : {"", "missing"}) {
    fs::remove(site.elsewhere() / "alice");
    fs::create_directory_symlink(site.outside() / to, site.elsewhere() / "alice");
    TestStore store(site.elsewhere());
    std::vector<ElementOutcome> outcomes;
    const Status status = try_restore(*store.store, backup, {Identity::exact, Continuity::reset, true},
                                      backup.contents, outcomes);
    CHECK_FALSE(status.ok());
    CHECK(status.message().find("alice") != std::string::npos);
    site.require_no_canary();
    CHECK(fs::is_symlink(site.elsewhere() / "alice"));
  }
}

TEST_CASE("hostile: a directory that becomes a link while a restore runs leads it nowhere", "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  TestStore source(site.mail());
  Backup backup = back_up(*source.store, kAlice);
  const char* const victims[] = {".", "cur", "tmp", ".Work", ".Work/cur", "sieve", "sieve/deep"};
  const int rounds = long_tests() ? 100 : 1;
  for (const std::string victim : victims) {
    for (const Identity identity : {Identity::exact, Identity::keep}) {
      INFO(victim << " in " << static_cast<int>(identity));
      for (int round = 0; round < rounds; ++round) {
        const fs::path box = site.elsewhere() / "alice";
        fs::remove_all(site.elsewhere());
        fs::create_directories(site.elsewhere());
        if (identity == Identity::keep) {
          make_mailbox(box);
        } else {
          make_maildir(box);
        }
        fs::create_directories(box / "sieve/deep");
        make_maildir(box / ".Work");
        // The link is exchanged with the directory again and again, in one step each time.
        const fs::path place = victim == "." ? box : box / victim;
        const fs::path link = site.scratch().path() / "link";
        fs::remove(link);
        const std::string part = fs::path(victim).filename();
        fs::create_directory_symlink(part == "cur" || part == "tmp" ? site.outside() / part : site.outside(),
                                     link);
        std::atomic<bool> stop = false;
        std::atomic<std::uint64_t> swaps = 0;
        std::thread swapper([&] {
          constexpr unsigned kExchange = 2;
          while (!stop) {
            if (::syscall(SYS_renameat2, AT_FDCWD, link.c_str(), AT_FDCWD, place.c_str(), kExchange) == 0)
              ++swaps;
          }
          if (fs::is_symlink(fs::symlink_status(place)))
            (void)::syscall(SYS_renameat2, AT_FDCWD, link.c_str(), AT_FDCWD, place.c_str(), kExchange);
        });
        while (swaps == 0) std::this_thread::yield();
        {
          TestStore store(site.elsewhere());
          Backup one;
          one.operations = backup.operations;
          if (identity == Identity::keep) {
            const std::vector<Operation> more = changes();
            one.operations.insert(one.operations.end(), more.begin(), more.end());
          }
          std::vector<ElementOutcome> outcomes;
          (void)try_restore(*store.store, one, {identity, Continuity::reset, false}, backup.contents,
                            outcomes);
        }
        stop = true;
        swapper.join();
        site.require_no_canary();
        fs::remove_all(link);
      }
    }
  }
}

TEST_CASE("hostile: a directory becomes a link at any call of a restore, which goes nowhere else",
          "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  TestStore source(site.mail());
  Backup backup = back_up(*source.store, kAlice);
  const std::vector<Operation> more = changes();
  Random random("calls");
  for (const std::string victim : {".", "cur", "tmp", ".Work", ".Work/cur", "sieve", "sieve/deep"}) {
    for (const Identity identity : {Identity::exact, Identity::keep, Identity::renew}) {
      // Every call in a long run, some of each restore in an ordinary one.
      for (std::uint64_t at = 0;; at += long_tests() ? 1 : random.between(80, 200)) {
        INFO(victim << " at call " << at << " of identity " << static_cast<int>(identity));
        const fs::path box = site.elsewhere() / "alice";
        fs::remove_all(site.elsewhere());
        if (identity == Identity::exact) {
          make_maildir(box);
        } else {
          make_mailbox(box);
        }
        const fs::path place = victim == "." ? box : box / victim;
        const std::string part = fs::path(victim).filename();
        const fs::path to = part == "cur" || part == "tmp" ? site.outside() / part : site.outside();
        std::uint64_t calls = 0;
        HookedIo io([&](std::string_view, const std::string&) {
          if (calls++ == at) replace_by_link(place, to);
        });
        io.skip_syncs();
        MaildirStore::Options options;
        options.path = site.elsewhere().string();
        options.domain = "example.com";
        auto store = MaildirInternals::open(options, io);
        REQUIRE_OK(store);
        Backup one;
        one.operations = backup.operations;
        if (identity != Identity::exact)
          one.operations.insert(one.operations.end(), more.begin(), more.end());
        std::vector<ElementOutcome> outcomes;
        const Status status =
            try_restore(**store, one, {identity, Continuity::reset, false}, backup.contents, outcomes);
        site.require_no_canary();
        if (!status.ok()) CHECK_FALSE(status.message().empty());
        if (calls <= at) break;
      }
    }
  }
}

TEST_CASE("hostile: an account is deleted whole and nothing behind its links", "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  fs::create_directory_symlink(site.outside(), site.alice() / ".Link");
  fs::create_directory_symlink(site.outside(), site.alice() / "files");
  fs::remove_all(site.alice() / ".Work/cur");
  fs::create_directory_symlink(site.outside() / "cur", site.alice() / ".Work/cur");
  REQUIRE(::mkfifo((site.alice() / "pipe").c_str(), 0600) == 0);
  TestStore store(site.mail());
  ContentBox contents;
  perform(*store.store, kAlice, {Identity::keep, Continuity::continued, false}, {AccountDelete{kAlice}},
          contents);
  CHECK_FALSE(fs::exists(site.alice()));
  site.require_no_canary();
}

TEST_CASE(
    "R16: an account that changed since the plan is refused, or planned again, and only into what was "
    "planned",
    "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  const SessionInfo good = site.back_up();
  for (const char* gone : {"cur/0.h:2,S", "cur/1.h:2,S"}) fs::remove(site.alice() / gone);
  TestStore store(site.mail());
  Scanner::Options options;
  options.state_directory = site.scratch().file("scan");
  auto scanner = Scanner::open(*store.store, site.log(), options);
  REQUIRE_OK(scanner);
  const std::unique_ptr<MailSink> sink = (*scanner)->sink_for(*store.store);
  RestoreRequest request;
  request.accounts = {kAlice};
  request.stop.label = good.label;
  const auto plan = [&] {
    Result<RestorePlan> made =
        RestorePlan::make({site.target()}, &site.log(), request, {scanner->get(), sink.get()});
    REQUIRE_OK(made);
    REQUIRE_OK(made->accounts().front().failure);
    return std::move(*made);
  };

  RestorePlan strict = plan();
  CHECK(strict.accounts().front().difference.messages.added == 2);
  fs::remove(site.alice() / "cur/2.h:2,S");
  const Lsn before = site.log().end();
  const Result<RestoreReport> refused = strict.execute();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code() == Code::busy);
  CHECK_FALSE(fs::exists(site.alice() / "cur/0.h:2,S"));
  CHECK(site.log().unfinished().empty());
  CHECK(site.log().end() > before);  // what the scan found, and no rewind

  request.plan_again = true;
  RestorePlan following = plan();
  CHECK(following.accounts().front().difference.messages.added == 3);
  fs::remove(site.alice() / "cur/3.h:2,S");
  const Result<RestoreReport> done = following.execute();
  REQUIRE_OK(done);
  REQUIRE(done->accounts.size() == 1);
  REQUIRE_OK(done->accounts.front().status);
  REQUIRE(done->accounts.front().planned_again.has_value());
  CHECK(done->accounts.front().planned_again->difference.messages.added == 4);
  CHECK(message_count(site.alice() / "cur") == 8);

  // What is planned exactly needs no second plan.
  fs::remove(*fs::directory_iterator(site.alice() / "cur"));
  RestorePlan still = plan();
  const Result<RestoreReport> simple = still.execute();
  REQUIRE_OK(simple);
  CHECK_FALSE(simple->accounts.front().planned_again.has_value());

  // The account went meanwhile: that is another restore than the one that was planned.
  RestorePlan late = plan();
  fs::remove_all(site.alice());
  const Result<RestoreReport> another = late.execute();
  REQUIRE_FALSE(another.ok());
  CHECK(another.status().code() == Code::busy);
  CHECK_FALSE(fs::exists(site.alice()));
}

TEST_CASE("R2: a folder that a restore made keeps its id in the log, whatever GUID the server gives it",
          "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  const auto has_uidlist = [&](const std::string& dir, char guid) {
    write_file(site.alice() / dir / "dovecot-uidlist", "3 V7 N9 G" + std::string(32, guid) + "\n1 :0.h\n");
  };
  has_uidlist(".Work", 'b');
  has_uidlist(".Work.Reports", 'c');
  make_maildir(site.alice() / ".Empty");
  write_file(site.alice() / ".Empty/dovecot-uidlist", "3 V7 N1 G" + std::string(32, 'e') + "\n");
  const SessionInfo good = site.back_up();
  fs::remove_all(site.alice() / ".Work");
  fs::remove_all(site.alice() / ".Work.Reports");
  fs::remove_all(site.alice() / ".Empty");

  TestStore store(site.mail());
  Scanner::Options options;
  options.state_directory = site.scratch().file("scan");
  auto scanner = Scanner::open(*store.store, site.log(), options);
  REQUIRE_OK(scanner);
  const std::unique_ptr<MailSink> sink = (*scanner)->sink_for(*store.store);
  RestoreRequest request;
  request.accounts = {kAlice};
  request.stop.label = good.label;
  request.identity = Identity::keep;
  Result<RestorePlan> plan =
      RestorePlan::make({site.target()}, &site.log(), request, {scanner->get(), sink.get()});
  REQUIRE_OK(plan);
  const Result<RestoreReport> report = plan->execute();
  REQUIRE_OK(report);
  REQUIRE_OK(report->accounts.front().status);
  const Lsn restored_at = site.log().end();

  // The server finds the folders before anybody scans. One of them somebody has replaced meanwhile.
  const auto index = [&](const std::string& dir, char guid) {
    std::string list = "3 V90 N20 G" + std::string(32, guid) + "\n";
    int uid = 0;
    for (const char* part : {"cur", "new"})
      for (const auto& entry : fs::directory_iterator(site.alice() / dir / part)) {
        const std::string name = entry.path().filename().string();
        list += std::to_string(++uid) + " :" + name.substr(0, name.find(':')) + "\n";
      }
    write_file(site.alice() / dir / "dovecot-uidlist", list);
  };
  index(".Work", '1');
  fs::remove_all(site.alice() / ".Work.Reports");
  make_maildir(site.alice() / ".Work.Reports");
  write_file(site.alice() / ".Work.Reports/cur/another:2,S", "another");
  index(".Work.Reports", '2');
  index(".Empty", '3');
  const Result<ScanReport> scanned = (*scanner)->scan(kAlice);
  REQUIRE_OK(scanned);

  ReadRange range;
  range.after = restored_at;
  range.account_id = kAlice;
  auto cursor = site.log().read(range);
  REQUIRE_OK(cursor);
  std::set<std::string> gone;
  for (LoggedTransaction transaction;;) {
    const Result<bool> more = (*cursor)->next(transaction);
    REQUIRE_OK(more);
    if (!*more) break;
    for (const Operation& operation : transaction.operations)
      if (const auto* folder = std::get_if<FolderDelete>(&operation)) gone.insert(folder->folder_id);
  }
  // Of an empty folder nobody knows whether it is the one that was made.
  CHECK(gone == std::set<std::string>{std::string(32, 'c'), std::string(32, 'e')});
  const MailboxState state = state_of(**scanner, kAlice);
  const Folder* work = folder_named(state, "Work");
  REQUIRE(work != nullptr);
  CHECK(work->id == std::string(32, 'b'));
  CHECK(work->uidvalidity == 90);
  CHECK(folder_named(state, "Work/Reports")->id == std::string(32, '2'));
  CHECK(std::count_if(state.messages().begin(), state.messages().end(), [&](const auto& one) {
          return one.first.first == work->id && one.second.uid != 0;
        }) == 8);
  // It stays so.
  const Result<ScanReport> again = (*scanner)->scan(kAlice);
  REQUIRE_OK(again);
  CHECK(again->difference.none());
}

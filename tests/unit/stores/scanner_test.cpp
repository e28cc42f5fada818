#include <restante/scanner.hpp>

#include <algorithm>
#include <atomic>
#include <thread>

#include "scan_fixture.hpp"
#include "stores/scan_match.hpp"
#include "stores/scan_state.hpp"

using namespace restante;
using namespace restante::test;

namespace {

template <class T>
std::vector<T> all_of(const std::vector<Operation>& operations) {
  std::vector<T> out;
  for (const Operation& operation : operations) {
    if (const T* one = std::get_if<T>(&operation)) out.push_back(*one);
  }
  return out;
}

}  // namespace

TEST_CASE("scanner: the first scan adopts and logs nothing", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  write_file(w.box / "new/1.host", "one");
  w.open();
  const Lsn before = w.log.end();
  const ScanReport report = w.scan();
  CHECK(report.adopted);
  CHECK(report.difference.none());
  CHECK(w.log.end() == before);
  CHECK(w.logged(0).empty());
  CHECK_FALSE(w.scan().adopted);
  CHECK(w.logged(0).empty());
  REQUIRE_CODE(w.scanner->scan("bob@example.com"), not_found);
  CHECK(w.scanner->accounts().value() == std::vector<std::string>{kAlice});
}

TEST_CASE("scanner: what a full learned of messages is known afterwards, and nothing else changes",
          "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  write_file(w.box / "cur/1.host:2,", "one", kSomeTimeUs);
  write_file(w.box / "cur/2.host:2,", "two", kSomeTimeUs);
  w.adopt();
  std::vector<Message> read;
  for (const auto& [key, message] : w.full.messages()) {
    CHECK_FALSE(message.content);
    read.push_back(message);
    read.back().content = content_ref_of(content_of(*w.scanner, kAlice, place_of(message)));
  }
  REQUIRE(read.size() == 2);
  // One is flagged and the other goes before the full is done.
  fs::rename(w.box / "cur/1.host:2,", w.box / "cur/1.host:2,F");
  fs::remove(w.box / "cur/2.host:2,");
  w.scan();
  const Lsn before = w.log.end();
  REQUIRE_OK(w.scanner->note_contents(kAlice, read));
  w.open();
  const MailboxState known = state_of(*w.scanner, kAlice);
  REQUIRE(known.messages().size() == 1);
  const Message& left = known.messages().begin()->second;
  CHECK(left.content == content_ref_of(as_bytes("one")));
  CHECK(left.flags == kFlagFlagged);
  CHECK(w.log.end() == before);
  CHECK(w.scan().difference.none());
  w.require_replay_is_store();
}

TEST_CASE("scanner: delivery, flags, keywords, moves and expunges", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  make_maildir(w.box / ".Work");
  write_file(w.box / "cur/old.host:2,", "old", kSomeTimeUs);
  w.adopt();

  SECTION("a delivery is logged with its content") {
    write_file(w.box / "new/2.host", "two", kSomeTimeUs);
    const ScanReport report = w.scan();
    CHECK(report.difference.messages.added == 1);
    const auto puts = all_of<MessagePut>(w.logged(w.full_lsn));
    REQUIRE(puts.size() == 1);
    REQUIRE(puts[0].messages[0].content.has_value());
    auto reader = w.log.open_content(*puts[0].messages[0].content);
    REQUIRE_OK(reader);
    const Result<Bytes> bytes = read_all(**reader);
    REQUIRE_OK(bytes);
    CHECK(as_text(*bytes) == "two");
    CHECK(report.as_of == w.log.end());
  }
  SECTION("a rename for flags is a FlagsUpdate") {
    fs::rename(w.box / "cur/old.host:2,", w.box / "cur/old.host:2,FS");
    CHECK(w.scan().difference.messages.flags_changed == 1);
    CHECK(all_of<FlagsUpdate>(w.logged(w.full_lsn)).size() == 1);
    CHECK(all_of<MessagePut>(w.logged(w.full_lsn)).empty());
  }
  SECTION("a keyword by its letter") {
    write_file(w.box / "dovecot-keywords", "0 Junk\n");
    fs::rename(w.box / "cur/old.host:2,", w.box / "cur/old.host:2,a");
    w.scan();
    CHECK(message_named(w.replayed(), "INBOX", "old.host")->keywords == std::vector<std::string>{"Junk"});
  }
  SECTION("an expunge") {
    fs::remove(w.box / "cur/old.host:2,");
    CHECK(w.scan().difference.messages.removed == 1);
    CHECK(all_of<MessageExpunge>(w.logged(w.full_lsn)).size() == 1);
  }
  SECTION("a move is put by reference, once its content is known") {
    write_file(w.box / "cur/m.host:2,S", "moving", kSomeTimeUs);
    w.scan();
    const Lsn before = w.log.end();
    fs::rename(w.box / "cur/m.host:2,S", w.box / ".Work/cur/m.host:2,S");
    w.scan();
    const auto puts = all_of<MessagePut>(w.logged(before));
    REQUIRE(puts.size() == 1);
    CHECK(puts[0].messages[0].content == content_ref_of(as_bytes("moving")));
    auto records = w.log.records({before, w.log.end(), {}});
    REQUIRE_OK(records);
    RecordInfo record;
    while ((*records)->next(record).value()) CHECK(record.kind != "content");
  }
  SECTION("a move of an adopted message logs its content") {
    fs::rename(w.box / "cur/old.host:2,", w.box / ".Work/cur/old.host:2,");
    w.scan();
    const auto puts = all_of<MessagePut>(w.logged(w.full_lsn));
    REQUIRE(puts.size() == 1);
    REQUIRE_OK(w.log.open_content(*puts[0].messages[0].content));
  }
  SECTION("the same base name with other content is not a move") {
    write_file(w.box / "cur/m.host:2,S", "moving", kSomeTimeUs);
    w.scan();
    fs::remove(w.box / "cur/m.host:2,S");
    write_file(w.box / ".Work/cur/m.host:2,S", "other!", kSomeTimeUs);
    w.scan();
    CHECK(message_named(w.replayed(), "Work", "m.host")->content == content_ref_of(as_bytes("other!")));
  }
  SECTION("a message that was edited in place") {
    write_file(w.box / "cur/old.host:2,", "edited", kSomeTimeUs + 5);
    w.scan();
    CHECK(message_named(w.replayed(), "INBOX", "old.host")->content == content_ref_of(as_bytes("edited")));
  }
  w.require_replay_is_store();
  CHECK(w.scan().difference.none());
}

TEST_CASE("scanner: folders, subscriptions and other files", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  make_maildir(w.box / ".Work");
  make_maildir(w.box / ".Work.Sub");
  const std::string uidlist = "3 V7 N2 G" + std::string(32, 'b') + "\n1 :w\n";
  write_file(w.box / ".Work/dovecot-uidlist", uidlist);
  write_file(w.box / ".Work/cur/w:2,", "work", kSomeTimeUs);
  write_file(w.box / "subscriptions", "V\t2\n\nWork\nINBOX\n");
  write_file(w.box / "sieve/a.sieve", "keep;\n", kSomeTimeUs);
  w.adopt();
  const std::string work = folder_named(w.full, "Work")->id;

  SECTION("a folder is made") {
    make_maildir(w.box / ".Made.Deep");
    w.scan();
    CHECK(folder_named(w.replayed(), "Made/Deep") != nullptr);
  }
  SECTION("a folder that has a guid is renamed") {
    fs::rename(w.box / ".Work", w.box / ".Renamed");
    w.scan();
    CHECK(w.replayed().folders().at(work).name == "Renamed");
    CHECK(all_of<MessagePut>(w.logged(w.full_lsn)).empty());
  }
  SECTION("a folder is deleted") {
    fs::remove_all(w.box / ".Work");
    w.scan();
    CHECK_FALSE(w.replayed().folders().contains(work));
  }
  SECTION("a folder is deleted and made again: another id") {
    fs::remove_all(w.box / ".Work");
    make_maildir(w.box / ".Work");
    write_file(w.box / ".Work/dovecot-uidlist", "3 V8 N1 G" + std::string(32, 'c') + "\n");
    w.scan();
    CHECK_FALSE(w.replayed().folders().contains(work));
    CHECK(folder_named(w.replayed(), "Work")->id == std::string(32, 'c'));
  }
  SECTION("R2: an id is not given twice, in two scans or one") {
    const std::string sub = folder_named(w.full, "Work/Sub")->id;
    fs::remove_all(w.box / ".Work.Sub");
    w.scan();
    make_maildir(w.box / ".Work.Sub");
    w.scan();
    const std::string second = folder_named(w.replayed(), "Work/Sub")->id;
    CHECK(second != sub);
    write_file(w.box / ".Work.Sub/new/s", "s");
    w.scan();
    CHECK(folder_named(w.replayed(), "Work/Sub")->id == second);
  }
  SECTION("R9: a folder that is indexed later keeps its id and its messages' content") {
    const std::string sub = folder_named(w.full, "Work/Sub")->id;
    write_file(w.box / ".Work.Sub/new/s", "sub", kSomeTimeUs);
    w.scan();
    const Lsn before = w.log.end();
    write_file(w.box / ".Work.Sub/dovecot-uidlist", "3 V99 N2 G" + std::string(32, 'd') + "\n1 :s\n");
    w.scan();
    const MailboxState state = w.replayed();
    REQUIRE(folder_named(state, "Work/Sub")->id == sub);
    CHECK(message_named(state, "Work/Sub", "s")->uid == 1);
    CHECK(message_named(state, "Work/Sub", "s")->uidvalidity == 99);
    CHECK(message_named(state, "Work/Sub", "s")->content == content_ref_of(as_bytes("sub")));
    CHECK(all_of<FolderDelete>(w.logged(before)).empty());
    // It stays the same folder when it is renamed, by its guid; and a new one of its old name is another.
    fs::rename(w.box / ".Work.Sub", w.box / ".Work.Moved");
    make_maildir(w.box / ".Work.Sub");
    w.scan();
    CHECK(folder_named(w.replayed(), "Work/Moved")->id == sub);
    CHECK(folder_named(w.replayed(), "Work/Sub")->id != sub);
  }
  SECTION("an adopted folder that is indexed later is put by reference") {
    make_maildir(w.box / ".New");
    fs::remove(w.box / ".Work/dovecot-uidlist");
    w.scan();
    CHECK(message_named(w.replayed(), "Work", "w")->content == content_ref_of(as_bytes("work")));
  }
  SECTION("subscriptions and files") {
    write_file(w.box / "subscriptions", "V\t2\n\nINBOX\nWork\tSub\n");
    write_file(w.box / "sieve/a.sieve", "discard;\n", kSomeTimeUs + 1);
    write_file(w.box / ".Work/dovecot-acl", "bob lr\n", kSomeTimeUs);
    w.scan();
    const MailboxState state = w.replayed();
    CHECK(state.items().at({"file", "sieve/a.sieve"}).content == content_ref_of(as_bytes("discard;\n")));
    CHECK(state.items().at({"file", ".Work/dovecot-acl"}).content == content_ref_of(as_bytes("bob lr\n")));
    CHECK(state.items().contains({"subscription", "Work/Sub"}));
    CHECK_FALSE(state.items().contains({"subscription", "Work"}));
  }
  SECTION("the account goes, and comes again") {
    fs::remove_all(w.box);
    CHECK(all_of<AccountDelete>(w.logged(w.full_lsn)).empty());
    w.scan();
    CHECK(all_of<AccountDelete>(w.logged(w.full_lsn)).size() == 1);
    CHECK(w.scanner->accounts().value().empty());
    REQUIRE_CODE(w.scanner->scan(kAlice), not_found);
    make_maildir(w.box);
    write_file(w.box / "new/again", "again");
    CHECK_FALSE(w.scan().adopted);
    CHECK(message_named(w.replayed(), "INBOX", "again")->content.has_value());
  }
  w.require_replay_is_store();
  CHECK(w.scan().difference.none());
}

TEST_CASE("R3: replay of the log is the store after hundreds of random steps", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  RandomServer server(w.box);
  Random random("scanner-random");
  for (int i = 0; i < 30; ++i) server.step();
  w.adopt();
  const int rounds = long_tests() ? 1500 : 200;
  for (int round = 0; round < rounds; ++round) {
    for (std::uint64_t n = random.between(1, 6); n > 0; --n) server.step();
    if (random.one_in(10)) w.open();
    w.scan();
    if (round % 10 != 0 && round + 1 != rounds) continue;
    INFO("round " << round);
    w.require_replay_is_store();
    REQUIRE(state_of(*w.scanner, kAlice) == w.replayed());
    REQUIRE(w.scan().difference.none());
  }
}

TEST_CASE("R9: a mailbox in use, and no message is missed, doubled or expunged", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  constexpr int kMessages = 1500;
  std::vector<std::string> names;
  for (int i = 0; i < kMessages; ++i) {
    names.push_back((w.box / "cur" / ("a-rather-long-base-name-" + std::to_string(i) + ":2,")).string());
    write_file(names.back(), "x", kSomeTimeUs);
  }
  w.adopt();
  std::atomic<bool> stop = false;
  std::thread renamer([&] {
    Random random("renamer");
    while (!stop) {
      std::string& name = names[random.one_in(2) ? 3 : random.below(kMessages)];
      std::string next = name.substr(0, name.rfind(',') + 1) + "SFRT"[random.below(4)];
      if (::rename(name.c_str(), next.c_str()) == 0) name = next;
    }
  });
  std::uint64_t wrong = 0;
  for (int round = 0; round < (long_tests() ? 100 : 15); ++round) {
    const Result<ScanReport> report = w.scanner->scan(kAlice);
    if (!report.ok() || report->difference.messages.removed != 0 || report->difference.messages.added != 0) {
      ++wrong;
    }
  }
  stop = true;
  renamer.join();
  CHECK(wrong == 0);
  w.scan();
  CHECK(w.replayed().messages().size() == kMessages);
  w.require_replay_is_store();
}

TEST_CASE("scanner: a crash between the log and the state file", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  w.adopt();
  write_file(w.box / "new/1", "one");
  const fs::path file = scratch.path() / "state/alice@example.com.state";
  REQUIRE(fs::exists(file));
  const std::string before = read_text(file);
  w.scan();
  REQUIRE(read_text(file) != before);
  write_file(file, before);  // as if it had never been written
  w.open();
  CHECK(w.scan().difference.none());
  CHECK(all_of<MessagePut>(w.logged(w.full_lsn)).size() == 1);
  w.require_replay_is_store();
}

TEST_CASE("scanner: more new content than the newest segments hold is logged once, in several transactions",
          "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  w.log = open_log(scratch, "small", 64u << 10);
  w.adopt();
  constexpr int kMessages = 60;
  constexpr std::size_t kBytes = 20'000;
  for (int i = 0; i < kMessages; ++i) {
    write_file(w.box / "new" / std::to_string(i), std::to_string(i) + std::string(kBytes, 'x'));
  }
  write_file(w.box / "large-file", std::string(400'000, 'f'));
  make_maildir(w.box / ".Other");
  w.scan();
  w.require_replay_is_store();
  std::uint64_t logged = 0;
  for (const SegmentInfo& segment : *w.log.segments()) logged += segment.bytes;
  // Halves of a transaction that was too large are tried again: a few times the content, and not without end.
  CHECK(logged < 6 * (kMessages * kBytes + 400'000));
  // And moved, which names all of it again.
  for (int i = 0; i < kMessages; ++i)
    fs::rename(w.box / "new" / std::to_string(i), w.box / ".Other/new" / std::to_string(i));
  w.scan();
  w.require_replay_is_store();
  CHECK(w.scan().difference.none());
}

TEST_CASE("R18: two scanners over one state directory log each change once", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  w.adopt();
  Scanner::Options options;
  options.state_directory = scratch.file("state");
  options.holder = "second";
  const auto second = Scanner::open(*w.store->store, w.log, options);
  REQUIRE_OK(second);
  constexpr int kMessages = 200;
  std::atomic<std::uint64_t> added{0};
  std::atomic<bool> done{false};
  const auto scan_on = [&](Scanner& scanner) {
    for (bool last = false; !last;) {
      last = done;
      const Result<ScanReport> report = scanner.scan(kAlice);
      if (report.ok()) added += report->difference.messages.added;
      if (!report.ok()) return;
    }
  };
  std::thread first([&] { scan_on(*w.scanner); });
  std::thread other([&] { scan_on(**second); });
  for (int i = 0; i < kMessages; ++i) write_file(w.box / "new" / std::to_string(i), std::to_string(i));
  done = true;
  first.join();
  other.join();
  CHECK(added == kMessages);
  w.require_replay_is_store();
  CHECK(w.scan().difference.none());
}

TEST_CASE("scanner: transactions of others are applied to the known state", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  write_file(w.box / "cur/a:2,", "a", kSomeTimeUs);
  write_file(w.box / "cur/b:2,", "b", kSomeTimeUs);
  w.adopt();
  // A restore removed a message, and logged what it did.
  MessageExpunge expunge;
  expunge.folder_id = std::string(32, 'a');
  expunge.uidvalidity = 1;
  expunge.messages.message_ids = {"b"};
  auto transaction =
      w.log.begin(kAlice, std::vector<Operation>{Rewind{w.log.id(), w.log.incarnation(), 1, {}}, expunge});
  REQUIRE_OK(transaction);
  REQUIRE_CODE(w.scanner->scan(kAlice), restore_unfinished);
  fs::remove(w.box / "cur/b:2,");
  REQUIRE_OK(transaction->commit());
  const ScanReport report = w.scan();
  CHECK(report.difference.none());
  w.require_replay_is_store();
}

TEST_CASE("scanner: a lost or damaged state file", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  write_file(w.box / "cur/gone:2,", "gone", kSomeTimeUs);
  w.adopt();
  const fs::path file = scratch.path() / "state/alice@example.com.state";
  SECTION("lost") { fs::remove(file); }
  SECTION("damaged") {
    std::string bytes = read_text(file);
    bytes[bytes.size() / 2] ^= 1;
    write_file(file, bytes);
  }
  SECTION("empty") { write_file(file, ""); }
  fs::remove(w.box / "cur/gone:2,");
  write_file(w.box / "new/came", "came");

  // With what a backup knows, also what vanished meanwhile is logged.
  Scanner::Options options;
  options.baseline = [&](std::string_view) -> Result<std::vector<Operation>> {
    OpVector out;
    REQUIRE_OK(w.full.write(out));
    return out.operations;
  };
  w.open(options);
  const ScanReport report = w.scan();
  CHECK_FALSE(report.adopted);
  CHECK(report.difference.messages.removed == 1);
  CHECK(report.difference.messages.added == 1);
  w.require_replay_is_store();

  // Without, the account is adopted again.
  fs::remove(file);
  w.open();
  CHECK(w.scan().adopted);
}

TEST_CASE("R5: a state of another log is not believed", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  w.adopt();
  write_file(w.box / "new/1", "one");
  w.scan();
  const LogPosition at{w.log.id(), w.log.incarnation(), w.log.end()};
  const auto reopen = [&](std::optional<Continuation> continues) {
    w.scanner.reset();
    RedoLog::Options options;
    options.create = true;
    options.continues = continues;
    static int number = 0;
    auto log = RedoLog::open(scratch.file("other" + std::to_string(++number)), options);
    REQUIRE_OK(log);
    w.log = *log;
    w.open();
  };
  SECTION("another log") {
    reopen({});
    CHECK(w.scan().adopted);
  }
  SECTION("a log that goes on from the state's position") {
    reopen(Continuation{at, 1});
    CHECK_FALSE(w.scan().adopted);
  }
  SECTION("a log that goes on from before it: what the state saw is not history") {
    reopen(Continuation{{at.log, at.incarnation, at.lsn - 1}, 1});
    CHECK(w.scan().adopted);
  }
}

TEST_CASE("scan state: bytes and damage", "[stores]") {
  stores::ScanState state;
  state.account_id = kAlice;
  state.position = {Id128{{1}}, Id128{{2}}, 77};
  state.store_ids = {{"a", "b"}};
  state.retired = {"x", "y"};
  REQUIRE_OK(state.state.apply(AccountPut{{.id = kAlice, .address = kAlice}}));
  REQUIRE_OK(state.state.apply(FolderPut{{.id = "a", .name = "INBOX"}}));
  const Result<Bytes> bytes = stores::encode_scan_state(state);
  REQUIRE_OK(bytes);
  const Result<stores::ScanState> back = stores::decode_scan_state(*bytes);
  REQUIRE_OK(back);
  CHECK(back->position == state.position);
  CHECK(back->store_ids == state.store_ids);
  CHECK(back->retired == state.retired);
  CHECK(back->state == state.state);
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    Bytes bad = *bytes;
    bad[i] ^= 1;
    CHECK_FALSE(stores::decode_scan_state(bad).ok());
    CHECK_FALSE(stores::decode_scan_state(ByteView(*bytes).first(i)).ok());
  }
  Bytes newer = *bytes;
  newer[8] = 2;
  REQUIRE_CODE(stores::decode_scan_state(newer), unsupported);
}

TEST_CASE("R9: a restore finds folders by the ids of the log", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  make_maildir(w.box / ".A");
  write_file(w.box / ".A/cur/a:2,", "a", kSomeTimeUs);
  w.adopt();
  const std::string a = folder_named(w.full, "A")->id;
  // A server indexes the folder, renames it, and makes another of its old name.
  write_file(w.box / ".A/dovecot-uidlist", "3 V9 N2 G" + std::string(32, 'e') + "\n1 :a\n");
  w.scan();
  fs::rename(w.box / ".A", w.box / ".B");
  make_maildir(w.box / ".A");
  write_file(w.box / ".A/cur/a:2,", "another", kSomeTimeUs);
  w.scan();
  REQUIRE(folder_named(w.replayed(), "B")->id == a);
  const std::string second = folder_named(w.replayed(), "A")->id;
  REQUIRE(second != a);

  const std::unique_ptr<MailSink> sink = w.scanner->sink_for(*w.store->store);
  ContentBox contents;
  FlagsUpdate update;
  update.folder_id = a;
  update.uidvalidity = 9;
  update.messages.uids = {1};
  update.flags = kFlagSeen;
  FlagsUpdate other;
  other.folder_id = second;
  other.messages.message_ids = {"a"};
  other.flags = kFlagFlagged;
  Folder renamed = *folder_named(w.replayed(), "B");
  renamed.name = "C";
  const auto outcomes = perform(*sink, kAlice, {Identity::keep, Continuity::continued, false},
                                {FolderPut{renamed}, update, other}, contents);
  for (const ElementOutcome& outcome : outcomes) {
    CHECK(outcome.outcome == Outcome::changed);
    CHECK(outcome.id.empty());
  }
  CHECK(fs::exists(w.box / ".C/cur/a:2,S"));
  CHECK(fs::exists(w.box / ".A/cur/a:2,F"));
  w.scan();
  CHECK(folder_named(w.replayed(), "C")->id == a);
  w.require_replay_is_store();
}

TEST_CASE("R3: another INBOX takes the place of the one that is there", "[stores]") {
  ScratchDir scratch;
  Watched w(scratch);
  write_file(w.box / "cur/live:2,", "live", kSomeTimeUs);
  w.adopt();
  Folder recorded;
  recorded.id = std::string(32, 'f');
  recorded.name = "INBOX";
  recorded.attributes["guid"] = recorded.id;
  ContentBox contents;
  Message message;
  message.id = "back";
  message.folder_id = recorded.id;
  message.content = contents.add("back");
  for (const bool delete_first : {true, false}) {
    std::vector<Operation> operations = {FolderPut{recorded}, MessagePut{{message}}};
    operations.insert(delete_first ? operations.begin() : operations.end(),
                      FolderDelete{std::string(32, 'a')});
    const auto outcomes = perform(*w.scanner->sink_for(*w.store->store), kAlice,
                                  {Identity::keep, Continuity::continued, false}, operations, contents);
    CHECK(refusals(outcomes).empty());
    const MailboxState state = state_of(*w.store->store, kAlice);
    REQUIRE(state.messages().size() == 1);
    CHECK(content_of(*w.store->store, kAlice, place_of(state.messages().begin()->second)).size() == 4);
    CHECK(state.messages().begin()->first.second != "live");
  }
}

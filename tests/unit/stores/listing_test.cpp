#include <algorithm>
#include <atomic>
#include <thread>

#include "odd_maildir.hpp"

using namespace restante;
using namespace restante::test;

TEST_CASE("maildir: accounts by pattern", "[stores]") {
  ScratchDir scratch;
  make_maildir(scratch.path() / "example.com/Alice/Maildir");
  make_maildir(scratch.path() / "example.org/bob/Maildir");
  fs::create_directories(scratch.path() / "example.org/nobody/Maildir");
  fs::create_directories(scratch.path() / "lost+found");
  fs::create_directory_symlink("bob", scratch.path() / "example.org/eve");
  MaildirStore::Options options;
  options.path = scratch.file("%d/%n/Maildir");
  auto store = MaildirStore::open(options);
  REQUIRE_OK(store);
  std::vector<std::string> ids;
  REQUIRE_OK((*store)->list_accounts([&](const Account& account) {
    ids.push_back(account.id);
    CHECK(account.address == account.id);
    CHECK(account.attributes.at("mode") == "0700");
    CHECK(account.attributes.at("uid") == std::to_string(::getuid()));
    return Status();
  }));
  CHECK(ids == std::vector<std::string>{"alice@example.com", "bob@example.org"});
  CHECK((*store)->find_account("ALICE@example.com").value() == "alice@example.com");
  REQUIRE_CODE((*store)->find_account("nobody@example.org"), not_found);
  REQUIRE_CODE((*store)->find_account("eve@example.org"), not_found);
  REQUIRE_CODE((*store)->find_account("../../etc@x"), not_found);
  OpVector out;
  REQUIRE_CODE((*store)->snapshot("carol@example.org", out), not_found);
  options.path = scratch.file("missing/%n");
  REQUIRE_CODE(MaildirStore::open(options), not_found);
}

TEST_CASE("maildir: messages of every kind", "[stores]") {
  ScratchDir scratch;
  make_odd_maildir(scratch.path() / "alice");
  TestStore store(scratch.path());
  const MailboxState state = state_of(*store.store, kAlice);
  const auto get = [&](const std::string& id) {
    INFO(id);
    const Message* message = message_named(state, "INBOX", id);
    REQUIRE(message != nullptr);
    return *message;
  };
  const Message flags = get("1.host,S=20");
  CHECK(flags.flags == (kFlagFlagged | kFlagAnswered | kFlagSeen | kFlagDeleted));
  CHECK(flags.uid == 1);
  CHECK(flags.uidvalidity == 1700000001);
  CHECK(flags.internal_date == Time{kSomeTimeUs + 1'000'000 * 22});
  CHECK(flags.attributes.empty());
  const Message keywords = get("2.host");
  CHECK(keywords.keywords == std::vector<std::string>{"Junk"});
  CHECK(keywords.attributes == Attributes{{"letters", "Pc"}, {"uidlist", "Gguid2 W30"}});
  CHECK(get("3.host").attributes.at("name") == "3.host:2,SR");
  CHECK(get("4.host").attributes.at("name") == "4.host");
  CHECK(get("5.host").flags == kFlagSeen);
  CHECK(get("5.host").uid == 8);
  CHECK(get("6.host").flags == (kFlagFlagged | kFlagSeen));
  CHECK(get("7.host").flags == 0);
  CHECK(get("8.host").flags == (kFlagFlagged | kFlagSeen));
  CHECK(get("8.host").uid == 7);
  CHECK(get("8.host/2").flags == kFlagSeen);
  CHECK(get("8.host/2").uid == 0);
  CHECK(get("8.host/3").attributes.at("dir") == "new");
  CHECK(get("9\xff\x01 host").attributes.empty());
  CHECK(get(":2,S").attributes.at("name") == ":2,S");
  CHECK(get("12.host").attributes == Attributes{{"dir", "new"}});
  CHECK(get("13.host").attributes == Attributes{{"dir", "new"}});
  CHECK(get("14.host").attributes.at("name") == "14.host:2,");
  CHECK(get("15.host").attributes == Attributes{{"mode", "0640"}});
  CHECK(get("17.link").internal_date == flags.internal_date);
  CHECK(get("18.old").internal_date == Time{-99'500'000});
  const auto count = std::count_if(state.messages().begin(), state.messages().end(),
                                   [&](const auto& one) { return one.first.first == flags.folder_id; });
  CHECK(count == 21);
  CHECK(message_named(state, "INBOX", ".hidden") == nullptr);

  for (const auto& [key, message] : state.messages()) {
    CHECK_FALSE(message.content.has_value());
    const std::string text = std::string(as_text(content_of(*store.store, kAlice, place_of(message))));
    CHECK((text.empty() || text.starts_with("Subject: ")));
  }
  CHECK(as_text(content_of(*store.store, kAlice, place_of(get("8.host/3")))).find("and again") !=
        std::string::npos);
  ContentPlace by_uid;
  by_uid.folder_id = flags.folder_id;
  by_uid.uid = 2;
  CHECK(as_text(content_of(*store.store, kAlice, by_uid)).find("passed") != std::string::npos);
}

TEST_CASE("maildir: folders of every kind", "[stores]") {
  ScratchDir scratch;
  make_odd_maildir(scratch.path() / "alice");
  TestStore store(scratch.path());
  const MailboxState state = state_of(*store.store, kAlice);
  const Folder* inbox = folder_named(state, "INBOX");
  REQUIRE(inbox != nullptr);
  std::vector<std::string> paths;
  for (const auto& [id, folder] : state.folders()) paths.push_back(state.path_of(id));
  std::sort(paths.begin(), paths.end());
  CHECK(paths == std::vector<std::string>{"Copy", "Deep", "Deep/er", "Deep/er/still", "Empty",
                                          "Entw\xc3\xbcrfe",
                                          "Gr\xc3\xbc\xc3\x9f"
                                          "e",
                                          "INBOX", "INBOX", "INBOX/Child", "Work", "Work/Reports"});
  const std::string guid(32, 'a');
  CHECK(state.folders().contains(guid));
  CHECK(state.folders().at(guid).uidnext == 21);
  CHECK(state.folders().at(guid).attributes.at("keywords") == "0 Junk\n1 $Forwarded\n");
  CHECK(folder_named(state, "INBOX/Child")->parent_id == guid);
  CHECK(state.folders().at("path:.INBOX").attributes.contains("raw_name"));
  CHECK(folder_named(state, "Deep")->attributes == Attributes{{"nonexistent", "1"}});
  CHECK(folder_named(state, "Deep")->id == "path:.Deep");
  CHECK(folder_named(state, "Work")->id == "path:77:.Work");
  CHECK(folder_named(state, "Work")->uidnext == 9);
  CHECK(folder_named(state, "Work/Reports")->uidvalidity == 0);
  CHECK_FALSE(folder_named(state, "Work/Reports")->uidnext.has_value());
  CHECK(folder_named(state, "Copy")->id == "path:5:.Copy");
  CHECK(folder_named(state, "Empty")->attributes == Attributes{{"guid", std::string(32, 'b')},
                                                               {"mode", "0750"},
                                                               {"uidlist", "X-extra"},
                                                               {"cur.mode", "0700"},
                                                               {"new.mode", "0700"},
                                                               {"tmp.mode", "0700"}});
  CHECK(message_named(state, "Work/Reports", "r1")->uid == 0);
  CHECK(message_named(state, "Work", "w1")->attributes.at("letters") == "a");
  CHECK(store.warnings.find("guid of another folder") != std::string::npos);
}

TEST_CASE("maildir: every other file is an item", "[stores]") {
  ScratchDir scratch;
  make_odd_maildir(scratch.path() / "alice");
  REQUIRE(::mkfifo(scratch.file("alice/pipe").c_str(), 0600) == 0);
  REQUIRE(::mkfifo(scratch.file("alice/cur/pipe:2,").c_str(), 0600) == 0);
  TestStore store(scratch.path());
  const MailboxState state = state_of(*store.store, kAlice);
  std::vector<std::string> files;
  std::vector<std::string> subscriptions;
  for (const auto& [key, item] : state.items()) {
    (key.first == "file" ? files : subscriptions).push_back(key.second);
  }
  CHECK(subscriptions == std::vector<std::string>{"A", "Work", "Work/Reports", "not there"});
  CHECK(files == std::vector<std::string>{"..odd/cur/1:2,S", ".Work/maildirfolder", ".dovecot.sieve",
                                          ".nocur/new/1", "bar/baz/cur/1:2,S", "cur/.hidden", "cur/sub/x:2,S",
                                          "dovecot-acl", "dovecot-uidvalidity",
                                          "dovecot-uidvalidity.65538001", "empty-dir", "maildirsize", "sieve",
                                          "sieve/main.sieve"});
  const auto item = [&](const std::string& id) { return state.items().at({"file", id}); };
  CHECK(item("sieve").attributes == Attributes{{"mode", "0755"}, {"type", "directory"}});
  CHECK(item("empty-dir").attributes == Attributes{{"type", "directory"}});
  CHECK(item(".dovecot.sieve").attributes == Attributes{{"symlink", "sieve/main.sieve"}});
  CHECK(item("dovecot-acl").attributes == Attributes{{"mtime", "1500000000.123456000"}, {"size", "12"}});
  CHECK(item(".Work/maildirfolder").folder_id == "path:77:.Work");
  CHECK(as_text(content_of(*store.store, kAlice, place_of(item("sieve/main.sieve")))) == "keep;\n");
  for (const char* id : {".dovecot.sieve", "sieve", "empty-dir"}) {
    REQUIRE_CODE(store->open_content(kAlice, place_of(item(id))), unsupported);
  }
  REQUIRE_CODE(store->open_content(kAlice, place_of(state.items().at({"subscription", "Work"}))),
               unsupported);
  CHECK(store.warnings.find("pipe is neither") != std::string::npos);
  CHECK(store.warnings.find("is a link") != std::string::npos);
}

TEST_CASE("R9: hostile places are not read", "[stores]") {
  ScratchDir scratch;
  write_file(scratch.path() / "secret/cur/1:2,S", "secret");
  write_file(scratch.path() / "secret.txt", "secret");
  const fs::path box = scratch.path() / "mail/alice";
  make_maildir(box);
  fs::create_directory_symlink("../../secret", box / ".Secret");
  fs::create_directory_symlink("../../secret", box / "files");
  fs::create_symlink("../../../secret.txt", box / "cur/2:2,S");
  fs::create_directory_symlink("../secret", scratch.path() / "mail/eve");
  make_maildir(box / ".Linked");
  fs::remove(box / ".Linked/new");
  fs::create_directory_symlink("../../../secret/cur", box / ".Linked/new");
  TestStore store(scratch.path() / "mail");
  const MailboxState state = state_of(*store.store, kAlice);
  CHECK(state.messages().empty());
  CHECK(state.folders().size() == 2);
  REQUIRE_CODE(store->find_account("eve@example.com"), not_found);
  for (const std::string path : {"../../secret.txt", "files/cur/1:2,S", "/etc/passwd", ".Linked/new/1:2,S",
                                 "cur/2:2,S", "..", "", "a//b", ".Secret/cur/1:2,S"}) {
    INFO(path);
    ContentPlace place;
    place.item_kind = "file";
    place.item_id = path;
    CHECK_FALSE(store->open_content(kAlice, place).ok());
  }
  ContentPlace message;
  message.folder_id = folder_named(state, "INBOX")->id;
  for (const std::string id : {"../../../secret.txt", "2", "../.Linked/new/1"}) {
    message.message_id = id;
    REQUIRE_CODE(store->open_content(kAlice, message), not_found);
  }
}

TEST_CASE("R9: uids follow a uidlist that is rewritten", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  write_file(box / "new/a", "a");
  TestStore store(scratch.path());
  CHECK(message_named(state_of(*store.store, kAlice), "INBOX", "a")->uid == 0);
  write_file(box / "dovecot-uidlist", "3 V9 N2\n1 :a\n");
  const MailboxState indexed = state_of(*store.store, kAlice);
  CHECK(message_named(indexed, "INBOX", "a")->uid == 1);
  CHECK(message_named(indexed, "INBOX", "a")->uidvalidity == 9);
}

TEST_CASE("R9: renames and moves during a listing neither hide nor double a message", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  constexpr int kMessages = 3000;
  for (int i = 0; i < kMessages; ++i) {
    write_file(box / "cur" / ("message-with-quite-a-long-name." + std::to_string(i) + ":2,"), "x");
  }
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> renames = 0;
  std::thread renamer([&] {
    Random random("renamer");
    std::vector<std::string> flags(kMessages, "cur/");
    std::vector<std::string> names;
    for (int i = 0; i < kMessages; ++i) {
      names.push_back(
          (box / "cur" / ("message-with-quite-a-long-name." + std::to_string(i) + ":2,")).string());
    }
    while (!stop) {
      // One message again and again, then others: both kinds of bad luck.
      const std::size_t i = random.one_in(2) ? 7 : random.below(kMessages);
      const std::string base = names[i].substr(0, names[i].rfind(':'));
      const std::string next = base + ":2," + "SFRT"[random.below(4)];
      if (::rename(names[i].c_str(), next.c_str()) == 0) names[i] = next, ++renames;
    }
  });
  TestStore store(scratch.path());
  const int rounds = long_tests() ? 300 : 25;
  std::size_t wrong = 0;
  for (int round = 0; round < rounds; ++round) {
    OpVector out;
    const Result<SnapshotInfo> info = store->snapshot(kAlice, out);
    std::set<std::string> ids;
    std::size_t count = 0;
    for (const Operation& operation : out.operations) {
      if (const auto* put = std::get_if<MessagePut>(&operation)) {
        for (const Message& message : put->messages) ids.insert(message.id), ++count;
      }
    }
    if (!info.ok() || ids.size() != kMessages || count != kMessages) ++wrong;
    if (round % 5 == 0 && !ids.empty()) {
      ContentPlace place;
      place.folder_id = "path:.";
      place.message_id = *ids.begin();
      if (!store->open_content(kAlice, place).ok()) ++wrong;
    }
  }
  stop = true;
  renamer.join();
  INFO(renames.load() << " renames");
  CHECK(renames > 100);
  CHECK(wrong == 0);
}

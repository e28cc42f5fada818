#include <algorithm>

#include "odd_maildir.hpp"
#include "stores/maildir.hpp"
#include "support/faulty_io.hpp"

using namespace restante;
using namespace restante::test;

namespace {

SinkBegin exact_new() { return {Identity::exact, Continuity::reset, true}; }
SinkBegin in_place(Identity identity) { return {identity, Continuity::continued, false}; }

std::vector<std::string> names_in(const fs::path& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// What difference() would hand to a sink that goes from the live state to the backup.
std::vector<Operation> difference_to(MailSource& source, const Backup& backup, FieldSet fields) {
  MailboxState wanted;
  for (const Operation& operation : backup.operations) REQUIRE_OK(wanted.apply(operation));
  OpVector from;
  OpVector to;
  REQUIRE_OK(state_of(source, kAlice).write(from));
  REQUIRE_OK(wanted.write(to));
  OpVector out;
  DifferenceOptions options;
  options.fields = fields;
  const auto from_stream = stream_of(from.operations);
  const auto to_stream = stream_of(to.operations);
  REQUIRE_OK(difference(*from_stream, *to_stream, out, options));
  return out.operations;
}

}  // namespace

TEST_CASE("R3: exact gives back a mailbox byte for byte", "[stores]") {
  ScratchDir scratch;
  make_odd_maildir(scratch.path() / "one/alice");
  TestStore from(scratch.path() / "one");
  Backup backup = back_up(*from.store, kAlice);
  TestStore to(scratch.path() / "two");
  const auto outcomes = perform(*to.store, kAlice, exact_new(), backup.operations, backup.contents);
  for (const std::string& reason : refusals(outcomes)) FAIL_CHECK(reason);
  require_same_tree(scratch.path() / "one/alice", scratch.path() / "two/alice");
  CHECK(names_in(scratch.path() / "two/alice/tmp").empty());
  CHECK(state_of(*from.store, kAlice) == state_of(*to.store, kAlice));
}

TEST_CASE("R9: owners come back, and default to the account's", "[stores]") {
  if (::geteuid() != 0) RESTANTE_SKIP("needs root");
  ScratchDir scratch;
  const fs::path box = scratch.path() / "one/alice";
  make_maildir(box);
  write_file(box / "cur/1:2,S", "one");
  write_file(box / "cur/2:2,S", "two");
  for (const auto& entry : fs::recursive_directory_iterator(box)) {
    REQUIRE(::chown(entry.path().c_str(), 4001, 4002) == 0);
  }
  REQUIRE(::chown(box.c_str(), 4001, 4002) == 0);
  REQUIRE(::chown((box / "cur/2:2,S").c_str(), 4003, 4002) == 0);
  TestStore from(scratch.path() / "one");
  Backup backup = back_up(*from.store, kAlice);
  MailboxState state = state_of(*from.store, kAlice);
  CHECK(message_named(state, "INBOX", "1")->attributes.empty());
  CHECK(message_named(state, "INBOX", "2")->attributes == Attributes{{"uid", "4003"}});
  TestStore to(scratch.path() / "two");
  perform(*to.store, kAlice, exact_new(), backup.operations, backup.contents);
  require_same_tree(box, scratch.path() / "two/alice");

  // Into a live account, as an ordinary client: everything is the account's.
  fs::remove(box / "cur/1:2,S");
  perform(*from.store, kAlice, in_place(Identity::keep), difference_to(*from.store, backup, from->fields()),
          backup.contents);
  for (const std::string& path : files_of(box)) {
    struct stat st;
    REQUIRE(::stat((box / path).c_str(), &st) == 0);
    INFO(path);
    CHECK(st.st_uid == (path == "cur/2:2,S" ? 4003u : 4001u));
    CHECK(st.st_gid == 4002);
  }
}

TEST_CASE("R3: exact needs an empty account", "[stores]") {
  ScratchDir scratch;
  make_maildir(scratch.path() / "alice");
  write_file(scratch.path() / "alice/new/1", "x");
  TestStore store(scratch.path());
  REQUIRE_CODE(store->begin(kAlice, in_place(Identity::exact)), already_exists);
  REQUIRE_CODE(store->begin(kAlice, exact_new()), already_exists);
  REQUIRE_CODE(store->begin("bob@example.com", in_place(Identity::keep)), not_found);
  REQUIRE_CODE(store->begin("../x@example.com", exact_new()), invalid_argument);
}

TEST_CASE("R3: exact into a folder that was only emptied gives recorded uids, and none twice", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  const std::string header = "3 V1700000001 N3 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
  write_file(box / "cur/one:2,S", "one", kSomeTimeUs);
  write_file(box / "cur/two:2,", "two", kSomeTimeUs);
  write_file(box / "dovecot-uidlist", header + "1 :one\n2 :two\n");
  TestStore store(scratch.path());
  Backup backup = back_up(*store.store, kAlice);
  // A client removed all, perhaps after another message came.
  const bool another = GENERATE(false, true);
  for (const char* name : {"cur/one:2,S", "cur/two:2,"}) fs::remove(box / name);
  write_file(box / "dovecot-uidlist", header + (another ? "3 :three\n" : "1 :one\n2 :two\n"));
  write_file(box / "dovecot.index", "index");
  const std::vector<Operation> operations = difference_to(*store.store, backup, store->fields());
  CHECK(refusals(perform(*store.store, kAlice, in_place(Identity::exact), operations, backup.contents))
            .empty());
  const MailboxState state = state_of(*store.store, kAlice);
  CHECK(message_named(state, "INBOX", "one")->uid == 1);
  CHECK(message_named(state, "INBOX", "two")->uid == 2);
  CHECK(folder_named(state, "INBOX")->uidvalidity == 1700000001);
  CHECK(folder_named(state, "INBOX")->uidnext == (another ? 4u : 3u));
  CHECK_FALSE(fs::exists(box / "dovecot.index"));
}

TEST_CASE("R3: keep acts as an ordinary client", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  const std::string uidlist =
      "3 V1700000001 N9 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n1 :flag\n2 :gone\n3 :same\n";
  write_file(box / "cur/flag:2,S", "flag", kSomeTimeUs);
  write_file(box / "cur/gone:2,Sa", "gone", kSomeTimeUs);
  write_file(box / "cur/same:2,", "same", kSomeTimeUs);
  write_file(box / "dovecot-uidlist", uidlist);
  write_file(box / "dovecot.index", "index");
  write_file(box / "dovecot-keywords", "0 Junk\n");
  write_file(box / "maildirsize", "old");
  for (const char* own : {"dovecot-uidvalidity", "dovecot.mailbox.log"}) write_file(box / own, "earlier");
  TestStore store(scratch.path());
  Backup backup = back_up(*store.store, kAlice);
  for (const char* own : {"dovecot-uidvalidity", "dovecot.mailbox.log"})
    write_file(box / own, "the server's");

  fs::rename(box / "cur/flag:2,S", box / "cur/flag:2,FT");
  fs::remove(box / "cur/gone:2,Sa");
  write_file(box / "new/later", "later", kSomeTimeUs);
  write_file(box / "dovecot-keywords", "0 Other\n");
  make_maildir(box / ".Added");
  const std::vector<Operation> operations = difference_to(*store.store, backup, store->fields());
  const auto outcomes = perform(*store.store, kAlice, in_place(Identity::keep), operations, backup.contents);
  CHECK(refusals(outcomes).empty());

  CHECK(read_text(box / "dovecot-uidlist") == uidlist);
  CHECK(read_text(box / "dovecot-uidvalidity") == "the server's");
  CHECK(read_text(box / "dovecot.mailbox.log") == "the server's");
  CHECK(fs::exists(box / "dovecot.index"));
  CHECK_FALSE(fs::exists(box / ".Added"));
  CHECK_FALSE(fs::exists(box / "maildirsize"));
  CHECK(names_in(box / "tmp").empty());
  CHECK(names_in(box / "new").empty());
  const std::vector<std::string> names = names_in(box / "cur");
  REQUIRE(names.size() == 3);
  CHECK(fs::exists(box / "cur/flag:2,S"));
  CHECK(fs::exists(box / "cur/same:2,"));
  // The returning message has a name that was never there, and its keyword a letter that was free.
  const std::string back = *std::find_if(
      names.begin(), names.end(), [](const std::string& name) { return name.find(".M") != name.npos; });
  CHECK(back.find(",S=4:2,Sb") != std::string::npos);
  CHECK(read_text(box / "dovecot-keywords") == "0 Other\n1 Junk\n");
  CHECK(read_text(box / "cur" / back) == "gone");
  const auto created = std::find_if(outcomes.begin(), outcomes.end(), [](const ElementOutcome& outcome) {
    return outcome.outcome == Outcome::created;
  });
  REQUIRE(created != outcomes.end());
  CHECK(back.starts_with(created->id + ":2,"));
  const MailboxState state = state_of(*store.store, kAlice);
  CHECK(message_named(state, "INBOX", created->id)->internal_date == Time{kSomeTimeUs});
  CHECK(message_named(state, "INBOX", "flag")->uid == 1);
}

TEST_CASE("R3: keep gives a folder that comes back its keywords", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  make_maildir(box / ".Work");
  const std::string guid = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
  write_file(box / ".Work/cur/1:2,Sac", "one", kSomeTimeUs);
  write_file(box / ".Work/dovecot-keywords", "0 Junk\n2 Later\n");
  write_file(box / ".Work/dovecot-uidlist", "3 V1700000001 N2 G" + guid + "\n1 :1\n");
  TestStore store(scratch.path());
  Backup backup = back_up(*store.store, kAlice);

  // Another one may have its place by now.
  fs::remove_all(box / ".Work");
  SECTION("and there is none") {}
  SECTION("in place of another") {
    make_maildir(box / ".Work");
    write_file(box / ".Work/dovecot-keywords", "0 Other\n");
    write_file(box / ".Work/dovecot-uidlist", "3 V1700000002 N1 Gcccccccccccccccccccccccccccccccc\n");
  }
  SECTION("below a name that is no folder") { make_maildir(box / ".Work.Below"); }
  const std::vector<Operation> operations = difference_to(*store.store, backup, store->fields());
  CHECK(
      refusals(perform(*store.store, kAlice, in_place(Identity::keep), operations, backup.contents)).empty());
  CHECK(read_text(box / ".Work/dovecot-keywords") == "0 Junk\n2 Later\n");
  CHECK_FALSE(fs::exists(box / ".Work/dovecot-uidlist"));
  const MailboxState state = state_of(*store.store, kAlice);
  REQUIRE(state.messages().size() == 1);
  CHECK(state.messages().begin()->second.keywords == std::vector<std::string>{"Junk", "Later"});
}

TEST_CASE("R3: renew writes recorded uids under a greater uidvalidity", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  write_file(box / "cur/a:2,S", "a");
  write_file(box / "cur/b:2,S", "b");
  write_file(box / "dovecot-uidlist", "3 V4000000001 N9 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n1 :a\n5 W1 :b\n");
  make_maildir(box / ".Plain");
  write_file(box / ".Plain/new/p", "p");
  TestStore store(scratch.path());
  Backup backup = back_up(*store.store, kAlice);

  SECTION("into a new account") {
    TestStore other(scratch.path() / "elsewhere");
    const auto outcomes = perform(*other.store, kAlice, {Identity::renew, Continuity::reset, true},
                                  backup.operations, backup.contents);
    const MailboxState state = state_of(*other.store, kAlice);
    const Folder* inbox = folder_named(state, "INBOX");
    CHECK(inbox->uidvalidity == 4000000002);
    CHECK(inbox->uidnext == 9);
    CHECK(inbox->id == std::string(32, 'a'));
    CHECK(message_named(state, "INBOX", "b")->uid == 5);
    CHECK(message_named(state, "INBOX", "b")->attributes.at("uidlist") == "W1");
    CHECK(folder_named(state, "Plain")->uidvalidity == 0);
    CHECK(std::any_of(outcomes.begin(), outcomes.end(),
                      [](const ElementOutcome& outcome) { return outcome.uidvalidity == 4000000002; }));
  }
  SECTION("into the live account") {
    fs::remove(box / "cur/b:2,S");
    write_file(box / "new/c", "c");
    write_file(box / "dovecot-uidlist", "3 V4000000001 N9 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n1 :a\n5 :c\n");
    write_file(box / "dovecot.index", "index");
    write_file(box / "dovecot.index.cache", "index");
    std::vector<Operation> operations;
    for (const Operation& operation : backup.operations) {
      if (const auto* put = std::get_if<MessagePut>(&operation)) operations.push_back(*put);
    }
    const auto outcomes =
        perform(*store.store, kAlice, in_place(Identity::renew), operations, backup.contents);
    CHECK(refusals(outcomes).empty());
    CHECK_FALSE(fs::exists(box / "dovecot.index"));
    CHECK_FALSE(fs::exists(box / "dovecot.index.cache"));
    const MailboxState state = state_of(*store.store, kAlice);
    CHECK(folder_named(state, "INBOX")->uidvalidity == 4000000002);
    CHECK(message_named(state, "INBOX", "a")->uid == 1);
    CHECK(message_named(state, "INBOX", "c")->uid == 5);
    // Its UID is taken by the message that stays.
    CHECK(message_named(state, "INBOX", "b")->uid == 9);
  }
}

TEST_CASE("R3: renew gives every folder a uidvalidity of its own, and the server's next are above",
          "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  write_file(box / "dovecot-uidlist", "3 V4000000001 N9 Gaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
  for (const char* name : {".A", ".B"}) {
    make_maildir(box / name);
    const std::string guid(32, name[1] == 'A' ? 'b' : 'c');
    write_file(box / name / "dovecot-uidlist", "3 V4000000002 N2 G" + guid + "\n");
  }
  write_file(box / "dovecot-uidvalidity", "ee6b2802");
  write_file(box / "dovecot-uidvalidity.ee6b2802", "");
  TestStore store(scratch.path());
  const Backup backup = back_up(*store.store, kAlice);
  std::vector<Operation> operations;
  for (const Operation& operation : backup.operations) {
    if (std::holds_alternative<FolderPut>(operation)) operations.push_back(operation);
  }
  ContentBox contents;
  CHECK(refusals(perform(*store.store, kAlice, in_place(Identity::renew), operations, contents)).empty());
  const MailboxState state = state_of(*store.store, kAlice);
  std::set<std::uint32_t> given;
  for (const auto& [id, folder] : state.folders()) given.insert(folder.uidvalidity);
  CHECK(given == std::set<std::uint32_t>{4000000003, 4000000004, 4000000005});
  CHECK(read_text(box / "dovecot-uidvalidity") == "ee6b2805");
  CHECK(fs::exists(box / "dovecot-uidvalidity.ee6b2805"));
  CHECK_FALSE(fs::exists(box / "dovecot-uidvalidity.ee6b2802"));
}

TEST_CASE("R16: mail that comes into a folder that goes stays, with its folder", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  make_maildir(box / ".Goes");
  write_file(box / ".Goes/cur/known:2,S", "known");
  TestStore store(scratch.path());
  const MailboxState state = state_of(*store.store, kAlice);
  const Folder goes = *folder_named(state, "Goes");
  SinkBegin begin = in_place(Identity::keep);
  begin.keep_unnamed = true;
  auto transaction = store->begin(kAlice, begin);
  REQUIRE_OK(transaction);
  ContentBox contents;
  std::vector<ElementOutcome> outcomes;
  const auto apply = [&](const Operation& operation) {
    outcomes.clear();
    REQUIRE_OK((*transaction)->apply(operation, contents, outcomes));
    return outcomes.at(0).outcome;
  };
  SECTION("before its removal is planned: that is refused") {
    CHECK(apply(FolderDelete{goes.id}) == Outcome::refused);
    REQUIRE_OK((*transaction)->commit());
    CHECK(fs::exists(box / ".Goes/cur/known:2,S"));
  }
  SECTION("before it is removed") {
    CHECK(apply(MessageExpunge{goes.id, 0, {{}, {"known"}}, {}}) == Outcome::removed);
    CHECK(apply(FolderDelete{goes.id}) == Outcome::removed);
    const std::string place = GENERATE("new/came", "cur/came:2,");
    write_file(box / ".Goes" / place, "came");
    SECTION("") {}
    SECTION("and another one takes its place") {
      Folder other;
      other.id = "other";
      other.name = "Goes";
      CHECK(apply(FolderPut{other}) == Outcome::created);
    }
    REQUIRE_OK((*transaction)->commit());
    const fs::path where = box / (fs::exists(box / ".Goes-2") ? ".Goes-2" : ".Goes");
    CHECK(read_text(where / place) == "came");
    for (const char* part : {"cur", "new", "tmp"}) CHECK(fs::is_directory(where / part));
    CHECK_FALSE(fs::exists(where / "cur/known:2,S"));
    CHECK(store.warnings.find("mail came into") != std::string::npos);
  }
  SECTION("or not at all") {
    apply(MessageExpunge{goes.id, 0, {{}, {"known"}}, {}});
    apply(FolderDelete{goes.id});
    REQUIRE_OK((*transaction)->commit());
    CHECK_FALSE(fs::exists(box / ".Goes"));
  }
}

TEST_CASE("maildir sink: folders are made, renamed with their children, swapped and removed", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  for (const char* dir : {".A", ".A.Sub", ".B", ".Gone"}) make_maildir(box / dir);
  write_file(box / ".A/cur/a:2,", "a");
  write_file(box / ".A.Sub/cur/s:2,", "s");
  write_file(box / ".B/cur/b:2,", "b");
  write_file(box / ".Gone/cur/g:2,", "g");
  TestStore store(scratch.path());
  ContentBox contents;
  const MailboxState before = state_of(*store.store, kAlice);
  Folder a = *folder_named(before, "A");
  Folder b = *folder_named(before, "B");
  std::swap(a.name, b.name);
  Folder made;
  made.id = "made";
  made.name =
      "Gr\xc3\xbc\xc3\x9f"
      "e";
  Folder below;
  below.id = "below";
  below.parent_id = "made";
  below.name = "below";
  Message message;
  message.id = "m";
  message.folder_id = "below";
  message.content = contents.add("hello");
  MessagePut put;
  put.messages = {message};
  const auto outcomes = perform(*store.store, kAlice, in_place(Identity::keep),
                                {FolderPut{a}, FolderPut{b}, FolderPut{made}, FolderPut{below}, put,
                                 FolderDelete{folder_named(before, "Gone")->id}},
                                contents);
  CHECK(refusals(outcomes).empty());
  CHECK(outcomes[2].id == "path:.Gr&APwA3w-e");
  CHECK(outcomes[3].id == "path:.Gr&APwA3w-e.below");
  CHECK(fs::exists(box / ".B/cur/a:2,"));
  CHECK(fs::exists(box / ".B.Sub/cur/s:2,"));
  CHECK(fs::exists(box / ".A/cur/b:2,"));
  CHECK_FALSE(fs::exists(box / ".A.Sub"));
  CHECK_FALSE(fs::exists(box / ".Gone"));
  CHECK(names_in(box / ".Gr&APwA3w-e.below/cur").size() == 1);
  for (const std::string& name : names_in(box)) CHECK_FALSE(name.starts_with(".restante"));
}

TEST_CASE("maildir sink: what a Maildir cannot hold is refused by name", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "mail/alice";
  make_maildir(box);
  TestStore store(scratch.path() / "mail");
  ContentBox contents;
  const ContentRef hello = contents.add("hello");
  std::vector<Operation> operations;
  for (const std::string name : {"a.b", "a/b", "../evil", "", std::string("n\0l", 3).c_str()}) {
    Folder folder;
    folder.id = "f" + name;
    folder.name = name;
    operations.emplace_back(FolderPut{folder});
  }
  operations.pop_back();
  Folder long_name;
  long_name.id = "long";
  long_name.name = std::string(300, 'x');
  operations.emplace_back(FolderPut{long_name});
  Folder raw;
  raw.id = "raw";
  raw.name = "../../evil";
  raw.attributes["raw_name"] = "1";
  operations.emplace_back(FolderPut{raw});
  Folder orphan;
  orphan.id = "orphan";
  orphan.parent_id = "nowhere";
  orphan.name = "x";
  operations.emplace_back(FolderPut{orphan});
  Folder mount;
  mount.id = "mount";
  mount.name = "m";
  mount.mountpoint = Mountpoint{"bob", "1"};
  operations.emplace_back(FolderPut{mount});
  for (const std::string path : {"../evil", "/tmp/evil", "a/../../evil", "dovecot-uidlist", "dovecot.index",
                                 "tmp/x", "cur", "", "a//b", ".A/dovecot-keywords", "x.lock", "a/"}) {
    Item item;
    item.kind = "file";
    item.id = path;
    item.content = hello;
    operations.emplace_back(ItemPut{item});
  }
  for (const std::string target : {"/etc/passwd", "../../secret", "a/../../x", ""}) {
    Item item;
    item.kind = "file";
    item.id = "link";
    item.attributes["symlink"] = target;
    operations.emplace_back(ItemPut{item});
  }
  Item contact;
  contact.kind = "contact";
  contact.id = "c";
  operations.emplace_back(ItemPut{contact});
  Message lost;
  lost.id = "lost";
  lost.folder_id = "nowhere";
  lost.content = hello;
  operations.emplace_back(MessagePut{{lost}});
  lost.folder_id = "path:.";
  lost.content = content_ref_of(as_bytes("never added"));
  operations.emplace_back(MessagePut{{lost}});
  lost.content.reset();
  operations.emplace_back(MessagePut{{lost}});
  lost.content = ContentRef{hello.digest, 99};
  operations.emplace_back(MessagePut{{lost}});
  const auto outcomes = perform(*store.store, kAlice, in_place(Identity::keep), operations, contents);
  CHECK(refusals(outcomes).size() == operations.size());
  for (const ElementOutcome& outcome : outcomes) {
    INFO(outcome.reason);
    CHECK(outcome.outcome == Outcome::refused);
    CHECK_FALSE(outcome.reason.empty());
  }
  CHECK(files_of(scratch.path()).empty());
}

TEST_CASE("R9: hostile names and links are not written through", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "mail/alice";
  make_maildir(box);
  fs::create_directories(scratch.path() / "outside");
  fs::create_directory_symlink("../../outside", box / "dir");
  fs::create_symlink("../../outside/file", box / "file");
  fs::create_directory_symlink("../../outside", box / ".Link");
  TestStore store(scratch.path() / "mail");
  ContentBox contents;
  std::vector<Operation> operations;
  Message message;
  message.folder_id = "path:.";
  message.content = contents.add("hello");
  for (const std::string name : {"../../../outside/evil", "a/b", ".", "..", "", "x\ny", "dovecot-uidlist",
                                 ".hidden", "a:2,S", "new.lock"}) {
    message.id = name.empty() ? "empty" : name;
    message.attributes["name"] = name;
    operations.emplace_back(MessagePut{{message}});
  }
  Item item;
  item.kind = "file";
  item.id = "file";
  item.content = contents.add("new");
  operations.emplace_back(ItemPut{item});
  item.id = "dir/evil";
  operations.emplace_back(ItemPut{item});
  auto transaction = store->begin(kAlice, in_place(Identity::renew));
  REQUIRE_OK(transaction);
  std::vector<ElementOutcome> outcomes;
  for (const Operation& operation : operations) {
    REQUIRE_OK((*transaction)->apply(operation, contents, outcomes));
  }
  // The directory above an item is a link: named, not followed.
  const Status committed = (*transaction)->commit();
  REQUIRE_CODE(committed, partial);
  CHECK(committed.message().find("dir") != std::string::npos);
  CHECK(fs::is_empty(scratch.path() / "outside"));
  CHECK(read_text(box / "file") == "new");
  CHECK_FALSE(fs::is_symlink(box / "file"));
  CHECK(names_in(box / "cur").size() == 10);
}

TEST_CASE("R16: abort leaves the mailbox as it was", "[stores]") {
  ScratchDir scratch;
  make_odd_maildir(scratch.path() / "alice");
  TestStore store(scratch.path());
  Backup backup = back_up(*store.store, kAlice);
  const auto before = tree_of(scratch.path() / "alice");
  {
    auto transaction = store->begin(kAlice, in_place(Identity::renew));
    REQUIRE_OK(transaction);
    std::vector<ElementOutcome> outcomes;
    for (const Operation& operation : backup.operations) {
      REQUIRE_OK((*transaction)->apply(operation, backup.contents, outcomes));
    }
    REQUIRE_OK((*transaction)->apply(FolderDelete{"path:77:.Work"}, backup.contents, outcomes));
    (*transaction)->abort();
  }
  CHECK(tree_of(scratch.path() / "alice") == before);
  {
    auto transaction = store->begin("bob@example.com", exact_new());
    REQUIRE_OK(transaction);
    std::vector<ElementOutcome> outcomes;
    REQUIRE_OK((*transaction)->apply(backup.operations[0], backup.contents, outcomes));
  }
  CHECK_FALSE(fs::exists(scratch.path() / "bob"));
}

TEST_CASE("maildir sink: an account is deleted whole", "[stores]") {
  ScratchDir scratch;
  make_odd_maildir(scratch.path() / "alice");
  make_maildir(scratch.path() / "bob");
  TestStore store(scratch.path());
  ContentBox contents;
  perform(*store.store, kAlice, in_place(Identity::keep), {AccountDelete{kAlice}}, contents);
  CHECK_FALSE(fs::exists(scratch.path() / "alice"));
  CHECK(fs::exists(scratch.path() / "bob"));
}

TEST_CASE("R9: keywords past 26 are warned about", "[stores]") {
  ScratchDir scratch;
  make_maildir(scratch.path() / "alice");
  TestStore store(scratch.path());
  ContentBox contents;
  Message message;
  message.id = "m";
  message.folder_id = "path:.";
  message.content = contents.add("x");
  for (int i = 10; i < 40; ++i) message.keywords.push_back("k" + std::to_string(i));
  perform(*store.store, kAlice, in_place(Identity::keep), {MessagePut{{message}}}, contents);
  CHECK(store.warnings.find("no letter left for keyword k39") != std::string::npos);
  const MailboxState state = state_of(*store.store, kAlice);
  CHECK(state.messages().begin()->second.keywords.size() == 26);
}

TEST_CASE("maildir sink: a lock of the server is waited for", "[stores]") {
  ScratchDir scratch;
  const fs::path box = scratch.path() / "alice";
  make_maildir(box);
  write_file(box / "dovecot-keywords.lock", "");
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, (box / "dovecot-keywords.lock").c_str(), old, 0) == 0);
  TestStore store(scratch.path());
  ContentBox contents;
  Message message;
  message.id = "m";
  message.folder_id = "path:.";
  message.keywords = {"Junk"};
  message.content = contents.add("x");
  // A lock that a crash left is taken over.
  perform(*store.store, kAlice, in_place(Identity::keep), {MessagePut{{message}}}, contents);
  CHECK_FALSE(fs::exists(box / "dovecot-keywords.lock"));
  CHECK(read_text(box / "dovecot-keywords") == "0 Junk\n");
}

TEST_CASE("R16: the n-th call fails, for every n, and nothing is lost", "[stores]") {
  ScratchDir scratch;
  make_maildir(scratch.path() / "source/alice");
  write_file(scratch.path() / "source/alice/cur/a:2,S", "a", kSomeTimeUs);
  write_file(scratch.path() / "source/alice/cur/b:2,", "b", kSomeTimeUs);
  write_file(scratch.path() / "source/alice/dovecot-acl", "acl", kSomeTimeUs);
  TestStore source(scratch.path() / "source");
  Backup backup = back_up(*source.store, kAlice);
  for (std::uint64_t n = 1;; ++n) {
    const fs::path root = scratch.path() / ("live" + std::to_string(n));
    const fs::path box = root / "alice";
    make_maildir(box);
    write_file(box / "cur/a:2,F", "a", kSomeTimeUs);
    write_file(box / "cur/stays:2,S", "stays", kSomeTimeUs);
    FaultyIo io;
    MaildirStore::Options options;
    options.path = root.string();
    options.domain = "example.com";
    auto store = MaildirInternals::open(options, io);
    REQUIRE_OK(store);
    const std::vector<Operation> operations = [&] {
      std::vector<Operation> all = backup.operations;
      MessageExpunge expunge;
      expunge.folder_id = "path:.";
      expunge.messages.message_ids = {"stays"};
      all.emplace_back(expunge);
      return all;
    }();
    io.fail(n, Fault::io_error);
    Status status;
    {
      auto transaction = (*store)->begin(kAlice, in_place(Identity::keep));
      status = transaction.status();
      std::vector<ElementOutcome> outcomes;
      for (std::size_t i = 0; status.ok() && i < operations.size(); ++i) {
        status = (*transaction)->apply(operations[i], backup.contents, outcomes);
      }
      if (status.ok()) status = (*transaction)->commit();
      if (status.ok() && !refusals(outcomes).empty()) status = Status(Code::partial, "refused");
    }
    const bool failed = io.fired();
    io.heal();
    // "a" is there once under either flag; "stays" went only if all else is done.
    const MailboxState state = state_of(**store, kAlice);
    INFO("call " << n << ": " << status.to_string());
    CHECK(message_named(state, "INBOX", "a") != nullptr);
    const bool gone = message_named(state, "INBOX", "stays") == nullptr;
    if (gone) CHECK(state.messages().size() == 2);
    for (const auto& [key, message] : state.messages()) {
      CHECK(content_of(**store, kAlice, place_of(message)).size() == (key.second == "stays" ? 5 : 1));
    }
    if (status.ok()) CHECK(gone);
    fs::remove_all(root);
    if (!failed) break;
    REQUIRE(n < 2000);
  }
}

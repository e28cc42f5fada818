// Names that a file system allows and nobody expects, and addresses that XML or a file system forbids.

#include "hostile_site.hpp"

using namespace restante;
using namespace restante::test;

namespace {

// File names of every kind that a file system can hold, at most 200 bytes so that flags fit behind them.
const std::vector<std::string> kNames = {"new\nline",
                                         "\x01\x02\x1b[31m\x7f",
                                         "\xff\xfe\xc3",
                                         "...",
                                         "..a",
                                         "a..",
                                         "\\..\\..\\x",
                                         " blank at the edges ",
                                         "-rf",
                                         "*?[x]",
                                         "%n%d%u",
                                         "'\"`$(x)",
                                         "]]><&amp;>",
                                         "\xef\xbf\xbe\xef\xbf\xbf",
                                         "tab\tcr\r",
                                         "com1.",
                                         std::string(200, 'x')};

std::string without_dots(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::vector<std::string> accounts_in(const SessionInfo& info) {
  std::vector<std::string> ids;
  for (const SessionAccount& account : info.accounts) ids.push_back(account.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

TEST_CASE("hostile: messages, folders and files of every name come back byte for byte", "[hostile]") {
  HostileSite site;
  make_maildir(site.alice());
  for (const std::string& name : kNames) {
    INFO(name);
    // A hidden file is no message; one with a line break has a test of its own.
    if (name.front() != '.' && name.find_first_of("\n\r") == name.npos) {
      write_file(site.alice() / "cur" / (name + ":2,S"), "cur " + name, kSomeTimeUs);
      write_file(site.alice() / "new" / name, "new " + name, kSomeTimeUs);
    }
    const fs::path folder = site.alice() / ("." + without_dots(name));
    make_maildir(folder);
    write_file(folder / "cur/1.h:2,", "folder " + name, kSomeTimeUs);
    write_file(folder / ("item " + name), "item", kSomeTimeUs);
    write_file(site.alice() / "files" / name / name, "file " + name, kSomeTimeUs);
  }
  // As long as a name can be, for a folder and for a file.
  make_maildir(site.alice() / ("." + std::string(254, 'f')));
  write_file(site.alice() / std::string(255, 'g'), "long", kSomeTimeUs);
  // Without room for flags.
  write_file(site.alice() / "cur" / std::string(255, 'm'), "long message", kSomeTimeUs);
  for (const auto& entry : fs::recursive_directory_iterator(site.alice())) {
    if (entry.is_directory()) ::chmod(entry.path().c_str(), 0700);
  }
  require_completed(site.back_up());
  CHECK(site.restore_elsewhere().empty());
  require_same_tree(site.mail(), site.elsewhere());
  site.require_verified();
}

TEST_CASE("hostile: a base name with a line break, which no uidlist can hold, comes back as another",
          "[hostile]") {
  HostileSite site;
  make_maildir(site.alice());
  write_file(site.alice() / "dovecot-uidlist", "3 V7 N3 G" + std::string(32, 'a') + "\n1 :a\n2 :b\n");
  write_file(site.alice() / "cur/a\n2 b:2,S", "one", kSomeTimeUs);
  write_file(site.alice() / "cur/a\r:2,FS", "two", kSomeTimeUs);
  write_file(site.alice() / "cur/b\nno suffix", "three", kSomeTimeUs);
  require_completed(site.back_up());
  CHECK(site.restore_elsewhere().empty());
  TestStore other(site.elsewhere());
  const MailboxState state = state_of(*other.store, kAlice);
  std::map<std::string, std::uint32_t> flags;
  for (const auto& [key, message] : state.messages()) {
    flags[std::string(as_text(content_of(*other.store, kAlice, place_of(message))))] = message.flags;
    // Nobody gets the uid of another.
    CHECK(message.uid == 0);
  }
  CHECK(flags == std::map<std::string, std::uint32_t>{
                     {"one", kFlagSeen}, {"two", kFlagSeen | kFlagFlagged}, {"three", 0}});
  CHECK(read_text(site.elsewhere() / "alice/dovecot-uidlist") == "3 V7 N3 G" + std::string(32, 'a') + "\n");
}

TEST_CASE("hostile: a message whose recorded name holds a line adds none to the uidlist", "[hostile]") {
  ScratchDir scratch;
  TestStore store(scratch.path());
  ContentBox contents;
  Folder inbox;
  inbox.id = std::string(32, 'a');
  inbox.name = "INBOX";
  inbox.uidvalidity = 7;
  Message message;
  message.id = "a\n9 W1";
  message.folder_id = inbox.id;
  message.uidvalidity = 7;
  message.uid = 3;
  message.attributes["name"] = "a\n9 W1:2,S";
  message.flags = kFlagSeen;
  message.content = contents.add("x");
  Account account;
  account.id = account.address = kAlice;
  perform(*store.store, kAlice, {Identity::exact, Continuity::reset, true},
          {AccountPut{account}, FolderPut{inbox}, MessagePut{{message}}}, contents);
  const MailboxState state = state_of(*store.store, kAlice);
  REQUIRE(state.messages().size() == 1);
  CHECK(state.messages().begin()->second.uid == 0);
  CHECK(read_text(scratch.path() / "alice/dovecot-uidlist") == "3 V7 N4 G" + std::string(32, 'a') + "\n");
}

TEST_CASE("hostile: accounts whose addresses XML forbids are kept and come back", "[hostile]") {
  HostileSite site;
  std::vector<std::string> ids;
  for (const std::string& name : kNames) {
    if (name.front() == '.') continue;
    make_maildir(site.mail() / name);
    write_file(site.mail() / name / "cur/1.h:2,S", "mail of " + name, kSomeTimeUs);
    ids.push_back(name + "@example.com");
  }
  const std::string longest(255, 'a');
  make_maildir(site.mail() / longest);
  ids.push_back(longest + "@example.com");
  make_maildir(site.mail() / "at@home");
  ids.push_back("at@home@example.com");
  std::sort(ids.begin(), ids.end());
  const SessionInfo info = site.back_up();
  require_completed(info);
  CHECK(accounts_in(info) == ids);
  // As another process reads them.
  const Result<std::vector<TargetAccount>> listed = site.target().accounts();
  REQUIRE_OK(listed);
  std::vector<std::string> in_target;
  for (const TargetAccount& account : *listed) in_target.push_back(account.id);
  CHECK(in_target == ids);
  CHECK(site.restore_elsewhere().empty());
  require_same_tree(site.mail(), site.elsewhere());
}

TEST_CASE("hostile: a sink makes no account of an address that no directory can have", "[hostile]") {
  ScratchDir scratch;
  TestStore store(scratch.path() / "mail");
  const auto before = files_of(scratch.path());
  const std::string zero("a\0b@example.com", 15);
  for (const std::string& address :
       {std::string(), std::string("@example.com"), std::string("../up@example.com"),
        std::string("..@example.com"), std::string(".@example.com"), std::string(".hidden@example.com"),
        std::string("a/b@example.com"), std::string("/etc@example.com"), zero,
        std::string(256, 'x') + "@example.com", std::string(2000, 'x') + "@example.com",
        std::string("a@other.com"), std::string("./alice")}) {
    INFO(address);
    const Result<std::string> id = store->new_account_id(address);
    REQUIRE_CODE(id, invalid_argument);
    CHECK(id.status().message().find("account") != std::string::npos);
    CHECK_FALSE(store->begin(address, {Identity::exact, Continuity::reset, true}).ok());
    CHECK_FALSE(store->find_account(address).ok());
  }
  CHECK(files_of(scratch.path()) == before);
  CHECK(fs::is_empty(scratch.path() / "mail"));
}

TEST_CASE("hostile: two directories of one address: one is kept, the other named as an error", "[hostile]") {
  HostileSite site;
  for (const char* name : {"up", "UP", "Only"}) {
    make_maildir(site.mail() / name);
    write_file(site.mail() / name / "cur/1.h:2,S", std::string("mail of ") + name, kSomeTimeUs);
  }
  const SessionInfo info = site.back_up();
  CHECK(info.status == SessionStatus::partial);
  CHECK(accounts_in(info) == std::vector<std::string>{"./UP", "only@example.com", "up@example.com"});
  const SessionAccount* stray = info.find("./UP");
  REQUIRE(stray != nullptr);
  CHECK(stray->status == AccountStatus::error);
  CHECK(stray->error.find("./UP belongs to address up@example.com as ./up does") != std::string::npos);
  CHECK(info.find("up@example.com")->messages == 1);
  // The account's own directory is the one that its address leads to, and stays it.
  CHECK(site.restore_elsewhere().empty());
  CHECK(read_text(site.elsewhere() / "up/cur/1.h:2,S") == "mail of up");
  CHECK(read_text(site.elsewhere() / "only/cur/1.h:2,S") == "mail of Only");
  const SessionInfo next = site.back_up(os::real_io(), Session::Kind::incremental);
  CHECK(next.status == SessionStatus::partial);
  // Put in order.
  fs::remove_all(site.mail() / "UP");
  require_completed(site.back_up());
}

TEST_CASE("hostile: a directory whose parts make no address is named as an error", "[hostile]") {
  ScratchDir scratch;
  make_maildir(scratch.path() / "mail/a@b/carol");
  make_maildir(scratch.path() / "mail/example.com/dave");
  MaildirStore::Options options;
  options.path = scratch.file("mail/%d/%n");
  auto store = MaildirStore::open(options);
  REQUIRE_OK(store);
  std::vector<std::string> ids;
  REQUIRE_OK((*store)->list_accounts([&](const Account& account) {
    ids.push_back(account.id);
    return Status();
  }));
  CHECK(ids == std::vector<std::string>{"dave@example.com", "./a@b/carol"});
  OpVector out;
  const Status why = (*store)->snapshot("./a@b/carol", out).status();
  REQUIRE_CODE(why, unsupported);
  CHECK(why.message().find("./a@b/carol") != std::string::npos);
  REQUIRE_CODE((*store)->snapshot("./nothing", out), not_found);
}

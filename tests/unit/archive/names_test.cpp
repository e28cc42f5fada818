#include "archive/names.hpp"

#include <set>

#include "archive/reader.hpp"
#include "stores/maildir_names.hpp"
#include "support/catch.hpp"

using namespace restante;
using namespace restante::archive;
using namespace restante::test;

namespace {

class Folders {
 public:
  void add(const std::string& id, const std::string& name, const std::string& parent = {}) {
    Folder folder;
    folder.id = id;
    folder.name = name;
    folder.parent_id = parent;
    all.emplace(id, folder);
  }
  std::map<std::string, Folder> all;
};

Folders odd_folders() {
  Folders folders;
  folders.add("1", "INBOX");
  folders.add("2", "Work");
  folders.add("3", "Reports", "2");
  folders.add("4", "Entw\xc3\xbcrfe");
  folders.add("5", "a.b/c");
  folders.add("6", "a_b_c");
  folders.add("7", "..");
  folders.add("8", "");
  folders.add("9", std::string(1000, 'x'));
  folders.add("10", std::string(1000, 'x') + "y");
  folders.add("11", "\xff\x01\n");
  folders.add("22", "Work");
  folders.add("13", "inbox");
  folders.add("14", "Child", "1");
  folders.add("15", "loop", "16");
  folders.add("16", "loop", "15");
  folders.add("17", "lost", "none");
  return folders;
}

void require_names(const std::map<std::string, std::string>& places, std::size_t count) {
  std::set<std::string> names;
  for (const auto& [id, place] : places) {
    CAPTURE(id, place);
    CHECK(names.insert(place).second);
    CHECK(entry_name(place) == place);
    for (const char c : place) CHECK((c > 0x20 && c < 0x7f) == true);
    std::string_view rest = place;
    for (; !rest.empty(); rest.remove_prefix(std::min(rest.size(), rest.find('/') + 1))) {
      CHECK(rest.substr(0, rest.find('/')).size() <= 210);
      if (rest.find('/') == std::string_view::npos) break;
    }
  }
  CHECK(names.size() == count);
}

}  // namespace

TEST_CASE("archive names: every folder has a place of its own that every system can unpack", "[archive]") {
  const Folders folders = odd_folders();
  require_names(maildir_places(folders.all), folders.all.size());
  require_names(mbox_places(folders.all), folders.all.size());
}

TEST_CASE("archive names: ordinary folders lie where every Maildir++ and mbox reader looks", "[archive]") {
  const Folders folders = odd_folders();
  const auto maildir = maildir_places(folders.all);
  CHECK(maildir.at("1") == "Maildir");
  CHECK(maildir.at("2") == "Maildir/.Work");
  CHECK(maildir.at("3") == "Maildir/.Work.Reports");
  CHECK(maildir.at("4") == "Maildir/.Entw&APw-rfe");
  CHECK(maildir.at("14") == "Maildir/.INBOX.Child");
  const auto mbox = mbox_places(folders.all);
  CHECK(mbox.at("1") == "INBOX.mbox");
  CHECK(mbox.at("3") == "Work/Reports.mbox");
}

TEST_CASE("archive names: a file of a Maildir tells date, size, flags and keywords", "[archive]") {
  Message message;
  message.internal_date = Time{1'790'000'001'000'002};
  message.content = ContentRef{{}, 42};
  message.flags = kFlagSeen | kFlagDraft;
  CHECK(maildir_file_name(message, 3, "ab") == "1790000001.M2N3.restante,S=42:2,DSab");
  message.internal_date = Time{-1};
  CHECK(maildir_file_name(message, 1, "") == "0.M0N1.restante,S=42:2,DS");
}

TEST_CASE("archive names: entries that lead elsewhere have no name", "[archive]") {
  CHECK(entry_name("a/b") == "a/b");
  CHECK(entry_name("./a//b/") == "a/b");
  CHECK(entry_name("/etc/passwd") == "etc/passwd");
  CHECK_FALSE(entry_name("../a"));
  CHECK_FALSE(entry_name("a/../../b"));
  CHECK_FALSE(entry_name("a/.."));
  CHECK_FALSE(entry_name(""));
  CHECK_FALSE(entry_name("."));
  CHECK_FALSE(entry_name("///"));
  CHECK_FALSE(entry_name(std::string(5000, 'x')));
}

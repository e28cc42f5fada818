// uidlist, keyword and subscription files that lie; folders and messages of extreme size.

#include "hostile_site.hpp"

using namespace restante;
using namespace restante::test;

namespace {

constexpr int kMessages = 4;

void make_mailbox(const fs::path& box) {
  make_maildir(box);
  for (int i = 1; i <= kMessages; ++i)
    write_file(box / "cur" / (std::to_string(i) + ".h:2,ab"), "message " + std::to_string(i), kSomeTimeUs);
}

// No uid twice, the next above all.
void require_sound(const MailboxState& state) {
  for (const auto& [id, folder] : state.folders()) {
    std::set<std::uint32_t> uids;
    for (const auto& [key, message] : state.messages()) {
      if (key.first != id) continue;
      CHECK(message.uidvalidity == folder.uidvalidity);
      if (message.uid == 0) continue;
      CHECK(folder.uidvalidity != 0);
      CHECK(uids.insert(message.uid).second);
      CHECK((message.uid < folder.uidnext.value_or(0) || folder.uidnext == UINT32_MAX));
    }
  }
}

struct Lie {
  const char* name;
  std::string text;
  /// What the warning says; empty if there is nothing to warn of.
  const char* warning;
  /// Uids of 1.h, 2.h, 3.h, 4.h.
  std::vector<std::uint32_t> uids;
};

std::vector<Lie> lies() {
  const std::string zero("3 V7 N9\n1 :1.h\n2 :2\0.h\n3 :3.h\n", 30);
  std::string huge = "3 V7 N9\n1 :1.h\n";
  for (int i = 0; i < 20'000; ++i) huge += std::to_string(i + 10) + " :gone." + std::to_string(i) + "\n";
  return {
      {"a uid twice", "3 V7 N9\n1 :1.h\n1 :2.h\n3 :3.h\n", "repeats a uid", {1, 0, 3, 0}},
      {"uids that fall", "3 V7 N9\n5 :1.h\n4 :2.h\n3 :3.h\n", "not ascending", {5, 4, 3, 0}},
      {"a file twice", "3 V7 N9\n1 :1.h\n2 :1.h\n3 :2.h\n", "listed twice", {2, 3, 0, 0}},
      {"a next uid that is too low", "3 V7 N2\n1 :1.h\n90 :2.h\n", "", {1, 90, 0, 0}},
      {"no next uid", "3 V7\n1 :1.h\n", "", {1, 0, 0, 0}},
      {"a next uid that is no number", "3 V7 Nx\n1 :1.h\n", "next uid is not a number", {1, 0, 0, 0}},
      {"uidvalidity 0", "3 V0 N9\n1 :1.h\n", "no uidvalidity", {0, 0, 0, 0}},
      {"a uidvalidity that is too large", "3 V4294967296 N9\n1 :1.h\n", "no uidvalidity", {0, 0, 0, 0}},
      {"uids that are too large",
       "3 V7 N9\n4294967296 :1.h\n99999999999999999999999 :2.h\n-1 :3.h\n",
       "has no uid",
       {0, 0, 0, 0}},
      {"the greatest uid", "3 V7 N4294967295\n4294967295 :1.h\n", "", {UINT32_MAX, 0, 0, 0}},
      {"uid 0", "3 V7 N9\n0 :1.h\n", "has no uid", {0, 0, 0, 0}},
      {"files that are not there", "3 V7 N9\n1 :none\n2 :1.h\n", "", {2, 0, 0, 0}},
      {"names with slashes",
       "3 V7 N9\n1 :../../outside/cur/1.canary\n2 :cur/1.h\n3 :/etc/passwd\n",
       "",
       {0, 0, 0, 0}},
      {"zero bytes", zero, "", {1, 0, 3, 0}},
      {"one endless line", "3 V7 N9\n1 :" + std::string(3 << 20, 'x'), "", {0, 0, 0, 0}},
      {"an endless header", "3 V7 N9 " + std::string(3 << 20, 'x'), "", {0, 0, 0, 0}},
      {"mail in the place of a list", "Subject: x\n\nx\n", "version 'Subject:' is not known", {0, 0, 0, 0}},
      {"an unknown version", "9 V7 N9\n1 :1.h\n", "version '9' is not known", {0, 0, 0, 0}},
      {"nothing", "", "is not known", {0, 0, 0, 0}},
      {"20,000 files that are gone", huge, "", {1, 0, 0, 0}},
      {"a guid of two mebibytes", "3 V7 N9 G" + std::string(2 << 20, 'g') + "\n1 :1.h\n", "", {1, 0, 0, 0}},
      {"fields that are no fields", "3 V7 N9\n1 \x01\xff x= :1.h\n", "", {1, 0, 0, 0}},
  };
}

std::uint64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

// Whether the peak counts from now on.
bool reset_peak() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5" << std::flush;
  return out.good();
}

}  // namespace

TEST_CASE("hostile: a uidlist that lies costs no message, gives no uid twice, and is named", "[hostile]") {
  for (const Lie& lie : lies()) {
    INFO(lie.name);
    HostileSite site;
    make_mailbox(site.alice());
    write_file(site.alice() / "dovecot-uidlist", lie.text);
    const SessionInfo info = site.back_up();
    require_completed(info);
    CHECK(info.find("alice@example.com")->messages == kMessages);
    INFO(site.warnings());
    if (*lie.warning == '\0') {
      CHECK(site.warnings().find("uidlist") == std::string::npos);
    } else {
      CHECK(site.warnings().find("alice@example.com: .: dovecot-uidlist") != std::string::npos);
      CHECK(site.warnings().find(lie.warning) != std::string::npos);
    }
    CHECK(site.restore_elsewhere().empty());
    for (const fs::path& mail : {site.mail(), site.elsewhere()}) {
      INFO(mail);
      TestStore store(mail);
      const MailboxState state = state_of(*store.store, kAlice);
      require_sound(state);
      std::vector<std::uint32_t> uids;
      for (int i = 1; i <= kMessages; ++i) {
        const Message* message = message_named(state, "INBOX", std::to_string(i) + ".h");
        REQUIRE(message != nullptr);
        uids.push_back(message->uid);
        CHECK(as_text(content_of(*store.store, kAlice, place_of(*message))) ==
              "message " + std::to_string(i));
      }
      CHECK(uids == lie.uids);
    }
  }
}

TEST_CASE("hostile: keyword and subscription files that lie come back byte for byte", "[hostile]") {
  const std::string texts[] = {"0 Junk\n0 Other\n1 Junk\n",
                               "26 Beyond\n99999999999999999999 Huge\n-1 Less\n1 ok\n",
                               "0\n1\n 1 x\n1  x\nx 1\n0 two words\n",
                               std::string("0 a\0b\n1 c\n", 10),
                               "0 \xff\xfe\x01\n1 ../../outside/file\n",
                               "0 no end",
                               "0 crlf\r\n1 b\r\n",
                               "V\t2\n\nWork\nWork\n\t\n../../outside\n\xff\n",
                               "V\t9\n\nWork\n",
                               "V\t2\n\n" + std::string(60'000, 'x') + "\n",
                               "\n\n\n"};
  for (const std::string& text : texts) {
    INFO(text.substr(0, 60));
    HostileSite site;
    make_mailbox(site.alice());
    write_file(site.alice() / "dovecot-keywords", text);
    write_file(site.alice() / "subscriptions", text);
    const SessionInfo info = site.back_up();
    require_completed(info);
    CHECK(info.find("alice@example.com")->messages == kMessages);
    CHECK(site.restore_elsewhere().empty());
    require_same_tree(site.mail(), site.elsewhere());
  }
}

TEST_CASE("hostile: lists that are larger than any true one are named and left, and the mail is kept",
          "[hostile]") {
  HostileSite site;
  make_mailbox(site.alice());
  const std::pair<const char*, std::uint64_t> files[] = {{"dovecot-uidlist", (512u << 20) + 1},
                                                         {"dovecot-keywords", (64u << 10) + 1},
                                                         {"subscriptions", (16u << 20) + 1}};
  for (const auto& [name, size] : files) {
    write_file(site.alice() / name, "");
    fs::resize_file(site.alice() / name, size);  // nothing but a hole
  }
  std::vector<std::string> read;
  TestStore store(site.mail());
  const MailboxState state = state_of(*store.store, kAlice);
  CHECK(state.messages().size() == kMessages);
  require_sound(state);
  for (const char* name : {"dovecot-uidlist", "dovecot-keywords"}) {
    INFO(name);
    CHECK(store.warnings.find(std::string(name) + ": it is larger than the limit") != std::string::npos);
  }
  // Subscriptions that cannot be understood are a file like others.
  CHECK(state.items().contains({"file", "subscriptions"}));
}

TEST_CASE("hostile: a folder of very many messages comes back whole", "[hostile]") {
  const std::size_t count = long_tests() ? 1'000'000 : 2'000;
  HostileSite site;
  make_maildir(site.alice());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string path = (site.alice() / "cur" / (std::to_string(i) + ".M1P1.host:2,S")).string();
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    const std::string text = std::to_string(i % 1000);
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  const SessionInfo info = site.back_up();
  require_completed(info);
  CHECK(info.find("alice@example.com")->messages == count);
  CHECK(site.restore_elsewhere().empty());
  std::size_t found = 0;
  for (const auto& entry : fs::directory_iterator(site.elsewhere() / "alice/cur")) {
    const std::string name = entry.path().filename();
    if (found % 97 == 0) CHECK(read_text(entry.path()) == std::to_string(std::stoi(name) % 1000));
    ++found;
  }
  CHECK(found == count);
}

TEST_CASE("hostile: a message of two gibibytes and one of none, in bounded memory", "[hostile]") {
  const std::uint64_t size = long_tests() ? 2ull << 30 : 128ull << 20;
  HostileSite site;
  make_maildir(site.alice());
  write_file(site.alice() / "cur/none.h:2,S", "", kSomeTimeUs);
  const fs::path large = site.alice() / "cur/large.h:2,S";
  write_file(large, "Subject: large\n\n");
  fs::resize_file(large, size);
  const bool counted = reset_peak();
  const std::uint64_t before = peak_bytes();
  const SessionInfo info = site.back_up();
  require_completed(info);
  CHECK(info.find("alice@example.com")->bytes == size);
  CHECK(site.restore_elsewhere().empty());
  // Far less than the message; a pack of content and its frames.
  constexpr std::uint64_t kMost = 64u << 20;
  if (counted) CHECK(peak_bytes() - before < kMost);
  CHECK(fs::file_size(site.elsewhere() / "alice/cur/large.h:2,S") == size);
  CHECK(fs::file_size(site.elsewhere() / "alice/cur/none.h:2,S") == 0);
  std::ifstream back(site.elsewhere() / "alice/cur/large.h:2,S", std::ios::binary);
  std::string line;
  std::getline(back, line);
  CHECK(line == "Subject: large");
}

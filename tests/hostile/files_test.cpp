// Links, pipes, sockets and devices where files and directories belong, before a backup and in the middle of
// one; files that change while they are read.

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "hostile_site.hpp"
#include "support/faulty_io.hpp"

using namespace restante;
using namespace restante::test;

namespace {

void make_socket(const fs::path& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A socket's address is short: it is made in its directory.
  const fs::path before = fs::current_path();
  fs::current_path(path.parent_path());
  path.filename().string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  fs::current_path(before);
  ::close(fd);
  REQUIRE(bound == 0);
}

/// A mailbox with a message in the INBOX and in .Work.
void make_mailbox(const fs::path& box) {
  make_maildir(box);
  write_file(box / "cur/1.h:2,S", "one", kSomeTimeUs);
  make_maildir(box / ".Work");
  write_file(box / ".Work/cur/2.h:2,S", "two", kSomeTimeUs);
}

std::size_t messages_of(const SessionInfo& info, const char* account) {
  const SessionAccount* found = info.find(account);
  REQUIRE(found != nullptr);
  return found->messages;
}

}  // namespace

TEST_CASE("hostile: links at every place of a mailbox are named, kept as links, and never followed",
          "[hostile]") {
  HostileSite site;
  const fs::path box = site.alice();
  make_mailbox(box);
  const fs::path out = site.outside();
  fs::create_directory_symlink(out, site.mail() / "eve");
  fs::create_directory_symlink(out, box / ".Link");
  make_maildir(box / ".Parts");
  for (const char* part : {"cur", "new", "tmp"}) {
    fs::remove(box / ".Parts" / part);
    fs::create_directory_symlink(out / part, box / ".Parts" / part);
  }
  make_maildir(box / ".New");
  fs::remove(box / ".New/new");
  fs::create_directory_symlink("../../../outside/new", box / ".New/new");
  fs::create_symlink(out / "file", box / "cur/3.h:2,S");
  fs::create_symlink("1.h:2,S", box / "cur/4.h:2,S");
  fs::create_symlink(out / "file", box / "dovecot-uidlist");
  fs::create_symlink(out / "file", box / "dovecot-keywords");
  fs::create_symlink(out / "file", box / "subscriptions");
  fs::create_symlink(out / "file", box / "absolute");
  fs::create_symlink("../../outside/file", box / "relative");
  fs::create_directory_symlink(out, box / "directory");
  fs::create_symlink("nowhere", box / "dangling");
  fs::create_symlink("loop", box / "loop");
  fs::create_symlink("cur/1.h:2,S", box / "inside");
  fs::create_symlink(std::string(4000, 'x'), box / "long");

  const SessionInfo info = site.back_up();
  require_completed(info);
  CHECK(info.find("eve@example.com") == nullptr);
  CHECK(messages_of(info, "alice@example.com") == 2);
  for (const char* name : {"eve", ".Link", ".Parts/cur", ".Parts/new", ".New/new", "cur/3.h:2,S",
                           "cur/4.h:2,S", "dovecot-uidlist", "dovecot-keywords", "subscriptions", "absolute",
                           "relative", "directory", "dangling", "loop", "inside", "long"}) {
    INFO(name);
    CHECK(site.warnings().find(std::string(name) + " is a link") != std::string::npos);
  }
  const std::vector<std::string> refused = site.restore_elsewhere();
  for (const char* name : {".Link", ".Parts/cur", ".New/new", "cur/3.h:2,S", "dovecot-uidlist",
                           "dovecot-keywords", "subscriptions", "absolute", "relative", "directory"}) {
    INFO(name);
    CHECK(names(refused, name));
  }
  const fs::path back = site.elsewhere() / "alice";
  for (const char* name : {"dangling", "loop", "inside", "long", "cur/4.h:2,S"}) {
    INFO(name);
    CHECK(fs::read_symlink(back / name) == fs::read_symlink(box / name));
  }
  CHECK(read_text(back / "cur/1.h:2,S") == "one");
  CHECK(read_text(back / ".Work/cur/2.h:2,S") == "two");
  for (const auto& entry : fs::recursive_directory_iterator(back)) {
    if (entry.is_symlink()) CHECK(fs::read_symlink(entry.path()).is_relative());
  }
}

TEST_CASE("hostile: pipes, sockets and devices at every place are named, and nobody waits for them",
          "[hostile]") {
  HostileSite site;
  const fs::path box = site.alice();
  make_mailbox(box);
  std::vector<std::string> paths;
  const auto make = [&](const std::string& path, int kind) {
    fs::create_directories((box / path).parent_path());
    if (kind == 0) REQUIRE(::mkfifo((box / path).c_str(), 0600) == 0);
    if (kind == 1) make_socket(box / path);
    if (kind == 2) REQUIRE(::mknod((box / path).c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0);
    if (kind == 3) REQUIRE(::mknod((box / path).c_str(), S_IFBLK | 0600, makedev(7, 200)) == 0);
    paths.push_back(path);
  };
  // Devices need root, and may be forbidden to it too.
  const bool devices = ::mknod((box / "probe").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0;
  fs::remove(box / "probe");
  for (int kind = 0; kind < (devices ? 4 : 2); ++kind) {
    const std::string n = std::to_string(kind);
    make("cur/9" + n + ".h:2,S", kind);
    make("new/8" + n + ".h", kind);
    make("item" + n, kind);
    make("files/item" + n, kind);
    make(".Folder" + n, kind);
    make(".Work/item" + n, kind);
    make_maildir(box / (".Odd" + n));
    fs::remove(box / (".Odd" + n) / "new");
    make(".Odd" + n + "/new", kind);
    make(".Odd" + n + "/dovecot-uidlist", kind);
    make(".Odd" + n + "/dovecot-keywords", kind);
  }
  make("subscriptions", 0);
  REQUIRE(::mkfifo((site.mail() / "pipe").c_str(), 0600) == 0);
  const SessionInfo info = site.back_up();
  require_completed(info);
  CHECK(messages_of(info, "alice@example.com") == 2);
  for (const std::string& path : paths) {
    INFO(path);
    CHECK(site.warnings().find(path + " is neither a file nor a directory") != std::string::npos);
  }
  CHECK(site.restore_elsewhere().empty());
  const fs::path back = site.elsewhere() / "alice";
  CHECK(read_text(back / "cur/1.h:2,S") == "one");
  for (const std::string& path : paths) {
    INFO(path);
    // A pipe is not made again; what has its name may be the directory that belongs there.
    CHECK((!fs::exists(fs::symlink_status(back / path)) || fs::is_directory(back / path)));
  }
}

TEST_CASE("hostile: something takes a message's place between listing and reading", "[hostile]") {
  const char* const kinds[] = {
      "pipe", "link", "directory", "socket", "nothing", "a link for cur/", "a link for the folder"};
  for (const std::string kind : kinds) {
    INFO(kind);
    HostileSite site;
    make_mailbox(site.alice());
    const fs::path victim = site.alice() / ".Work/cur/2.h:2,S";
    int left = 1;
    HookedIo io([&](std::string_view method, const std::string& name) {
      if (method != "open_at" || name != "2.h:2,S" || left-- <= 0) return;
      fs::remove(victim);
      if (kind == "pipe") REQUIRE(::mkfifo(victim.c_str(), 0600) == 0);
      if (kind == "link") fs::create_symlink(site.outside() / "file", victim);
      if (kind == "directory") fs::create_directory(victim);
      if (kind == "socket") make_socket(victim);
      const fs::path cur = victim.parent_path();
      if (kind == "a link for cur/") {
        fs::remove_all(cur);
        fs::create_directory_symlink(site.outside() / "cur", cur);
      }
      if (kind == "a link for the folder") {
        fs::remove_all(cur.parent_path());
        fs::create_directory_symlink(site.outside(), cur.parent_path());
      }
    });
    const SessionInfo info = site.back_up(io);
    CHECK(left <= 0);
    require_completed(info);
    CHECK(messages_of(info, "alice@example.com") == 1);
    if (kind == "pipe" || kind == "socket")
      CHECK(site.warnings().find("2.h:2,S is neither") != std::string::npos);
    if (kind.find("link") != kind.npos) CHECK(site.warnings().find(" is a link") != std::string::npos);
    (void)site.restore_elsewhere();
    CHECK(read_text(site.elsewhere() / "alice/cur/1.h:2,S") == "one");
    site.require_verified();
  }
}

TEST_CASE("hostile: files that grow, shrink, change or vanish while they are read", "[hostile]") {
  const char* const kinds[] = {"grows", "shrinks", "is emptied", "vanishes", "is replaced"};
  for (const std::string kind : kinds) {
    for (const std::string place : {".Work/cur/big.h:2,S", "files/big"}) {
      INFO(place << ' ' << kind);
      HostileSite site;
      make_mailbox(site.alice());
      const fs::path victim = site.alice() / place;
      const std::string text(300'000, 'x');
      write_file(victim, text, kSomeTimeUs);
      bool opened = false;
      bool done = false;
      int reads = 0;
      FaultyIo small;
      small.limit_transfers(64 << 10);
      const auto change = [&](std::string_view method, const std::string& name) {
        if (method == "open_at") opened = name == victim.filename(), reads = 0;
        // The first piece was read.
        if (method != "pread" || !opened || done || ++reads < 2) return;
        done = true;
        if (kind == "grows") std::ofstream(victim, std::ios::app) << text;
        if (kind == "shrinks") fs::resize_file(victim, 70'000);
        if (kind == "is emptied") fs::resize_file(victim, 0);
        if (kind == "vanishes") fs::remove(victim);
        if (kind == "is replaced") {
          write_file(victim.parent_path() / "other", "another");
          fs::rename(victim.parent_path() / "other", victim);
        }
      };
      HookedIo io(change, small);
      const SessionInfo info = site.back_up(io);
      CHECK(done);
      require_completed(info);
      // Whatever was read is whole: its bytes are those of its id, and they come back.
      site.require_verified();
      CHECK(site.restore_elsewhere().empty());
      // As it was, or as it is: a second look at what a scan found changed meanwhile.
      const std::string back = read_text(site.elsewhere() / "alice" / place);
      CHECK((back.find_first_not_of('x') == back.npos || back == read_text(victim)));
      // The next backup has what is there now.
      SessionInfo next = site.back_up();
      require_completed(next);
      fs::remove_all(site.elsewhere());
      CHECK(site.restore_elsewhere().empty());
      CHECK(fs::exists(site.elsewhere() / "alice" / place) == fs::exists(victim));
      if (fs::exists(victim)) CHECK(read_text(site.elsewhere() / "alice" / place) == read_text(victim));
    }
  }
}

TEST_CASE("hostile: a file behind a hard link is an ordinary file, and a restore writes no other name of it",
          "[hostile]") {
  HostileSite site;
  const fs::path box = site.alice();
  make_mailbox(box);
  const fs::path own = site.scratch().path() / "linked";
  write_file(own, "linked", kSomeTimeUs);
  fs::create_hard_link(own, box / "cur/5.h:2,S");
  fs::create_hard_link(own, box / "item");
  fs::create_hard_link(box / "cur/1.h:2,S", box / "cur/6.h:2,F");
  require_completed(site.back_up());
  CHECK(site.restore_elsewhere().empty());
  require_same_tree(site.mail(), site.elsewhere());
  // Over links that are there: another content takes the name and leaves the file.
  TestStore live(site.mail());
  ContentBox contents;
  Item item;
  item.kind = "file";
  item.id = "item";
  item.content = contents.add("another");
  const auto outcomes =
      perform(*live.store, kAlice, {Identity::keep, Continuity::continued, false}, {ItemPut{item}}, contents);
  CHECK(refusals(outcomes).empty());
  CHECK(read_text(box / "item") == "another");
  CHECK(read_text(own) == "linked");
  CHECK(read_text(box / "cur/5.h:2,S") == "linked");
}

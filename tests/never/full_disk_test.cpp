// Full disks: a small tmpfs in the place of target, redo log, store and state, in turn.

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <iostream>

#include "prepared.hpp"

namespace restante::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kDiskBytes = 6u << 20;

/// A disk of its own in the place of a directory, with what was there. False where nobody may mount.
class SmallDisk {
 public:
  explicit SmallDisk(fs::path place) : place_(std::move(place)) {
    const fs::path aside = place_.string() + ".aside";
    fs::rename(place_, aside);
    fs::create_directory(place_);
    const std::string options = "mode=700,size=" + std::to_string(kDiskBytes);
    REQUIRE(::mount("tmpfs", place_.c_str(), "tmpfs", 0, options.c_str()) == 0);
    for (const auto& entry : fs::directory_iterator(aside))
      copy_tree(entry.path(), place_ / entry.path().filename());
  }
  ~SmallDisk() { ::umount2(place_.c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  void fill_but(std::uint64_t free_bytes) {
    const std::uint64_t now = fs::space(place_).available;
    if (now <= free_bytes) return;
    std::ofstream filler(place_ / kFiller, std::ios::binary);
    const std::string page(4096, 'x');
    for (std::uint64_t left = now - free_bytes; left >= page.size() && filler; left -= page.size())
      filler << page;
    filler.flush();
  }
  void make_room() { fs::remove(place_ / kFiller); }

 private:
  static constexpr const char* kFiller = ".filler";
  fs::path place_;
};

/// Mounts are this process's own. False where that is not allowed.
bool may_mount() {
  static const bool may =
      ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return may;
}

struct Answer {
  bool ok = false;
  std::string code;
  std::string told;
};

/// In a process of its own, because a full disk under mapped memory ends a process.
Answer in_child(const Site& site, const std::function<Status(Server&, std::string&)>& work) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string told;
    Status status;
    {
      auto server = Server::open(site);
      status = server.status();
      if (server.ok()) {
        status = work(**server, told);
        told += (*server)->take_warnings();
      }
    }
    const std::string all = std::string(name_of(status.code())) + "\n" + status.to_string() + "\n" + told;
    _exit(::write(ends[1], all.data(), all.size()) == static_cast<ssize_t>(all.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string all;
  char buffer[4096];
  for (ssize_t size = 0; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(size));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  INFO("signal " << (WIFSIGNALED(status) ? WTERMSIG(status) : 0));
  CHECK(WIFEXITED(status));
  const std::size_t line = all.find('\n');
  Answer answer;
  answer.code = all.substr(0, line);
  answer.ok = answer.code == name_of(Code::ok);
  if (line != std::string::npos) answer.told = all.substr(line + 1);
  return answer;
}

struct Case {
  const char* name;
  fs::path Site::*place;
  // A catalog has to be made, too.
  bool no_catalog = false;
};

Status back_up(Server& server, Session::Kind kind, std::string& told) {
  const Result<SessionInfo> session = server.back_up(kind);
  if (!session.ok()) return session.status();
  for (const SessionAccount& account : session->accounts) told += account.error + "\n";
  return session->status == SessionStatus::completed ? Status() : Status(Code::partial, "partial");
}

void restore_with_room(Server& server, const Prepared& base, bool roll_back, const States& before) {
  RestoreRequest request;
  request.stop.label = base.newest;
  const States& wanted = base.sessions.at(base.newest);
  if (roll_back) {
    REQUIRE_OK(server.roll_back_all());
    for (const auto& [account, mailbox] : Prepared::of_store(server))
      CHECK((mailbox == before.at(account) || mailbox == wanted.at(account)));
  }
  const Result<RestoreReport> report = server.restore(request);
  REQUIRE_OK(report);
  REQUIRE_OK(report->status);
  CHECK(difference(wanted, Prepared::of_store(server)) == "");
}

void try_with_full_disk(const Prepared& base, const Case& where, const std::string& action,
                        std::uint64_t free, std::map<std::string, int>& answers) {
  const MemoryDir dir;
  copy_tree(base.dir.path(), dir.path() / "copy");
  const Site site(dir.path() / "copy");
  const bool is_restore = action == "restore";
  States before;
  {
    if (is_restore) destroy(site);
    auto server = Server::open(site);
    REQUIRE_OK(server);
    if (is_restore) REQUIRE_OK((*server)->scan());
    before = Prepared::of_store(**server);
  }
  if (where.no_catalog)
    for (const auto& entry : fs::directory_iterator(site.state))
      if (entry.path().filename() != "scan") fs::remove_all(entry.path());
  SmallDisk disk(site.*where.place);
  disk.fill_but(free);
  const Answer answer = in_child(site, [&](Server& server, std::string& told) -> Status {
    if (action == "full") return back_up(server, Session::Kind::full, told);
    if (action == "incremental") return back_up(server, Session::Kind::incremental, told);
    RestoreRequest request;
    request.stop.label = base.newest;
    const Result<RestoreReport> report = server.restore(request);
    if (!report.ok()) return report.status();
    for (const AccountReport& account : report->accounts) told += account.status.to_string() + "\n";
    return report->status;
  });
  INFO(action << " with " << free << " bytes free in " << where.name << ": " << answer.code << ": "
              << answer.told);
  ++answers[answer.code];
  if (!answer.ok) {
    CHECK((answer.code == name_of(Code::no_space) || answer.code == name_of(Code::partial)));
    CHECK(answer.told.find("o space left") != std::string::npos);
  }
  disk.make_room();
  auto server = Server::open(site);
  REQUIRE_OK(server);
  if (is_restore)
    restore_with_room(**server, base, free % 8192 == 0, before);
  else
    check_published(**server, base, before);
  check_goes_on(**server, Session::Kind::incremental);
}

TEST_CASE("full disks of target, redo log, store and state: a clear error, and with room all goes on") {
  if (!may_mount()) RESTANTE_SKIP("needs root to mount a small disk");
  const Prepared base;
  for (const Case& where :
       {Case{"target", &Site::target}, Case{"redo log", &Site::redo}, Case{"store", &Site::mail},
        Case{"state", &Site::state}, Case{"state without catalog", &Site::state, true}}) {
    std::map<std::string, int> answers;
    for (const char* action : {"full", "incremental", "restore"})
      for (const std::uint64_t free : {0, 4, 12, 32, 128, 512})
        try_with_full_disk(base, where, action, free << 10, answers);
    std::cout << "full disk, " << where.name << ":";
    for (const auto& [code, count] : answers) std::cout << ' ' << count << " times " << code;
    std::cout << std::endl;
    // Else nothing was full.
    CHECK(answers[std::string(name_of(Code::no_space))] + answers[std::string(name_of(Code::partial))] > 0);
    CHECK(answers[std::string(name_of(Code::ok))] > 0);
  }
}

}  // namespace
}  // namespace restante::test

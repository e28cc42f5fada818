// R7, R10: file systems and users that do not give all that the log would like.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "processes.hpp"
#include "redo_test.hpp"

namespace restante::test {
namespace {

// From here on this process cannot map files for sharing, as on a file system that does not offer it.
bool forbid_shared_mappings() {
  const auto argument = [](unsigned n) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + n * sizeof(std::uint64_t));
  };
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument(3)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument(4)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffffu, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (ENODEV & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof *filter, filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_CASE("R7: where files cannot be mapped one process at a time has the log, and says so") {
  const ScratchDir dir;
  const std::string path = dir.file("redo");
  const ManualClock clock;
  RedoLog::Options options = options_with(clock);
  options.deadline = std::chrono::milliseconds(200);
  Pipe opened;
  Pipe go_on;
  Child child([&] {
    const bool is_forbidden = forbid_shared_mappings();
    Result<RedoLog> log = RedoLog::open(path, options);
    const bool is_open = log.ok() && append(*log, "alice", "alone").ok();
    say(opened, "open");
    if (!is_forbidden || !is_open) return is_forbidden ? 1 : 77;
    hear(go_on);
    return append(*log, "alice", "still").ok() && log->roll().ok() ? 0 : 2;
  });
  hear(opened);
  std::optional<Result<RedoLog>> refused = RedoLog::open(path, options);
  const Status status = refused->status();
  refused.reset();
  say(go_on, "go");
  const int answer = child.wait();
  if (answer == 77) RESTANTE_SKIP("system calls cannot be filtered here");
  REQUIRE(answer == 0);
  REQUIRE_CODE(status, busy);
  CHECK(status.message().find(std::to_string(child.pid())) != std::string::npos);
  Result<RedoLog> log = RedoLog::open(path, options);
  REQUIRE_OK(log);
  CHECK(read_all_of(*log).ids == std::vector<std::string>{"alone", "still"});
}

TEST_CASE("R10: where the file system cannot allocate, segments are written with zeros") {
  const ScratchDir dir;
  const ManualClock clock;
  FaultyIo io;
  io.fail_always(Fault::unsupported, [](Call call) { return call == Call::allocate; });
  redo::OpenHooks hooks;
  hooks.io = &io;
  {
    Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
    REQUIRE_OK(log);
    struct stat info {};
    REQUIRE(::stat((dir.file("redo") + "/" + redo::segment_name(log->sequence())).c_str(), &info) == 0);
    // All of it has blocks: no later write can find the disk full.
    CHECK(static_cast<std::uint64_t>(info.st_blocks) * 512 >= options_with(clock).segment_bytes);
    for (int i = 0; i < 100; ++i) REQUIRE_OK(append(*log, "alice", std::to_string(i), 3000));
    REQUIRE_OK(log->maintain());
  }
  Result<RedoLog> log = redo::open_log(dir.file("redo"), options_with(clock), hooks);
  REQUIRE_OK(log);
  CHECK(read_all_of(*log).ids.size() == 100);
  CHECK(log->verify()->damages.empty());
}

TEST_CASE("R7: a read-only file system is refused with its name") {
  if (::geteuid() != 0) RESTANTE_SKIP("only root can mount a small file system");
  const ScratchDir dir;
  const std::string mount_point = dir.file("small");
  std::filesystem::create_directories(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=4m") != 0)
    RESTANTE_SKIP("tmpfs cannot be mounted here");
  const ManualClock clock;
  const std::string path = mount_point + "/redo";
  {
    Result<RedoLog> log = RedoLog::open(path, options_with(clock));
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "x"));
  }
  REQUIRE(::mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=4m") == 0);
  for (const std::string& where : {path, mount_point + "/none"}) {
    const Result<RedoLog> refused = RedoLog::open(where, options_with(clock));
    REQUIRE_CODE(refused, permission);
    CHECK(refused.status().message().find(mount_point) != std::string::npos);
  }
  REQUIRE(::mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=4m") == 0);
  CHECK(read_all_of(*RedoLog::open(path, options_with(clock))).ids == std::vector<std::string>{"x"});
  (void)::umount2(mount_point.c_str(), MNT_DETACH);
}

TEST_CASE("R7: another user's log is refused, and left as it is") {
  if (::geteuid() != 0) RESTANTE_SKIP("only root can be somebody else");
  const ScratchDir dir;
  const ManualClock clock;
  const std::string path = dir.file("redo");
  {
    Result<RedoLog> log = RedoLog::open(path, options_with(clock));
    REQUIRE_OK(log);
    REQUIRE_OK(append(*log, "alice", "x"));
  }
  // A directory that others may look into; the files in it they may not.
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  const auto mode = GENERATE(0700, 0755, 0777);
  std::filesystem::permissions(path, std::filesystem::perms(mode));
  Child child([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    return RedoLog::open(path, options_with(clock)).status().code() == Code::permission ? 0 : 2;
  });
  CHECK(child.wait() == 0);
  CHECK(read_all_of(*RedoLog::open(path, options_with(clock))).ids == std::vector<std::string>{"x"});
}

}  // namespace
}  // namespace restante::test

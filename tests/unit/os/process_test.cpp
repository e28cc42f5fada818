#include "os/process.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/catch.hpp"

using namespace restante;

TEST_CASE("process: this one lives, whatever it is called") {
  const os::ProcessIdentity here = os::this_process();
  CHECK(here.pid == static_cast<std::uint64_t>(::getpid()));
  CHECK(here.start_ticks > 0);
  CHECK_FALSE(here.host.empty());
  if (here.boot_id.empty()) RESTANTE_SKIP("the system does not tell its boot");
  CHECK(os::is_alive(here) == true);

  char before[16];
  REQUIRE(::prctl(PR_GET_NAME, before) == 0);
  REQUIRE(::prctl(PR_SET_NAME, "a) Z 1 2 (b") == 0);
  CHECK(os::this_process() == here);
  REQUIRE(::prctl(PR_SET_NAME, before) == 0);
}

TEST_CASE("process: a pid alone is not the process") {
  os::ProcessIdentity other = os::this_process();
  if (other.boot_id.empty()) RESTANTE_SKIP("the system does not tell its boot");
  ++other.start_ticks;
  CHECK(os::is_alive(other) == false);
  other = os::this_process();
  other.boot_id += "x";
  CHECK(os::is_alive(other) == false);
  other = os::this_process();
  other.host += "x";
  CHECK_FALSE(os::is_alive(other).has_value());
  other = os::this_process();
  ++other.pid_namespace;
  CHECK_FALSE(os::is_alive(other).has_value());
}

TEST_CASE("process: dead as soon as it is killed, before anybody waits for it") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    const os::ProcessIdentity mine = os::this_process();
    const std::uint64_t told[2] = {mine.pid, mine.start_ticks};
    if (::write(ends[1], told, sizeof told) == sizeof told) ::pause();
    ::_exit(1);
  }
  std::uint64_t told[2] = {};
  REQUIRE(::read(ends[0], told, sizeof told) == sizeof told);
  os::ProcessIdentity child = os::this_process();
  child.pid = told[0];
  child.start_ticks = told[1];
  CHECK(child.pid == static_cast<std::uint64_t>(pid));
  if (!child.boot_id.empty()) CHECK(os::is_alive(child) == true);

  ::kill(pid, SIGKILL);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  if (!child.boot_id.empty()) CHECK(os::is_alive(child) == false);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  if (!child.boot_id.empty()) CHECK(os::is_alive(child) == false);
  ::close(ends[0]);
  ::close(ends[1]);
}

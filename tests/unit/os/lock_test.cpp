#include "os/lock.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "os/io.hpp"
#include "support/catch.hpp"

using namespace restante;

namespace {

// A child that runs `body`, reports its answer as one byte, and waits to be ended.
class Child {
 public:
  explicit Child(const std::function<char()>& body) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const char answer = body();
      if (::write(ends[1], &answer, 1) == 1) ::pause();
      ::_exit(1);
    }
    ::close(ends[1]);
    REQUIRE(::read(ends[0], &answer_, 1) == 1);
    ::close(ends[0]);
  }
  ~Child() { kill(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] char answer() const { return answer_; }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  char answer_ = '?';
};

os::Fd open_file(const test::ScratchDir& scratch) {
  Result<os::Fd> file = os::real_io().open_at(AT_FDCWD, scratch.file("lock"), O_RDWR | O_CREAT, 0600);
  REQUIRE_OK(file);
  return std::move(*file);
}

}  // namespace

TEST_CASE("FileLock: held by another process until that dies") {
  const test::ScratchDir scratch;
  const os::Fd file = open_file(scratch);
  Child child([&] {
    static Result<os::FileLock> lock = os::FileLock::acquire(file.get(), 5);
    return lock.ok() ? 'y' : 'n';
  });
  REQUIRE(child.answer() == 'y');

  CHECK(*os::FileLock::holder_pid(file.get(), 5) == child.pid());
  const Result<os::FileLock> refused = os::FileLock::acquire(file.get(), 5);
  REQUIRE_CODE(refused, busy);
  CHECK(refused.status().message().find("process " + std::to_string(child.pid())) != std::string::npos);
  // The bytes beside it are free.
  CHECK(*os::FileLock::holder_pid(file.get(), 4) == 0);
  REQUIRE_OK(os::FileLock::acquire(file.get(), 6));

  child.kill();
  CHECK(*os::FileLock::holder_pid(file.get(), 5) == 0);
  REQUIRE_OK(os::FileLock::acquire(file.get(), 5));
}

TEST_CASE("FileLock: a forked child neither inherits it nor lets go of it") {
  const test::ScratchDir scratch;
  const os::Fd file = open_file(scratch);
  Result<os::FileLock> lock = os::FileLock::acquire(file.get(), 0);
  REQUIRE_OK(lock);
  const pid_t parent = ::getpid();
  Child child([&] {
    const bool seen = *os::FileLock::holder_pid(file.get(), 0) == parent;
    lock->release();
    return seen && *os::FileLock::holder_pid(file.get(), 0) == parent ? 'y' : 'n';
  });
  CHECK(child.answer() == 'y');
  Child other([&] { return os::FileLock::acquire(file.get(), 0).ok() ? 'y' : 'n'; });
  CHECK(other.answer() == 'n');
}

TEST_CASE("FileLock: released by hand, by moving over it and at its end") {
  const test::ScratchDir scratch;
  const os::Fd file = open_file(scratch);
  const auto is_free = [&](std::uint64_t offset) {
    Child child([&] { return *os::FileLock::holder_pid(file.get(), offset) == 0 ? 'y' : 'n'; });
    return child.answer() == 'y';
  };
  {
    os::FileLock lock = *os::FileLock::acquire(file.get(), 1);
    CHECK(lock.is_held());
    CHECK_FALSE(is_free(1));
    lock = *os::FileLock::acquire(file.get(), 2);
    CHECK(is_free(1));
    CHECK_FALSE(is_free(2));
    os::FileLock moved = std::move(lock);
    CHECK_FALSE(lock.is_held());  // NOLINT: a moved-from lock holds nothing
    moved.release();
    CHECK(is_free(2));
    lock = *os::FileLock::acquire(file.get(), 3);
  }
  CHECK(is_free(3));
}

TEST_CASE("FileLock: a descriptor that cannot be locked") {
  REQUIRE_CODE(os::FileLock::acquire(-1, 0), io);
  REQUIRE_CODE(os::FileLock::holder_pid(-1, 0), io);
}

#include "os/io.hpp"

#include <restante/bytes.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "os/errors.hpp"
#include "os/file.hpp"
#include "os/random.hpp"
#include "support/catch.hpp"

using namespace restante;

namespace {

os::Io& io() { return os::real_io(); }

// A scratch directory with its descriptor, and short ways to make and read files in it.
struct Place {
  test::ScratchDir scratch;
  os::Fd dir = std::move(*os::open_dir(io(), scratch.path().string()));

  [[nodiscard]] int fd() const { return dir.get(); }
  void write(const std::string& name, std::string_view text) const {
    REQUIRE_OK(os::publish_file(io(), fd(), name, as_bytes(text), 0644));
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    const Result<Bytes> bytes = os::read_file(io(), fd(), name, 1 << 20);
    return bytes.ok() ? std::string(as_text(*bytes)) : std::string(name_of(bytes.status().code()));
  }
  [[nodiscard]] os::Fd open(const std::string& name, int flags) const {
    Result<os::Fd> opened = io().open_at(fd(), name, flags, 0644);
    REQUIRE_OK(opened);
    return std::move(*opened);
  }
};

int flags_of(int fd) { return ::fcntl(fd, F_GETFD); }

}  // namespace

TEST_CASE("Fd: one owner, closed once") {
  Place place;
  os::Fd first = place.open("a", O_RDWR | O_CREAT);
  const int number = first.get();
  os::Fd second = std::move(first);
  CHECK_FALSE(first.is_open());  // NOLINT: a moved-from Fd is empty
  CHECK(second.get() == number);
  second = os::Fd(::dup(number));
  CHECK(flags_of(number) == -1);
  const int released = second.release();
  second.reset();
  CHECK(flags_of(released) >= 0);
  ::close(released);
}

TEST_CASE("open_at: close-on-exec, and links only where they may be") {
  Place place;
  place.write("file", "text");
  std::filesystem::create_symlink("file", place.scratch.file("link"));
  CHECK((flags_of(place.open("file", O_RDONLY).get()) & FD_CLOEXEC) != 0);
  CHECK((flags_of(place.fd()) & FD_CLOEXEC) != 0);
  CHECK(place.open("link", O_RDONLY).is_open());
  REQUIRE_CODE(io().open_at(place.fd(), "link", O_RDONLY | O_NOFOLLOW, 0), io);
  REQUIRE_CODE(os::read_file(io(), place.fd(), "link", 100), io);
}

TEST_CASE("io: failures have the right code and say what and where") {
  Place place;
  const Status absent = test::status_of(io().open_at(place.fd(), "no\nsuch", O_RDONLY, 0));
  REQUIRE_CODE(absent, not_found);
  CHECK(absent.message() ==
        "cannot open " + place.scratch.path().string() + "/no\\x0asuch: No such file or directory");
  place.write("file", "text");
  REQUIRE_CODE(io().open_at(place.fd(), "file", O_WRONLY | O_CREAT | O_EXCL, 0600), already_exists);
  REQUIRE_CODE(io().mkdir_at(place.fd(), "file", 0700), already_exists);
  REQUIRE_CODE(io().unlink_at(place.fd(), "absent"), not_found);
  REQUIRE_CODE(io().open_at(place.fd(), std::string(300, 'n'), O_RDONLY, 0), invalid_argument);
  const Status read = test::status_of(io().pread(place.fd(), {}, 0));
  REQUIRE_CODE(read, io);
  CHECK(read.message() == "cannot read " + place.scratch.path().string() + ": Is a directory");
}

TEST_CASE("io: a zero byte in a name is refused, not cut off") {
  Place place;
  place.write("victim", "text");
  const std::string name("victim\0.tmp", 11);
  REQUIRE_CODE(io().open_at(place.fd(), name, O_RDONLY, 0), invalid_argument);
  REQUIRE_CODE(io().unlink_at(place.fd(), name), invalid_argument);
  REQUIRE_CODE(io().rmdir_at(place.fd(), name), invalid_argument);
  REQUIRE_CODE(io().mkdir_at(place.fd(), name, 0700), invalid_argument);
  REQUIRE_CODE(io().stat_at(place.fd(), name), invalid_argument);
  REQUIRE_CODE(io().readlink_at(place.fd(), name), invalid_argument);
  REQUIRE_CODE(io().rename_at(place.fd(), "victim", place.fd(), name), invalid_argument);
  REQUIRE_CODE(io().rename_no_replace_at(place.fd(), name, place.fd(), "x"), invalid_argument);
  REQUIRE_CODE(io().link_at(place.fd(), name, place.fd(), "x"), invalid_argument);
  CHECK(place.read("victim") == "text");
}

TEST_CASE("errno: codes") {
  const std::map<int, Code> expected = {
      {ENOENT, Code::not_found},
      {EEXIST, Code::already_exists},
      {EACCES, Code::permission},
      {EPERM, Code::permission},
      {EROFS, Code::permission},
      {ENOSPC, Code::no_space},
      {EDQUOT, Code::no_space},
      {EFBIG, Code::no_space},
      {EIO, Code::io},
      {EINVAL, Code::io},
      {ENOTDIR, Code::io},
      {ELOOP, Code::io},
      {ENOSYS, Code::unsupported},
      {EOPNOTSUPP, Code::unsupported},
      {EAGAIN, Code::busy},
      {EMFILE, Code::io},
  };
  for (const auto& [error, code] : expected) {
    INFO(error);
    CHECK(name_of(os::code_of_errno(error)) == name_of(code));
  }
  CHECK(os::errno_status(ENOSPC, "write", "a b").message() == "cannot write a b: No space left on device");
  CHECK_FALSE(os::errno_status(EMFILE, "open", "x").hint().empty());
}

TEST_CASE("pread and pwrite: places, ends and offsets out of range") {
  Place place;
  const os::Fd file = place.open("file", O_RDWR | O_CREAT);
  CHECK(*io().pwrite(file.get(), as_bytes("world"), 6) == 5);
  CHECK(*io().pwrite(file.get(), as_bytes("hello "), 0) == 6);
  Bytes buffer(20);
  CHECK(*io().pread(file.get(), buffer, 3) == 8);
  CHECK(as_text(buffer).substr(0, 8) == "lo world");
  CHECK(*io().pread(file.get(), buffer, 11) == 0);
  CHECK(*io().pread(file.get(), buffer, 1'000'000) == 0);
  REQUIRE_CODE(io().pread(file.get(), buffer, UINT64_MAX), no_space);
  REQUIRE_CODE(io().pwrite(file.get(), buffer, UINT64_MAX - 5), no_space);
  REQUIRE_CODE(io().pwrite(file.get(), buffer, INT64_MAX), no_space);
  const os::Fd reading = place.open("file", O_RDONLY);
  REQUIRE_CODE(io().pwrite(reading.get(), buffer, 0), io);
}

TEST_CASE("sync, truncate, allocate") {
  Place place;
  const os::Fd file = place.open("file", O_RDWR | O_CREAT);
  REQUIRE_OK(os::write_all_at(io(), file.get(), as_bytes("hello"), 0));
  REQUIRE_OK(io().fsync(file.get()));
  REQUIRE_OK(io().fdatasync(file.get()));
  REQUIRE_OK(io().sync_fs(place.fd()));
  REQUIRE_OK(io().truncate(file.get(), 2));
  CHECK(place.read("file") == "he");
  REQUIRE_OK(io().truncate(file.get(), 4));
  CHECK(place.read("file") == std::string("he\0\0", 4));
  REQUIRE_CODE(io().truncate(file.get(), UINT64_MAX), no_space);

  const Status allocated = io().allocate(file.get(), 0, 10'000);
  if (allocated.code() == Code::unsupported) RESTANTE_SKIP("the scratch file system cannot allocate");
  REQUIRE_OK(allocated);
  CHECK(io().fstat(file.get())->size == 10'000);
  CHECK(place.read("file").substr(0, 2) == "he");
  CHECK(place.read("file").substr(2) == std::string(9998, '\0'));
}

TEST_CASE("rename: replacing and not") {
  Place place;
  place.write("a", "A");
  place.write("b", "B");
  REQUIRE_CODE(io().rename_no_replace_at(place.fd(), "a", place.fd(), "b"), already_exists);
  CHECK(place.read("a") == "A");
  CHECK(place.read("b") == "B");
  REQUIRE_OK(io().rename_no_replace_at(place.fd(), "a", place.fd(), "c"));
  CHECK(place.read("a") == "not_found");
  CHECK(place.read("c") == "A");
  REQUIRE_OK(io().rename_at(place.fd(), "c", place.fd(), "b"));
  CHECK(place.read("b") == "A");
  REQUIRE_CODE(io().rename_at(place.fd(), "absent", place.fd(), "b"), not_found);

  REQUIRE_OK(io().mkdir_at(place.fd(), "d", 0700));
  REQUIRE_OK(io().rename_no_replace_at(place.fd(), "d", place.fd(), "e"));
  CHECK(io().stat_at(place.fd(), "e")->type == os::FileType::directory);
}

TEST_CASE("stat: what is told of a file, a directory and a link") {
  Place place;
  place.write("file", "12345");
  const os::Fd file = place.open("file", O_RDWR);
  REQUIRE_OK(io().chmod(file.get(), 0640));
  REQUIRE_OK(io().set_times(file.get(), 1'184'255'991'123'456'789));
  REQUIRE_OK(io().link_at(place.fd(), "file", place.fd(), "second"));
  REQUIRE_CODE(io().link_at(place.fd(), "file", place.fd(), "second"), already_exists);
  REQUIRE_OK(io().chown(file.get(), ::getuid(), ::getgid()));
  std::filesystem::create_symlink("file", place.scratch.file("link"));

  const Result<os::FileInfo> info = io().stat_at(place.fd(), "file");
  REQUIRE_OK(info);
  CHECK(info->type == os::FileType::regular);
  CHECK(info->size == 5);
  CHECK(info->mode == 0640);
  CHECK(info->uid == ::getuid());
  CHECK(info->gid == ::getgid());
  CHECK(info->nlink == 2);
  CHECK(info->mtime_ns == 1'184'255'991'123'456'789);
  CHECK(info->ctime_ns > info->mtime_ns);
  const Result<os::FileInfo> same = io().fstat(file.get());
  REQUIRE_OK(same);
  CHECK(same->ino == info->ino);
  CHECK(same->dev == info->dev);

  REQUIRE_OK(io().set_times(file.get(), -1));
  CHECK(io().fstat(file.get())->mtime_ns == -1);

  CHECK(io().stat_at(place.fd(), "link")->type == os::FileType::symlink);
  CHECK(*io().readlink_at(place.fd(), "link") == "file");
  REQUIRE_CODE(io().readlink_at(place.fd(), "file"), io);
  CHECK(io().fstat(place.fd())->type == os::FileType::directory);
  CHECK(io().stat_at(AT_FDCWD, "/dev/null")->type == os::FileType::other);
}

TEST_CASE("list: everything but . and .., and again from the start") {
  Place place;
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back("file-" + std::to_string(i));
    place.write(expected.back(), "");
  }
  place.write(".hidden", "");
  place.write("latin\xe9", "");
  REQUIRE_OK(io().mkdir_at(place.fd(), "dir", 0700));
  std::filesystem::create_symlink("nowhere", place.scratch.file("link"));
  REQUIRE(::mkfifo(place.scratch.file("fifo").c_str(), 0600) == 0);
  expected.insert(expected.end(), {".hidden", "latin\xe9", "dir", "link", "fifo"});
  std::sort(expected.begin(), expected.end());

  for (int round = 0; round < 2; ++round) {
    const Result<std::vector<os::DirEntry>> entries = io().list(place.fd());
    REQUIRE_OK(entries);
    std::vector<std::string> names;
    for (const os::DirEntry& entry : *entries) {
      names.push_back(entry.name);
      const os::FileType type = entry.name == "dir"    ? os::FileType::directory
                                : entry.name == "link" ? os::FileType::symlink
                                : entry.name == "fifo" ? os::FileType::other
                                                       : os::FileType::regular;
      CHECK(entry.type == type);
    }
    std::sort(names.begin(), names.end());
    CHECK(names == expected);
  }
  const os::Fd file = place.open(".hidden", O_RDONLY);
  REQUIRE_CODE(io().list(file.get()), io);
}

TEST_CASE("list: a directory larger than one buffer") {
  Place place;
  const int count = 4000;
  const std::string padding(200, 'n');  // together more than the first buffer of a listing
  for (int i = 0; i < count; ++i) {
    const os::Fd made = place.open(padding + std::to_string(i), O_WRONLY | O_CREAT);
  }
  const Result<std::vector<os::DirEntry>> entries = io().list(place.fd());
  REQUIRE_OK(entries);
  std::vector<std::string> names;
  for (const os::DirEntry& entry : *entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  CHECK(std::unique(names.begin(), names.end()) == names.end());
  CHECK(names.size() == count);
}

TEST_CASE("symlink_at: never replaces") {
  Place place;
  REQUIRE_OK(io().symlink_at("target", place.fd(), "link"));
  CHECK(*io().readlink_at(place.fd(), "link") == "target");
  REQUIRE_CODE(io().symlink_at("other", place.fd(), "link"), already_exists);
  REQUIRE_CODE(io().symlink_at(std::string("a\0b", 3), place.fd(), "new"), invalid_argument);
}

TEST_CASE("close: the descriptor is gone") {
  Place place;
  os::Fd file = place.open("file", O_RDWR | O_CREAT);
  const int number = file.get();
  REQUIRE_OK(io().close(std::move(file)));
  CHECK(flags_of(number) == -1);
}

TEST_CASE("no space and no permission") {
  const Result<os::Fd> full = io().open_at(AT_FDCWD, "/dev/full", O_WRONLY, 0);
  if (!full.ok()) RESTANTE_SKIP("no /dev/full");
  REQUIRE_CODE(io().pwrite(full->get(), as_bytes("x"), 0), no_space);
}

TEST_CASE("permission: a directory of another user") {
  Place place;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Root may do everything, so it becomes somebody else; anybody else locks himself out.
    const bool prepared = ::geteuid() == 0 ? ::setuid(65534) == 0 : ::fchmod(place.fd(), 0500) == 0;
    const Code code = io().mkdir_at(place.fd(), "dir", 0700).code();
    ::_exit(prepared && code == Code::permission ? 0 : 1);
  }
  int how = -1;
  CHECK(::waitpid(child, &how, 0) == child);
  CHECK(how == 0);
  REQUIRE_OK(io().chmod(place.fd(), 0700));
}

TEST_CASE("random ids and bytes") {
  const Result<Id128> a = Id128::random();
  const Result<Id128> b = Id128::random();
  REQUIRE_OK(a);
  REQUIRE_OK(b);
  CHECK(*a != *b);
  CHECK_FALSE(a->is_none());
  Bytes large(100'000);
  REQUIRE_OK(os::random_bytes(large));
  // Every value turns up among so many; the chance that one does not is below 10^-160.
  for (int value = 0; value < 256; ++value) CHECK(std::count(large.begin(), large.end(), value) > 0);
}

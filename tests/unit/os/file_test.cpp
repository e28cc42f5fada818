#include "os/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/limits.hpp"
#include "support/catch.hpp"
#include "support/faulty_io.hpp"

using namespace restante;

namespace {

using test::Call;
using test::Fault;
using test::FaultyIo;

std::string content_of(const test::ScratchDir& scratch, const std::string& name) {
  const Result<Bytes> bytes = os::read_file(os::real_io(), AT_FDCWD, scratch.file(name), 10 << 20);
  return bytes.ok() ? std::string(as_text(*bytes)) : std::string(name_of(bytes.status().code()));
}

std::size_t entries_in(const test::ScratchDir& scratch) {
  const std::filesystem::directory_iterator entries(scratch.path());
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

os::Fd open_scratch(const test::ScratchDir& scratch) {
  Result<os::Fd> dir = os::open_dir(os::real_io(), scratch.path().string());
  REQUIRE_OK(dir);
  return std::move(*dir);
}

}  // namespace

TEST_CASE("write_all_at and read_exactly_at: short transfers are continued") {
  const test::ScratchDir scratch;
  test::Random random("transfers");
  const Bytes bytes = random.bytes(10'000);
  FaultyIo io;
  io.limit_transfers(7);
  const Result<os::Fd> file = io.open_at(AT_FDCWD, scratch.file("file"), O_RDWR | O_CREAT, 0600);
  REQUIRE_OK(file);
  REQUIRE_OK(os::write_all_at(io, file->get(), bytes, 3));
  Bytes read(bytes.size());
  REQUIRE_OK(os::read_exactly_at(io, file->get(), read, 3));
  CHECK(read == bytes);
  CHECK(os::read_file(io, AT_FDCWD, scratch.file("file"), 20'000)->size() == 10'003);

  REQUIRE_CODE(os::read_exactly_at(io, file->get(), read, 4), damaged);
  io.limit_transfers(0);
  REQUIRE_CODE(os::write_all_at(io, file->get(), bytes, 0), io);
}

TEST_CASE("read_file: the limit, and what is no regular file") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  os::Io& io = os::real_io();
  REQUIRE_OK(os::publish_file(io, dir.get(), "file", as_bytes("12345"), 0600));
  REQUIRE_OK(os::read_file(io, dir.get(), "file", 5));
  REQUIRE_CODE(os::read_file(io, dir.get(), "file", 4), no_space);
  REQUIRE_OK(os::read_file(io, dir.get(), "file", UINT64_MAX));
  REQUIRE_CODE(os::read_file(io, dir.get(), "absent", 5), not_found);
  REQUIRE_CODE(os::read_file(io, dir.get(), ".", 5), invalid_argument);
  REQUIRE(::mkfifo(scratch.file("fifo").c_str(), 0600) == 0);
  REQUIRE_CODE(os::read_file(io, dir.get(), "fifo", 5), invalid_argument);  // and does not wait for a writer
  // A file that says it is empty and is not.
  CHECK(os::read_file(io, AT_FDCWD, "/proc/self/stat", 10'000)->size() > 10);
}

TEST_CASE("publish_file: content, mode, replacing") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  os::Io& io = os::real_io();
  const mode_t before = ::umask(0077);
  const Status published = os::publish_file(io, dir.get(), "file", as_bytes("one"), 0664);
  ::umask(before);
  REQUIRE_OK(published);
  CHECK(content_of(scratch, "file") == "one");
  CHECK(io.stat_at(dir.get(), "file")->mode == 0664);
  REQUIRE_OK(os::publish_file(io, dir.get(), "file", as_bytes("two"), 0600));
  CHECK(content_of(scratch, "file") == "two");
  REQUIRE_CODE(os::publish_file(io, dir.get(), "file", as_bytes("three"), 0600, os::Replace::no),
               already_exists);
  CHECK(content_of(scratch, "file") == "two");
  REQUIRE_OK(os::publish_file(io, dir.get(), "new", as_bytes("four"), 0600, os::Replace::no));
  CHECK(content_of(scratch, "new") == "four");
  CHECK(entries_in(scratch) == 2);
}

TEST_CASE("publish_file: names with folders, and names below the working directory") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  os::Io& io = os::real_io();
  REQUIRE_OK(os::make_dirs(io, dir.get(), "a/b", 0700));
  REQUIRE_OK(os::publish_file(io, dir.get(), "a/b/file", as_bytes("x"), 0600));
  CHECK(content_of(scratch, "a/b/file") == "x");
  REQUIRE_CODE(os::publish_file(io, dir.get(), "absent/file", as_bytes("x"), 0600), not_found);
  REQUIRE_OK(os::publish_file(io, AT_FDCWD, scratch.file("absolute"), as_bytes("y"), 0600));
  CHECK(content_of(scratch, "absolute") == "y");
}

TEST_CASE("publish_file: synced before it is visible, and the directory after") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  FaultyIo io;
  REQUIRE_OK(os::publish_file(io, dir.get(), "file", as_bytes("x"), 0600));
  CHECK(io.made() ==
        std::vector<std::string>{"open_at", "pwrite", "chmod", "fsync", "close", "rename_at", "fsync"});
}

TEST_CASE("publish_file: whichever call fails, the old content or the new stands there whole") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  FaultyIo io;
  std::uint64_t n = 1;
  for (;; ++n) {
    io.heal();
    REQUIRE_OK(os::publish_file(io, dir.get(), "file", as_bytes("old"), 0600));
    io.fail(n, Fault::no_space);
    const Status published = os::publish_file(io, dir.get(), "file", as_bytes("new"), 0600);
    if (!io.fired()) {
      REQUIRE_OK(published);
      break;
    }
    INFO("call " << n << ", " << io.made().back());
    REQUIRE_CODE(published, no_space);
    const std::string content = content_of(scratch, "file");
    // Only the sync of the directory comes after the new name.
    CHECK(content == (io.made().back() == "fsync" && n > 5 ? "new" : "old"));
    CHECK(entries_in(scratch) == 1);  // no temporary file is left
  }
  CHECK(n == 8);
}

TEST_CASE("make_dirs: makes what is missing, and each parent is synced") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  FaultyIo io;
  const Result<os::Fd> made = os::make_dirs(io, dir.get(), "a//b/./c/", 0750);
  REQUIRE_OK(made);
  CHECK(std::filesystem::is_directory(scratch.path() / "a/b/c"));
  const std::vector<std::string> calls = io.made();
  CHECK(std::count(calls.begin(), calls.end(), "mkdir_at") == 3);
  CHECK(std::count(calls.begin(), calls.end(), "fsync") == 3);
  CHECK(io.fstat(made->get())->ino == io.stat_at(AT_FDCWD, scratch.file("a/b/c"))->ino);

  io.heal();
  REQUIRE_OK(os::make_dirs(io, AT_FDCWD, scratch.file("a/b"), 0750));
  const std::vector<std::string> again = io.made();
  CHECK(std::count(again.begin(), again.end(), "mkdir_at") == 0);
  CHECK(std::count(again.begin(), again.end(), "fsync") == 0);
  REQUIRE_OK(os::make_dirs(io, dir.get(), "", 0750));
  REQUIRE_OK(os::publish_file(io, dir.get(), "file", {}, 0600));
  REQUIRE_CODE(os::make_dirs(io, dir.get(), "file/x", 0750), io);

  io.fail(1, Fault::io_error, [](Call call) { return call == Call::sync; });
  REQUIRE_CODE(os::make_dirs(io, dir.get(), "d/e", 0750), io);
}

TEST_CASE("open_dir_at: a link is not followed, open_dir follows") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  REQUIRE_OK(os::make_dirs(os::real_io(), dir.get(), "real", 0700));
  std::filesystem::create_directory_symlink("real", scratch.file("link"));
  REQUIRE_OK(os::open_dir_at(os::real_io(), dir.get(), "real"));
  REQUIRE_CODE(os::open_dir_at(os::real_io(), dir.get(), "link"), io);
  REQUIRE_OK(os::open_dir(os::real_io(), scratch.file("link")));
}

TEST_CASE("remove_tree_at: everything below, nothing behind a link") {
  const test::ScratchDir outside;
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  os::Io& io = os::real_io();
  REQUIRE_OK(os::publish_file(io, AT_FDCWD, outside.file("precious"), as_bytes("x"), 0600));
  REQUIRE_OK(os::make_dirs(io, dir.get(), "tree/a/b", 0700));
  REQUIRE_OK(os::publish_file(io, dir.get(), "tree/a/file", as_bytes("x"), 0400));
  std::filesystem::create_directory_symlink(outside.path(), scratch.file("tree/a/link"));
  std::filesystem::create_symlink("nowhere", scratch.file("tree/dangling"));
  std::filesystem::create_directory_symlink(outside.path(), scratch.file("link"));

  REQUIRE_OK(os::remove_tree_at(io, dir.get(), "tree"));
  CHECK(std::filesystem::symlink_status(scratch.file("tree")).type() ==
        std::filesystem::file_type::not_found);
  REQUIRE_OK(os::remove_tree_at(io, dir.get(), "link"));
  CHECK(content_of(outside, "precious") == "x");
  CHECK(entries_in(scratch) == 0);
  REQUIRE_CODE(os::remove_tree_at(io, dir.get(), "tree"), not_found);
  REQUIRE_OK(os::publish_file(io, dir.get(), "file", {}, 0600));
  REQUIRE_OK(os::remove_tree_at(io, dir.get(), "file"));
}

TEST_CASE("remove_tree_at: a tree without end is refused") {
  const test::ScratchDir scratch;
  const os::Fd dir = open_scratch(scratch);
  std::string path = "deep";
  for (int i = 0; i < base::kMaxTreeDepth; ++i) path += "/d";
  REQUIRE_OK(os::make_dirs(os::real_io(), dir.get(), path, 0700));
  REQUIRE_CODE(os::remove_tree_at(os::real_io(), dir.get(), "deep"), unsupported);
  REQUIRE_OK(os::remove_tree_at(os::real_io(), open_scratch(scratch).get(), "deep/d/d"));
  REQUIRE_OK(os::remove_tree_at(os::real_io(), dir.get(), "deep"));
}

TEST_CASE("temporary_name: recognisable and new each time") {
  const Result<std::string> name = os::temporary_name();
  REQUIRE_OK(name);
  CHECK(name->starts_with(os::kTemporaryPrefix));
  CHECK(name->size() == os::kTemporaryPrefix.size() + 16);
  CHECK(*name != *os::temporary_name());
}

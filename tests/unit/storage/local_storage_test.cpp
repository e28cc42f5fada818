#include "storage/local_storage.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "support/catch.hpp"
#include "support/faulty_io.hpp"

namespace {

using namespace restante;
using storage::SyncMethod;

std::unique_ptr<Storage> open_at(os::Io& io, const std::string& path,
                                 SyncMethod method = SyncMethod::file_system) {
  auto opened = storage::open_local_driver(io, path, {.create = true, .sync_method = method});
  REQUIRE_OK(opened);
  return std::move(*opened);
}

std::vector<std::string> keys_of(Storage& storage) {
  std::vector<std::string> keys;
  REQUIRE_OK(storage.list("", [&](const ObjectInfo& object) {
    keys.push_back(object.key);
    return Status();
  }));
  return keys;
}

std::size_t temporaries_in(const test::ScratchDir& scratch) {
  const auto directory = scratch.path() / ".restante-tmp~";
  if (!std::filesystem::exists(directory)) return 0;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".lock") ++count;
  }
  return count;
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat st;
  REQUIRE(::lstat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}

}  // namespace

TEST_CASE("local storage is made only when asked", "[storage]") {
  const test::ScratchDir scratch;
  REQUIRE_CODE(open_local_storage(scratch.file("a/b")), not_found);
  REQUIRE_OK(open_local_storage(scratch.file("a/b"), {.create = true}));
  REQUIRE_OK(open_local_storage(scratch.file("a/b")));
  std::ofstream(scratch.file("file")) << "x";
  REQUIRE_CODE(open_local_storage(scratch.file("file"), {.create = true}), io);
}

TEST_CASE("local storage keeps its objects to its owner", "[storage]") {
  const test::ScratchDir scratch;
  const auto storage = open_at(os::real_io(), scratch.file("t"));
  REQUIRE_OK(storage->put("a/b/c", as_bytes("x")));
  CHECK(mode_of(scratch.path() / "t/a/b/c") == 0600);
  CHECK(mode_of(scratch.path() / "t/a/b") == 0700);
  CHECK(mode_of(scratch.path() / "t") == 0700);
}

TEST_CASE("local storage follows no link", "[storage]") {
  const test::ScratchDir scratch;
  const test::ScratchDir outside;
  std::ofstream(outside.file("secret")) << "outside";
  const auto storage = open_at(os::real_io(), scratch.path());
  REQUIRE_OK(storage->put("dir/a", as_bytes("x")));
  REQUIRE(::symlink(outside.path().c_str(), scratch.file("link").c_str()) == 0);
  REQUIRE(::symlink(outside.file("secret").c_str(), scratch.file("dir/secret").c_str()) == 0);

  REQUIRE_CODE(storage->get("link/secret"), permission);
  REQUIRE_CODE(storage->get("dir/secret"), permission);
  REQUIRE_CODE(storage->info("dir/secret"), not_found);
  REQUIRE_CODE(storage->put("link/new", as_bytes("x")), permission);
  REQUIRE_CODE(storage->remove("link/secret"), permission);
  CHECK(keys_of(*storage) == std::vector<std::string>{"dir/a"});

  REQUIRE_OK(storage->put("dir/secret", as_bytes("mine")));
  std::string text;
  std::ifstream(outside.file("secret")) >> text;
  CHECK(text == "outside");
  CHECK(std::filesystem::exists(outside.path() / "secret"));
  CHECK_FALSE(std::filesystem::exists(outside.path() / "new"));
}

TEST_CASE("local storage lists nothing but objects", "[storage]") {
  const test::ScratchDir scratch;
  const auto storage = open_at(os::real_io(), scratch.path());
  REQUIRE_OK(storage->put("a", as_bytes("x")));
  std::ofstream(scratch.file("not a key")) << "x";
  std::ofstream(scratch.file("tilde~")) << "x";
  std::filesystem::create_directory(scratch.path() / "lost+found");
  std::filesystem::create_directory(scratch.path() / "empty");
  std::ofstream(scratch.file("lost+found/b")) << "x";
  REQUIRE(::mkfifo(scratch.file("fifo").c_str(), 0600) == 0);
  CHECK(keys_of(*storage) == std::vector<std::string>{"a"});
  REQUIRE_CODE(storage->get("fifo"), not_found);
  REQUIRE_CODE(storage->get("empty"), not_found);
  REQUIRE_OK(storage->put("empty", as_bytes("an object where an empty directory was")));
}

TEST_CASE("local storage takes away what dead writers left, and only that", "[storage]") {
  const test::ScratchDir scratch;
  const auto alive = open_at(os::real_io(), scratch.path());
  REQUIRE_OK(alive->put("a", as_bytes("x")));
  const auto directory = scratch.path() / ".restante-tmp~";

  const pid_t child = ::fork();
  if (child == 0) {
    auto dying = storage::open_local_driver(os::real_io(), scratch.path(), {});
    if (!dying.ok() || !(*dying)->put("b", as_bytes("y")).ok()) ::_exit(1);
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      std::ofstream(entry.path().parent_path() / (entry.path().stem().string() + "-77")) << "half an object";
    }
    ::_exit(0);  // without destructors, as if killed
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  REQUIRE(temporaries_in(scratch) == 2);  // one under the name of each handle

  const auto next = open_at(os::real_io(), scratch.path());
  CHECK(temporaries_in(scratch) == 1);  // the other writer is alive
  CHECK(keys_of(*next) == std::vector<std::string>{"a", "b"});
  REQUIRE_OK(alive->put("a", as_bytes("z")));
}

TEST_CASE("local storage survives lists beside removals", "[storage]") {
  const test::ScratchDir scratch;
  const auto storage = open_at(os::real_io(), scratch.path());
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int round = 0; round < 300; ++round) {
      const std::string key = "d" + std::to_string(round % 5) + "/x/" + std::to_string(round % 3);
      if (!storage->put(key, as_bytes("x")).ok() || !storage->remove(key).ok()) break;
    }
    done = true;
  });
  Status listed;
  while (!done && listed.ok()) listed = storage->list("", [](const ObjectInfo&) { return Status(); });
  writer.join();
  REQUIRE_OK(listed);
  CHECK(keys_of(*storage).empty());
}

TEST_CASE("local storage: writers and removers of one directory do not trip each other", "[storage]") {
  const test::ScratchDir scratch;
  const auto storage = open_at(os::real_io(), scratch.path());
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const std::string key = "deep/er/" + std::to_string(t);
      for (int round = 0; round < 200; ++round) {
        if (!storage->put(key, as_bytes("x")).ok()) ++failures;
        if (!storage->get(key).ok()) ++failures;
        if (!storage->remove(key).ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
}

TEST_CASE("R7: local storage acknowledges no sync after one that failed", "[storage]") {
  const test::ScratchDir scratch;
  test::FaultyIo io;
  auto storage = open_at(io, scratch.path());
  REQUIRE_OK(storage->put("a", as_bytes("x")));
  io.fail_always(test::Fault::io_error, [](test::Call call) { return call == test::Call::sync; });
  REQUIRE_CODE(storage->sync(), io);
  io.heal();
  REQUIRE_CODE(storage->sync(), poisoned);
  REQUIRE_CODE(storage->put("b", as_bytes("x")), poisoned);
  REQUIRE_CODE(storage->publication("p/", "t/"), poisoned);
  REQUIRE_OK(storage->get("a"));
  storage = open_at(io, scratch.path());
  REQUIRE_OK(storage->put("b", as_bytes("x")));
  REQUIRE_OK(storage->sync());
  CHECK(io.count(test::Call::sync) == 2);
}

TEST_CASE("local storage: any call may fail, and nothing half is seen", "[storage]") {
  const std::string old_text(20'000, 'o');
  const std::string new_text(30'000, 'n');
  const auto method = GENERATE(SyncMethod::file_system, SyncMethod::each_write);
  const test::Fault fault = GENERATE(test::Fault::no_space, test::Fault::io_error);
  bool finished = false;
  for (std::uint64_t n = 1; !finished; ++n) {
    REQUIRE(n < 1000);
    const test::ScratchDir scratch;
    test::FaultyIo io;
    io.limit_transfers(7000);
    Status put;
    Status absent;
    {
      const auto storage = open_at(io, scratch.path(), method);
      REQUIRE_OK(storage->put("a/old", as_bytes(old_text)));
      io.fail(n, fault);
      put = storage->put("a/old", as_bytes(new_text));
      absent = storage->put_if_absent("b/c/new", as_bytes(new_text));
      finished = put.ok() && absent.ok() && !io.fired();
    }
    INFO("call " << n << " failed with " << static_cast<int>(fault));
    const auto storage = open_at(os::real_io(), scratch.path(), method);
    const Result<Bytes> replaced = storage->get("a/old");
    REQUIRE_OK(replaced);
    CHECK((as_text(*replaced) == new_text || (!put.ok() && as_text(*replaced) == old_text)));
    const Result<Bytes> added = storage->get("b/c/new");
    if (absent.ok()) {
      REQUIRE_OK(added);
    }
    if (added.ok()) {
      CHECK(as_text(*added) == new_text);
    } else {
      REQUIRE_CODE(added, not_found);
    }
    CHECK(temporaries_in(scratch) == 0);
    REQUIRE_OK(storage->put("b/c/new", as_bytes(new_text)));
  }
}

TEST_CASE("local storage: an object that cannot be read is never said to be absent", "[storage]") {
  const test::ScratchDir scratch;
  REQUIRE_OK(open_at(os::real_io(), scratch.path())->put("a/b", as_bytes("x")));
  for (std::uint64_t n = 1;; ++n) {
    test::FaultyIo io;
    const auto storage = open_at(io, scratch.path());
    io.fail(n, test::Fault::io_error);
    const Status got = storage->get("a/b").status();
    if (!io.fired()) break;
    INFO("call " << n << ": " << io.made().back());
    REQUIRE_CODE(got, io);
    io.fail(n, test::Fault::io_error);
    const Result<ObjectInfo> info = storage->info("a/b");
    if (io.fired()) REQUIRE_CODE(info, io);
  }
}

TEST_CASE("local storage works for who may only read", "[storage]") {
  if (::geteuid() != 0) RESTANTE_SKIP("needs root to become somebody else");
  const test::ScratchDir scratch;
  {
    const auto storage = open_at(os::real_io(), scratch.path());
    REQUIRE_OK(storage->put("a/b", as_bytes("x")));
  }
  for (const char* name : {"", "a", "a/b"}) {
    REQUIRE(::chmod((scratch.path() / name).c_str(), name == std::string("a/b") ? 0444 : 0555) == 0);
  }
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setuid(65534) != 0) ::_exit(9);
    auto storage = storage::open_local_driver(os::real_io(), scratch.path(), {});
    if (!storage.ok()) ::_exit(1);
    if (!(*storage)->get("a/b").ok()) ::_exit(2);
    if ((*storage)->put("a/c", as_bytes("x")).code() != Code::permission) ::_exit(3);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
}

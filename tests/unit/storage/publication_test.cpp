// A publication is seen whole or not at all, whatever fails.

#include <set>

#include "storage/local_storage.hpp"
#include "support/catch.hpp"
#include "support/faulty_io.hpp"

namespace {

using namespace restante;
using storage::SyncMethod;

const std::string kFinal = "sessions/full-1/";
const std::string kStaging = "sessions_tmp/full-1/";

Status publish_all(Storage& storage) {
  auto publication = storage.publication(kFinal, kStaging);
  if (!publication.ok()) return publication.status();
  for (const char* name : {"accounts/a", "accounts/b", "list"}) {
    if (Status put = (*publication)->put(name, as_bytes(name)); !put.ok()) return put;
  }
  return (*publication)->publish("session.xml", as_bytes("last"));
}

// Whether it is published; then all of it must be there.
bool is_published_whole(Storage& storage) {
  const Result<Bytes> last = storage.get(kFinal + "session.xml");
  if (!last.ok()) {
    REQUIRE_CODE(last, not_found);
    return false;
  }
  CHECK(as_text(*last) == "last");
  for (const std::string name : {"accounts/a", "accounts/b", "list"}) {
    const Result<Bytes> got = storage.get(kFinal + name);
    REQUIRE_OK(got);
    CHECK(as_text(*got) == name);
  }
  return true;
}

// What the caller does with the rest of a publication that failed.
void remove_leftovers(Storage& storage) {
  std::vector<std::string> keys;
  REQUIRE_OK(storage.list("", [&](const ObjectInfo& object) {
    keys.push_back(object.key);
    return Status();
  }));
  for (const std::string& key : keys) REQUIRE_OK(storage.remove(key));
}

std::set<std::string> staged(Storage& storage) {
  std::set<std::string> keys;
  REQUIRE_OK(storage.list("sessions_tmp/", [&](const ObjectInfo& object) {
    keys.insert(object.key);
    return Status();
  }));
  return keys;
}

}  // namespace

TEST_CASE("publication without rename: any call may fail, and any of the rest be lost", "[storage]") {
  for (std::uint64_t n = 0;; ++n) {
    const auto memory = make_memory_storage();
    const auto handle = memory->share();
    handle->fail_after(n, Status(Code::io, "cut"), true);
    const Status published = publish_all(*handle);
    INFO("call " << n);
    const std::uint64_t seed = test::test_seed() + n;
    const bool visible = is_published_whole(*memory);
    CHECK((visible || !published.ok()));
    memory->crash(seed);
    const bool survived = is_published_whole(*memory);
    CHECK((survived || !published.ok()));
    if (!survived) {
      remove_leftovers(*memory);
      REQUIRE_OK(publish_all(*memory));
      CHECK(is_published_whole(*memory));
    }
    if (published.ok()) break;
  }
}

TEST_CASE("publication without rename: two of one prefix do not mix", "[storage]") {
  const auto memory = make_memory_storage();
  auto first = memory->publication(kFinal, kStaging);
  auto second = memory->publication(kFinal, kStaging);
  REQUIRE_OK(first);
  REQUIRE_OK(second);
  REQUIRE_OK((*first)->put("a", as_bytes("first")));
  REQUIRE_CODE((*second)->put("a", as_bytes("second")), already_exists);
  REQUIRE_OK((*second)->put("b", as_bytes("second")));
  REQUIRE_OK((*first)->publish("z", as_bytes("first")));
  REQUIRE_CODE((*second)->publish("z", as_bytes("second")), already_exists);
  REQUIRE_OK((*second)->discard());
  const Result<Bytes> kept = memory->get(kFinal + "a");
  REQUIRE_OK(kept);
  CHECK(as_text(*kept) == "first");
  REQUIRE_CODE(memory->get(kFinal + "b"), not_found);
}

TEST_CASE("publication of a local directory: any call may fail", "[storage]") {
  const auto method = GENERATE(SyncMethod::file_system, SyncMethod::each_write);
  const test::Fault fault = GENERATE(test::Fault::no_space, test::Fault::io_error);
  bool finished = false;
  for (std::uint64_t n = 1; !finished; ++n) {
    REQUIRE(n < 1000);
    const test::ScratchDir scratch;
    test::FaultyIo io;
    io.limit_transfers(7000);
    Status published;
    {
      auto faulty = storage::open_local_driver(io, scratch.path(), {.create = false, .sync_method = method});
      REQUIRE_OK(faulty);
      io.fail(n, fault);
      published = publish_all(**faulty);
      finished = published.ok() && !io.fired();
    }
    INFO("call " << n << " failed with " << static_cast<int>(fault));
    auto storage = open_local_storage(scratch.path());
    REQUIRE_OK(storage);
    const bool visible = is_published_whole(**storage);
    CHECK((visible || !published.ok()));
    if (visible) {
      CHECK(staged(**storage).empty());
      REQUIRE_CODE(publish_all(**storage), already_exists);
    } else {
      remove_leftovers(**storage);
      REQUIRE_OK(publish_all(**storage));
    }
  }
}

TEST_CASE("publication of a local directory: what a crash left is in the way until it is removed",
          "[storage]") {
  const test::ScratchDir scratch;
  auto storage = open_local_storage(scratch.path());
  REQUIRE_OK(storage);
  { REQUIRE_OK((*(*storage)->publication(kFinal, kStaging))->put("a/b", as_bytes("x"))); }
  REQUIRE_CODE((*storage)->publication(kFinal, kStaging), already_exists);
  REQUIRE_CODE((*storage)->info(kFinal + "a/b"), not_found);
  REQUIRE_OK((*storage)->remove(kStaging + "a/b"));
  REQUIRE_OK(publish_all(**storage));
}

TEST_CASE("publication of a local directory: empty directories are in nobody's way", "[storage]") {
  const test::ScratchDir scratch;
  std::filesystem::create_directories(scratch.path() / (kFinal + "some/empty"));
  std::filesystem::create_directories(scratch.path() / kStaging);
  auto storage = open_local_storage(scratch.path());
  REQUIRE_OK(storage);
  REQUIRE_OK(publish_all(**storage));
  CHECK(is_published_whole(**storage));
  CHECK_FALSE(std::filesystem::exists(scratch.path() / "sessions_tmp"));
}

TEST_CASE("publication of a local directory: people delete what is staged by hand", "[storage]") {
  const test::ScratchDir scratch;
  auto storage = open_local_storage(scratch.path());
  REQUIRE_OK(storage);
  auto publication = (*storage)->publication(kFinal, kStaging);
  REQUIRE_OK(publication);
  REQUIRE_OK((*publication)->put("a", as_bytes("x")));
  std::filesystem::remove_all(scratch.path() / "sessions_tmp");
  REQUIRE_CODE((*publication)->put("b", as_bytes("x")), not_found);
  REQUIRE_CODE((*publication)->publish("z", as_bytes("x")), not_found);
  REQUIRE_CODE((*storage)->info(kFinal + "z"), not_found);

  auto again = (*storage)->publication(kFinal, kStaging);
  REQUIRE_OK(again);
  REQUIRE_OK((*again)->put("c", as_bytes("x")));
  REQUIRE_OK((*publication)->discard());
  REQUIRE_OK((*again)->publish("z", as_bytes("x")));
  REQUIRE_OK((*storage)->info(kFinal + "c"));
}

TEST_CASE("publication of a local directory: the two prefixes lie apart", "[storage]") {
  const test::ScratchDir scratch;
  auto storage = open_local_storage(scratch.path());
  REQUIRE_OK(storage);
  REQUIRE_CODE((*storage)->publication("a/", "a/b/"), invalid_argument);
  REQUIRE_CODE((*storage)->publication("a/b/", "a/"), invalid_argument);
  REQUIRE_CODE((*storage)->publication("a/", "a/"), invalid_argument);
  REQUIRE_CODE((*storage)->publication("../a/", "b/"), invalid_argument);
}

#include <restante/storage.hpp>

#include <set>

#include "support/catch.hpp"

namespace {

using namespace restante;

std::string text_of(Storage& storage, std::string_view key) {
  const Result<Bytes> got = storage.get(key);
  return got.ok() ? std::string(as_text(*got)) : std::string(name_of(got.status().code()));
}

}  // namespace

TEST_CASE("memory storage fails on demand, once or from then on", "[storage]") {
  const auto storage = make_memory_storage();
  const auto other = storage->share();
  REQUIRE_OK(storage->put("a", as_bytes("1")));
  CHECK(storage->calls() == 1);
  CHECK(other->calls() == 0);

  storage->fail_after(1, Status(Code::io, "cut"), false);
  REQUIRE_OK(storage->sync());
  REQUIRE_CODE(storage->put("a", as_bytes("2")), io);
  CHECK(text_of(*storage, "a") == "1");
  REQUIRE_OK(storage->put("a", as_bytes("2")));

  storage->fail_after(0, Status(Code::no_space, "full"), true);
  REQUIRE_CODE(storage->get("a"), no_space);
  REQUIRE_CODE(storage->sync(), no_space);
  REQUIRE_CODE(storage->list("", [](const ObjectInfo&) { return Status(); }), no_space);
  CHECK(text_of(*other, "a") == "2");
  storage->fail_after(0, Status(), false);
  CHECK(text_of(*storage, "a") == "2");
}

TEST_CASE("memory storage loses in a crash what was not synced, and nothing else", "[storage]") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    const auto storage = make_memory_storage();
    REQUIRE_OK(storage->put("kept", as_bytes("1")));
    REQUIRE_OK(storage->put("changed", as_bytes("old")));
    REQUIRE_OK(storage->put("removed", as_bytes("x")));
    REQUIRE_OK(storage->sync());
    REQUIRE_OK(storage->put("new", as_bytes("n")));
    REQUIRE_OK(storage->put("changed", as_bytes("new")));
    REQUIRE_OK(storage->remove("removed"));
    storage->crash(seed);
    CHECK(text_of(*storage, "kept") == "1");
    seen.insert(text_of(*storage, "new") + text_of(*storage, "changed") + text_of(*storage, "removed"));

    const std::string now = text_of(*storage, "changed");
    storage->crash(seed + 1);
    CHECK(text_of(*storage, "changed") == now);
  }
  CHECK(seen.size() == 8);
  CHECK(seen.contains("nnewnot_found"));
  CHECK(seen.contains("not_foundoldx"));
}

TEST_CASE("memory storage refuses what a directory could not hold", "[storage]") {
  const auto storage = make_memory_storage();
  REQUIRE_OK(storage->put("a", as_bytes("1")));
  REQUIRE_OK(storage->put("b/c", as_bytes("1")));
  REQUIRE_CODE(storage->put("a/b", as_bytes("1")), invalid_argument);
  REQUIRE_CODE(storage->put("b", as_bytes("1")), invalid_argument);
}

#include "catalog/catalog.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "support/catch.hpp"

namespace {

using namespace restante;
using catalog::Catalog;
using catalog::Frame;
using catalog::Location;
using catalog::Pack;
using catalog::Part;
using catalog::Trust;

const Id128 kTarget = *Id128::parse("00112233445566778899aabbccddeeff");
const Id128 kOther = *Id128::parse("ffeeddccbbaa99887766554433221100");

std::unique_ptr<Catalog> open_in(const test::ScratchDir& scratch, const Id128& target = kTarget,
                                 std::uint64_t map_bytes = 1u << 20) {
  auto opened =
      Catalog::open({.directory = scratch.file("catalog"), .target_id = target, .map_bytes = map_bytes});
  REQUIRE_OK(opened);
  return std::move(*opened);
}

Id128 pack_id(std::uint8_t number) {
  Id128 id;
  id.bytes.fill(number);
  return id;
}

Pack random_pack(test::Random& random, std::uint8_t number, std::size_t parts) {
  Pack pack;
  pack.id = pack_id(number);
  for (std::uint32_t i = 0; i < 3; ++i) pack.frames.push_back({96 + i * 1000, 900, 5000, i});
  for (std::size_t i = 0; i < parts; ++i) {
    Part part;
    const Bytes id = random.bytes(32);
    std::copy(id.begin(), id.end(), part.id.bytes.begin());
    part.frame = static_cast<std::uint32_t>(i % 3);
    part.offset = static_cast<std::uint32_t>(random.below(4000));
    part.length = static_cast<std::uint32_t>(random.below(1000));
    part.kind = static_cast<std::uint8_t>(i % 2);
    pack.parts.push_back(part);
  }
  return pack;
}

void require_found(const Catalog& catalog, const Pack& pack) {
  for (const Part& part : pack.parts) {
    const Result<std::vector<Location>> found = catalog.find(part.id);
    REQUIRE_OK(found);
    const auto here =
        std::find_if(found->begin(), found->end(), [&](const Location& l) { return l.pack == pack.id; });
    REQUIRE(here != found->end());
    REQUIRE(here->part == part);
    REQUIRE(here->frame == pack.frames[part.frame]);
  }
}

std::size_t places_of(const Catalog& catalog, const Digest& id) {
  const auto found = catalog.find(id);
  REQUIRE_OK(found);
  return found->size();
}

void overwrite(const std::string& path, std::uint64_t offset, const Bytes& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("catalog finds what was added, after reopening too", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const Pack first = random_pack(random, 1, 100);
  const Pack second = random_pack(random, 2, 1);
  {
    const auto catalog = open_in(scratch);
    REQUIRE_OK(catalog->add(std::vector<Pack>{first, second}));
    require_found(*catalog, first);
    CHECK(places_of(*catalog, Digest{}) == 0);
  }
  const auto catalog = open_in(scratch);
  require_found(*catalog, first);
  require_found(*catalog, second);
  const auto packs = catalog->packs();
  REQUIRE_OK(packs);
  REQUIRE(packs->size() == 2);
  CHECK(packs->front().id == first.id);
  CHECK(packs->front().parts == 100);
}

TEST_CASE("catalog knows every place of a part", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const auto catalog = open_in(scratch);
  const Pack first = random_pack(random, 1, 50);
  Pack second = first;
  second.id = pack_id(2);
  second.trust = Trust::unsynced;
  REQUIRE_OK(catalog->add(std::vector<Pack>{second, first, first}));
  const auto found = catalog->find(first.parts[7].id);
  REQUIRE_OK(found);
  REQUIRE(found->size() == 2);
  CHECK(found->front().pack == first.id);  // the durable one
  CHECK(found->front().trust == Trust::durable);
  CHECK(found->back().trust == Trust::unsynced);
  REQUIRE_OK(catalog->mark(std::vector<Id128>{second.id, pack_id(9)}, Trust::damaged));
  CHECK(catalog->find(first.parts[7].id)->back().trust == Trust::damaged);

  REQUIRE_OK(catalog->forget(std::vector<Id128>{first.id, pack_id(9)}));
  CHECK(places_of(*catalog, first.parts[7].id) == 1);
  require_found(*catalog, second);
  REQUIRE_OK(catalog->sweep(Catalog::Sweep::always));
  require_found(*catalog, second);
  REQUIRE_OK(catalog->forget(std::vector<Id128>{second.id}));
  CHECK(places_of(*catalog, first.parts[7].id) == 0);
}

TEST_CASE("catalog replaces a pack without a moment in which it is unknown", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const auto catalog = open_in(scratch);
  const Pack pack = random_pack(random, 1, 200);
  REQUIRE_OK(catalog->add(std::vector<Pack>{pack}));
  std::atomic<bool> done{false};
  std::atomic<int> missed{0};
  std::thread reader([&] {
    for (std::size_t i = 0; !done; i = (i + 1) % pack.parts.size()) {
      const auto found = catalog->find(pack.parts[i].id);
      if (!found.ok() || found->size() != 1) ++missed;
    }
  });
  for (int round = 0; round < 20; ++round) REQUIRE_OK(catalog->replace(std::vector<Pack>{pack}));
  REQUIRE_OK(catalog->sweep(Catalog::Sweep::when_worthwhile));
  done = true;
  reader.join();
  CHECK(missed == 0);
  require_found(*catalog, pack);
}

TEST_CASE("catalog sweeps many leftovers and lists what is left in order", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const auto catalog = open_in(scratch);
  std::vector<Pack> packs;
  for (std::uint8_t i = 1; i <= 4; ++i) packs.push_back(random_pack(random, i, 3000));
  REQUIRE_OK(catalog->add(packs));
  REQUIRE_OK(catalog->forget(std::vector<Id128>{pack_id(1), pack_id(3)}));
  for (int round = 0; round < 2; ++round) {
    std::size_t count = 0;
    Digest last;
    REQUIRE_OK(catalog->each_part([&](const Location& location) {
      ++count;
      CHECK(!(location.part.id < last));
      last = location.part.id;
      CHECK((location.pack == pack_id(2) || location.pack == pack_id(4)));
      return Status();
    }));
    CHECK(count == 6000);
    REQUIRE_OK(catalog->sweep(Catalog::Sweep::when_worthwhile));
  }
  require_found(*catalog, packs[1]);
  REQUIRE_CODE(catalog->each_part([](const Location&) { return Status(Code::cancelled, "enough"); }),
               cancelled);
}

TEST_CASE("catalog grows its map", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const auto catalog = open_in(scratch, kTarget, 256 << 10);
  std::vector<Pack> packs;
  for (std::uint8_t i = 1; i <= 10; ++i) packs.push_back(random_pack(random, i, 3000));
  REQUIRE_OK(catalog->add(packs));
  for (const Pack& pack : packs) require_found(*catalog, pack);
}

TEST_CASE("catalog: handles of one process share one environment, for one target", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  auto first = open_in(scratch);
  const auto second = open_in(scratch);
  const Pack pack = random_pack(random, 1, 10);
  REQUIRE_OK(first->add(std::vector<Pack>{pack}));
  require_found(*second, pack);
  REQUIRE_CODE(Catalog::open({.directory = scratch.file("catalog"), .target_id = kOther}), busy);
  first.reset();
  require_found(*second, pack);
}

TEST_CASE("catalog of another target is emptied", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const Pack pack = random_pack(random, 1, 10);
  REQUIRE_OK(open_in(scratch)->add(std::vector<Pack>{pack}));
  CHECK(open_in(scratch, kOther)->packs()->empty());
  CHECK(open_in(scratch)->packs()->empty());
}

TEST_CASE("catalog that was damaged begins anew", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const Pack pack = random_pack(random, 1, 2000);
  REQUIRE_OK(open_in(scratch)->add(std::vector<Pack>{pack}));
  const std::string data = scratch.file("catalog/data.mdb");
  const auto size = std::filesystem::file_size(data);

  SECTION("garbage") {
    const Bytes garbage = random.bytes(size);
    overwrite(data, 0, garbage);
  }
  SECTION("deleted") { std::filesystem::remove(data); }
  SECTION("everything deleted") { std::filesystem::remove_all(scratch.file("catalog")); }
  SECTION("emptied") { std::filesystem::resize_file(data, 0); }
  SECTION("a few bytes") { std::filesystem::resize_file(data, 10); }
  SECTION("one root only") { std::filesystem::resize_file(data, 4096); }
  SECTION("tail lost") { std::filesystem::resize_file(data, size / 2); }
  SECTION("one page lost") { std::filesystem::resize_file(data, size - 4096); }
  SECTION("first root gone") { overwrite(data, 0, Bytes(4096)); }
  SECTION("second root gone") { overwrite(data, 4096, Bytes(4096)); }
  SECTION("lock file is garbage") {
    overwrite(scratch.file("catalog/lock.mdb"), 0, random.bytes(8192));
    require_found(*open_in(scratch), pack);
    return;
  }
  const auto catalog = open_in(scratch);
  CHECK(catalog->packs()->empty());
  REQUIRE_OK(catalog->add(std::vector<Pack>{pack}));
  require_found(*catalog, pack);
}

TEST_CASE("catalog works for several processes at once, one of them killed", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  std::vector<Pack> packs;
  for (std::uint8_t i = 1; i <= 40; ++i) packs.push_back(random_pack(random, i, 100));
  const pid_t child = ::fork();
  if (child == 0) {
    auto mine =
        Catalog::open({.directory = scratch.file("catalog"), .target_id = kTarget, .map_bytes = 64 << 10});
    if (!mine.ok()) std::ofstream(scratch.file("two rounds")) << mine.status().to_string();
    if (!mine.ok()) ::_exit(1);
    for (int round = 0;; ++round) {
      const Status replaced = (*mine)->replace(std::span(packs).subspan(0, 20));
      if (!replaced.ok() || round == 1) std::ofstream(scratch.file("two rounds")) << replaced.to_string();
      if (!replaced.ok()) ::_exit(2);
    }
  }
  const auto catalog = open_in(scratch, kTarget, 64 << 10);
  REQUIRE_OK(catalog->add(std::span(packs).subspan(20)));
  while (!std::filesystem::exists(scratch.file("two rounds"))) ::usleep(1000);
  std::string said;
  std::getline(std::ifstream(scratch.file("two rounds")), said);
  INFO("the other process: " << said);
  for (const Pack& pack : packs) require_found(*catalog, pack);
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE_OK(catalog->replace(packs));
  for (const Pack& pack : packs) require_found(*catalog, pack);
}

TEST_CASE("catalog refuses a forked child and is none the worse for it", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  auto catalog = open_in(scratch);
  const Pack pack = random_pack(random, 1, 10);
  REQUIRE_OK(catalog->add(std::vector<Pack>{pack}));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = catalog->packs().status().code() == Code::busy;
    catalog.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  require_found(*catalog, pack);
  REQUIRE_OK(catalog->replace(std::vector<Pack>{pack}));
}

TEST_CASE("catalog taken for another target by another process is left alone", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const Pack pack = random_pack(random, 1, 10);
  int to_child[2];
  REQUIRE(::pipe(to_child) == 0);
  char byte = 'x';
  const pid_t child = ::fork();  // before this process opens it
  if (child == 0) {
    if (::read(to_child[0], &byte, 1) != 1) ::_exit(1);
    const auto taken = Catalog::open({.directory = scratch.file("catalog"), .target_id = kOther});
    ::_exit(taken.ok() ? 0 : 2);
  }
  const auto catalog = open_in(scratch);
  REQUIRE_OK(catalog->add(std::vector<Pack>{pack}));
  REQUIRE(::write(to_child[1], &byte, 1) == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  for (const int fd : {to_child[0], to_child[1]}) ::close(fd);
  REQUIRE_CODE(catalog->find(pack.parts[0].id), busy);
  REQUIRE_CODE(catalog->add(std::vector<Pack>{pack}), busy);
}

TEST_CASE("catalog takes a few hundred bytes a part while it grows", "[catalog]") {
  const test::ScratchDir scratch;
  test::Random random("catalog");
  const auto catalog = open_in(scratch);
  std::size_t parts = 0;
  for (std::uint8_t i = 1; i <= (test::long_tests() ? 100 : 10); ++i) {
    REQUIRE_OK(catalog->add(std::vector<Pack>{random_pack(random, i, 4000)}));
    parts += 4000;
  }
  const auto bytes = std::filesystem::file_size(scratch.file("catalog/data.mdb"));
  INFO(parts << " parts, " << bytes / parts << " bytes each");
  CHECK(bytes / parts < 300);
}

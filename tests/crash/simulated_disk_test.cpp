// The simulated disk itself: what it keeps, and that it loses everything else.

#include "support/simulated_disk.hpp"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "os/file.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

using Survival = SimulatedDisk::Survival;

constexpr int kRounds = 300;

/// A directory with one durable file of 2048 bytes, all 'a'.
struct Sample {
  explicit Sample(std::uint64_t seed) : disk(seed, "mapped") {
    auto made = os::make_dirs(disk, AT_FDCWD, "/dir", 0700);
    REQUIRE_OK(made);
    dir = std::move(*made);
    file = create("file");
    REQUIRE_OK(os::write_all_at(disk, file.get(), Bytes(2048, 'a'), 0));
    REQUIRE_OK(disk.fsync(file.get()));
    REQUIRE_OK(disk.fsync(dir.get()));
  }
  os::Fd create(const std::string& name) {
    Result<os::Fd> fd = disk.open_at(dir.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
    REQUIRE_OK(fd);
    return std::move(*fd);
  }
  [[nodiscard]] std::map<std::string, Bytes> after(const SimulatedDisk::Crash& crash) {
    disk.restart_machine(crash);
    return disk.files("/dir");
  }
  SimulatedDisk disk;
  os::Fd dir;
  os::Fd file;
};

TEST_CASE("simulated disk: what was synced is there, name and bytes") {
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    CHECK_FALSE(sample.disk.has_unsynced());
    const auto files = sample.after(sample.disk.random_crash());
    CHECK(files == std::map<std::string, Bytes>{{"file", Bytes(2048, 'a')}});
  }
}

TEST_CASE(
    "simulated disk: a file that was renamed to another directory is there, in one of them or in both") {
  std::set<std::pair<bool, bool>> seen;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    Result<os::Fd> other = os::make_dirs(sample.disk, AT_FDCWD, "/other", 0700);
    REQUIRE_OK(other);
    REQUIRE_OK(sample.disk.rename_at(sample.dir.get(), "file", other->get(), "moved"));
    // Of either directory alone, of both, of none.
    if (seed % 4 == 1 || seed % 4 == 3) REQUIRE_OK(sample.disk.fsync(other->get()));
    if (seed % 4 == 2 || seed % 4 == 3) REQUIRE_OK(sample.disk.fsync(sample.dir.get()));
    const bool is_old = sample.after(sample.disk.random_crash()).contains("file");
    const auto moved = sample.disk.files("/other");
    const bool is_new = moved.contains("moved");
    CHECK((is_old || is_new));
    if (is_new) CHECK(moved.at("moved") == Bytes(2048, 'a'));
    if (seed % 4 != 0) CHECK(is_new);
    if (seed % 4 >= 2) CHECK_FALSE(is_old);
    seen.emplace(is_old, is_new);
  }
  CHECK(seen.size() == 3);
}

TEST_CASE("simulated disk: directories that hold something are neither removed nor replaced") {
  Sample sample(1);
  REQUIRE_OK(os::make_dirs(sample.disk, AT_FDCWD, "/empty", 0700));
  REQUIRE_CODE(sample.disk.rmdir_at(AT_FDCWD, "/dir"), io);
  REQUIRE_CODE(sample.disk.rename_at(AT_FDCWD, "/empty", AT_FDCWD, "/dir"), io);
  REQUIRE_CODE(sample.disk.rename_at(AT_FDCWD, "/dir/file", AT_FDCWD, "/empty"), io);
  REQUIRE_OK(sample.disk.rename_at(AT_FDCWD, "/dir", AT_FDCWD, "/empty"));
  CHECK(sample.disk.files("/empty").contains("file"));
}

TEST_CASE("simulated disk: an unsynced write is kept, dropped or torn by sectors and within them") {
  std::set<std::string> seen;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    REQUIRE_OK(os::write_all_at(sample.disk, sample.file.get(), Bytes(1024, 'b'), 512));
    const auto files = sample.after({Survival::each, Survival::each});
    const Bytes& bytes = files.at("file");
    REQUIRE(bytes.size() == 2048);
    // Nothing but what was written, nowhere else.
    CHECK(std::all_of(bytes.begin(), bytes.begin() + 512, [](auto byte) { return byte == 'a'; }));
    CHECK(std::all_of(bytes.begin() + 1536, bytes.end(), [](auto byte) { return byte == 'a'; }));
    std::string fate;
    for (int sector = 1; sector <= 2; ++sector) {
      const auto begin = bytes.begin() + 512 * sector;
      const auto count = std::count(begin, begin + 512, 'b');
      CHECK(std::count(begin, begin + 512, 'a') == 512 - count);
      fate += count == 0 ? '0' : count == 512 ? '1' : 't';
    }
    seen.insert(fate);
  }
  CHECK(seen == std::set<std::string>{"00", "01", "0t", "10", "11", "1t", "t0", "t1", "tt"});
}

TEST_CASE("simulated disk: of two writes to a sector the later is never there without the earlier") {
  std::set<std::string> seen;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    REQUIRE_OK(os::write_all_at(sample.disk, sample.file.get(), Bytes(8, 'b'), 0));
    REQUIRE_OK(os::write_all_at(sample.disk, sample.file.get(), Bytes(8, 'c'), 8));
    const Bytes bytes = sample.after({Survival::each, Survival::nothing}).at("file");
    const bool has_c = std::count(bytes.begin(), bytes.end(), 'c') > 0;
    if (has_c) CHECK(std::count(bytes.begin(), bytes.end(), 'b') == 8);
    seen.insert(std::string(1, static_cast<char>(bytes[0])) + static_cast<char>(bytes[8]));
  }
  CHECK(seen.contains("aa"));
  CHECK(seen.contains("ba"));
  CHECK(seen.contains("bc"));
}

TEST_CASE(
    "simulated disk: a size that is kept without its bytes shows zeros, and the other way round nothing") {
  Sample first(1);
  REQUIRE_OK(first.disk.allocate(first.file.get(), 0, 4096));
  REQUIRE_OK(os::write_all_at(first.disk, first.file.get(), Bytes(100, 'b'), 3000));
  Bytes expected(2048, 'a');
  expected.resize(4096, 0);
  CHECK(first.after({Survival::nothing, Survival::everything}).at("file") == expected);

  Sample second(1);
  REQUIRE_OK(second.disk.allocate(second.file.get(), 0, 4096));
  REQUIRE_OK(os::write_all_at(second.disk, second.file.get(), Bytes(100, 'b'), 3000));
  CHECK(second.after({Survival::everything, Survival::nothing}).at("file") == Bytes(2048, 'a'));

  Sample third(1);
  REQUIRE_OK(third.disk.truncate(third.file.get(), 10));
  CHECK(third.after({Survival::everything, Survival::nothing}).at("file").size() == 2048);
}

TEST_CASE("simulated disk: a synced file without a synced name is gone, a removed one may come back") {
  std::set<std::size_t> seen;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    const os::Fd other = sample.create("other");
    REQUIRE_OK(os::write_all_at(sample.disk, other.get(), Bytes(5, 'o'), 0));
    REQUIRE_OK(sample.disk.fsync(other.get()));
    REQUIRE_OK(sample.disk.unlink_at(sample.dir.get(), "file"));
    const auto files = sample.after({Survival::nothing, Survival::each});
    if (files.contains("other")) CHECK(files.at("other") == Bytes(5, 'o'));
    if (files.contains("file")) CHECK(files.at("file") == Bytes(2048, 'a'));
    seen.insert(files.size() * 2 + (files.contains("file") ? 1 : 0));
  }
  CHECK(seen == std::set<std::size_t>{0, 2, 3, 5});
}

TEST_CASE("simulated disk: a renamed file is there under one name or both, never under none") {
  std::set<std::size_t> seen;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    REQUIRE_OK(sample.disk.rename_no_replace_at(sample.dir.get(), "file", sample.dir.get(), "new"));
    const auto files = sample.after({Survival::nothing, Survival::each});
    for (const auto& [name, bytes] : files) CHECK(bytes == Bytes(2048, 'a'));
    seen.insert((files.contains("file") ? 1u : 0u) + (files.contains("new") ? 2u : 0u));
  }
  CHECK(seen == std::set<std::size_t>{1, 2, 3});
  Sample sample(1);
  (void)sample.create("taken");
  REQUIRE_CODE(sample.disk.rename_no_replace_at(sample.dir.get(), "file", sample.dir.get(), "taken"),
               already_exists);
}

TEST_CASE("simulated disk: like a journal it may keep what came first and lose what came later") {
  bool has_some = false;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    for (const char* name : {"1", "2", "3"}) (void)sample.create(name);
    const auto files = sample.after({Survival::nothing, Survival::earlier});
    if (files.contains("3")) CHECK(files.contains("2"));
    if (files.contains("2")) CHECK(files.contains("1"));
    has_some = has_some || (files.contains("1") && !files.contains("3"));
  }
  CHECK(has_some);
}

TEST_CASE("simulated disk: a sync that fails has lost something, and the next one does not say so") {
  bool has_lost = false;
  for (int seed = 0; seed < kRounds; ++seed) {
    Sample sample(static_cast<std::uint64_t>(seed));
    REQUIRE_OK(os::write_all_at(sample.disk, sample.file.get(), Bytes(2048, 'b'), 0));
    sample.disk.fail_sync(0);
    REQUIRE_CODE(sample.disk.fdatasync(sample.file.get()), io);
    CHECK(sample.disk.failed_syncs() == 1);
    REQUIRE_OK(sample.disk.fdatasync(sample.file.get()));
    CHECK(sample.disk.files("/dir").at("file") == Bytes(2048, 'b'));  // the cache
    const Bytes bytes = sample.after({Survival::everything, Survival::everything}).at("file");
    has_lost = has_lost || std::count(bytes.begin(), bytes.end(), 'a') > 0;
  }
  CHECK(has_lost);
  Sample killed(1);
  REQUIRE_OK(os::write_all_at(killed.disk, killed.file.get(), Bytes(2048, 'b'), 0));
  killed.disk.fail_sync(0, true);
  REQUIRE_CODE(killed.disk.fdatasync(killed.file.get()), io);
  CHECK(killed.disk.is_down());
  // What is written again is on the disk.
  Sample sample(1);
  REQUIRE_OK(os::write_all_at(sample.disk, sample.file.get(), Bytes(2048, 'b'), 0));
  sample.disk.fail_sync(0);
  REQUIRE_CODE(sample.disk.fdatasync(sample.file.get()), io);
  REQUIRE_OK(os::write_again(sample.disk, sample.file.get(), 0, 2048));
  REQUIRE_OK(sample.disk.fdatasync(sample.file.get()));
  CHECK(sample.after({Survival::nothing, Survival::nothing}).at("file") == Bytes(2048, 'b'));
}

TEST_CASE("simulated disk: it stops at the n-th change, and killed processes lose nothing that was written") {
  for (std::uint64_t n = 0; n < 3; ++n) {
    Sample sample(n);
    sample.disk.crash_at(n);
    const Bytes b(8, 'b');
    std::uint64_t made = 0;
    while (sample.disk.pwrite(sample.file.get(), b, made * 8).ok()) ++made;
    CHECK(made == n);
    CHECK(sample.disk.is_down());
    REQUIRE_CODE(sample.disk.stat_at(sample.dir.get(), "file"), io);
    sample.disk.restart_processes();
    const Bytes bytes = sample.disk.files("/dir").at("file");
    CHECK(std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(8 * n), 'b') ==
          static_cast<std::ptrdiff_t>(8 * n));
  }
}

TEST_CASE("simulated disk: full, it takes no more bytes; mapped files are memory; every boot has its id") {
  Sample sample(1);
  sample.disk.fill(true);
  REQUIRE_CODE(sample.disk.allocate(sample.file.get(), 0, 4096), no_space);
  REQUIRE_OK(sample.disk.pwrite(sample.file.get(), Bytes(8, 'b'), 0));
  REQUIRE_CODE(sample.disk.pwrite(sample.file.get(), Bytes(8, 'b'), 2048), no_space);
  sample.disk.fill(false);

  const os::Fd mapped = sample.create("mapped");
  REQUIRE_OK(sample.disk.allocate(mapped.get(), 0, 4096));
  CHECK(sample.disk.fstat(mapped.get())->size == 4096);
  CHECK(sample.disk.stat_at(sample.dir.get(), "file")->size == 2048);

  const auto boot = [&] {
    return *os::read_file(sample.disk, AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64);
  };
  const Bytes before = boot();
  CHECK(before.size() == 37);
  sample.disk.restart_processes();
  CHECK(boot() == before);
  sample.disk.restart_machine();
  CHECK(boot() != before);
}

}  // namespace
}  // namespace restante::test

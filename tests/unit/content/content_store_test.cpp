#include "content/content_store.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/limits.hpp"
#include "content/chunker.hpp"
#include "content_fixture.hpp"
#include "crypto/crypto.hpp"

namespace {

using namespace restante;
using namespace restante::test;
using content::StoreOptions;

// Endless content that does not compress and needs no memory.
class Noise final : public ContentReader {
 public:
  Noise(std::uint64_t size, std::uint64_t seed) : left_(size), engine_(seed) {}
  Result<std::size_t> read(MutableByteView buffer) override {
    const std::size_t size = std::min<std::uint64_t>({buffer.size(), left_, 50'000});
    for (std::size_t i = 0; i < size; ++i) buffer[i] = static_cast<std::uint8_t>(engine_());
    left_ -= size;
    max_resident_kib_ = std::max(max_resident_kib_, resident_kib());
    return size;
  }
  [[nodiscard]] std::uint64_t max_resident_kib() const { return max_resident_kib_; }

  static std::uint64_t resident_kib() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    std::uint64_t shared = 0;
    statm >> all >> resident >> shared;
    return (resident - shared) * 4;
  }

 private:
  std::uint64_t left_;
  std::minstd_rand engine_;
  std::uint64_t max_resident_kib_ = 0;
};

class FailingReader final : public ContentReader {
 public:
  explicit FailingReader(std::uint64_t good) : noise_(good, 7) {}
  Result<std::size_t> read(MutableByteView buffer) override {
    const Result<std::size_t> got = noise_.read(buffer);
    if (*got > 0) return got;
    return Status(Code::io, "the source broke");
  }

 private:
  Noise noise_;
};

std::shared_ptr<Storage> memory() { return make_memory_storage(); }

}  // namespace

TEST_CASE("content of every size comes back", "[content]") {
  const ScratchDir scratch;
  Random random("sizes");
  const auto storage = memory();
  const auto store = open_store(storage, small_packs(scratch));
  const auto writer = open_writer(*store);
  const std::size_t chunk = base::kContentChunkBytes;
  std::vector<Bytes> contents = {{}, {0}, Bytes(2047, 'x'), Bytes(2048, 'y'), Bytes(2049, 'z')};
  for (const std::size_t size : {chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 1}) {
    contents.push_back(random.bytes(size));
  }
  for (int i = 0; i < 200; ++i) contents.push_back(mail(random, 100 + random.below(5000)));
  for (const Bytes& bytes : contents) {
    put(*writer, bytes);
    CHECK(*writer->has(content_ref_of(bytes)));
  }
  REQUIRE_OK(writer->flush());
  for (const Bytes& bytes : contents) require_content(*store, bytes);
  CHECK(packs_of(*storage).size() > 10);

  const auto other = open_store(storage, small_packs(scratch, "another machine"));
  for (const Bytes& bytes : contents) require_content(*other, bytes);
  const auto verified = other->verify(true);
  REQUIRE_OK(verified);
  CHECK(verified->damages.empty());
  CHECK(verified->packs == packs_of(*storage).size());
}

TEST_CASE("content is stored once", "[content]") {
  const ScratchDir scratch;
  Random random("once");
  const auto storage = memory();
  const Bytes small = mail(random, 3000);
  const Bytes large = random.bytes(3 * content::kMaxChunkBytes);
  Bytes longer = large;
  longer.insert(longer.begin(), 1000, 'x');  // shares all but the first chunk or two
  {
    const auto store = open_store(storage, small_packs(scratch));
    const auto writer = open_writer(*store);
    for (int round = 0; round < 3; ++round) {
      put(*writer, small);
      put(*writer, large);
    }
    CHECK(writer->stats().contents_seen == 6);
    CHECK(writer->stats().contents_new == 2);
    CHECK(writer->stats().bytes_new == small.size() + large.size());
    REQUIRE_OK(writer->flush());
    const auto packs = packs_of(*storage);
    put(*writer, small);
    put(*writer, large);
    REQUIRE_OK(writer->flush());
    CHECK(packs_of(*storage) == packs);
  }
  const auto store = open_store(storage, small_packs(scratch));
  const auto writer = open_writer(*store);
  const auto packs = packs_of(*storage).size();
  put(*writer, small);
  put(*writer, large);
  REQUIRE_OK(writer->flush());
  CHECK(packs_of(*storage).size() == packs);
  CHECK(writer->stats().bytes_stored == 0);
  put(*writer, longer);
  REQUIRE_OK(writer->flush());
  CHECK(writer->stats().bytes_stored < 2 * content::kMaxChunkBytes + 5000);
  require_content(*store, longer);
}

TEST_CASE("content that differs from what was expected is refused", "[content]") {
  const ScratchDir scratch;
  Random random("expected");
  const auto storage = memory();
  const auto store = open_store(storage, small_packs(scratch));
  const auto writer = open_writer(*store);
  const ContentRef wrong = content_ref_of(as_bytes("something else"));
  for (const std::size_t size : {std::size_t{10}, base::kContentChunkBytes * 2 + 10}) {
    const Bytes bytes = random.bytes(size);
    const auto reader = read_from_memory(ByteView(bytes));
    REQUIRE_CODE(writer->put(*reader, &wrong), damaged);
    ContentRef other_size = content_ref_of(bytes);
    ++other_size.size;
    const auto again = read_from_memory(ByteView(bytes));
    REQUIRE_CODE(writer->put(*again, &other_size), damaged);
    CHECK_FALSE(*writer->has(wrong));
    CHECK_FALSE(*writer->has(other_size));
  }
  FailingReader broken(base::kContentChunkBytes + 5);
  REQUIRE_CODE(writer->put(broken, nullptr), io);
  const Bytes good = mail(random, 1000);
  const ContentRef ref = content_ref_of(good);
  const auto reader = read_from_memory(ByteView(good));
  REQUIRE_OK(writer->put(*reader, &ref));
  REQUIRE_OK(writer->flush());
  require_content(*store, good);
  CHECK(store->verify(true)->damages.empty());
}

TEST_CASE("content of 50 MB streams through bounded memory", "[content]") {
  const ScratchDir scratch;
  auto opened = open_local_storage(scratch.file("target"), {.create = true});
  REQUIRE_OK(opened);
  StoreOptions options = small_packs(scratch);
  options.pack_bytes = 8 << 20;
  const auto store = open_store(std::move(*opened), options);
  const auto writer = open_writer(*store);
  const std::uint64_t size = long_tests() ? 500'000'000 : 50'000'000;

  const std::uint64_t before = Noise::resident_kib();
  Noise noise(size, 42);
  const Result<ContentRef> ref = writer->put(noise, nullptr);
  REQUIRE_OK(ref);
  REQUIRE_OK(writer->flush());
  INFO("resident before " << before << " KiB, at most " << noise.max_resident_kib() << " KiB");
  CHECK(noise.max_resident_kib() < before + 48 * 1024);

  auto reader = store->open(*ref);
  REQUIRE_OK(reader);
  crypto::Sha256 digest;
  Bytes buffer(100'000);
  std::uint64_t total = 0;
  std::uint64_t most = 0;
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(buffer);
    REQUIRE_OK(got);
    if (*got == 0) break;
    digest.update(ByteView(buffer).first(*got));
    total += *got;
    most = std::max(most, Noise::resident_kib());
  }
  CHECK(total == size);
  CHECK(digest.finish() == ref->digest);
  CHECK(most < before + 48 * 1024);
}

TEST_CASE("content is found by others after a flush, and not before", "[content]") {
  const ScratchDir scratch;
  Random random("others");
  const auto storage = memory();
  const auto store = open_store(storage, small_packs(scratch));
  const auto handle = open_store(storage, small_packs(scratch));
  const auto machine = open_store(storage, small_packs(scratch, "another machine"));
  const auto writer = open_writer(*store);
  const Bytes bytes = mail(random, 500);
  const ContentRef ref = put(*writer, bytes);
  CHECK_FALSE(*store->has(ref));
  CHECK(*writer->has(ref));
  REQUIRE_CODE(store->open(ref), not_found);
  REQUIRE_OK(writer->flush());
  require_content(*store, bytes);
  require_content(*handle, bytes);
  REQUIRE_CODE(machine->open(ref), not_found);
  REQUIRE_OK(machine->refresh());
  require_content(*machine, bytes);
  ContentRef other_size = ref;
  ++other_size.size;
  CHECK_FALSE(*store->has(other_size));
  REQUIRE_CODE(get(*store, other_size), damaged);
  CHECK_FALSE(*writer->has(other_size));
}

TEST_CASE("content writers and readers work side by side", "[content]") {
  const ScratchDir scratch;
  const auto storage = memory();
  const auto first = open_store(storage, small_packs(scratch));
  const auto second = open_store(storage, small_packs(scratch));
  std::vector<std::vector<Bytes>> contents(4);
  for (std::size_t t = 0; t < contents.size(); ++t) {
    Random random("thread " + std::to_string(t / 2));  // two threads of each write the same
    for (int i = 0; i < 150; ++i) contents[t].push_back(mail(random, 100 + random.below(4000)));
  }
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < contents.size(); ++t) {
    threads.emplace_back([&, t] {
      content::ContentStore& store = t % 2 == 0 ? *first : *second;
      auto writer = store.writer();
      std::size_t flushed = 0;
      for (std::size_t i = 0; i < contents[t].size(); ++i) {
        if (!try_put(**writer, contents[t][i]).ok()) ++failures;
        if (i % 20 != 19) continue;
        if (!(*writer)->flush().ok()) ++failures;
        for (; flushed <= i; ++flushed) {
          const auto got = get(store, content_ref_of(contents[t][flushed]));
          if (!got.ok() || *got != contents[t][flushed]) ++failures;
        }
      }
      if (!(*writer)->flush().ok()) ++failures;
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 5; ++i) {
      if (!first->refresh().ok() || !second->rebuild().ok()) ++failures;
    }
  });
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  for (const auto& list : contents) {
    for (const Bytes& bytes : list) require_content(*second, bytes);
  }
  CHECK(first->verify(true)->damages.empty());
}

TEST_CASE("content survives its catalog", "[content]") {
  const ScratchDir scratch;
  Random random("catalog");
  const auto storage = memory();
  std::vector<Bytes> contents;
  for (int i = 0; i < 100; ++i) contents.push_back(mail(random, 100 + random.below(4000)));
  {
    const auto store = open_store(storage, small_packs(scratch));
    const auto writer = open_writer(*store);
    for (const Bytes& bytes : contents) put(*writer, bytes);
    REQUIRE_OK(writer->flush());
  }
  SECTION("deleted") { std::filesystem::remove_all(scratch.file("catalog")); }
  SECTION("garbage") {
    const Bytes garbage = random.bytes(100'000);
    std::ofstream(scratch.file("catalog/data.mdb"), std::ios::binary)
        .write(reinterpret_cast<const char*>(garbage.data()), static_cast<std::streamsize>(garbage.size()));
  }
  SECTION("cut off") { std::filesystem::resize_file(scratch.file("catalog/data.mdb"), 8192); }
  SECTION("of another target") {
    StoreOptions other = small_packs(scratch);
    other.target_id = *Id128::parse("ffeeddccbbaa99887766554433221100");
    CHECK_FALSE(*open_store(memory(), other)->has(content_ref_of(contents[0])));
  }
  SECTION("rebuilt") { REQUIRE_OK(open_store(storage, small_packs(scratch))->rebuild()); }
  const auto store = open_store(storage, small_packs(scratch));
  for (const Bytes& bytes : contents) require_content(*store, bytes);
}

TEST_CASE("content of packs that vanished is not there, and is written again", "[content]") {
  const ScratchDir scratch;
  Random random("vanish");
  const auto storage = memory();
  const auto store = open_store(storage, small_packs(scratch));
  const auto writer = open_writer(*store);
  std::vector<Bytes> contents;
  for (int i = 0; i < 400; ++i) contents.push_back(mail(random, 500 + random.below(3000)));
  contents.push_back(random.bytes(base::kContentChunkBytes * 2));
  for (const Bytes& bytes : contents) put(*writer, bytes);
  REQUIRE_OK(writer->flush());
  const auto packs = packs_of(*storage);
  REQUIRE(packs.size() >=
          8);  // the large content lies in few of them: whichever go, mail goes and mail stays
  for (std::size_t i = 0; i < packs.size(); i += 2) REQUIRE_OK(storage->remove(packs[i]));
  REQUIRE_OK(store->refresh());
  std::size_t lost = 0;
  for (const Bytes& bytes : contents) {
    const ContentRef ref = content_ref_of(bytes);
    const bool there = *store->has(ref);
    CHECK(there == get(*store, ref).ok());
    lost += there ? 0 : 1;
  }
  CHECK(lost > 0);
  CHECK(lost < contents.size());
  for (const Bytes& bytes : contents) put(*writer, bytes);
  REQUIRE_OK(writer->flush());
  for (const Bytes& bytes : contents) require_content(*store, bytes);
}

TEST_CASE("content in two packs is there while one of them is", "[content]") {
  const ScratchDir scratch;
  Random random("twice");
  const auto storage = memory();
  const auto store = open_store(storage, small_packs(scratch));
  const auto first = open_writer(*store);
  const auto second = open_writer(*store);
  const Bytes bytes = mail(random, 1000);
  put(*first, bytes);
  put(*second, bytes);
  REQUIRE_OK(first->flush());
  REQUIRE_OK(second->flush());
  const auto packs = packs_of(*storage);
  REQUIRE(packs.size() == 2);
  change_object(*storage, packs[0], [](Bytes& pack) { pack[110] ^= 1; });
  require_content(*store, bytes);
  REQUIRE_OK(storage->remove(packs[0]));
  require_content(*store, bytes);
  REQUIRE_OK(store->refresh());
  require_content(*store, bytes);
}

TEST_CASE("content readers outlive their store and may stop early", "[content]") {
  const ScratchDir scratch;
  Random random("outlive");
  auto store = open_store(memory(), small_packs(scratch));
  const auto writer = open_writer(*store);
  const Bytes bytes = random.bytes(base::kContentChunkBytes + 10);
  const ContentRef ref = put(*writer, bytes);
  REQUIRE_OK(writer->flush());
  auto whole = *store->open(ref);
  { auto early = *store->open(ref); }
  store.reset();
  const Result<Bytes> got = read_all(*whole);
  REQUIRE_OK(got);
  CHECK(*got == bytes);
}

TEST_CASE("content: a writer that nobody flushes remembers a bounded number of packs", "[content]") {
  const ScratchDir scratch;
  Random random("unflushed");
  const auto storage = make_memory_storage();
  const auto store = open_store(storage->share(), small_packs(scratch));
  const auto writer = open_writer(*store);
  const Bytes first = mail(random, 100);
  const ContentRef ref = put(*writer, first);
  for (int i = 0; i < 2000 && !*store->has(ref); ++i) put(*writer, random.bytes(2000));
  CHECK(*store->has(ref));
  CHECK(packs_of(*storage).size() <= base::kMaxUnflushedPacks + 1);
}

TEST_CASE("content store in a forked child says so", "[content]") {
  const ScratchDir scratch;
  const auto store = open_store(memory(), small_packs(scratch));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(store->has({}).status().code() == Code::busy ? 0 : 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("compress and decompress", "[content]") {
  Random random("zstd");
  for (const std::size_t size : {0, 1, 100, 100'000, 3'000'000}) {
    const Bytes bytes = mail(random, static_cast<std::size_t>(size));
    for (const int level : {-5, 1, 3, 19, 99}) {
      if (level > 3 && size > 100'000) continue;
      const Bytes stored = content::compress(bytes, level);
      const Result<Bytes> raw = content::decompress(stored, bytes.size());
      REQUIRE_OK(raw);
      REQUIRE(*raw == bytes);
      if (!bytes.empty()) REQUIRE_CODE(content::decompress(stored, bytes.size() - 1), no_space);
      REQUIRE_CODE(content::decompress(ByteView(stored).first(stored.size() - 1), bytes.size()), damaged);
      Bytes longer = stored;
      longer.push_back(0);
      REQUIRE_CODE(content::decompress(longer, bytes.size()), damaged);
    }
  }
  REQUIRE_CODE(content::decompress({}, 100), damaged);
  REQUIRE_CODE(content::decompress(random.bytes(1000), 100), damaged);
}

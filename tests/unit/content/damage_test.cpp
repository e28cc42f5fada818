// Bytes that are not what was written are found, and what is untouched still reads.

#include "base/limits.hpp"
#include "content/chunker.hpp"
#include "content_fixture.hpp"

namespace {

using namespace restante;
using namespace restante::test;

struct SmallPack {
  std::vector<Bytes> contents;
  std::string key;
};

// One pack of a few frames.
SmallPack write_small_pack(std::shared_ptr<Storage> storage, const content::StoreOptions& options) {
  Random random("small pack");
  SmallPack pack;
  const auto store = open_store(storage, options);
  const auto writer = open_writer(*store);
  for (int i = 0; i < 6; ++i) pack.contents.push_back(mail(random, 250 + random.below(100)));
  for (const Bytes& bytes : pack.contents) put(*writer, bytes);
  REQUIRE_OK(writer->flush());
  const auto keys = packs_of(*storage);
  REQUIRE(keys.size() == 1);
  pack.key = keys[0];
  return pack;
}

std::size_t count_readable(content::ContentStore& store, const std::vector<Bytes>& contents) {
  std::size_t readable = 0;
  for (const Bytes& bytes : contents) {
    const Result<Bytes> got = get(store, content_ref_of(bytes));
    if (got.ok()) {
      REQUIRE(*got == bytes);
      ++readable;
    } else {
      CHECK((got.status().code() == Code::damaged || got.status().code() == Code::not_found));
    }
  }
  return readable;
}

}  // namespace

TEST_CASE("damage: every byte of a pack flipped, with its catalog and without", "[content]") {
  const ScratchDir scratch;
  content::StoreOptions options = small_packs(scratch);
  options.frame_bytes = 500;  // two contents a frame
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const SmallPack pack = write_small_pack(storage, options);
  const Bytes sound = *storage->get(pack.key);
  Random random("flips");
  const bool with_catalog = GENERATE(true, false);
  // Without its catalog every byte costs a new one: every seventh will do, another set each time.
  const std::size_t step = with_catalog || long_tests() ? 1 : 7;
  for (std::size_t at = random.below(step); at < sound.size(); at += step) {
    INFO("byte " << at << " of " << sound.size());
    Bytes flipped = sound;
    flipped[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
    REQUIRE_OK(storage->put(pack.key, flipped));
    if (!with_catalog) std::filesystem::remove_all(options.catalog_dir);
    const auto store = open_store(storage, options);
    const std::size_t readable = count_readable(*store, pack.contents);
    CHECK(readable >= pack.contents.size() - 2);  // of one frame at most

    const auto verified = store->verify(true);
    REQUIRE_OK(verified);
    REQUIRE(verified->damages.size() == 1);
    CHECK(verified->damages[0].pack_key == pack.key);
    CHECK_FALSE(verified->damages[0].what.empty());
    // Whatever the index still names is listed as lost if and only if it is.
    CHECK(verified->damages[0].lost.size() <= pack.contents.size() - readable);
    if (with_catalog) CHECK(verified->damages[0].lost.size() == pack.contents.size() - readable);
    for (const Digest& lost : verified->damages[0].lost) {
      for (const Bytes& bytes : pack.contents) {
        if (content_ref_of(bytes).digest == lost) CHECK_FALSE(get(*store, content_ref_of(bytes)).ok());
      }
    }
  }
}

TEST_CASE("damage: a pack cut off anywhere", "[content]") {
  const ScratchDir scratch;
  content::StoreOptions options = small_packs(scratch);
  options.frame_bytes = 500;
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const SmallPack pack = write_small_pack(storage, options);
  const Bytes sound = *storage->get(pack.key);
  std::size_t least = pack.contents.size();
  for (std::size_t size = sound.size(); size-- > 0;) {
    REQUIRE_OK(storage->put(pack.key, ByteView(sound).first(size)));
    const auto store = open_store(storage, options);
    const std::size_t readable = count_readable(*store, pack.contents);
    CHECK(readable <= least);
    least = readable;
    const auto verified = store->verify(size % 2 == 0);
    REQUIRE_OK(verified);
    CHECK(verified->damages.size() == 1);
  }
  CHECK(least == 0);
}

TEST_CASE("damage: content of a damaged pack is written again, until somebody mends it", "[content]") {
  const ScratchDir scratch;
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const content::StoreOptions options = small_packs(scratch);
  const SmallPack pack = write_small_pack(storage, options);
  const Bytes sound = *storage->get(pack.key);
  const auto store = open_store(storage, options);
  change_object(*storage, pack.key, [](Bytes& bytes) { bytes[150] ^= 4; });
  const auto damaged = store->verify(true);
  REQUIRE_OK(damaged);
  REQUIRE(damaged->damages.size() == 1);
  CHECK(damaged->damages[0].lost.size() == pack.contents.size());

  const auto writer = open_writer(*store);
  CHECK_FALSE(*writer->has(content_ref_of(pack.contents[0])));
  for (const Bytes& bytes : pack.contents) put(*writer, bytes);
  REQUIRE_OK(writer->flush());
  for (const Bytes& bytes : pack.contents) require_content(*store, bytes);
  const auto healed = store->verify(true);
  REQUIRE_OK(healed);
  REQUIRE(healed->damages.size() == 1);
  CHECK(healed->damages[0].lost.empty());

  REQUIRE_OK(storage->put(pack.key, sound));
  CHECK(store->verify(true)->damages.empty());
  for (const std::string& key : packs_of(*storage)) {
    if (key != pack.key) REQUIRE_OK(storage->remove(key));
  }
  REQUIRE_OK(store->refresh());
  for (const Bytes& bytes : pack.contents) require_content(*store, bytes);
  CHECK(*writer->has(content_ref_of(pack.contents[0])));
}

TEST_CASE("damage: large content is lost with any of its chunks, and not read past them", "[content]") {
  const ScratchDir scratch;
  Random random("chunks");
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const auto store = open_store(storage, small_packs(scratch));
  const auto writer = open_writer(*store);
  const Bytes large = random.bytes(3 * content::kMaxChunkBytes);
  const ContentRef ref = put(*writer, large);
  REQUIRE_OK(writer->flush());
  std::vector<std::string> chunks;
  for (const std::string& key : packs_of(*storage)) {
    if (storage->info(key)->size > content::kMinChunkBytes) chunks.push_back(key);
  }
  REQUIRE(chunks.size() >= 3);
  // The last pack has the recipe too, without which the content is not there at all.
  const std::string damaged_key = *std::find_if(chunks.begin(), chunks.end(), [&](const std::string& key) {
    const Bytes pack = *storage->get(key);
    REQUIRE_OK(storage->remove(key));
    REQUIRE_OK(store->refresh());
    const bool opens = store->open(ref).ok();
    REQUIRE_OK(storage->put(key, pack));
    REQUIRE_OK(store->refresh());
    return opens;
  });

  SECTION("damaged") {
    change_object(*storage, damaged_key, [](Bytes& bytes) { bytes[1'000'000] ^= 1; });
    const auto verified = store->verify(true);
    REQUIRE_OK(verified);
    REQUIRE(verified->damages.size() == 1);
    CHECK(verified->damages[0].pack_key == damaged_key);
    CHECK(verified->damages[0].lost.size() == 2);  // the chunk and the content
    CHECK(std::count(verified->damages[0].lost.begin(), verified->damages[0].lost.end(), ref.digest) == 1);
  }
  SECTION("gone") {
    REQUIRE_OK(storage->remove(damaged_key));
    REQUIRE_OK(store->refresh());
    CHECK_FALSE(*store->has(ref));
    const auto verified = store->verify(false);
    REQUIRE_OK(verified);
    CHECK(verified->damages.empty());  // no pack is damaged; whoever names the content misses it
  }
  auto reader = store->open(ref);
  REQUIRE_OK(reader);
  Bytes buffer(large.size());
  std::size_t total = 0;
  Result<std::size_t> got = std::size_t{0};
  do {
    got = (*reader)->read(MutableByteView(buffer).subspan(total));
    if (got.ok()) total += *got;
  } while (got.ok() && *got > 0);
  REQUIRE_CODE(got, damaged);
  REQUIRE_CODE((*reader)->read(buffer), damaged);
  // Which of the chunks it was is the storage's order of random names; all before it were given away.
  CHECK(total <= large.size() - content::kMinChunkBytes);
  CHECK(std::equal(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(total), large.begin()));
}

TEST_CASE("damage: packs of others and strange objects are in nobody's way", "[content]") {
  const ScratchDir scratch;
  Random random("strange");
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const content::StoreOptions options = small_packs(scratch);
  const SmallPack pack = write_small_pack(storage, options);

  const std::shared_ptr<Storage> elsewhere = make_memory_storage();
  content::StoreOptions other = small_packs(scratch, "other catalog");
  other.target_id = *Id128::parse("ffeeddccbbaa99887766554433221100");
  const SmallPack foreign = write_small_pack(elsewhere, other);
  REQUIRE_OK(storage->put(foreign.key, *elsewhere->get(foreign.key)));
  // A pack under the name of another.
  const std::string renamed = content::pack_key(*Id128::parse("0123456789abcdef0123456789abcdef"));
  REQUIRE_OK(storage->put(renamed, *storage->get(pack.key)));
  REQUIRE_OK(storage->put("content/packs/ab/README", as_bytes("not a pack")));
  REQUIRE_OK(storage->put(content::pack_key(*Id128::random()), random.bytes(5000)));
  REQUIRE_OK(storage->put(content::pack_key(*Id128::random()), Bytes()));

  const auto store = open_store(storage, options);
  for (const Bytes& bytes : pack.contents) require_content(*store, bytes);
  const auto verified = store->verify(true);
  REQUIRE_OK(verified);
  CHECK(verified->packs == 5);
  CHECK(verified->damages.size() == 4);
  const auto missing = store->open({Digest{}, 5});
  REQUIRE_CODE(missing, not_found);
  CHECK(missing.status().hint().find("4 packs could not be read") != std::string::npos);
}

TEST_CASE("damage: what is in a pack that was cut off is not relied upon once its end was looked at",
          "[content]") {
  const ScratchDir scratch;
  const std::shared_ptr<Storage> storage = make_memory_storage();
  const content::StoreOptions options = small_packs(scratch);
  const SmallPack pack = write_small_pack(storage, options);
  const Bytes sound = *storage->get(pack.key);
  const auto store = open_store(storage, options);
  REQUIRE_OK(store->check_ends());
  CHECK(store->check_ends()->empty());

  Bytes damaged = sound;
  SECTION("cut off") { damaged.resize(100); }
  SECTION("cut off by one byte") { damaged.pop_back(); }
  SECTION("empty") { damaged.clear(); }
  SECTION("longer") { damaged.push_back(0); }
  SECTION("a footer of another") { damaged[damaged.size() - 100] ^= 1; }
  REQUIRE_OK(storage->put(pack.key, damaged));
  const auto warnings = store->check_ends();
  REQUIRE_OK(warnings);
  REQUIRE(warnings->size() == 1);
  CHECK(warnings->front().pack_key == pack.key);
  CHECK_FALSE(warnings->front().what.empty());
  CHECK(store->check_ends()->empty());  // told once

  const auto writer = open_writer(*store);
  for (const Bytes& bytes : pack.contents) {
    CHECK_FALSE(*writer->has(content_ref_of(bytes)));
    put(*writer, bytes);
  }
  REQUIRE_OK(writer->flush());
  CHECK(writer->stats().contents_new == pack.contents.size());
  for (const Bytes& bytes : pack.contents) require_content(*store, bytes);
}

TEST_CASE("damage: a look at the ends reads little", "[content]") {
  const ScratchDir scratch;
  auto memory = make_memory_storage();
  MemoryStorage& calls = *memory;
  const std::shared_ptr<Storage> storage = std::move(memory);
  const content::StoreOptions options = small_packs(scratch);
  const SmallPack pack = write_small_pack(storage, options);
  const auto store = open_store(storage, options);
  // One bad byte in a frame is for `verify` to find.
  change_object(*storage, pack.key, [](Bytes& bytes) { bytes[150] ^= 4; });
  const std::uint64_t before = calls.calls();
  const auto warnings = store->check_ends();
  REQUIRE_OK(warnings);
  CHECK(warnings->empty());
  CHECK(calls.calls() - before == 4);  // three lists and one footer
}

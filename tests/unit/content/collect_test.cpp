// R12: content that nothing refers to goes, in two steps; nothing that anybody needs does.

#include <cstdlib>
#include <fstream>

#include "base/limits.hpp"
#include "content/unreferenced_list.hpp"
#include "content_fixture.hpp"

namespace {

using namespace restante;
using namespace restante::test;

content::DigestSet references_to(const std::vector<Bytes>& contents) {
  content::DigestSet references;
  for (const Bytes& bytes : contents) references.add(content_ref_of(bytes).digest);
  references.settle();
  return references;
}

// What is wanted and what is not, one by one, so that packs have some of both.
struct Halves {
  explicit Halves(std::string_view name, std::size_t count = 40) {
    Random random(name);
    for (std::size_t i = 0; i < count; ++i) (i % 4 == 0 ? kept : gone).push_back(random.bytes(900));
    // Large enough to be a recipe of chunks.
    kept.push_back(random.bytes(base::kContentChunkBytes / 2));
    gone.push_back(random.bytes(base::kContentChunkBytes / 2));
  }
  void put_into(content::ContentStore& store) const {
    auto writer = open_writer(store);
    for (std::size_t i = 0; i < gone.size(); ++i) {
      put(*writer, gone[i]);
      if (i % 3 == 0 && i / 3 < kept.size()) put(*writer, kept[i / 3]);
    }
    REQUIRE_OK(writer->flush());
  }
  std::vector<Bytes> kept;
  std::vector<Bytes> gone;
};

std::uint64_t bytes_of(Storage& storage) {
  std::uint64_t bytes = 0;
  REQUIRE_OK(storage.list(content::kPackPrefix, [&](const ObjectInfo& object) {
    bytes += object.size;
    return Status();
  }));
  return bytes;
}

Status collect(content::ContentStore& store, const std::vector<Bytes>& kept) {
  content::DigestSet references = references_to(kept);
  const auto marked = store.mark(references);
  if (!marked.ok()) return marked.status();
  const auto lists = store.lists();
  if (!lists.ok()) return lists.status();
  content::DigestSet again = references_to(kept);
  return store.sweep(again, *lists).status();
}

void require_no(content::ContentStore& store, const Bytes& bytes) {
  const Result<bool> there = store.has(content_ref_of(bytes));
  REQUIRE_OK(there);
  CHECK(!*there);
}

TEST_CASE("R12: unreferenced content goes, mostly dead packs are written anew, the rest stays", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  const Halves halves("collect");
  const auto store = open_store(memory->share(), small_packs(scratch));
  halves.put_into(*store);
  const std::uint64_t before = bytes_of(*memory);
  content::DigestSet references = references_to(halves.kept);
  const auto marked = store->mark(references);
  REQUIRE_OK(marked);
  REQUIRE(marked->list);
  REQUIRE(marked->repacked > 0);
  // Marked is not gone.
  for (const Bytes& bytes : halves.gone) require_content(*store, bytes);
  content::DigestSet again = references_to(halves.kept);
  const auto swept = store->sweep(again, {*marked->list});
  REQUIRE_OK(swept);
  REQUIRE(swept->packs > 0);
  REQUIRE(swept->bytes > 0);
  REQUIRE(bytes_of(*memory) < before * 2 / 3);
  for (const Bytes& bytes : halves.kept) require_content(*store, bytes);
  for (const Bytes& bytes : halves.gone) require_no(*store, bytes);
  REQUIRE(store->verify(true)->damages.empty());
  REQUIRE(store->lists()->empty());
  // There is nothing to do a second time, and another machine sees the same.
  REQUIRE(!store->mark(again)->list);
  const auto other = open_store(memory->share(), small_packs(scratch, "other"));
  for (const Bytes& bytes : halves.kept) require_content(*other, bytes);
  REQUIRE(other->verify(true)->damages.empty());
}

TEST_CASE("R12: what a recipe names stays as long as the recipe does", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  Random random("recipes");
  const Bytes large = random.bytes(3 * base::kContentChunkBytes);
  const auto store = open_store(memory->share(), small_packs(scratch));
  {
    auto writer = open_writer(*store);
    put(*writer, large);
    for (int i = 0; i < 40; ++i) put(*writer, random.bytes(1000));
    REQUIRE_OK(writer->flush());
  }
  REQUIRE_OK(collect(*store, {large}));
  require_content(*store, large);
  REQUIRE_OK(collect(*store, {}));
  require_no(*store, large);
  REQUIRE(packs_of(*memory).empty());
}

TEST_CASE("R12: writers take listed content for absent and write it again", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  const Halves halves("absent");
  const auto store = open_store(memory->share(), small_packs(scratch));
  halves.put_into(*store);
  content::DigestSet references = references_to(halves.kept);
  const auto marked = store->mark(references);
  REQUIRE_OK(marked);
  const auto other = open_store(memory->share(), small_packs(scratch, "other"));
  REQUIRE(other->lease()->lists == std::vector<Id128>{*marked->list});
  auto writer = open_writer(*other);
  CHECK(*other->has(content_ref_of(halves.gone[0])));
  CHECK(!*writer->has(content_ref_of(halves.gone[0])));
  CHECK(*writer->has(content_ref_of(halves.kept[0])));
  put(*writer, halves.gone[0]);
  REQUIRE_OK(writer->flush());
  // Nobody counts it as a reference, and yet it is whole afterwards: it lies in a pack that no list names.
  content::DigestSet again = references_to(halves.kept);
  REQUIRE_OK(store->sweep(again, {*marked->list}));
  REQUIRE_OK(other->refresh());
  require_content(*other, halves.gone[0]);
  require_no(*other, halves.gone[1]);
}

TEST_CASE("R12: what is referred to again before the sweep is spared", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  const Halves halves("spared");
  const auto store = open_store(memory->share(), small_packs(scratch));
  halves.put_into(*store);
  content::DigestSet references = references_to(halves.kept);
  const auto marked = store->mark(references);
  REQUIRE_OK(marked);
  std::vector<Bytes> all = halves.kept;
  all.insert(all.end(), halves.gone.begin(), halves.gone.end());
  content::DigestSet now = references_to(all);
  REQUIRE_OK(store->sweep(now, {*marked->list}));
  for (const Bytes& bytes : all) require_content(*store, bytes);
  REQUIRE(store->lists()->empty());
}

TEST_CASE("R12: content that lies in two packs is kept once", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  const Halves halves("twice");
  const auto one = open_store(memory->share(), small_packs(scratch, "one"));
  const auto two = open_store(memory->share(), small_packs(scratch, "two"));
  halves.put_into(*one);
  halves.put_into(*two);  // it does not know yet what the other wrote
  const std::uint64_t before = bytes_of(*memory);
  std::vector<Bytes> all = halves.kept;
  all.insert(all.end(), halves.gone.begin(), halves.gone.end());
  REQUIRE_OK(collect(*one, all));
  REQUIRE(bytes_of(*memory) < before * 2 / 3);
  for (const Bytes& bytes : all) require_content(*one, bytes);
  REQUIRE(one->verify(true)->damages.empty());
}

TEST_CASE("R12: nothing is listed when something that may be needed cannot be read", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  const Halves halves("unreadable");
  const auto store = open_store(memory->share(), small_packs(scratch));
  halves.put_into(*store);
  const std::vector<std::string> packs = packs_of(*memory);
  change_object(*memory, packs.front(), [](Bytes& bytes) { bytes.resize(bytes.size() - 1); });
  content::DigestSet references = references_to(halves.kept);
  REQUIRE_CODE(store->mark(references), damaged);
  REQUIRE(store->lists()->empty());
  REQUIRE(packs_of(*memory) == packs);
}

TEST_CASE("R12: a writer whose lease lapsed learns what is gone before it publishes", "[content]") {
  const ScratchDir scratch;
  const auto memory = make_memory_storage();
  const Halves halves("lapsed");
  const auto store = open_store(memory->share(), small_packs(scratch));
  halves.put_into(*store);
  const auto slow = open_store(memory->share(), small_packs(scratch, "slow"));
  const auto lease = slow->lease();
  REQUIRE_OK(lease);
  const std::set<Digest> kept{content_ref_of(halves.kept[0]).digest};
  const std::set<Digest> gone{content_ref_of(halves.gone[0]).digest};
  REQUIRE_OK(slow->check_lease(*lease, gone));
  REQUIRE_OK(collect(*store, halves.kept));
  REQUIRE_OK(slow->check_lease(*lease, kept));
  REQUIRE_CODE(slow->check_lease(*lease, gone), not_durable);
}

TEST_CASE("R12: lists of packs come back as they were, and no other bytes pass for one", "[content]") {
  content::UnreferencedList list;
  list.id = *Id128::parse("0123456789abcdef0123456789abcdef");
  for (std::uint8_t i = 0; i < 5; ++i) {
    Id128 pack;
    pack.bytes[0] = i;
    list.packs.push_back(pack);
  }
  const Bytes bytes = content::encode_list(kTarget, list);
  const auto again = content::decode_list(kTarget, list.id, bytes);
  REQUIRE_OK(again);
  REQUIRE(again->packs == list.packs);
  REQUIRE_CODE(content::decode_list(list.id, list.id, bytes), damaged);
  REQUIRE_CODE(content::decode_list(kTarget, kTarget, bytes), damaged);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes other = bytes;
    other[at] ^= 0x20;
    CHECK(!content::decode_list(kTarget, list.id, other).ok());
    other.resize(at);
    CHECK(!content::decode_list(kTarget, list.id, other).ok());
  }
}

TEST_CASE("golden: a list of packs of version 1 is read and written exactly", "[content]") {
  const std::string path = RESTANTE_GOLDEN_DIR "/content/version-1.list";
  content::UnreferencedList list;
  list.id = *Id128::parse("0123456789abcdef0123456789abcdef");
  for (const char* pack : {"00000000000000000000000000000000", "01000000000000000000000000000000",
                           "ffffffffffffffffffffffffffffffff"})
    list.packs.push_back(*Id128::parse(pack));
  const Bytes bytes = content::encode_list(kTarget, list);
  if (std::getenv("RESTANTE_WRITE_GOLDEN"))
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  REQUIRE(Bytes(text.begin(), text.end()) == bytes);
  const auto read = content::decode_list(kTarget, list.id, bytes);
  REQUIRE_OK(read);
  REQUIRE(read->packs == list.packs);
}

TEST_CASE("R12: every call of the storage may fail while content is removed, and a power cut may follow",
          "[content]") {
  const Halves halves("cut", 24);
  for (std::uint64_t n = 0;; ++n) {
    const ScratchDir scratch;
    const auto memory = make_memory_storage();
    {
      const auto store = open_store(memory->share(), small_packs(scratch));
      halves.put_into(*store);
    }
    REQUIRE_OK(memory->sync());
    Status status;
    {
      auto handle = memory->share();
      MemoryStorage* const failing = handle.get();
      const auto store = open_store(std::move(handle), small_packs(scratch));
      failing->fail_after(n, Status(Code::io, "cut"), n % 2 == 0);
      status = collect(*store, halves.kept);
    }
    memory->crash(test_seed() + n);
    INFO("call " << n << ": " << status.to_string());
    if (n % 3 == 0) std::filesystem::remove_all(scratch.file("catalog"));
    const auto store = open_store(memory->share(), small_packs(scratch));
    for (const Bytes& bytes : halves.kept) require_content(*store, bytes);
    CHECK(store->verify(true)->damages.empty());
    // The next one ends the work.
    const auto lists = store->lists();
    REQUIRE_OK(lists);
    content::DigestSet references = references_to(halves.kept);
    REQUIRE_OK(store->sweep(references, *lists));
    REQUIRE_OK(collect(*store, halves.kept));
    for (const Bytes& bytes : halves.kept) require_content(*store, bytes);
    for (const Bytes& bytes : halves.gone) require_no(*store, bytes);
    CHECK(store->lists()->empty());
    CHECK(store->verify(true)->damages.empty());
    if (status.ok()) break;
    REQUIRE(n < 1000);
  }
}

}  // namespace

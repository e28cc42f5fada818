// R12, R7: what was flushed survives whatever fails and whatever a power cut takes.

#include "base/limits.hpp"
#include "content_fixture.hpp"

namespace {

using namespace restante;
using namespace restante::test;

std::vector<Bytes> sample(std::string_view name) {
  Random random(name);
  std::vector<Bytes> contents = {{}};
  for (int i = 0; i < 40; ++i) contents.push_back(mail(random, 200 + random.below(4000)));
  contents.push_back(random.bytes(base::kContentChunkBytes + 50));
  for (int i = 0; i < 5; ++i) contents.push_back(mail(random, 200 + random.below(4000)));
  return contents;
}

// Puts everything with flushes in between; answers how many were acknowledged by a flush.
struct Outcome {
  Status status;
  std::size_t acknowledged = 0;
};
Outcome write_all(std::shared_ptr<Storage> storage, const content::StoreOptions& options,
                  const std::vector<Bytes>& contents) {
  Outcome outcome;
  auto store = content::ContentStore::open(std::move(storage), options);
  outcome.status = store.status();
  if (!store.ok()) return outcome;
  auto writer = (*store)->writer();
  for (std::size_t i = 0; i < contents.size(); ++i) {
    outcome.status = try_put(**writer, contents[i]).status();
    if (!outcome.status.ok()) break;
    if (i % 9 != 0 && i + 1 != contents.size()) continue;
    outcome.status = (*writer)->flush();
    if (!outcome.status.ok()) break;
    outcome.acknowledged = i + 1;
  }
  if (!outcome.status.ok() && outcome.acknowledged < contents.size()) {
    // A writer that failed acknowledges nothing any more.
    REQUIRE_CODE((*writer)->flush(), poisoned);
    REQUIRE_CODE(try_put(**writer, contents[0]), poisoned);
  }
  return outcome;
}

void require_acknowledged(content::ContentStore& store, const std::vector<Bytes>& contents,
                          std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) require_content(store, contents[i]);
  for (std::size_t i = count; i < contents.size(); ++i) {
    const ContentRef ref = content_ref_of(contents[i]);
    const Result<bool> there = store.has(ref);
    REQUIRE_OK(there);
    if (*there) {
      require_content(store, contents[i]);
    } else if (const auto got = get(store, ref); !got.ok()) {
      // A recipe may be there without its parts after a power cut; nothing wrong is ever read.
      CHECK((got.status().code() == Code::not_found || got.status().code() == Code::damaged));
    }
  }
}

// Forwards to a storage, and loses the answer of one call that was carried out.
class LostAnswer final : public Storage {
 public:
  LostAnswer(std::shared_ptr<Storage> storage, std::uint64_t call)
      : storage_(std::move(storage)), call_(call) {}
  std::string describe() const override { return storage_->describe(); }
  Status put(std::string_view key, ByteView bytes) override { return lose(storage_->put(key, bytes)); }
  Status put_if_absent(std::string_view key, ByteView bytes) override {
    return lose(storage_->put_if_absent(key, bytes));
  }
  Result<Bytes> get_range(std::string_view key, std::uint64_t offset, std::uint64_t length) override {
    return storage_->get_range(key, offset, length);
  }
  Result<Bytes> get(std::string_view key, std::uint64_t limit) override { return storage_->get(key, limit); }
  Result<ObjectInfo> info(std::string_view key) override { return storage_->info(key); }
  Status list(std::string_view prefix, const std::function<Status(const ObjectInfo&)>& each) override {
    return storage_->list(prefix, each);
  }
  Status remove(std::string_view key) override { return storage_->remove(key); }
  Status sync() override { return lose(storage_->sync()); }

 private:
  Status lose(Status answer) { return calls_++ == call_ ? Status(Code::io, "the answer was lost") : answer; }

  const std::shared_ptr<Storage> storage_;
  const std::uint64_t call_;
  std::uint64_t calls_ = 0;
};

}  // namespace

TEST_CASE("content: every call of the storage may fail, and a power cut may follow", "[content]") {
  const std::vector<Bytes> contents = sample("crash");
  const bool sticky = GENERATE(false, true);
  for (std::uint64_t n = 0;; ++n) {
    const ScratchDir scratch;
    const auto memory = make_memory_storage();
    auto handle = memory->share();
    handle->fail_after(n, Status(Code::io, "cut"), sticky);
    const Outcome outcome = write_all(std::move(handle), small_packs(scratch), contents);
    INFO("call " << n << ", " << outcome.acknowledged << " acknowledged: " << outcome.status.to_string());
    {
      const auto store = open_store(memory->share(), small_packs(scratch));
      require_acknowledged(*store, contents, outcome.acknowledged);
    }
    memory->crash(test_seed() + n);
    // The catalog stays in one half of the cases, and goes with the machine in the other.
    if (n % 2 == 0) std::filesystem::remove_all(scratch.file("catalog"));
    {
      const auto store = open_store(memory->share(), small_packs(scratch));
      require_acknowledged(*store, contents, outcome.acknowledged);
      CHECK(store->verify(true)->damages.empty());
    }
    const Outcome again = write_all(memory->share(), small_packs(scratch), contents);
    REQUIRE_OK(again.status);
    memory->crash(test_seed() + n);
    const auto store = open_store(memory->share(), small_packs(scratch));
    require_acknowledged(*store, contents, contents.size());
    CHECK(store->verify(true)->damages.empty());
    if (outcome.status.ok() && outcome.acknowledged == contents.size()) break;
    REQUIRE(n < 1000);
  }
}

TEST_CASE("content: the answer of a call that was carried out may be lost", "[content]") {
  const std::vector<Bytes> contents = sample("lost answers");
  for (std::uint64_t n = 0;; ++n) {
    const ScratchDir scratch;
    const auto memory = make_memory_storage();
    const Outcome outcome =
        write_all(std::make_shared<LostAnswer>(memory->share(), n), small_packs(scratch), contents);
    const auto store = open_store(memory->share(), small_packs(scratch));
    require_acknowledged(*store, contents, outcome.acknowledged);
    REQUIRE_OK(write_all(memory->share(), small_packs(scratch), contents).status);
    require_acknowledged(*store, contents, contents.size());
    if (outcome.status.ok()) break;
    REQUIRE(n < 1000);
  }
}

TEST_CASE("content: nobody relies on what another has not synced yet", "[content]") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const ScratchDir scratch;
    Random random("unsynced");
    const auto memory = make_memory_storage();
    const Bytes bytes = random.bytes(3000);
    // The first writer puts its packs and goes without a flush.
    auto first = open_store(memory->share(), small_packs(scratch, "first machine"));
    auto unsynced = open_writer(*first);
    put(*unsynced, bytes);
    for (int i = 0; packs_of(*memory).empty(); ++i) put(*unsynced, random.bytes(2000));

    auto handle = memory->share();
    MemoryStorage* const second_storage = handle.get();
    const bool sync_fails = seed % 2 == 0;
    // Opening lists (two calls), then syncs what it sees there.
    if (sync_fails) second_storage->fail_after(2, Status(Code::io, "no sync"), false);
    auto second = open_store(std::move(handle), small_packs(scratch, "second machine"));
    auto writer = open_writer(*second);
    require_content(*second, bytes);  // reading it is fine
    CHECK(*writer->has(content_ref_of(bytes)) == !sync_fails);
    put(*writer, bytes);
    REQUIRE_OK(writer->flush());
    memory->crash(seed);
    REQUIRE_OK(second->refresh());
    require_content(*second, bytes);
  }
}

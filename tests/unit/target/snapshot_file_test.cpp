#include "target/snapshot_file.hpp"

#include "base/limits.hpp"
#include "examples.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

constexpr std::string_view kPrefix = "sessions/full-20070712.155951.123/";

struct Written {
  std::shared_ptr<Storage> storage;
  std::vector<target::SnapshotPlace> places;
};

target::SnapshotSite site() { return {example_id(16), std::string(kPrefix)}; }

Written write(const std::vector<std::pair<std::string, std::vector<Operation>>>& accounts) {
  Written written{make_memory_storage(), {}};
  auto publication = written.storage->publication(kPrefix, "sessions_tmp/x/");
  REQUIRE_OK(publication);
  target::SnapshotObjects objects(**publication);
  target::SnapshotWriter writer(objects, site(), 3);
  for (const auto& [id, operations] : accounts) {
    REQUIRE_OK(writer.begin(id));
    for (const Operation& operation : operations) REQUIRE_OK(writer.put(operation));
    Result<target::SnapshotPlace> place = writer.end();
    REQUIRE_OK(place);
    written.places.push_back(*std::move(place));
  }
  REQUIRE_OK(writer.finish());
  REQUIRE_OK((*publication)->publish("session.xml", {}));
  return written;
}

Result<std::vector<Operation>> read(const Written& written, std::size_t index, const std::string& account) {
  Result<std::unique_ptr<OpStream>> stream =
      target::read_snapshot(written.storage, site(), written.places[index], account);
  if (!stream.ok()) return stream.status();
  std::vector<Operation> operations;
  Operation operation;
  for (;;) {
    const Result<bool> more = (*stream)->next(operation);
    if (!more.ok()) return more.status();
    if (!*more) return operations;
    operations.push_back(operation);
  }
}

}  // namespace

TEST_CASE("snapshots of several accounts share objects and read back alone") {
  std::vector<Operation> large = example_snapshot();
  Random random("large snapshot");
  while (large.size() < 20'000) {
    Message message = std::get<MessagePut>(large[2]).messages[0];
    message.id = random.text(60);
    message.content->digest.bytes[0] = static_cast<std::uint8_t>(random.below(256));
    large.emplace_back(MessagePut{{message}});
  }
  const Written written = write({{"alice", example_snapshot()}, {"bob", large}, {"carol", {}}});
  REQUIRE(*read(written, 0, "alice") == example_snapshot());
  REQUIRE(*read(written, 1, "bob") == large);
  REQUIRE(read(written, 2, "carol")->empty());
  REQUIRE(written.places[1].operations == large.size());
  REQUIRE_CODE(read(written, 0, "bob"), damaged);
}

TEST_CASE("a snapshot larger than an object goes on in the next") {
  std::vector<Operation> operations;
  Random random("many objects");
  for (std::size_t bytes = 0; bytes < base::kSnapshotObjectBytes + (1u << 20); bytes += 8192) {
    Item item;
    item.kind = "x";
    item.id = std::to_string(bytes);
    const Bytes noise = random.bytes(8192);
    item.attributes["noise"] = std::string(as_text(noise));
    operations.emplace_back(ItemPut{item});
  }
  const Written written = write({{"alice", operations}});
  REQUIRE(written.places[0].parts.size() == 2);
  REQUIRE(*read(written, 0, "alice") == operations);
}

TEST_CASE("every flipped byte of a snapshot is noticed, and every place where it is cut off") {
  const Written written = write({{"alice", example_snapshot()}});
  const std::string key = std::string(kPrefix) + written.places[0].parts[0].object;
  const Result<Bytes> object = written.storage->get(key);
  REQUIRE_OK(object);
  for (std::size_t i = 0; i < object->size(); ++i) {
    Bytes damaged = *object;
    damaged[i] ^= 1;
    REQUIRE_OK(written.storage->put(key, damaged));
    INFO("byte " << i);
    REQUIRE_CODE(read(written, 0, "alice"), damaged);
  }
  for (std::size_t size = 0; size < object->size(); ++size) {
    REQUIRE_OK(written.storage->put(key, ByteView(*object).first(size)));
    INFO("cut off at " << size);
    REQUIRE_FALSE(read(written, 0, "alice").ok());
    Written shorter = written;
    shorter.places[0].parts[0].length = size;
    REQUIRE_FALSE(read(shorter, 0, "alice").ok());
  }
}

}  // namespace restante::test

// Files as version 1 wrote them. RESTANTE_UPDATE_GOLDEN=1 writes them anew, after a change of format only.

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "examples.hpp"
#include "support/catch.hpp"

namespace restante::test {
namespace {

std::string golden_path(std::string_view name) {
  return std::string(RESTANTE_SOURCE_DIR "/tests/golden/target/") + std::string(name);
}

Bytes golden(std::string_view name, const Bytes& written_now) {
  if (std::getenv("RESTANTE_UPDATE_GOLDEN") != nullptr)
    std::ofstream(golden_path(name), std::ios::binary) << as_text(written_now);
  std::ifstream file(golden_path(name), std::ios::binary);
  REQUIRE(file.good());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

Bytes write_snapshot(target::SnapshotPlace& place) {
  const std::unique_ptr<Storage> storage = make_memory_storage();
  auto publication = storage->publication("sessions/s/", "sessions_tmp/s/");
  REQUIRE_OK(publication);
  target::SnapshotObjects objects(**publication);
  target::SnapshotWriter writer(objects, {example_id(16), "sessions/s/"}, 3);
  REQUIRE_OK(writer.begin("alice"));
  for (const Operation& operation : example_snapshot()) REQUIRE_OK(writer.put(operation));
  Result<target::SnapshotPlace> written = writer.end();
  REQUIRE_OK(written);
  place = *written;
  REQUIRE_OK(writer.finish());
  REQUIRE_OK((*publication)->publish("session.xml", {}));
  return *storage->get("sessions/s/snapshots/0001.snap");
}

}  // namespace

TEST_CASE("golden target.json and session.xml are what this version writes and reads") {
  const Bytes target_json = target::encode_target_file(example_target());
  REQUIRE(golden("target.json", target_json) == target_json);
  const Bytes session = *target::encode_session(example_session());
  REQUIRE(golden("session.xml", session) == session);
  REQUIRE_OK(target::decode_session(session, "session.xml"));
}

TEST_CASE("a golden snapshot reads back as what was put into it") {
  // Another zstd may compress differently, so its bytes are read, not compared.
  target::SnapshotPlace place;
  const Bytes now = write_snapshot(place);
  const Bytes file = golden("snapshot.snap", now);
  const std::shared_ptr<Storage> storage = make_memory_storage();
  REQUIRE_OK(storage->put("sessions/s/snapshots/0001.snap", file));
  place.parts[0].length = file.size();
  auto stream = target::read_snapshot(storage, {example_id(16), "sessions/s/"}, place, "alice");
  REQUIRE_OK(stream);
  std::vector<Operation> operations;
  Operation operation;
  for (;;) {
    const Result<bool> more = (*stream)->next(operation);
    REQUIRE_OK(more);
    if (!*more) break;
    operations.push_back(operation);
  }
  REQUIRE(operations == example_snapshot());
}

}  // namespace restante::test

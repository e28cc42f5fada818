// A target's keys and sealed objects as version 1 wrote them. They are random, so they are read, not
// compared. RESTANTE_UPDATE_GOLDEN=1 writes them anew, after a change of format only.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "keys_fixture.hpp"

namespace restante::test {
namespace {

namespace fs = std::filesystem;
const fs::path kGolden = RESTANTE_SOURCE_DIR "/tests/golden/keys";

constexpr const char* kLabel = "full-20070712.155951.123";

struct GoldenObject {
  const char* file;
  crypto::ObjectPlace place;
  crypto::Audience audience;
};
constexpr GoldenObject kObjects[] = {
    {"shared.sealed",
     {crypto::ObjectKind::pack_index, "content/packs/01/shared.pack"},
     crypto::Audience::shared},
    {"references.sealed",
     {crypto::ObjectKind::references, "sessions/full-20070712.155951.123/content.ids"},
     crypto::Audience::references},
    {"metadata.sealed",
     {crypto::ObjectKind::session, "sessions/full-20070712.155951.123/session.xml"},
     crypto::Audience::metadata},
    {"content.sealed",
     {crypto::ObjectKind::pack, "content/packs/01/content.pack"},
     crypto::Audience::content},
};

void write_file(const fs::path& path, ByteView bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << as_text(bytes);
}

Bytes read_golden(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  INFO(path.string());
  REQUIRE(file.good());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// A text for the object, which the second reader knows too.
std::string text_of(const GoldenObject& object) { return std::string("plain text of ") + object.file; }

void write_golden() {
  fs::remove_all(kGolden);
  KeysFixture keys;
  const KeyOptions server = keys.add_file("server.key", KeyRight::write, 0x22);
  const KeyOptions reader = keys.add_file("reader.key", KeyRight::read);
  const KeyOptions remover = keys.add_file("remover.key", KeyRight::remove);
  const KeyOptions lost = keys.add_file("lost.key", KeyRight::read | KeyRight::write, 0x33);
  const auto early =
      KeyAccess::sealer(keys.owner)
          ->seal_whole(kObjects[3].place, kObjects[3].audience, as_bytes(text_of(kObjects[3])));
  write_file(kGolden / "content-epoch-1.sealed", *early);
  REQUIRE_OK(keys.owner.remove(5));
  const auto sealer = KeyAccess::sealer(keys.ring_of(server));
  for (const GoldenObject& object : kObjects) {
    const Result<Bytes> stored = sealer->seal_whole(object.place, object.audience, as_bytes(text_of(object)));
    REQUIRE_OK(stored);
    write_file(kGolden / object.file, *stored);
  }
  const auto signature =
      sealer->sign(kObjects[2].place, crypto::sha256(read_golden(kGolden / kObjects[2].file)));
  write_file(kGolden / "metadata.signature", crypto::encode_signature(*signature));
  keys::ChainLink link;
  link.target = keys.target;
  link.holder = 2;
  link.time = Time{1184255991123000};
  link.label = kLabel;
  link.session = crypto::sha256(read_golden(kGolden / kObjects[2].file));
  const Result<ChainHead> head = keys::append_link(*keys.storage, *sealer, {}, link);
  REQUIRE_OK(head);
  link.label = "incr-20070713.155951.123";
  REQUIRE_OK(keys::append_link(*keys.storage, *sealer, *head, link));
  for (const std::string& key : keys.objects()) write_file(kGolden / key, *keys.storage->get(key));
  for (const char* const name : {"server.key", "reader.key", "remover.key", "lost.key"})
    write_file(kGolden / name, read_golden(keys.scratch.file(name)));
}

}  // namespace

TEST_CASE("golden keys open golden objects, as their rights say") {
  if (std::getenv("RESTANTE_UPDATE_GOLDEN") != nullptr) write_golden();
  const std::shared_ptr<Storage> storage = make_memory_storage();
  for (const char* const folder : {"keys", "chains"})
    for (const auto& entry : fs::recursive_directory_iterator(kGolden / folder))
      if (entry.is_regular_file())
        REQUIRE_OK(storage->put(fs::relative(entry.path(), kGolden).string(), read_golden(entry.path())));
  const auto open = [&](const KeyOptions& options) { return KeyRing::open(storage, id_of(0x11), options); };
  const auto file = [&](const char* name) { return KeyOptions{.key_file = (kGolden / name).string()}; };
  const Result<KeyRing> owner = open({.passphrase = "owner"});
  REQUIRE_OK(owner);
  const Result<KeyRing> reader = open(file("reader.key"));
  REQUIRE_OK(reader);
  const Result<KeyRing> server = open(file("server.key"));
  REQUIRE_OK(server);
  REQUIRE_OK(open(file("remover.key")));
  REQUIRE_CODE(open(file("lost.key")), permission);
  CHECK(owner->epoch() == 2);
  CHECK(owner->holders().size() == 5);
  for (const KeyRing& ring : {*owner, *reader}) {
    for (const GoldenObject& object : kObjects) {
      const Result<Bytes> read = KeyAccess::sealer(ring)->open_whole(object.place, object.audience,
                                                                     read_golden(kGolden / object.file));
      REQUIRE_OK(read);
      CHECK(as_text(*read) == text_of(object));
    }
    REQUIRE_OK(KeyAccess::sealer(ring)->open_whole(kObjects[3].place, kObjects[3].audience,
                                                   read_golden(kGolden / "content-epoch-1.sealed")));
  }
  REQUIRE_CODE(KeyAccess::sealer(*server)->open_whole(kObjects[3].place, kObjects[3].audience,
                                                      read_golden(kGolden / kObjects[3].file)),
               permission);
  const auto signature = crypto::decode_signature(read_golden(kGolden / "metadata.signature"));
  REQUIRE_OK(signature);
  const auto signer = KeyAccess::sealer(*reader)->verify(
      kObjects[2].place, crypto::sha256(read_golden(kGolden / kObjects[2].file)), *signature);
  REQUIRE_OK(signer);
  CHECK(signer->server == id_of(0x22));
  const Result<keys::Chain> chain = keys::read_chain(*storage, *KeyAccess::sealer(*reader), id_of(0x11), 2);
  REQUIRE_OK(chain);
  REQUIRE(chain->links.size() == 2);
  CHECK(chain->links[0].label == kLabel);
}

}  // namespace restante::test

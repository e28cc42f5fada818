// Packs of a target with keys (R11).

#include "../keys/keys_fixture.hpp"
#include "base/text.hpp"
#include "content/chunker.hpp"
#include "content_fixture.hpp"
#include "crypto/crypto.hpp"

namespace {

using namespace restante;
using namespace restante::test;

// A target with keys, and stores of it for whoever holds one.
struct SealedSite : KeysFixture {
  std::shared_ptr<Storage> shared = storage->share();

  content::StoreOptions options_for(const KeyRing& ring, const std::string& catalog) {
    content::StoreOptions options = small_packs(scratch, catalog);
    options.target_id = target;
    options.sealer = KeyAccess::sealer(ring);
    return options;
  }
  std::unique_ptr<content::ContentStore> store_of(const KeyRing& ring, const std::string& catalog) {
    return open_store(shared, options_for(ring, catalog));
  }
  KeyRing holder(const std::string& name, KeyRight rights) { return ring_of(add_file(name, rights, 7)); }
};

// Of somebody who knows all public keys and shared secrets and may not sign: what he signs is another's.
class Forger final : public crypto::ObjectSealer {
 public:
  explicit Forger(std::shared_ptr<const crypto::ObjectSealer> true_one) : true_(std::move(true_one)) {}
  [[nodiscard]] bool encrypts() const noexcept override { return true; }
  [[nodiscard]] Id128 key_id(crypto::Audience audience) const override { return true_->key_id(audience); }
  [[nodiscard]] bool can_open(crypto::Audience audience) const noexcept override {
    return true_->can_open(audience);
  }
  [[nodiscard]] bool can_sign(crypto::ObjectKind) const noexcept override { return true; }
  [[nodiscard]] Digest content_id(const Digest& sha256) const override { return true_->content_id(sha256); }
  Result<std::unique_ptr<crypto::BlockSealer>> begin(const crypto::ObjectPlace& place,
                                                     crypto::Audience audience) const override {
    return true_->begin(place, audience);
  }
  Result<std::unique_ptr<crypto::BlockOpener>> open(const crypto::ObjectPlace& place,
                                                    crypto::Audience audience,
                                                    ByteView envelope) const override {
    return true_->open(place, audience, envelope);
  }
  Result<crypto::SignatureOf> sign(const crypto::ObjectPlace& place, const Digest&) const override {
    return true_->sign(place, crypto::sha256(as_bytes("something else")));
  }
  Result<crypto::Signer> verify(const crypto::ObjectPlace& place, const Digest& digest,
                                const crypto::SignatureOf& signature) const override {
    return true_->verify(place, digest, signature);
  }

 private:
  std::shared_ptr<const crypto::ObjectSealer> true_;
};

bool holds(ByteView haystack, ByteView needle) {
  return as_text(haystack).find(as_text(needle)) != std::string_view::npos;
}

}  // namespace

TEST_CASE("R11: packs of a target with keys say neither what they hold nor its digests", "[content]") {
  SealedSite site;
  Random random("sealed");
  const auto store = site.store_of(site.owner, "catalog");
  const auto writer = open_writer(*store);
  const Bytes text = mail(random, 5000);
  const Bytes large = random.bytes(3 * content::kMaxChunkBytes / 2);
  for (const Bytes& bytes : {text, large}) put(*writer, bytes);
  REQUIRE_OK(writer->flush());
  require_content(*store, text);
  require_content(*store, large);
  const Digest digest = content_ref_of(text).digest;
  for (const std::string& key : packs_of(*site.shared)) {
    const Bytes pack = *site.shared->get(key);
    CHECK_FALSE(holds(pack, ByteView(text).subspan(100, 16)));
    CHECK_FALSE(holds(pack, ByteView(large).subspan(1000, 16)));
    CHECK_FALSE(holds(pack, digest.bytes));
  }
  CHECK(store->verify(true)->damages.empty());
}

TEST_CASE("R11: a write-only server stores, finds what is there, makes its catalog again, and reads nothing",
          "[content]") {
  SealedSite site;
  Random random("write-only");
  const KeyRing server = site.holder("server", KeyRight::write);
  const Bytes text = mail(random, 5000);
  {
    const auto store = site.store_of(server, "first catalog");
    const auto writer = open_writer(*store);
    put(*writer, text);
    REQUIRE_OK(writer->flush());
    REQUIRE_CODE(get(*store, content_ref_of(text)), permission);
  }
  // With an empty state directory.
  const auto again = site.store_of(server, "second catalog");
  const auto writer = open_writer(*again);
  CHECK(*writer->has(content_ref_of(text)));
  put(*writer, text);
  REQUIRE_OK(writer->flush());
  CHECK(writer->stats().bytes_stored == 0);
  REQUIRE_CODE(get(*again, content_ref_of(text)), permission);
  require_content(*site.store_of(site.owner, "catalog"), text);
  const auto reader = site.store_of(site.holder("reader", KeyRight::read), "third catalog");
  require_content(*reader, text);
}

TEST_CASE("R11: every flipped byte of a sealed pack is found, and what is untouched is read", "[content]") {
  SealedSite site;
  Random random("flips");
  std::vector<Bytes> contents;
  {
    const auto store = site.store_of(site.owner, "catalog");
    const auto writer = open_writer(*store);
    for (int i = 0; i < 3; ++i) contents.push_back(random.bytes(1500));
    for (const Bytes& bytes : contents) put(*writer, bytes);
    REQUIRE_OK(writer->flush());
  }
  const std::vector<std::string> packs = packs_of(*site.shared);
  REQUIRE(packs.size() == 1);
  const Bytes sound = *site.shared->get(packs.front());
  const std::size_t step = long_tests() ? 1 : 7;
  for (std::size_t at = random.below(step); at < sound.size(); at += step) {
    INFO("byte " << at << " of " << sound.size());
    Bytes flipped = sound;
    flipped[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
    REQUIRE_OK(site.shared->put(packs.front(), flipped));
    const auto store = site.store_of(site.owner, base::cat("flip ", at));
    const auto verified = store->verify(true);
    REQUIRE_OK(verified);
    CHECK(verified->damages.size() == 1);
    int readable = 0;
    for (const Bytes& bytes : contents) {
      const Result<Bytes> got = get(*store, content_ref_of(bytes));
      CHECK((!got.ok() || *got == bytes));
      readable += got.ok() ? 1 : 0;
    }
    CHECK(readable >= 2);  // a frame at most is lost
    REQUIRE_OK(site.shared->put(packs.front(), sound));
  }
}

TEST_CASE("R11: packs without a seal, of other keys or in another's place are refused", "[content]") {
  SealedSite site;
  Random random("foreign");
  const Bytes text = random.bytes(2000);
  const auto write = [&](const content::StoreOptions& options, const std::shared_ptr<Storage>& into) {
    const auto store = open_store(into, options);
    const auto writer = open_writer(*store);
    put(*writer, text);
    REQUIRE_OK(writer->flush());
    return packs_of(*into).back();
  };
  SECTION("not sealed") {
    content::StoreOptions plain = site.options_for(site.owner, "plain");
    plain.sealer = nullptr;
    const std::shared_ptr<Storage> elsewhere = make_memory_storage();
    const std::string key = write(plain, elsewhere);
    REQUIRE_OK(site.shared->put(key, *elsewhere->get(key)));
  }
  SECTION("sealed with the keys of another target") {
    SealedSite other;
    const std::string key = write(other.options_for(other.owner, "other"), other.shared);
    REQUIRE_OK(site.shared->put(key, *other.shared->get(key)));
  }
  SECTION("two that changed places") {
    const std::string first = write(site.options_for(site.owner, "first"), site.shared);
    const std::string other = content::pack_key(*Id128::random());
    REQUIRE_OK(site.shared->put(other, *site.shared->get(first)));
    REQUIRE_OK(site.shared->remove(first));
  }
  const auto store = site.store_of(site.owner, "catalog");
  REQUIRE_CODE(get(*store, content_ref_of(text)), not_found);
  CHECK_FALSE(*store->has(content_ref_of(text)));
  CHECK(store->verify(false)->damages.size() == 1);
}

TEST_CASE("R11: a pack that nobody who may write has signed is not relied upon", "[content]") {
  SealedSite site;
  Random random("forged");
  const Bytes text = random.bytes(2000);
  const std::shared_ptr<Storage> elsewhere = make_memory_storage();
  {
    content::StoreOptions options = site.options_for(site.owner, "forger");
    options.sealer = std::make_shared<Forger>(options.sealer);
    const auto forger = open_store(elsewhere, options);
    const auto writer = open_writer(*forger);
    put(*writer, text);
    REQUIRE_OK(writer->flush());
  }
  const std::string key = packs_of(*elsewhere).back();
  REQUIRE_OK(site.shared->put(key, *elsewhere->get(key)));
  // What its frames hold proves itself when it is read; nobody relies on it.
  const auto store = site.store_of(site.owner, "catalog");
  const auto writer = open_writer(*store);
  put(*writer, text);
  REQUIRE_OK(writer->flush());
  CHECK(writer->stats().contents_new == 1);
  require_content(*store, text);
  const Result<content::ContentVerification> verified = store->verify(false);
  REQUIRE_OK(verified);
  REQUIRE(verified->damages.size() == 1);
  CHECK(verified->damages.front().pack_key == key);
  // Whoever may only read does not get so far.
  const KeyRing reader = site.holder("reader", KeyRight::read);
  const auto reading = site.store_of(reader, "reading");
  const auto unable = open_writer(*reading);
  const Bytes other = random.bytes(2000);
  const auto source = read_from_memory(ByteView(other));
  const Status stored = unable->put(*source, nullptr).status();
  REQUIRE_CODE(stored.ok() ? unable->flush() : stored, permission);
}

TEST_CASE("R11: a target without keys says that a sealed pack is none of its own", "[content]") {
  SealedSite site;
  Random random("reverse");
  const Bytes text = random.bytes(2000);
  {
    const auto store = site.store_of(site.owner, "catalog");
    const auto writer = open_writer(*store);
    put(*writer, text);
    REQUIRE_OK(writer->flush());
  }
  content::StoreOptions plain = site.options_for(site.owner, "plain");
  plain.sealer = nullptr;
  const auto store = open_store(site.shared, plain);
  REQUIRE_CODE(get(*store, content_ref_of(text)), not_found);
  const auto verified = store->verify(false);
  REQUIRE(verified->damages.size() == 1);
  CHECK(verified->damages[0].what.find("encrypted") != std::string::npos);
}

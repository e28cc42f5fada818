// Ciphers, curves and key derivation by the vectors of their standards, and what they do with wrong input.

#include "crypto/aead.hpp"
#include "crypto/curve.hpp"
#include "crypto/kdf.hpp"
#include "crypto/sealer.hpp"
#include "support/catch.hpp"

using namespace restante;

namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

crypto::Key256 key(std::string_view text) {
  const Bytes bytes = hex(text);
  return crypto::Key256::from(std::span<const std::uint8_t, 32>(bytes));
}

crypto::PublicKey public_key(std::string_view text) {
  crypto::PublicKey out;
  const Bytes bytes = hex(text);
  REQUIRE(bytes.size() == out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

crypto::AeadNonce nonce(std::string_view text) {
  crypto::AeadNonce out;
  const Bytes bytes = hex(text);
  REQUIRE(bytes.size() == out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

const crypto::Key256 kAlice = key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
const crypto::Key256 kBob = key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");

}  // namespace

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16.
TEST_CASE("AES-256-GCM: known vectors") {
  struct Vector {
    const char *key, *nonce, *context, *plain, *sealed;
  };
  const char* const zeros = "0000000000000000000000000000000000000000000000000000000000000000";
  const Vector vectors[] = {
      {zeros, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {zeros, "000000000000000000000000", "", "00000000000000000000000000000000",
       "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
      {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
       "feedfacedeadbeeffeedfacedeadbeefabaddad2",
       "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16ae"
       "df5"
       "aa0de657ba637b39",
       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61"
       "e63"
       "93ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
  };
  for (const Vector& vector : vectors) {
    Bytes out = {7};
    crypto::aead_seal(key(vector.key), nonce(vector.nonce), hex(vector.context), hex(vector.plain), out);
    REQUIRE(out.front() == 7);
    CHECK(to_hex(ByteView(out).subspan(1)) == vector.sealed);
    Bytes plain = {9};
    CHECK(crypto::aead_open(key(vector.key), nonce(vector.nonce), hex(vector.context),
                            ByteView(out).subspan(1), plain));
    CHECK(to_hex(plain) == "09" + std::string(vector.plain));
  }
}

TEST_CASE("AES-256-GCM: nothing opens but what was sealed, and nothing of it is given out") {
  test::Random random("gcm");
  const crypto::AeadNonce one = nonce("000000000000000000000001");
  const Bytes context = random.bytes(20);
  const Bytes plain = random.bytes(100);
  Bytes sealed;
  crypto::aead_seal(kAlice, one, context, plain, sealed);
  REQUIRE(sealed.size() == plain.size() + crypto::kAeadTagBytes);
  Bytes out = {1, 2};
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes changed = sealed;
    changed[at] ^= 1;
    CHECK_FALSE(crypto::aead_open(kAlice, one, context, changed, out));
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    CHECK_FALSE(crypto::aead_open(kAlice, one, context, ByteView(sealed).first(size), out));
  CHECK_FALSE(crypto::aead_open(kBob, one, context, sealed, out));
  CHECK_FALSE(crypto::aead_open(kAlice, {}, context, sealed, out));
  CHECK_FALSE(crypto::aead_open(kAlice, one, ByteView(context).first(19), sealed, out));
  CHECK(out == Bytes{1, 2});
}

// RFC 5869, appendix A.
TEST_CASE("HKDF-SHA-256: known vectors") {
  const auto derived = [](ByteView ikm, ByteView salt, ByteView info, std::size_t size) {
    Bytes out(size);
    crypto::hkdf_sha256(ikm, salt, info, out);
    return to_hex(out);
  };
  CHECK(derived(Bytes(22, 0x0b), hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), 42) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  Bytes ikm, salt, info;
  for (int i = 0; i < 0x50; ++i) {
    ikm.push_back(static_cast<std::uint8_t>(i));
    salt.push_back(static_cast<std::uint8_t>(0x60 + i));
    info.push_back(static_cast<std::uint8_t>(0xb0 + i));
  }
  CHECK(derived(ikm, salt, info, 82) ==
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da32"
        "75600c"
        "2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  CHECK(derived(Bytes(22, 0x0b), {}, {}, 42) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

// RFC 7914, section 12; we take the first half of what it shows.
TEST_CASE("scrypt: a known vector") {
  const Result<crypto::Key256> derived =
      crypto::scrypt(as_bytes("pleaseletmein"), as_bytes("SodiumChloride"), {14, 8, 1});
  REQUIRE_OK(derived);
  CHECK(to_hex(derived->view()) == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
  REQUIRE_OK(crypto::scrypt({}, {}, {10, 8, 1}));
}

TEST_CASE("scrypt: a file cannot ask for more than is given, nor for too little") {
  CHECK(crypto::check_scrypt_work({18, 8, 1}).ok());
  for (const crypto::ScryptWork work :
       {crypto::ScryptWork{19, 8, 1}, {255, 8, 1}, {63, 255, 1}, {17, 32, 1}, {17, 8, 5}, {10, 8, 255}})
    REQUIRE_CODE(crypto::scrypt(as_bytes("x"), as_bytes("y"), work), unsupported);
  for (const crypto::ScryptWork work : {crypto::ScryptWork{9, 8, 1}, {0, 0, 0}, {17, 0, 1}, {17, 8, 0}})
    REQUIRE_CODE(crypto::scrypt(as_bytes("x"), as_bytes("y"), work), invalid_argument);
  // The most that is given is given.
  REQUIRE_OK(crypto::scrypt(as_bytes("x"), as_bytes("y"), {10, 255, 4}));
}

// RFC 7748, section 6.1.
TEST_CASE("X25519: known vectors") {
  const crypto::PublicKey alice = crypto::x25519_public_key(kAlice);
  const crypto::PublicKey bob = crypto::x25519_public_key(kBob);
  CHECK(to_hex(alice) == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  CHECK(to_hex(bob) == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  CHECK(to_hex(crypto::x25519_agree(kAlice, bob).value().view()) == shared);
  CHECK(to_hex(crypto::x25519_agree(kBob, alice).value().view()) == shared);
}

TEST_CASE("X25519: points whose secret everybody knows are refused") {
  for (const char* const point : {"0000000000000000000000000000000000000000000000000000000000000000",
                                  "0100000000000000000000000000000000000000000000000000000000000000",
                                  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    CHECK_FALSE(crypto::x25519_agree(kAlice, public_key(point)).has_value());
    Bytes box;
    REQUIRE_CODE(crypto::seal_box(public_key(point), {}, as_bytes("x"), box), invalid_argument);
    CHECK(box.empty());
    Bytes forged = hex(point);
    forged.resize(64);
    CHECK_FALSE(crypto::open_box(kAlice, {}, forged).has_value());
  }
}

// RFC 8032, section 7.1, tests 1 and 2.
TEST_CASE("Ed25519: known vectors") {
  struct Vector {
    const char *seed, *public_key, *message, *signature;
  };
  for (const Vector& vector :
       {Vector{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
               "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
               "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
               "46bd25b"
               "f5f0595bbe24655141438e7a100b"},
        Vector{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
               "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
               "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
               "d8c387b"
               "2eaeb4302aeeb00d291612bb0c00"}}) {
    const crypto::PublicKey signer = crypto::ed25519_public_key(key(vector.seed));
    CHECK(to_hex(signer) == vector.public_key);
    const crypto::Signature signature = crypto::ed25519_sign(key(vector.seed), hex(vector.message));
    CHECK(to_hex(signature) == vector.signature);
    CHECK(crypto::ed25519_verify(signer, hex(vector.message), signature));
    CHECK_FALSE(crypto::ed25519_verify(signer, as_bytes("another"), signature));
    CHECK_FALSE(crypto::ed25519_verify(crypto::ed25519_public_key(kBob), hex(vector.message), signature));
    for (std::size_t at = 0; at < signature.size(); ++at) {
      crypto::Signature changed = signature;
      changed[at] ^= 1;
      CHECK_FALSE(crypto::ed25519_verify(signer, hex(vector.message), changed));
    }
  }
  // No point of the curve.
  CHECK_FALSE(crypto::ed25519_verify(public_key(std::string(64, 'f')), {}, {}));
}

TEST_CASE("a sealed box opens for its recipient and context only") {
  test::Random random("box");
  const crypto::PublicKey bob = crypto::x25519_public_key(kBob);
  for (const std::size_t size : {0, 1, 100}) {
    const Bytes plain = random.bytes(size);
    Bytes box;
    REQUIRE_OK(crypto::seal_box(bob, as_bytes("here"), plain, box));
    REQUIRE(box.size() == plain.size() + crypto::kBoxOverheadBytes);
    const std::optional<crypto::SecretBytes> opened = crypto::open_box(kBob, as_bytes("here"), box);
    REQUIRE(opened.has_value());
    CHECK(Bytes(opened->view().begin(), opened->view().end()) == plain);
    CHECK_FALSE(crypto::open_box(kBob, as_bytes("there"), box).has_value());
    CHECK_FALSE(crypto::open_box(kAlice, as_bytes("here"), box).has_value());
    for (std::size_t at = 0; at < box.size(); ++at) {
      // X25519 ignores the highest bit of a public key; the key derivation does not.
      for (const std::uint8_t bit : {0x01, 0x80}) {
        Bytes changed = box;
        changed[at] ^= bit;
        CHECK_FALSE(crypto::open_box(kBob, as_bytes("here"), changed).has_value());
      }
    }
    for (std::size_t cut = 0; cut < box.size(); ++cut)
      CHECK_FALSE(crypto::open_box(kBob, as_bytes("here"), ByteView(box).first(cut)).has_value());
    Bytes again;
    REQUIRE_OK(crypto::seal_box(bob, as_bytes("here"), plain, again));
    CHECK(again != box);
  }
}

TEST_CASE("a sealed box opens through a private key that is elsewhere") {
  const crypto::PublicKey bob = crypto::x25519_public_key(kBob);
  Bytes box;
  REQUIRE_OK(crypto::seal_box(bob, {}, as_bytes("text"), box));
  const auto agree = [](const crypto::PublicKey& peer) -> Result<crypto::Key256> {
    return crypto::x25519_agree(kBob, peer).value();
  };
  const auto opened = crypto::open_box(bob, agree, {}, box);
  REQUIRE_OK(opened);
  REQUIRE(opened.value().has_value());
  CHECK(as_text((*opened.value()).view()) == "text");
  const auto failing = [](const crypto::PublicKey&) -> Result<crypto::Key256> {
    return Status(Code::io, "the module does not answer");
  };
  REQUIRE_CODE(crypto::open_box(bob, failing, {}, box), io);
}

TEST_CASE("secrets are wiped") {
  alignas(crypto::Key256) unsigned char place[sizeof(crypto::Key256)];
  auto* const secret = new (place) crypto::Key256(kAlice);
  REQUIRE(secret->view()[0] == 0x77);
  secret->~Secret();
  CHECK(Bytes(place, place + sizeof place) == Bytes(sizeof place));

  Bytes bytes(64, 0x55);
  crypto::wipe(bytes);
  CHECK(bytes == Bytes(64));
  crypto::SecretBytes text(Bytes(3, 1));
  const crypto::SecretBytes moved = std::move(text);
  CHECK(moved.view().size() == 3);
  CHECK(text.view().empty());
}

TEST_CASE("a target without keys has one path too") {
  const crypto::ObjectSealer& plain = crypto::plain_sealer();
  const crypto::ObjectPlace place{crypto::ObjectKind::references, "sessions/x/content.ids"};
  const Result<Bytes> stored = plain.seal_whole(place, crypto::Audience::references, as_bytes("abc"));
  REQUIRE_OK(stored);
  CHECK(as_text(*stored) == "abc");
  const Result<Bytes> read = plain.open_whole(place, crypto::Audience::references, *stored);
  REQUIRE_OK(read);
  CHECK(as_text(*read) == "abc");
  CHECK_FALSE(plain.encrypts());
  CHECK(plain.key_id(crypto::Audience::content).is_none());
  Digest digest;
  digest.bytes.fill(3);
  CHECK(plain.content_id(digest) == digest);
  const Result<crypto::SignatureOf> signature = plain.sign(place, digest);
  REQUIRE_OK(signature);
  CHECK(signature->holder == 0);
  REQUIRE_OK(plain.verify(place, digest, *signature));
  REQUIRE_CODE(plain.open(place, crypto::Audience::content, Bytes(crypto::kEnvelopeBytes)), damaged);
}

TEST_CASE("a signature is read back as it was written, and in no other length") {
  crypto::SignatureOf signature{77, {}};
  signature.signature.fill(5);
  Bytes bytes = crypto::encode_signature(signature);
  REQUIRE(bytes.size() == crypto::kSignatureBytes);
  const Result<crypto::SignatureOf> read = crypto::decode_signature(bytes);
  REQUIRE_OK(read);
  CHECK(read->holder == 77);
  CHECK(read->signature == signature.signature);
  bytes.push_back(0);
  REQUIRE_CODE(crypto::decode_signature(bytes), damaged);
  REQUIRE_CODE(crypto::decode_signature({}), damaged);
}

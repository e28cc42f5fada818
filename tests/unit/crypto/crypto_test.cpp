#include "crypto/crypto.hpp"

#include <restante/content.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace restante;

namespace {

std::string sha256_hex(std::string_view text) { return crypto::sha256(as_bytes(text)).to_string(); }

std::string mac_hex(ByteView key, ByteView bytes) {
  return crypto::HmacSha256Key(key).mac(bytes).to_string();
}

}  // namespace

// FIPS 180-2, appendix B, and the empty message.
TEST_CASE("sha256: known vectors") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("Sha256: pieces, copies and reuse") {
  test::Random random("Sha256");
  const Bytes bytes = random.bytes(1000);
  const Digest whole = crypto::sha256(bytes);
  crypto::Sha256 sha;
  for (const std::size_t cut : {0, 1, 63, 64, 65, 500, 1000}) {
    sha.update(ByteView(bytes).first(cut));
    crypto::Sha256 copy = sha;
    sha.update(ByteView(bytes).subspan(cut));
    CHECK(sha.finish() == whole);
    // What the original does does not reach the copy.
    copy.update(ByteView(bytes).subspan(cut));
    CHECK(copy.finish() == whole);
  }
  CHECK(sha.finish() == crypto::sha256({}));

  crypto::Sha256 other;
  other.update(as_bytes("x"));
  sha.update(as_bytes("abc"));
  other = sha;
  CHECK(other.finish() == crypto::sha256(as_bytes("abc")));
  crypto::Sha256 moved = std::move(sha);
  CHECK(moved.finish() == crypto::sha256(as_bytes("abc")));
}

// RFC 4231
TEST_CASE("HmacSha256Key: known vectors") {
  CHECK(mac_hex(Bytes(20, 0x0b), as_bytes("Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(mac_hex(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(mac_hex(Bytes(20, 0xaa), Bytes(50, 0xdd)) ==
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  CHECK(mac_hex(Bytes(131, 0xaa), as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(
      mac_hex(Bytes(131, 0xaa),
              as_bytes("This is a test using a larger than block-size key and a larger than block-size data. "
                       "The key needs to be hashed before being used by the HMAC algorithm.")) ==
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST_CASE("HmacSha256Key: pieces equal the whole, also after the key has gone") {
  test::Random random("Mac");
  const Bytes bytes = random.bytes(777);
  auto key = std::make_unique<crypto::HmacSha256Key>(random.bytes(32));
  const Digest whole = key->mac(bytes);
  CHECK(key->mac(bytes) == whole);
  crypto::HmacSha256Key::Mac mac(*key);
  key.reset();
  for (const std::uint8_t& byte : bytes) mac.update({&byte, 1});
  CHECK(mac.finish() == whole);
}

TEST_CASE("HmacSha256Key: many threads, one key") {
  test::Random random("mac threads");
  const crypto::HmacSha256Key key(random.bytes(32));
  const Bytes bytes = random.bytes(100);
  const Digest expected = key.mac(bytes);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) count += key.mac(bytes) == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}

TEST_CASE("random_bytes: different each time, in a forked child too") {
  Bytes parent(32);
  Bytes again(32);
  REQUIRE_OK(crypto::random_bytes(parent));
  REQUIRE_OK(crypto::random_bytes(again));
  CHECK(parent != again);
  CHECK(parent != Bytes(32));
  REQUIRE_OK(crypto::random_bytes({}));

  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Bytes mine(32);
    const bool filled = crypto::random_bytes(mine).ok();
    const bool sent = ::write(ends[1], mine.data(), mine.size()) == 32;
    ::_exit(filled && sent ? 0 : 1);
  }
  REQUIRE_OK(crypto::random_bytes(again));
  Bytes of_child(32);
  CHECK(::read(ends[0], of_child.data(), of_child.size()) == 32);
  int how = 0;
  CHECK(::waitpid(child, &how, 0) == child);
  CHECK(how == 0);
  CHECK(of_child != again);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("equal_in_constant_time") {
  CHECK(crypto::equal_in_constant_time({}, {}));
  CHECK(crypto::equal_in_constant_time(as_bytes("abc"), as_bytes("abc")));
  CHECK_FALSE(crypto::equal_in_constant_time(as_bytes("abc"), as_bytes("abd")));
  CHECK_FALSE(crypto::equal_in_constant_time(as_bytes("abc"), as_bytes("ab")));
}

TEST_CASE("content_ref_of: SHA-256 and size") {
  const ContentRef content = content_ref_of(as_bytes("abc"));
  CHECK(content.digest.to_string() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(content.size == 3);
}

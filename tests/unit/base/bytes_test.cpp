#include <restante/bytes.hpp>

#include <unordered_set>

#include "support/catch.hpp"

using namespace restante;

TEST_CASE("hex: both ways") {
  const Bytes bytes = {0x00, 0x7f, 0x80, 0xff, 0xa5};
  CHECK(to_hex(bytes) == "007f80ffa5");
  CHECK(*from_hex("007f80ffa5") == bytes);
  CHECK(*from_hex("007F80FfA5") == bytes);
  CHECK(to_hex({}).empty());
  CHECK(from_hex("")->empty());
}

TEST_CASE("hex: every other character is refused") {
  REQUIRE_CODE(from_hex("0"), invalid_argument);
  REQUIRE_CODE(from_hex("abc"), invalid_argument);
  for (int c = 0; c < 256; ++c) {
    const std::string text = {'0', static_cast<char>(c)};
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    INFO(c);
    CHECK(from_hex(text).ok() == digit);
    CHECK(from_hex(std::string(text.rbegin(), text.rend())).ok() == digit);
  }
  CHECK(from_hex("0\n").status().message() == "'\\x0a' is not a hexadecimal digit");
}

TEST_CASE("Id128: text and back") {
  const std::string text = "000102030405060708090a0b0c0d0e0f";
  const Result<Id128> id = Id128::parse(text);
  REQUIRE_OK(id);
  CHECK(id->bytes[0] == 0x00);
  CHECK(id->bytes[15] == 0x0f);
  CHECK(id->to_string() == text);
  CHECK_FALSE(id->is_none());
  CHECK(Id128().is_none());
  CHECK(Id128().to_string() == std::string(32, '0'));
  for (const std::string& wrong : {std::string(), text.substr(2), text + "00", text.substr(1), text + "0",
                                   "g" + text.substr(1), " " + text.substr(1)}) {
    INFO(wrong);
    REQUIRE_CODE(Id128::parse(wrong), invalid_argument);
  }
}

TEST_CASE("Digest: text and back, order and hash") {
  const std::string text = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
  const Result<Digest> digest = Digest::parse(text);
  REQUIRE_OK(digest);
  CHECK(digest->to_string() == text);
  CHECK_FALSE(digest->is_zero());
  CHECK(Digest().is_zero());
  CHECK(Digest() < *digest);
  REQUIRE_CODE(Digest::parse(text.substr(2)), invalid_argument);
  REQUIRE_CODE(Digest::parse(text + "00"), invalid_argument);

  std::unordered_set<Digest> set = {Digest(), *digest, *digest};
  CHECK(set.size() == 2);
  CHECK(set.contains(*digest));
}

TEST_CASE("bytes and text: the same memory") {
  const std::string text = "a\0b";
  const ByteView bytes = as_bytes(text);
  CHECK(bytes.size() == text.size());
  CHECK(static_cast<const void*>(bytes.data()) == text.data());
  CHECK(as_text(bytes) == text);
}

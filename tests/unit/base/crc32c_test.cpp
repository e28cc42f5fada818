#include "base/crc32c.hpp"

#include "support/catch.hpp"

using namespace restante;

// RFC 3720 §B.4
TEST_CASE("crc32c: known vectors") {
  Bytes ascending(32);
  Bytes descending(32);
  for (std::uint8_t i = 0; i < 32; ++i) ascending[i] = i, descending[i] = static_cast<std::uint8_t>(31 - i);
  const Bytes read_command = *from_hex(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000"
      "0200000000000000");
  for (const auto crc : {base::crc32c, base::crc32c_portable}) {
    CHECK(crc({}, 0) == 0);
    CHECK(crc(as_bytes("123456789"), 0) == 0xe3069283);
    CHECK(crc(Bytes(32, 0x00), 0) == 0x8a9136aa);
    CHECK(crc(Bytes(32, 0xff), 0) == 0x62a8ab43);
    CHECK(crc(ascending, 0) == 0x46dd794e);
    CHECK(crc(descending, 0) == 0x113fdb5c);
    CHECK(crc(read_command, 0) == 0xd9963a56);
  }
}

TEST_CASE("crc32c: both ways of computing agree at every length and alignment") {
  test::Random random("crc32c");
  const Bytes bytes = random.bytes(300);
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; from + size <= bytes.size(); ++size) {
      const ByteView part = ByteView(bytes).subspan(from, size);
      REQUIRE(base::crc32c(part) == base::crc32c_portable(part));
    }
  }
}

TEST_CASE("crc32c: the seed continues") {
  test::Random random("crc32c seed");
  const Bytes bytes = random.bytes(1000);
  const std::uint32_t whole = base::crc32c(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const ByteView view(bytes);
    REQUIRE(base::crc32c(view.subspan(cut), base::crc32c(view.first(cut))) == whole);
  }
}

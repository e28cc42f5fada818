#include "base/wire.hpp"

#include <limits>

#include "support/catch.hpp"

using namespace restante;

namespace {

Bytes varint_of(std::uint64_t value) {
  Bytes bytes;
  base::ByteWriter(bytes).varint(value);
  return bytes;
}

bool reads_as_varint(std::string_view hex) {
  const Bytes bytes = *from_hex(hex);
  base::ByteReader reader(bytes);
  (void)reader.varint();
  return reader.ok();
}

}  // namespace

TEST_CASE("wire: the layout is pinned") {
  Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.u8(0x01);
  writer.u16(0x0302);
  writer.u32(0x07060504);
  writer.u64(0x0f0e0d0c0b0a0908);
  writer.i64(-2);
  writer.varint(300);
  writer.bytes(as_bytes("ab"));
  writer.text("");
  writer.raw(as_bytes("z"));
  CHECK(to_hex(bytes) ==
        "01"
        "0203"
        "04050607"
        "08090a0b0c0d0e0f"
        "feffffffffffffff"
        "ac02"
        "026162"
        "00"
        "7a");
}

TEST_CASE("wire: what was written is read") {
  Id128 id;
  id.bytes[3] = 9;
  Digest digest;
  digest.bytes[31] = 8;
  Bytes bytes = {0xee};  // a writer appends
  base::ByteWriter writer(bytes);
  writer.u8(255);
  writer.u16(65535);
  writer.u32(4294967295);
  writer.u64(std::numeric_limits<std::uint64_t>::max());
  writer.i64(std::numeric_limits<std::int64_t>::min());
  writer.varint(std::numeric_limits<std::uint64_t>::max());
  writer.text("Grüße");
  writer.raw(id);
  writer.raw(digest);

  base::ByteReader reader(bytes);
  CHECK(reader.u8() == 0xee);
  CHECK(reader.u8() == 255);
  CHECK(reader.u16() == 65535);
  CHECK(reader.u32() == 4294967295);
  CHECK(reader.u64() == std::numeric_limits<std::uint64_t>::max());
  CHECK(reader.i64() == std::numeric_limits<std::int64_t>::min());
  CHECK(reader.varint() == std::numeric_limits<std::uint64_t>::max());
  CHECK(reader.text() == "Grüße");
  CHECK(reader.id() == id);
  CHECK(reader.digest() == digest);
  CHECK(reader.ok());
  CHECK(reader.remaining() == 0);
}

TEST_CASE("wire: varints have one form") {
  CHECK(to_hex(varint_of(0)) == "00");
  CHECK(to_hex(varint_of(127)) == "7f");
  CHECK(to_hex(varint_of(128)) == "8001");
  CHECK(to_hex(varint_of(std::numeric_limits<std::uint64_t>::max())) == "ffffffffffffffffff01");
  for (int bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t value : {(std::uint64_t{1} << bit) - 1, std::uint64_t{1} << bit}) {
      const Bytes bytes = varint_of(value);
      CHECK(bytes.size() == base::varint_size(value));
      base::ByteReader reader(bytes);
      CHECK(reader.varint() == value);
      CHECK(reader.ok());
      CHECK(reader.remaining() == 0);
    }
  }
  CHECK_FALSE(reads_as_varint(""));
  CHECK_FALSE(reads_as_varint("80"));                    // cut short
  CHECK_FALSE(reads_as_varint("ffffffffffffffffff"));    // cut short
  CHECK_FALSE(reads_as_varint("8000"));                  // 0 in two bytes
  CHECK_FALSE(reads_as_varint("ff8000"));                // 127 in three bytes
  CHECK_FALSE(reads_as_varint("ffffffffffffffffff02"));  // 65 bits
  CHECK_FALSE(reads_as_varint("ffffffffffffffffff7f"));
  CHECK_FALSE(reads_as_varint("ffffffffffffffffff8100"));  // eleven bytes
  CHECK_FALSE(reads_as_varint("80808080808080808080808000"));
}

TEST_CASE("wire: a reader that failed stays failed") {
  const Bytes bytes = {1, 2, 3, 4, 5, 6, 7};
  base::ByteReader reader(bytes);
  CHECK(reader.u8() == 1);
  CHECK(reader.u64() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.remaining() == 0);
  CHECK(reader.u8() == 0);
  CHECK(reader.varint() == 0);
  CHECK(reader.bytes().empty());
  CHECK(reader.raw(1).empty());
  CHECK(reader.raw(0).empty());
  CHECK(reader.digest().is_zero());
  CHECK(reader.id().is_none());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("wire: a length beyond the end is a failure, however great") {
  for (const std::uint64_t length : {std::uint64_t{4}, std::numeric_limits<std::uint64_t>::max()}) {
    Bytes bytes = varint_of(length);
    base::ByteWriter(bytes).raw(as_bytes("abc"));
    base::ByteReader reader(bytes);
    CHECK(reader.bytes().empty());
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("wire: every cut of a message is noticed") {
  Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.u16(7);
  writer.text("hello");
  writer.varint(100'000);
  writer.i64(-1);
  const auto read = [](ByteView from) {
    base::ByteReader reader(from);
    (void)reader.u16();
    (void)reader.text();
    (void)reader.varint();
    (void)reader.i64();
    return reader.ok() && reader.remaining() == 0;
  };
  CHECK(read(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    CHECK_FALSE(read(ByteView(bytes).first(size)));
  }
}

TEST_CASE("wire: random bytes never read past their end") {
  test::Random random("wire");
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = random.bytes(static_cast<std::size_t>(random.below(64)));
    base::ByteReader reader(bytes);
    std::size_t before = reader.remaining();
    while (reader.ok() && reader.remaining() > 0) {
      switch (random.below(4)) {
        case 0: (void)reader.bytes(); break;
        case 1: (void)reader.varint(); break;
        case 2: (void)reader.u32(); break;
        default: (void)reader.raw(static_cast<std::size_t>(random.below(80)) + 1); break;
      }
      REQUIRE(reader.remaining() < before);
      before = reader.remaining();
    }
  }
}

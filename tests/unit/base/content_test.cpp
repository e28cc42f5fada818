#include <restante/content.hpp>

#include "support/catch.hpp"

using namespace restante;

namespace {

// Gives one byte a call, then fails or ends.
class Dripping final : public ContentReader {
 public:
  Dripping(std::size_t size, Status end) : left_(size), end_(std::move(end)) {}
  Result<std::size_t> read(MutableByteView buffer) override {
    if (left_ == 0 && !end_.ok()) return end_;
    if (left_ == 0 || buffer.empty()) return std::size_t{0};
    --left_;
    buffer[0] = 'x';
    return std::size_t{1};
  }

 private:
  std::size_t left_;
  Status end_;
};

}  // namespace

TEST_CASE("read_from_memory: in pieces, then 0 for ever") {
  const std::unique_ptr<ContentReader> reader = read_from_memory(as_bytes("abcde"));
  Bytes buffer(2);
  CHECK(*reader->read(buffer) == 2);
  CHECK(as_text(buffer) == "ab");
  CHECK(*reader->read(buffer) == 2);
  CHECK(as_text(buffer) == "cd");
  CHECK(*reader->read(buffer) == 1);
  CHECK(buffer[0] == 'e');
  CHECK(*reader->read(buffer) == 0);
  CHECK(*reader->read(buffer) == 0);
}

TEST_CASE("read_from_memory: owned bytes live as long as the reader") {
  std::unique_ptr<ContentReader> reader;
  {
    Bytes bytes(100'000, 'z');
    reader = read_from_memory(std::move(bytes));
  }
  const Result<Bytes> all = read_all(*reader);
  REQUIRE_OK(all);
  CHECK(*all == Bytes(100'000, 'z'));
}

TEST_CASE("read_all: sizes around its steps") {
  test::Random random("read_all");
  for (const std::size_t size : {0, 1, 65'535, 65'536, 65'537, 131'072, 1'000'000}) {
    const Bytes bytes = random.bytes(size);
    const Result<Bytes> all = read_all(*read_from_memory(ByteView(bytes)));
    REQUIRE_OK(all);
    CHECK(*all == bytes);
  }
}

TEST_CASE("read_all: short reads, failures and the limit") {
  Dripping slow(1000, Status());
  CHECK(read_all(slow)->size() == 1000);

  Dripping damaged(10, Status(Code::damaged, "wrong"));
  REQUIRE_CODE(read_all(damaged), damaged);

  const Bytes bytes(1000);
  REQUIRE_OK(read_all(*read_from_memory(ByteView(bytes)), 1000));
  REQUIRE_CODE(read_all(*read_from_memory(ByteView(bytes)), 999), no_space);
  REQUIRE_OK(read_all(*read_from_memory(ByteView()), 0));
}

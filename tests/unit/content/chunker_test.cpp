#include "content/chunker.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "crypto/crypto.hpp"
#include "support/catch.hpp"

namespace {

using namespace restante;
using namespace restante::content;
using restante::test::Random;

// Without structure, and the same wherever the tests run.
Bytes noise(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  std::uint64_t state = seed * 2 + 1;
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const std::uint64_t mixed = state ^ state >> 29;
    std::memcpy(bytes.data() + at, &mixed, 8);
  }
  return bytes;
}

std::vector<std::size_t> cuts_of(ByteView bytes) {
  std::vector<std::size_t> cuts;
  Chunker chunker;
  std::size_t at = 0;
  while (const std::size_t cut = chunker.next_cut(bytes.subspan(at))) cuts.push_back(at += cut);
  return cuts;
}

std::set<Digest> chunks_of(ByteView bytes) {
  std::set<Digest> chunks;
  std::size_t begin = 0;
  std::vector<std::size_t> cuts = cuts_of(bytes);
  cuts.push_back(bytes.size());
  for (const std::size_t end : cuts) {
    chunks.insert(crypto::sha256(bytes.subspan(begin, end - begin)));
    begin = end;
  }
  return chunks;
}

}  // namespace

TEST_CASE("chunker: chunks are within their bounds and about as long as they should be", "[content]") {
  const Bytes bytes = noise(96u << 20, 1);
  const std::vector<std::size_t> cuts = cuts_of(bytes);
  std::size_t begin = 0;
  std::size_t greatest = 0;
  for (const std::size_t end : cuts) {
    REQUIRE(end - begin >= kMinChunkBytes);
    REQUIRE(end - begin <= kMaxChunkBytes);
    greatest = std::max(greatest, end - begin);
    begin = end;
  }
  REQUIRE(greatest > kTargetChunkBytes);
  const std::size_t mean = begin / cuts.size();
  INFO(mean);
  REQUIRE(mean > kTargetChunkBytes * 3 / 4);
  REQUIRE(mean < kTargetChunkBytes * 5 / 4);
}

TEST_CASE("chunker: bytes that are all alike are cut at the greatest length", "[content]") {
  const Bytes bytes(9u << 20, 0);
  REQUIRE(cuts_of(bytes) == std::vector<std::size_t>{kMaxChunkBytes, 2 * kMaxChunkBytes});
}

TEST_CASE("chunker: cuts do not depend on how the bytes are given", "[content]") {
  Random random("chunker cuts");
  const Bytes bytes = noise(12u << 20, 2);
  const std::vector<std::size_t> expected = cuts_of(bytes);
  REQUIRE(expected.size() >= 3);
  for (const std::size_t greatest : {std::size_t{1000}, std::size_t{64 * 1024}, std::size_t{3u << 20}}) {
    std::vector<std::size_t> cuts;
    Chunker chunker;
    for (std::size_t at = 0; at < bytes.size();) {
      const auto step =
          static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size() - at, random.between(1, greatest)));
      ByteView given = ByteView(bytes).subspan(at, step);
      while (const std::size_t cut = chunker.next_cut(given)) {
        cuts.push_back(at + step - given.size() + cut);
        given = given.subspan(cut);
      }
      at += step;
    }
    REQUIRE(cuts == expected);
  }
}

TEST_CASE("chunker: what is inserted costs the chunks around it, not those behind", "[content]") {
  const Bytes bytes = noise(32u << 20, 3);
  Bytes changed = noise(1000, 4);
  changed.insert(changed.end(), bytes.begin(), bytes.end());
  changed.insert(changed.begin() + (17 << 20), 3, std::uint8_t{7});
  const std::set<Digest> before = chunks_of(bytes);
  const std::set<Digest> after = chunks_of(changed);
  std::vector<Digest> common;
  std::set_intersection(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(common));
  INFO(common.size() << " of " << before.size());
  REQUIRE(common.size() * 2 > before.size());
}

TEST_CASE("chunker: the cuts are those of every version", "[content]") {
  // Other cuts lose nothing, but everything large would be stored once more.
  const Bytes bytes = noise(16u << 20, 5);
  REQUIRE(cuts_of(bytes) == std::vector<std::size_t>{1459709, 2810462, 4258977, 6493097, 7900135, 11452927,
                                                     12717806, 13823999, 15875765});
}

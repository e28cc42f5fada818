#include "content/pack_format.hpp"

#include "base/crc32c.hpp"
#include "base/limits.hpp"
#include "base/wire.hpp"
#include "content/pack_builder.hpp"
#include "content/recipe.hpp"
#include "content_fixture.hpp"

namespace {

using namespace restante;
using namespace restante::content;
using restante::test::kTarget;

const PackIdentity kIdentity{kTarget, *Id128::parse("0123456789abcdef0123456789abcdef")};

}  // namespace

TEST_CASE("pack format: keys", "[content]") {
  CHECK(pack_key(kIdentity.pack) == "content/packs/01/0123456789abcdef0123456789abcdef.pack");
  CHECK(*pack_of_key(pack_key(kIdentity.pack)) == kIdentity.pack);
  for (const char* key : {"", "content/packs/", "content/packs/01/0123456789abcdef0123456789abcdef",
                          "content/packs/02/0123456789abcdef0123456789abcdef.pack",
                          "content/packs/01/0123456789ABCDEF0123456789abcdef.pack",
                          "content/packs/01/0123456789abcdef0123456789abcdef.pack/x"}) {
    REQUIRE_CODE(pack_of_key(key), invalid_argument);
  }
}

TEST_CASE("pack format: later versions, features and keys are named as such", "[content]") {
  const Bytes header = encode_header({kIdentity, {}});
  REQUIRE(header.size() == kPackHeaderBytes);
  CHECK(*decode_header(header) == PackHeader{kIdentity, {}});
  for (const std::size_t at : {std::size_t{8}, std::size_t{12}, std::size_t{32}}) {
    Bytes changed = header;
    changed[at] ^= 2;
    REQUIRE_CODE(decode_header(changed), damaged);
    changed.resize(kPackHeaderBytes - 4);
    base::ByteWriter(changed).u32(base::crc32c(changed));
    // A key without the feature that says so, or the reverse, is no header at all.
    REQUIRE(decode_header(changed).status().code() == (at == 32 ? Code::damaged : Code::unsupported));
  }
  const PackHeader sealed{kIdentity, kIdentity.target};
  CHECK(*decode_header(encode_header(sealed)) == sealed);
  CHECK(sealed.length() == kPackHeaderBytes + crypto::kEnvelopeBytes);
  Bytes optional = header;
  optional[64] = 1;  // an optional feature is no obstacle
  optional.resize(kPackHeaderBytes - 4);
  base::ByteWriter(optional).u32(base::crc32c(optional));
  REQUIRE_OK(decode_header(optional));
}

TEST_CASE("pack format: a block is good in its place only", "[content]") {
  Block block;
  block.number = 3;
  block.raw = 5;
  block.stored = as_bytes("hello");
  Bytes pack(80);
  append_block(pack, kIdentity, block);
  const Bytes bytes(pack.begin() + 80, pack.end());
  REQUIRE_OK(decode_block(kIdentity, 80, bytes));
  CHECK(*open_block(*decode_block(kIdentity, 80, bytes), 5) ==
        Bytes(block.stored.begin(), block.stored.end()));
  REQUIRE_CODE(decode_block(kIdentity, 81, bytes), damaged);
  REQUIRE_CODE(decode_block({kIdentity.pack, kIdentity.pack}, 80, bytes), damaged);
  REQUIRE_CODE(decode_block({kIdentity.target, kIdentity.target}, 80, bytes), damaged);
  REQUIRE_CODE(open_block(*decode_block(kIdentity, 80, bytes), 4), damaged);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE_CODE(decode_block(kIdentity, 80, ByteView(bytes).first(size)), damaged);
  }
}

TEST_CASE("pack format: a frame that decompresses to more than it says is damaged", "[content]") {
  const Bytes zeros(64 << 20);
  const Bytes stored = compress(zeros, 3);
  Block bomb;
  bomb.compressed = true;
  bomb.stored = stored;
  for (const std::uint32_t claimed : {0u, 100u, 5u << 20, 64u << 20, UINT32_MAX}) {
    bomb.raw = claimed;
    REQUIRE_CODE(open_block(bomb, base::kMaxContentFrameBytes), damaged);
  }
}

TEST_CASE("pack format: tables, indexes and recipes that do not add up", "[content]") {
  REQUIRE_OK(decode_frame_table(encode_frame_table({})));
  Bytes table = encode_frame_table({{kBytesPart, {}, 3}, {kRecipePart, {}, 2}});
  REQUIRE_CODE(decode_frame_table(table), damaged);
  table.insert(table.end(), 5, 'x');
  CHECK(decode_frame_table(table)->parts.size() == 2);
  CHECK(decode_frame_table(table)->data_offset == table.size() - 5);
  table.push_back('x');
  REQUIRE_CODE(decode_frame_table(table), damaged);
  Bytes huge;
  base::ByteWriter(huge).varint(UINT64_MAX);
  REQUIRE_CODE(decode_frame_table(huge), damaged);

  const Segment three{.part_length = 3};
  const Segment text{.kind = Segment::Kind::bytes, .bytes = Bytes(4, 'a')};
  const Segment lines{.kind = Segment::Kind::base64, .part_length = 100, .shape = {76, true, true}};
  Recipe recipe;
  for (const Segment& segment : {three, text, lines}) recipe.add(segment);
  CHECK(recipe.size == 3 + 4 + 76 + 2 + 60 + 2);
  CHECK(*decode_recipe(encode_recipe(recipe)) == recipe);
  const auto of = [](std::uint64_t size, const Segment& segment) { return Recipe{size, {segment}}; };
  for (const Recipe& wrong :
       {Recipe{0, {}}, Recipe{recipe.size - 1, recipe.segments}, Recipe{recipe.size + 1, recipe.segments},
        of(3, {}), of(2, {.part_length = UINT64_MAX}), of(3, {.kind = Segment::Kind::bytes}),
        of(3, {.kind = Segment::Kind::base64, .shape = {76, false, true}}),
        of(UINT64_MAX,
           {.kind = Segment::Kind::base64, .part_length = UINT64_MAX - 4, .shape = {76, false, true}}),
        of(139, {.kind = Segment::Kind::base64, .part_length = 100, .shape = {75, false, false}}),
        of(139, {.kind = Segment::Kind::base64, .part_length = 100, .shape = {0, false, false}})}) {
    REQUIRE_CODE(decode_recipe(encode_recipe(wrong)), damaged);
  }
  Bytes later = encode_recipe(recipe);
  later[2] = 4;
  REQUIRE_CODE(decode_recipe(later), unsupported);
  REQUIRE_CODE(decode_recipe({}), damaged);
}

TEST_CASE("pack format: random bytes never pass", "[content]") {
  test::Random random("format");
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = random.bytes(random.below(400));
    CHECK_FALSE(decode_header(bytes).ok());
    CHECK_FALSE(decode_footer(bytes).ok());
    CHECK_FALSE(decode_block(kIdentity, 80, bytes).ok());
    (void)decode_frame_table(bytes).ok();
    (void)decode_recipe(bytes).ok();
    Footer footer;
    (void)decode_index(bytes, footer).ok();
  }
}

TEST_CASE("pack builder: frames hold whole parts", "[content]") {
  Compressor compressor(3);
  FrameBuilder frame;
  const auto made = PackBuilder::make(kIdentity, crypto::plain_sealer());
  REQUIRE_OK(made);
  PackBuilder& builder = **made;
  CHECK(builder.empty());
  const Bytes small(60, 'a');
  const Bytes large(1000, 'b');
  frame.add(kBytesPart, Digest{}, small);
  frame.add(kRecipePart, Digest{{1}}, small);
  CHECK(frame.size() == 120);
  REQUIRE_OK(builder.append(frame.close(compressor)));
  CHECK(frame.empty());
  frame.add(kBytesPart, Digest{}, large);
  REQUIRE_OK(builder.append(frame.close(compressor)));
  CHECK(builder.part_count() == 3);
  const std::size_t bound = builder.size_bound();
  const Result<PackBuilder::Finished> finished = builder.finish(compressor);
  REQUIRE_OK(finished);
  const PackBuilder::Finished& pack = *finished;
  CHECK(pack.bytes.size() <= bound);
  CHECK(pack.index.frames.size() == 2);
  CHECK(pack.index.parts[1].frame == 0);
  CHECK(pack.index.parts[2].frame == 1);
  const Result<Footer> footer = decode_footer(ByteView(pack.bytes).last(kPackFooterBytes));
  REQUIRE_OK(footer);
  CHECK(footer->pack_length == pack.bytes.size());
}

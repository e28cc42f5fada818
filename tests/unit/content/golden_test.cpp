// Packs of every version so far are read exactly, and damaged ones as they always were.
// To make them anew for a new version: RESTANTE_WRITE_GOLDEN=1, with the old ones kept.

#include <cstdlib>
#include <fstream>

#include "base/text.hpp"
#include "content/pack_builder.hpp"
#include "content/pack_index.hpp"
#include "content/recipe.hpp"
#include "content_fixture.hpp"

namespace {

using namespace restante;
using namespace restante::content;
using namespace restante::test;

const std::string kGolden = RESTANTE_GOLDEN_DIR "/content/";
const Site kSite{kTarget, crypto::plain_sealer()};
const PackIdentity kIdentity{kTarget, *Id128::parse("0123456789abcdef0123456789abcdef")};

Bytes slurp(const std::string& name) {
  std::ifstream file(kGolden + name, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  return Bytes(text.begin(), text.end());
}

void spill(const std::string& name, ByteView bytes) {
  std::ofstream file(kGolden + name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Bytes bytes_of(std::string_view text) { return Bytes(text.begin(), text.end()); }

Bytes golden_mail() {
  std::string text = "From: alice@example.com\r\nTo: bob@example.com\r\nSubject: golden\r\n\r\n";
  for (int line = 1; line <= 20; ++line)
    text += "This is line " + std::to_string(line) + " of the message.\r\n";
  return bytes_of(text);
}

Bytes golden_noise() {
  Bytes bytes;
  for (std::uint32_t i = 0, x = 1; i < 200; ++i) {
    x = x * 1664525 + 1013904223;
    bytes.push_back(static_cast<std::uint8_t>(x >> 24));
  }
  return bytes;
}

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

constexpr Base64Shape kGoldenShape{60, true, true};

// Whole contents, in the order of the pack; the last one is a recipe of two of the others, with base64 of
// one.
std::vector<Bytes> golden_contents() {
  Bytes last = joined(golden_mail(), bytes_of("--b\r\n\r\n"));
  encode_base64_lines(golden_noise(), kGoldenShape, last);
  return {Bytes(), bytes_of("hello, restante\r\n"), golden_mail(), golden_noise(),
          joined(last, golden_noise())};
}

Recipe golden_recipe(const std::vector<Bytes>& contents) {
  const ContentRef mail = content_ref_of(contents[2]);
  const ContentRef noise = content_ref_of(contents[3]);
  Recipe recipe;
  recipe.add({.part = mail.digest, .part_length = mail.size});
  recipe.add({.kind = Segment::Kind::bytes, .bytes = bytes_of("--b\r\n\r\n")});
  recipe.add({.kind = Segment::Kind::base64,
              .part = noise.digest,
              .part_length = noise.size,
              .shape = kGoldenShape});
  recipe.add({.part = noise.digest, .part_length = noise.size});
  return recipe;
}

Bytes build(const std::vector<Bytes>& contents, bool with_recipe) {
  Compressor compressor(3);
  const auto made = PackBuilder::make(kIdentity, crypto::plain_sealer());
  REQUIRE_OK(made);
  PackBuilder& builder = **made;
  FrameBuilder frame;
  const auto add = [&](std::uint8_t kind, const Digest& id, ByteView bytes) {
    if (frame.size() + bytes.size() > 300 && !frame.empty())
      REQUIRE_OK(builder.append(frame.close(compressor)));
    frame.add(kind, id, bytes);
  };
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const Digest id = content_ref_of(contents[i]).digest;
    if (!with_recipe || i + 1 < contents.size()) {
      add(kBytesPart, id, contents[i]);
      continue;
    }
    add(kRecipePart, id, encode_recipe(golden_recipe(contents)));
  }
  REQUIRE_OK(builder.append(frame.close(compressor)));
  return builder.finish(compressor)->bytes;
}

std::string list_of(const Index& index) {
  std::string text;
  for (std::size_t i = 0; i < index.frames.size(); ++i) {
    const Frame& frame = index.frames[i];
    text += base::cat("frame ", i, " offset ", frame.offset, " stored ", frame.stored, " raw ", frame.raw,
                      " crc ", frame.crc, "\n");
  }
  for (const Part& part : index.parts) {
    text += base::cat("part ", part.id.to_string(), " kind ", static_cast<int>(part.kind), " frame ",
                      part.frame, " offset ", part.offset, " length ", part.length, "\n");
  }
  return text;
}

void write_golden() {
  const Bytes pack = build(golden_contents(), true);
  spill("version-1.pack", pack);
  spill("example.pack", build({bytes_of("hello, restante\r\n")}, false));
  const auto memory = make_memory_storage();
  REQUIRE_OK(memory->put(pack_key(kIdentity.pack), pack));
  const Result<Index> index = read_index(*memory, kSite, {kIdentity.pack, pack.size()});
  REQUIRE_OK(index);
  spill("version-1.txt", as_bytes(list_of(*index)));

  const auto changed = [&](const std::string& name, std::size_t at) {
    Bytes bytes = pack;
    bytes[at] ^= 0x20;
    spill(name, bytes);
  };
  changed("damaged-header.pack", 20);
  changed("damaged-frame.pack", index->frames[1].offset + 60);
  changed("damaged-index.pack", pack.size() - kPackFooterBytes - 10);
  changed("damaged-footer.pack", pack.size() - kPackFooterBytes + 90);
  spill("cut-off.pack", ByteView(pack).first(index->frames[2].offset + 30));
}

// A store in which the file is the only pack.
struct GoldenStore {
  explicit GoldenStore(const std::string& name) {
    const Bytes bytes = slurp(name);
    REQUIRE_FALSE(bytes.empty());
    REQUIRE_OK(storage->put(pack_key(kIdentity.pack), bytes));
    store = open_store(storage, small_packs(scratch));
  }
  std::string readable() {
    std::string which;
    for (const Bytes& bytes : golden_contents()) {
      const Result<Bytes> got = get(*store, content_ref_of(bytes));
      which += got.ok() && *got == bytes ? 'y' : 'n';
    }
    return which;
  }
  std::size_t damages() {
    const auto verified = store->verify(true);
    REQUIRE_OK(verified);
    return verified->damages.size();
  }

  ScratchDir scratch;
  std::shared_ptr<Storage> storage = make_memory_storage();
  std::unique_ptr<ContentStore> store;
};

}  // namespace

TEST_CASE("golden: packs of version 1 are read exactly", "[content]") {
  if (std::getenv("RESTANTE_WRITE_GOLDEN") != nullptr) write_golden();
  GoldenStore golden("version-1.pack");
  CHECK(golden.readable() == "yyyyy");
  CHECK(golden.damages() == 0);
  const StoredPack pack{kIdentity.pack, slurp("version-1.pack").size()};
  const Result<Index> index = read_index(*golden.storage, kSite, pack);
  REQUIRE_OK(index);
  CHECK(list_of(*index) == std::string(as_text(slurp("version-1.txt"))));
  const Result<Index> salvaged = salvage_index(*golden.storage, kSite, pack);
  REQUIRE_OK(salvaged);
  CHECK(*salvaged == *index);

  GoldenStore example("example.pack");
  CHECK(example.readable() == "nynnn");
}

TEST_CASE("golden: the parts of a pack are encoded as they were", "[content]") {
  // What zstd makes of a frame may change with its version; what it is given may not.
  GoldenStore golden("version-1.pack");
  const Bytes written = build(golden_contents(), true);
  const Bytes old = slurp("version-1.pack");
  CHECK(std::equal(old.begin(), old.begin() + kPackHeaderBytes, written.begin()));
  for (const Bytes* pack : {&old, &written}) {
    const Result<Block> first =
        decode_block(kIdentity, kPackHeaderBytes, ByteView(*pack).subspan(kPackHeaderBytes));
    REQUIRE_OK(first);
    CHECK(*open_block(*first, 1000) == joined({2, 0, 0, 0, 17}, bytes_of("hello, restante\r\n")));
  }
}

TEST_CASE("golden: damaged packs give what they have", "[content]") {
  const auto readable = [](const char* name) {
    GoldenStore golden(name);
    CHECK(golden.damages() == 1);
    return golden.readable();
  };
  CHECK(readable("damaged-header.pack") == "yyyyy");
  CHECK(readable("damaged-frame.pack") == "yynyn");
  CHECK(readable("damaged-index.pack") == "yyyyy");
  CHECK(readable("damaged-footer.pack") == "yyyyy");
  CHECK(readable("cut-off.pack") == "yyynn");
}

#include "content/recipe.hpp"

#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::content {
namespace {

constexpr std::uint8_t kPartOperation = 1;

}  // namespace

Bytes encode_recipe(const Recipe& recipe) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.varint(recipe.size);
  for (const Segment& segment : recipe.segments) {
    writer.u8(kPartOperation);
    writer.raw(segment.part);
    writer.varint(segment.length);
  }
  return out;
}

Result<Recipe> decode_recipe(ByteView bytes) {
  base::ByteReader reader(bytes);
  Recipe recipe;
  recipe.size = reader.varint();
  std::uint64_t left = recipe.size;
  while (reader.ok() && reader.remaining() > 0) {
    const std::uint8_t operation = reader.u8();
    if (operation != kPartOperation) {
      return Status(Code::unsupported, base::cat("a recipe has operation ", operation),
                    "a newer version of restante may know it");
    }
    Segment segment;
    segment.part = reader.digest();
    segment.length = reader.varint();
    // No empty ones: then the number of segments is bounded by the size, and reading always gets on.
    if (segment.length == 0 || segment.length > left) reader.fail();
    left -= segment.length;
    if (reader.ok()) recipe.segments.push_back(segment);
  }
  if (!reader.ok() || left != 0 || recipe.segments.empty())
    return Status(Code::damaged, "a recipe does not add up");
  return recipe;
}

}  // namespace restante::content

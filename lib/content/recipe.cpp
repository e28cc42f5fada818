#include "content/recipe.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::content {
namespace {

constexpr std::uint8_t kCrLf = 1;
constexpr std::uint8_t kLastLineEnded = 2;

void read_base64(base::ByteReader& reader, Segment& segment) {
  const std::uint64_t width = reader.varint();
  const std::uint8_t flags = reader.u8();
  const auto fits = static_cast<std::uint32_t>(std::min<std::uint64_t>(width, kMaxBase64Width + 1));
  segment.shape = {fits, (flags & kCrLf) != 0, (flags & kLastLineEnded) != 0};
  if (!is_sound(segment.shape) || (flags & ~(kCrLf | kLastLineEnded)) != 0) reader.fail();
}

}  // namespace

std::uint64_t Segment::length() const {
  switch (kind) {
    case Kind::bytes: return bytes.size();
    case Kind::base64: return encoded_length(part_length, shape);
    case Kind::part: break;
  }
  return part_length;
}

void Recipe::add(Segment segment) {
  size += segment.length();
  segments.push_back(std::move(segment));
}

Bytes encode_recipe(const Recipe& recipe) {
  Bytes out;
  base::ByteWriter writer(out);
  writer.varint(recipe.size);
  for (const Segment& segment : recipe.segments) {
    writer.u8(static_cast<std::uint8_t>(segment.kind));
    if (segment.kind == Segment::Kind::bytes) {
      writer.bytes(segment.bytes);
      continue;
    }
    writer.raw(segment.part);
    writer.varint(segment.part_length);
    if (segment.kind != Segment::Kind::base64) continue;
    writer.varint(segment.shape.width);
    writer.u8(static_cast<std::uint8_t>((segment.shape.crlf ? kCrLf : 0) |
                                        (segment.shape.last_line_ended ? kLastLineEnded : 0)));
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
    if (operation < 1 || operation > 3) {
      return Status(Code::unsupported, base::cat("a recipe has operation ", operation),
                    "a newer version of restante may know it");
    }
    Segment segment;
    segment.kind = static_cast<Segment::Kind>(operation);
    if (segment.kind == Segment::Kind::bytes) {
      const ByteView inlined = reader.bytes();
      segment.bytes.assign(inlined.begin(), inlined.end());
    } else {
      segment.part = reader.digest();
      segment.part_length = reader.varint();
      if (segment.kind == Segment::Kind::base64) read_base64(reader, segment);
      // A part is never longer than what it yields; compared first, so that no length overflows.
      if (segment.part_length > left) reader.fail();
    }
    if (!reader.ok()) break;
    // No empty ones: then the number of segments is bounded by the size, and reading always gets on.
    const std::uint64_t length = segment.length();
    if (length == 0 || length > left) reader.fail();
    left -= length;
    recipe.segments.push_back(std::move(segment));
  }
  if (!reader.ok() || left != 0 || recipe.segments.empty())
    return Status(Code::damaged, "a recipe does not add up");
  return recipe;
}

}  // namespace restante::content

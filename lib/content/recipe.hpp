#pragma once
// How content is made of parts <-> bytes (docs/format/content.md, "Recipes"). Pure.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <vector>

namespace restante::content {

struct Segment {
  Digest part;
  std::uint64_t length = 0;
  bool operator==(const Segment&) const = default;
};

/// The segments' bytes behind each other.
struct Recipe {
  std::uint64_t size = 0;
  std::vector<Segment> segments;
  bool operator==(const Recipe&) const = default;
};

[[nodiscard]] Bytes encode_recipe(const Recipe& recipe);
/// `damaged`, or `unsupported` for an operation of a later version.
[[nodiscard]] Result<Recipe> decode_recipe(ByteView bytes);

}  // namespace restante::content

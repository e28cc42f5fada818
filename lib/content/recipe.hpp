#pragma once
// How content is made of parts <-> bytes (docs/format/content.md, "Recipes"). Pure.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <cstdint>
#include <vector>

#include "content/base64_lines.hpp"

namespace restante::content {

/// A stretch of content and where its bytes come from.
struct Segment {
  enum class Kind : std::uint8_t {
    part = 1,    // the content that `part` names
    bytes = 2,   // `bytes`, in the recipe itself
    base64 = 3,  // the content that `part` names, as lines of base64
  };

  Kind kind = Kind::part;
  Digest part{};
  std::uint64_t part_length = 0;
  Base64Shape shape{};  // of base64 only
  Bytes bytes{};

  bool operator==(const Segment&) const = default;
  /// Of what it yields.
  [[nodiscard]] std::uint64_t length() const;
  [[nodiscard]] bool names_part() const { return kind != Kind::bytes; }
};

/// The segments' bytes behind each other.
struct Recipe {
  std::uint64_t size = 0;
  std::vector<Segment> segments;
  bool operator==(const Recipe&) const = default;

  void add(Segment segment);
};

[[nodiscard]] Bytes encode_recipe(const Recipe& recipe);
/// `damaged`, or `unsupported` for an operation of a later version.
[[nodiscard]] Result<Recipe> decode_recipe(ByteView bytes);

}  // namespace restante::content

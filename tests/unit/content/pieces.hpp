#pragma once
// Collects what a splitter makes of a message, and puts it together again.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "content/mime_splitter.hpp"
#include "support/catch.hpp"

namespace restante::test {

struct Piece {
  content::PieceKind kind = content::PieceKind::glue;
  Bytes bytes;  // decoded
  content::Base64Shape shape;
  bool operator==(const Piece&) const = default;
};

/// Keeps the pieces, and requires that they are begun and ended in order.
class PieceCollector final : public content::PieceSink {
 public:
  Status begin(content::PieceKind kind, const content::Base64Shape& shape) override {
    REQUIRE(!open_);
    open_ = true;
    pieces.push_back({kind, {}, kind == content::PieceKind::base64 ? shape : content::Base64Shape{}});
    return {};
  }
  Status bytes(ByteView bytes) override {
    REQUIRE(open_);
    REQUIRE(!bytes.empty());
    Bytes& all = pieces.back().bytes;
    all.insert(all.end(), bytes.begin(), bytes.end());
    return {};
  }
  Status end(bool last_line_ended) override {
    REQUIRE(open_);
    open_ = false;
    if (pieces.back().kind == content::PieceKind::base64)
      pieces.back().shape.last_line_ended = last_line_ended;
    return {};
  }

  std::vector<Piece> pieces;

 private:
  bool open_ = false;
};

inline std::vector<Piece> split(std::string_view message) {
  PieceCollector sink;
  content::MimeSplitter splitter(sink);
  REQUIRE_OK(splitter.feed(as_bytes(message)));
  REQUIRE_OK(splitter.end());
  return sink.pieces;
}

inline std::string joined(const std::vector<Piece>& pieces) {
  Bytes all;
  for (const Piece& piece : pieces) {
    if (piece.kind == content::PieceKind::base64) {
      content::encode_base64_lines(piece.bytes, piece.shape, all);
    } else {
      all.insert(all.end(), piece.bytes.begin(), piece.bytes.end());
    }
  }
  return std::string(as_text(all));
}

}  // namespace restante::test

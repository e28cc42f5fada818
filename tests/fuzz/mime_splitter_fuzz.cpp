// Messages, whatever they are: the pieces are exactly the message and do not depend on how it is fed, and
// what is held of it is bounded. The first two bytes say how long the feeds are.

#include <algorithm>

#include "content/mime_splitter.hpp"
#include "fuzz.hpp"

using namespace restante;
using namespace restante::content;

namespace {

struct Piece {
  PieceKind kind;
  Bytes bytes;
  Base64Shape shape;
  bool operator==(const Piece&) const = default;
};

class Collector final : public PieceSink {
 public:
  Status begin(PieceKind kind, const Base64Shape& shape) override {
    MUST(!open_);
    open_ = true;
    pieces.push_back({kind, {}, kind == PieceKind::base64 ? shape : Base64Shape{}});
    return {};
  }
  Status bytes(ByteView bytes) override {
    MUST(open_ && !bytes.empty());
    Bytes& all = pieces.back().bytes;
    all.insert(all.end(), bytes.begin(), bytes.end());
    return {};
  }
  Status end(bool last_line_ended) override {
    MUST(open_ && !pieces.back().bytes.empty());
    open_ = false;
    if (pieces.back().kind == PieceKind::base64) pieces.back().shape.last_line_ended = last_line_ended;
    return {};
  }
  [[nodiscard]] bool ended() const { return !open_; }

  std::vector<Piece> pieces;

 private:
  bool open_ = false;
};

std::vector<Piece> split(ByteView message, std::size_t step) {
  Collector sink;
  MimeSplitter splitter(sink);
  while (!message.empty()) {
    const std::size_t size = std::min(step, message.size());
    MUST(splitter.feed(message.first(size)).ok());
    MUST(splitter.held_bytes() <= kMaxHeldBytes);
    message = message.subspan(size);
  }
  MUST(splitter.end().ok());
  MUST(sink.ended() && sink.pieces.size() <= kMaxPieces);
  return sink.pieces;
}

void check(ByteView message, std::size_t step) {
  const std::vector<Piece> pieces = split(message, message.size() + 1);
  Bytes joined;
  for (const Piece& piece : pieces) {
    if (piece.kind == PieceKind::base64) {
      MUST(is_sound(piece.shape));
      const std::size_t before = joined.size();
      encode_base64_lines(piece.bytes, piece.shape, joined);
      MUST(joined.size() - before == encoded_length(piece.bytes.size(), piece.shape));
    } else {
      joined.insert(joined.end(), piece.bytes.begin(), piece.bytes.end());
    }
  }
  MUST(std::ranges::equal(joined, message));
  MUST(split(message, step) == pieces);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  check(ByteView(data + 2, size - 2), 1u + data[0] + 256u * (data[1] % 16));
  return 0;
}

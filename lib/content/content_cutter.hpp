#pragma once
// Cuts content into the parts that it is stored as, and writes down how they make it again.
//
// Mail is cut along its MIME structure (mime_splitter.hpp): what two deliveries or two senders of one thing
// have in common becomes parts of its own, with base64 decoded; what belongs to this message alone stands in
// the recipe. Large parts are cut by their content (chunker.hpp). Nothing is left to the splitter's good
// faith: what the recipe yields is compared with what came in.

#include <restante/bytes.hpp>
#include <restante/content.hpp>
#include <restante/status.hpp>

#include <optional>

#include "content/chunker.hpp"
#include "content/mime_splitter.hpp"
#include "content/recipe.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {

/// Parts that compress alike lie together; recipes lie apart from what they name, because who looks whether
/// content is there reads them alone.
enum class PartClass : std::uint8_t { recipe, text, binary };
inline constexpr std::size_t kPartClasses = 3;

class PartTaker {
 public:
  virtual ~PartTaker() = default;
  /// The id, in the target, of what has this SHA-256.
  [[nodiscard]] virtual Digest id_of(const Digest& digest) const = 0;
  /// `content` is what the part stands for, by its id; at most base::kContentChunkBytes. False if it is there
  /// already.
  [[nodiscard]] virtual Result<bool> take(PartClass part_class, std::uint8_t kind, const ContentRef& content,
                                          ByteView bytes) = 0;
};

/// Compares what a recipe yields with the content: byte for byte where that is in memory, else by its digest.
class Proof {
 public:
  Proof() = default;
  explicit Proof(ByteView original) : original_(original) {}

  void add(ByteView bytes);
  /// Asked once, at the end.
  [[nodiscard]] bool holds(const ContentRef& content);

 private:
  std::optional<ByteView> original_;  // what is left of it
  bool differs_ = false;
  std::uint64_t size_ = 0;
  crypto::Sha256 digest_;
};

/// One content at a time; after a failure the next one begins anew.
class ContentCutter : private PieceSink {
 public:
  explicit ContentCutter(PartTaker& taker) : taker_(taker) {}

  /// The parts are taken, the recipe is not: it is for the caller to keep. It may name the content itself, as
  /// its only part.
  [[nodiscard]] Result<Recipe> cut(ByteView whole, const ContentRef& content);

  /// The same for content that is not in memory at once and whose id is known at its end.
  void begin();
  [[nodiscard]] Status feed(ByteView bytes);
  [[nodiscard]] Result<Recipe> end(const ContentRef& content);

  /// Whether any part of the last content was not there before.
  [[nodiscard]] bool took_any() const { return took_any_; }

 private:
  [[nodiscard]] Status begin(PieceKind kind, const Base64Shape& shape) override;
  [[nodiscard]] Status bytes(ByteView bytes) override;
  [[nodiscard]] Status end(bool last_line_ended) override;

  void begin_with(Proof proof);
  [[nodiscard]] Status take_part(PartClass part_class, std::uint8_t kind, const ContentRef& content,
                                 ByteView bytes);
  [[nodiscard]] Result<ContentRef> take_open();
  [[nodiscard]] Status take_chunk();
  [[nodiscard]] Status take_piece(Segment& segment);

  PartTaker& taker_;
  std::optional<MimeSplitter> splitter_;
  Recipe recipe_;
  Proof proof_;
  bool took_any_ = false;

  // The open piece.
  PieceKind kind_ = PieceKind::glue;
  Base64Shape shape_;
  std::optional<Base64LineEncoder> encoder_;
  Bytes lines_;           // that the encoder made
  Bytes open_;            // the open chunk
  Recipe chunks_;         // those before it …
  crypto::Sha256 whole_;  // … and the digest of all
  Chunker chunker_;
};

}  // namespace restante::content

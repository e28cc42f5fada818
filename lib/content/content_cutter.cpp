#include "content/content_cutter.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "content/pack_format.hpp"

namespace restante::content {
namespace {

// What belongs to one message alone stands in its recipe, unless it is so much that it would be in the way of
// who reads recipes only.
constexpr std::size_t kMostInlineBytes = 4096;

}  // namespace

// --- Proof --------------------------------------------------------------------------------------------

void Proof::add(ByteView bytes) {
  size_ += bytes.size();
  if (!original_) return digest_.update(bytes);
  const std::size_t size = std::min(bytes.size(), original_->size());
  differs_ = differs_ || size < bytes.size() || !std::equal(bytes.begin(), bytes.end(), original_->begin());
  original_ = original_->subspan(size);
}

bool Proof::holds(const ContentRef& content) {
  if (size_ != content.size) return false;
  return original_ ? !differs_ : digest_.finish() == content.digest;
}

// --- Whole contents -----------------------------------------------------------------------------------

Result<Recipe> ContentCutter::cut(ByteView whole, const ContentRef& content) {
  begin_with(Proof(whole));
  if (Status fed = feed(whole); !fed.ok()) return fed;
  return end(content);
}

void ContentCutter::begin() { begin_with(Proof()); }

void ContentCutter::begin_with(Proof proof) {
  proof_ = std::move(proof);
  recipe_ = {};
  took_any_ = false;
  splitter_.emplace(static_cast<PieceSink&>(*this));
}

Status ContentCutter::feed(ByteView bytes) { return splitter_->feed(bytes); }

Result<Recipe> ContentCutter::end(const ContentRef& content) {
  if (Status ended = splitter_->end(); !ended.ok()) return ended;
  if (!proof_.holds(content)) {
    return Status(Code::internal, base::cat("content ", content.digest.to_string(), " of ", content.size,
                                            " bytes does not come back from the parts that it was cut into"));
  }
  return std::move(recipe_);
}

// --- Pieces -------------------------------------------------------------------------------------------

Status ContentCutter::begin(PieceKind kind, const Base64Shape& shape) {
  kind_ = kind;
  shape_ = shape;
  encoder_.reset();
  if (kind == PieceKind::base64) encoder_.emplace(shape);
  open_.clear();
  chunks_ = {};
  chunker_ = {};
  return {};
}

Status ContentCutter::bytes(ByteView bytes) {
  if (encoder_) {
    lines_.clear();
    encoder_->encode(bytes, lines_);
    proof_.add(lines_);
  } else {
    proof_.add(bytes);
  }
  while (const std::size_t cut = chunker_.next_cut(bytes)) {
    open_.insert(open_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
    bytes = bytes.subspan(cut);
    if (Status taken = take_chunk(); !taken.ok()) return taken;
  }
  open_.insert(open_.end(), bytes.begin(), bytes.end());
  return {};
}

Status ContentCutter::end(bool last_line_ended) {
  Segment segment;
  if (encoder_) {
    lines_.clear();
    encoder_->finish(last_line_ended, lines_);
    proof_.add(lines_);
    shape_.last_line_ended = last_line_ended;
    segment.kind = Segment::Kind::base64;
    segment.shape = shape_;
  }
  if (Status taken = take_piece(segment); !taken.ok()) return taken;
  recipe_.add(std::move(segment));
  return {};
}

Status ContentCutter::take_part(PartClass part_class, std::uint8_t kind, const ContentRef& content,
                                ByteView bytes) {
  const Result<bool> taken = taker_.take(part_class, kind, content, bytes);
  took_any_ = took_any_ || (taken.ok() && *taken);
  return taken.status();
}

Result<ContentRef> ContentCutter::take_open() {
  const ContentRef chunk{taker_.id_of(crypto::sha256(open_)), open_.size()};
  const PartClass part_class = kind_ == PieceKind::base64 ? PartClass::binary : PartClass::text;
  if (Status taken = take_part(part_class, kBytesPart, chunk, open_); !taken.ok()) return taken;
  return chunk;
}

Status ContentCutter::take_chunk() {
  const Result<ContentRef> chunk = take_open();
  if (!chunk.ok()) return chunk.status();
  if (chunks_.segments.empty()) whole_ = {};
  whole_.update(open_);
  chunks_.add({.part = chunk->digest, .part_length = chunk->size});
  open_.clear();
  return {};
}

// What the open piece is to its content: bytes of the recipe, a part, or a part that is a recipe of chunks.
Status ContentCutter::take_piece(Segment& segment) {
  const bool is_chunked = !chunks_.segments.empty();
  if (kind_ == PieceKind::glue && !is_chunked && open_.size() <= kMostInlineBytes) {
    segment.kind = Segment::Kind::bytes;
    segment.bytes = open_;
    return {};
  }
  if (!is_chunked) {
    const Result<ContentRef> part = take_open();
    if (!part.ok()) return part.status();
    segment.part = part->digest;
    segment.part_length = part->size;
    return {};
  }
  if (!open_.empty()) {
    if (Status taken = take_chunk(); !taken.ok()) return taken;
  }
  const ContentRef piece{taker_.id_of(whole_.finish()), chunks_.size};
  segment.part = piece.digest;
  segment.part_length = piece.size;
  const Bytes encoded = encode_recipe(chunks_);
  if (encoded.size() > base::kContentChunkBytes)
    return Status(Code::no_space,
                  base::cat("content of more than ", piece.size, " bytes is larger than any may be"));
  return take_part(PartClass::recipe, kRecipePart, piece, encoded);
}

}  // namespace restante::content

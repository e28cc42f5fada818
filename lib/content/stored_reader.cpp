#include "content/stored_reader.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "content/pack_format.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

class StoredReader final : public ContentReader {
 public:
  StoredReader(std::shared_ptr<PartStore> store, const ContentRef& content)
      : store_(std::move(store)), content_(content) {}

  Result<std::size_t> read(MutableByteView buffer) override {
    if (buffer.empty()) return std::size_t{0};
    while (failure_.ok() && left_.empty() && !ended_) failure_ = load_next();
    if (!failure_.ok()) return failure_;
    const std::size_t size = std::min(buffer.size(), left_.size());
    std::copy_n(left_.begin(), size, buffer.begin());
    left_ = left_.subspan(size);
    return size;
  }

 private:
  // A recipe and how far it was followed.
  struct Cursor {
    Recipe recipe;
    std::size_t next = 0;
  };

  Status damaged(std::string_view what) const {
    return Status(Code::damaged, base::cat("content ", content_.digest.to_string(), ' ', what));
  }

  // Goes one step on: makes bytes ready, enters or leaves a recipe, or finds the end.
  Status load_next() {
    if (!begun_) {
      begun_ = true;
      return enter(content_.digest, content_.size);
    }
    if (encoder_ && cursors_.size() == encoder_depth_) return end_lines();
    if (cursors_.empty()) {
      ended_ = true;
      return {};
    }
    Cursor& cursor = cursors_.back();
    if (cursor.next < cursor.recipe.segments.size()) return follow(cursor.recipe.segments[cursor.next++]);
    cursors_.pop_back();
    return {};
  }

  Status follow(const Segment& segment) {
    if (segment.kind == Segment::Kind::bytes) return deliver(segment.bytes);
    if (segment.kind == Segment::Kind::base64) {
      if (encoder_) return damaged("is base64 of base64");
      shape_ = segment.shape;
      encoder_.emplace(segment.shape);
      encoder_depth_ = cursors_.size();
    }
    return enter(Digest(segment.part), segment.part_length);
  }

  Status enter(const Digest& id, std::uint64_t length) {
    Result<LoadedPart> part = store_->load(id);
    if (!part.ok()) return missing_is_damage(part.status());
    if (part->kind == kBytesPart) {
      if (part->bytes.size() != length) return damaged("has another size than was recorded");
      part_ = std::move(*part);
      return deliver(part_.bytes);
    }
    Result<Recipe> recipe = decode_recipe(part->bytes);
    if (!recipe.ok()) return recipe.status().with_context(base::cat("content ", id.to_string()));
    if (recipe->size != length) return damaged("has another size than was recorded");
    if (cursors_.size() == base::kMaxRecipeDepth) return damaged("is nested too deep");
    cursors_.push_back({std::move(*recipe)});
    return {};
  }

  // Content whose recipe is there and whose parts are not is damaged, not absent.
  Status missing_is_damage(const Status& failure) const {
    if (cursors_.empty() || failure.code() != Code::not_found) return failure;
    return Status(Code::damaged,
                  base::cat("content ", content_.digest.to_string(), " lacks a part: ", failure.message()));
  }

  Status deliver(ByteView bytes) {
    if (!encoder_) return give(bytes);
    lines_.clear();
    encoder_->encode(bytes, lines_);
    return give(lines_);
  }

  Status end_lines() {
    lines_.clear();
    encoder_->finish(shape_.last_line_ended, lines_);
    encoder_.reset();
    return give(lines_);
  }

  // The store compared a part with its id; content of several parts is compared here as a whole, before its
  // last bytes are given away.
  Status give(ByteView bytes) {
    left_ = bytes;
    if (cursors_.empty()) {
      ended_ = bytes.empty();
      return {};
    }
    whole_.update(bytes);
    given_ += bytes.size();
    if (given_ < content_.size) return {};
    if (given_ > content_.size || (!bytes.empty() && store_->id_of(whole_.finish()) != content_.digest))
      return damaged("has another digest than its id");
    return {};
  }

  const std::shared_ptr<PartStore> store_;
  const ContentRef content_;
  bool begun_ = false;
  bool ended_ = false;
  Status failure_;
  std::vector<Cursor> cursors_;
  LoadedPart part_;
  // Of the base64 segment that is being followed, with the depth of its recipe.
  std::optional<Base64LineEncoder> encoder_;
  std::size_t encoder_depth_ = 0;
  Base64Shape shape_;
  Bytes lines_;
  ByteView left_;  // of the part, the recipe or the lines
  crypto::Sha256 whole_;
  std::uint64_t given_ = 0;
};

}  // namespace

std::unique_ptr<ContentReader> read_stored(std::shared_ptr<PartStore> store, const ContentRef& content) {
  return std::make_unique<StoredReader>(std::move(store), content);
}

}  // namespace restante::content

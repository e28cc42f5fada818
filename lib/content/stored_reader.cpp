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
    if (failure_.ok() && left_.empty() && !ended_) failure_ = load_next();
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

  // Makes the next bytes ready, or finds the end.
  Status load_next() {
    if (!begun_) {
      begun_ = true;
      return enter(content_.digest, content_.size);
    }
    while (!cursors_.empty() && cursors_.back().next == cursors_.back().recipe.segments.size()) {
      cursors_.pop_back();
    }
    if (cursors_.empty()) {
      ended_ = true;
      return {};
    }
    Cursor& cursor = cursors_.back();
    const Segment segment = cursor.recipe.segments[cursor.next++];
    return enter(segment.part, segment.length);
  }

  // Goes into a part down to the first one with bytes.
  Status enter(Digest id, std::uint64_t length) {
    for (;;) {
      Result<LoadedPart> part = store_->load(id);
      if (!part.ok()) return missing_is_damage(part.status());
      if (part->kind == kBytesPart) return deliver(std::move(*part), length);
      Result<Recipe> recipe = decode_recipe(part->bytes);
      if (!recipe.ok()) return recipe.status().with_context(base::cat("content ", id.to_string()));
      if (recipe->size != length) return damaged("has another size than was recorded");
      if (cursors_.size() == base::kMaxRecipeDepth) return damaged("is nested too deep");
      id = recipe->segments.front().part;
      length = recipe->segments.front().length;
      cursors_.push_back({std::move(*recipe), 1});
    }
  }

  // Content whose recipe is there and whose parts are not is damaged, not absent.
  Status missing_is_damage(const Status& failure) const {
    if (cursors_.empty() || failure.code() != Code::not_found) return failure;
    return Status(Code::damaged,
                  base::cat("content ", content_.digest.to_string(), " lacks a part: ", failure.message()));
  }

  Status deliver(LoadedPart part, std::uint64_t length) {
    if (part.bytes.size() != length) return damaged("has another size than was recorded");
    // The store compared a part with its id; content of several parts is compared here as a whole.
    if (!cursors_.empty()) {
      whole_.update(part.bytes);
      delivered_ += length;
      if (delivered_ == content_.size && whole_.finish() != content_.digest) {
        return damaged("has another digest than its id");
      }
    }
    part_ = std::move(part);
    left_ = part_.bytes;
    if (left_.empty()) ended_ = true;  // only empty content has an empty part
    return {};
  }

  const std::shared_ptr<PartStore> store_;
  const ContentRef content_;
  bool begun_ = false;
  bool ended_ = false;
  Status failure_;
  std::vector<Cursor> cursors_;
  LoadedPart part_;
  ByteView left_;  // of it
  crypto::Sha256 whole_;
  std::uint64_t delivered_ = 0;
};

}  // namespace

std::unique_ptr<ContentReader> read_stored(std::shared_ptr<PartStore> store, const ContentRef& content) {
  return std::make_unique<StoredReader>(std::move(store), content);
}

}  // namespace restante::content

#include "content/content_writer.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/text.hpp"
#include "content/pack_builder.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

// Cuts what a reader answers into chunks, and knows whether another one follows.
class Chunks {
 public:
  /// `buffer` has the length of a chunk.
  Chunks(ContentReader& reader, MutableByteView buffer) : reader_(reader), buffer_(buffer) {}

  /// Reads the next chunk. All but the last are of full length; only empty content has an empty one.
  Status next() {
    size_ = 0;
    if (has_ahead_) buffer_[size_++] = ahead_;
    has_ahead_ = false;
    while (size_ < buffer_.size()) {
      const Result<std::size_t> got = reader_.read(buffer_.subspan(size_));
      if (!got.ok()) return got.status();
      if (*got == 0) return {};
      size_ += *got;
    }
    const Result<std::size_t> got = reader_.read({&ahead_, 1});
    if (!got.ok()) return got.status();
    has_ahead_ = *got == 1;
    return {};
  }
  [[nodiscard]] bool more() const { return has_ahead_; }
  [[nodiscard]] ByteView chunk() const { return buffer_.first(size_); }

 private:
  ContentReader& reader_;
  const MutableByteView buffer_;
  std::size_t size_ = 0;
  std::uint8_t ahead_ = 0;
  bool has_ahead_ = false;
};

class Writer final : public ContentWriter {
 public:
  explicit Writer(std::shared_ptr<PartStore> store)
      : store_(std::move(store)), compressor_(store_->options().zstd_level) {}

  Result<ContentRef> put(ContentReader& reader, const ContentRef* expected) override {
    if (Status healthy = usable(); !healthy.ok()) return healthy;
    Chunks chunks(reader, buffer_);
    if (Status read = chunks.next(); !read.ok()) return read;
    Result<ContentRef> put =
        chunks.more() ? put_chunks(chunks, expected) : put_whole(chunks.chunk(), expected);
    if (!put.ok()) return put;
    ++stats_.contents_seen;
    stats_.bytes_seen += put->size;
    return put;
  }

  Result<bool> has(const ContentRef& content) override {
    if (Status healthy = usable(); !healthy.ok()) return healthy;
    const auto found = unflushed_.find(content.digest);
    if (found != unflushed_.end()) return found->second == content.size;
    return store_->has(content, PartStore::Need::reliable);
  }

  Status flush() override {
    if (Status healthy = usable(); !healthy.ok()) return healthy;
    if (Status sealed = seal(); !sealed.ok()) return sealed;
    return commit();
  }

  WriteStats stats() const override { return stats_; }

 private:
  // What was put after the last sync may be lost although the storage took it; only a new writer knows
  // again what is there (R7).
  Status usable() const {
    if (failure_.ok()) return {};
    return Status(Code::poisoned, base::cat("an earlier write failed: ", failure_.message()),
                  "begin again with a new writer");
  }

  Status poison(Status failure) {
    failure_ = failure;
    return failure;
  }

  static Status compare(const ContentRef& content, const ContentRef* expected) {
    if (expected == nullptr || *expected == content) return {};
    return Status(Code::damaged,
                  base::cat("content that should be ", expected->digest.to_string(), " with ", expected->size,
                            " bytes is ", content.digest.to_string(), " with ", content.size));
  }

  Result<ContentRef> put_whole(ByteView bytes, const ContentRef* expected) {
    const ContentRef content{crypto::sha256(bytes), bytes.size()};
    if (Status same = compare(content, expected); !same.ok()) return same;
    const Result<bool> is_new = add_if_new(kBytesPart, content, bytes);
    if (!is_new.ok()) return is_new.status();
    if (*is_new) count_new(content);
    return content;
  }

  // Content of several parts, the first of which is read.
  Result<ContentRef> put_chunks(Chunks& chunks, const ContentRef* expected) {
    if (Status begun = begin_pack(); !begun.ok()) return begun;
    const Id128 pack = builder_->identity().pack;
    const PackBuilder::Mark mark = builder_->mark();
    Result<ContentRef> put = put_recipe(chunks, expected);
    if (put.ok() || !failure_.ok() || !builder_) return put;
    // Whole packs that were put meanwhile stay; what is in them is content of its own, only without a user.
    const bool same_pack = builder_->identity().pack == pack;
    const PackBuilder::Mark back = same_pack ? mark : PackBuilder::Mark{kPackHeaderBytes, 0, 0};
    for (const Digest& id : builder_->roll_back(back)) unflushed_.erase(id);
    return put;
  }

  Result<ContentRef> put_recipe(Chunks& chunks, const ContentRef* expected) {
    crypto::Sha256 whole;
    Recipe recipe;
    for (;;) {
      whole.update(chunks.chunk());
      const ContentRef chunk{crypto::sha256(chunks.chunk()), chunks.chunk().size()};
      recipe.segments.push_back({chunk.digest, chunk.size});
      recipe.size += chunk.size;
      const Result<bool> added = add_if_new(kBytesPart, chunk, chunks.chunk());
      if (!added.ok()) return added.status();
      if (!chunks.more()) break;
      if (Status read = chunks.next(); !read.ok()) return read;
    }
    const ContentRef content{whole.finish(), recipe.size};
    if (Status same = compare(content, expected); !same.ok()) return same;
    const Bytes encoded = encode_recipe(recipe);
    if (encoded.size() > base::kContentChunkBytes) {
      return Status(Code::no_space,
                    base::cat("content of ", content.size, " bytes is larger than any may be"));
    }
    const Result<bool> is_new = add_if_new(kRecipePart, content, encoded);
    if (!is_new.ok()) return is_new.status();
    if (*is_new) count_new(content);
    return content;
  }

  void count_new(const ContentRef& content) {
    ++stats_.contents_new;
    stats_.bytes_new += content.size;
  }

  // `content` is what the part stands for. True if it was stored by this call.
  Result<bool> add_if_new(std::uint8_t kind, const ContentRef& content, ByteView bytes) {
    if (unflushed_.contains(content.digest)) return false;
    const Result<bool> known = store_->has_part(content.digest, PartStore::Need::reliable);
    if (!known.ok()) return known;
    if (*known) return false;
    if (Status begun = begin_pack(); !begun.ok()) return begun;
    builder_->add(kind, content.digest, bytes);
    unflushed_.emplace(content.digest, content.size);
    const bool full = builder_->size_bound() >= store_->options().pack_bytes ||
                      builder_->part_count() >= base::kMaxPackParts;
    if (full) {
      if (Status sealed = seal(); !sealed.ok()) return sealed;
    }
    return true;
  }

  Status begin_pack() {
    if (builder_) return {};
    const Result<Id128> pack = Id128::random();
    if (!pack.ok()) return pack.status();
    const StoreOptions& options = store_->options();
    builder_.emplace(PackIdentity{options.target_id, *pack}, compressor_, options.frame_bytes);
    return {};
  }

  // Ends the open pack and puts it.
  Status seal() {
    if (!builder_ || builder_->empty()) return {};
    const Id128 id = builder_->identity().pack;
    PackBuilder::Finished pack = builder_->finish();
    builder_.reset();
    const Status put = store_->storage().put_if_absent(pack_key(id), pack.bytes);
    if (!put.ok()) return poison(put);
    stats_.bytes_stored += pack.bytes.size();
    unsynced_.push_back(
        {id, catalog::Trust::durable, std::move(pack.index.frames), std::move(pack.index.parts)});
    return unsynced_.size() < base::kMaxUnflushedPacks ? Status() : commit();
  }

  // Only what is durable enters the catalog: whoever finds a part there need not store it again.
  Status commit() {
    if (unsynced_.empty()) return {};
    if (Status synced = store_->storage().sync(); !synced.ok()) return poison(synced);
    if (Status added = store_->catalog().add(unsynced_); !added.ok()) return poison(added);
    for (const catalog::Pack& pack : unsynced_) {
      for (const Part& part : pack.parts) unflushed_.erase(part.id);
    }
    unsynced_.clear();
    return {};
  }

  const std::shared_ptr<PartStore> store_;
  Compressor compressor_;
  std::optional<PackBuilder> builder_;
  std::vector<catalog::Pack> unsynced_;                  // put, not synced
  std::unordered_map<Digest, std::uint64_t> unflushed_;  // contents and chunks in those and in the builder
  Bytes buffer_ = Bytes(base::kContentChunkBytes);
  WriteStats stats_;
  Status failure_;
};

}  // namespace

std::unique_ptr<ContentWriter> make_writer(std::shared_ptr<PartStore> store) {
  return std::make_unique<Writer>(std::move(store));
}

}  // namespace restante::content

#include "content/content_writer.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/text.hpp"
#include "content/content_cutter.hpp"
#include "content/frame_builder.hpp"
#include "content/pack_builder.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

// Two frames fit into any pack.
constexpr std::size_t kMostFrameParts = base::kMaxPackParts / 2;

// Lets many in, and one who wants to be alone once those have left. Nobody enters while he waits, so that he
// is not kept out for ever.
class Gate {
 public:
  class Visit {
   public:
    explicit Visit(Gate& gate) : gate_(gate) { gate_.enter(); }
    ~Visit() { gate_.leave(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    Gate& gate_;
  };
  class Closure {
   public:
    explicit Closure(Gate& gate) : gate_(gate) { gate_.close(); }
    ~Closure() { gate_.open(); }
    Closure(const Closure&) = delete;
    Closure& operator=(const Closure&) = delete;

   private:
    Gate& gate_;
  };

 private:
  void enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !closed_; });
    ++inside_;
  }
  void leave() {
    const std::scoped_lock lock(mutex_);
    if (--inside_ == 0) changed_.notify_all();
  }
  void close() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !closed_; });
    closed_ = true;
    changed_.wait(lock, [&] { return inside_ == 0; });
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t inside_ = 0;
  bool closed_ = false;
};

class Writer;

// What one `put` works with: its own open frames, so that compressing is not done under a lock.
class Lane final : public PartTaker {
 public:
  explicit Lane(Writer& writer, int zstd_level) : writer_(writer), compressor_(zstd_level), cutter_(*this) {}

  [[nodiscard]] Digest id_of(const Digest& digest) const override;
  [[nodiscard]] Result<bool> take(PartClass part_class, std::uint8_t kind, const ContentRef& content,
                                  ByteView bytes) override;
  [[nodiscard]] Status close_frames();
  [[nodiscard]] ContentCutter& cutter() { return cutter_; }
  /// The length of a chunk.
  [[nodiscard]] MutableByteView buffer() { return buffer_; }

 private:
  [[nodiscard]] Status close(FrameBuilder& frame);

  Writer& writer_;
  Compressor compressor_;
  ContentCutter cutter_;
  std::array<FrameBuilder, kPartClasses> frames_;
  Bytes buffer_ = Bytes(base::kContentChunkBytes);
};

class Writer final : public ContentWriter {
 public:
  explicit Writer(std::shared_ptr<PartStore> store) : store_(std::move(store)) {}

  Result<ContentRef> put(ContentReader& reader, const ContentRef* expected) override {
    Result<ContentRef> put = put_or_poison(reader, expected);
    if (!put.ok()) return put;
    bool flush_now = false;
    {
      const std::scoped_lock lock(mutex_);
      ++stats_.contents_seen;
      stats_.bytes_seen += put->size;
      flush_now = unsynced_.size() >= base::kMaxUnflushedPacks;
    }
    if (flush_now) {
      if (Status flushed = flush(); !flushed.ok()) return flushed;
    }
    return put;
  }

  Result<bool> has(const ContentRef& content) override {
    {
      const std::scoped_lock lock(mutex_);
      if (!failure_.ok()) return poisoned();
      const auto found = unflushed_.find(id_of(content.digest));
      if (found != unflushed_.end()) return found->second == content.size;
    }
    return store_->has(content, PartStore::Need::reliable);
  }

  Status flush() override {
    const Gate::Closure alone(gate_);
    {
      const std::scoped_lock lock(mutex_);
      if (!failure_.ok()) return poisoned();
    }
    for (const std::unique_ptr<Lane>& lane : free_lanes_) {
      if (Status closed = lane->close_frames(); !closed.ok()) return closed;
    }
    if (Status sealed = seal(); !sealed.ok()) return sealed;
    return commit();
  }

  WriteStats stats() const override {
    const std::scoped_lock lock(mutex_);
    return stats_;
  }

  // --- For lanes ---

  [[nodiscard]] std::size_t frame_bytes(PartClass part_class) const {
    return part_class == PartClass::recipe
               ? std::min<std::size_t>(kRecipeFrameBytes, store_->options().frame_bytes)
               : store_->options().frame_bytes;
  }

  [[nodiscard]] Digest id_of(const Digest& digest) const { return store_->id_of(digest); }

  // `content` has its id. True for the one who is to store the part: it is nowhere, and nobody else is about
  // to store it.
  Result<bool> claim(const ContentRef& content) {
    {
      const std::scoped_lock lock(mutex_);
      if (unflushed_.contains(content.digest)) return false;
    }
    const Result<bool> known = store_->has_part(content.digest, PartStore::Need::reliable);
    if (!known.ok() || *known) return known.ok() ? Result<bool>(false) : known;
    const std::scoped_lock lock(mutex_);
    return unflushed_.emplace(content.digest, content.size).second;
  }

  // What fails here takes parts along that were promised to others.
  Status append(const ClosedFrame& frame) {
    std::unique_ptr<PackBuilder> full;
    {
      const std::scoped_lock lock(pack_mutex_);
      if (builder_ && builder_->part_count() + frame.parts.size() > base::kMaxPackParts) full.swap(builder_);
      if (!builder_) {
        if (Status begun = begin_pack(); !begun.ok()) return poison(begun);
      }
      if (Status appended = builder_->append(frame); !appended.ok()) return poison(appended);
      if (!full && builder_->size_bound() >= store_->options().pack_bytes) full.swap(builder_);
    }
    return full ? put_pack(*full) : Status();
  }

 private:
  // What was put after the last sync may be lost although the storage took it; only a new writer knows
  // again what is there (R7).
  Status poisoned() const {
    return Status(Code::poisoned, base::cat("an earlier write failed: ", failure_.message()),
                  "begin again with a new writer");
  }

  Status poison(const Status& failure) {
    const std::scoped_lock lock(mutex_);
    if (failure_.ok()) failure_ = failure;
    return failure;
  }

  static Status compare(const ContentRef& content, const ContentRef* expected) {
    if (expected == nullptr || *expected == content) return {};
    return Status(Code::damaged,
                  base::cat("content that should be ", expected->digest.to_string(), " with ", expected->size,
                            " bytes is ", content.digest.to_string(), " with ", content.size));
  }

  // What is thrown, for want of memory, may take parts along that others rely upon already.
  Result<ContentRef> put_or_poison(ContentReader& reader, const ContentRef* expected) {
    try {
      return put_in_lane(reader, expected);
    } catch (...) {
      (void)poison(Status(Code::no_memory, "content was not written to its end"));
      throw;
    }
  }

  Result<ContentRef> put_in_lane(ContentReader& reader, const ContentRef* expected) {
    const Gate::Visit visit(gate_);
    std::unique_ptr<Lane> lane;
    {
      const std::scoped_lock lock(mutex_);
      if (!failure_.ok()) return poisoned();
      if (!free_lanes_.empty()) {
        lane = std::move(free_lanes_.back());
        free_lanes_.pop_back();
      }
    }
    if (!lane) lane = std::make_unique<Lane>(*this, store_->options().zstd_level);
    Result<ContentRef> put = put_with(*lane, reader, expected);
    const std::scoped_lock lock(mutex_);
    free_lanes_.push_back(std::move(lane));
    return put;
  }

  Result<ContentRef> put_with(Lane& lane, ContentReader& reader, const ContentRef* expected) {
    const Result<std::size_t> first = fill(reader, lane.buffer());
    if (!first.ok()) return first.status();
    const ByteView bytes = lane.buffer().first(*first);
    return bytes.size() < lane.buffer().size() ? put_whole(lane, bytes, expected)
                                               : put_stream(lane, bytes, reader, expected);
  }

  // Fewer bytes than fit only at the reader's end.
  static Result<std::size_t> fill(ContentReader& reader, MutableByteView buffer) {
    std::size_t size = 0;
    while (size < buffer.size()) {
      const Result<std::size_t> got = reader.read(buffer.subspan(size));
      if (!got.ok()) return got;
      if (*got == 0) break;
      size += *got;
    }
    return size;
  }

  Result<ContentRef> put_whole(Lane& lane, ByteView bytes, const ContentRef* expected) {
    const ContentRef content{crypto::sha256(bytes), bytes.size()};
    if (Status same = compare(content, expected); !same.ok()) return same;
    const Result<bool> known = has(content);
    if (!known.ok()) return known.status();
    if (*known) return content;
    const Result<Recipe> recipe = lane.cutter().cut(bytes, content);
    if (!recipe.ok()) return recipe.status();
    // A recipe that names no part would only be a longer way to say it.
    const bool names_parts = std::any_of(recipe->segments.begin(), recipe->segments.end(),
                                         [](const Segment& segment) { return segment.names_part(); });
    if (names_parts) return keep(lane, *recipe, content);
    return keep_as(lane, PartClass::text, kBytesPart, content, bytes);
  }

  Result<ContentRef> put_stream(Lane& lane, ByteView bytes, ContentReader& reader,
                                const ContentRef* expected) {
    crypto::Sha256 whole;
    std::uint64_t size = 0;
    lane.cutter().begin();
    while (!bytes.empty()) {
      whole.update(bytes);
      size += bytes.size();
      if (Status fed = lane.cutter().feed(bytes); !fed.ok()) return fed;
      const Result<std::size_t> next = fill(reader, lane.buffer());
      if (!next.ok()) return next.status();
      bytes = lane.buffer().first(*next);
    }
    const ContentRef content{whole.finish(), size};
    const Result<Recipe> recipe = lane.cutter().end(content);
    if (!recipe.ok()) return recipe.status();
    if (Status same = compare(content, expected); !same.ok()) return same;
    return keep(lane, *recipe, content);
  }

  Result<ContentRef> keep(Lane& lane, const Recipe& recipe, const ContentRef& content) {
    const Segment& first = recipe.segments.front();
    if (recipe.segments.size() == 1 && first.kind == Segment::Kind::part) {  // it is a part itself
      if (lane.cutter().took_any()) count_new(content);
      return content;
    }
    const Bytes encoded = encode_recipe(recipe);
    if (encoded.size() > base::kContentChunkBytes) {
      return Status(Code::no_space,
                    base::cat("content of ", content.size, " bytes is larger than any may be"));
    }
    return keep_as(lane, PartClass::recipe, kRecipePart, content, encoded);
  }

  Result<ContentRef> keep_as(Lane& lane, PartClass part_class, std::uint8_t kind, const ContentRef& content,
                             ByteView bytes) {
    const Result<bool> is_new = lane.take(part_class, kind, {id_of(content.digest), content.size}, bytes);
    if (!is_new.ok()) return is_new.status();
    if (*is_new) count_new(content);
    return content;
  }

  void count_new(const ContentRef& content) {
    const std::scoped_lock lock(mutex_);
    ++stats_.contents_new;
    stats_.bytes_new += content.size;
  }

  Status begin_pack() {
    const Result<Id128> pack = Id128::random();
    if (!pack.ok()) return pack.status();
    Result<std::unique_ptr<PackBuilder>> builder =
        PackBuilder::make({store_->options().target_id, *pack}, store_->sealer());
    if (!builder.ok()) return builder.status();
    builder_ = std::move(*builder);
    return {};
  }

  // Ends the open pack and puts it.
  Status seal() {
    std::unique_ptr<PackBuilder> last;
    {
      const std::scoped_lock lock(pack_mutex_);
      last.swap(builder_);
    }
    return last && !last->empty() ? put_pack(*last) : Status();
  }

  Status put_pack(PackBuilder& builder) {
    const Id128& id = builder.id();
    Compressor compressor(store_->options().zstd_level);
    Result<PackBuilder::Finished> pack = builder.finish(compressor);
    if (!pack.ok()) return poison(pack.status());
    const Status put = store_->storage().put_if_absent(pack_key(id), pack->bytes);
    if (!put.ok()) return poison(put);
    const std::scoped_lock lock(mutex_);
    stats_.bytes_stored += pack->bytes.size();
    unsynced_.push_back(
        {id, catalog::Trust::durable, std::move(pack->index.frames), std::move(pack->index.parts)});
    return {};
  }

  // Only what is durable enters the catalog: whoever finds a part there need not store it again.
  Status commit() {
    if (unsynced_.empty()) return {};
    if (Status synced = store_->storage().sync(); !synced.ok()) return poison(synced);
    if (Status added = store_->catalog().add(unsynced_); !added.ok()) return poison(added);
    const std::scoped_lock lock(mutex_);
    unflushed_.clear();
    unsynced_.clear();
    return {};
  }

  const std::shared_ptr<PartStore> store_;
  Gate gate_;  // closed by `flush`

  std::mutex pack_mutex_;
  std::unique_ptr<PackBuilder> builder_;

  mutable std::mutex mutex_;  // of all that follows
  std::vector<std::unique_ptr<Lane>> free_lanes_;
  std::vector<catalog::Pack> unsynced_;  // put, not synced
  std::unordered_map<Digest, std::uint64_t>
      unflushed_;  // contents and parts in those, in frames and the pack
  WriteStats stats_;
  Status failure_;
};

// --- Lanes --------------------------------------------------------------------------------------------

Digest Lane::id_of(const Digest& digest) const { return writer_.id_of(digest); }

Result<bool> Lane::take(PartClass part_class, std::uint8_t kind, const ContentRef& content, ByteView bytes) {
  const Result<bool> is_mine = writer_.claim(content);
  if (!is_mine.ok() || !*is_mine) return is_mine;
  FrameBuilder& frame = frames_[static_cast<std::size_t>(part_class)];
  const bool is_full =
      frame.size() + bytes.size() > writer_.frame_bytes(part_class) || frame.part_count() == kMostFrameParts;
  if (is_full) {
    if (Status closed = close(frame); !closed.ok()) return closed;
  }
  frame.add(kind, content.digest, bytes);
  return true;
}

Status Lane::close_frames() {
  for (FrameBuilder& frame : frames_) {
    if (Status closed = close(frame); !closed.ok()) return closed;
  }
  return {};
}

Status Lane::close(FrameBuilder& frame) {
  return frame.empty() ? Status() : writer_.append(frame.close(compressor_));
}

}  // namespace

std::unique_ptr<ContentWriter> make_writer(std::shared_ptr<PartStore> store) {
  return std::make_unique<Writer>(std::move(store));
}

}  // namespace restante::content

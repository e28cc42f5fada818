#include "content/part_store.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "content/pack_format.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

// Making one takes a public-key operation; packs are read one after the other, by a few threads.
constexpr std::size_t kMostOpeners = 64;

// Frames that the catalog places where no frame can be are refused before anything is allocated.
Status check_frame(const Location& place) {
  const catalog::Frame& frame = place.frame;
  if (frame.raw > base::kMaxContentFrameBytes || frame.stored > base::kMaxContentFrameBytes ||
      std::uint64_t{place.part.offset} + place.part.length > frame.raw) {
    return damaged("the catalog places it where it cannot be");
  }
  return {};
}

}  // namespace

PartStore::PartStore(std::shared_ptr<Storage> storage, std::unique_ptr<catalog::Catalog> catalog,
                     StoreOptions options)
    : storage_(std::move(storage)), catalog_(std::move(catalog)), options_(std::move(options)) {}

Result<LoadedPart> PartStore::load(const Digest& id) {
  const Result<std::vector<Location>> places = catalog_->find(id);
  if (!places.ok()) return places.status();
  Status failure(Code::not_found, "no pack has it");
  for (const Location& place : *places) {
    Result<LoadedPart> part = load_at(place);
    if (part.ok()) return part;
    failure = part.status().with_context(pack_key(place.pack));
  }
  return failure.with_context(base::cat("content ", id.to_string()));
}

Result<LoadedPart> PartStore::load_at(const Location& place) {
  Result<std::shared_ptr<const Bytes>> frame = load_frame(place);
  if (!frame.ok()) return frame.status();
  if (std::uint64_t{place.part.offset} + place.part.length > (*frame)->size()) {
    return damaged("the part reaches past its frame");
  }
  LoadedPart part;
  part.kind = place.part.kind;
  part.frame = std::move(*frame);
  part.bytes = ByteView(*part.frame).subspan(place.part.offset, place.part.length);
  if (part.kind == kBytesPart && id_of(crypto::sha256(part.bytes)) != place.part.id) {
    return damaged("the digest of a part is wrong");
  }
  if (part.kind > kRecipePart) {
    return Status(Code::unsupported, base::cat("a part is of kind ", part.kind),
                  "a newer version of restante may know it");
  }
  return part;
}

Result<std::shared_ptr<const Bytes>> PartStore::load_frame(const Location& place) {
  return cache_.get({place.pack, place.part.frame}, base::kMaxCachedFrameBytes,
                    [&] { return read_frame(place); });
}

Result<std::shared_ptr<const Bytes>> PartStore::read_frame(const Location& place) {
  if (Status sound = check_frame(place); !sound.ok()) return sound;
  const Result<Bytes> bytes = storage_->get_range(pack_key(place.pack), place.frame.offset,
                                                  kBlockHeaderBytes + std::uint64_t{place.frame.stored});
  if (!bytes.ok()) return bytes.status();
  const Result<Block> block = decode_block({options_.target_id, place.pack}, place.frame.offset, *bytes);
  if (!block.ok()) return block.status();
  if (block->kind != BlockKind::frame || block->number != place.part.frame || block->crc != place.frame.crc) {
    return damaged("another frame is where the catalog places it");
  }
  const Result<std::shared_ptr<FrameOpener>> opener = opener_of(place.pack);
  if (!opener.ok()) return opener.status();
  Result<Bytes> raw = (*opener)->open(*block, place.frame.offset);
  if (!raw.ok()) return raw.status();
  return std::make_shared<const Bytes>(std::move(*raw));
}

Result<std::shared_ptr<FrameOpener>> PartStore::opener_of(const Id128& pack) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = openers_.find(pack);
    if (found != openers_.end()) return found->second;
  }
  Result<std::shared_ptr<FrameOpener>> opener = open_frames(*storage_, site(), pack);
  if (!opener.ok()) return opener;
  const std::scoped_lock lock(mutex_);
  if (openers_.size() >= kMostOpeners) openers_.clear();
  openers_[pack] = *opener;
  return opener;
}

Result<Recipe> PartStore::load_recipe(const Digest& id) {
  const Result<LoadedPart> part = load(id);
  if (!part.ok()) return part.status();
  if (part->kind != kRecipePart) return damaged("a recipe is none");
  return decode_recipe(part->bytes);
}

Result<bool> PartStore::has(const ContentRef& content, Need need) {
  return has_at_depth(id_of(content.digest), &content.size, need, 0);
}

void PartStore::distrust(std::vector<Id128> packs) {
  auto shared = std::make_shared<const std::vector<Id128>>(std::move(packs));
  const std::scoped_lock lock(distrusted_mutex_);
  distrusted_ = std::move(shared);
}

Result<bool> PartStore::has_part(const Digest& id, Need need) { return has_at_depth(id, nullptr, need, 0); }

Result<bool> PartStore::has_at_depth(const Digest& id, const std::uint64_t* size, Need need,
                                     std::size_t depth) {
  const Result<std::vector<Location>> places = catalog_->find(id);
  if (!places.ok()) return places.status();
  std::shared_ptr<const std::vector<Id128>> distrusted;
  {
    const std::scoped_lock lock(distrusted_mutex_);
    distrusted = distrusted_;
  }
  const auto place = std::find_if(places->begin(), places->end(), [&](const Location& l) {
    return need == Need::readable || (l.trust == catalog::Trust::durable &&
                                      !std::binary_search(distrusted->begin(), distrusted->end(), l.pack));
  });
  if (place == places->end() || depth >= base::kMaxRecipeDepth) return false;
  if (place->part.kind == kBytesPart) return size == nullptr || *size == place->part.length;
  if (!sealer().can_open(crypto::Audience::content)) return true;

  const Result<Recipe> recipe = load_recipe(id);
  // One that cannot be read is none; what was wanted is stored again, or reading it says what is wrong.
  if (!recipe.ok()) return false;
  if (size != nullptr && *size != recipe->size) return false;
  for (const Segment& segment : recipe->segments) {
    if (!segment.names_part()) continue;
    const Result<bool> has_segment = has_at_depth(segment.part, &segment.part_length, need, depth + 1);
    if (!has_segment.ok() || !*has_segment) return has_segment;
  }
  return true;
}

}  // namespace restante::content

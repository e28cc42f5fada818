#include "content/collect.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include "base/text.hpp"
#include "content/pack_builder.hpp"
#include "content/pack_index.hpp"

namespace restante::content {
namespace {

struct PackUse {
  StoredPack pack;
  catalog::Trust trust = catalog::Trust::unsynced;
  bool is_listed = false;
  bool has_recipes = true;
  std::uint64_t bytes = 0;  // of all parts, decompressed
  std::uint64_t used = 0;
};

// The packs of a store and what is used of each.
class Usage {
 public:
  Usage(PartStore& store, DigestSet& references) : store_(store), used_(references) {}

  // Lists before packs: a list that was swept before is not seen, and neither are its packs.
  [[nodiscard]] Status load() {
    if (Status s = load_lists(); !s.ok()) return s;
    const Result<std::vector<StoredPack>> stored = list_packs(store_.storage());
    if (!stored.ok()) return stored.status();
    const Result<std::vector<catalog::KnownPack>> known = store_.catalog().packs();
    if (!known.ok()) return known.status();
    for (const StoredPack& pack : *stored) {
      const auto entry =
          std::lower_bound(known->begin(), known->end(), pack.id,
                           [](const catalog::KnownPack& a, const Id128& id) { return a.id < id; });
      PackUse use;
      use.pack = pack;
      // One that the catalog does not know yet may be needed, and nothing is left to it.
      if (entry != known->end() && entry->id == pack.id) use.trust = entry->trust;
      use.is_listed = std::binary_search(listed_.begin(), listed_.end(), pack.id);
      packs_.push_back(use);
    }
    if (Status s = follow_recipes(); !s.ok()) return s;
    return count();
  }

  using EachPart = std::function<Status(const Location&)>;
  [[nodiscard]] Status each_part(const PackUse& use, const EachPart& each) {
    const Result<Index> index = read_index(store_.storage(), store_.site(), use.pack);
    if (!index.ok()) return index.status().with_context(pack_key(use.pack.id));
    for (const Part& part : index->parts)
      if (Status s = each({use.pack.id, use.trust, part, index->frames[part.frame]}); !s.ok()) return s;
    return {};
  }

  // From here, or from wherever else it is sound.
  [[nodiscard]] Result<LoadedPart> load_part(const Location& place) {
    Result<LoadedPart> loaded = store_.load_at(place);
    return loaded.ok() ? std::move(loaded) : store_.load(place.part.id);
  }

  [[nodiscard]] bool uses(const Digest& id) const { return used_.contains(id); }
  [[nodiscard]] std::vector<PackUse>& packs() { return packs_; }

  [[nodiscard]] const PackUse* find(const Id128& id) const {
    const auto found =
        std::lower_bound(packs_.begin(), packs_.end(), id,
                         [](const PackUse& use, const Id128& wanted) { return use.pack.id < wanted; });
    return found != packs_.end() && found->pack.id == id ? &*found : nullptr;
  }

  // Whether a better pack has the part too. Of packs that share parts, the one that is used most keeps them,
  // so that whoever looks comes to the same answer and one always keeps it.
  [[nodiscard]] Result<bool> is_elsewhere(const PackUse& use, const Digest& id) {
    const Result<std::vector<Location>> places = store_.catalog().find(id);
    if (!places.ok()) return places.status();
    return std::any_of(places->begin(), places->end(), [&](const Location& place) {
      const PackUse* const other = find(place.pack);
      if (!other || other == &use || other->is_listed || other->trust != catalog::Trust::durable)
        return false;
      return use.is_listed || use.trust != catalog::Trust::durable || is_better(*other, use);
    });
  }

  // Nothing that is used needs this pack.
  [[nodiscard]] Result<bool> is_unneeded(const PackUse& use) {
    bool needed = false;
    const Status status = each_part(use, [&](const Location& place) -> Status {
      if (needed || !uses(place.part.id)) return {};
      const Result<bool> elsewhere = is_elsewhere(use, place.part.id);
      if (!elsewhere.ok()) return elsewhere.status();
      needed = !*elsewhere;
      return {};
    });
    if (!status.ok()) return status;
    return !needed;
  }

 private:
  [[nodiscard]] Status load_lists() {
    const Result<std::vector<Id128>> lists = find_lists(store_.storage());
    if (!lists.ok()) return lists.status();
    for (const Id128& id : *lists) {
      const Result<UnreferencedList> list = read_list(store_.storage(), store_.options().target_id, id);
      if (list.status().code() == Code::not_found || list.status().code() == Code::damaged) continue;
      if (!list.ok()) return list.status();
      listed_.insert(listed_.end(), list->packs.begin(), list->packs.end());
    }
    std::sort(listed_.begin(), listed_.end());
    return {};
  }

  // Adds what recipes name, in the order of packs, whose recipes share frames.
  [[nodiscard]] Status follow_recipes() {
    used_.settle();
    const DigestSet* frontier = &used_;
    DigestSet found;
    for (std::size_t depth = 0; depth <= base::kMaxRecipeDepth && !frontier->empty(); ++depth) {
      DigestSet next;
      for (PackUse& use : packs_)
        if (Status s = follow_recipes_of(use, *frontier, next); !s.ok()) return s;
      next.settle();
      for (const Digest& id : next.sorted()) used_.add(id);
      used_.settle();
      found = std::move(next);
      frontier = &found;
    }
    return {};
  }

  [[nodiscard]] Status follow_recipes_of(PackUse& use, const DigestSet& frontier, DigestSet& next) {
    if (!use.has_recipes) return {};
    use.has_recipes = false;
    return each_part(use, [&](const Location& place) -> Status {
      if (place.part.kind == kBytesPart) return {};
      use.has_recipes = true;
      if (!frontier.contains(place.part.id)) return {};
      const Result<LoadedPart> part = load_part(place);
      if (!part.ok()) return part.status();
      if (part->kind == kBytesPart) return {};
      const Result<Recipe> recipe = decode_recipe(part->bytes);
      if (!recipe.ok()) return recipe.status().with_context(pack_key(use.pack.id));
      for (const Segment& segment : recipe->segments)
        if (segment.names_part()) next.add(segment.part);
      return {};
    });
  }

  [[nodiscard]] Status count() {
    for (PackUse& use : packs_) {
      const Status status = each_part(use, [&](const Location& place) -> Status {
        const std::uint64_t bytes = std::uint64_t{place.part.length} + 1;  // so that empty content counts
        use.bytes += bytes;
        if (uses(place.part.id)) use.used += bytes;
        return {};
      });
      if (!status.ok()) return status;
    }
    return {};
  }

  [[nodiscard]] static bool is_better(const PackUse& a, const PackUse& b) {
    const auto share = [](const PackUse& use) {
      return use.used * 1000 / std::max<std::uint64_t>(use.bytes, 1);
    };
    return share(a) != share(b) ? share(a) > share(b) : a.pack.id < b.pack.id;
  }

  PartStore& store_;
  DigestSet& used_;
  std::vector<Id128> listed_;
  std::vector<PackUse> packs_;  // by id
};

// Writes parts that are copied into new packs.
class Copier {
 public:
  explicit Copier(PartStore& store) : store_(store), compressor_(store.options().zstd_level) {}

  // What is used of the pack and nowhere else. A part that cannot be read stays where it is, and the pack.
  [[nodiscard]] Status copy(Usage& usage, const PackUse& use) {
    return usage.each_part(use, [&](const Location& place) -> Status {
      if (!usage.uses(place.part.id)) return {};
      const Result<bool> elsewhere = usage.is_elsewhere(use, place.part.id);
      if (!elsewhere.ok() || *elsewhere) return elsewhere.status();
      const Result<LoadedPart> loaded = usage.load_part(place);
      if (loaded.status().code() == Code::damaged || loaded.status().code() == Code::unsupported) return {};
      if (!loaded.ok()) return loaded.status();
      return add(loaded->kind, place.part.id, loaded->bytes);
    });
  }

  // Only what is durable enters the catalog.
  [[nodiscard]] Status finish() {
    for (FrameBuilder* frame : {&bytes_, &recipes_})
      if (Status s = close(*frame); !s.ok()) return s;
    if (Status s = put(); !s.ok()) return s;
    if (packs_.empty()) return {};
    if (Status s = store_.storage().sync(); !s.ok()) return s;
    return store_.catalog().add(packs_);
  }

 private:
  [[nodiscard]] Status add(std::uint8_t kind, const Digest& id, ByteView bytes) {
    const bool is_recipe = kind == kRecipePart;
    FrameBuilder& frame = is_recipe ? recipes_ : bytes_;
    const std::size_t limit = is_recipe
                                  ? std::min<std::size_t>(kRecipeFrameBytes, store_.options().frame_bytes)
                                  : store_.options().frame_bytes;
    if (!frame.empty() &&
        (frame.size() + bytes.size() > limit || frame.part_count() == base::kMaxPackParts / 2))
      if (Status s = close(frame); !s.ok()) return s;
    frame.add(kind, id, bytes);
    return {};
  }

  [[nodiscard]] Status close(FrameBuilder& frame) {
    if (frame.empty()) return {};
    const ClosedFrame closed = frame.close(compressor_);
    if (builder_ && builder_->part_count() + closed.parts.size() > base::kMaxPackParts)
      if (Status s = put(); !s.ok()) return s;
    if (!builder_) {
      const Result<Id128> id = Id128::random();
      if (!id.ok()) return id.status();
      Result<std::unique_ptr<PackBuilder>> builder =
          PackBuilder::make({store_.options().target_id, *id}, store_.sealer());
      if (!builder.ok()) return builder.status();
      builder_ = std::move(*builder);
    }
    if (Status s = builder_->append(closed); !s.ok()) return s;
    return builder_->size_bound() >= store_.options().pack_bytes ? put() : Status();
  }

  [[nodiscard]] Status put() {
    if (!builder_ || builder_->empty()) return {};
    const Id128 id = builder_->id();
    Result<PackBuilder::Finished> pack = builder_->finish(compressor_);
    builder_.reset();
    if (!pack.ok()) return pack.status();
    if (Status s = store_.storage().put_if_absent(pack_key(id), pack->bytes); !s.ok()) return s;
    packs_.push_back(
        {id, catalog::Trust::durable, std::move(pack->index.frames), std::move(pack->index.parts)});
    return {};
  }

  PartStore& store_;
  Compressor compressor_;
  FrameBuilder bytes_;
  FrameBuilder recipes_;
  std::unique_ptr<PackBuilder> builder_;
  std::vector<catalog::Pack> packs_;
};

// Rewrites packs of which little is used; answers how many.
Result<std::uint64_t> repack(PartStore& store, Usage& usage) {
  Copier copier(store);
  std::uint64_t count = 0;
  for (const PackUse& use : usage.packs()) {
    const bool is_worthwhile = use.used > 0 && use.used * 100 < use.bytes * kRepackBelowPercent &&
                               use.trust == catalog::Trust::durable;
    if (!is_worthwhile || use.is_listed) continue;
    const Result<bool> unneeded = usage.is_unneeded(use);
    if (!unneeded.ok()) return unneeded.status();
    if (*unneeded) continue;
    if (Status s = copier.copy(usage, use); !s.ok()) return s;
    ++count;
  }
  if (Status s = copier.finish(); !s.ok()) return s;
  return count;
}

Status publish_list(PartStore& store, const UnreferencedList& list) {
  const Bytes bytes = encode_list(store.options().target_id, list);
  if (Status s = store.storage().put_if_absent(list_key(list.id), bytes); !s.ok()) return s;
  return store.storage().sync();
}

}  // namespace

Result<Marked> mark_packs(PartStore& store, DigestSet& references) {
  Marked marked;
  // Whoever may remove and not write leaves it to those who may.
  if (store.sealer().can_sign(crypto::ObjectKind::pack_index)) {
    Usage usage(store, references);
    if (Status s = usage.load(); !s.ok()) return s;
    const Result<std::uint64_t> repacked = repack(store, usage);
    if (!repacked.ok()) return repacked.status();
    marked.repacked = *repacked;
  }
  // Once more, with the new packs.
  Usage usage(store, references);
  if (Status s = usage.load(); !s.ok()) return s;
  UnreferencedList list;
  for (const PackUse& use : usage.packs()) {
    if (use.is_listed || use.trust == catalog::Trust::unsynced) continue;
    const Result<bool> unneeded = usage.is_unneeded(use);
    if (!unneeded.ok()) return unneeded.status();
    if (*unneeded) list.packs.push_back(use.pack.id);
  }
  if (list.packs.empty()) return marked;
  const Result<Id128> id = Id128::random();
  if (!id.ok()) return id.status();
  list.id = *id;
  if (Status s = publish_list(store, list); !s.ok()) return s;
  marked.list = list.id;
  marked.packs = list.packs.size();
  return marked;
}

Result<Swept> sweep_packs(PartStore& store, DigestSet& references, const std::vector<Id128>& lists) {
  Usage usage(store, references);
  if (Status s = usage.load(); !s.ok()) return s;
  Swept swept;
  std::vector<Id128> removed;
  for (const Id128& id : lists) {
    const Result<UnreferencedList> list = read_list(store.storage(), store.options().target_id, id);
    if (list.status().code() == Code::not_found || list.status().code() == Code::damaged) continue;
    if (!list.ok()) return list.status();
    for (const Id128& pack : list->packs) {
      const PackUse* const use = usage.find(pack);
      if (!use) continue;
      const Result<bool> unneeded = usage.is_unneeded(*use);
      if (!unneeded.ok()) return unneeded.status();
      if (!*unneeded) continue;
      if (Status s = store.storage().remove(pack_key(pack)); !s.ok()) return s;
      removed.push_back(pack);
      ++swept.packs;
      swept.bytes += use->pack.size;
    }
  }
  // The lists go when their packs are gone for good: a writer that sees no list must see no such pack.
  if (Status s = store.storage().sync(); !s.ok()) return s;
  if (Status s = store.catalog().forget(removed); !s.ok()) return s;
  for (const Id128& id : lists)
    if (Status s = store.storage().remove(list_key(id)); !s.ok()) return s;
  if (Status s = store.storage().sync(); !s.ok()) return s;
  return swept;
}

}  // namespace restante::content

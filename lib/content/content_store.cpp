#include "content/content_store.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/text.hpp"
#include "content/collect.hpp"
#include "content/content_verify.hpp"
#include "content/content_writer.hpp"
#include "content/pack_index.hpp"
#include "content/part_store.hpp"
#include "content/stored_reader.hpp"
#include "content/unreferenced_list.hpp"

namespace restante::content {
namespace {

constexpr std::uint64_t kMinPackBytes = 4096;

StoreOptions within_limits(StoreOptions options) {
  // A pack may end one part and its index above what is asked for.
  constexpr std::uint64_t kMargin = 2 * base::kMaxContentFrameBytes;
  options.pack_bytes =
      std::clamp<std::uint64_t>(options.pack_bytes, kMinPackBytes, base::kMaxPackBytes - kMargin);
  options.frame_bytes = std::clamp<std::uint64_t>(options.frame_bytes, 1, base::kContentChunkBytes);
  return options;
}

bool is_of_the_pack(const Status& status) {
  return status.code() == Code::damaged || status.code() == Code::unsupported ||
         status.code() == Code::not_found;
}

class Store final : public ContentStore {
 public:
  explicit Store(std::shared_ptr<PartStore> parts) : parts_(std::move(parts)) {}

  Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override {
    const Result<std::vector<Location>> places = parts_->catalog().find(parts_->id_of(content.digest));
    if (!places.ok()) return places.status();
    if (places->empty()) return not_stored(content);
    return read_stored(parts_, {parts_->id_of(content.digest), content.size});
  }

  Result<std::optional<ReadPlace>> place_of(const ContentRef& content) override {
    const Result<std::vector<Location>> places = parts_->catalog().find(parts_->id_of(content.digest));
    if (!places.ok()) return places.status();
    if (places->empty()) return std::optional<ReadPlace>();
    const Location& first = places->front();
    return std::optional(ReadPlace{first.pack, first.part.frame, first.part.offset});
  }

  void keep_frames(std::size_t bytes) override { parts_->keep_frames(bytes); }

  Result<bool> has(const ContentRef& content) override {
    return parts_->has(content, PartStore::Need::readable);
  }

  Result<std::unique_ptr<ContentWriter>> writer() override { return make_writer(parts_); }

  Status refresh() override { return take_inventory(false); }

  Result<CatalogCounts> rebuild() override {
    if (Status taken = take_inventory(true); !taken.ok()) return taken;
    const Result<std::vector<catalog::KnownPack>> known = parts_->catalog().packs();
    if (!known.ok()) return known.status();
    CatalogCounts counts;
    for (const catalog::KnownPack& pack : *known) {
      ++counts.packs;
      counts.parts += pack.parts;
    }
    const std::scoped_lock lock(mutex_);
    counts.unreadable = unreadable_packs_;
    return counts;
  }

  Result<std::vector<PackWarning>> check_ends() override {
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    const Result<std::vector<catalog::KnownPack>> known = parts_->catalog().packs();
    if (!known.ok()) return known.status();
    const Result<std::vector<StoredPack>> stored = list_packs(parts_->storage());
    if (!stored.ok()) return stored.status();
    std::vector<PackWarning> warnings;
    std::vector<Id128> damaged;
    for (const StoredPack& pack : *stored) {
      const catalog::KnownPack* const entry = find(*known, pack.id);
      if (entry == nullptr || entry->trust == catalog::Trust::damaged) continue;
      const Status sound = check_pack_end(parts_->storage(), parts_->site(), pack);
      if (sound.ok() || sound.code() == Code::not_found) continue;  // removed meanwhile
      if (!is_of_the_pack(sound)) return sound;
      damaged.push_back(pack.id);
      warnings.push_back({pack_key(pack.id), sound.message()});
    }
    if (Status marked = parts_->catalog().mark(damaged, catalog::Trust::damaged); !marked.ok()) return marked;
    return warnings;
  }

  Result<std::vector<Id128>> lists() override { return find_lists(parts_->storage()); }

  Result<Collection> mark(DigestSet& references) override {
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    const Result<Marked> marked = mark_packs(*parts_, references);
    if (!marked.ok()) return marked.status();
    // Writers of this process need not wait for their next refresh.
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    return Collection{marked->list, 0, 0, marked->repacked};
  }

  Result<Collection> sweep(DigestSet& references, const std::vector<Id128>& lists) override {
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    const Result<Swept> swept = sweep_packs(*parts_, references, lists);
    if (!swept.ok()) return swept.status();
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    return Collection{{}, swept->packs, swept->bytes, 0};
  }

  Result<Lease> lease() override {
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    Lease lease;
    {
      const std::scoped_lock lock(mutex_);
      for (const UnreferencedList& list : heeded_) lease.lists.push_back(list.id);
    }
    const Result<std::vector<StoredPack>> stored = list_packs(parts_->storage());
    if (!stored.ok()) return stored.status();
    for (const StoredPack& pack : *stored) lease.packs.push_back(pack.id);
    return lease;
  }

  Status check_lease(const Lease& lease, const std::set<Digest>& contents) override {
    const Result<Lease> now = this->lease();
    if (!now.ok()) return now.status();
    const auto includes = [](const std::vector<Id128>& all, const std::vector<Id128>& some) {
      return std::includes(all.begin(), all.end(), some.begin(), some.end());
    };
    if (includes(lease.lists, now->lists) && includes(now->packs, lease.packs)) return {};
    for (const Digest& digest : contents) {
      const Result<bool> there = parts_->has_part(parts_->id_of(digest), PartStore::Need::readable);
      if (!there.ok()) return there.status();
      if (!*there)
        return Status(Code::not_durable,
                      base::cat("content ", digest.to_string(), " was removed from the target"),
                      "the session was held up and taken for gone; begin it again");
    }
    return {};
  }

  Result<ContentVerification> verify(const ReadExtent& extent) override {
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    return verify_packs(*parts_, extent);
  }

 private:
  Status not_stored(const ContentRef& content) {
    const std::size_t unreadable = unreadable_;
    std::string hint;
    if (unreadable > 0)
      hint = base::cat(unreadable, " packs could not be read, verify the target to learn more");
    return Status(Code::not_found, base::cat("content ", content.digest.to_string(), " is not stored"), hint);
  }

  // Makes the catalog know the packs that are there. With `anew` it reads all of them again, and the old
  // entries of each stay until the new ones are written: readers notice nothing.
  Status take_inventory(bool anew) {
    const std::scoped_lock lock(mutex_);
    // Lists first: of one that was carried out meanwhile the packs are gone too.
    Result<std::vector<UnreferencedList>> lists = read_lists();
    if (!lists.ok()) return lists.status();
    heed(*lists, heeded_);
    if (Status taken = take_inventory_of_packs(anew); !taken.ok()) return taken;
    heeded_ = *std::move(lists);
    heed(heeded_, {});
    return {};
  }

  // One that cannot be read now and could before still counts: a session said that it knows it.
  Result<std::vector<UnreferencedList>> read_lists() {
    const Result<std::vector<Id128>> ids = find_lists(parts_->storage());
    if (!ids.ok()) return ids.status();
    std::vector<UnreferencedList> lists;
    for (const Id128& id : *ids) {
      const auto known = std::find_if(heeded_.begin(), heeded_.end(),
                                      [&](const UnreferencedList& list) { return list.id == id; });
      if (known != heeded_.end()) {
        lists.push_back(*known);
        continue;
      }
      Result<UnreferencedList> list = read_list(parts_->storage(), parts_->options().target_id, id);
      if (!list.ok() && !is_of_the_pack(list.status())) return list.status();
      if (list.ok()) lists.push_back(*std::move(list));
    }
    return lists;
  }

  void heed(const std::vector<UnreferencedList>& lists, const std::vector<UnreferencedList>& more) {
    std::vector<Id128> packs;
    for (const std::vector<UnreferencedList>* each : {&lists, &more})
      for (const UnreferencedList& list : *each)
        packs.insert(packs.end(), list.packs.begin(), list.packs.end());
    std::sort(packs.begin(), packs.end());
    parts_->distrust(std::move(packs));
  }

  Status take_inventory_of_packs(bool anew) {
    // In this order: a pack that a writer enters in between is in neither list or in the second one.
    const Result<std::vector<catalog::KnownPack>> known = parts_->catalog().packs();
    if (!known.ok()) return known.status();
    const Result<std::vector<StoredPack>> stored = list_packs(parts_->storage());
    if (!stored.ok()) return stored.status();

    std::vector<StoredPack> wanted;
    std::vector<Id128> unsynced;
    for (const StoredPack& pack : *stored) {
      const catalog::KnownPack* const entry = find(*known, pack.id);
      if (entry == nullptr || anew) wanted.push_back(pack);
      if (entry != nullptr && entry->trust == catalog::Trust::unsynced) unsynced.push_back(pack.id);
    }
    // What others put and have not synced yet is not relied upon until a sync came after it was seen.
    const bool durable = (wanted.empty() && unsynced.empty()) || parts_->storage().sync().ok();
    if (Status entered = enter(wanted, durable, anew); !entered.ok()) return entered;
    if (durable) {
      if (Status marked = parts_->catalog().mark(unsynced, catalog::Trust::durable); !marked.ok())
        return marked;
    }
    if (Status forgotten = forget_vanished(*known, *stored); !forgotten.ok()) return forgotten;
    return parts_->catalog().sweep(anew ? catalog::Catalog::Sweep::always
                                        : catalog::Catalog::Sweep::when_worthwhile);
  }

  static const catalog::KnownPack* find(const std::vector<catalog::KnownPack>& known, const Id128& pack) {
    const auto found =
        std::lower_bound(known.begin(), known.end(), pack,
                         [](const catalog::KnownPack& a, const Id128& id) { return a.id < id; });
    return found != known.end() && found->id == pack ? &*found : nullptr;
  }

  // A pack that cannot be read is left out; it must not keep anybody from the others.
  Status enter(const std::vector<StoredPack>& packs, bool durable, bool anew) {
    unreadable_ = 0;
    unreadable_packs_.clear();
    for (const StoredPack& stored : packs) {
      catalog::Pack pack;
      pack.id = stored.id;
      pack.trust = durable ? catalog::Trust::durable : catalog::Trust::unsynced;
      Result<Index> index = read_index(parts_->storage(), parts_->site(), stored);
      if (is_of_the_pack(index.status()) && index.status().code() != Code::not_found)
        unreadable_packs_.push_back({pack_key(stored.id), index.status().message()});
      if (index.status().code() == Code::damaged) {
        index = salvage_index(parts_->storage(), parts_->site(), stored);
        pack.trust = catalog::Trust::damaged;
      }
      if (!index.ok() && !is_of_the_pack(index.status())) return index.status();
      if (!index.ok()) {
        ++unreadable_;
        continue;
      }
      pack.frames = std::move(index->frames);
      pack.parts = std::move(index->parts);
      const std::span<const catalog::Pack> one(&pack, 1);
      const Status entered = anew ? parts_->catalog().replace(one) : parts_->catalog().add(one);
      if (!entered.ok()) return entered;
    }
    return {};
  }

  Status forget_vanished(const std::vector<catalog::KnownPack>& known,
                         const std::vector<StoredPack>& stored) {
    std::vector<Id128> gone;
    for (const catalog::KnownPack& pack : known) {
      const bool there =
          std::binary_search(stored.begin(), stored.end(), StoredPack{pack.id, 0},
                             [](const StoredPack& a, const StoredPack& b) { return a.id < b.id; });
      if (!there) gone.push_back(pack.id);
    }
    return parts_->catalog().forget(gone);
  }

  const std::shared_ptr<PartStore> parts_;
  std::mutex mutex_;                      // one inventory at a time
  std::vector<UnreferencedList> heeded_;  // by id
  std::atomic<std::size_t> unreadable_{0};
  std::vector<PackWarning> unreadable_packs_;  // at the last inventory
};

}  // namespace

Result<std::unique_ptr<ContentStore>> ContentStore::open(std::shared_ptr<Storage> storage,
                                                         const StoreOptions& options) {
  Result<std::unique_ptr<catalog::Catalog>> catalog =
      catalog::Catalog::open({.directory = options.catalog_dir, .target_id = options.target_id});
  if (!catalog.ok()) return catalog.status();
  auto parts = std::make_shared<PartStore>(std::move(storage), std::move(*catalog), within_limits(options));
  std::unique_ptr<ContentStore> store = std::make_unique<Store>(std::move(parts));
  if (Status refreshed = store->refresh(); !refreshed.ok()) return refreshed;
  return store;
}

}  // namespace restante::content

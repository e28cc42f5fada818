#include "content/content_store.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/text.hpp"
#include "content/content_verify.hpp"
#include "content/content_writer.hpp"
#include "content/pack_index.hpp"
#include "content/part_store.hpp"
#include "content/stored_reader.hpp"

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
    const Result<std::vector<Location>> places = parts_->catalog().find(content.digest);
    if (!places.ok()) return places.status();
    if (places->empty()) return not_stored(content);
    return read_stored(parts_, content);
  }

  Result<bool> has(const ContentRef& content) override {
    return parts_->has(content, PartStore::Need::readable);
  }

  Result<std::unique_ptr<ContentWriter>> writer() override { return make_writer(parts_); }

  Status refresh() override { return take_inventory(false); }
  Status rebuild() override { return take_inventory(true); }

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
      const Status sound = check_pack_end(parts_->storage(), parts_->options().target_id, pack);
      if (sound.ok() || sound.code() == Code::not_found) continue;  // removed meanwhile
      if (!is_of_the_pack(sound)) return sound;
      damaged.push_back(pack.id);
      warnings.push_back({pack_key(pack.id), sound.message()});
    }
    if (Status marked = parts_->catalog().mark(damaged, catalog::Trust::damaged); !marked.ok()) return marked;
    return warnings;
  }

  Result<ContentVerification> verify(bool read_data) override {
    if (Status refreshed = refresh(); !refreshed.ok()) return refreshed;
    return verify_packs(*parts_, read_data);
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
    for (const StoredPack& stored : packs) {
      catalog::Pack pack;
      pack.id = stored.id;
      pack.trust = durable ? catalog::Trust::durable : catalog::Trust::unsynced;
      const Id128& target = parts_->options().target_id;
      Result<Index> index = read_index(parts_->storage(), target, stored);
      if (index.status().code() == Code::damaged) {
        index = salvage_index(parts_->storage(), target, stored);
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
  std::mutex mutex_;  // one inventory at a time
  std::atomic<std::size_t> unreadable_{0};
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

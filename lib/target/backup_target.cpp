#include <restante/backup_target.hpp>

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "keys/key_access.hpp"
#include "target/target_file.hpp"
#include "target/target_impl.hpp"

namespace restante {
inline namespace v0 {
namespace {

constexpr std::uint64_t kMaxTargetFileBytes = 1 << 20;

// The keys of an encrypted target.
Result<std::optional<KeyRing>> open_keys(const std::shared_ptr<Storage>& storage,
                                         const BackupTarget::Options& options,
                                         const target::TargetFile& file) {
  if (file.authority.empty() && options.keys.is_none()) return std::optional<KeyRing>();
  const std::string where = storage->describe();
  if (options.keys.is_none())
    return Status(Code::permission, base::cat("the target in ", where, " is encrypted"),
                  "give a passphrase or a key file of it");
  if (file.authority.empty())
    return Status(Code::invalid_argument, base::cat("the target in ", where, " is not encrypted"),
                  "open it without a key if it never was; if it was, somebody has put another in its place");
  Result<KeyRing> ring = KeyRing::open(storage, file.id, options.keys, {}, *options.clock);
  if (!ring.ok()) return ring.status();
  if (ring->authority() != file.authority)
    return Status(Code::damaged,
                  base::cat(where, "/", target::kTargetKey, ": names another authority than the keys"),
                  "somebody may have put another target in its place; use nothing of it");
  return std::optional(*std::move(ring));
}

Status use_keys(const KeyRing& ring, const BackupTarget::Options& options, BackupTarget::Impl& impl) {
  Result<std::unique_ptr<target::SessionVouchers>> vouchers =
      target::SessionVouchers::open(impl.storage, ring, impl.id, *options.clock, options.state_directory);
  if (!vouchers.ok()) return vouchers.status();
  impl.vouchers = *std::move(vouchers);
  const crypto::Key256 digest_key = KeyAccess::digest_key(ring);
  std::copy(digest_key.view().begin(), digest_key.view().end(), impl.digest_key.bytes.begin());
  impl.sealer = KeyAccess::live_sealer(ring);
  impl.keys = ring;
  return {};
}

Result<std::shared_ptr<BackupTarget::Impl>> make_impl(std::shared_ptr<Storage> storage,
                                                      const BackupTarget::Options& options,
                                                      const target::TargetFile& file,
                                                      const std::optional<KeyRing>& ring) {
  auto impl = std::make_shared<BackupTarget::Impl>();
  impl->storage = storage;
  impl->clock = options.clock;
  impl->id = file.id;
  impl->digest_key = file.digest_key;
  impl->compression_level = file.compression_level;
  impl->sealer = {std::shared_ptr<void>(), &crypto::plain_sealer()};
  if (ring)
    if (Status s = use_keys(*ring, options, *impl); !s.ok()) return s;
  content::StoreOptions store;
  store.target_id = file.id;
  store.catalog_dir = base::cat(options.state_directory, "/catalog-", file.id.to_string());
  store.zstd_level = file.compression_level;
  if (impl->keys) store.sealer = impl->sealer;
  Result<std::unique_ptr<content::ContentStore>> content =
      content::ContentStore::open(std::move(storage), store);
  if (!content.ok()) return content.status();
  impl->content = *std::move(content);
  return impl;
}

Status check_empty(Storage& storage) {
  return storage.list("", [&](const ObjectInfo& object) {
    return Status(Code::already_exists,
                  base::cat(storage.describe(), " is not empty, it has ", base::escape(object.key)),
                  "give an empty or new directory for the target");
  });
}

}  // namespace

Result<BackupTarget> BackupTarget::create(std::unique_ptr<Storage> storage, const CreateOptions& options) {
  if (options.compression_level < 1 || options.compression_level > 19)
    return Status(Code::invalid_argument, "the compression level must be 1 to 19");
  if (storage->info(target::kTargetKey).ok())
    return Status(Code::already_exists, base::cat("there is a target in ", storage->describe(), " already"));
  if (Status s = check_empty(*storage); !s.ok()) return s;
  target::TargetFile file;
  const Result<Id128> id = Id128::random();
  if (!id.ok()) return id.status();
  file.id = *id;
  if (Status s = crypto::random_bytes(file.digest_key.bytes); !s.ok()) return s;
  file.created = options.clock->now();
  file.compression_level = options.compression_level;
  const std::shared_ptr<Storage> shared = std::move(storage);
  // Keys before the file that says that there is a target: none is ever without those that it was asked for.
  std::optional<KeyRing> ring;
  if (!options.keys.is_none()) {
    Result<KeyRing> made =
        KeyRing::create(shared, file.id, options.keys, options.first_holder, *options.clock);
    if (!made.ok()) return made.status();
    file.authority = made->authority();
    ring = *std::move(made);
  }
  if (Status s = shared->put_if_absent(target::kTargetKey, target::encode_target_file(file)); !s.ok())
    return s;
  if (Status s = shared->sync(); !s.ok()) return s;
  Result<std::shared_ptr<Impl>> impl = make_impl(shared, options, file, ring);
  if (!impl.ok()) return impl.status();
  return BackupTarget(*std::move(impl));
}

Result<BackupTarget> BackupTarget::open(std::unique_ptr<Storage> storage, const Options& options) {
  const Result<Bytes> bytes = storage->get(target::kTargetKey, kMaxTargetFileBytes);
  if (bytes.status().code() == Code::not_found)
    return Status(Code::not_found, base::cat("there is no target in ", storage->describe()),
                  "create it first (restante init)");
  if (!bytes.ok()) return bytes.status();
  const Result<target::TargetFile> file =
      target::decode_target_file(*bytes, base::cat(storage->describe(), "/", target::kTargetKey));
  if (!file.ok()) return file.status();
  const std::shared_ptr<Storage> shared = std::move(storage);
  const Result<std::optional<KeyRing>> ring = open_keys(shared, options, *file);
  if (!ring.ok()) return ring.status();
  Result<std::shared_ptr<Impl>> impl = make_impl(shared, options, *file, *ring);
  if (!impl.ok()) return impl.status();
  return BackupTarget(*std::move(impl));
}

Id128 BackupTarget::id() const noexcept { return impl_->id; }
std::string BackupTarget::describe() const { return impl_->storage->describe(); }
std::optional<KeyRing> BackupTarget::keys() const { return impl_->keys; }
Result<ChainHead> BackupTarget::chain_head(std::uint32_t holder, std::string_view label) const {
  return impl_->vouchers ? impl_->vouchers->head_of(holder, label) : ChainHead{};
}
const DigestKey& BackupTarget::digest_key() const noexcept { return impl_->digest_key; }

Result<std::vector<SegmentInfo>> BackupTarget::archived_segments() const {
  const Result<redo::SegmentViews> views = target::archived_views(*impl_);
  if (!views.ok()) return views.status();
  std::vector<SegmentInfo> segments;
  for (const auto& view : *views) segments.push_back(view->info());
  return segments;
}

Result<std::optional<Continuation>> BackupTarget::newest_position(const Id128& server) const {
  std::vector<TargetDamage> damages;
  const Result<redo::SegmentViews> views = target::archived_views(*impl_, &damages);
  if (!views.ok()) return views.status();
  // A damaged segment with an intact one behind it says nothing about the end; of any other nobody knows.
  for (const TargetDamage& damage : damages) {
    const bool has_later = std::any_of(views->begin(), views->end(), [&](const auto& view) {
      const std::string later = target::segment_key(view->header());
      const std::size_t directory = later.rfind('/');
      return later > damage.key && damage.key.compare(0, directory, later, 0, directory) == 0;
    });
    if (!has_later)
      return Status(Code::damaged, damage.what, "the end of the archived redo log cannot be told without it");
  }
  std::optional<Continuation> newest;
  for (const auto& view : *views) {
    const redo::SegmentHeader& header = view->header();
    if (header.server != server || (newest && view->last_lsn() <= newest->parent.lsn)) continue;
    newest = Continuation{{header.log, header.incarnation, view->last_lsn()}, header.sequence};
  }
  return newest;
}

}  // namespace v0

namespace target {
namespace {

// How many incarnations lie before this one; those of unknown parents stand first.
std::size_t depth_of(const redo::SegmentView& view, const redo::SegmentViews& all) {
  std::size_t depth = 0;
  Id128 incarnation = view.header().parent.parent.incarnation;
  while (!incarnation.is_none() && depth <= all.size()) {
    const auto parent = std::find_if(all.begin(), all.end(), [&](const auto& candidate) {
      return candidate->header().incarnation == incarnation;
    });
    ++depth;
    if (parent == all.end()) break;
    incarnation = (*parent)->header().parent.parent.incarnation;
  }
  return depth;
}

void sort_by_descent(redo::SegmentViews& views) {
  std::map<Id128, std::size_t> depth;
  for (const auto& view : views)
    if (!depth.contains(view->header().incarnation))
      depth[view->header().incarnation] = depth_of(*view, views);
  std::sort(views.begin(), views.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const redo::SegmentHeader& h) {
      return std::tuple(h.log, depth[h.incarnation], h.incarnation, h.sequence);
    };
    return key(a->header()) < key(b->header());
  });
}

}  // namespace

Result<redo::SegmentViews> archived_views(BackupTarget::Impl& target, std::vector<TargetDamage>* damages) {
  std::vector<std::string> keys;
  const Status listed = target.storage->list("redologs/", [&](const ObjectInfo& object) -> Status {
    const std::size_t slash = object.key.rfind('/');
    if (redo::sequence_of_name(std::string_view(object.key).substr(slash + 1))) keys.push_back(object.key);
    return {};
  });
  if (!listed.ok()) return listed;
  redo::SegmentViews views;
  for (const std::string& key : keys) {
    {
      const std::scoped_lock lock(target.mutex);
      if (const auto known = target.archived.find(key); known != target.archived.end()) {
        views.push_back(known->second);
        continue;
      }
    }
    Result<std::shared_ptr<const redo::SegmentView>> view =
        open_archived_segment(target.storage, key, archive_site(target));
    if (!view.ok()) {
      if (!damages) return view.status();
      damages->push_back({key, view.status().message(), {}});
      continue;
    }
    const std::scoped_lock lock(target.mutex);
    target.archived.insert_or_assign(key, *view);
    views.push_back(*std::move(view));
  }
  sort_by_descent(views);
  return views;
}

}  // namespace target
}  // namespace restante

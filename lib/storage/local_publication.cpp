// A publication of the local driver: a directory that is filled where nobody looks and moved as a whole.

#include "base/text.hpp"
#include "os/file.hpp"
#include "storage/key.hpp"
#include "storage/local_directory.hpp"

namespace restante::storage {
namespace {

using Place = LocalTree::Place;

std::string_view without_slash(std::string_view prefix) { return prefix.substr(0, prefix.size() - 1); }

Status taken(std::string_view prefix, std::string_view hint) {
  return Status(Code::already_exists, base::cat("there are objects under ", prefix, " already"),
                std::string(hint));
}

class LocalPublication final : public Publication {
 public:
  LocalPublication(std::shared_ptr<LocalDirectory> directory, os::Fd staging, std::string_view final_prefix,
                   std::string_view staging_prefix)
      : directory_(std::move(directory)),
        staging_(std::move(staging)),
        tree_(directory_->io, staging_.get(), directory_->method),
        final_prefix_(final_prefix),
        staging_prefix_(staging_prefix) {}

  Status put(std::string_view name, ByteView bytes) override {
    if (Status checked = check_name(name); !checked.ok()) return checked;
    return directory_->write(tree_, name, bytes, Replace::yes);
  }

  Result<Bytes> get(std::string_view name) override { return tree_.read(name, std::uint64_t{1} << 30); }

  Status publish(std::string_view last_name, ByteView last_bytes) override {
    if (Status checked = check_name(last_name); !checked.ok()) return checked;
    const Replace replace = last_name == last_name_ ? Replace::yes : Replace::no;
    Status put = directory_->write(tree_, last_name, last_bytes, replace);
    if (!put.ok()) return put;
    last_name_ = last_name;  // a second attempt may replace what the first one put
    return move();
  }

  Status discard() override {
    if (published_) return Status(Code::invalid_argument, final_prefix_ + " is published and stays");
    const Result<Place> staging = own_staging();
    if (!staging.ok()) return staging.status().code() == Code::not_found ? Status() : staging.status();
    const Status removed = os::remove_tree_at(directory_->io, staging->dirfd, staging->leaf);
    if (!removed.ok() && removed.code() != Code::not_found) return removed;
    directory_->tree.remove_empty_parents(without_slash(staging_prefix_));
    return {};
  }

 private:
  Status check_name(std::string_view name) const {
    if (published_) return Status(Code::already_exists, final_prefix_ + " is published already");
    return check_key(base::cat(final_prefix_, name));
  }

  // Where the directory is, if the one at that name is still this one: people delete what is staged by hand.
  Result<Place> own_staging() const {
    Result<Place> place = directory_->tree.find(without_slash(staging_prefix_), Missing::fail);
    if (!place.ok()) return place;
    const Result<os::FileInfo> there = directory_->io.stat_at(place->dirfd, place->leaf);
    if (!there.ok()) return there.status();
    const Result<os::FileInfo> here = directory_->io.fstat(staging_.get());
    if (!here.ok()) return here.status();
    if (there->dev == here->dev && there->ino == here->ino) return place;
    return Status(Code::not_found, base::cat(staging_prefix_, " was removed while it was in use"));
  }

  // Everything is durable before it becomes visible, and the directory that will hold it as well; after the
  // one step that makes it visible only that step is left to make durable.
  Status move() {
    const Result<Place> to = directory_->tree.find(without_slash(final_prefix_), Missing::make);
    if (!to.ok()) return to.status();
    if (Status synced = directory_->sync(); !synced.ok()) return synced;
    const Result<Place> from = own_staging();
    if (!from.ok()) return from.status();
    if (Status renamed = rename(*from, *to); !renamed.ok()) return renamed;
    published_ = true;
    if (Status synced = directory_->sync_entries(to->dirfd); !synced.ok()) return synced;
    if (Status synced = directory_->sync_entries(from->dirfd); !synced.ok()) return synced;
    directory_->tree.remove_empty_parents(without_slash(staging_prefix_));
    return {};
  }

  Status rename(const Place& from, const Place& to) {
    os::Io& io = directory_->io;
    Status renamed = io.rename_no_replace_at(from.dirfd, from.leaf, to.dirfd, to.leaf);
    if (renamed.code() == Code::already_exists && directory_->tree.remove_empty_tree(to)) {
      renamed = io.rename_no_replace_at(from.dirfd, from.leaf, to.dirfd, to.leaf);
    }
    // A plain rename of a directory replaces at most an empty one.
    if (renamed.code() == Code::unsupported) renamed = io.rename_at(from.dirfd, from.leaf, to.dirfd, to.leaf);
    if (renamed.code() == Code::already_exists) return taken(final_prefix_, "publish elsewhere");
    return renamed;
  }

  const std::shared_ptr<LocalDirectory> directory_;
  const os::Fd staging_;
  const LocalTree tree_;
  const std::string final_prefix_;
  const std::string staging_prefix_;
  std::string last_name_;
  bool published_ = false;
};

// Makes the directory, so that of two publications only one gets it.
Result<os::Fd> claim_staging(LocalDirectory& directory, std::string_view prefix) {
  constexpr int kAttempts = 16;  // each is lost only to a removal that took an empty directory away
  Status made;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Result<Place> place = directory.tree.find(without_slash(prefix), Missing::make);
    if (!place.ok()) return place.status();
    (void)directory.tree.remove_empty_tree(*place);  // holds nothing that anybody could miss
    made = directory.io.mkdir_at(place->dirfd, place->leaf, 0700);
    if (made.ok()) return os::open_dir_at(directory.io, place->dirfd, place->leaf);
    if (made.code() != Code::not_found) break;
  }
  if (made.code() != Code::already_exists) return made;
  return taken(prefix, "a publication there is under way or was cut off; remove what it left first");
}

}  // namespace

Result<std::unique_ptr<Publication>> make_local_publication(std::shared_ptr<LocalDirectory> directory,
                                                            std::string_view final_prefix,
                                                            std::string_view staging_prefix) {
  if (Status checked = check_publication_prefix(final_prefix); !checked.ok()) return checked;
  if (Status checked = check_publication_prefix(staging_prefix); !checked.ok()) return checked;
  if (final_prefix.starts_with(staging_prefix) || staging_prefix.starts_with(final_prefix)) {
    return Status(Code::invalid_argument,
                  base::cat("neither of ", final_prefix, " and ", staging_prefix, " may be below the other"));
  }
  if (Status healthy = directory->usable(); !healthy.ok()) return healthy;
  Status free = directory->tree.list(
      final_prefix, [&](const ObjectInfo&) { return taken(final_prefix, "publish elsewhere"); });
  if (!free.ok()) return free;
  Result<os::Fd> staging = claim_staging(*directory, staging_prefix);
  if (!staging.ok()) return staging.status();
  return std::unique_ptr<Publication>(std::make_unique<LocalPublication>(
      std::move(directory), std::move(*staging), final_prefix, staging_prefix));
}

}  // namespace restante::storage

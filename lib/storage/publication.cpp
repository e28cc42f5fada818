// The publication of storages that cannot rename: everything is put in place, the last object at last.

#include <restante/storage.hpp>

#include <set>

#include "base/text.hpp"
#include "storage/key.hpp"

namespace restante {
inline namespace v0 {
namespace {

class InPlacePublication final : public Publication {
 public:
  InPlacePublication(Storage& storage, std::string_view prefix) : storage_(storage), prefix_(prefix) {}

  Status put(std::string_view name, ByteView bytes) override {
    if (published_) return Status(Code::invalid_argument, prefix_ + " is published already");
    const std::string key = base::cat(prefix_, name);
    if (Status checked = check_key(key); !checked.ok()) return checked;
    return put_own(key, bytes);
  }

  Result<Bytes> get(std::string_view name) override { return storage_.get(base::cat(prefix_, name)); }

  Status publish(std::string_view last_name, ByteView last_bytes) override {
    const std::string last = base::cat(prefix_, last_name);
    if (Status checked = check_key(last); !checked.ok()) return checked;
    if (published_ || names_.contains(last)) {
      return Status(Code::already_exists, last + " was put before it was published");
    }
    if (Status synced = storage_.sync(); !synced.ok()) return synced;
    if (Status put = storage_.put_if_absent(last, last_bytes); !put.ok()) return put;
    published_ = true;
    return storage_.sync();
  }

  Status discard() override {
    if (published_) return Status(Code::invalid_argument, prefix_ + " is published and stays");
    while (!names_.empty()) {
      if (Status removed = storage_.remove(*names_.begin()); !removed.ok()) return removed;
      names_.erase(names_.begin());
    }
    return {};
  }

 private:
  // Somebody else who publishes under the same prefix must not have an object of his replaced: he may be the
  // one who wins. What this publication put, it may replace.
  Status put_own(const std::string& key, ByteView bytes) {
    if (names_.contains(key)) return storage_.put(key, bytes);
    names_.insert(key);  // before the call: one whose answer is lost may have put it
    Status put = storage_.put_if_absent(key, bytes);
    if (put.code() == Code::already_exists) names_.erase(key);
    return put;
  }

  Storage& storage_;
  const std::string prefix_;
  std::set<std::string> names_;
  bool published_ = false;
};

}  // namespace

Result<std::unique_ptr<Publication>> Storage::publication(std::string_view final_prefix,
                                                          std::string_view staging_prefix) {
  if (Status checked = storage::check_publication_prefix(final_prefix); !checked.ok()) return checked;
  if (Status checked = storage::check_publication_prefix(staging_prefix); !checked.ok()) return checked;
  // Which object would be the last is not known yet, so any object counts: one that a crash left behind,
  // too.
  Status free = list(final_prefix, [&](const ObjectInfo& found) {
    return Status(Code::already_exists, base::cat("there is ", found.key, " already"),
                  base::cat("remove what is under ", final_prefix, " or publish elsewhere"));
  });
  if (!free.ok()) return free;
  return std::unique_ptr<Publication>(std::make_unique<InPlacePublication>(*this, final_prefix));
}

}  // namespace v0
}  // namespace restante

// Objects in memory, with the failures and the forgetfulness of real places.

#include <restante/storage.hpp>

#include <map>
#include <mutex>
#include <random>

#include "base/text.hpp"
#include "storage/key.hpp"

namespace restante {
inline namespace v0 {
namespace {

// Nothing: the object does not exist.
using Version = std::shared_ptr<const Bytes>;

// What all handles share.
struct Objects {
  std::mutex mutex;
  // Every state that an object may be found in after a power cut: the one of the last sync, then each since.
  // The last one is what readers see.
  std::map<std::string, std::vector<Version>, std::less<>> versions;

  [[nodiscard]] Version find(std::string_view key) const {
    const auto found = versions.find(key);
    return found == versions.end() ? nullptr : found->second.back();
  }
  void set(std::string_view key, Version version) {
    auto& history = versions.try_emplace(std::string(key), std::vector<Version>{nullptr}).first->second;
    history.push_back(std::move(version));
  }
  // Keeps one state of every object and takes it as durable.
  template <class Choice>
  void settle(Choice choice) {
    for (auto it = versions.begin(); it != versions.end();) {
      auto& history = it->second;
      history = {history[choice(history.size())]};
      it = history.front() ? std::next(it) : versions.erase(it);
    }
  }
};

class MemoryStorageImpl final : public MemoryStorage {
 public:
  explicit MemoryStorageImpl(std::shared_ptr<Objects> objects) : objects_(std::move(objects)) {}

  std::string describe() const override { return "memory"; }

  Status put(std::string_view key, ByteView bytes) override { return put_object(key, bytes, true); }
  Status put_if_absent(std::string_view key, ByteView bytes) override {
    return put_object(key, bytes, false);
  }

  Result<Bytes> get_range(std::string_view key, std::uint64_t offset, std::uint64_t length) override {
    const Result<Version> found = open(key);
    if (!found.ok()) return found.status();
    const ByteView bytes(**found);
    if (offset > bytes.size() || length > bytes.size() - offset) {
      return Status(Code::damaged,
                    base::cat(key, " has ", bytes.size(), " bytes, wanted were ", length, " from ", offset));
    }
    const ByteView part = bytes.subspan(offset, length);
    return Bytes(part.begin(), part.end());
  }

  Result<Bytes> get(std::string_view key, std::uint64_t limit) override {
    const Result<Version> found = open(key);
    if (!found.ok()) return found.status();
    if ((*found)->size() > limit) {
      return Status(Code::no_space, base::cat(key, " is larger than the limit of ", limit, " bytes"));
    }
    return **found;
  }

  Result<ObjectInfo> info(std::string_view key) override {
    const Result<Version> found = open(key);
    if (!found.ok()) return found.status();
    return ObjectInfo{std::string(key), (*found)->size()};
  }

  Status list(std::string_view prefix, const std::function<Status(const ObjectInfo&)>& each) override {
    if (Status counted = count_call(); !counted.ok()) return counted;
    if (Status checked = storage::check_prefix(prefix); !checked.ok()) return checked;
    for (const ObjectInfo& object : snapshot(prefix)) {
      if (Status answer = each(object); !answer.ok()) return answer;
    }
    return {};
  }

  Status remove(std::string_view key) override {
    if (Status counted = count_call(); !counted.ok()) return counted;
    if (Status checked = check_key(key); !checked.ok()) return checked;
    const std::scoped_lock lock(objects_->mutex);
    if (objects_->find(key)) objects_->set(key, nullptr);
    return {};
  }

  Status sync() override {
    if (Status counted = count_call(); !counted.ok()) return counted;
    const std::scoped_lock lock(objects_->mutex);
    objects_->settle([](std::size_t count) { return count - 1; });
    return {};
  }

  void fail_after(std::uint64_t calls, Status failure, bool sticky) override {
    const std::scoped_lock lock(objects_->mutex);
    failing_call_ = calls_ + calls + 1;
    failure_ = std::move(failure);
    sticky_ = sticky;
  }

  void crash(std::uint64_t seed) override {
    const std::scoped_lock lock(objects_->mutex);
    std::mt19937_64 engine(seed);
    objects_->settle([&](std::size_t count) { return static_cast<std::size_t>(engine() % count); });
  }

  std::uint64_t calls() const override {
    const std::scoped_lock lock(objects_->mutex);
    return calls_;
  }

  std::unique_ptr<MemoryStorage> share() override { return std::make_unique<MemoryStorageImpl>(objects_); }

 private:
  Status count_call() {
    const std::scoped_lock lock(objects_->mutex);
    ++calls_;
    if (failure_.ok() || calls_ < failing_call_) return {};
    const Status failure = failure_;
    if (!sticky_) failure_ = {};
    return failure;
  }

  Result<Version> open(std::string_view key) {
    if (Status counted = count_call(); !counted.ok()) return counted;
    if (Status checked = check_key(key); !checked.ok()) return checked;
    const std::scoped_lock lock(objects_->mutex);
    Version found = objects_->find(key);
    if (!found) return Status(Code::not_found, base::cat("there is no object ", key));
    return found;
  }

  Status put_object(std::string_view key, ByteView bytes, bool replace) {
    if (Status counted = count_call(); !counted.ok()) return counted;
    if (Status checked = check_key(key); !checked.ok()) return checked;
    auto version = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
    const std::scoped_lock lock(objects_->mutex);
    if (Status placed = check_place(key); !placed.ok()) return placed;
    if (!replace && objects_->find(key)) {
      return Status(Code::already_exists, base::cat(key, " exists already"));
    }
    objects_->set(key, std::move(version));
    return {};
  }

  // A directory cannot be a file at the same time; what works here must work there.
  Status check_place(std::string_view key) const {
    for (std::size_t slash = key.find('/'); slash != std::string_view::npos;
         slash = key.find('/', slash + 1)) {
      if (objects_->find(key.substr(0, slash))) {
        return Status(Code::invalid_argument,
                      base::cat(key.substr(0, slash), " is an object, so ", key, " cannot be below it"));
      }
    }
    const std::string below = base::cat(key, '/');
    for (auto it = objects_->versions.lower_bound(below);
         it != objects_->versions.end() && it->first.starts_with(below); ++it) {
      if (!it->second.back()) continue;
      return Status(Code::invalid_argument,
                    base::cat(it->first, " is below ", key, ", which cannot be an object therefore"));
    }
    return {};
  }

  std::vector<ObjectInfo> snapshot(std::string_view prefix) const {
    const std::scoped_lock lock(objects_->mutex);
    std::vector<ObjectInfo> objects;
    for (auto it = objects_->versions.lower_bound(prefix);
         it != objects_->versions.end() && it->first.starts_with(prefix); ++it) {
      if (it->second.back()) objects.push_back({it->first, it->second.back()->size()});
    }
    return objects;
  }

  const std::shared_ptr<Objects> objects_;
  // Of this handle alone, guarded by the mutex of the objects.
  std::uint64_t calls_ = 0;
  std::uint64_t failing_call_ = 0;
  Status failure_;
  bool sticky_ = false;
};

}  // namespace

std::unique_ptr<MemoryStorage> make_memory_storage() {
  return std::make_unique<MemoryStorageImpl>(std::make_shared<Objects>());
}

}  // namespace v0
}  // namespace restante

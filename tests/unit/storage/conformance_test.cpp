// Both drivers, and the local one in both of its ways to be durable, keep what Storage promises.

#include "conformance/storage.hpp"

#include "os/io.hpp"
#include "storage/local_storage.hpp"
#include "support/catch.hpp"

namespace {

using namespace restante;
using conformance::StoragePlace;

class LocalPlace final : public StoragePlace {
 public:
  explicit LocalPlace(storage::SyncMethod method) : method_(method) {}
  Result<std::unique_ptr<Storage>> open() override {
    return storage::open_local_driver(os::real_io(), scratch_.file("target"),
                                      {.create = true, .sync_method = method_});
  }

 private:
  const storage::SyncMethod method_;
  test::ScratchDir scratch_;
};

class MemoryPlace final : public StoragePlace {
 public:
  Result<std::unique_ptr<Storage>> open() override { return std::unique_ptr<Storage>(memory_->share()); }

 private:
  std::unique_ptr<MemoryStorage> memory_ = make_memory_storage();
};

void require_conformance(const std::function<std::unique_ptr<StoragePlace>()>& make_place) {
  for (const conformance::StorageCheck& check : conformance::check_storage(make_place)) {
    INFO(check.name << ": " << check.failure);
    CHECK(check.failure.empty());
  }
}

}  // namespace

TEST_CASE("storage conformance: local directory", "[storage]") {
  require_conformance([] { return std::make_unique<LocalPlace>(storage::SyncMethod::file_system); });
}

TEST_CASE("storage conformance: local directory that syncs every write", "[storage]") {
  require_conformance([] { return std::make_unique<LocalPlace>(storage::SyncMethod::each_write); });
}

TEST_CASE("storage conformance: memory", "[storage]") {
  require_conformance([] { return std::make_unique<MemoryPlace>(); });
}

#include "stoppable_storage.hpp"

#include <string>
#include <utility>

#include "signals.hpp"

namespace cli {
namespace {

using restante::Bytes;
using restante::ByteView;
using restante::ObjectInfo;
using restante::Publication;
using restante::Result;
using restante::Status;
using restante::Storage;

class StoppableStorage final : public Storage {
 public:
  StoppableStorage(std::unique_ptr<Storage> storage, const Interruption& interruption)
      : storage_(std::move(storage)), interruption_(interruption) {}

  [[nodiscard]] Result<Bytes> get_range(std::string_view key, std::uint64_t offset,
                                        std::uint64_t length) override {
    if (Status status = interruption_.check(); !status.ok()) return status;
    return storage_->get_range(key, offset, length);
  }
  [[nodiscard]] Result<Bytes> get(std::string_view key, std::uint64_t limit) override {
    if (Status status = interruption_.check(); !status.ok()) return status;
    return storage_->get(key, limit);
  }

  [[nodiscard]] std::string describe() const override { return storage_->describe(); }
  [[nodiscard]] Status put(std::string_view key, ByteView bytes) override {
    return storage_->put(key, bytes);
  }
  [[nodiscard]] Status put_if_absent(std::string_view key, ByteView bytes) override {
    return storage_->put_if_absent(key, bytes);
  }
  [[nodiscard]] Result<ObjectInfo> info(std::string_view key) override { return storage_->info(key); }
  [[nodiscard]] Status list(std::string_view prefix,
                            const std::function<Status(const ObjectInfo&)>& each) override {
    return storage_->list(prefix, each);
  }
  [[nodiscard]] Status remove(std::string_view key) override { return storage_->remove(key); }
  [[nodiscard]] Status sync() override { return storage_->sync(); }
  [[nodiscard]] Result<std::unique_ptr<Publication>> publication(std::string_view final_prefix,
                                                                 std::string_view staging_prefix) override {
    return storage_->publication(final_prefix, staging_prefix);
  }

 private:
  std::unique_ptr<Storage> storage_;
  const Interruption& interruption_;
};

}  // namespace

Status Interruption::check() const {
  return on_ && stop_requested() ? Status(restante::Code::cancelled, "interrupted") : Status();
}

std::unique_ptr<Storage> make_stoppable(std::unique_ptr<Storage> storage, const Interruption& interruption) {
  return std::make_unique<StoppableStorage>(std::move(storage), interruption);
}

}  // namespace cli

#pragma once
// A snapshot on its way into a session, and what it consists of.

#include <functional>
#include <string>
#include <vector>

#include <restante/state_digest.hpp>

#include "target/snapshot_file.hpp"

namespace restante::backup {

class SnapshotTally final : public OpSink {
 public:
  // Looks at each operation before it is written.
  using Check = std::function<Status(const Operation&)>;

  SnapshotTally(target::SnapshotWriter& writer, const DigestKey& key, FieldSet fields, Check check)
      : writer_(writer), digester_(key, fields), check_(std::move(check)) {}

  [[nodiscard]] Status put(Operation operation) override {
    if (check_) {
      if (Status s = check_(operation); !s.ok()) return s;
    }
    if (Status s = digester_.add(operation); !s.ok()) return s;
    if (const auto* put = std::get_if<MessagePut>(&operation)) {
      for (const Message& message : put->messages) {
        ++messages;
        note(message.content);
      }
    } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
      note(item->item.content);
    } else if (const auto* account = std::get_if<AccountPut>(&operation)) {
      address = account->account.address;
    }
    Status written = writer_.put(operation);
    target_failed_ = target_failed_ || !written.ok();
    return written;
  }
  // Whether it could not be written: then it is not the fault of what was put.
  [[nodiscard]] bool target_failed() const noexcept { return target_failed_; }
  [[nodiscard]] StateDigest digest() const { return digester_.account_digest(); }

  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::string address;
  std::vector<Digest> contents;

 private:
  void note(const std::optional<ContentRef>& content) {
    if (!content) return;
    bytes += content->size;
    contents.push_back(content->digest);
  }

  target::SnapshotWriter& writer_;
  StateDigester digester_;
  Check check_;
  bool target_failed_ = false;
};

}  // namespace restante::backup

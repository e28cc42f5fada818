#pragma once
// Reads a sorted snapshot element by element and checks that it is one.

#include <restante/mailbox_state.hpp>

#include <map>
#include <string>

namespace restante::model {

/// What replay would make void or normalise is left out or normalised, so that streaming over a snapshot sees
/// what a `MailboxState` filled from it would hold.
class SnapshotReader {
 public:
  /// In the order of a snapshot.
  enum class Part { none, account, folder, message, item, host_op, unknown, end };

  /// `name` is for messages: "snapshot", "from", "to". Both outlive the reader.
  SnapshotReader(OpStream& stream, std::string_view name) : stream_(stream), name_(name) {}

  /// Goes to the next element. `damaged` if it is out of order, `unsupported` if it cannot be understood.
  [[nodiscard]] Status advance();

  [[nodiscard]] Part part() const noexcept { return part_; }
  /// The current element; moving from it is fine.
  [[nodiscard]] Operation& operation() noexcept { return operation_; }
  [[nodiscard]] Account& account() { return std::get<AccountPut>(operation_).account; }
  [[nodiscard]] Folder& folder() { return std::get<FolderPut>(operation_).folder; }
  [[nodiscard]] Message& message() { return std::get<MessagePut>(operation_).messages.front(); }
  [[nodiscard]] Item& item() { return std::get<ItemPut>(operation_).item; }
  /// (folder id, message id), (kind, id), (folder id, ""); empty for the parts without keys.
  [[nodiscard]] const std::pair<std::string, std::string>& key() const noexcept { return key_; }

 private:
  [[nodiscard]] Status accept();
  [[nodiscard]] bool is_void();
  [[nodiscard]] Status damaged(std::string_view what) const;

  OpStream& stream_;
  std::string_view name_;
  Part part_ = Part::none;
  Operation operation_;
  std::pair<std::string, std::string> key_;
  std::map<std::string, std::uint32_t, std::less<>> uidvalidities_;
  std::uint64_t position_ = 0;
};

}  // namespace restante::model

#pragma once
// The tables of accounts, folders and messages, and what operations do to them.

#include <restante/redo_log.hpp>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "files.hpp"
#include "sqlite.hpp"

namespace tinystore {

struct Folder {
  std::string id;
  std::uint32_t uidvalidity = 0;
  std::uint32_t uidnext = 0;
};

/// What the store says to operations that were begun: what it assigns, or why it will not do them.
struct Decision {
  std::optional<Status> refusal;
  std::vector<restante::Assigned> assigned;
};

class Mailboxes {
 public:
  Mailboxes(Database& db, Files& files) : db_(db), files_(files) {}

  Status make_tables();

  [[nodiscard]] Result<bool> has_account(std::string_view account) const;
  [[nodiscard]] Result<std::optional<Folder>> folder(std::string_view account, std::string_view id) const;
  [[nodiscard]] Result<std::optional<restante::Message>> message(std::string_view account,
                                                                 std::string_view folder_id,
                                                                 std::string_view id) const;
  /// By folder and UID.
  [[nodiscard]] Result<std::vector<restante::Message>> messages(std::string_view account) const;
  [[nodiscard]] Result<bool> uses(const std::string& digest) const;

  /// Looks whether the store will do operations that it has not done before, and assigns the UIDs.
  [[nodiscard]] Result<Decision> decide(std::string_view account,
                                        std::span<const restante::Operation> operations) const;
  /// Does an operation, with everything assigned, as the log tells it: the store has the last word in
  /// `decide`, never here. Doing it again changes nothing.
  Status apply(std::string_view account, const restante::Operation& operation, const restante::RedoLog& log);

 private:
  using Begun = std::span<const restante::Operation>;
  [[nodiscard]] Result<Decision> decide_put(std::string_view account, const restante::MessagePut& put,
                                            std::uint32_t index) const;
  [[nodiscard]] Result<Decision> decide_expunge(std::string_view account,
                                                const restante::MessageExpunge& expunge, Begun all) const;
  Status put_folder(std::string_view account, const restante::Folder& folder);
  Status put_message(std::string_view account, const restante::Message& message,
                     const restante::RedoLog& log);
  Status update_flags(std::string_view account, const restante::FlagsUpdate& update);
  Status expunge(std::string_view account, const restante::MessageExpunge& expunge);
  [[nodiscard]] Result<bool> is_void(std::string_view account, std::string_view folder_id,
                                     std::uint32_t uidvalidity) const;

  Database& db_;
  Files& files_;
};

}  // namespace tinystore

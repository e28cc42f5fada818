#pragma once
// What logged transactions make of a mailbox as it is now.

#include <restante/mail_sink.hpp>
#include <restante/mailbox_state.hpp>
#include <restante/redo_log.hpp>

#include <cstdint>

#include "given_ids.hpp"

namespace cli {

/// Performs logged operations on a state. Identity is that of the state (R3, keep): what is there keeps its
/// id, its UIDVALIDITY and its UIDs, and logged UIDs count only where the UIDVALIDITY is the logged one.
class ReplayState {
 public:
  ReplayState(const restante::MailboxState& live, const GivenIds& ids)
      : live_(live), state_(live), ids_(ids) {}

  /// `unsupported` for an operation of a newer version that must be understood.
  [[nodiscard]] restante::Status apply(const restante::Operation& operation);
  /// The state, in the form in which it is compared with the live one and handed to a store: how the store
  /// keeps a message that is there is the store's own (`own`).
  [[nodiscard]] restante::MailboxState wanted(const std::vector<std::string>& own) const;
  /// Messages whose folder was not there.
  [[nodiscard]] std::uint64_t passed_over() const noexcept { return passed_over_; }

 private:
  [[nodiscard]] restante::Status put(restante::FolderPut operation);
  [[nodiscard]] restante::Status put(restante::MessagePut operation);
  /// Of MessageExpunge and FlagsUpdate.
  template <class Change>
  [[nodiscard]] restante::Status change(Change operation);

  const restante::MailboxState& live_;
  restante::MailboxState state_;
  const GivenIds& ids_;
  std::uint64_t passed_over_ = 0;
};

/// The operations that turn `live` into `wanted`, in an order in which a store can perform them.
[[nodiscard]] restante::Result<restante::DifferenceSummary> operations_between(
    const restante::MailboxState& live, const restante::MailboxState& wanted, restante::FieldSet fields,
    std::vector<restante::Operation>& out);

}  // namespace cli

#pragma once
// From a recorded state to what a store is asked to do: identities (R3) and the order of operations. Pure.

#include <string>
#include <vector>

#include <restante/mailbox_state.hpp>
#include <restante/restore_plan.hpp>

namespace restante::restore {

// What decides the identity, beside the request.
struct IdentitySituation {
  bool new_account = false;
  bool live_is_empty = false;
  // The stop is the newest position and the log has its newest segment.
  bool newest_position = false;
  // Live UIDs are known: the store keeps UIDs and was read, or the log's tail tells them.
  bool live_values_known = true;
};
struct IdentityChoice {
  Identity identity = Identity::keep;
  Continuity continuity = Continuity::continued;
  std::string reason;
};
// `invalid_argument` for an identity that was asked for and cannot be given.
[[nodiscard]] Result<IdentityChoice> choose_identity(const std::optional<Identity>& asked,
                                                     const IdentitySituation& situation,
                                                     const SinkTraits& traits);

// As `SinkTraits::own_attributes` says.
using OwnAttributes = std::vector<std::string>;

// What a renewed UIDVALIDITY has to be above, beside what is recorded and live.
struct UsedBefore {
  // Of any folder that the log speaks of, also of those that have gone.
  std::uint32_t uidvalidity = 0;
  Time now;
};
// The state to reach in the live store, as a sorted snapshot.
[[nodiscard]] MailboxState shape(const MailboxState& recorded, const MailboxState& live, Identity identity,
                                 const UsedBefore& used, const OwnAttributes& own);

// The messages that go with a folder that is removed or gets another UIDVALIDITY, by name: so a store can
// remove these, and not those that came since the plan was made.
[[nodiscard]] std::vector<Operation> dropped_by_name(const MailboxState& live, const MailboxState& wanted);

// The order in which a store performs a difference: what makes room for folders, folders from the top,
// messages and flags, items, then what is removed, folders from the bottom. So nothing is gone before what
// takes its place is there (R16).
[[nodiscard]] std::vector<Operation> in_order(std::vector<Operation> difference, const MailboxState& live,
                                              const MailboxState& wanted);

}  // namespace restante::restore

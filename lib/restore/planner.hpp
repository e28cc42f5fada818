#pragma once
// Computes what a restore will do to one account. Used to show it, and again to do it.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <restante/restore_plan.hpp>

#include "history/account_state.hpp"
#include "history/history.hpp"
#include "restore/contents.hpp"

namespace restante::restore {

using history::AccountState;
using history::Full;
using history::History;
using history::ResolvedStop;

// What all accounts of a plan share.
struct PlanContext {
  std::vector<BackupTarget> targets;
  RedoLog* log = nullptr;
  RestoreRequest request;
  RestoreInto into;
  // One instant for all that the plan derives from the time, so that computing it again gives the same.
  Time made_at;
  History history;
  ResolvedStop stop;
  // Accounts were named one by one; a deleted one is then brought back as it was before.
  bool named = false;
  std::unique_ptr<Contents> contents;
};

// An element of an operation whose content the store does not have where it is needed: of a MessagePut or an
// ItemPut.
struct Need {
  ContentRef content;
  std::size_t operation = 0;
  std::size_t element = 0;
};

struct ComputedAccount {
  AccountPlan plan;
  AccountState state;
  // In the order in which they will be performed.
  std::vector<Operation> operations;
  // In the order of the operations.
  std::vector<Need> needed;
};

// What a plan is computed for.
enum class Purpose {
  // To be shown, for an account that an earlier restore left in doubt: the live store is not asked, and there
  // is no difference.
  show_state,
  // To be shown: looks whether all content is there.
  show,
  // To be done: content is about to be read anyway.
  perform,
};

// The plan of one account; what keeps it from being restored is in `plan.failure`.
[[nodiscard]] ComputedAccount compute(const PlanContext& context, const TargetAccount& account,
                                      Purpose purpose);

// A sorted snapshot of the state at the stop.
[[nodiscard]] Result<std::vector<Operation>> state_of(const PlanContext& context,
                                                      const TargetAccount& account);

// Tells whether two computations would do the same.
[[nodiscard]] Digest digest_of(const std::vector<Operation>& operations);

}  // namespace restante::restore

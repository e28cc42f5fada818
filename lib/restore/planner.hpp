#pragma once
// Computes what a restore will do to one account. Used to show it, and again to do it.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <restante/restore_plan.hpp>

#include "restore/account_state.hpp"
#include "restore/contents.hpp"
#include "restore/history.hpp"

namespace restante::restore {

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

struct ComputedAccount {
  AccountPlan plan;
  AccountState state;
  // In the order in which they will be performed.
  std::vector<Operation> operations;
  // Contents that the store will need.
  std::vector<ContentRef> needed;
};

// The plan of one account; what keeps it from being restored is in `plan.failure`. `look_at_live` false: the
// live store is not asked, and there is no difference (an account that an earlier restore left in doubt).
[[nodiscard]] ComputedAccount compute(const PlanContext& context, const TargetAccount& account,
                                      bool look_at_live);

// A sorted snapshot of the state at the stop.
[[nodiscard]] Result<std::vector<Operation>> state_of(const PlanContext& context,
                                                      const TargetAccount& account);

// Tells whether two computations would do the same.
[[nodiscard]] Digest digest_of(const std::vector<Operation>& operations);

}  // namespace restante::restore

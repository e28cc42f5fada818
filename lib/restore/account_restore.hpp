#pragma once
// Restores one account: verifies everything, logs what it is about to do, does it, logs what came of it (R4).

#include <functional>

#include "restore/planner.hpp"

namespace restante::restore {

struct AccountJob {
  const PlanContext& context;
  const TargetAccount& account;
  const AccountPlan& planned;
  Digest planned_operations;
  bool in_doubt = false;
  std::function<void(std::uint64_t messages, std::uint64_t bytes)> tick;
};

[[nodiscard]] AccountReport restore_account(const AccountJob& job);

}  // namespace restante::restore

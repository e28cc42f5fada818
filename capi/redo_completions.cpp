// Durability without waiting for it: the host's executor, and the completions of a log.

#include "handles.hpp"

namespace restante::capi {
namespace {

extern "C" void run_work(void* work_data) {
  const std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()>*>(work_data));
  (*work)();
}

/// Hands work to a table that the host fills.
class HostExecutor final : public Executor {
 public:
  explicit HostExecutor(const restante_executor& table) : table_(table) {}

  void execute(std::function<void()> work) override {
    table_.execute(table_.user_data, run_work, new std::function<void()>(std::move(work)));
  }

 private:
  const restante_executor table_;
};

}  // namespace
}  // namespace restante::capi

using restante::Lsn;
using restante::RedoLog;
using restante::Result;
using restante::Status;
using namespace restante::capi;

struct restante_completions {
  /// Null without one. Before the completions: these wait for their work.
  std::unique_ptr<HostExecutor> executor;
  std::optional<RedoLog::Completions> completions;
};

std::int32_t restante_redo_completions(restante_redo* redo, const restante_executor* executor,
                                       restante_completions** out_completions, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(out_completions, "out_completions"); !null.ok()) return null;
    auto handle = std::make_unique<restante_completions>();
    if (executor != nullptr) {
      restante_executor table;
      if (Status wrong = read_struct(executor, "restante_executor", table); !wrong.ok()) return wrong;
      if (table.execute == nullptr) return invalid("restante_executor: execute is NULL");
      handle->executor = std::make_unique<HostExecutor>(table);
    }
    Result<RedoLog::Completions> completions = log->completions(handle->executor.get());
    if (!completions.ok()) return completions.status();
    handle->completions.emplace(*std::move(completions));
    *out_completions = handle.release();
    return {};
  });
}

int restante_completions_fd(const restante_completions* completions) {
  return completions != nullptr ? completions->completions->fd() : -1;
}

std::int32_t restante_completions_request(restante_completions* completions, std::uint64_t lsn,
                                          restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(completions, "completions"); !null.ok()) return null;
    return completions->completions->request(lsn);
  });
}

std::int32_t restante_completions_poll(restante_completions* completions, std::uint64_t* out_durable_lsn,
                                       restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(completions, "completions"); !null.ok()) return null;
    if (Status null = require(out_durable_lsn, "out_durable_lsn"); !null.ok()) return null;
    const Result<Lsn> durable = completions->completions->poll();
    if (!durable.ok()) return durable.status();
    *out_durable_lsn = *durable;
    return {};
  });
}

void restante_completions_free(restante_completions* completions) { delete completions; }

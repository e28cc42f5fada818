// Transactions of a redo log that are open.

#include "handles.hpp"

namespace restante::capi {
namespace {

restante_unfinished unfinished_to_c(const RedoLog::Unfinished& found) {
  restante_unfinished unfinished{};
  unfinished.struct_size = sizeof unfinished;
  unfinished.claimable = found.claimable ? 1 : 0;
  unfinished.account_id = view_of(found.account_id);
  unfinished.begin_lsn = found.begin_lsn;
  unfinished.begin_time = found.begin_time.us;
  unfinished.is_rewind = found.is_rewind ? 1 : 0;
  return unfinished;
}

Status account_of_log(restante_redo* redo, const restante_view& account_id, RedoLog*& log,
                      std::string_view& account) {
  if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
  return read_view(account_id, "account_id", account);
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_redo_unfinished(restante_redo* redo, restante_unfinished_function each, void* user_data,
                                      restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    return tell_each(log->unfinished(), each, user_data, "unfinished callback", unfinished_to_c);
  });
}

std::int32_t restante_redo_oldest_open(restante_redo* redo, restante_view account_id,
                                       std::uint64_t* out_begin_lsn, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    std::string_view account;
    if (Status wrong = account_of_log(redo, account_id, log, account); !wrong.ok()) return wrong;
    if (Status null = require(out_begin_lsn, "out_begin_lsn"); !null.ok()) return null;
    *out_begin_lsn = log->oldest_open(account).value_or(0);
    return {};
  });
}

std::int32_t restante_redo_wait_for_open(restante_redo* redo, restante_view account_id,
                                         std::uint64_t deadline_ms, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    std::string_view account;
    if (Status wrong = account_of_log(redo, account_id, log, account); !wrong.ok()) return wrong;
    return log->wait_for_open(account, duration_of<std::chrono::milliseconds>(deadline_ms));
  });
}

std::int32_t restante_redo_aborted_since(restante_redo* redo, restante_view account_id, std::uint64_t after,
                                         std::uint32_t* out_aborted, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    std::string_view account;
    if (Status wrong = account_of_log(redo, account_id, log, account); !wrong.ok()) return wrong;
    if (Status null = require(out_aborted, "out_aborted"); !null.ok()) return null;
    const Result<bool> aborted = log->aborted_since(account, after);
    if (aborted.ok()) *out_aborted = *aborted ? 1 : 0;
    return aborted.status();
  });
}

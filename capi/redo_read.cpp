#include "handles.hpp"

#include <algorithm>
#include <chrono>

struct restante_cursor {
  explicit restante_cursor(std::unique_ptr<restante::TransactionCursor> opened) : cursor(std::move(opened)) {
    ops.operations = &transaction.operations;
  }
  std::unique_ptr<restante::TransactionCursor> cursor;
  /// What was handed out last.
  restante::LoggedTransaction transaction;
  /// It could not be handed out: the next call has it.
  bool is_pending = false;
  /// Lends its operations to readers.
  restante_ops ops;
};

namespace restante::capi {
namespace {

Status range_from_c(const restante_read_range* given, ReadRange& out) {
  restante_read_range range;
  if (Status wrong = read_struct(given, "restante_read_range", range); !wrong.ok()) return wrong;
  if (range.reserved != 0) return invalid("restante_read_range: reserved is not 0");
  out.after = range.after;
  if (range.until != 0) out.until = range.until;
  return read_view(range.account_id, "restante_read_range.account_id", out.account_id);
}

restante_logged logged_to_c(const LoggedTransaction& transaction, const restante_ops& ops) {
  restante_logged logged{};
  logged.struct_size = sizeof logged;
  logged.account_id = view_of(transaction.account_id);
  logged.begin_lsn = transaction.begin_lsn;
  logged.commit_lsn = transaction.commit_lsn;
  logged.sequence = transaction.sequence;
  logged.wall_time = transaction.wall_time.us;
  logged.commit_time = transaction.commit_time.us;
  logged.origin_client = view_of(transaction.origin.client);
  logged.origin_session = view_of(transaction.origin.session);
  logged.origin_address = view_of(transaction.origin.address);
  logged.ops = &ops;
  return logged;
}

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

/// What is added to instants inside must not overflow; nothing is a hundred years old.
std::chrono::seconds seconds_of(std::uint64_t seconds) {
  constexpr std::uint64_t kLongest = 100ull * 366 * 86'400;
  return std::chrono::seconds(static_cast<std::int64_t>(std::min(seconds, kLongest)));
}

restante_consumer consumer_to_c(const Consumer& found) {
  restante_consumer consumer{};
  consumer.struct_size = sizeof consumer;
  consumer.lost = found.lost ? 1 : 0;
  consumer.name = view_of(found.name);
  consumer.position = found.position;
  consumer.max_bytes = found.max_bytes;
  consumer.max_age_seconds = static_cast<std::uint64_t>(found.max_age.count());
  return consumer;
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
    if (each == nullptr) return invalid("each is NULL");
    for (const RedoLog::Unfinished& found : log->unfinished()) {
      const restante_unfinished unfinished = unfinished_to_c(found);
      restante_error* error = nullptr;
      const std::int32_t code = each(user_data, &unfinished, &error);
      if (Status failed = status_of_callback("unfinished callback", code, error); !failed.ok()) return failed;
    }
    return {};
  });
}

// --- Reading ------------------------------------------------------------------------------------------

std::int32_t restante_redo_read(restante_redo* redo, const restante_read_range* range,
                                restante_cursor** out_cursor, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(out_cursor, "out_cursor"); !null.ok()) return null;
    ReadRange wanted;
    if (Status wrong = range_from_c(range, wanted); !wrong.ok()) return wrong;
    Result<std::unique_ptr<TransactionCursor>> cursor = log->read(wanted);
    if (!cursor.ok()) return cursor.status();
    *out_cursor = new restante_cursor(*std::move(cursor));
    return {};
  });
}

std::int32_t restante_cursor_next(restante_cursor* cursor, restante_logged* out_logged,
                                  std::uint32_t* out_more, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(cursor, "cursor"); !null.ok()) return null;
    if (Status null = require(out_logged, "out_logged"); !null.ok()) return null;
    if (Status null = require(out_more, "out_more"); !null.ok()) return null;
    if (!cursor->is_pending) {
      cursor->ops.forget_reads();
      const Result<bool> more = cursor->cursor->next(cursor->transaction);
      if (!more.ok()) return more.status();
      cursor->is_pending = *more;
    }
    if (cursor->is_pending) {
      const restante_logged logged = logged_to_c(cursor->transaction, cursor->ops);
      if (Status wrong = fill_struct(out_logged, "restante_logged", logged); !wrong.ok()) return wrong;
    }
    *out_more = cursor->is_pending ? 1 : 0;
    cursor->is_pending = false;
    return {};
  });
}

void restante_cursor_free(restante_cursor* cursor) { delete cursor; }

// --- Keeping segments ---------------------------------------------------------------------------------

std::int32_t restante_redo_consumers(restante_redo* redo, restante_consumer_function each, void* user_data,
                                     restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (each == nullptr) return invalid("each is NULL");
    for (const Consumer& found : log->consumers()) {
      const restante_consumer consumer = consumer_to_c(found);
      restante_error* error = nullptr;
      const std::int32_t code = each(user_data, &consumer, &error);
      if (Status failed = status_of_callback("consumer callback", code, error); !failed.ok()) return failed;
    }
    return {};
  });
}

std::int32_t restante_redo_set_consumer(restante_redo* redo, const restante_consumer* consumer,
                                        restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(consumer, "consumer"); !null.ok()) return null;
    restante_consumer given;
    if (Status wrong = read_struct(consumer, "restante_consumer", given); !wrong.ok()) return wrong;
    std::string_view name;
    if (Status wrong = read_view(given.name, "restante_consumer.name", name); !wrong.ok()) return wrong;
    return log->set_consumer(name, given.position, given.max_bytes, seconds_of(given.max_age_seconds));
  });
}

std::int32_t restante_redo_remove_consumer(restante_redo* redo, restante_view name,
                                           restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    std::string_view wanted;
    if (Status wrong = read_view(name, "name", wanted); !wrong.ok()) return wrong;
    return log->remove_consumer(wanted);
  });
}

std::int32_t restante_redo_remove_consumed(restante_redo* redo, std::uint64_t min_age_seconds,
                                           std::uint64_t* out_count, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    const Result<std::uint64_t> count = log->remove_consumed(seconds_of(min_age_seconds));
    if (count.ok() && out_count != nullptr) *out_count = *count;
    return count.status();
  });
}

std::int32_t restante_redo_maintain(restante_redo* redo, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    Status wrong = open_log(redo, log);
    return wrong.ok() ? log->maintain() : wrong;
  });
}

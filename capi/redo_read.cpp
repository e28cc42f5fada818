// Committed transactions of a redo log: those of a range, and those that come.

#include "redo_reading.hpp"

struct restante_follower {
  explicit restante_follower(restante::RedoLog::Follower&& opened) : follower(std::move(opened)) {}
  restante::RedoLog::Follower follower;
  restante::capi::Lent<restante::LoggedTransaction> lent;
};

namespace restante::capi {
namespace {

restante_logged logged_to_c(const Lent<LoggedTransaction>& lent) {
  const LoggedTransaction& transaction = lent.value;
  restante_logged logged{};
  logged.struct_size = sizeof logged;
  logged.account_id = view_of(transaction.account_id);
  logged.begin_lsn = transaction.begin_lsn;
  logged.commit_lsn = transaction.commit_lsn;
  logged.sequence = transaction.sequence;
  logged.wall_time = transaction.wall_time.us;
  logged.commit_time = transaction.commit_time.us;
  fill_origin(transaction.origin, logged);
  logged.ops = &lent.ops;
  return logged;
}

Status kinds_from_c(const std::uint32_t* kinds, std::size_t count, std::vector<std::string>& out) {
  if (Status wrong = check_array(kinds, count, "restante_read_range.kinds"); !wrong.ok()) return wrong;
  const std::string_view unknown = restante_record_kind_name(RESTANTE_RECORD_UNKNOWN);
  for (std::size_t i = 0; i < count; ++i) {
    const char* name = restante_record_kind_name(kinds[i]);
    if (name == unknown) {
      return invalid("restante_read_range: " + std::to_string(kinds[i]) + " is no kind of record");
    }
    out.emplace_back(name);
  }
  return {};
}

/// A follower has no end, and takes all that comes.
Status followed_from_c(const restante_read_range* given, ReadRange& out) {
  if (Status wrong = range_from_c(given, out); !wrong.ok()) return wrong;
  if (out.until != ReadRange().until || out.from || out.to || !out.kinds.empty()) {
    return invalid("restante_read_range: a follower has no until, times and kinds");
  }
  return {};
}

}  // namespace

Status range_from_c(const restante_read_range* given, ReadRange& out) {
  restante_read_range range;
  if (Status wrong = read_struct(given, "restante_read_range", range); !wrong.ok()) return wrong;
  if ((range.present & ~std::uint32_t{RESTANTE_HAS_FROM | RESTANTE_HAS_TO}) != 0) {
    return invalid("restante_read_range: present has a bit that is not defined for it");
  }
  out.after = range.after;
  if (range.until != 0) out.until = range.until;
  if ((range.present & RESTANTE_HAS_FROM) != 0) out.from = Time{range.from};
  if ((range.present & RESTANTE_HAS_TO) != 0) out.to = Time{range.to};
  if (Status wrong = kinds_from_c(range.kinds, range.kind_count, out.kinds); !wrong.ok()) return wrong;
  return read_view(range.account_id, "restante_read_range.account_id", out.account_id);
}

}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

// --- A range ------------------------------------------------------------------------------------------

std::int32_t restante_redo_read(restante_redo* redo, const restante_read_range* range,
                                restante_cursor** out_cursor, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    return read_from(*log, range, out_cursor);
  });
}

std::int32_t restante_cursor_next(restante_cursor* cursor, restante_logged* out_logged,
                                  std::uint32_t* out_more, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(cursor, "cursor"); !null.ok()) return null;
    return lend_next(*cursor->cursor, cursor->lent, out_logged, "restante_logged", out_more, logged_to_c);
  });
}

void restante_cursor_free(restante_cursor* cursor) { delete cursor; }

// --- Following ----------------------------------------------------------------------------------------

std::int32_t restante_redo_follow(restante_redo* redo, const restante_read_range* range,
                                  restante_follower** out_follower, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(out_follower, "out_follower"); !null.ok()) return null;
    ReadRange wanted;
    if (Status wrong = followed_from_c(range, wanted); !wrong.ok()) return wrong;
    Result<RedoLog::Follower> follower = log->follow(wanted.after, wanted.account_id);
    if (!follower.ok()) return follower.status();
    *out_follower = new restante_follower(*std::move(follower));
    return {};
  });
}

std::int32_t restante_follower_next(restante_follower* follower, restante_logged* out_logged,
                                    std::uint32_t* out_more, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(follower, "follower"); !null.ok()) return null;
    return lend_next(follower->follower, follower->lent, out_logged, "restante_logged", out_more,
                     logged_to_c);
  });
}

std::int32_t restante_follower_wait(restante_follower* follower, std::uint64_t timeout_ms,
                                    std::uint32_t* out_more, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(follower, "follower"); !null.ok()) return null;
    if (Status null = require(out_more, "out_more"); !null.ok()) return null;
    Result<bool> more = follower->lent.is_pending;
    if (!*more) more = follower->follower.wait(duration_of<std::chrono::milliseconds>(timeout_ms));
    if (more.ok()) *out_more = *more ? 1 : 0;
    return more.status();
  });
}

void restante_follower_free(restante_follower* follower) { delete follower; }

// --- Times --------------------------------------------------------------------------------------------

std::int32_t restante_redo_lsn_at(restante_redo* redo, std::int64_t time, std::uint64_t* out_lsn,
                                  restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(out_lsn, "out_lsn"); !null.ok()) return null;
    const Result<Lsn> lsn = log->lsn_at(Time{time});
    if (lsn.ok()) *out_lsn = *lsn;
    return lsn.status();
  });
}

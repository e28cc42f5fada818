// The records of a redo log as they lie, and whether they are what was written.

#include <array>

#include "handles.hpp"
#include "lent.hpp"

struct restante_record_cursor {
  restante_record_cursor(const restante::RedoLog& of, std::unique_ptr<restante::RedoLog::RecordCursor> opened)
      : log(of), cursor(std::move(opened)) {}
  /// Keeps it open.
  restante::RedoLog log;
  std::unique_ptr<restante::RedoLog::RecordCursor> cursor;
  restante::capi::Lent<restante::RecordInfo> lent;
};

struct restante_redo_verification {
  restante::LogVerification found;
};

namespace restante::capi {
namespace {

/// By RESTANTE_RECORD_ number. Literals, so their data ends in a NUL.
constexpr std::array<std::string_view, 10> kRecordKinds = {
    "unknown", "begin", "commit", "abort", "append", "content", "touch", "mark", "clock-step", "incarnation"};
static_assert(kRecordKinds[RESTANTE_RECORD_BEGIN] == "begin" &&
              kRecordKinds[RESTANTE_RECORD_COMMIT] == "commit" &&
              kRecordKinds[RESTANTE_RECORD_ABORT] == "abort" &&
              kRecordKinds[RESTANTE_RECORD_APPEND] == "append" &&
              kRecordKinds[RESTANTE_RECORD_CONTENT] == "content" &&
              kRecordKinds[RESTANTE_RECORD_TOUCH] == "touch" &&
              kRecordKinds[RESTANTE_RECORD_MARK] == "mark" &&
              kRecordKinds[RESTANTE_RECORD_CLOCK_STEP] == "clock-step" &&
              kRecordKinds[RESTANTE_RECORD_INCARNATION] == "incarnation");

std::uint32_t kind_to_c(std::string_view kind) noexcept {
  const auto found = std::find(kRecordKinds.begin(), kRecordKinds.end(), kind);
  return found == kRecordKinds.end() ? 0 : static_cast<std::uint32_t>(found - kRecordKinds.begin());
}

restante_record record_to_c(const Lent<RecordInfo>& lent) {
  const RecordInfo& info = lent.value;
  restante_record record{};
  record.struct_size = sizeof record;
  record.kind = kind_to_c(info.kind);
  record.lsn = info.lsn;
  record.sequence = info.sequence;
  record.offset = info.offset;
  record.bytes = info.bytes;
  record.transaction = info.transaction;
  record.durable_lsn = info.durable_lsn;
  record.wall_time = info.wall_time.us;
  record.commit_time = info.commit_time.us;
  record.account_id = view_of(info.account_id);
  fill_origin(info.origin, record);
  record.ops = &lent.ops;
  record.assigned_count = info.assigned.size();
  if (info.content) {
    record.present = RESTANTE_HAS_CONTENT;
    record.content = content_to_c(*info.content);
  }
  return record;
}

restante_assigned assigned_to_c(const Assigned& entry) {
  restante_assigned assigned{};
  assigned.struct_size = sizeof assigned;
  assigned.operation = entry.operation;
  assigned.element = entry.element;
  assigned.refused = entry.refused ? 1 : 0;
  assigned.uidvalidity = entry.uidvalidity;
  assigned.uid = entry.uid;
  assigned.modseq = entry.modseq;
  assigned.id = view_of(entry.id);
  return assigned;
}

restante_redo_totals totals_to_c(const LogVerification& found) {
  restante_redo_totals totals{};
  totals.struct_size = sizeof totals;
  totals.segments = found.segments;
  totals.records = found.records;
  totals.transactions = found.transactions;
  totals.bytes = found.bytes;
  return totals;
}

restante_redo_damage damage_to_c(const LogDamage& found) {
  restante_redo_damage damage{};
  damage.struct_size = sizeof damage;
  damage.sequence = found.sequence;
  damage.offset = found.offset;
  damage.from_lsn = found.from_lsn;
  damage.next_lsn = found.next_lsn;
  damage.what = found.what.c_str();
  return damage;
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

// --- Records ------------------------------------------------------------------------------------------

const char* restante_record_kind_name(std::uint32_t kind) {
  return kRecordKinds[kind < kRecordKinds.size() ? kind : 0].data();
}

std::int32_t restante_redo_records(restante_redo* redo, const restante_read_range* range,
                                   restante_record_cursor** out_cursor, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(out_cursor, "out_cursor"); !null.ok()) return null;
    ReadRange wanted;
    if (Status wrong = range_from_c(range, wanted); !wrong.ok()) return wrong;
    Result<std::unique_ptr<RedoLog::RecordCursor>> cursor = log->records(wanted);
    if (!cursor.ok()) return cursor.status();
    *out_cursor = new restante_record_cursor(*log, *std::move(cursor));
    return {};
  });
}

std::int32_t restante_record_cursor_next(restante_record_cursor* cursor, restante_record* out_record,
                                         std::uint32_t* out_more, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(cursor, "cursor"); !null.ok()) return null;
    return lend_next(*cursor->cursor, cursor->lent, out_record, "restante_record", out_more, record_to_c);
  });
}

std::int32_t restante_record_cursor_get_assigned(const restante_record_cursor* cursor, std::size_t index,
                                                 restante_assigned* out_assigned,
                                                 restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(cursor, "cursor"); !null.ok()) return null;
    const std::vector<Assigned>& assigned = cursor->lent.value.assigned;
    if (index >= assigned.size()) return invalid("the record has no assigned entry " + std::to_string(index));
    return fill_struct(out_assigned, "restante_assigned", assigned_to_c(assigned[index]));
  });
}

void restante_record_cursor_free(restante_record_cursor* cursor) { delete cursor; }

// --- Verifying ----------------------------------------------------------------------------------------

std::int32_t restante_redo_verify(restante_redo* redo, restante_redo_verification** out_verification,
                                  restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    if (Status null = require(out_verification, "out_verification"); !null.ok()) return null;
    Result<LogVerification> found = log->verify();
    if (!found.ok()) return found.status();
    *out_verification = new restante_redo_verification{*std::move(found)};
    return {};
  });
}

std::int32_t restante_redo_verification_totals(const restante_redo_verification* verification,
                                               restante_redo_totals* out_totals, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(verification, "verification"); !null.ok()) return null;
    return fill_struct(out_totals, "restante_redo_totals", totals_to_c(verification->found));
  });
}

std::size_t restante_redo_verification_damage_count(const restante_redo_verification* verification) {
  return verification == nullptr ? 0 : verification->found.damages.size();
}

std::int32_t restante_redo_verification_get_damage(const restante_redo_verification* verification,
                                                   std::size_t index, restante_redo_damage* out_damage,
                                                   restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(verification, "verification"); !null.ok()) return null;
    const std::vector<LogDamage>& damages = verification->found.damages;
    if (index >= damages.size()) return invalid("there is no damage " + std::to_string(index));
    return fill_struct(out_damage, "restante_redo_damage", damage_to_c(damages[index]));
  });
}

void restante_redo_verification_free(restante_redo_verification* verification) { delete verification; }

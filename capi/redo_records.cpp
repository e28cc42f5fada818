// The records of a redo log as they lie.

#include <array>

#include "redo_reading.hpp"

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
    return records_from(*log, range, out_cursor);
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

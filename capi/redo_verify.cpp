// Whether a redo log is what was written.

#include "redo_reading.hpp"

restante_redo_verification::restante_redo_verification(restante::LogVerification done)
    : found(std::move(done)), segments(found.by_segment.size()) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    segments[i].info = restante::capi::segment_to_c(found.by_segment[i].info);
    for (const restante::LsnRange& range : found.by_segment[i].readable) {
      segments[i].readable.push_back({range.first, range.last});
    }
  }
}

namespace restante::capi {
namespace {

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
  damage.file = found.file.c_str();
  return damage;
}

restante_segment_verification segment_to_c(const restante_redo_verification& verification,
                                           std::size_t index) {
  const SegmentVerification& found = verification.found.by_segment[index];
  const restante_redo_verification::Segment& shown = verification.segments[index];
  restante_segment_verification segment{};
  segment.struct_size = sizeof segment;
  segment.is_damaged = found.is_damaged ? 1 : 0;
  segment.info = &shown.info;
  segment.file = found.file.c_str();
  segment.readable = shown.readable.empty() ? nullptr : shown.readable.data();
  segment.readable_count = shown.readable.size();
  segment.torn_bytes = found.torn_bytes;
  return segment;
}

}  // namespace

Status VerifyCallback::prepare(const restante_verify_options* given, RedoLog::VerifyOptions& out) {
  if (Status wrong = read_struct(given, "restante_verify_options", options_); !wrong.ok()) return wrong;
  if (options_.reserved != 0) return invalid("restante_verify_options: reserved is not 0");
  if (options_.progress == nullptr) return {};
  out.progress = [this, cancel = out.cancel](const Progress& now) mutable {
    restante_error* error = nullptr;
    const std::int32_t code = options_.progress(options_.progress_user_data, now.bytes_done, &error);
    failure_ = status_of_callback("progress callback", code, error);
    if (!failure_.ok()) cancel.cancel();
  };
  return {};
}

}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_redo_verify(restante_redo* redo, const restante_verify_options* options,
                                  restante_redo_verification** out_verification, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    return verify_all_of(*log, options, out_verification);
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

std::size_t restante_redo_verification_segment_count(const restante_redo_verification* verification) {
  return verification == nullptr ? 0 : verification->found.by_segment.size();
}

std::int32_t restante_redo_verification_get_segment(const restante_redo_verification* verification,
                                                    std::size_t index,
                                                    restante_segment_verification* out_segment,
                                                    restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(verification, "verification"); !null.ok()) return null;
    if (index >= verification->segments.size()) {
      return invalid("there is no segment " + std::to_string(index));
    }
    return fill_struct(out_segment, "restante_segment_verification", segment_to_c(*verification, index));
  });
}

void restante_redo_verification_free(restante_redo_verification* verification) { delete verification; }

// The segments of a redo log: which there are, and who keeps them.

#include "redo_reading.hpp"

namespace restante::capi {
namespace {

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

std::int32_t restante_redo_segments(restante_redo* redo, restante_segment_function each, void* user_data,
                                    restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    const Result<std::vector<SegmentInfo>> segments = log->segments();
    if (!segments.ok()) return segments.status();
    return tell_each(*segments, each, user_data, "segment callback", segment_to_c);
  });
}

std::int32_t restante_redo_consumers(restante_redo* redo, restante_consumer_function each, void* user_data,
                                     restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    const Result<std::vector<Consumer>> consumers = log->consumers();
    if (!consumers.ok()) return consumers.status();
    return tell_each(*consumers, each, user_data, "consumer callback", consumer_to_c);
  });
}

std::int32_t restante_redo_set_consumer(restante_redo* redo, restante_view name, std::uint64_t position,
                                        restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    std::string_view given;
    if (Status wrong = read_view(name, "name", given); !wrong.ok()) return wrong;
    return log->set_consumer(given, position);
  });
}

std::int32_t restante_redo_limit_consumer(restante_redo* redo, restante_view name, std::uint64_t max_bytes,
                                          std::uint64_t max_age_seconds, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    RedoLog* log = nullptr;
    if (Status wrong = open_log(redo, log); !wrong.ok()) return wrong;
    std::string_view given;
    if (Status wrong = read_view(name, "name", given); !wrong.ok()) return wrong;
    return log->limit_consumer(given, max_bytes, duration_of<std::chrono::seconds>(max_age_seconds));
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
    const Result<std::uint64_t> count =
        log->remove_consumed(duration_of<std::chrono::seconds>(min_age_seconds));
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

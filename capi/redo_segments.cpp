// Segments of a redo log by their files.

#include <restante/redo_segments.hpp>

#include "redo_reading.hpp"

struct restante_segments {
  explicit restante_segments(restante::RedoSegments opened)
      : segments(std::move(opened)), infos(segments.segments()) {}
  restante::RedoSegments segments;
  std::vector<restante::SegmentInfo> infos;
};

namespace restante::capi {
namespace {

Status hand_out(Result<RedoSegments> opened, restante_segments** out_segments) {
  if (!opened.ok()) return opened.status();
  *out_segments = new restante_segments(*std::move(opened));
  return {};
}

restante_left_out left_out_to_c(const RedoSegments::LeftOut& found) {
  restante_left_out left{};
  left.struct_size = sizeof left;
  left.code = c_code(found.why.code());
  left.path = found.path.c_str();
  left.message = found.why.message().c_str();
  left.hint = found.why.hint().c_str();
  left.sequence = found.sequence;
  left.bytes = found.bytes;
  return left;
}

Lsn newest_lsn(const std::vector<SegmentInfo>& infos) noexcept {
  Lsn newest = 0;
  for (const SegmentInfo& info : infos) newest = std::max(newest, info.last_lsn);
  return newest;
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_segments_open(const char* const* paths, std::size_t path_count,
                                    restante_segments** out_segments, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status wrong = check_array(paths, path_count, "paths"); !wrong.ok()) return wrong;
    if (Status null = require(out_segments, "out_segments"); !null.ok()) return null;
    std::vector<std::string> list;
    for (std::size_t i = 0; i < path_count; ++i) {
      if (Status null = require(paths[i], "a path"); !null.ok()) return null;
      list.emplace_back(paths[i]);
    }
    return hand_out(RedoSegments::open(list), out_segments);
  });
}

std::int32_t restante_segments_open_directory(const char* directory, restante_segments** out_segments,
                                              restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(directory, "directory"); !null.ok()) return null;
    if (Status null = require(out_segments, "out_segments"); !null.ok()) return null;
    return hand_out(RedoSegments::open_directory(directory), out_segments);
  });
}

void restante_segments_free(restante_segments* segments) { delete segments; }

// --- What there is ------------------------------------------------------------------------------------

restante_id restante_segments_server(const restante_segments* segments) {
  return segments == nullptr ? restante_id{} : c_id(segments->segments.server());
}

restante_position restante_segments_end(const restante_segments* segments) {
  if (segments == nullptr) return {};
  const RedoSegments& files = segments->segments;
  return {c_id(files.id()), c_id(files.incarnation()), newest_lsn(segments->infos)};
}

std::size_t restante_segments_count(const restante_segments* segments) {
  return segments == nullptr ? 0 : segments->infos.size();
}

std::int32_t restante_segments_get(const restante_segments* segments, std::size_t index,
                                   restante_segment* out_segment, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(segments, "segments"); !null.ok()) return null;
    if (index >= segments->infos.size()) return invalid("there is no segment " + std::to_string(index));
    return fill_struct(out_segment, "restante_segment", segment_to_c(segments->infos[index]));
  });
}

std::size_t restante_segments_left_out_count(const restante_segments* segments) {
  return segments == nullptr ? 0 : segments->segments.left_out().size();
}

std::int32_t restante_segments_get_left_out(const restante_segments* segments, std::size_t index,
                                            restante_left_out* out_left_out, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(segments, "segments"); !null.ok()) return null;
    const std::vector<RedoSegments::LeftOut>& files = segments->segments.left_out();
    if (index >= files.size()) return invalid("there is no file " + std::to_string(index) + " left out");
    return fill_struct(out_left_out, "restante_left_out", left_out_to_c(files[index]));
  });
}

// --- Reading ------------------------------------------------------------------------------------------

std::int32_t restante_segments_read(const restante_segments* segments, const restante_read_range* range,
                                    restante_cursor** out_cursor, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(segments, "segments"); !null.ok()) return null;
    return read_from(segments->segments, range, out_cursor);
  });
}

std::int32_t restante_segments_records(const restante_segments* segments, const restante_read_range* range,
                                       restante_record_cursor** out_cursor, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(segments, "segments"); !null.ok()) return null;
    return records_from(segments->segments, range, out_cursor);
  });
}

std::int32_t restante_segments_open_content(const restante_segments* segments,
                                            const restante_content* content, restante_reader** out_reader,
                                            restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(segments, "segments"); !null.ok()) return null;
    return open_content_of(segments->segments, content, out_reader);
  });
}

std::int32_t restante_segments_verify(const restante_segments* segments,
                                      const restante_verify_options* options,
                                      restante_redo_verification** out_verification,
                                      restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(segments, "segments"); !null.ok()) return null;
    return verify_all_of(segments->segments, options, out_verification);
  });
}

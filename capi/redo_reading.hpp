#pragma once
// What reading a redo log and reading its segments as files have in common.

#include "handles.hpp"
#include "lent.hpp"

struct restante_reader {
  std::unique_ptr<restante::ContentReader> reader;
};

struct restante_cursor {
  explicit restante_cursor(std::unique_ptr<restante::TransactionCursor> opened) : cursor(std::move(opened)) {}
  std::unique_ptr<restante::TransactionCursor> cursor;
  restante::capi::Lent<restante::LoggedTransaction> lent;
};

struct restante_record_cursor {
  restante_record_cursor(std::shared_ptr<const void> of,
                         std::unique_ptr<restante::RedoLog::RecordCursor> opened)
      : owner(std::move(of)), cursor(std::move(opened)) {}
  /// Keeps open what the cursor reads.
  std::shared_ptr<const void> owner;
  std::unique_ptr<restante::RedoLog::RecordCursor> cursor;
  restante::capi::Lent<restante::RecordInfo> lent;
};

struct restante_redo_verification {
  explicit restante_redo_verification(restante::LogVerification done);

  /// What of `found.by_segment` is lent to readers.
  struct Segment {
    restante_segment info{};
    std::vector<restante_lsn_range> readable;
  };
  restante::LogVerification found;
  std::vector<Segment> segments;
};

namespace restante::capi {

[[nodiscard]] inline restante_segment segment_to_c(const SegmentInfo& found) noexcept {
  restante_segment segment{};
  segment.struct_size = sizeof segment;
  segment.sealed = found.sealed ? 1 : 0;
  segment.incarnation = c_id(found.incarnation);
  segment.sequence = found.sequence;
  segment.first_lsn = found.first_lsn;
  segment.last_lsn = found.last_lsn;
  segment.first_time = found.first_time.us;
  segment.last_time = found.last_time.us;
  segment.bytes = found.bytes;
  return segment;
}

/// A caller's options of a verification, and how its callback ended it.
class VerifyCallback {
 public:
  VerifyCallback() = default;
  VerifyCallback(const VerifyCallback&) = delete;
  VerifyCallback& operator=(const VerifyCallback&) = delete;

  /// Makes `out` call the callback; this must outlive it.
  [[nodiscard]] Status prepare(const restante_verify_options* given, RedoLog::VerifyOptions& out);
  [[nodiscard]] const Status& failure() const noexcept { return failure_; }

 private:
  restante_verify_options options_{};
  Status failure_;
};

// `Log` is a RedoLog or RedoSegments.

template <class Log>
[[nodiscard]] Status read_from(const Log& log, const restante_read_range* range,
                               restante_cursor** out_cursor) {
  if (Status null = require(out_cursor, "out_cursor"); !null.ok()) return null;
  ReadRange wanted;
  if (Status wrong = range_from_c(range, wanted); !wrong.ok()) return wrong;
  Result<std::unique_ptr<TransactionCursor>> cursor = log.read(wanted);
  if (!cursor.ok()) return cursor.status();
  *out_cursor = new restante_cursor(*std::move(cursor));
  return {};
}

template <class Log>
[[nodiscard]] Status records_from(const Log& log, const restante_read_range* range,
                                  restante_record_cursor** out_cursor) {
  if (Status null = require(out_cursor, "out_cursor"); !null.ok()) return null;
  ReadRange wanted;
  if (Status wrong = range_from_c(range, wanted); !wrong.ok()) return wrong;
  Result<std::unique_ptr<RedoLog::RecordCursor>> cursor = log.records(wanted);
  if (!cursor.ok()) return cursor.status();
  *out_cursor = new restante_record_cursor(std::make_shared<const Log>(log), *std::move(cursor));
  return {};
}

template <class Log>
[[nodiscard]] Status open_content_of(const Log& log, const restante_content* content,
                                     restante_reader** out_reader) {
  if (Status null = require(content, "content"); !null.ok()) return null;
  if (Status null = require(out_reader, "out_reader"); !null.ok()) return null;
  Result<std::unique_ptr<ContentReader>> reader = log.open_content(content_from_c(*content));
  if (!reader.ok()) return reader.status();
  *out_reader = new restante_reader{*std::move(reader)};
  return {};
}

template <class Log>
[[nodiscard]] Status verify_all_of(const Log& log, const restante_verify_options* given,
                                   restante_redo_verification** out_verification) {
  if (Status null = require(out_verification, "out_verification"); !null.ok()) return null;
  RedoLog::VerifyOptions options;
  VerifyCallback callback;
  if (Status wrong = callback.prepare(given, options); !wrong.ok()) return wrong;
  Result<LogVerification> found = log.verify(options);
  if (!callback.failure().ok()) return callback.failure();
  if (!found.ok()) return found.status();
  *out_verification = new restante_redo_verification(*std::move(found));
  return {};
}

}  // namespace restante::capi

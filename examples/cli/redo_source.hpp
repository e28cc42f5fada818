#pragma once
// Where records of a redo log are read from: the log of the server, or segments by their files.

#include <restante/redo_segments.hpp>

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace cli {

class RedoSource {
 public:
  explicit RedoSource(restante::RedoLog log) : from_(std::move(log)) {}
  explicit RedoSource(restante::RedoSegments segments) : from_(std::move(segments)) {}
  /// Throws a `Failure` if there is no segment among them.
  [[nodiscard]] static RedoSource of_files(const std::vector<std::string>& files);

  /// Null for files.
  [[nodiscard]] const restante::RedoLog* log() const noexcept {
    return std::get_if<restante::RedoLog>(&from_);
  }
  /// Null for the log.
  [[nodiscard]] const restante::RedoSegments* files() const noexcept {
    return std::get_if<restante::RedoSegments>(&from_);
  }

  [[nodiscard]] restante::Result<std::vector<restante::SegmentInfo>> segments() const {
    using Segments = restante::Result<std::vector<restante::SegmentInfo>>;
    return std::visit([](const auto& from) -> Segments { return from.segments(); }, from_);
  }
  [[nodiscard]] restante::Result<std::unique_ptr<restante::RedoLog::RecordCursor>> records(
      const restante::ReadRange& range) const {
    return std::visit([&](const auto& from) { return from.records(range); }, from_);
  }
  [[nodiscard]] restante::Result<std::unique_ptr<restante::ContentReader>> open_content(
      const restante::ContentRef& content) const {
    return std::visit([&](const auto& from) { return from.open_content(content); }, from_);
  }
  [[nodiscard]] restante::Result<restante::LogVerification> verify(
      const restante::RedoLog::VerifyOptions& options) const {
    return std::visit([&](const auto& from) { return from.verify(options); }, from_);
  }

 private:
  std::variant<restante::RedoLog, restante::RedoSegments> from_;
};

}  // namespace cli

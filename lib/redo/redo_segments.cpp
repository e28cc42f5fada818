// Segments by their files, without a log.

#include <restante/redo_segments.hpp>

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "os/file.hpp"
#include "redo/committed_reader.hpp"
#include "redo/log_access.hpp"
#include "redo/open_segment.hpp"
#include "redo/segment_reading.hpp"
#include "redo/verify.hpp"

namespace restante {
inline namespace v0 {

struct RedoSegments::Impl {
  /// Raw segments of one incarnation, by sequence.
  redo::SegmentViews segments;
  std::vector<LeftOut> left_out;

  [[nodiscard]] static Result<RedoSegments> open(
      const std::vector<std::shared_ptr<const redo::SegmentFile>>& files);
};

namespace {

using File = std::shared_ptr<const redo::SegmentFile>;
using LeftOut = RedoSegments::LeftOut;

/// Sorts files into segments of one log and those that cannot be used.
class Sorter {
 public:
  void examine(const File& file) {
    const std::string_view path = file->name();
    const std::optional<std::uint64_t> named = redo::sequence_of_name(path.substr(path.rfind('/') + 1));
    Result<redo::FoundSegment> found = redo::examine_segment(file);
    if (!found.ok()) {
      leave_out(file, named.value_or(0), found.status());
    } else if (Status right = named ? redo::check_name(*found, *named) : Status(); !right.ok()) {
      leave_out(file, found->header->sequence, right);
    } else {
      found_.push_back(std::move(*found));
    }
  }

  void keep_one_log() {
    using Log = std::pair<Id128, Id128>;
    const auto log_of = [](const redo::FoundSegment& found) {
      return Log(found.header->log, found.header->incarnation);
    };
    std::map<Log, std::size_t> counts;
    for (const redo::FoundSegment& found : found_) ++counts[log_of(found)];
    // Of as many, that of the first file.
    Log most;
    for (const redo::FoundSegment& found : found_)
      if (counts[log_of(found)] > counts[most]) most = log_of(found);
    leave_out_if([&](const redo::FoundSegment& found) -> Status {
      if (log_of(found) == most) return {};
      const std::string_view what = found.header->log == most.first ? "incarnation" : "redo log";
      return Status(Code::diverged, base::cat(base::escape(found.file->name()), " is of another ", what,
                                              " than other files: segment ", found.header->sequence));
    });
  }

  void keep_one_of_each_sequence() {
    std::map<std::uint64_t, std::string> first;
    leave_out_if([&](const redo::FoundSegment& found) -> Status {
      const auto [other, is_new] = first.emplace(found.header->sequence, found.file->name());
      if (is_new) return {};
      return Status(Code::diverged,
                    base::cat(base::escape(found.file->name()), " holds segment ", found.header->sequence,
                              ", as does ", base::escape(other->second)));
    });
    std::sort(found_.begin(), found_.end(), [](const redo::FoundSegment& a, const redo::FoundSegment& b) {
      return a.header->sequence < b.header->sequence;
    });
  }

  redo::SegmentViews open() {
    redo::SegmentViews views;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const bool adjoins =
          i + 1 < found_.size() && found_[i + 1].header->sequence == found_[i].header->sequence + 1;
      Result<std::shared_ptr<const redo::RawSegment>> segment =
          redo::open_found(found_[i], adjoins ? found_[i + 1].header.get() : nullptr);
      if (segment.ok()) {
        views.push_back(std::move(*segment));
      } else {
        leave_out(found_[i].file, found_[i].header->sequence, segment.status());
      }
    }
    return views;
  }

  std::vector<LeftOut> take_left_out() { return std::move(left_out_); }

 private:
  void leave_out(const File& file, std::uint64_t sequence, const Status& why) {
    LeftOut left{file->name(), sequence, 0, why};
    const Result<std::shared_ptr<const os::Fd>> fd = file->open();
    if (fd.ok()) {
      const Result<os::FileInfo> info = file->io().fstat((*fd)->get());
      if (info.ok()) left.bytes = info->size;
    }
    left_out_.push_back(std::move(left));
  }

  template <class Judge>
  void leave_out_if(Judge judge) {
    std::vector<redo::FoundSegment> kept;
    for (redo::FoundSegment& found : found_) {
      if (Status right = judge(found); right.ok()) {
        kept.push_back(std::move(found));
      } else {
        leave_out(found.file, found.header->sequence, right);
      }
    }
    found_ = std::move(kept);
  }

  std::vector<redo::FoundSegment> found_;
  std::vector<LeftOut> left_out_;
};

/// A cursor that first says which files are not read.
template <class Cursor, class Item>
class Announcing final : public Cursor {
 public:
  Announcing(std::shared_ptr<const RedoSegments::Impl> owner, std::unique_ptr<Cursor> cursor)
      : owner_(std::move(owner)), cursor_(std::move(cursor)) {}

  Result<bool> next(Item& item) override {
    if (announced_ == owner_->left_out.size()) return cursor_->next(item);
    const LeftOut& left = owner_->left_out[announced_++];
    return Status(Code::damaged,
                  base::cat("the file ", base::escape(left.path), " is left out: ", left.why.message()),
                  left.why.hint());
  }

 private:
  std::shared_ptr<const RedoSegments::Impl> owner_;
  std::unique_ptr<Cursor> cursor_;
  std::size_t announced_ = 0;
};

void add_left_out(const std::vector<LeftOut>& left_out, LogVerification& result) {
  for (const LeftOut& left : left_out) {
    ++result.segments;
    result.bytes += left.bytes;
    SegmentVerification segment;
    segment.info.sequence = left.sequence;
    segment.info.bytes = left.bytes;
    segment.file = left.path;
    segment.is_damaged = true;
    result.by_segment.push_back(std::move(segment));
    result.damages.push_back({left.sequence, 0, 0, 0, left.why.message(), left.path});
  }
  const auto by_sequence = [](const auto& a, const auto& b) { return a.sequence < b.sequence; };
  std::stable_sort(result.damages.begin(), result.damages.end(), by_sequence);
  std::stable_sort(result.by_segment.begin(), result.by_segment.end(),
                   [&](const SegmentVerification& a, const SegmentVerification& b) {
                     return by_sequence(a.info, b.info);
                   });
}

}  // namespace

Result<RedoSegments> RedoSegments::Impl::open(const std::vector<File>& files) {
  Sorter sorter;
  for (const File& file : files) sorter.examine(file);
  sorter.keep_one_log();
  sorter.keep_one_of_each_sequence();
  const auto impl = std::make_shared<Impl>();
  impl->segments = sorter.open();
  impl->left_out = sorter.take_left_out();
  return RedoSegments(impl);
}

Result<RedoSegments> RedoSegments::open(const std::vector<std::string>& paths) {
  return redo::open_segments(os::real_io(), paths);
}

Result<RedoSegments> RedoSegments::open_directory(const std::string& directory) {
  os::Io& io = os::real_io();
  Result<os::Fd> opened = os::open_dir(io, directory);
  if (!opened.ok()) return opened.status();
  const auto fd = std::make_shared<const os::Fd>(std::move(*opened));
  const Result<std::vector<os::DirEntry>> entries = io.list(fd->get());
  if (!entries.ok()) return entries.status();
  std::vector<std::string> names;
  for (const os::DirEntry& entry : *entries)
    if (redo::sequence_of_name(entry.name)) names.push_back(entry.name);
  if (names.empty()) {
    return Status(Code::not_found,
                  base::cat("there is no segment of a redo log in ", base::escape(directory)));
  }
  std::sort(names.begin(), names.end());
  std::vector<File> files;
  for (std::string& name : names)
    files.push_back(std::make_shared<const redo::SegmentFile>(io, fd, std::move(name)));
  return Impl::open(files);
}

Id128 RedoSegments::server() const noexcept {
  return impl_->segments.empty() ? Id128{} : impl_->segments.front()->header().server;
}
Id128 RedoSegments::id() const noexcept {
  return impl_->segments.empty() ? Id128{} : impl_->segments.front()->header().log;
}
Id128 RedoSegments::incarnation() const noexcept {
  return impl_->segments.empty() ? Id128{} : impl_->segments.front()->header().incarnation;
}

std::vector<SegmentInfo> RedoSegments::segments() const {
  std::vector<SegmentInfo> infos;
  infos.reserve(impl_->segments.size());
  for (const std::shared_ptr<const redo::SegmentView>& view : impl_->segments) infos.push_back(view->info());
  return infos;
}
const std::vector<RedoSegments::LeftOut>& RedoSegments::left_out() const noexcept { return impl_->left_out; }

Result<std::unique_ptr<TransactionCursor>> RedoSegments::read(const ReadRange& range) const {
  if (Status possible = redo::check_no_kinds(range); !possible.ok()) return possible;
  auto reader =
      std::make_unique<redo::CommittedReader>(impl_->segments, range, redo::CommittedReader::Absence::chosen);
  return std::unique_ptr<TransactionCursor>(
      std::make_unique<Announcing<TransactionCursor, LoggedTransaction>>(impl_, std::move(reader)));
}

Result<std::unique_ptr<RedoLog::RecordCursor>> RedoSegments::records(const ReadRange& range) const {
  Result<std::unique_ptr<RedoLog::RecordCursor>> cursor =
      redo::read_records(impl_->segments, range, Code::not_found);
  if (!cursor.ok()) return cursor;
  return std::unique_ptr<RedoLog::RecordCursor>(
      std::make_unique<Announcing<RedoLog::RecordCursor, RecordInfo>>(impl_, std::move(*cursor)));
}

Result<std::unique_ptr<ContentReader>> RedoSegments::open_content(const ContentRef& content) const {
  return redo::find_and_open(content, impl_->segments);
}

Result<LogVerification> RedoSegments::verify(const RedoLog::VerifyOptions& options) const {
  Result<LogVerification> result = redo::verify_segments(impl_->segments, options, redo::VerifyAs::files);
  if (result.ok()) add_left_out(impl_->left_out, *result);
  return result;
}

}  // namespace v0

namespace redo {

Result<RedoSegments> open_segments(os::Io& io, const std::vector<std::string>& paths) {
  if (paths.empty()) return Status(Code::invalid_argument, "no segment of a redo log is named");
  std::vector<File> files;
  for (const std::string& path : paths)
    files.push_back(std::make_shared<const SegmentFile>(io, nullptr, path));
  return RedoSegments::Impl::open(files);
}

}  // namespace redo
}  // namespace restante
